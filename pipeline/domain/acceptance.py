"""The loop of `accept:`: what a place stands at, and which takes its next round buys.

A pure rule over what is known of a place: the takes that were sent under its present prompt, what
became of each, what people said, and money. Nothing of the loop is kept anywhere else: a run that
was killed between two purchases works out the same round again, and buys what is left of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from itertools import count, islice
from types import MappingProxyType

from pipeline.domain.review import Verdict
from pipeline.domain.states import State
from pipeline.findings import Span

DEFAULT_ROUNDS = (1, 1, 2, 2, 3, 3)
"""At a usable share of one third: 1.10 times the cost of buying one by one, in half the sittings
(docs/decisions/0037)."""


class Each(StrEnum):
    """What wants its approved clips: every place, or every row with its cells as alternatives."""

    PLACE = "place"
    ROW = "row"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptPolicy:
    """What `accept:` says: when a place is done, and what may be tried until then."""

    each: Each = Each.PLACE
    approved: int = 1
    """How many clips are to be approved."""
    takes: int = sum(DEFAULT_ROUNDS)
    """How many takes a place may have under one prompt, whatever became of them."""
    spend_usd: Decimal | None = None
    """What a place may cost in its whole life: charged + reserved + possible; None: no cap."""
    rounds: tuple[int, ...] = DEFAULT_ROUNDS
    """How many takes each round buys; the last number repeats."""
    spans: Mapping[str, Span] = field(default_factory=lambda: MappingProxyType({}))
    """Where each of its keys is written; `accept` itself is under an empty name."""

    def round_size(self, number: int) -> int:
        """Return how many takes a round buys; rounds count from 1.

        >>> [AcceptPolicy(rounds=(1, 2)).round_size(number) for number in range(1, 5)]
        [1, 2, 2, 2]
        """
        return self.rounds[min(number, len(self.rounds)) - 1]


DECIDED = frozenset({Verdict.APPROVED, Verdict.REJECTED})
"""What a person says of a clip that settles it; `later` does not."""


class TakeOutcome(StrEnum):
    """What became of a take that was begun."""

    UNSETTLED = "unsettled"
    """Sent, and not ended: in flight, in doubt, overdue."""
    MADE = "made"
    """Its clip is there, in spec."""
    OFF_SPEC = State.OFF_SPEC.value
    """Its clip is there and is not what was asked for: replaced, unless a person approves it."""
    AGAIN = "again"
    """Failed, and is bought again under its own number: free and transient, or by `--retry`."""
    USED_UP = "used_up"
    """Failed for free and transiently as often as its number may be bought: replaced."""
    FAILED = "failed"
    """Rejected, refused, charged, or failed for an unknown cause: only `--retry` buys it again."""
    ABANDONED = "abandoned"
    """Given up by a person's word."""


_OUTCOMES: Mapping[State, TakeOutcome | None] = MappingProxyType(
    {
        **dict.fromkeys(State, TakeOutcome.UNSETTLED),
        State.PLANNED: None,
        State.HELD: None,
        State.DONE: TakeOutcome.MADE,
        State.OFF_SPEC: TakeOutcome.OFF_SPEC,
        State.FAILED: TakeOutcome.FAILED,
        State.ABANDONED: TakeOutcome.ABANDONED,
    }
)


def outcome_of(state: State, *, free: bool, again: bool) -> TakeOutcome | None:
    """Return what became of a take whose job stands so; None where nothing of it was begun.

    `free`: it is known to have failed for free and transiently; `again`: the next run buys it.

    >>> outcome_of(State.FAILED, free=True, again=False)
    <TakeOutcome.USED_UP: 'used_up'>
    """
    if state is State.FAILED and (free or again):
        return TakeOutcome.AGAIN if again else TakeOutcome.USED_UP
    return _OUTCOMES[state]


REPLACED = frozenset({TakeOutcome.OFF_SPEC, TakeOutcome.USED_UP})
"""Another take is bought instead in the same round: nobody has anything to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTake:
    """One take of a place that was begun under its present prompt, or whose clip is kept."""

    number: int
    outcome: TakeOutcome
    verdict: Verdict | None = None
    """What holds of its clip; None while nobody decided, or two people's words differ."""

    @property
    def is_approved(self) -> bool:
        """Tell whether its clip is what was wanted."""
        return self.verdict is Verdict.APPROVED

    @property
    def waits(self) -> bool:
        """Tell whether a person has to say something of its clip; `later` is no decision."""
        return self.outcome is TakeOutcome.MADE and self.verdict not in DECIDED

    @property
    def counts(self) -> bool:
        """Tell whether it is one of its round, and not replaced by another."""
        return self.outcome not in REPLACED or self.is_approved


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHistory:
    """What is known of a place: all that the rule goes by."""

    takes: tuple[PlaceTake, ...] = ()
    """In the order of their numbers; what was planned and never sent is not among them."""
    bound_usd: Decimal = Decimal(0)
    """Charged + reserved + possible, for ever: under earlier prompts too."""
    price_usd: Decimal | None = None
    """What the next take would reserve; None where that is not known."""
    rerolls: tuple[int, ...] = ()
    """The takes at which people asked for one more, each beside the round of that take."""


