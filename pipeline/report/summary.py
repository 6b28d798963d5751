"""Records become a Report: counts, money, and failures grouped by cause.

The records stream through once and are not kept; every item is counted, but money that several
items share is counted once, with the item that holds the purchase. An unknown price is never 0.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from pipeline.domain import Record
from pipeline.report.advice import DONE, advice, place

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

    def plus(self, record: Record) -> Money:
        """Return the sum with one more record; shared purchases add nothing."""
        if record.shared_with:
            return self
        return Money(
            estimate_usd=self.estimate_usd + (record.estimate_usd or _NOTHING),
            unknown=self.unknown + (record.estimate_usd is None),
            reserved_usd=self.reserved_usd + record.reserved_usd,
            charged_usd=self.charged_usd + record.charged_usd,
            charges_unknown=self.charges_unknown + (record.charge_source == "unknown"),
            possible_usd=self.possible_usd + record.possible_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one provider, model or shot stands for."""

    name: str
    items: int = 0
    done: int = 0
    money: Money = Money()
    native: tuple[tuple[str, Decimal], ...] = ()
    """What providers told in units of their own (credits), by unit."""

    def plus(self, record: Record) -> Share:
        """Return the share with one more record."""
        native = self.native
        if record.charged_native is not None and not record.shared_with:
            sums = dict(native)
            unit = record.native_unit or "units"
            sums[unit] = sums.get(unit, _NOTHING) + record.charged_native
            native = tuple(sorted(sums.items()))
        return replace(
            self,
            items=self.items + 1,
            done=self.done + (record.state == DONE),
            money=self.money.plus(record),
            native=native,
        )


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
class _Tally:
    """Everything that is counted while the records stream by."""

    counts: Counter[str] = field(default_factory=Counter)
    money: Money = field(default_factory=Money)
    providers: dict[str, Share] = field(default_factory=dict)
    models: dict[str, Share] = field(default_factory=dict)
    shots: dict[str, Share] = field(default_factory=dict)
    groups: dict[tuple[str, str], _GroupTally] = field(
        default_factory=lambda: defaultdict(_GroupTally)
    )
    since: datetime | None = None
    """Clips that came earlier are not named."""
    clips: list[str] = field(default_factory=list)
    clip_count: int = 0
    shared: int = 0
    unwanted: int = 0
    adopted: int = 0
    adopted_usd: Decimal = _NOTHING
    elsewhere_usd: Decimal = _NOTHING

    def add(self, record: Record) -> None:
        self.counts[record.state] += 1
        self.money = self.money.plus(record)
        self.shared += bool(record.shared_with)
        self.unwanted += record.unwanted
        self.elsewhere_usd += _NOTHING if record.shared_with else record.elsewhere_usd
        if record.adopted_usd and not record.shared_with:
            self.adopted += 1
            self.adopted_usd += record.adopted_usd
        for shares, name in (
            (self.providers, record.provider),
            (self.models, record.model),
            (self.shots, record.shot),
        ):
            shares[name] = (shares.get(name) or Share(name=name)).plus(record)
        if record.state != DONE:
            self.groups[record.state, record.cause].add(record)
        elif record.path and (
            self.since is None or (record.finished_at and record.finished_at >= self.since)
        ):
            self.clip_count += 1
            if len(self.clips) < _CLIPS_KEPT:
                self.clips.append(record.path)


def summarise(  # noqa: PLR0913 - each names one line of the report's head
    records: Iterable[Record],
    *,
    campaign: str,
    now: datetime,
    manifest: str = "",
    root: str = "",
    command: str = "",
    profile: str = "",
    rehearsal: bool = False,
    elapsed_s: float | None = None,
    since: datetime | None = None,
    selection: str = "",
    committed_usd: Decimal = _NOTHING,
    prices: tuple[str, ...] = (),
) -> Report:
    """Return how the campaign stands.

    With `since` the clips that are named, and counted for that, are those that came from then on.

    `committed_usd` is what it has spent over its life, or may have, whatever its plans were.

    `command` is what runs it again, as the user would type it (`callsheet run M --rehearse`): the
    commands that a report suggests are made from it. They must not do more than was asked for:
    `selection` is added to those that run, with a group's state for `{state}`.
    """
    tally = _Tally(since=since)
    for record in records:
        tally.add(record)
    bound_usd = tally.money.charged_usd + tally.money.reserved_usd + tally.money.possible_usd
    # Never less than what these items bind: what was spent before would fall below nought.
    committed_usd = max(committed_usd, bound_usd)
    return Report(
        campaign=campaign,
        made_at=now,
        manifest=manifest,
        root=root,
        profile=profile,
        rehearsal=rehearsal,
        elapsed_s=elapsed_s,
        items=sum(tally.counts.values()),
        counts=tuple(sorted(tally.counts.items(), key=lambda pair: place(pair[0]))),
        money=tally.money,
        earlier_usd=committed_usd - bound_usd,
        prices=prices,
        by_provider=tuple(tally.providers[name] for name in sorted(tally.providers)),
        by_model=tuple(tally.models[name] for name in sorted(tally.models)),
        by_shot=tuple(tally.shots.values()),
        groups=_groups(tally, command, selection, committed_usd),
        clips=tuple(tally.clips),
        clip_count=tally.clip_count,
        shared=tally.shared,
        unwanted=tally.unwanted,
        adopted=tally.adopted,
        adopted_usd=tally.adopted_usd,
        elsewhere_usd=tally.elsewhere_usd,
    )


def origin(record: Record) -> str:
    """Return the manifest line and the table line an item comes from."""
    spans = [record.origin_shot, *([record.origin_row] if record.origin_row else [])]
    return ", ".join(f"{span.file}:{span.line}" for span in spans)


def _groups(
    tally: _Tally, command: str, selection: str, committed_usd: Decimal
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
