"""The places of shots that have a loop (`accept:`): where each stands, and what it wants next.

What the ledger has of their takes and what people decided, put to the rule of
`domain.acceptance`. A plan asks it which takes are wanted; reports and `status` read it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain, groupby

from pipeline.api.decision_file import DecisionIndex, load_decisions
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain import Record
from pipeline.domain.acceptance import (
    AcceptPolicy,
    Each,
    PlaceHistory,
    PlaceState,
    TakeOutcome,
    next_rounds,
    outcome_of,
)
from pipeline.domain.item import place_of, take_of
from pipeline.domain.loop_places import (
    NO_COST,
    LoopPlace,
    LoopTake,
    PlaceCost,
    ReviewedTake,
    next_price,
)
from pipeline.domain.review import APPROVALS, Review, Verdict, verdict_of
from pipeline.domain.states import State
from pipeline.ledger.repository import Ledger
from pipeline.plan.cells import cells
from pipeline.report.outcomes import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRule:
    """What a campaign's loops go by; as `run.plan_sync.Rounds` it tells a plan what is wanted."""

    policies: Mapping[str, AcceptPolicy]
    decisions: DecisionIndex
    cells: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The names of a shot's cells, in written order."""
    retried: Collection[str] = ()
    """Causes of failures that the next run is told to buy again."""
    begins: bool = True
    """Whether new rounds begin: not while a run goes on."""

    @property
    def shots(self) -> Collection[str]:
        """Return the shots that have a loop."""
        return self.policies.keys()

    def places(
        self, takes: Iterable[LoopTake], costs: Mapping[str, PlaceCost]
    ) -> Iterator[LoopPlace]:
        """Yield the places of takes that come in plan order, in their order.

        Of a row with one loop, those of its cells too that were never tried.
        """
        for (shot, row_key), of_row in groupby(takes, key=lambda take: (take.shot, take.row_key)):
            policy = self.policies[shot]
            by_place = groupby(of_row, key=lambda take: place_of(take.address))
            found = {place: tuple(map(self._review, of_place)) for place, of_place in by_place}
            selected = any(each.take.selected for reviewed in found.values() for each in reviewed)
            if policy.each is Each.ROW:
                others = _other_cells(next(iter(found)), self.cells.get(shot, ()), found)
                found |= dict.fromkeys(list(others), ())
            price_usd = next_price(chain.from_iterable(found.values()))
            histories = [
                self._history(place, reviewed, costs.get(place, NO_COST))
                for place, reviewed in found.items()
            ]
            histories = [
                each if each.price_usd is not None else replace(each, price_usd=price_usd)
                for each in histories
            ]
            rounds = next_rounds(policy, histories, begins=self.begins)
            for (place, reviewed), round_ in zip(found.items(), rounds, strict=True):
                own = any(each.take.selected for each in reviewed)
                yield LoopPlace(
                    address=place,
                    shot=shot,
                    row_key=row_key,
                    policy=policy,
                    takes=reviewed,
                    cost=costs.get(place, NO_COST),
                    next=round_,
                    selected=own if reviewed else selected,
                )

    def find_unwanted(
        self, takes: Iterable[LoopTake], costs: Mapping[str, PlaceCost]
    ) -> Iterator[int]:
        """Yield the ids of items that would be bought, and that their places do not want now."""
        for place in self.places(takes, costs):
            for each in place.takes:
                bought = each.outcome in {None, TakeOutcome.AGAIN}
                if bought and each.number not in place.next.buys:
                    yield each.take.item_id

    def _review(self, take: LoopTake) -> ReviewedTake:
        again = take.again or (take.state is State.FAILED and take.cause in self.retried)
        outcome = (
            TakeOutcome.MADE
            if take.elsewhere
            else outcome_of(take.state, free=take.free, again=again)
        )
        said = self.decisions.in_force(take.address, take.key, take.sha256) if take.sha256 else ()
        return ReviewedTake(
            take=take,
            number=take_of(take.address),
            outcome=outcome,
            decisions=tuple(said),
            verdict=verdict_of(said),
        )

    def _history(
        self, place: str, reviewed: Sequence[ReviewedTake], cost: PlaceCost
    ) -> PlaceHistory:
        keys = {each.take.key: each.number for each in reviewed}
        asked = (
            each
            for each in self.decisions.places.get(place, ())
            if each.verdict is Verdict.REROLL and each.key in keys
        )
        return PlaceHistory(
            takes=tuple(
                known
                for each in sorted(reviewed, key=lambda one: one.number)
                if (known := each.place_take)
            ),
            bound_usd=cost.bound_usd,
            price_usd=next_price(reviewed),
            rerolls=tuple(keys[each.key] for each in asked),
        )


