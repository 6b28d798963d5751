"""What a campaign with `accept` will still cost, and how many of its places will be stuck.

A pure function of what was decided so far. It draws the yield from its model (`yield_model.py`) and
plays the rest of the campaign by the rule of the rounds (`domain/acceptance.py`): a round is
bought, looked at, and where not enough was approved the next one follows, until a cap. Places that
stand alike are played together, as counts: a million of them take hardly longer than a thousand.

NumPy is slow to load: this module is imported where a forecast is wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np

from pipeline.domain.acceptance import (
    AcceptPolicy,
    NextRound,
    PlaceHistory,
    PlaceState,
    TakeOutcome,
    next_round,
)
from pipeline.domain.forecast import LEAST_DECISIONS, Forecast, Interval
from pipeline.domain.review import Verdict
from pipeline.plan.yield_model import Flags, Floats, Ints, Trials, YieldDraws, fit_yield

OUTSIDE = 0.05
"""How much of what may come lies on either side of an interval."""

_DRAWS = 1000
_LEAST_DRAWS = 400
_COUNTS = 4_000_000
"""About how many counts of places, one for each draw and kind, are played at once."""
_MOST_DECISIONS = 1000
"""Of more, those of every second (third, …) place are looked at: the walk outweighs the rest."""
_MOST_LEVELS = 30
"""Shots, or groups of rows, that have an effect of their own: those with the most places."""


@dataclass(frozen=True, slots=True)
class TakeVerdict:
    """A decision on a take."""

    at: float
    """When, on any scale; only the order matters."""
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceProgress:
    """What the forecast goes by of a place, or of a row whose cells are tried in turn."""

    shot: str
    row_group: str = ""
    verdicts: tuple[TakeVerdict, ...] = ()
    """In the order of the takes, those under the present prompt."""
    wanted: int = 1
    """How many clips are to be approved."""
    off_spec: int = 0
    """Takes that were paid and replaced, since nobody had to look at them."""
    waiting: int = 0
    """Takes that were bought and not decided on."""
    rounds: tuple[int, ...] = ()
    """Takes of this round that are not decided on, then of each further one until the cap."""
    price_usd: Decimal | None = None
    """What a further take reserves; None where that is not known."""

    @property
    def missing(self) -> int:
        """How many more clips are to be approved."""
        return max(0, self.wanted - sum(verdict.approved for verdict in self.verdicts))


@dataclass(frozen=True, slots=True, kw_only=True)
class CellHistory:
    """What is known of one cell, as the rule of the loop has it."""

    place: PlaceHistory
    stands: NextRound
    """What that rule says of it."""
    decided_at: Mapping[int, float] = field(default_factory=dict)
    """When its takes, by number, were decided on."""

    def takes_ahead(self, policy: AcceptPolicy) -> tuple[int, tuple[int, ...]]:
        """Return how many takes wait for a decision, and how many each round from now has.

        Those that wait are in the first one.
        """
        place, stands = self.place, self.stands
        if stands.state is PlaceState.SPARE:
            # Its turn comes when the cells before it are at their caps: then it stands as alone.
            stands = next_round(policy, place)
        if stands.state in {PlaceState.APPROVED, PlaceState.STUCK}:
            return 0, ()
        waiting = sum(
            take.counts and (take.waits or take.outcome is TakeOutcome.UNSETTLED)
            for take in place.takes
        )
        numbers = {take.number for take in place.takes}
        buys, left = len(stands.buys), stands.takes_left
        left -= sum(number not in numbers for number in stands.buys)
        if stands.state is PlaceState.HALTED:
            buys = sum(take.outcome is TakeOutcome.FAILED for take in place.takes)
        if stands.left_usd is not None and place.price_usd != 0:
            # Of a price that it does not know the rule buys nothing; what is free has no such cap.
            price_usd = place.price_usd or Decimal("Infinity")
            affordable = int(stands.left_usd // price_usd)
            buys = min(buys, affordable)
            left = min(left, affordable - buys)
        sizes = [waiting + buys] if waiting + buys else []
        number = stands.number
        while left > 0:
            number += 1
            sizes.append(min(left, policy.round_size(number)))
            left -= sizes[-1]
        return waiting, tuple(sizes)


def place_progress(
    policy: AcceptPolicy,
    cells: Sequence[CellHistory],
    *,
    shot: str,
    row_group: str = "",
) -> PlaceProgress:
    """Return what the forecast goes by of a place, as its only cell; or of a row, of all its cells.

    A place that is halted is taken to be retried. The cells of a row are taken to cost what the
    first one does that can still be tried.
    """
    ahead = [cell.takes_ahead(policy) for cell in cells]
    waiting = sum(waits for waits, _ in ahead)
    # What waits anywhere is looked at together, before anything else is bought.
    rounds = [sum(sizes[0] for waits, sizes in ahead if waits)] if waiting else []
    rounds += [size for waits, sizes in ahead for size in sizes[1 if waits else 0 :]]
    prices = [cell.place.price_usd for cell, (_, left) in zip(cells, ahead, strict=True) if left]
    return PlaceProgress(
        shot=shot,
        row_group=row_group,
        verdicts=tuple(
            TakeVerdict(cell.decided_at.get(take.number, 0), take.is_approved)
            for cell in cells
            for take in cell.place.takes
            if take.is_approved
            or (take.outcome is TakeOutcome.MADE and take.verdict is Verdict.REJECTED)
        ),
        wanted=policy.approved,
        off_spec=sum(
            take.outcome is TakeOutcome.OFF_SPEC and not take.is_approved
            for cell in cells
            for take in cell.place.takes
        ),
        waiting=waiting,
        rounds=tuple(rounds),
        price_usd=prices[0] if prices else None,
    )


def forecast_end(places: Iterable[PlaceProgress], rng: np.random.Generator) -> Forecast | None:
    """Return how the campaign ends; None with fewer than `LEAST_DECISIONS` decisions.

    The same places and the same generator give the same forecast.
    """
    known = list(places)
    shots = _number_levels(place.shot for place in known)
    groups = _number_levels(place.row_group for place in known)
    trials = _collect_trials(known, shots, groups)
    decisions = len(trials.approved)
    if decisions < LEAST_DECISIONS:
        return None
    kinds = sort_kinds(known, shots, groups)
    size = max(_LEAST_DRAWS, min(_DRAWS, _COUNTS // max(1, len(kinds.number))))
    step = -(-decisions // _MOST_DECISIONS)
    posterior = fit_yield(trials.choose(trials.place % step == 0) if step > 1 else trials)
    drawn = posterior.draw(
        rng, size, shots=max(shots.values()) + 1, groups=max(groups.values()) + 1
    )
    off_spec = sum(place.off_spec for place in known)
    in_spec = decisions + sum(place.waiting for place in known)
    end = play_campaign(
        kinds,
        drawn,
        # Where none was off spec, none is expected to be.
        rng.beta(off_spec, in_spec, size=size) if off_spec else np.zeros(size),
        rng,
        places=len(known),
    )
    still = [place for place in known if place.missing and place.rounds]
    stuck = sum(1 for place in known if place.missing) - len(still)
    # In whole cents, rounded outwards.
    sums = zip(
        np.quantile(end.money, _AT), (ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_CEILING), strict=True
    )
    return Forecast(
        decisions=decisions,
        approvals=int(trials.approved.sum()),
        places=len(known),
        open_places=len(still),
        money_usd=Interval(
            *(Decimal(float(each)).quantize(Decimal("0.01"), rounding) for each, rounding in sums)
        ),
        # Whole numbers with at most so much outside on either side: nothing is left out by chance.
        stuck=Interval(*np.quantile(end.stuck + stuck, _AT, method="inverted_cdf").tolist()),
        approval_rate=Interval(
            *(float(each) for each in np.quantile(end.approved / np.maximum(1, end.decided), _AT))
        ),
        unpriced=sum(place.price_usd is None for place in still),
    )


_AT = (OUTSIDE, 0.5, 1 - OUTSIDE)


def _number_levels(names: Iterable[str]) -> dict[str, int]:
    """Return a number for each name; the rarest share the last one where there are too many."""
    ranked = [name for name, _ in Counter(names).most_common()]
    return {name: min(rank, _MOST_LEVELS) for rank, name in enumerate(ranked)}


def _collect_trials(
    places: Sequence[PlaceProgress], shots: Mapping[str, int], groups: Mapping[str, int]
) -> Trials:
    """Return every decision with those before it on the same place, the oldest first."""
    rows = []
    for number, place in enumerate(places):
        approvals = 0
        for take, verdict in enumerate(place.verdicts):
            of_place = (number, shots[place.shot], groups[place.row_group])
            rows.append((verdict.at, *of_place, approvals, take, verdict.approved))
            approvals += verdict.approved
    columns = np.array(sorted(rows), dtype=np.float64).reshape(-1, 7).T
    place, shot, group, approvals_before, decisions_before = columns[1:6].astype(np.int64)
    return Trials(
        place=place,
        shot=shot,
        group=group,
        approvals_before=approvals_before,
        decisions_before=decisions_before,
        approved=columns[6] > 0,
        time=np.arange(1, len(rows) + 1) / max(1, len(places)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceKinds:
    """Places that may go on, those together that stand alike: one element each."""

    number: Ints
    """How many places they are."""
    shot: Ints
    group: Ints
    approvals: Ints
    decisions: Ints
    missing: Ints
    waiting: Ints
    price: Floats
    """USD; 0 where it is not known."""
    length: Ints
    """How many takes there are until the cap, those that wait included."""
    looks: Flags
    """Kinds × takes: whether a person looks once so many takes are there."""


def sort_kinds(
    places: Iterable[PlaceProgress], shots: Mapping[str, int], groups: Mapping[str, int]
) -> PlaceKinds:
    """Return the places that may go on as kinds; shots and groups have numbers."""
    counts = Counter(
        (
            (
                shots[place.shot],
                groups[place.row_group],
                sum(verdict.approved for verdict in place.verdicts),
                len(place.verdicts),
                place.missing,
                place.waiting,
            ),
            place.price_usd or Decimal(0),
            place.rounds,
        )
        for place in places
        if place.missing and place.rounds
    )
    length = np.array([sum(rounds) for _, _, rounds in counts], dtype=np.int64)
    looks = np.zeros((len(counts), int(length.max(initial=0)) + 1), dtype=bool)
    for kind, (_, _, rounds) in enumerate(counts):
        looks[kind, np.cumsum(rounds)] = True
    columns = np.array([numbers for numbers, _, _ in counts], dtype=np.int64).reshape(-1, 6).T
    shot, group, approvals, decisions, missing, waiting = columns
    return PlaceKinds(
        number=np.array(list(counts.values()), dtype=np.int64),
        shot=shot,
        group=group,
        approvals=approvals,
        decisions=decisions,
        missing=missing,
        waiting=waiting,
        price=np.array([float(price) for _, price, _ in counts]),
        length=length,
        looks=looks,
    )


@dataclass(frozen=True, slots=True)
class CampaignEnds:
    """How the campaign ended, draw by draw."""

    money: Floats
    """USD that were bound from now on."""
    stuck: Ints
    """Places that went on, and are stuck."""
    decided: Ints
    """Takes that were looked at from now on."""
    approved: Ints


def play_campaign(
    kinds: PlaceKinds,
    drawn: YieldDraws,
    off_share: Floats,
    rng: np.random.Generator,
    *,
    places: int,
) -> CampaignEnds:
    """Play every draw to its end: all places together, take by take.

    `off_share` is, for each draw, how likely a take is off spec; `places` is how many the campaign
    has, those at their end included: one take each is the unit of time of the walk.
    A person looks at the end of a round only: what is approved within one does not save the rest
    of it. A take that is off spec costs money and one of the takes that are left, and the next one
    is in its stead.
    """
    draws, last = len(drawn.level), kinds.looks.shape[1] - 1
    logits = drawn.level[:, None] + drawn.shots[:, kinds.shot] + drawn.groups[:, kinds.group]
    kappa = drawn.concentration[:, None]
    replacements = last if off_share.any() else 0
    # How many places lack so many approvals after so many replacements: × draws × kinds.
    most_missing = int(kinds.missing.max(initial=0))
    counts = np.zeros((most_missing + 1, replacements + 2, draws, len(kinds.number)), np.int64)
    counts[kinds.missing, 0, :, np.arange(len(kinds.number))] = kinds.number[:, None]
    money, walk, earlier = np.zeros((3, draws))
    stuck, decided, approved = np.zeros((3, draws), dtype=np.int64)
    for take in range(last + 1):
        if take:
            counts[0][..., kinds.looks[:, take]] = 0
        steps = counts.sum(axis=(0, 1, 3)) / places
        # From the middle of the takes before to the middle of these.
        walk += rng.standard_normal(draws) * drawn.drift * np.sqrt((steps + earlier) / 2)
        earlier = steps
        base = 1 / (1 + np.exp(-(logits + walk[:, None])))
        bought_now = take >= kinds.waiting
        for extra in range(replacements + 1):
            going = counts[:, extra]
            at_cap = take + extra >= kinds.length
            stuck += going[1:][..., at_cap].sum(axis=(0, 2))
            going[..., at_cap] = 0
            if not going.any():
                continue
            money += going.sum(axis=0) @ (kinds.price * bought_now)
            if replacements:
                replaced = rng.binomial(going, off_share[:, None] * bought_now)
                counts[:, extra + 1] += replaced
                going -= replaced
            decided += going.sum(axis=(0, 2))
            for missing in range(1, most_missing + 1):
                before = kinds.approvals + np.maximum(kinds.missing - missing, 0)
                chance = (kappa * base + before) / (kappa + kinds.decisions + take)
                gained = rng.binomial(going[missing], np.minimum(chance, 1))
                going[missing] -= gained
                going[missing - 1] += gained
                approved += gained.sum(axis=1)
    return CampaignEnds(money, stuck, decided, approved)
