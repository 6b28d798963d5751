"""kill -9 at named moments of a job's life; running again makes the rest, and nothing twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pipeline.providers import PROVIDERS
from tests.crash.kit import Trial
from tests.sandboxes import Sandbox

MOMENTS = [
    ("intent", 1),
    ("intended", 2),
    ("sent", 1),
    ("accepted", 2),
    ("polled", 3),
    ("downloading", 1),
    ("downloaded", 2),
    ("renaming", 1),
    ("renamed", 2),
    ("committed", 3),
    ("linked", 1),
]
"""Checkpoint and how many times it is passed first; each before or after a change of state."""
IN_EVERY_RUN = {
    "runware": {moment for moment, _ in MOMENTS},
    "unifically": {"intended", "sent", "accepted", "renaming"},
}
"""One provider settles a doubt by itself, one cannot; the rest is for the drill."""
CASES = [
    pytest.param(
        name,
        moment,
        nth,
        id=f"{name}-{moment}-{nth}",
        marks=() if moment in IN_EVERY_RUN.get(name, ()) else pytest.mark.drill,
    )
    for name in PROVIDERS
    for moment, nth in MOMENTS
]


@pytest.mark.parametrize(("provider", "moment", "nth"), CASES)
def test_killed_and_run_again_pays_once(
    provider: str, moment: str, nth: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After kill -9 at a moment, running again buys nothing twice and makes what is right."""
    trial = Trial(provider=provider, sandbox=sandbox, folder=tmp_path / "campaign")
    trial.write()

    killed = trial.run("--bomb", moment, str(nth))

    assert -signal.SIGKILL == killed
    trial.finish()
