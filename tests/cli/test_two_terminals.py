"""Two terminals with one campaign, on a server: each makes what its own person agreed to."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline import Project
from pipeline.domain.states import Exit, State
from pipeline.errors import LedgerInUse
from tests.cli.cups import MANIFEST, TABLE
from tests.postgresql import PostgresqlServer
from tests.processes import begin_callsheet, run_callsheet
from tests.sandboxes import Sandbox

KEY = {"RUNWARE_API_KEY": "key-of-two-terminals"}
AN_HOUR_S = 3600
ONE = ("--select", "still[A]")
Edit = Callable[[Path], object]


@pytest.fixture
def place(tmp_path: Path, postgresql_server: PostgresqlServer) -> Path:
    """Return a project's folder with a campaign whose ledger is on a server."""
    (tmp_path / "cups.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "cups.csv").write_text(TABLE, "utf-8")
    (tmp_path / "callsheet.toml").write_text(f'ledger = "{postgresql_server.ledger()}"\n', "utf-8")
    return tmp_path


def _edit(file: str, old: str, new: str) -> Edit:
    def edit(place: Path) -> None:
        text = (place / file).read_text("utf-8")
        (place / file).write_text(text.replace(old, new), "utf-8")

    return edit


def _leave(place: Path) -> None:
    """Change nothing."""


def _words(sandbox: Sandbox, *words: str) -> tuple[str, ...]:
    return ("run", "cups.yaml", "--base-url", f"runware={sandbox.base_urls['runware']}", *words)


def _bought(sandbox: Sandbox) -> int:
    return len(sandbox.tasks("runware"))


def _look(place: Path, sandbox: Sandbox, *words: str) -> None:
    """Have another terminal plan, and leave it at the question: nobody answers there."""
    found = run_callsheet(_words(sandbox, *words), KEY, folder=place)
    assert "nobody is there to ask" in found.stderr, found


@pytest.mark.parametrize(
    ("mine", "edit", "theirs"),
    [
        ((), _leave, ONE),
        (ONE, _leave, ()),
        ((), _edit("cups.yaml", "a table", "a shelf"), ()),
        (ONE, _edit("cups.yaml", "a table", "a shelf"), ONE),
        # Planned alone, in the place of its line.
        ((), _edit("cups.csv", "Brera", "Breva"), ()),
        ((), _edit("cups.csv", "B,Brera\n", "B,Brera\nC,Como\n"), ()),
        ((), _edit("cups.csv", "B,Brera\n", ""), ()),
        ((), _leave, ("--provider", "apimart")),
    ],
    ids=[
        *("a part of all", "all of a part", "another prompt", "another prompt of a part"),
        *("another cell", "a row more", "a row less", "another provider"),
    ],
)
async def test_what_was_planned_otherwise_since_is_not_bought(
    mine: Sequence[str],
    edit: Edit,
    theirs: Sequence[str],
    place: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between a person's word and the first request: it is told, and nothing is sent."""
    monkeypatch.setenv(*next(iter(KEY.items())))
    base = f"runware={sandbox.base_urls['runware']}"
    campaign = Project(base_urls=[base]).open(place / "cups.yaml")
    run = campaign.run(campaign.plan(select=mine[1:]))

    async def begin() -> None:
        # Its plan is admitted by then, and its work has not begun.
        async with run:
            edit(place)
            _look(place, sandbox, *theirs)

    with pytest.raises(LedgerInUse, match=r"planned anew by process .* Run again to see"):
        await begin()

    assert 0 == _bought(sandbox)
    assert [] == list(campaign.runs())


@pytest.mark.parametrize("mine", [(), ONE])
async def test_the_same_plan_made_again_refuses_nobody(
    mine: Sequence[str], place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people type the same command: both work, and each clip is bought once."""
    monkeypatch.setenv(*next(iter(KEY.items())))
    base = f"runware={sandbox.base_urls['runware']}"
    campaign = Project(base_urls=[base]).open(place / "cups.yaml")

    async with campaign.run(campaign.plan(select=mine[1:])) as run:
        _look(place, sandbox, *mine)
        found = run_callsheet(_words(sandbox, "--yes", *mine), KEY, folder=place)
        outcome = await run.wait()

    items = 1 if mine else 2
    assert 0 == found.returncode, found
    assert (Exit.OK, items) == (outcome.exit_code, outcome.count(State.DONE))
    assert items == _bought(sandbox)


def test_a_run_tells_its_own_cost_at_its_end(place: Path, sandbox: Sandbox) -> None:
    """Not that of whichever began last, here one that settles and buys nothing."""
    sandbox.set(timing={"accept_s": 0, "run_s": AN_HOUR_S})
    streams = place / "said", place / "complained"
    running = begin_callsheet(_words(sandbox, "--yes", *ONE), KEY, streams=streams, folder=place)
    try:
        while not _bought(sandbox):
            assert running.is_alive()
            running.join(0.05)
        beside = run_callsheet(("reconcile", *_words(sandbox)[1:]), KEY, folder=place)
        sandbox.advance(AN_HOUR_S)
        running.join(60)
    finally:
        running.kill()
    runs = run_callsheet(("runs", "cups.yaml"), folder=place).stdout

    assert 3 == len(runs.splitlines()), (runs, beside)
    assert "this run: 1 clip made, 0.42 USD; all runs: 0.42 USD" in streams[0].read_text("utf-8")


def test_who_is_asked_meanwhile_is_told_what_to_do(place: Path, sandbox: Sandbox) -> None:
    """His yes was to another plan: exit 12. The next time he is shown that one."""
    ours, theirs = pty.openpty()
    streams = place / "said", place / "complained"
    for each in streams:
        each.touch()
    asked = begin_callsheet(
        _words(sandbox, *ONE), KEY, streams=streams, folder=place, terminal=theirs
    )
    try:
        while "Make it?" not in "".join(each.read_text("utf-8") for each in streams):
            assert asked.is_alive()
            asked.join(0.05)
        _look(place, sandbox)
        os.write(ours, b"y\n")
        asked.join(60)
    finally:
        asked.kill()
        os.close(ours)
        os.close(theirs)
    complained = " ".join(streams[1].read_text("utf-8").split())

    assert Exit.STOPPED == asked.exitcode, complained
    assert "cups was planned anew by process" in complained
    assert "nothing was sent. Run again to see what it comes to now" in complained
    assert 0 == _bought(sandbox)
    found = run_callsheet(_words(sandbox, "--yes", *ONE), KEY, folder=place)
    assert (0, 1) == (found.returncode, _bought(sandbox)), found
