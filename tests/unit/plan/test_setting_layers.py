"""Which value of a setting wins, and what a setting may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.domain import Constraints, Item
from pipeline.errors import TemplateFault
from tests.unit.plan import builders as build

ROW = build.row("A", {"duration": 10, "takes": 2, "mode": "pro"}, seconds=10, blank="")


def one(text: str = "Rain.", *, rows: Any = (), **more: Any) -> Item:
    """Return the first item of a campaign with one shot; `campaign` are the manifest's own."""
    campaign = more.pop("campaign", {})
    table = {"table": "products"} if rows else {}
    return build.items(build.manifest(build.shot(text, **table, **more), rows=rows, **campaign))[0]


def test_nobody_wrote_anything() -> None:
    """Runware, five seconds, std, 16:9, one take."""
    item = one()

    assert "runware" == item.provider
    assert ("std", 5, "16:9") == (
        item.settings.mode,
        item.settings.duration,
        item.settings.aspect_ratio,
    )
    assert not item.pinned


@pytest.mark.parametrize(
    ("layers", "mode"),
    [
        ({"defaults"}, "defaults"),
        ({"defaults", "shot"}, "shot"),
        ({"defaults", "shot", "axis"}, "axis"),
        ({"defaults", "shot", "axis", "row"}, "row"),
        ({"defaults", "shot", "axis", "row", "overrides"}, "overrides"),
        ({"defaults", "row"}, "row"),
        ({"shot", "overrides"}, "overrides"),
    ],
)
def test_the_nearer_layer_wins(layers: set[str], mode: str) -> None:
    """Row's column, then axis, shot, defaults; overrides over all."""
    offers = {"runware": build.offer("runware", text=Constraints(durations=frozenset({5})))}
    offers["runware"] = replace(offers["runware"], settings=frozenset({"safety"}))
    said = {layer: {"safety": layer} for layer in layers}
    shot = build.shot(
        table="products",
        settings=said.get("shot", {}),
        variants=build.variants({"safety": ["axis"]}) if "axis" in layers else None,
    )
    campaign = build.manifest(
        shot,
        rows=[build.row("A", said.get("row"))],
        defaults=said.get("defaults", {}),
        overrides=said.get("overrides", {}),
    )

    (item,) = build.items(campaign, offers=offers)

    assert mode == item.settings.safety


def test_a_value_that_renders_to_nothing_is_absent() -> None:
    """The next layer speaks."""
    item = one(
        rows=[build.row("A", seconds="")],
        settings={"duration": "{{ product.seconds }}"},
        campaign={"defaults": {"duration": 10}},
    )

    assert 10 == item.settings.duration


def test_a_setting_may_come_from_the_row_or_the_cell() -> None:
    """Each row and cell has its own."""
    rows = [build.row("A", seconds=5), build.row("B", seconds=10)]
    shot = build.shot(
        table="products",
        settings={"duration": "{{ product.seconds }}"},
        variants=build.variants({"mode": ["std", "pro"]}),
    )

    assert [(5, "std"), (5, "pro"), (10, "std"), (10, "pro")] == [
        (item.settings.duration, item.settings.mode)
        for item in build.items(build.manifest(shot, rows=rows))
    ]


