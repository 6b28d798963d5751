"""How a run stands at a moment, and how that looks in 80 columns and in 40."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from pipeline.domain import Event
from pipeline.domain.states import State
from pipeline.report.progress_panel import cut_line, draw_progress
from pipeline.report.run_progress import RunProgress, RunStart, RunTally

BEGAN = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
HIGH, PAID = Decimal("0.50"), Decimal("0.42")


def _start(**changes: Any) -> RunStart:
    known: dict[str, Any] = {"campaign": "mugs", "at": BEGAN, "items": 10, "done": 2, "left": 8}
    known |= {"to_make": 8, "expected_usd": Decimal("3.20"), "committed_usd": Decimal(1)}
    return RunStart(**(known | changes))


def _told(tally: RunTally, name: str, address: str, *, after_s: float = 0.0, **detail: Any) -> None:
    at = BEGAN + timedelta(seconds=after_s)
    tally.take(Event(name=name, at=at, provider="runware", address=address, detail=detail))


def _send(tally: RunTally, address: str) -> None:
    _told(tally, "submitting", address, reserved_usd=HIGH)
    _told(tally, "waiting", address)


def _land(tally: RunTally, address: str, *, after_s: float) -> None:
    _told(tally, "fetching", address, after_s=after_s, charged_usd=PAID)
    _told(tally, "done", address, after_s=after_s)


def _run() -> RunTally:
    """Three clips came in two minutes, two are in flight, one was refused, two wait."""
    tally = RunTally(_start(limit_usd=Decimal(4)))
    for address in ("a#1", "b#1", "c#1", "d#1", "e#1", "f#1"):
        _send(tally, address)
    for address, after_s in (("a#1", 30), ("b#1", 60), ("c#1", 90)):
        _land(tally, address, after_s=after_s)
    _told(tally, "progress", "d#1", progress=0.4)
    _told(tally, "progress", "e#1", progress=0.65)
    why = "the content policy of the provider refuses this prompt since it names a brand"
    _told(tally, "failed", "f#1", after_s=100, cause="refused", message=why, charged_usd=Decimal(0))
    return tally


def test_places_of_a_loop_are_told() -> None:
    """Of shots with `accept`: how many are approved, and how many have a clip to decide on."""
    tally = RunTally(_start(places=8, approved=2))
    for address in ("a#1", "a#2", "b#1"):
        _send(tally, address)
        _land(tally, address, after_s=10)

    assert "2 of 8 places approved · 2 with a new clip" in _lines(tally.snapshot(BEGAN), 80)
    assert not any("places" in line for line in _lines(_run().snapshot(BEGAN), 80))


def _lines(progress: RunProgress, width: int) -> list[str]:
    told = StringIO()
    Console(file=told, width=width, color_system=None).print(draw_progress(progress, width, UTC))
    return [line.rstrip() for line in told.getvalue().splitlines()]


def test_what_is_in_flight_done_and_waiting_is_all_there_is() -> None:
    """Works are done, at work, at rest or waiting; what was there before is done."""
    now = _run().snapshot(BEGAN + timedelta(minutes=2))

    assert (5, 2, 1, 2) == (now.done, now.in_flight, now.failed, now.waiting)
    assert 10 == now.done + now.in_flight + now.failed + now.waiting
    assert 0.5 == now.share


def test_money_is_spent_reserved_and_projected() -> None:
    """Before + charged + set aside + what waits at the plan's average: 1 + 1.26 + 1.00 + 0.80."""
    now = _run().snapshot(BEGAN + timedelta(minutes=2))

    assert (3 * PAID, 2 * HIGH) == (now.charged_usd, now.reserved_usd)
    assert Decimal("4.06") == now.projected_usd


def test_what_earlier_runs_sent_is_released_when_it_comes_back() -> None:
    """Its reservation stands in `committed_usd`, and is replaced by what it is charged."""
    tally = RunTally(_start(to_make=0, left=1, reserved={"old#1": HIGH}))
    assert HIGH == tally.snapshot(BEGAN).reserved_usd

    _told(tally, "waiting", "old#1")
    _land(tally, "old#1", after_s=5)

    now = tally.snapshot(BEGAN + timedelta(seconds=6))
    assert (Decimal(0), 1 - HIGH + PAID) == (now.reserved_usd, now.projected_usd)


def test_a_rate_is_told_of_three_clips_and_no_fewer() -> None:
    """Three in two minutes are 1.5 a minute, so four take 2 min 40 s; before that nobody knows."""
    tally = RunTally(_start())
    for address in ("a#1", "b#1"):
        _land(tally, address, after_s=30)
    early = tally.snapshot(BEGAN + timedelta(minutes=1))
    assert (None, None) == (early.per_minute, early.ends_at)

    now = _run().snapshot(BEGAN + timedelta(minutes=2))

    assert 1.5 == now.per_minute
    assert BEGAN + timedelta(minutes=4, seconds=40) == now.ends_at


def test_a_rate_is_that_of_the_last_minutes() -> None:
    """A provider that stands still for five minutes has no rate, however fast it was."""
    assert _run().snapshot(BEGAN + timedelta(minutes=7)).per_minute is None


