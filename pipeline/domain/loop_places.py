"""Places of shots that have a loop (`accept:`): their takes, what they cost, and where they stand.

What is read of a ledger and of decisions is put together in `api.places`, by the rule of
`acceptance`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pipeline.domain.acceptance import (
    AcceptPolicy,
    NextRound,
    PlaceState,
    PlaceTake,
    PlaceTotals,
    TakeOutcome,
)
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.domain.states import ENDED_BADLY, State


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTake:
    """A take of the plan, as the loop looks at it."""

    item_id: int
    address: str
    shot: str
    row_key: str
    key: str
    """Its job's: that of its clip, where it has one."""
    state: State
    cause: str = ""
    message: str = ""
    free: bool = False
    """It failed, and is known to have been free and transient."""
    again: bool = False
    """It failed, and the next run buys it without a word."""
    sha256: str = ""
    """Its clip, here or paid elsewhere; empty where there is none."""
    elsewhere: bool = False
    """Its clip was paid elsewhere, and is not here."""
    high_usd: Decimal | None = None
    """What making it would reserve; None where that is not known."""
    selected: bool = True
    shared: bool = False
    """Another item's purchase makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCost:
    """What was paid at a place, under whichever prompt."""

    charged_usd: Decimal = Decimal(0)
    reserved_usd: Decimal = Decimal(0)
    possible_usd: Decimal = Decimal(0)
    charges_unknown: int = 0
    """Purchases that were charged a sum nobody knows: it is not in `charged_usd`."""
    keys: frozenset[str] = frozenset()
    """The works that were bought there."""

    @property
    def bound_usd(self) -> Decimal:
        """Return what counts against `accept.spend`: charged + reserved + possible."""
        return self.charged_usd + self.reserved_usd + self.possible_usd


NO_COST = PlaceCost()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedTake:
    """A take of a place, what became of it, and what people said of its clip."""

    take: LoopTake
    number: int
    """Its own, at the place."""
    outcome: TakeOutcome | None
    """None where nothing of it was begun."""
    decisions: tuple[TakeDecision, ...] = ()
    """What holds of its clip: nothing, one decision, or several that differ."""
    verdict: Verdict | None = None
    """What they come to; None while nobody decided, or two people differ."""

    @property
    def place_take(self) -> PlaceTake | None:
        """Return it as the rule of the loop looks at it; None where nothing of it was begun."""
        if self.outcome is None:
            return None
        return PlaceTake(number=self.number, outcome=self.outcome, verdict=self.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPlace:
    """A place (shot, row and cell) of a shot that has a loop, as it stands.

    `next` tells its state, what the next run buys, and what is left to its caps.
    """

    address: str
    """Its name: an item's address without the take."""
    shot: str
    row_key: str
    policy: AcceptPolicy
    takes: tuple[ReviewedTake, ...]
    """Those of the present prompt, in the order of their numbers; also what is only planned."""
    cost: PlaceCost
    """What was paid here, under earlier prompts too."""
    next: NextRound
    selected: bool = True
    """Whether the last plan selected anything of it."""

    @property
    def state(self) -> PlaceState:
        """Return where it stands in the loop."""
        return self.next.state

    @property
    def begun(self) -> tuple[ReviewedTake, ...]:
        """Return the takes of which anything was begun."""
        return tuple(each for each in self.takes if each.outcome is not None)

    @property
    def waiting(self) -> tuple[ReviewedTake, ...]:
        """Return the takes that a person has to decide on."""
        return tuple(each for each in self.takes if (known := each.place_take) and known.waits)

    @property
    def approved(self) -> tuple[ReviewedTake, ...]:
        """Return the takes whose clips were approved."""
        return tuple(each for each in self.takes if each.verdict is Verdict.APPROVED)

    @property
    def causes(self) -> tuple[str, ...]:
        """Return the causes of its failures that only `--retry CAUSE` buys again."""
        failed = (each.take for each in self.takes if each.outcome is TakeOutcome.FAILED)
        return tuple(dict.fromkeys(take.cause for take in failed))

    @property
    def earlier(self) -> int:
        """Count the works that were bought here under earlier prompts."""
        return len(self.cost.keys - {each.take.key for each in self.takes})

    @property
    def begins_anew(self) -> bool:
        """Tell whether all its takes are of earlier prompts: rounds begin with the first."""
        return bool(self.earlier) and not self.begun

    @property
    def price_usd(self) -> Decimal | None:
        """Return what the next take would reserve; None where that is not known."""
        return next_price(self.takes)


def next_price(reviewed: Iterable[ReviewedTake]) -> Decimal | None:
    """Return the dearest price of a place's takes: what the next one may reserve."""
    prices = [each.take.high_usd for each in reviewed]
    known = [price for price in prices if price is not None]
    return max(known) if known and len(known) == len(prices) else None


def total_places(places: Iterable[LoopPlace], *, selected: bool = False) -> PlaceTotals:
    """Return where places stand together; `selected`: what the last plan did not leave out."""
    states: Counter[PlaceState] = Counter()
    ended_badly: Counter[tuple[State, str]] = Counter()
    clips = buys = anew = takes_left = 0
    left_usd: Decimal | None = Decimal(0)
    for place in places:
        if selected and not place.selected:
            continue
        states[place.state] += 1
        buys += len(place.next.buys)
        anew += place.begins_anew
        ended_badly.update(
            (each.take.state, each.take.cause)
            for each in place.takes
            if each.take.state in ENDED_BADLY
            and not (selected and (each.take.shared or not each.take.selected))
        )
        if place.state is PlaceState.WAITING:
            clips += len(place.waiting)
        if place.state not in {PlaceState.WAITING, PlaceState.OPEN}:
            continue
        more = place.next.count_more(place.price_usd, known={each.number for each in place.begun})
        takes_left += more
        if left_usd is not None:
            left_usd = None if place.price_usd is None else left_usd + more * place.price_usd
    return PlaceTotals(
        states=dict(states),
        waiting_clips=clips,
        buys=buys,
        begun_anew=anew,
        takes_left=takes_left,
        left_usd=left_usd,
        ended_badly=dict(ended_badly),
    )