def test_takes_follow_the_same_layers() -> None:
    """A row may want more takes than the others."""
    rows = [build.row("A", {"takes": 3}), build.row("B")]

    found = build.items(
        build.manifest(build.shot(table="products", settings={"takes": 2}), rows=rows)
    )

    assert ["A", "A", "A", "B", "B"] == [item.row_key for item in found]
    assert [1, 2, 3, 1, 2] == [item.take for item in found]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("duration", "five", "'duration' is a whole number of seconds, not 'five'"),
        ("duration", 5.5, "'duration' is a whole number of seconds, not 5.5"),
        ("duration", True, "'duration' is a whole number of seconds, not True"),
        ("takes", 0, "'takes' is a whole number from 1, not 0"),
        ("takes", "many", "'takes' is a whole number from 1, not 'many'"),
        ("pin_provider", "perhaps", "'pin_provider' is true or false, not 'perhaps'"),
        ("format", "avi", "'format' is mp4, webm or mov, not 'avi'"),
        ("provider", [], "'provider' is a provider's name, or a list of names, not []"),
        ("mode", 5, "'mode' is std or pro, not 5"),
    ],
)
def test_what_cannot_be_read_is_a_finding_at_its_value(name: str, data: Any, message: str) -> None:
    """An axis or a cell may hold anything."""
    (finding,) = build.findings(build.manifest(build.shot(settings={name: data})))

    assert ("bad-setting", message, 20) == (finding.slug, finding.message, finding.span.line)


def test_a_bad_steering_cell_is_told_at_the_cell() -> None:
    """With the row and the column."""
    rows = [build.row("A", {"duration": "soon"}), build.row("B")]

    (finding,) = build.findings(build.manifest(build.shot(table="products"), rows=rows))

    assert ("bad-setting", "A", "_duration") == (finding.slug, finding.row, finding.column)
    assert rows[0].span == finding.span


def test_numbers_may_be_written_as_text() -> None:
    """A steering cell is text."""
    assert 10 == one(rows=[build.row("A", {"duration": "10"})]).settings.duration


def test_a_default_that_the_kind_does_not_use_is_left_out() -> None:
    """`defaults` are for all shots; an edit takes no duration."""
    edit = build.bundle(video=build.video("edit"))
    item = one(bundles=(edit,), campaign={"defaults": {"duration": 10, "aspect_ratio": "9:16"}})

    assert None is item.settings.duration
    assert None is item.settings.aspect_ratio


@pytest.mark.parametrize("name", ["duration", "aspect_ratio"])
def test_a_setting_without_a_meaning_is_an_error_on_shot_and_axis(name: str) -> None:
    """Somebody expects something of it."""
    edit = build.bundle(video=build.video("edit"))
    data = {"duration": 5, "aspect_ratio": "9:16"}[name]
    on_shot = build.shot(bundles=(edit,), settings={name: data})
    on_axis = build.shot(bundles=(edit,), variants=build.variants({name: [data]}))

    (finding,) = build.findings(build.manifest(on_shot))

    assert ("unused-setting", 20) == (finding.slug, finding.span.line)
    assert f"'{name}' has no meaning for an edit of a clip" == finding.message
    assert ["unused-setting"] == build.slugs(build.manifest(on_axis))


def test_sound_is_kept_only_where_there_is_a_clip() -> None:
    """An axis may decide it; without a clip it has no meaning."""
    clip = build.bundle(video=build.video("edit", keep_audio=True))
    variants = build.variants({"keep_audio": [True, False]})

    kept = build.items(build.manifest(build.shot(bundles=(clip,), variants=variants)))

    assert [True, False] == [item.settings.keep_audio for item in kept]
    assert True is one(bundles=(clip,)).settings.keep_audio
    assert None is one().settings.keep_audio
    assert ["unused-setting"] == build.slugs(build.manifest(build.shot(variants=variants)))[:1]


def test_a_row_value_of_the_wrong_type_is_told_at_its_cell() -> None:
    """What the setting cannot be is the table's fault, not the template's."""

    def render(_: Any) -> None:
        raise TemplateFault("wrong-type", "'duration' must be a whole number", build.at(20))

    template = build.template("{{ product.seconds }}", render, 20, from_row=True)
    shot = build.shot(table="products", settings={"duration": template})

    (finding,) = build.findings(build.manifest(shot, rows=[build.row("A", seconds="five")]))

    assert ("wrong-type", "A", "seconds") == (finding.slug, finding.row, finding.column)
    assert ("products.csv", 20) == (finding.span.file, finding.related[0].line)
