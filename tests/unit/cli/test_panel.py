"""What a person sees of a run while it lasts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli.watching import HEARTBEAT_S, Lines, Panel, Watcher, tell_each_minute
from pipeline.domain import Event
from pipeline.report.run_progress import RunStart, RunTally
from tests.clocks import JumpingClock

AT = datetime(2026, 11, 21, 12, 30, 5, tzinfo=UTC)


def _event(name: str, address: str = "spin[A]#1", **detail: Any) -> Event:
    return Event(name=name, at=AT, provider="runware", address=address, detail=detail)


def _tally(left: int = 3) -> RunTally:
    return RunTally(RunStart(campaign="mugs", at=AT, items=left, left=left))


def _console(told: StringIO, width: int = 80) -> Console:
    return Console(file=told, width=width)


def _drawn(thing: Panel, width: int = 100) -> list[str]:
    told = StringIO()
    Console(file=told, width=width).print(thing)
    return told.getvalue().splitlines()


def test_the_panel_counts_what_flies_what_came_back_and_what_it_cost() -> None:
    """An item is in flight from its intent until it rests; charges add up as they arrive."""
    panel = Panel(_console(StringIO()), _tally())
    for address in ("a#1", "b#1", "c#1"):
        for name in ("staging", "submitting", "waiting"):
            panel(_event(name, address))
    panel(_event("fetching", "a#1", charged_usd=Decimal("0.42")))
    panel(_event("done", "a#1"))
    panel(_event("failed", "b#1", charged_usd=Decimal("0.21")))

    drawn = _drawn(panel)
    assert ["runware", "1", "1", "1", "0.63"] in [line.split() for line in drawn]
    assert "1 of 3 done · 1 in flight · 1 failed" in drawn


@pytest.mark.parametrize("width", range(40, 70))
def test_the_panel_cuts_no_escape_in_halves(width: int) -> None:
    r"""However narrow the terminal, a character that is written out stands there whole or not."""
    panel = Panel(_console(StringIO()), _tally())
    panel(_event("failed", "\u202e" * 20))

    drawn = _drawn(panel, width)

    assert "\\" not in "".join(drawn).replace(r"\u202e", ""), drawn
    assert r"\u202e\u202e" in "".join(drawn)
    assert max(map(len, drawn)) <= width


@pytest.mark.parametrize("name", ["notice", "stray_task"])
@pytest.mark.parametrize("make", [Watcher, Lines, Panel])
def test_what_a_person_must_know_is_told_as_it_is(make: type[Watcher], name: str) -> None:
    """A notice, or a task id that is nowhere else: in its own words, whatever else is shown."""
    told = StringIO()
    make(_console(told), _tally())(_event(name, message="a [b] c"))

    assert ["a [b] c"] == told.getvalue().splitlines()


def test_a_log_has_a_line_for_each_clip() -> None:
    """Without a terminal only what came of an item is told, with its path or its cause."""
    told = StringIO()
    lines = Lines(_console(told), _tally())
    for name in ("staging", "submitting", "waiting", "polled", "fetching", "done"):
        lines(_event(name))
    lines(_event("shown", path="x/spin/A.mp4"))
    lines(_event("failed", cause="refused", message="not [this]"))

    assert told.getvalue().splitlines() == [
        "12:30:05 shown runware spin[A]#1 path=x/spin/A.mp4",
        "12:30:05 failed runware spin[A]#1 cause=refused message=not [this]",
    ]


def test_a_log_says_where_the_run_stands() -> None:
    """While nothing comes back, a line tells what is in flight, done and failed, and the cost."""
    told = StringIO()
    lines = Lines(_console(told), _tally())
    for address in ("a#1", "b#1", "c#1"):
        lines(_event("waiting", address))
    lines(_event("fetching", "a#1", charged_usd=Decimal("0.42")))
    lines(_event("done", "a#1"))
    lines.beat(AT)

    assert "12:30:05 at work: 2 in flight, 1 done, 0 failed, 0.42 USD charged\n" == told.getvalue()


async def test_a_run_is_told_of_once_a_minute() -> None:
    """After two minutes and a half a log has two such lines, at their times."""
    beats: list[datetime] = []

    class Counting(Watcher):
        def beat(self, now: datetime) -> None:
            beats.append(now)

    clock = JumpingClock()
    began = clock.now()
    watcher = Counting(_console(StringIO()), _tally())
    beating = asyncio.create_task(tell_each_minute(watcher, clock))
    await clock.sleep(150)
    beating.cancel()

    assert [HEARTBEAT_S, 2 * HEARTBEAT_S] == [(at - began).total_seconds() for at in beats]
