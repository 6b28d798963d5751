"""For any item: its key changes exactly when something changes that is sent or asked for."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Item
from tests.unit.plan import builders as build

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
TEXTS = st.text("abc ,.é", min_size=1, max_size=12).map(lambda text: f"x{text}x")
CHOICES: dict[str, list[Any]] = {
    "mode": ["std", "pro"],
    "duration": [5, 10],
    "ratio": ["16:9", "9:16", "1:1"],
}
FILES = st.lists(NAMES.map(lambda name: f"{name}.png"), max_size=3, unique=True)


@st.composite
def works(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what an item asks for."""
    return {
        "text": draw(TEXTS),
        "files": draw(FILES),
        **{name: draw(st.sampled_from(choices)) for name, choices in CHOICES.items()},
        "take": draw(st.integers(1, 3)),
        "pinned": draw(st.booleans()),
    }


def item(work: dict[str, Any], **names: Any) -> Item:
    """Return the item of a work, under names that are given."""
    prefix = names.pop("prefix", "ref")
    bundle = names.pop("bundle", "look")
    images = [build.image(f"{prefix}{index}", file) for index, file in enumerate(work["files"])]
    mentions = " ".join(f"@{image.name}" for image in images)
    shot = build.shot(
        f"{work['text']} {mentions}",
        bundles=(build.bundle(*images, name=bundle),) if images else (),
        settings={
            "provider": "unifically",
            "mode": work["mode"],
            "duration": work["duration"],
            "aspect_ratio": work["ratio"],
            "takes": work["take"],
            "pin_provider": work["pinned"],
        },
        **names,
    )
    return build.items(build.manifest(shot))[-1]


@given(works(), works())
@settings(deadline=None, max_examples=40)
def test_two_items_have_one_key_exactly_when_they_ask_for_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Equal in all parts, equal in the key; different in any, different in the key."""
    here, there = item(one), item(other)

    assert (one == other) is (here.key.digest == there.key.digest)
    assert (here.key.parts == there.key.parts) is (here.key.digest == there.key.digest)


@given(works(), st.data())
@settings(deadline=None, max_examples=40)
def test_a_change_of_any_part_is_another_key(work: dict[str, Any], data: st.DataObject) -> None:
    """And only the part that changed has another digest."""
    name = data.draw(st.sampled_from(sorted(CHOICES)))
    value = data.draw(st.sampled_from([each for each in CHOICES[name] if each != work[name]]))

    before, after = item(work).key, item({**work, name: value}).key

    part = {"ratio": "settings.aspect_ratio"}.get(name, f"settings.{name}")
    assert before.digest != after.digest
    assert {part} == {each for each in before.parts if before.parts[each] != after.parts[each]}


@given(works(), NAMES, NAMES, NAMES)
@settings(deadline=None, max_examples=40)
def test_renaming_changes_no_key(work: dict[str, Any], shot: str, prefix: str, bundle: str) -> None:
    """Shots, bundles and references may be renamed: nothing is bought."""
    renamed = item(work, id=shot, prefix=f"{prefix}x", bundle=bundle, tags=("new",))

    assert item(work).key == renamed.key


@given(works())
@settings(deadline=None, max_examples=40)
def test_the_order_of_references_is_part_of_the_key(work: dict[str, Any]) -> None:
    """Image 1 and image 2 exchanged are another request."""
    files = work["files"]

    turned = item({**work, "files": files[::-1]})

    assert (files == files[::-1]) is (item(work).key.digest == turned.key.digest)
