"""Records become a Report: counts, money, and failures grouped by cause.

The records stream through once and are not kept; every item is counted, but money that several
items share is counted once, with the item that holds the purchase. An unknown price is never 0.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from pipeline.domain import EMPTY, Record
from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.forecast import CampaignForecast
from pipeline.domain.item import place_of
from pipeline.domain.loop_places import LoopPlace, total_places
from pipeline.report.advice import DONE, advice, place
from pipeline.report.outcomes import UNKNOWN, Bound, Outcomes, OutcomeTally

ADDRESSES_KEPT = 50
_MESSAGES_KEPT = 20
_CLIPS_KEPT = 3
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """Four figures that are never added up into one, in USD."""

    estimate_usd: Decimal = _NOTHING
    unknown: int = 0
    """Items whose price nobody knows: they are not in the estimate."""
    reserved_usd: Decimal = _NOTHING
    charged_usd: Decimal = _NOTHING
    charges_unknown: int = 0
    """Items that were charged a sum nobody knows: it is not in `charged_usd`."""
    possible_usd: Decimal = _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one provider, model or shot stands for."""

    name: str
    items: int = 0
    done: int = 0
    money: Money = Money()
    native: tuple[tuple[str, Decimal], ...] = ()
    """What providers told in units of their own (credits), by unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One item of a group: enough to find it, its line in the manifest and its clip."""

    address: str
    path: str | None
    message: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Items that did not end well for one cause, and what to do about them."""

    state: str
    cause: str
    title: str
    todo: str
    command: str
    """The exact command that helps; empty where none does."""
    items: int
    providers: tuple[str, ...]
    messages: tuple[tuple[str, int], ...]
    """What was said, and how often; the commonest first."""
    cases: tuple[Case, ...]
    """The first of them, at most ADDRESSES_KEPT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a campaign stands."""

    campaign: str
    """Its name, with `@` and the profile where there is one."""
    made_at: datetime
    manifest: str
    root: str
    """The folder all paths are below, `<root>/<campaign>`, as the user may type it."""
    profile: str
    rehearsal: bool
    elapsed_s: float | None
    items: int
    counts: tuple[tuple[str, int], ...]
    """State and number of items, in a fixed order, without zeros."""
    money: Money
    earlier_usd: Decimal
    """What the campaign has spent, or may have, on what is not among these items."""
    prices: tuple[str, ...]
    """What is to be said of prices that nobody has confirmed, a line each."""
    by_provider: tuple[Share, ...]
    by_model: tuple[Share, ...]
    by_shot: tuple[Share, ...]
    groups: tuple[Group, ...]
    clips: tuple[str, ...]
    """The first finished clips, relative to `root`; of a run that has just ended, its own."""
    clip_count: int
    shared: int
    """Items that share another item's purchase."""
    unwanted: int
    """Items that were left out of a run after they had been submitted."""
    adopted: int
    """Items whose clip was adopted, booked as paid earlier at its estimate."""
    adopted_usd: Decimal
    """What of the money charged are such estimates: what was really paid is not known."""
    elsewhere_usd: Decimal
    """What of the money charged was paid elsewhere, as a lock file says."""
    outcomes: Outcomes = field(default_factory=Outcomes)
    """What became of the clips, with their money; of the whole campaign also what was before."""
    places: Sequence[LoopPlace] = ()
    """Places that have a loop of takes (`accept`), in plan order."""
    forecast: CampaignForecast | None = None
    """How the campaign is expected to end; None without `accept` or with too few decisions."""
    place_totals: PlaceTotals | None = None
    """Where the places stand together; None where no shot has a loop."""

    @property
    def is_reviewed(self) -> bool:
        """Tell whether anything was decided, or is to be: then the report leads with that."""
        return bool(self.outcomes.decided or self.place_totals)


