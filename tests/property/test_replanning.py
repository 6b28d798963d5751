"""Over random edits: a plan that stands is kept or mended to what planning it all would come to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.examples import examples
from tests.property.replanning import content, iter_edits, plan_both, select_both

_EDITS = 12
"""Of one campaign, before another is begun."""


@examples(60, 1000)
def test_a_plan_from_what_stands_equals_a_plan_made_anew(tmp_path: Path, examples: int) -> None:
    """Items, keys, paths, prices, jobs, findings and totals are the same, byte for byte."""
    kept: Counter[str] = Counter()
    for seed in range(examples // _EDITS):
        done = []
        for what, edited in iter_edits(tmp_path / str(seed), seed, _EDITS):
            done.append(what)
            was_kept, ours, anew = plan_both(edited, tmp_path / "anew")
            assert ours[0] == anew[0], (seed, done)
            assert ours[1] == anew[1], (seed, done)
            kept[what] += was_kept
    # What is hardly ever kept would be equal without being tested.
    assert kept["cell"] + kept["cell at its old times"] > examples // 15
    assert kept["nothing"] + kept["purchase"] > examples // 60


_SELECTIONS = ("spin", 'row.name:"a red mug"', "status:new", "axis.mood:calm", "still[S001]", "jug")


@examples(60, 1000)
def test_a_selection_from_what_stands_equals_one_of_a_plan_made_anew(
    tmp_path: Path, examples: int
) -> None:
    """Summary, findings and every selected record are the same, and nothing is written."""
    kept = 0
    for seed in range(examples // _EDITS):
        done = []
        for number, (what, edited) in enumerate(iter_edits(tmp_path / str(seed), seed, _EDITS)):
            done.append(what)
            plan_both(edited, tmp_path / "anew")
            before = content(edited.ledger)
            select = _SELECTIONS[(seed + number) % len(_SELECTIONS)]
            was_kept, ours, anew = select_both(edited, select)
            assert ours == anew, (seed, done, select)
            assert before == content(edited.ledger)
            kept += was_kept
    # What is hardly ever kept would be equal without being tested.
    assert kept > examples // 4
