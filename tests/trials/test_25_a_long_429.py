"""A provider that says "come back in 8 seconds" for a minute and a half."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trials.commands import rehearse

SIX = """\
callsheet: 1
name: cups
shots: [{id: cup, takes: 6, prompt: "A cup on a shelf, no text."}]
"""
STORM = "faults: [{fault: throttled, stage: submit, times: 12, retry_after: 8}]\n"


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_it_is_waited_for_as_it_asks(tmp_path: Path) -> None:
    """All six are made: in real seconds here, in simulated ones in every run (test_busy)."""
    (tmp_path / "six.yaml").write_text(SIX, "utf-8")
    (tmp_path / "storm.yaml").write_text(STORM, "utf-8")

    items = rehearse(tmp_path, "six.yaml", "--scenario", "storm.yaml")

    assert ["done"] * 6 == [item["state"] for item in items]