@dataclass(slots=True)
class _GroupTally:
    """A group while it is being counted."""

    items: int = 0
    providers: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    cases: list[Case] = field(default_factory=list)
    needed_usd: Decimal = _NOTHING
    """What is reserved if all of them are made."""

    def add(self, record: Record) -> None:
        self.items += 1
        self.providers[record.provider] += 1
        # Messages may differ from item to item: bounded, so that a million of them need no memory.
        if record.message in self.messages or len(self.messages) < _MESSAGES_KEPT:
            self.messages[record.message] += 1
        if not record.shared_with:
            self.needed_usd += record.high_usd or record.estimate_usd or _NOTHING
        if len(self.cases) < ADDRESSES_KEPT:
            self.cases.append(
                Case(
                    address=record.address,
                    path=record.path,
                    message=record.message,
                    origin=origin(record),
                )
            )


@dataclass(slots=True)
class _ShareTally:
    """What one name stands for, while it is being counted."""

    items: int = 0
    done: int = 0
    estimate_usd: Decimal = _NOTHING
    unknown: int = 0
    reserved_usd: Decimal = _NOTHING
    charged_usd: Decimal = _NOTHING
    charges_unknown: int = 0
    possible_usd: Decimal = _NOTHING
    native: dict[str, Decimal] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        self.items += 1
        self.done += record.state == DONE
        # Money that several items share is counted once, with the item that was paid for.
        if record.shared_with:
            return
        if record.estimate_usd is None:
            self.unknown += 1
        else:
            self.estimate_usd += record.estimate_usd
        self.reserved_usd += record.reserved_usd
        self.charged_usd += record.charged_usd
        self.charges_unknown += record.charge_source == UNKNOWN
        self.possible_usd += record.possible_usd
        if record.charged_native is not None:
            unit = record.native_unit or "units"
            self.native[unit] = self.native.get(unit, _NOTHING) + record.charged_native

    def money(self) -> Money:
        return Money(**{name: getattr(self, name) for name in Money.__dataclass_fields__})

    def share(self, name: str) -> Share:
        return Share(
            name=name,
            items=self.items,
            done=self.done,
            money=self.money(),
            native=tuple(sorted(self.native.items())),
        )


Shares = dict[str, _ShareTally]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """What a report says beside what it counts.

    `command` is what runs the campaign again, as the user would type it (`callsheet run M
    --rehearse`): the commands that a report suggests are made from it. They must not do more than
    was asked for: `selection` is added to those that run, with a group's state for `{state}`.
    """

    campaign: str
    made_at: datetime
    manifest: str = ""
    root: str = ""
    command: str = ""
    profile: str = ""
    rehearsal: bool = False
    elapsed_s: float | None = None
    selection: str = ""
    committed_usd: Decimal = _NOTHING
    """What the campaign has spent over its life, or may have, whatever its plans were."""
    prices: tuple[str, ...] = ()
    lifetime: Bound | None = None
    """The same money of this profile alone, in its parts; None: of these items alone."""
    places: Sequence[LoopPlace] = ()
    forecast: CampaignForecast | None = None


