"""How long to wait and how much at once, whatever a provider says."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.states import FaultKind
from pipeline.providers.base import Fault, retry_after_s
from pipeline.run.limiter import ConcurrencyLimiter, grow, halve
from pipeline.run.retry import backoff, retry
from tests.clocks import JumpingClock

SEEDS = st.integers(0, 10_000).map(random.Random)


class Most:
    """Chance that always gives the most."""

    def uniform(self, _: float, b: float, /) -> float:
        """Return the upper bound."""
        return b


@settings(deadline=None)
@given(st.integers(-1, 10_000), SEEDS)
def test_a_wait_is_bounded_whatever_the_attempt(attempt: int, chance: random.Random) -> None:
    """No number of failures makes the next wait longer than a minute, or negative."""
    assert 0.0 <= backoff(attempt, chance=chance) <= 60.0


def test_waits_grow_until_they_are_a_minute() -> None:
    """The longest wait doubles with every attempt."""
    assert [1, 2, 4, 8, 16, 32, 60, 60] == [backoff(n, chance=Most()) for n in range(8)]


@pytest.mark.parametrize(("asked", "expected"), [(7.5, 7.5), (300, 300), (86_400, 300)])
def test_a_provider_is_granted_the_wait_it_asks_for(asked: float, expected: float) -> None:
    """Retry-After is honoured exactly, up to five minutes."""
    assert expected == backoff(0, chance=Most(), retry_after_s=asked)


@pytest.mark.parametrize("asked", [0, -5, None])
def test_no_wait_asked_for_is_no_licence_to_hurry(asked: float | None) -> None:
    """A Retry-After of zero does not turn retries into a hot loop."""
    assert 4.0 == backoff(2, chance=Most(), retry_after_s=asked)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "12"}, 12.0),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "soon", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], expected: float | None) -> None:
    """A date counts from the reply's own date: our clock may be wrong."""
    assert expected == retry_after_s(headers)


@settings(deadline=None)
@given(st.integers(1, 50), st.lists(st.booleans(), max_size=60))
def test_a_width_stays_between_one_and_what_was_allowed(most: int, refusals: list[bool]) -> None:
    """Whatever the order of refusals and successes, at least one and never more than allowed."""
    width = float(most)
    for refused in refusals:
        width = halve(width) if refused else grow(width, most)
        assert 1.0 <= width <= most


def test_a_width_recovers_one_at_a_time() -> None:
    """It takes about a width of successes to get one more: additive, not all at once."""
    width = 4.0
    for _ in range(4):
        width = grow(width, 8)

    assert 4.8 < width <= 5.0


@settings(deadline=None, max_examples=50)
@given(
    most=st.integers(1, 8),
    jobs=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40),
)
def test_no_more_are_in_flight_than_the_width(most: int, jobs: list[tuple[int, bool]]) -> None:
    """Under any order of work and refusals, entering never exceeds the width of that moment."""

    async def scenario() -> None:
        clock = JumpingClock()
        gate = ConcurrencyLimiter(concurrency=most, per_s=0, clock=clock)

        async def job(seconds: int, *, refused: bool) -> None:
            await gate.enter()
            assert gate.in_flight <= most
            await clock.sleep(seconds)
            if refused:
                gate.slow_down()
            else:
                gate.speed_up()
            gate.leave()

        await asyncio.gather(*(job(seconds, refused=refused) for seconds, refused in jobs))
        assert 0 == gate.in_flight

    asyncio.run(scenario())


async def test_after_a_refusal_fewer_get_in() -> None:
    """A width of eight that is refused lets in four, and no new one until it is below."""
    gate = ConcurrencyLimiter(concurrency=8, per_s=0, clock=JumpingClock())
    for _ in range(8):
        await gate.enter()
    gate.slow_down()

    waiting = asyncio.ensure_future(gate.enter())
    seen = []
    for _ in range(5):
        gate.leave()
        await asyncio.sleep(0)
        seen.append((gate.in_flight, waiting.done()))

    assert 4 == gate.width
    assert [(7, False), (6, False), (5, False), (4, False), (4, True)] == seen


async def test_a_lane_grows_until_it_is_refused_and_then_recovers() -> None:
    """From three by one for each success, to its most; after a refusal by one for each width."""
    gate = ConcurrencyLimiter(concurrency=3, per_s=0, clock=JumpingClock(), most=8)

    told = [gate.width for _ in range(9) if gate.speed_up()]
    gate.slow_down()
    cut = gate.width
    again = []
    while gate.width < 8:
        gate.speed_up()
        again.append(gate.width)

    assert [4, 5, 6, 7, 8] == told
    assert 4 == cut
    assert 4 + 5 + 6 + 7 <= len(again) + 4
    assert not gate.speed_up()