def test_an_item_that_is_made_elsewhere_is_counted_once() -> None:
    """What goes from one provider to another is in flight there, and nowhere else."""
    tally = RunTally(_start())
    _send(tally, "a#1")
    _told(tally, "planned", "a#1")
    moved = Event(name="waiting", at=BEGAN, provider="apimart", address="a#1")
    tally.take(moved)

    now = tally.snapshot(BEGAN)

    assert {"apimart": 1, "runware": 0} == {lane.name: lane.in_flight for lane in now.lanes}
    assert (1, 7) == (now.in_flight, now.waiting)


def test_the_panel_in_80_columns() -> None:
    """The whole picture: bar, counts, pace, money, lanes, the provider's own word, the trouble."""
    now = _run().snapshot(BEGAN + timedelta(minutes=2))

    assert [
        "mugs · 2 min 00 s",
        f"{'━' * 30}{'╍' * 18}{'─' * 12} 50%",
        "5 of 10 done · 2 in flight · 2 waiting · 1 failed",
        "1.5 clips a minute · ends about 12:34",
        "1.26 USD spent · 1.00 reserved · projected 4.06 · limit 4.00",
        "",
        "         in flight  done  failed  spent",
        "runware          2     3       1   1.26",
        "runware says: 65%, 40%",
        "",
        "last 12:31:40 runware f#1 failed",
        "  the content policy of the provider refuses this prompt since it names a brand",
    ] == _lines(now, 80)


def test_the_panel_in_40_columns() -> None:
    """The same, folded between its parts; the lanes' money is left to the line above."""
    now = _run().snapshot(BEGAN + timedelta(minutes=2))

    assert [
        "mugs · 2 min 00 s",
        f"{'━' * 18}{'╍' * 12}{'─' * 6} 50%",
        "5 of 10 done · 2 in flight · 2 waiting",
        "1 failed",
        "1.5 clips a minute · ends about 12:34",
        "1.26 USD spent · 1.00 reserved",
        "projected 4.06 · limit 4.00",
        "",
        "         in flight  done  failed",
        "runware          2     3       1",
        "runware says: 65%, 40%",
        "",
        "last 12:31:40 runware f#1 failed",
        "  the content policy of the provider re…",
    ] == _lines(now, 40)


def test_the_address_of_what_went_wrong_is_whole() -> None:
    """Where a line has no room for it, it stands on the next, with what became of it."""
    tally = RunTally(_start())
    _told(tally, "failed", "reveal[SKU-1001,16x9-evening]#1")

    told = _lines(tally.snapshot(BEGAN), 40)

    assert ["last 12:30:00 runware", "reveal[SKU-1001,16x9-evening]#1 failed"] == told[-2:]


def test_an_end_on_another_day_says_so() -> None:
    """03:10 of tomorrow is not taken for today's."""
    tally = RunTally(_start(items=3003, left=3003, done=0))
    for address in ("a#1", "b#1", "c#1"):
        _land(tally, address, after_s=30)

    told = _lines(tally.snapshot(BEGAN + timedelta(minutes=1)), 80)

    assert "3.0 clips a minute · ends about Sun 05:11" in told
    assert "Sun" == (BEGAN + timedelta(minutes=1001)).strftime("%a")


def test_prices_that_nobody_knows_are_said_beside_the_sum() -> None:
    """The projected sum is no promise where an item has no price."""
    told = _lines(RunTally(_start(unpriced=2, cap_usd=Decimal(5))).snapshot(BEGAN), 100)

    money = "0.00 USD spent · projected 4.20 + unknown prices · no limit · this run 5.00 at most"
    assert money in told


_EVENTS = st.tuples(
    st.sampled_from([*State, "progress", "throttled", "shown"]),
    st.sampled_from(["a#1", "b#1", "c#1", "d#1"]),
    st.sampled_from(
        ["runware", "a-provider-with-a-name-longer-than-the-terminal-is-wide", "品牌" * 9]
    ),
    st.text(max_size=90),
)


@given(events=st.lists(_EVENTS, max_size=30), width=st.integers(40, 120))
def test_no_line_is_wider_than_the_terminal(
    events: list[tuple[str, str, str, str]], width: int
) -> None:
    """Whatever happens and however wide it is, the panel fits, and no count falls below nought."""
    tally = RunTally(_start(campaign="品牌" * 40))
    for name, address, provider, message in events:
        detail = {"message": message, "progress": 0.5, "charged_usd": PAID, "reserved_usd": HIGH}
        tally.take(Event(name=name, at=BEGAN, provider=provider, address=address, detail=detail))

    now = tally.snapshot(BEGAN + timedelta(seconds=30))

    assert min(now.in_flight, now.waiting, now.held, now.failed) >= 0
    assert now.reserved_usd >= 0
    assert now.in_flight + now.waiting <= 8
    assert max(map(cell_len, _lines(now, width))) <= width


@pytest.mark.parametrize(
    ("text", "room", "cut"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("品牌", 3, "品…"), ("a\u202eb", 6, "a…"), ("", 5, "")],
)
def test_a_line_is_cut_between_its_characters(text: str, room: int, cut: str) -> None:
    """What is written out, or takes two columns, stands there whole or not at all."""
    assert cut == cut_line(text, room)
