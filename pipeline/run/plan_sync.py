"""Pass 1: a plan's entries become the ledger's plan, whole or not at all.

Keys, prices and requests are drafted in batches beside the ledger's plan, and take its place in one
transaction if nothing is wrong: no template is rendered and no file opened in it. Nothing is sent,
and no list of all items is ever held.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Protocol

import orjson

from pipeline.domain import Budget, Policy, PricedItem, Record
from pipeline.domain.acceptance import PlaceTotals
from pipeline.domain.changes import ChangeGroup
from pipeline.domain.loop_places import LoopTake, PlaceCost
from pipeline.domain.money import exact_usd
from pipeline.domain.states import MAKES, UNSETTLED_STATUSES, State, Status, status_of
from pipeline.findings import Finding, group_findings, has_errors
from pipeline.ledger import outputs, payload
from pipeline.ledger.paid_elsewhere import AbsentClip
from pipeline.ledger.plan_rows import Planned
from pipeline.ledger.plan_totals import Line, PlanTotals
from pipeline.ledger.plans import Clash, PlanDraft
from pipeline.ledger.price_confirmations import PriceStanding
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import micro, usd
from pipeline.run.change_summary import group_changes
from pipeline.run.output_check import DamagedClip, Files, Hides, hide_nothing
from pipeline.run.plan_files import ChangedOutput, PlanFiles, inspect_files, place_of_item
from pipeline.run.plan_inputs import PlanInputs, ReservedPrices

_BATCH = 1000
_USUAL_FORMAT = "mp4"
FORMATS = ("mp4", "mov", "webm")
_LONGEST_FORMAT = max(FORMATS, key=len)
_CLASHES: Mapping[str, str] = {
    "address": "same-address",
    "output": "same-output",
    "folder": "same-output",
}


class Choice(Protocol):
    """What a run is asked to make, of all that is in its plan; `plan.Sieve` is one."""

    def __call__(self, record: Record) -> bool:
        """Tell whether an item is selected; asked once for each, in plan order."""
        ...

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong with the choice, once every item was asked for."""
        ...


