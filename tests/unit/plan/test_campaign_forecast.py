"""The forecast plays the rest of a campaign by the rule of the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.acceptance import (
    AcceptPolicy,
    Each,
    PlaceHistory,
    PlaceState,
    PlaceTake,
    TakeOutcome,
    next_round,
    next_rounds,
)
from pipeline.domain.forecast import LEAST_DECISIONS, Forecast
from pipeline.domain.review import Verdict
from pipeline.plan.campaign_forecast import (
    CellHistory,
    PlaceProgress,
    TakeVerdict,
    forecast_end,
    place_progress,
    play_campaign,
    sort_kinds,
)
from pipeline.plan.yield_model import YieldDraws

PRICE = Decimal("0.50")
CERTAIN = 30.0
"""In logits: as good as never rejected."""
FATES = ("approved", "rejected", "off_spec")


def _go_on(policy: AcceptPolicy, place: PlaceHistory, fate: str) -> PlaceHistory:
    """Let one thing happen to a place by its real rule: a take is bought, or one is decided on."""
    stands = next_round(policy, place)
    if stands.buys:
        outcome = TakeOutcome.OFF_SPEC if fate == "off_spec" else TakeOutcome.MADE
        bought = PlaceTake(number=stands.buys[0], outcome=outcome)
        return replace(place, takes=(*place.takes, bought), bound_usd=place.bound_usd + PRICE)
    if stands.state is not PlaceState.WAITING:
        return place
    verdict = Verdict.APPROVED if fate == "approved" else Verdict.REJECTED
    takes = list(place.takes)
    at = next(number for number, take in enumerate(takes) if take.waits)
    takes[at] = replace(takes[at], verdict=verdict)
    return replace(place, takes=tuple(takes))


def _end(policy: AcceptPolicy, place: PlaceHistory, fate: str) -> PlaceHistory:
    """Go on with the same fate until nothing happens any more."""
    while (then := _go_on(policy, place, fate)) != place:
        place = then
    return place


def _known(logit: float, draws: int = 3) -> YieldDraws:
    """Return a yield that is known, of places that do not differ, for one shot and one group."""
    none = np.zeros((draws, 1))
    return YieldDraws(
        level=np.full(draws, logit),
        shots=none,
        groups=none,
        concentration=np.full(draws, 1e12),
        drift=np.zeros(draws),
    )


policies = st.builds(
    AcceptPolicy,
    approved=st.integers(1, 2),
    takes=st.integers(1, 8),
    spend_usd=st.none() | st.sampled_from([PRICE * n for n in range(1, 8)]),
    rounds=st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple),
)


@given(policies, st.lists(st.sampled_from(FATES), max_size=12), st.sampled_from(FATES))
def test_the_rest_is_played_by_the_rule_of_the_rounds(
    policy: AcceptPolicy, before: Sequence[str], fate: str
) -> None:
    """From wherever a place stands, the forecast buys what the rule buys, and ends as it does."""
    place = PlaceHistory(price_usd=PRICE)
    for each in before:
        place = _go_on(policy, place, each)
    end = _end(policy, place, fate)
    state = next_round(policy, end).state
    cell = CellHistory(place=place, stands=next_round(policy, place))
    progress = place_progress(policy, [cell], shot="spin")

    ends = play_campaign(
        sort_kinds([progress], {"spin": 0}, {"": 0}),
        _known(CERTAIN if fate == "approved" else -CERTAIN),
        np.full(3, float(fate == "off_spec")),
        np.random.default_rng(1),
        places=1,
    )

    ended = progress.missing > 0 and not progress.rounds
    assert {float(end.bound_usd - place.bound_usd)} == set(ends.money.tolist())
    assert {state is PlaceState.STUCK} == {bool(n) or ended for n in ends.stuck.tolist()}


def test_chances_are_those_of_the_rounds() -> None:
    """With a known yield, money and stuck places are those of the rounds, within the noise."""
    rounds, chance, number = (1, 2, 2), 0.3, 500
    place = PlaceProgress(shot="spin", rounds=rounds, price_usd=PRICE)
    logit = float(np.log(chance / (1 - chance)))

    ends = play_campaign(
        sort_kinds([place] * number, {"spin": 0}, {"": 0}),
        _known(logit, draws=400),
        np.zeros(400),
        np.random.default_rng(2),
        places=number,
    )

    takes = 1 + 2 * 0.7 + 2 * 0.7**3
    assert ends.stuck.mean() / number == pytest.approx(0.7**5, abs=0.004)
    assert ends.money.mean() / number == pytest.approx(takes * float(PRICE), rel=0.01)


def test_places_that_were_rejected_are_the_harder_ones() -> None:
    """Where places differ, one that was rejected three times is less likely to come out."""
    new = PlaceProgress(shot="spin", rounds=(1, 1, 1))
    rejected = replace(new, verdicts=(TakeVerdict(1, False),) * 3)
    drawn = replace(_known(-0.5, draws=200), concentration=np.full(200, 3.0))

    stuck = [
        play_campaign(
            sort_kinds([place] * 100, {"spin": 0}, {"": 0}),
            drawn,
            np.zeros(200),
            np.random.default_rng(3),
            places=100,
        ).stuck.mean()
        for place in (new, rejected)
    ]

    assert stuck[0] + 10 < stuck[1]


def _campaign(approved: int, rejected: int, fresh: int, shot: str = "spin") -> list[PlaceProgress]:
    """Return places of which so many have an approval, one rejection, or nothing yet."""
    place = PlaceProgress(shot=shot, rounds=(1, 2), price_usd=PRICE)
    # Approvals and rejections come in turn: all of one first would be a yield that falls.
    times = [number / (n or 1) for n in (approved, rejected) for number in range(n)]
    yes = [(TakeVerdict(at, True),) for at in times[:approved]]
    no = [(TakeVerdict(at, False),) for at in times[approved:]]
    return [
        *[replace(place, verdicts=verdicts, rounds=()) for verdicts in yes],
        *[replace(place, verdicts=verdicts) for verdicts in no],
        *[place for _ in range(fresh)],
    ]


def _forecast(places: Sequence[PlaceProgress]) -> Forecast:
    found = forecast_end(places, np.random.default_rng(4))
    assert found is not None
    return found


def test_there_is_none_before_thirty_decisions() -> None:
    """29 decisions tell too little; the 30th makes a forecast."""
    few = _campaign(10, LEAST_DECISIONS - 11, 50)

    assert forecast_end(few, np.random.default_rng(4)) is None
    assert LEAST_DECISIONS == _forecast([*few, *_campaign(1, 0, 0)]).decisions


def test_the_same_campaign_has_the_same_forecast() -> None:
    """It depends on the places and on the generator, and on no order of rows."""
    places = _campaign(20, 30, 50)

    assert _forecast(places) == _forecast(places)


def test_a_campaign_at_its_end_costs_nothing_more() -> None:
    """Once each place is approved or stuck, the forecast is what is."""
    stuck = [replace(place, rounds=()) for place in _campaign(0, 12, 0)]

    found = _forecast([*_campaign(30, 0, 0), *stuck])

    assert (0, 12) == (found.open_places, found.stuck.median)
    assert found.stuck.low == found.stuck.high
    assert Decimal(0) == found.money_usd.low == found.money_usd.high


def test_shots_and_groups_are_pooled_but_not_alike() -> None:
    """A shot that comes out badly is expected to go on so; one without decisions is in between."""
    good, bad, unknown = (_campaign(*counts) for counts in ((60, 10, 0), (10, 60, 0), (0, 0, 100)))
    known = [
        *[replace(place, shot="good") for place in good],
        *[replace(place, shot="bad") for place in bad],
    ]

    rates = []
    for shot in ("good", "new", "bad"):
        fresh = [replace(place, shot=shot) for place in unknown]
        # What is asked for is the yield of the fresh places: the others end here.
        others = [replace(place, rounds=()) for place in known]
        rates.append(_forecast([*others, *fresh]).approval_rate.median)

    assert rates[0] > rates[1] > rates[2]


def test_a_price_that_nobody_knows_is_not_nought() -> None:
    """Places without a price are counted, and the sum says that it is without them."""
    places = [*_campaign(15, 15, 0), *_campaign(0, 0, 5)]
    unpriced = [replace(place, price_usd=None) for place in places[-5:]]

    found = _forecast([*places[:-5], *unpriced])

    assert 5 == found.unpriced
    assert 20 == found.open_places


def test_many_places_and_groups_are_quick() -> None:
    """20,500 places in 60 shots and 90 groups with 20,000 decisions have a forecast like others."""
    base = [*_campaign(80, 120, 0), *_campaign(0, 0, 5)] * 100
    places = [
        replace(place, shot=f"s{n % 60}", row_group=f"g{n % 90}") for n, place in enumerate(base)
    ]

    found = _forecast(places)

    assert 12_500 == found.open_places
    assert 0.15 < found.approval_rate.low < found.approval_rate.high < 0.6


def test_the_cells_of_a_row_are_tried_in_turn() -> None:
    """A row goes on with its next cell where one is at its cap; takes of all cells count."""
    policy = AcceptPolicy(each=Each.ROW, takes=2, rounds=(1,))
    rejected = tuple(
        PlaceTake(number=n, outcome=TakeOutcome.MADE, verdict=Verdict.REJECTED) for n in (1, 2)
    )
    waits = (PlaceTake(number=1, outcome=TakeOutcome.MADE),)
    places = [PlaceHistory(takes=takes, price_usd=PRICE) for takes in (rejected, waits, ())]
    cells = [
        CellHistory(place=place, stands=stands, decided_at={1: 5, 2: 6})
        for place, stands in zip(places, next_rounds(policy, places), strict=True)
    ]

    found = place_progress(policy, cells, shot="spin")

    assert (1, (1, 1, 1, 1)) == (found.waiting, found.rounds)
    assert [5, 6] == [verdict.at for verdict in found.verdicts]


def test_a_halted_place_is_taken_to_be_retried() -> None:
    """Its failed take comes again under its own number, and the rounds after it."""
    policy = AcceptPolicy(takes=4, rounds=(1, 2))
    failed = (PlaceTake(number=1, outcome=TakeOutcome.FAILED),)

    place = PlaceHistory(takes=failed, price_usd=PRICE)

    cell = CellHistory(place=place, stands=next_round(policy, place))
    found = place_progress(policy, [cell], shot="spin")

    assert (0, (1, 2, 1)) == (found.waiting, found.rounds)
