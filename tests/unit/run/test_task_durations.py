"""A task is asked for by how long its like took, and never more often than is advised."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Cadence
from pipeline.ledger.lane_history import LaneHistory, LaneWidth
from pipeline.ledger.price_confirmations import PriceClass, PriceStanding
from pipeline.ledger.repository import Ledger
from pipeline.run.runner import run
from pipeline.run.task_durations import TaskDurations
from tests.unit.run.campaign import Studio, entry

ALIKE = ("shop", "kling-o1", "text", "std", 5.0)
ADVICE = Cadence(first_s=2.0, every_s=2.0, max_s=10.0)
HURRY = Cadence(first_s=0.1, every_s=0.1, max_s=10.0)


def _known(samples: Sequence[float]) -> TaskDurations:
    durations = TaskDurations()
    durations.recall({ALIKE: samples})
    return durations


def _ask(durations: TaskDurations, cadence: Cadence, ends_s: float) -> list[float]:
    """Return the ages at which a task is asked for that ends at some age."""
    pace = durations.pace(ALIKE, cadence)
    asked, gap_s = [pace.first_s], pace.gap_s
    while asked[-1] < ends_s:
        asked.append(asked[-1] + gap_s)
        gap_s = pace.next_gap(gap_s, asked[-2])
    return asked


def test_until_enough_is_known_the_provider_s_cadence_holds() -> None:
    """Seven ends are no history: gaps grow from what is advised to the longest."""
    asked = _ask(_known([4.0] * 7), ADVICE, 40.0)

    assert [2.0, 4.0, 7.0, 11.5, 18.25, 28.25, 38.25, 48.25] == asked


@pytest.mark.parametrize("median_s", [4.0, 90.0])
def test_with_a_history_few_questions_find_an_end_soon(median_s: float) -> None:
    """Log-normal ends: at most eight questions a task, and found 6 % of its length late."""
    chance = random.Random(3)  # noqa: S311 - the same ends in each test
    ends = [median_s * math.exp(chance.gauss(0, 0.5)) for _ in range(700)]
    durations = _known(ends[:200])

    asked = [_ask(durations, HURRY, end) for end in ends[200:]]

    late_s = sum(each[-1] - end for each, end in zip(asked, ends[200:], strict=True))
    assert sum(map(len, asked)) / 500 <= 8
    assert late_s / sum(ends[200:]) <= 0.06


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 10_000), max_size=300),
    st.floats(0, 2_000),
    st.tuples(st.floats(0.1, 20), st.floats(0.1, 20), st.floats(0, 20)),
)
def test_nobody_is_asked_more_often_than_is_advised(
    samples: list[float], ends_s: float, advised: tuple[float, float, float]
) -> None:
    """Whatever the history, the first question and every gap are at least as advised."""
    first_s, every_s, more_s = advised
    cadence = Cadence(first_s=first_s, every_s=every_s, max_s=every_s + more_s)

    asked = _ask(_known(samples), cadence, ends_s)

    assert asked[0] >= first_s
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert all(gap >= every_s * (1 - 1e-9) for gap in gaps)


def test_what_is_found_ended_at_once_makes_the_first_question_earlier() -> None:
    """A provider that became quick is asked sooner and sooner, though no end is seen as it is."""
    durations = _known([90.0] * 200)
    before = durations.pace(ALIKE, HURRY).first_s
    for _ in range(60):
        durations.learn(ALIKE, durations.pace(ALIKE, HURRY).first_s, None)

    assert 90.0 == before
    assert durations.pace(ALIKE, HURRY).first_s < before / 2


async def test_the_next_run_knows_how_long_tasks_take(tmp_path: Path) -> None:
    """Ten clips of one run are the history of the next, which asks less than half as often."""
    studio = Studio(tmp_path, concurrency=10)
    studio.clock.advance(1.0)  # what happened at nought counts as never
    studio.confirm_price()
    await studio.make(*(f"a{n}" for n in range(10)))
    first = studio.shop.polls
    with Ledger.open(tmp_path) as ledger:
        history = await ledger.for_run().lane_history()
    await studio.make(*(f"b{n}" for n in range(10)))

    (known,) = history.durations.values()
    assert 10 == len(known)
    assert 2 * (studio.shop.polls - first) < first


async def test_a_width_that_was_found_is_the_next_run_s_first(tmp_path: Path) -> None:
    """A lane left to itself begins where it ended; one that a person set learns nothing."""
    studio = Studio(tmp_path, concurrency=3)
    studio.confirm_price()

    async def widenings(letter: str) -> int:
        studio.events.clear()
        assert studio.admit(entry(f"{letter}{n}") for n in range(12)).ok
        config, parts = studio.parts()
        parts["lanes"] = {"shop": replace(parts["lanes"]["shop"], most=8)}
        with Ledger.open(tmp_path) as ledger:
            await run(ledger, config, **parts)
        return [event.name for event in studio.events].count("widened")

    assert [5, 0] == [await widenings("a"), await widenings("b")]
    assert 8 == studio.shop.most_at_once


def test_a_plan_adds_up_what_is_known_of_its_tasks() -> None:
    """Providers work beside one another, accounts share; what is not known makes no estimate."""

    def standing(provider: str, to_make: int) -> PriceStanding:
        price = PriceClass(provider=provider, mode="std", kind="text")
        return PriceStanding(price_class=price, to_make=to_make, seen=None)

    history = LaneHistory(
        durations={ALIKE: (80.0, 100.0), ("other", *ALIKE[1:]): (10.0,)},
        widths={
            ("shop", ""): LaneWidth(width=8, refused=False),
            ("shop", "b"): LaneWidth(width=2, refused=True),
            ("other", ""): LaneWidth(width=1, refused=False),
        },
    )

    assert 900.0 == history.estimate_s([standing("shop", 100), standing("other", 30)])
    assert 900.0 == history.estimate_s([standing("shop", 100), standing("nobody", 0)])
    assert history.estimate_s([standing("shop", 100), standing("nobody", 1)]) is None
    assert history.estimate_s([standing("shop", 0)]) is None