class Rounds(Protocol):
    """The loops of a campaign's shots: which takes of a plan its places want now."""

    @property
    def shots(self) -> Collection[str]:
        """Return the shots that have one."""
        ...

    def find_unwanted(
        self, takes: Iterable[LoopTake], costs: Mapping[str, PlaceCost]
    ) -> Iterator[int]:
        """Yield the ids of the items that their places do not want, of takes in plan order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """Items of one shot and provider with one status; prices are sums over those with a price."""

    shot: str
    provider: str
    status: Status
    stands: Status
    """The same, except of items that share another's clip: where that one stands."""
    cause: str
    earlier_rule: bool
    """Its clip was made under a key of an earlier recipe, and satisfies it all the same."""
    stale: bool = False
    """A person approved its clip, and the manifest asks for something else now."""
    items: int
    unpriced: int
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a plan would buy, in all."""

    items: int
    unpriced: int
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """What admitting a plan came to; with an error among the findings, nothing was written."""

    campaign: str
    findings: tuple[Finding, ...] = ()
    items: int = 0
    """All items of the plan, selected or not."""
    lines: tuple[PlanLine, ...] = ()
    """What is selected: everything, unless something else was asked for."""
    others: tuple[PlanLine, ...] = ()
    """What is not selected: it is neither bought nor held, but what was sent is collected."""
    changed: bool = False
    """Whether it is another plan than the campaign's last one."""
    restore: int = 0
    """Finished items whose output path is empty, or is another clip's or a hard link into the
    store: put back from the store, without a request."""
    hide: int = 0
    """Clips at output paths that are not to be shown any more: the run removes these copies."""
    changed_outputs: tuple[ChangedOutput, ...] = ()
    """Selected clips that somebody changed where they were put: left alone."""
    damaged_clips: tuple[DamagedClip, ...] = ()
    """Clips of the plan, selected or not, whose file in the store is gone or is not theirs."""
    orphaned: tuple[str, ...] = field(default=())
    """Addresses that an earlier plan had, and this one does not."""
    left_behind: tuple[tuple[str, str, State], ...] = ()
    """Address, provider and state of what earlier plans sent, and this one does not want."""
    retried: tuple[str, ...] = ()
    """Causes of failures that the next run is told to buy again (`--retry`)."""
    committed_usd: Decimal = Decimal(0)
    """What its manifest has charged, reserved and possible so far, over all profiles."""
    prices: tuple[PriceStanding, ...] = ()
    """How the prices of its items stand: confirmed by what was bought, or not."""
    fallbacks: frozenset[str] = frozenset()
    """Providers to whom selected items may go when their own provider's lane stops."""
    expected_s: float | None = None
    """How long a run takes, by what earlier runs learnt; None where that is too little."""
    changes: tuple[ChangeGroup, ...] = ()
    """What is made again, and what is laid out again, by shot and reason."""
    absent: tuple[AbsentClip, ...] = ()
    """Selected items that were paid for elsewhere, as the lock file says, and are not here."""
    elsewhere_usd: Decimal = Decimal(0)
    """How much of `committed_usd` was paid elsewhere."""
    places: PlaceTotals | None = None
    """Where places stand, if any shot has a loop of takes."""

    @property
    def ok(self) -> bool:
        """Tell whether the plan was admitted."""
        return not has_errors(self.findings)

    def makes(self, line: PlanLine) -> bool:
        """Tell whether the next run would buy what is in a line, if it is selected."""
        again = line.status is Status.FAILED and line.cause in self.retried
        return again or line.status in MAKES

    @property
    def to_make(self) -> Totals:
        """Return what the next run would buy: the one place that works it out."""
        return self._totals(self.lines)

    @property
    def others_to_make(self) -> Totals:
        """Return what a run without a selection would buy besides."""
        return self._totals(self.others)

    def _totals(self, among: Iterable[PlanLine]) -> Totals:
        lines = [line for line in among if self.makes(line)]
        return Totals(
            items=sum(line.items for line in lines),
            unpriced=sum(line.unpriced for line in lines),
            low_usd=sum((line.low_usd for line in lines), Decimal(0)),
            expected_usd=sum((line.expected_usd for line in lines), Decimal(0)),
            high_usd=sum((line.high_usd for line in lines), Decimal(0)),
        )

    @property
    def selected(self) -> int:
        """Count the items that are selected."""
        return sum(line.items for line in self.lines)

    @property
    def unsettled(self) -> int:
        """Count the items that were sent and have no known end, selected or not.

        Those of earlier plans too: they were paid for.
        """
        every = (*self.lines, *self.others)
        sent = sum(line.items for line in every if line.status in UNSETTLED_STATUSES)
        return sent + len(self.left_behind)

    def count(self, *statuses: Status) -> int:
        """Count the selected items of these statuses."""
        return sum(line.items for line in self.lines if line.status in statuses)


