"""Over random lives of a place: no cap is passed, and nothing is bought that nobody needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.acceptance import (
    GAVE_UP,
    AcceptPolicy,
    Cap,
    Each,
    NextRound,
    PlaceHistory,
    PlaceState,
    PlaceTake,
    TakeOutcome,
    next_round,
    next_rounds,
)
from pipeline.domain.review import Verdict

PRICE = Decimal("0.42")
DECIDED = (Verdict.APPROVED, Verdict.REJECTED)
CLIPS = (TakeOutcome.MADE, TakeOutcome.OFF_SPEC)
FREE = (TakeOutcome.AGAIN, TakeOutcome.USED_UP)
Fate = tuple[TakeOutcome, Verdict]
"""What becomes of a take, and what a person will say of its clip."""

FATES = st.lists(
    st.tuples(st.sampled_from(list(TakeOutcome)), st.sampled_from(DECIDED)),
    min_size=1,
    max_size=40,
)
POLICIES = st.builds(
    AcceptPolicy,
    approved=st.integers(1, 2),
    takes=st.integers(1, 9),
    spend_usd=st.none() | st.decimals("0.42", "4.00", places=2),
    rounds=st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple),
)
PLACES = st.builds(
    PlaceHistory,
    takes=st.lists(
        st.tuples(
            st.sampled_from(list(TakeOutcome)),
            st.none() | st.sampled_from([*DECIDED, Verdict.LATER, Verdict.REOPENED]),
        ),
        max_size=9,
    ).map(
        lambda fates: tuple(
            PlaceTake(number=n, outcome=outcome, verdict=verdict if outcome in CLIPS else None)
            for n, (outcome, verdict) in enumerate(fates, 1)
        )
    ),
    bound_usd=st.decimals("0.00", "5.00", places=2),
    price_usd=st.just(PRICE),
    rerolls=st.lists(st.integers(1, 9), max_size=2).map(tuple),
)


def rejected(number: int) -> PlaceTake:
    """Return a take whose clip nobody wants."""
    return PlaceTake(number=number, outcome=TakeOutcome.MADE, verdict=Verdict.REJECTED)


def made(place: PlaceHistory, numbers: Sequence[int], outcome: TakeOutcome) -> PlaceHistory:
    """Return a place in which these takes came to an end, undecided."""
    kept = tuple(take for take in place.takes if take.number not in numbers)
    new = tuple(PlaceTake(number=number, outcome=outcome) for number in numbers)
    costs = PRICE * len(numbers)
    takes = tuple(sorted((*kept, *new), key=lambda take: take.number))
    return replace(place, takes=takes, bound_usd=place.bound_usd + costs)


@given(POLICIES, PLACES, st.sampled_from([{"begins": True}, {"begins": False}]))
def test_no_cap_is_passed(
    policy: AcceptPolicy, place: PlaceHistory, words: dict[str, bool]
) -> None:
    """Whatever happened before: takes and money stay within what the place may have."""
    bought = next_round(policy, place, **words)

    known = {take.number for take in place.takes}
    new = [number for number in bought.buys if number not in known]
    again = [take.number for take in place.takes if take.outcome is TakeOutcome.AGAIN]
    assert set(bought.buys) - set(new) <= set(again)
    assert not new or len(known) + len(new) <= policy.takes
    if policy.spend_usd is not None and bought.buys:
        assert place.bound_usd + PRICE * len(bought.buys) <= policy.spend_usd
    if policy.spend_usd is not None:
        assert not next_round(policy, replace(place, price_usd=None)).buys
    if bought.state is PlaceState.STUCK:
        assert (Cap.SPEND if bought.takes_left or again else Cap.TAKES) is bought.cap


@given(POLICIES, PLACES)
def test_what_is_approved_buys_nothing(policy: AcceptPolicy, place: PlaceHistory) -> None:
    """Not a reroll, not what failed for free, not the rest of its round."""
    bought = next_round(policy, place)

    enough = sum(take.is_approved for take in place.takes) >= policy.approved
    assert enough == (bought.state is PlaceState.APPROVED)
    assert not (enough and bought.buys)


@given(POLICIES)
@settings(deadline=None)
def test_rounds_come_as_they_are_written(policy: AcceptPolicy) -> None:
    """All rejected, each round has its size, the last one repeats, and a reroll adds one."""
    policy = replace(policy, spend_usd=None)
    place, rounds = PlaceHistory(price_usd=PRICE), []
    while buys := next_round(policy, place).buys:
        rounds.append(len(buys))
        waiting = made(place, buys, TakeOutcome.MADE)
        # Nobody has decided: nothing more, however often it is asked.
        assert (PlaceState.WAITING, ()) == _told(next_round(policy, waiting))
        if len(waiting.takes) < policy.takes:
            asked = replace(waiting, rerolls=(waiting.takes[-1].number,))
            more = next_round(policy, asked).buys
            assert (len(waiting.takes) + 1,) == more
            assert not next_round(policy, made(asked, more, TakeOutcome.MADE)).buys
        place = replace(waiting, takes=tuple(rejected(take.number) for take in waiting.takes))

    assert policy.takes == sum(rounds)
    sizes = [*policy.rounds, *(policy.rounds[-1] for _ in rounds)][: len(rounds)]
    assert sizes[:-1] == rounds[:-1]
    assert rounds[-1] <= sizes[-1]
    assert PlaceState.STUCK is next_round(policy, place).state


def _told(bought: NextRound) -> tuple[PlaceState, tuple[int, ...]]:
    return bought.state, bought.buys


@given(POLICIES, FATES, st.integers(0, 5))
@settings(deadline=None)
def test_a_life_of_a_place(policy: AcceptPolicy, fates: Sequence[Fate], killed: int) -> None:
    """To its end: interrupted anywhere, a round buys the same; each round is replaced in itself."""
    place, left = PlaceHistory(price_usd=PRICE), iter(fates)
    for _ in range(40):
        bought = next_round(policy, place)
        if not bought.buys:
            break
        # A kill after some of its purchases: the rest of the round is bought, and nothing else.
        some = bought.buys[: killed % len(bought.buys)]
        again = next_round(policy, made(place, some, TakeOutcome.UNSETTLED))
        assert bought.buys == (*some, *again.buys)
        size = sum(take.counts for take in place.takes) + len(
            [n for n in bought.buys if n not in {take.number for take in place.takes}]
        )
        for number in bought.buys:
            outcome, _ = next(left, (TakeOutcome.MADE, Verdict.APPROVED))
            free = outcome in FREE
            place = made(place, [number], outcome)
            place = replace(place, bound_usd=place.bound_usd - PRICE) if free else place
        # What a run may do by itself replaces, and goes not beyond the round.
        more = next_round(policy, place, begins=False)
        replaced = sum(not take.counts for take in place.takes)
        settled = {take.number: take for take in place.takes}
        new = [number for number in more.buys if number not in settled]
        assert len(new) <= replaced
        assert sum(take.counts for take in place.takes) + len(new) <= size
        # A person decides on whatever there is to decide.
        place = replace(
            place,
            takes=tuple(
                replace(take, verdict=fates[take.number % len(fates)][1]) if take.waits else take
                for take in place.takes
            ),
        )
    else:
        raise AssertionError("it has no end")
    unsettled = any(take.outcome is TakeOutcome.UNSETTLED for take in place.takes)
    end = next_round(policy, place).state
    assert end is PlaceState.APPROVED or end in GAVE_UP or unsettled


@given(POLICIES, st.lists(PLACES, min_size=1, max_size=3))
def test_one_cell_of_a_row_is_tried_at_a_time(
    policy: AcceptPolicy, cells: Sequence[PlaceHistory]
) -> None:
    """The first in written order that is not given up; none where the row has what it wants."""
    policy = replace(policy, each=Each.ROW)
    found = next_rounds(policy, cells)

    buying = [number for number, one in enumerate(found) if one.buys]
    approved = sum(take.is_approved for cell in cells for take in cell.takes)
    assert len(buying) <= 1
    if approved >= policy.approved:
        assert not buying
        assert {one.state for one in found} <= {PlaceState.APPROVED, PlaceState.SPARE}
    elif all(one.state in GAVE_UP for one in found):
        assert all(next_round(policy, cell).state in GAVE_UP for cell in cells)
    else:
        alone = [next_round(policy, cell).state for cell in cells]
        first = next(n for n, state in enumerate(alone) if state not in GAVE_UP)
        assert buying in ([], [first])
        assert not any(one.state in GAVE_UP for one in found)


def test_a_round_that_brings_no_clip_waits_for_a_person() -> None:
    """A refusal is not replaced; `--retry` buys it again under its own number."""
    policy = AcceptPolicy(rounds=(1, 2), takes=4)
    refused = PlaceHistory(takes=(PlaceTake(number=1, outcome=TakeOutcome.FAILED),))
    retried = PlaceHistory(takes=(PlaceTake(number=1, outcome=TakeOutcome.AGAIN),))

    assert (PlaceState.HALTED, ()) == _told(next_round(policy, refused))
    assert (PlaceState.OPEN, (1,)) == _told(next_round(policy, retried))
    # One of two: there is a clip to decide on, and then the next round.
    mixed = (rejected(1), PlaceTake(number=2, outcome=TakeOutcome.FAILED), rejected(3))
    assert (PlaceState.OPEN, (4,)) == _told(next_round(policy, PlaceHistory(takes=mixed)))


def test_a_clip_that_is_off_spec_is_replaced_in_its_round() -> None:
    """By a run itself, also where it was the only one of its round; an approved one is none."""
    policy = AcceptPolicy(rounds=(1, 1), takes=4)
    first = PlaceTake(number=1, outcome=TakeOutcome.OFF_SPEC)
    second = replace(first, number=2)
    fine = replace(first, verdict=Verdict.APPROVED)

    def buys(*takes: PlaceTake) -> tuple[PlaceState, tuple[int, ...]]:
        return _told(next_round(policy, PlaceHistory(takes=takes), begins=False))

    assert (PlaceState.OPEN, (2,)) == buys(first)
    assert (PlaceState.OPEN, (3,)) == buys(rejected(1), second)
    assert (PlaceState.OPEN, ()) == buys(rejected(1))
    assert (PlaceState.APPROVED, ()) == buys(fine)