class PlaceState(StrEnum):
    """Where a place stands in the loop."""

    OPEN = "open"
    """It has takes to buy, or in the making."""
    WAITING = "waiting"
    """A clip is there, and nobody has decided."""
    APPROVED = "approved"
    """As many clips as were asked for: nothing more is bought."""
    STUCK = "stuck"
    """Not approved, and at a cap: `takes` or `spend`."""
    HALTED = "halted"
    """Its round brought no clip: a take was refused, charged, or failed for an unknown cause. A
    person says `--retry CAUSE`, or edits the prompt."""
    SPARE = "spare"
    """Under `each: row`: another cell of its row is tried now, or has what was asked for."""


GAVE_UP = frozenset({PlaceState.STUCK, PlaceState.HALTED})
"""Nothing goes on there without a person, and there is nothing to approve: a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTotals:
    """Where the places of a campaign stand together: those of which anything is selected."""

    states: Mapping[PlaceState, int]
    waiting_clips: int = 0
    """How many clips there are to decide on."""
    buys: int = 0
    """How many takes the next run buys."""
    begun_anew: int = 0
    """Places that had takes, all under an earlier prompt."""
    takes_left: int = 0
    """How many takes all open and waiting places may have beside those, within both caps."""
    left_usd: Decimal | None = None
    """What those would reserve; None where the price of one is not known."""
    ended_badly: Mapping[tuple[State, str], int] = field(default_factory=dict)
    """Jobs that brought no clip in spec, by state and cause: at a place they are no failure."""

    def count(self, *states: PlaceState) -> int:
        """Count the places in these states."""
        return sum(self.states.get(state, 0) for state in states)

    @property
    def gave_up(self) -> int:
        """Count the places at which nothing goes on without a person."""
        return self.count(*GAVE_UP)

    @property
    def goes_on(self) -> int:
        """Count the places that wait for a decision, or for the next run."""
        return self.count(PlaceState.WAITING, PlaceState.OPEN)


class Cap(StrEnum):
    """What keeps a place from buying more."""

    TAKES = "takes"
    SPEND = "spend"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRound:
    """Where a place stands, and what the next run buys for it."""

    state: PlaceState
    buys: tuple[int, ...] = ()
    """Numbers of the takes, lowest first: those bought again, then new ones."""
    number: int = 1
    """Which round these belong to, from 1; where nothing is bought, the last one begun."""
    takes_left: int = 0
    """How many more takes the cap allows, before these are bought."""
    left_usd: Decimal | None = None
    """How much more may be bound, before these are bought; None: no cap on money."""
    cap: Cap | None = None
    """What it is stuck at."""

    def count_more(self, price_usd: Decimal | None, *, known: Collection[int]) -> int:
        """Return how many takes at this price both caps allow once these are bought.

        `known` are the numbers of takes that were begun: to buy one of them again is no new take.

        >>> NextRound(
        ...     state=PlaceState.OPEN, buys=(1,), takes_left=6, left_usd=Decimal(2)
        ... ).count_more(Decimal("0.42"), known=())
        3
        """
        takes = self.takes_left - sum(number not in known for number in self.buys)
        affordable = _affordable(self.left_usd, price_usd, takes + len(self.buys))
        return max(0, min(takes, affordable - len(self.buys)))


def next_rounds(
    policy: AcceptPolicy, cells: Sequence[PlaceHistory], *, begins: bool = True
) -> list[NextRound]:
    """Return what the next run buys for the places of one shot and row, in their written order.

    Unless it `begins` rounds, it buys only what is left of those that were begun: what a run
    replaces while it goes on.

    >>> policy = AcceptPolicy(rounds=(2, 1), takes=3)
    >>> (first,) = next_rounds(policy, [PlaceHistory()])
    >>> first.state, first.buys
    (<PlaceState.OPEN: 'open'>, (1, 2))
    """
    if policy.each is Each.PLACE:
        return [next_round(policy, cell, begins=begins) for cell in cells]
    # Which cell is tried is seen where rounds may begin: else one at its cap would look open.
    found = [next_round(policy, cell) for cell in cells]
    approvals = [sum(take.is_approved for take in cell.takes) for cell in cells]
    if sum(approvals) >= policy.approved:
        return [
            replace(one, state=PlaceState.APPROVED if own else PlaceState.SPARE, buys=(), cap=None)
            for one, own in zip(found, approvals, strict=True)
        ]
    tried = next((n for n, one in enumerate(found) if one.state not in GAVE_UP), None)
    if tried is None:
        return found
    # Another cell may have clips from when each place was to be approved: first a person looks.
    waits = any(one.state is PlaceState.WAITING for n, one in enumerate(found) if n != tried)
    found[tried] = next_round(policy, cells[tried], begins=begins)
    return [
        one
        if n == tried and not waits
        else replace(one, buys=(), cap=None)
        if one.state is PlaceState.WAITING
        else replace(one, state=PlaceState.SPARE, buys=(), cap=None)
        for n, one in enumerate(found)
    ]


def next_round(policy: AcceptPolicy, place: PlaceHistory, *, begins: bool = True) -> NextRound:
    """Return what the next run buys for one place, whatever its row has besides.

    A round is complete once as many takes count as it and those before it have, and the rerolls.
    Until then the rest of it is bought, whoever has decided what; the next one begins when every
    clip is decided on.
    """
    counted = [take for take in place.takes if take.counts]
    number, begun, due = _present_round(policy, place, counted)
    stands = NextRound(
        state=PlaceState.OPEN,
        number=number,
        takes_left=max(0, policy.takes - len(place.takes)),
        left_usd=(
            None
            if policy.spend_usd is None
            else max(Decimal(0), policy.spend_usd - place.bound_usd)
        ),
    )
    if sum(take.is_approved for take in place.takes) >= policy.approved:
        return replace(stands, state=PlaceState.APPROVED)
    waits = any(take.waits for take in counted)
    again = [take.number for take in counted if take.outcome is TakeOutcome.AGAIN]
    unsettled = any(take.outcome is TakeOutcome.UNSETTLED for take in counted)
    if not due and not again and not unsettled:
        if waits:
            return replace(stands, state=PlaceState.WAITING)
        if _brought_nothing(counted[begun:]):
            return replace(stands, state=PlaceState.HALTED)
        # Everything is decided on, and it was not enough.
        if begins:
            number += 1
            due = policy.round_size(number)
    wanted = [*again, *_new_numbers(place, min(due, stands.takes_left))]
    buys = wanted[: _affordable(stands.left_usd, place.price_usd, len(wanted))]
    if not buys and not waits and not unsettled and (due or again):
        cap = Cap.SPEND if wanted else Cap.TAKES
        return replace(stands, state=PlaceState.STUCK, cap=cap)
    state = PlaceState.WAITING if waits else PlaceState.OPEN
    return replace(stands, state=state, buys=tuple(sorted(buys)), number=number)


def _present_round(
    policy: AcceptPolicy, place: PlaceHistory, counted: Sequence[PlaceTake]
) -> tuple[int, int, int]:
    """Return the round that was begun last: its number, its first take, how many it lacks."""
    # By their place among the takes that count; one that is replaced has that of the one before.
    asked = [max(0, sum(t.number <= number for t in counted) - 1) for number in place.rerolls]
    begun, number = 0, 1
    while (end := _end_of_round(begun, policy.round_size(number), asked)) < len(counted):
        begun, number = end, number + 1
    due = end - len(counted)
    # A round of which every take so far is replaced was begun all the same: not while a clip of
    # the one before waits.
    waits = any(take.waits for take in place.takes)
    if not due and not waits and place.takes and not place.takes[-1].counts:
        begun, number = end, number + 1
        due = policy.round_size(number)
    return number, begun, due


def _end_of_round(begun: int, size: int, asked: Sequence[int]) -> int:
    """Return where a round ends: behind its own takes, and those that were asked for at them."""
    end = begun + size
    # One that was asked for is a take of the round too: at it another may have been asked for.
    while (more := begun + size + sum(begun <= place < end for place in asked)) != end:
        end = more
    return end


def _brought_nothing(round_takes: Sequence[PlaceTake]) -> bool:
    """Tell whether a round has failures that are not replaced, and no clip to decide on."""
    outcomes = {take.outcome for take in round_takes}
    return TakeOutcome.FAILED in outcomes and TakeOutcome.MADE not in outcomes


def _new_numbers(place: PlaceHistory, number: int) -> Sequence[int]:
    """Return so many numbers that no take has, the lowest first."""
    known = {take.number for take in place.takes}
    return list(islice((n for n in count(1) if n not in known), max(0, number)))


def _affordable(left_usd: Decimal | None, price_usd: Decimal | None, wanted: int) -> int:
    """Return how many takes fit into what is left; none where their price is not known."""
    if left_usd is None:
        return wanted
    if price_usd is None:
        return 0
    return wanted if price_usd <= 0 else min(wanted, int(left_usd // price_usd))