@dataclass(slots=True)
class ReportTally:
    """Everything that is counted while the records stream by; they are not kept."""

    since: datetime | None = None
    """Clips that came earlier are not named."""
    row_groups: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: EMPTY)
    """The group of each row, by shot: yield is told by it."""
    counts: Counter[str] = field(default_factory=Counter)
    total: _ShareTally = field(default_factory=_ShareTally)
    providers: Shares = field(default_factory=lambda: defaultdict(_ShareTally))
    models: Shares = field(default_factory=lambda: defaultdict(_ShareTally))
    shots: Shares = field(default_factory=lambda: defaultdict(_ShareTally))
    groups: dict[tuple[str, str], _GroupTally] = field(
        default_factory=lambda: defaultdict(_GroupTally)
    )
    places: set[str] = field(default_factory=set)
    """Addresses of places that have a loop, of which there was a take."""
    clips: list[str] = field(default_factory=list)
    clip_count: int = 0
    shared: int = 0
    unwanted: int = 0
    adopted: int = 0
    adopted_usd: Decimal = _NOTHING
    elsewhere_usd: Decimal = _NOTHING
    outcomes: OutcomeTally = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = OutcomeTally(self.row_groups)

    def add(self, record: Record) -> None:
        """Count one more record."""
        self.counts[record.state] += 1
        self.shared += bool(record.shared_with)
        self.unwanted += record.unwanted
        self.elsewhere_usd += _NOTHING if record.shared_with else record.elsewhere_usd
        if record.adopted_usd and not record.shared_with:
            self.adopted += 1
            self.adopted_usd += record.adopted_usd
        self.outcomes.add(record)
        if record.loop is not None:
            self.places.add(place_of(record.address))
        self.total.add(record)
        self.providers[record.provider].add(record)
        self.models[record.model].add(record)
        self.shots[record.shot].add(record)
        if record.state != DONE:
            self.groups[record.state, record.cause].add(record)
        elif record.path and (
            self.since is None or (record.finished_at and record.finished_at >= self.since)
        ):
            self.clip_count += 1
            if len(self.clips) < _CLIPS_KEPT:
                self.clips.append(record.path)

    def report(self, head: ReportHead) -> Report:
        """Return how the campaign stands, by what was counted."""
        money = self.total.money()
        bound_usd = money.charged_usd + money.reserved_usd + money.possible_usd
        # Never less than what these items bind: what was spent before would fall below nought.
        committed_usd = max(head.committed_usd, bound_usd)
        return Report(
            campaign=head.campaign,
            made_at=head.made_at,
            manifest=head.manifest,
            root=head.root,
            profile=head.profile,
            rehearsal=head.rehearsal,
            elapsed_s=head.elapsed_s,
            items=sum(self.counts.values()),
            counts=tuple(sorted(self.counts.items(), key=lambda pair: place(pair[0]))),
            money=money,
            earlier_usd=committed_usd - bound_usd,
            prices=head.prices,
            by_provider=_shares(sorted(self.providers.items())),
            by_model=_shares(sorted(self.models.items())),
            by_shot=_shares(self.shots.items()),
            groups=_groups(self, head.command, head.selection, committed_usd),
            clips=tuple(self.clips),
            clip_count=self.clip_count,
            shared=self.shared,
            unwanted=self.unwanted,
            adopted=self.adopted,
            adopted_usd=self.adopted_usd,
            elsewhere_usd=self.elsewhere_usd,
            outcomes=self.outcomes.outcomes(head.lifetime),
            places=head.places,
            place_totals=total_places(head.places) if head.places else None,
            forecast=head.forecast,
        )


def _shares(tallies: Iterable[tuple[str, _ShareTally]]) -> tuple[Share, ...]:
    return tuple(tally.share(name) for name, tally in tallies)


def origin(record: Record) -> str:
    """Return the manifest line and the table line an item comes from."""
    spans = [record.origin_shot, *([record.origin_row] if record.origin_row else [])]
    return ", ".join(f"{span.file}:{span.line}" for span in spans)


def _groups(
    tally: ReportTally, command: str, selection: str, committed_usd: Decimal
) -> tuple[Group, ...]:
    held = [each.needed_usd for (state, _), each in tally.groups.items() if state == "held"]
    # The least whole budget under which everything held could be made.
    limit = max(1, math.ceil(committed_usd + sum(held, _NOTHING)))
    groups = []
    for (state, cause), counted in tally.groups.items():
        known = advice(state, cause)
        words: list[str] = []
        if known.options is not None and command:
            # Only the first: a path or a profile may have that word in it too.
            words.append(command.replace(" run ", f" {known.verb} ", 1))
            # `reconcile` takes a selection only where a word is said of all that is selected.
            words.append(selection.replace("{state}", state) if known.verb == "run" else "")
            words.append(known.options.format(cause=cause, limit=limit))
        groups.append(
            Group(
                state=state,
                cause=cause,
                title=known.title,
                todo=known.todo,
                command=" ".join(word for word in words if word),
                items=counted.items,
                providers=tuple(sorted(counted.providers)),
                messages=tuple((text, n) for text, n in counted.messages.most_common() if text),
                cases=tuple(counted.cases),
            )
        )
    return tuple(sorted(groups, key=lambda group: (place(group.state), -group.items, group.cause)))
