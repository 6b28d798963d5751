"""What is attached: order, ordinals, blank files, media faults and where they are told."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Bundle, Constraints, ElementSpec, Item, Kind, Role
from tests.unit.plan import builders as build

ROWS = (
    build.row("A", hero="a.png", views=("a1.png", "a2.png", "a3.png"), clip="a.mp4"),
    build.row("B", hero="", views=(), clip=""),
)


def made(
    *bundles: Bundle, rows: Any = (), album: build.Album | None = None, **more: Any
) -> list[Item]:
    """Return the items of a shot with these bundles."""
    return build.items(campaign(*bundles, rows=rows, **more), album, offers=ANY)


def campaign(*bundles: Bundle, rows: Any = (), **more: Any) -> Any:
    """Return a campaign of one shot with these bundles."""
    table = {"table": "products"} if rows else {}
    return build.manifest(build.shot(bundles=bundles, **table, **more), rows=rows)


_LENGTHS = frozenset(range(3, 11))
_OPEN: dict[str, Any] = {
    "durations": _LENGTHS,
    "ratio": "",
    "max_images": 7,
    "max_elements": 7,
    "first_frame": True,
    "keep_audio": True,
}
ANY = {"runware": build.offer("runware", **{kind.value: Constraints(**_OPEN) for kind in Kind})}


def numbered(item: Item) -> list[tuple[str, int, str]]:
    """Return role, ordinal and file of each reference."""
    return [
        (each.role.value, each.ordinal, each.media[0].source.removeprefix("/files/"))
        for each in item.references
    ]


def element(name: str, *files: str) -> ElementSpec:
    """Return an element of a bundle."""
    images = tuple(build.value(file) for file in files)
    return ElementSpec(
        name=name, description=build.value("a red shoe"), images=images, span=build.at(6)
    )


def test_ordinals_follow_use_then_the_order_written() -> None:
    """Frames first, then images, elements and the video, each counted from 1."""
    (item,) = made(
        build.bundle(build.image("front"), name="product"),
        build.bundle(
            build.image("studio"),
            name="look",
            elements=(element("shoe", "s1.png", "s2.png"),),
            video=build.video("guide"),
        ),
        build.bundle(build.image("extra"), name="", frames=build.frames("open.png")),
    )

    assert [
        ("first", 1, "open.png"),
        ("image", 1, "front.png"),
        ("image", 2, "studio.png"),
        ("image", 3, "extra.png"),
        ("element", 1, "s1.png"),
        ("video", 1, "clip.mp4"),
    ] == numbered(item)
    assert 2 == len(item.references[4].media)
    assert "a red shoe" == item.references[4].say


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, Kind.TEXT),
        ({"images": (build.image("front"),)}, Kind.REFERENCES),
        ({"elements": (element("shoe", "s.png"),)}, Kind.REFERENCES),
        ({"frames": build.frames("a.png")}, Kind.FIRST_FRAME),
        ({"frames": build.frames("a.png", "b.png")}, Kind.FRAMES),
        ({"video": build.video("guide"), "images": (build.image("front"),)}, Kind.GUIDE),
        ({"video": build.video("guide"), "frames": build.frames("a.png")}, Kind.GUIDE),
        ({"video": build.video("edit"), "images": (build.image("front"),)}, Kind.EDIT),
        ({"video": build.video("edit", fast=True)}, Kind.FAST_EDIT),
    ],
)
def test_the_kind_follows_from_the_references(given: Any, kind: Kind) -> None:
    """Edit before guide, before frames, before references, before text."""
    bundle = Bundle(name="all", span=build.PLACE, **given)

    assert [kind] == [item.kind for item in made(bundle, album=build.Album(seconds=8))]


def test_each_gives_numbered_images_up_to_max() -> None:
    """`view` becomes view_1, view_2; what is blank or over `max` is left out."""
    views = build.image("view", "{{ product.views }}", each=True, max=2, optional=True)

    first, second = made(build.bundle(views), rows=ROWS)

    assert [("image", 1, "a1.png"), ("image", 2, "a2.png")] == numbered(first)
    assert ["view_1", "view_2"] == [each.name for each in first.references]
    assert (Kind.TEXT, []) == (second.kind, numbered(second))


def test_an_optional_image_that_is_blank_is_left_out() -> None:
    """The kind follows from what is left."""
    hero = build.image("front", "{{ product.hero }}", optional=True)

    assert [Kind.REFERENCES, Kind.TEXT] == [
        item.kind for item in made(build.bundle(hero), rows=ROWS)
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": (build.image("front", "{{ product.hero }}"),)}, "'front' has no file"),
        (
            {"images": (build.image("view", "{{ product.views }}", each=True),)},
            "'view' has no file",
        ),
        ({"frames": build.frames("{{ product.hero }}")}, "the first frame has no file"),
        ({"video": build.video("guide", "{{ product.clip }}")}, "the video has no file"),
        (
            {"elements": (element("shoe", "{{ product.hero }}"),)},
            "an image of 'shoe' has no file",
        ),
    ],
)
def test_any_other_blank_file_is_a_finding_at_its_cell(given: Any, message: str) -> None:
    """A clip without its product costs as much as one with it."""
    bundle = Bundle(name="all", span=build.PLACE, **given)

    (finding,) = build.findings(campaign(bundle, rows=ROWS), offers=ANY)

    assert ("blank-reference", message) == (finding.slug, finding.message)
    assert ("B", "products.csv") == (finding.row, finding.span.file)


def test_a_last_frame_that_is_blank_is_absent() -> None:
    """The clip then begins with its first frame and ends as it likes."""
    frames = build.frames("open.png", "{{ product.hero }}")

    assert [Kind.FRAMES, Kind.FIRST_FRAME] == [
        item.kind for item in made(build.bundle(frames=frames), rows=ROWS)
    ]


def test_a_file_from_a_cell_is_relative_to_the_table() -> None:
    """Anything that is put together in the manifest is relative to the manifest."""
    rows = (build.row("A", hero="a.png"),)
    images = (
        build.image("front", "{{ product.hero }}"),
        build.image("side", "img/{{ product.hero }}"),
    )
    album = build.Album()

    made(build.bundle(*images), rows=rows, album=album)

    assert [("a.png", build.TABLES), ("img/a.png", build.FOLDER)] == [
        (file, folder) for file, folder, _ in album.looks
    ]


def test_what_depends_on_no_row_is_looked_at_once() -> None:
    """One look per shot for the studio, one per row for the product."""
    album = build.Album()
    rows = [build.row(f"R{number}", hero=f"{number}.png") for number in range(5)]
    variants = build.variants({"mood": ["a", "b", "c"]})

    made(
        build.bundle(build.image("front", "{{ product.hero }}")),
        rows=rows,
        album=album,
        variants=variants,
        prompt=build.prompt("{{ variant.mood }}"),
    )

    assert [f"{number}.png" for number in range(5)] == [file for file, _, _ in album.looks]


def test_a_media_fault_is_told_at_the_cell_that_names_the_file() -> None:
    """With the row, the column, and the place in the manifest beside it."""
    rows = (build.row("A", hero="a.png"), build.row("B", hero="b.png"))
    front = build.image("front", "{{ product.hero }}", line=17)

    (finding,) = build.findings(
        campaign(build.bundle(front), rows=rows),
        build.Album(missing=frozenset({"b.png"})),
        offers=ANY,
    )

    assert ("missing-file", "'b.png' does not exist") == (finding.slug, finding.message)
    assert ("B", "hero", rows[1].cells["hero"]) == (finding.row, finding.column, finding.span)
    assert (build.at(17),) == finding.related
    assert "is it misspelt?" == finding.hint


def test_a_media_fault_of_the_manifest_is_told_there_once() -> None:
    """All rows share the file, so none is named."""
    (finding,) = build.findings(
        campaign(build.bundle(build.image("studio", "lost.png", line=17)), rows=ROWS),
        build.Album(missing=frozenset({"lost.png"})),
        offers=ANY,
    )

    assert ("missing-file", build.at(17), ()) == (finding.slug, finding.span, finding.rows)


def test_a_url_counts_by_its_pin() -> None:
    """Else by its text; a local file must be the one that is pinned."""
    pin = "ab" * 32
    url = "https://shop.example/a.png"

    (plain,) = made(build.bundle(build.image("front", url)))
    (pinned,) = made(build.bundle(build.image("front", url, pin=pin)))

    assert pin == pinned.references[0].media[0].digest
    assert plain.key.digest != pinned.key.digest
    assert ["pin-mismatch"] == build.slugs(
        campaign(build.bundle(build.image("front", pin=pin))), offers=ANY
    )


def test_an_edit_of_a_url_needs_its_length() -> None:
    """It is the price."""
    url = "https://shop.example/a.mp4"
    without = build.bundle(video=build.video("edit", url))
    told = build.bundle(video=build.video("edit", url, seconds=build.value(6.5)))

    assert ["seconds-needed"] == build.slugs(campaign(without), offers=ANY)
    assert [6.5] == [item.spec.seconds for item in made(told)]
    assert [Kind.GUIDE] == [
        item.kind for item in made(build.bundle(video=build.video("guide", url)))
    ]


def test_there_is_one_video_and_one_first_frame() -> None:
    """Two bundles that both bring one cannot be composed."""
    one, other = (build.bundle(name=name, video=build.video()) for name in ("one", "other"))

    assert ["two-references"] == build.slugs(campaign(one, other), offers=ANY)


def test_only_what_is_said_of_an_image_is_kept() -> None:
    """`say` is rendered for the row."""
    rows = (build.row("A", name="Comet"),)
    front = build.image("front", say=build.value("the {{ product.name }}"))

    assert ["the Comet"] == [
        each.say for each in made(build.bundle(front), rows=rows)[0].references
    ]
    assert [Role.IMAGE] == [
        each.role for each in made(build.bundle(front), rows=rows)[0].references
    ]


def test_a_blank_reference_is_told_once() -> None:
    """That the prompt mentions it is no second fault: it was meant to be there."""
    bundle = Bundle(
        name="all", images=(build.image("front", "{{ product.hero }}"),), span=build.PLACE
    )
    shot = build.shot("@front turns.", table="products", bundles=(bundle,))

    assert ["blank-reference"] == build.slugs(build.manifest(shot, rows=ROWS), offers=ANY)


def test_a_second_first_frame_names_the_first() -> None:
    """Both places are told, since either may be the one too many."""
    one, two = (build.bundle(name=name, frames=build.frames("a.png")) for name in ("a", "b"))

    (finding,) = build.findings(campaign(one, two), offers=ANY)

    assert ("two-references", 1) == (finding.slug, len(finding.related))


def test_an_unfit_image_is_told_at_its_cell_with_all_rows() -> None:
    """The same small picture in three rows is one finding, where the table names it first."""
    rows = [build.row(key, hero="small.png") for key in ("A", "B", "C")]
    album = build.Album(sizes={"small.png": (128, 128)})
    bundle = build.bundle(build.image("front", "{{ product.hero }}"))

    (finding,) = build.findings(campaign(bundle, rows=rows), album, offers=ANY)

    assert ("too-small", "use a larger picture") == (finding.slug, finding.hint)
    assert ("products.csv", "hero") == (finding.span.file, finding.column)
    assert ("A", "B", "C") == finding.rows