def _other_cells(place: str, names: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """Yield the places of a row that are not known, given one of them, and the cells' names."""
    ends = (name for name in names if name and place.endswith((f"[{name}]", f",{name}]")))
    own = max(ends, key=len, default="")
    if own:
        every = (f"{place.removesuffix(f'{own}]')}{name}]" for name in names)
        yield from (each for each in every if each not in known)


def loop_rule(
    campaign: LoadedCampaign,
    decisions: DecisionIndex,
    *,
    retried: Collection[str] = (),
    begins: bool = True,
) -> LoopRule | None:
    """Return what a campaign's loops go by; None where no shot has one, or the lock file rules."""
    policies = campaign.manifest.budget.accepts
    if not policies or campaign.request.locked:
        return None
    return LoopRule(
        policies=policies,
        decisions=decisions,
        cells={
            shot.id: [cell.name for cell in cells(shot.variants)[0]]
            for shot in campaign.manifest.shots
        },
        retried=retried,
        begins=begins,
    )


def read_places(
    campaign: LoadedCampaign,
    ledger: Ledger,
    *,
    retried: Collection[str] = (),
    begins: bool = True,
) -> Iterator[LoopPlace]:
    """Yield every place that has a loop, as its latest plan and the decisions now have it.

    In plan order; none where no shot has one.
    `retried` are causes of failures that are bought again; unless it `begins` rounds, a place buys
    only what is left of the one that was begun.

        for place in read_places(campaign, ledger):
            print(place.address, place.state, place.cost.charged_usd, place.next.buys)
    """
    decisions = load_decisions(campaign.request, campaign.name)
    rule = loop_rule(campaign, decisions, retried=retried, begins=begins)
    if rule is not None:
        takes = ledger.loop_takes(campaign.name, rule.shots)
        yield from rule.places(takes, ledger.place_costs(campaign.name))


@dataclass(slots=True)
class CampaignReading:
    """One reading of a campaign's ledger beside its decisions: its records, then its places.

    reading = CampaignReading(campaign, ledger)
    for record in reading.records():
        print(record.address, record.review, record.not_needed)
    print(total_places(reading.places))
    """

    campaign: LoadedCampaign
    ledger: Ledger
    places: list[LoopPlace] = field(default_factory=list)
    """Every place that has a loop, of the rows that were read so far."""
    costs: Mapping[str, PlaceCost] = field(default_factory=dict)
    """What was paid at each place in the campaign's whole life."""

    @property
    def lifetime(self) -> Bound:
        """Return the campaign's money in its whole life: what its plans have no more, too."""
        every = self.costs.values()
        return Bound(
            charged_usd=sum((cost.charged_usd for cost in every), Decimal(0)),
            charges_unknown=sum(cost.charges_unknown for cost in every),
            reserved_usd=sum((cost.reserved_usd for cost in every), Decimal(0)),
            possible_usd=sum((cost.possible_usd for cost in every), Decimal(0)),
        )

    def records(self) -> Iterator[Record]:
        """Yield the campaign's items in plan order, with what was decided of them."""
        name = self.campaign.name
        decisions = load_decisions(self.campaign.request, name)
        rule = loop_rule(self.campaign, decisions)
        self.costs = self.ledger.place_costs(name)
        self.places.clear()
        shots = rule.shots if rule else ()
        records = self.ledger.records(name, review=decisions.in_force, loops=shots)
        for (shot, _), of_row in groupby(records, key=lambda each: (each.shot, each.row_key)):
            row = list(of_row)
            if rule is not None and shot in shots:
                takes = (record.loop for record in row if record.loop is not None)
                places = list(rule.places(takes, self.costs))
                self.places += places
                done = {place.address for place in places if place.state in _HAVING_ENOUGH}
            else:
                done = {place_of(each.address) for each in row if each.review in APPROVALS}
            for record in row:
                undecided = done and record.state == State.DONE and record.review in _UNDECIDED
                idle = undecided and place_of(record.address) in done
                yield replace(record, not_needed=True) if idle else record


_HAVING_ENOUGH = frozenset({PlaceState.APPROVED, PlaceState.SPARE})
_UNDECIDED = frozenset({Review.WAITING, Review.LATER})