def sync_plan(  # noqa: PLR0913 - what is wanted, by which rules, and where it is looked at
    entries: Iterable[PricedItem | Finding],
    ledger: Ledger,
    *,
    campaign: str,
    budget: Budget | None = None,
    policy: Policy | None = None,
    files: Files | None = None,
    choice: Choice | None = None,
    hides: Hides = hide_nothing,
    rounds: Rounds | None = None,
    under_way: bool = False,
    inputs: PlanInputs | None = None,
) -> PlanSummary:
    """Write a campaign's plan into the ledger; return findings and what the plan comes to.

    With an error among the findings nothing is written. `files` lets it see foreign files at
    output paths, finished clips that are missing or were changed there, and damage in the store.
    The whole plan is written, whatever the `choice` is: it says what the next run may buy; without
    one that is everything. `rounds` leave out of the plan the takes that are not wanted now.
    With a run `under_way` nothing is written either, and the summary is empty, where a known item
    is other work by now: a picture may have been replaced since somebody agreed to what is made.
    `inputs` is what the entries are made from, kept beside the plan (`plan_reuse.keep_plan`).
    """
    findings: list[Finding] = []
    prices, paths = ReservedPrices(ledger.seen_prices()), PlannedPaths(campaign, files)
    purchases = (policy or Policy()).purchases
    with ledger.draft_plan(campaign, purchases=purchases) as draft:
        rows = paths.watching(plan_rows(entries, findings, prices))
        while batch := list(islice(rows, _BATCH)):
            findings += [_clash(clash) for clash in draft.add(batch)]
        if rounds is not None:
            draft.withdraw(rounds.shots, rounds.find_unwanted)
        draft.finish()
        findings += paths.findings()
        findings += [_clash(clash) for clash in draft.folders(paths.file_like)]
        findings += _rows_over(draft, budget)
        # Where items are missing for a fault of theirs, nobody knows what a selection would find.
        if choice is not None and not has_errors(findings):
            draft.choose(choice)
            findings += choice.findings()
        disk = PlanFiles() if files is None else inspect_files(draft, campaign, files, hides)
        findings += disk.foreign
        draft.note_files(disk.signatures, disk.placed)
        if has_errors(findings) or (under_way and draft.reworked):
            draft.drop()
            return PlanSummary(campaign=campaign, findings=group_findings(findings))
        summary = replace(
            summarize(campaign, draft.totals(), findings),
            changed=draft.changed,
            changes=group_changes(draft.iter_changes()),
            **disk.told,
        )
        draft.publish(
            inputs.standing_plan(findings, prices, summary.items, paths.file_like)
            if inputs
            else None
        )
    return summary


def refresh_summary(admission: PlanSummary, ledger: Ledger) -> PlanSummary:
    """Return what an admitted plan comes to as the ledger stands now."""
    totals = ledger.plan_totals(admission.campaign)
    now = summarize(admission.campaign, totals, ())
    return replace(admission, lines=now.lines, others=now.others, committed_usd=now.committed_usd)


def latest_plan(ledger: Ledger, campaign: str) -> PlanSummary:
    """Return how the campaign's latest plan stands now, as admitting it again would tell it."""
    return summarize(campaign, ledger.plan_totals(campaign), ())


def summarize(campaign: str, totals: PlanTotals, findings: Sequence[Finding]) -> PlanSummary:
    """Return what a plan comes to that is in the ledger, with its findings."""
    return PlanSummary(
        campaign=campaign,
        findings=group_findings(findings),
        # Not what was planned: takes that their places do not want are out of it again.
        items=sum(line.items for line in totals.lines),
        lines=_plan_lines(line for line in totals.lines if line.selected),
        others=_plan_lines(line for line in totals.lines if not line.selected),
        orphaned=totals.orphaned,
        left_behind=totals.left_behind,
        committed_usd=totals.committed_usd,
        prices=totals.prices,
        fallbacks=totals.fallbacks,
        expected_s=totals.expected_s,
    )


def _plan_lines(lines: Iterable[Line]) -> tuple[PlanLine, ...]:
    """Return the ledger's lines as a plan tells them."""
    return tuple(
        PlanLine(
            shot=line.shot,
            provider=line.provider,
            status=Status.SHARED if line.shared else _stands(line),
            stands=_stands(line),
            cause=line.cause,
            earlier_rule=line.earlier_rule,
            stale=line.stale,
            items=line.items,
            unpriced=line.unpriced,
            low_usd=usd(line.low_microusd),
            expected_usd=usd(line.expected_microusd),
            high_usd=usd(line.high_microusd),
        )
        for line in lines
    )


def _stands(line: Line) -> Status:
    return status_of(line.state, again=line.again, shared=False, changed=line.changed)


