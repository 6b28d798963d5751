"""What makes two items the same work, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Key
from pipeline.plan import RECIPE
from tests.unit.plan import builders as build
from tests.unit.plan.works import examples, recorded, works

ROWS = (build.row("A", name="Comet", hero="comet.png"),)
TEXT = "@front of {{ product.name }}"


def key(text: str = TEXT, *, album: build.Album | None = None, **more: Any) -> Key:
    """Return the key of the first item of one shot; `bundles` and other fields may be given."""
    front = build.image("front", "{{ product.hero }}", say=build.value("the shoe"))
    given: dict[str, Any] = {"table": "products", "bundles": (build.bundle(front),), **more}
    rows, provider = given.pop("rows", ROWS), given.pop("provider", "")
    name = given.pop("name", "spring")
    campaign = build.manifest(build.shot(text, **given), rows=rows, name=name)
    return build.items(campaign, album, provider=provider)[0].key


def changed(other: Key) -> set[str]:
    """Return the names of the parts in which a key differs from the plain one."""
    plain = key()
    assert (plain.digest == other.digest) is (plain.parts == other.parts)
    names = set(plain.parts) | set(other.parts)
    return {name for name in names if plain.parts.get(name) != other.parts.get(name)}


def test_a_key_has_named_parts() -> None:
    """`why` prints them; each has a digest of twelve digits."""
    parts = key().parts

    assert {
        "recipe",
        "model",
        "kind",
        "prompt",
        "references",
        "settings.mode",
        "settings.duration",
        "take",
    } == set(parts)
    assert {12} == {len(digest) for digest in parts.values()}


def test_a_key_never_changes_by_itself() -> None:
    """If this fails, every clip ever made would be bought again: raise RECIPE, and say so."""
    found = {name: item.key.digest for each in (works(), examples()) for name, item in each}

    assert recorded(RECIPE) == found


def test_what_an_earlier_rule_made_is_known_for_the_same_work() -> None:
    """Each key that recipe 1 gave a work is among the alternatives of its key, and is the first.

    Works that no provider was sold by then have no such key on record.
    """
    found = {
        name: item.key.alternatives[0] for each in (works(), examples()) for name, item in each
    }

    assert recorded(1) == {name: found[name].digest for name in recorded(1)}
    assert {(True, False, None)} == {
        (other.earlier_rule, other.exclusive, other.ratio) for other in found.values()
    }


def test_a_work_has_one_key_at_every_provider() -> None:
    """Nothing that nobody wrote is in it, whatever a provider takes for it."""
    found: dict[str, dict[str, set[str]]] = {}
    for name, item in works():
        provider, _, work = name.partition(", ")
        if not item.pinned:
            found.setdefault(work, {}).setdefault(item.key.digest, set()).add(provider)

    assert {1} == {len(keys) for keys in found.values()}
    assert any(len(providers) >= 4 for keys in found.values() for providers in keys.values())


def test_what_any_provider_made_by_an_earlier_rule_is_known_at_every_other() -> None:
    """Recipe 1 gave one work several keys, one for each ratio that providers take for none."""
    earlier, known = recorded(1), dict[str, set[str]]()
    for name, item in works():
        _, _, work = name.partition(", ")
        others = {other.digest for other in item.key.alternatives if other.earlier_rule}
        known[work] = known.get(work, others) & others if not item.pinned else set()
    made: dict[str, set[str]] = {}
    for name, digest in earlier.items():
        _, _, work = name.partition(", ")
        if known.get(work):
            made.setdefault(work, set()).add(digest)

    assert any(len(digests) > 1 for digests in made.values())
    assert {} == {work: left for work, digests in made.items() if (left := digests - known[work])}


def test_the_bytes_of_a_picture_made_to_fit_are_not_part_of_it() -> None:
    """Another version of a library writes other bytes; the source and what was done stay."""
    frames = (build.bundle(frames=build.frames("hero.png", fit="crop")),)
    given: dict[str, Any] = {"text": "Rain.", "bundles": frames}
    written = {"settings": {"aspect_ratio": "9:16"}, **given}

    here, there = (key(album=build.Album(encoder=words), **written) for words in ("", "newer"))
    padded = (build.bundle(frames=build.frames("hero.png", fit="pad")),)

    assert here == there
    assert here.alternatives != there.alternatives
    assert here.digest != key(**{**written, "bundles": padded}).digest


def test_the_bytes_of_a_picture_that_was_converted_are_not_part_of_it() -> None:
    """A WebP counts by its own bytes and by being converted, whichever library does it."""
    webp = {"format": "webp", "unfit": ("WebP",)}
    here, there = (key(album=build.Album(encoder=words, details=webp)) for words in ("", "newer"))

    assert here == there
    assert {"references"} == changed(here)


def test_what_was_bought_with_a_picture_as_it_is_stored_is_not_bought_again() -> None:
    """A photo of inks was sent as it is: that it is converted now makes no other work of it."""
    inks = key(album=build.Album(details={"format": "jpeg", "unfit": ("CMYK",)}))
    first, *_ = inks.alternatives

    assert (key().digest, True, None) == (first.digest, first.earlier_rule, first.ratio)
    grey = key(album=build.Album(details={"unfit": ("16-bit grey",)}))
    assert key().digest not in {other.digest for other in grey.alternatives}


def test_a_clip_that_lies_on_its_side_does_not_stand_for_one_that_is_upright() -> None:
    """Where a frame was sent sideways, only a clip of the right shape is taken for it."""
    frames = (build.bundle(frames=build.frames("hero.png")),)
    given: dict[str, Any] = {"text": "Rain.", "bundles": frames}
    album = build.Album(sizes={"hero.png": (900, 1600)}, details={"unfit": ("sideways",)})
    plain = key(album=build.Album(sizes={"hero.png": (900, 1600)}), **given)

    first, *_ = key(album=album, **given).alternatives

    assert (plain.digest, 9 / 16) == (first.digest, first.ratio)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"text": TEXT + "!"}, {"prompt"}),
        ({"album": build.Album(changed={"comet.png": "new"})}, {"references"}),
        ({"settings": {"mode": "pro"}}, {"settings.mode"}),
        ({"settings": {"duration": 6}}, {"settings.duration"}),
        ({"settings": {"safety": "full"}}, {"settings.safety"}),
        (
            {"settings": {"aspect_ratio": "16:9"}, "provider": "unifically"},
            {"settings.aspect_ratio"},
        ),
        ({"settings": {"pin_provider": True}}, {"provider"}),
        ({"extra": {"runware": {"outputQuality": 90}}}, {"provider", "extra"}),
        (
            {"text": "{{ product.name }}", "bundles": ()},
            {"kind", "prompt", "references"},
        ),
    ],
)
def test_what_makes_an_item_other_work(given: Any, parts: set[str]) -> None:
    """Exactly the part that changed says so."""
    assert parts == changed(key(**given))


def test_another_take_is_other_work() -> None:
    """The model is not deterministic: that is what takes are for."""
    shot = build.shot(settings={"takes": 2})
    first, second = build.items(build.manifest(shot))

    assert first.key.digest != second.key.digest
    assert {"take"} == {
        name for name in first.key.parts if first.key.parts[name] != second.key.parts[name]
    }


def test_what_is_said_of_a_reference_is_part_of_it() -> None:
    """The words go into the prompt wherever a provider has no tokens."""
    other = build.image("front", "{{ product.hero }}", say=build.value("the boot"))

    assert {"references"} == changed(key(bundles=(build.bundle(other),)))


@pytest.mark.parametrize(
    "given",
    [
        {"id": "turn"},
        {"tags": ("hero",)},
        {"output": build.path("clips/{{ row_key }}.{{ ext }}")},
        {"span": build.at(99)},
        {"rows": (build.row("Z", name="Comet", hero="comet.png", price=5),)},
        {"name": "autumn"},
        {"settings": {"mode": "std", "duration": 5}},
        {"settings": {"aspect_ratio": "auto"}},
        {"provider": "unifically"},
        {"text": TEXT + "  \n"},
    ],
)
def test_names_and_places_change_no_key(given: Any) -> None:
    """Renaming a shot, a row, a path or the campaign buys nothing."""
    assert set() == changed(key(**given))


def test_the_name_of_a_reference_changes_no_key() -> None:
    """A token is a role and an ordinal; a file is its content."""
    hero = build.image("hero", "renamed.png", say=build.value("the shoe"))
    album = build.Album(changed={"renamed.png": "comet.png"})

    assert set() == changed(
        key("@hero of {{ product.name }}", bundles=(build.bundle(hero, name="goods"),), album=album)
    )


def test_the_provider_is_not_part_of_it() -> None:
    """Whoever made the clip: it is the same clip, unless the item is pinned."""
    text = build.shot("Rain.")
    one, other = (
        build.items(build.manifest(text), provider=name)[0] for name in ("runware", "unifically")
    )

    assert one.provider != other.provider
    assert one.key == other.key


def test_composed_and_decomposed_letters_are_one_text() -> None:
    """Text is compared in one normal form."""
    one, other = (
        build.items(build.manifest(build.shot(text)))[0].key for text in ("Café", "Cafe\u0301")
    )

    assert one == other
