"""What makes two items the same work, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.model import Key
from tests.unit.plan import builders as build

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
        "settings.aspect_ratio",
        "take",
    } == set(parts)
    assert {12} == {len(digest) for digest in parts.values()}


def test_a_key_never_changes_by_itself() -> None:
    """If this fails, every clip ever made would be bought again: raise RECIPE, and say so."""
    assert "faabe9076c41fe9cd3894b5d50e5cfed4086f70d2ad69fc88ec0c53ef2a9d535" == key().digest


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"text": TEXT + "!"}, {"prompt"}),
        ({"album": build.Album(changed={"comet.png": "new"})}, {"references"}),
        ({"settings": {"mode": "pro"}}, {"settings.mode"}),
        ({"settings": {"duration": 6}}, {"settings.duration"}),
        ({"settings": {"safety": "full"}}, {"settings.safety"}),
        ({"provider": "unifically"}, {"settings.aspect_ratio"}),
        ({"settings": {"pin_provider": True}}, {"provider"}),
        ({"extra": {"runware": {"outputQuality": 90}}}, {"provider", "extra"}),
        (
            {"text": "{{ product.name }}", "bundles": ()},
            {"kind", "prompt", "references", "settings.aspect_ratio"},
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
