"""Which cells a shot has, what they are called, and what they set."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.plan.cells import cells
from tests.unit.plan.builders import variants


def names(**given: Any) -> list[str]:
    """Return the names of the cells that variants have, in order."""
    found, findings = cells(variants(**given))
    assert () == findings
    return [cell.name for cell in found]


def told(**given: Any) -> list[str]:
    """Return the slugs of what is wrong with variants."""
    return [finding.slug for finding in cells(variants(**given))[1]]


def test_without_variants_there_is_one_cell_without_a_name() -> None:
    """A shot without variants is one cell."""
    found, findings = cells(None)

    assert [""] == [cell.name for cell in found]
    assert () == findings


def test_the_matrix_goes_through_the_last_axis_first() -> None:
    """Cells come in written order, and are named after their values."""
    assert ["9x16-calm", "9x16-bold", "1x1-calm", "1x1-bold"] == names(
        matrix={"aspect_ratio": ["9:16", "1:1"], "mood": ["calm", "bold"]}
    )


def test_pairs_go_together_and_are_multiplied_with_the_matrix() -> None:
    """The first value of one pair belongs to the first of the other."""
    assert ["a-de-german", "a-fr-french", "b-de-german", "b-fr-french"] == names(
        matrix={"x": ["a", "b"]}, pairs={"market": ["de", "fr"], "language": ["German", "French"]}
    )


def test_pairs_alone_are_cells() -> None:
    """No matrix is needed."""
    assert ["de-1", "fr-2"] == names(pairs={"market": ["de", "fr"], "number": [1, 2]})


def test_exclude_removes_on_a_partial_match() -> None:
    """An axis that the match does not name may have any value."""
    assert ["a-y"] == names(
        matrix={"m": ["a", "b"], "n": ["x", "y"]}, exclude=[{"m": "b"}, {"n": "x"}]
    )


def test_an_exclude_that_matches_nothing_is_an_error_that_names_the_values() -> None:
    """A typing error must not let a cell be bought."""
    found, findings = cells(variants({"mood": ["calm", "bold"]}, exclude=[{"mood": "blod"}]))

    assert [("empty-exclude", 50, "'mood' is calm or bold")] == [
        (finding.slug, finding.span.line, finding.hint) for finding in findings
    ]
    assert ["calm", "bold"] == [cell.name for cell in found]


def test_an_exclude_hidden_behind_another_is_not_an_error() -> None:
    """Each match is held against every cell, not only against what is left."""
    assert [] == told(matrix={"m": ["a", "b"]}, exclude=[{"m": "a"}, {"m": "a"}])


def test_values_match_as_they_are_shown() -> None:
    """A number and its text are one value; true is not 1."""
    assert ["2"] == names(matrix={"n": [1, 2]}, exclude=[{"n": "1"}])
    assert ["empty-exclude"] == told(matrix={"n": [True]}, exclude=[{"n": 1}])


def test_add_is_a_whole_new_cell_named_in_the_order_of_the_axes() -> None:
    """However the added cell orders its axes."""
    assert ["a-x", "b-y"] == names(matrix={"m": ["a"], "n": ["x"]}, add=[{"n": "y", "m": "b"}])


def test_add_takes_a_value_that_an_axis_has_by_its_id() -> None:
    """The map behind `beach` belongs to the added cell, too."""
    scene = {"id": "beach", "light": "low sun"}

    found, _ = cells(
        variants({"scene": [scene], "lens": ["wide"]}, add=[{"scene": "beach", "lens": "long"}])
    )

    assert [scene, scene] == [cell.values["scene"] for cell in found]
    assert ["beach-wide", "beach-long"] == [cell.name for cell in found]


def test_extend_adds_values_and_leaves_the_name_and_the_axes_alone() -> None:
    """What it adds is seen by templates, and sets what is named like a setting."""
    (calm, bold), _ = cells(
        variants(
            {"mood": ["calm", "bold"]}, extend=[({"mood": "bold"}, {"mode": "pro", "tempo": 9})]
        )
    )

    assert {"mood": "calm"} == calm.values
    assert {} == calm.sets
    assert {"mood": "bold", "mode": "pro", "tempo": 9} == bold.values
    assert "pro" == bold.sets["mode"].data
    assert {"mood": "bold"} == bold.axes


def test_extend_reaches_cells_that_were_added() -> None:
    """An added cell is a cell."""
    found, _ = cells(variants({"m": ["a"]}, add=[{"m": "b"}], extend=[({"m": "b"}, {"tempo": 9})]))

    assert [{"m": "a"}, {"m": "b", "tempo": 9}] == [cell.values for cell in found]


def test_a_map_is_named_by_its_id_and_seen_whole() -> None:
    """Templates reach its other keys; addresses and settings only its id."""
    scene = {"id": "beach", "light": "low sun"}
    (cell,), _ = cells(variants({"scene": [scene], "mode": [{"id": "pro"}]}))

    assert "beach-pro" == cell.name
    assert scene == cell.values["scene"]
    assert {"scene": "beach", "mode": "pro"} == cell.axes
    assert "pro" == cell.sets["mode"].data


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("9:16", "9x16"),
        ("Low Sun", "low-sun"),
        ("Größe", "größe"),
        (True, "true"),
        (2.5, "2-5"),
        ("a:b", "a-b"),
        ("***", "596f4162"),
    ],
)
def test_a_cell_is_named_by_the_slug_of_its_value(value: Any, name: str) -> None:
    """Letters and digits of any script; something even where there are none."""
    assert [name] == names(matrix={"x": [value]})


def test_cells_with_one_name_are_an_error_and_one_cell() -> None:
    """Two items must not share an address."""
    found, findings = cells(variants({"mood": ["Calm!", "calm"]}))

    assert ["same-cell"] == [finding.slug for finding in findings]
    assert "two cells are named 'calm': mood Calm!; and mood calm" == findings[0].message
    assert 1 == len(found)


def test_too_many_cells_are_counted_and_never_made() -> None:
    """Ten axes of ten values would be ten thousand million cells."""
    axes = {f"axis{number}": range(10) for number in range(10)}

    found, findings = cells(variants(axes))

    assert () == found
    assert ["10,000,000,000 cells; a shot has at most 2,000"] == [each.message for each in findings]
    assert ["too-many-cells"] == told(matrix={"n": range(3)}, max_cells=2)
    assert ["too-many-cells"] == told(matrix={"n": [1, 2]}, add=[{"n": 3}], max_cells=2)
    assert [] == told(matrix={"n": range(2)}, max_cells=2)


def test_what_the_manifest_refuses_is_passed_over() -> None:
    """Unknown axes and incomplete cells have their finding already."""
    assert [] == told(matrix={"m": ["a"]}, exclude=[{"q": "a"}], add=[{}, {"q": "b"}])
    assert ["a-x"] == names(pairs={"m": ["a", "b"], "n": ["x"]})
