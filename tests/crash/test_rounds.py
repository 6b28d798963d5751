"""kill -9 in a round of takes: run again, it is the same round, and nobody has bought more."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pipeline.domain.states import Exit
from tests.crash.kit import addressed, campaign_run
from tests.processes import process
from tests.sandboxes import Sandbox

MANIFEST = """\
callsheet: 1
name: rounds
accept: {rounds: [2], takes: 3, spend: 2.00 USD}
tables: {cups: {file: cups.csv, key: sku}}
shots:
  - id: still
    for: cups
    aspect_ratio: "9:16"
    prompt: "{{ row.name }} stands on a table."
budget: {limit: 20 USD}
"""
MOMENTS = [
    ("sent", 3),
    ("accepted", 5),
    pytest.param("intended", 2, marks=pytest.mark.drill),
    pytest.param("committed", 4, marks=pytest.mark.drill),
]
"""Checkpoint and how many times it is passed first; the fifth take is the one that replaces."""


@pytest.mark.parametrize(("moment", "nth"), MOMENTS)
def test_a_round_that_was_killed_is_the_same_round(
    moment: str, nth: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Two takes for each of two rows, and one more for what is off spec: five, and no sixth.

    Run once more without a decision, nothing is bought.
    """
    (tmp_path / "rounds.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "cups.csv").write_text("sku,name\nA,Alba\nB,Brera\n", "utf-8")
    words = [str(tmp_path / "rounds.yaml"), str(tmp_path / "root"), "--quiet"]
    words += addressed(sandbox, ["runware"])
    key = f"key-of-{tmp_path.name}"
    sandbox.play("wrong-seconds", prompt="Alba")

    def run(*more: str) -> int:
        return process(campaign_run, [*words, *more], {"RUNWARE_API_KEY": key})

    assert -signal.SIGKILL == run("--bomb", moment, str(nth))
    assert Exit.WAITING == run()
    assert Exit.WAITING == run()

    prompts = [task["prompt"].partition(" ")[0] for task in sandbox.tasks("runware", key)]
    assert ["Alba", "Alba", "Alba", "Brera", "Brera"] == sorted(prompts)