@pytest.mark.parametrize(
    ("width", "refused", "begins", "grown"),
    [
        (12, False, 12, 13),
        (12, True, 12, 12),
        (1, False, 3, 4),
        (1, True, 1, 2),
        (40, False, 16, 16),
    ],
)
async def test_a_lane_begins_with_what_an_earlier_run_had(
    width: int,
    refused: bool,  # noqa: FBT001 - a parameter of the cases
    begins: int,
    grown: int,
) -> None:
    """It never exceeds its most; what nobody refused is no reason to begin with less than ever."""
    gate = ConcurrencyLimiter(concurrency=3, per_s=0, clock=JumpingClock(), most=16)
    gate.recall(width, refused=refused)

    before = gate.width
    gate.speed_up()

    assert (begins, grown) == (before, gate.width)


async def test_a_lane_learns_what_was_used_or_refused_and_nothing_of_a_persons_word() -> None:
    """A width that nobody filled says nothing; one that a refusal led to does."""
    gate = ConcurrencyLimiter(concurrency=3, per_s=0, clock=JumpingClock(), most=16)
    at_first = gate.learnt
    for _ in range(2):
        await gate.enter()
        gate.speed_up()
    unused = gate.learnt
    gate.slow_down()
    refused = gate.learnt
    gate.resize(9)

    assert (None, (2, False), (2, True), None) == (at_first, unused, refused, gate.learnt)


async def test_refusals_of_one_moment_are_one_event() -> None:
    """Eight jobs refused together halve the width once; a later refusal halves it again."""
    clock = JumpingClock()
    gate = ConcurrencyLimiter(concurrency=8, per_s=0, clock=clock)
    for _ in range(8):
        gate.slow_down()
    after_the_first = gate.width
    clock.advance(1.0)
    gate.slow_down()

    assert (4, 2) == (after_the_first, gate.width)


async def test_submits_are_spaced() -> None:
    """Two a second means half a second apart, however many want to at once."""
    clock = JumpingClock()
    gate = ConcurrencyLimiter(concurrency=10, per_s=2.0, clock=clock)
    times: list[float] = []

    async def submit() -> None:
        await gate.turn()
        times.append(clock.monotonic())

    await asyncio.gather(*(submit() for _ in range(5)))

    assert [0.0, 0.5, 1.0, 1.5, 2.0] == times


async def test_a_pause_makes_no_burst() -> None:
    """Turns that nobody took are not saved up: a tenth at most (timers are coarse)."""
    clock = JumpingClock()
    gate = ConcurrencyLimiter(concurrency=10, per_s=2.0, clock=clock)
    await gate.turn()
    clock.advance(100.0)
    times: list[float] = []
    for _ in range(3):
        await gate.turn()
        times.append(clock.monotonic() - 100.0)

    assert [0.0, 0.45, 0.95] == pytest.approx(times)


async def test_retry_after_stops_submits_of_the_lane() -> None:
    """Nobody submits before the time the provider named, also those who wait already."""
    clock = JumpingClock()
    gate = ConcurrencyLimiter(concurrency=10, per_s=2.0, clock=clock)
    await gate.turn()
    waiting = asyncio.ensure_future(gate.turn())
    await asyncio.sleep(0)
    gate.slow_down(30.0)
    await waiting

    assert 30.0 <= clock.monotonic() < 31.0


@pytest.mark.parametrize("when", ["while waiting", "as it is let in"])
async def test_who_is_cancelled_at_the_gate_leaves_nothing_behind(when: str) -> None:
    """A cancelled job holds no place, and the next gets in."""
    gate = ConcurrencyLimiter(concurrency=1, per_s=0, clock=JumpingClock())
    await gate.enter()
    waiting = asyncio.ensure_future(gate.enter())
    await asyncio.sleep(0)
    if when == "as it is let in":
        gate.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if when == "while waiting":
        gate.leave()

    assert 0 == gate.in_flight
    await gate.enter()
    assert 1 == gate.in_flight


async def test_a_repetition_ends_with_the_first_result_or_the_last_patience() -> None:
    """Faults are waited out as asked for until `again` says no."""
    clock = JumpingClock()
    fault = Fault(kind=FaultKind.THROTTLED, message="busy", retry_after_s=10)
    replies: list[str | Fault] = [fault, fault, "done"]

    async def attempt() -> str | Fault:
        return replies.pop(0)

    result = await retry(attempt, again=lambda _, tries: tries < 2, clock=clock, chance=Most())
    replies.extend([fault, fault])
    given_up = await retry(attempt, again=lambda _, tries: tries < 1, clock=clock, chance=Most())

    assert ("done", fault) == (result, given_up)
    assert 30.0 == clock.monotonic()