def plan_rows(
    entries: Iterable[PricedItem | Finding], findings: list[Finding], prices: ReservedPrices
) -> Iterator[Planned]:
    """Yield the items as lines of the ledger, numbered; findings go to the list."""
    position = 0
    for entry in entries:
        if isinstance(entry, Finding):
            findings.append(entry)
            continue
        yield _row(entry, position, prices)
        position += 1


def _row(entry: PricedItem, position: int, prices: ReservedPrices) -> Planned:
    item = entry.item
    kept = payload.dump_item(entry)
    mode, kind = item.settings.mode, item.kind.value
    of = (item.provider, item.model, mode, kind, item.spec.seconds)
    low, expected, high = prices.reserve(of, entry.price)
    return Planned(
        position=position,
        address=item.address,
        output=item.output,
        extension=item.settings.format or _USUAL_FORMAT,
        output_folded=fold_path(item.output),
        key=item.key.digest,
        shot=item.shot,
        row_key=item.row_key,
        provider=item.provider,
        model=item.model,
        mode=mode,
        kind=kind,
        seconds=item.spec.seconds,
        low_microusd=low,
        expected_microusd=expected,
        high_microusd=high,
        payload_digest=hashlib.sha256(kept).hexdigest(),
        payload=kept,
        alternatives=item.key.alternatives,
        fallbacks=tuple([_row(other, position, prices) for other in entry.fallbacks]),
        places=partial(payload.dump_places, item),
    )


class PlannedPaths:
    """Watches output paths go by: what is too long for the disk, and folders named like files."""

    def __init__(self, campaign: str, files: Files | None) -> None:
        self._campaign = campaign
        self._files = files
        self._too_long: list[Finding] = []
        self.file_like: dict[str, Planned] = {}
        """The output path that a folder would have if it were a file, to an item that needs it."""

    def watching(self, rows: Iterator[Planned]) -> Iterator[Planned]:
        """Pass the items on, and look at their paths."""
        for planned in rows:
            # Which format comes is known when the clip is paid for: the longest has to fit.
            path = planned.output.replace(outputs.EXTENSION, _LONGEST_FORMAT)
            wrong = self._files.too_long(f"{self._campaign}/{path}") if self._files else ""
            if wrong:
                finding = Finding(
                    slug="path-too-long",
                    message=f"the output path of {planned.address} is too long: {wrong}",
                    span=place_of_item(orjson.loads(planned.payload)),
                    hint="shorten the output path, or choose another --root",
                )
                self._too_long.append(finding)
            for folder in _folders(planned.output_folded):
                stem, dot, extension = folder.rpartition(".")
                if dot and extension in FORMATS:
                    self.file_like.setdefault(f"{stem}.{outputs.EXTENSION}", planned)
            yield planned

    def findings(self) -> list[Finding]:
        """Return what is too long."""
        return self._too_long


def _folders(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def fold_path(path: str) -> str:
    """Return what two paths have in common if some file system takes them for one."""
    if path.isascii():
        return path.lower()
    # Twice, since folding may give text that is not normalised any more.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _clash(clash: Clash) -> Finding:
    here, there = place_of_item(clash.payload), place_of_item(clash.other_payload)
    text = {
        "address": f"two items have the address {clash.address}",
        "output": f"{clash.address} and {clash.other} have the same output path {clash.output}",
        "folder": f"{clash.address} needs as a folder what {clash.other} has as its output path",
    }
    return Finding(
        slug=_CLASHES[clash.what],
        message=text[clash.what],
        span=here,
        hint=f"the other comes from {there.file}:{there.line}",
        related=(there,),
    )


def _rows_over(draft: PlanDraft, budget: Budget | None) -> Iterator[Finding]:
    if budget is None or budget.per_row_usd is None:
        return
    for row_key, total, kept in draft.rows_over(micro(budget.per_row_usd)):
        yield Finding(
            slug="over-row-budget",
            message=f"row {row_key} may cost {exact_usd(usd(total))} USD, over"
            f" {exact_usd(budget.per_row_usd)} USD",
            span=place_of_item(kept),
            hint="raise budget.per_row, or ask for less",
        )
