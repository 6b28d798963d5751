"""Over random edits: a plan that stands is kept or mended to what planning it all would come to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.examples import examples
from tests.property.replanning import iter_edits, plan_both

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
