"""The process ends at every named point of a job's life; running again pays once and loses nothing.

Which points a provider's jobs pass is found by letting one campaign pass them all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.providers import PROVIDERS
from tests.conftest import FIGURE
from tests.crash.kit import Trial
from tests.crash.points import BEFORE, DIED, HALF, HEAD, ON_THE_WIRE, REPLY, WHOLE
from tests.sandboxes import Sandbox

THE_SUBMIT = [f"submit, {point}" for point in ON_THE_WIRE]
THE_LIFE = [
    *THE_SUBMIT,
    f"send, {BEFORE}",
    f"send, {REPLY}",
    "download, some bytes came",
    *(
        f"{when} the {what}"
        for when in ("before", "after")
        for what in (
            "commit of move to staging",
            "commit of intend",
            "commit of accept",
            "commit of close to fetching",
            "commit of land to done",
            "replace to store/*.mp4",
            "replace to the outputs/*.mp4",
        )
    ),
]
"""What every provider's jobs pass at the least."""
THE_UPLOAD = [f"upload, {point}" for point in (BEFORE, HEAD, HALF, WHOLE, REPLY)]
BITES = {
    "intent-after-submit": f"submit, {WHOLE}",
    "crash-means-not-sent": f"submit, {REPLY}",
}
"""Where a broken run is found out."""


def _trial(provider: str, sandbox: Sandbox, folder: Path, mutant: str = "") -> Trial:
    key = f"key-of-{folder.name}"
    trial = Trial(
        provider=provider,
        sandbox=sandbox,
        folder=folder,
        key=key,
        rows=1,
        uploads=True,
        mutant=mutant,
    )
    trial.write()
    return trial


def _matters(point: str) -> bool:
    """Tell whether a point is the first of its name, or about money: later polls are alike."""
    again = point.rpartition(", ")[2].isdecimal()
    return not again or point.startswith("submit") or "commit" in point


def _ends(trial: Trial, point: str) -> None:
    assert DIED == trial.run("--point", point), f"it did not come to: {point}"
    trial.finish()


@pytest.mark.parametrize("provider", ["runware", "unifically"])
@pytest.mark.parametrize("point", THE_SUBMIT)
def test_ended_while_submitting(
    provider: str, point: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whatever part of a paid request or its reply has passed, running again pays once."""
    _ends(_trial(provider, sandbox, tmp_path / "campaign"), point)


@pytest.mark.parametrize("mutant", BITES)
def test_the_kit_bites(mutant: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """A run that is wrong about its intents is found out, by what the sandbox billed."""
    trial = _trial("runware", sandbox, tmp_path / "campaign", mutant)

    with pytest.raises(AssertionError, match=r"paid twice|out of balance"):
        _ends(trial, BITES[mutant])


@pytest.mark.parametrize(
    "point", ["before the replace to the outputs/*.mp4", "after the replace to the outputs/*.mp4"]
)
def test_a_new_clip_takes_the_place_of_the_old_one(
    point: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Ended between landing and showing, the next run shows the new clips, and buys none."""
    trial = _trial("runware", sandbox, tmp_path / "campaign")
    assert 0 == trial.run()
    trial.reword("slowly", "quickly")

    assert DIED == trial.run("--point", point)
    bought = len(trial.tasks())
    assert 0 == trial.run()

    assert (bought, 3) == (len(trial.tasks()), bought)
    trial.shows_what_it_holds()


@pytest.mark.drill
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_ended_at_every_point(
    provider: str,
    sandbox: Sandbox,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Every point that a whole campaign passes, one after another."""
    trace = tmp_path / "trace.txt"
    assert 0 == _trial(provider, sandbox, tmp_path / "whole").run("--trace", str(trace))
    passed = dict.fromkeys(trace.read_text("utf-8").splitlines())
    points = [point for point in passed if _matters(point)]

    for number, point in enumerate(points):
        _ends(_trial(provider, sandbox, tmp_path / f"point-{number}"), point)

    record_property(FIGURE, f"{provider}: ended at {len(points)} points")
    assert set() == set(THE_LIFE) - set(points)
    assert set() == set(THE_UPLOAD) - set(points)
