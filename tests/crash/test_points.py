"""The process ends at every named point of a job's life; running again pays once and loses nothing.

Which points a provider's jobs pass is found by letting one campaign pass them all. Each holds of a
ledger in a file and of one on a server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from pipeline.ledger.location import read_server
from pipeline.providers import PROVIDERS
from tests.conftest import FIGURE
from tests.crash.kit import Trial, in_its_file
from tests.crash.points import BEFORE, DIED, HALF, HEAD, ON_THE_WIRE, REPLY, WHOLE
from tests.postgresql import PlaceLedger, PostgresqlServer
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
            "commit of move_planned to staging",
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


PARTS = 3
"""The points of a provider are several tests, each of a few minutes."""
BY_TIME = "end_leases"
"""What a run on a server does each second: how often depends on how long it takes."""


def _trial(
    provider: str,
    sandbox: Sandbox,
    folder: Path,
    mutant: str = "",
    place_ledger: PlaceLedger = in_its_file,
) -> Trial:
    key = f"key-of-{folder.name}"
    trial = Trial(
        provider=provider,
        sandbox=sandbox,
        folder=folder,
        key=key,
        rows=1,
        uploads=True,
        mutant=mutant,
        place_ledger=place_ledger,
    )
    trial.write()
    return trial


def _matters(point: str) -> bool:
    """Tell whether a point is the first of its name, or about money: later polls are alike."""
    again = point.rpartition(", ")[2].isdecimal()
    counts = point.startswith("submit") or ("commit" in point and BY_TIME not in point)
    return not again or counts


def _ends(trial: Trial, point: str) -> None:
    assert DIED == trial.run("--point", point), f"it did not come to: {point}"
    trial.finish()


@pytest.mark.parametrize(
    ("provider", "place_ledger"),
    [("runware", "sqlite"), ("unifically", "sqlite"), ("runware", "postgresql")],
    indirect=["place_ledger"],
)
@pytest.mark.parametrize("point", THE_SUBMIT)
def test_ended_while_submitting(
    provider: str, point: str, place_ledger: PlaceLedger, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whatever part of a paid request or its reply has passed, running again pays once."""
    trial = _trial(provider, sandbox, tmp_path / "campaign", place_ledger=place_ledger)
    _ends(trial, point)


@pytest.mark.parametrize("ahead_s", [-300, 300])
def test_a_doubt_is_settled_by_whoever_has_another_time(
    ahead_s: int, sandbox: Sandbox, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """The clock of who died was five minutes off: its age goes by the server's, and nobody asks."""
    trial = _trial("runware", sandbox, tmp_path / "campaign", place_ledger=postgresql_server.adopt)
    trial = replace(trial, hurries=False)

    assert DIED == trial.run("--point", f"submit, {BEFORE}", "--ahead", str(ahead_s))
    trial.finish()


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
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("provider", PROVIDERS)
def test_ended_at_every_point(
    provider: str,
    part: int,
    place_ledger: PlaceLedger,
    sandbox: Sandbox,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Every point that a whole campaign passes, one after another."""
    trace = tmp_path / "trace.txt"
    place = partial(_trial, provider, sandbox, place_ledger=place_ledger)
    whole = place(tmp_path / "whole")
    assert 0 == whole.run("--trace", str(trace))
    passed = dict.fromkeys(trace.read_text("utf-8").splitlines())
    points = [point for point in passed if _matters(point)]
    own = [point for point in points if crc32(point.encode()) % PARTS == part]

    for number, point in enumerate(own):
        _ends(place(tmp_path / f"point-{number}"), point)

    database = "PostgreSQL" if read_server(whole.root) else "SQLite"
    told = f"{provider} on {database}, part {part + 1} of {PARTS}"
    record_property(FIGURE, f"{told}: ended at {len(own)} of {len(points)} points")
    assert set() == set(THE_LIFE) - set(points)
    assert set() == set(THE_UPLOAD) - set(points)
