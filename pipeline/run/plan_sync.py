"""Pass 1: a plan's entries become the ledger's plan, whole or not at all.

Keys, prices and requests are written in batches inside one transaction, which is undone if
anything is wrong. Nothing is sent, and no list of all items is ever held.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection

from pipeline.domain import MODEL, Budget, Policy, PricedItem, Record
from pipeline.findings import Finding, Span, group_findings, has_errors
from pipeline.ledger import budgets, outputs, payload, plan_totals
from pipeline.ledger.group_commit import Operation
from pipeline.ledger.outputs import View
from pipeline.ledger.plan_totals import Line
from pipeline.ledger.plans import Clash, Plan, Planned
from pipeline.ledger.price_confirmations import PriceClass, SeenPrice, seen_prices, standings
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import micro, usd
from pipeline.run.admission import ChangedOutput, PlanSummary, plan_lines
from pipeline.run.output_check import (
    RESTORED,
    DamagedClip,
    Files,
    FileStat,
    Found,
    OutputStatus,
    inspect,
    inspect_store,
)

_BATCH = 1000
_USUAL_FORMAT = "mp4"
_FORMATS = ("mp4", "mov", "webm")
_LONGEST_FORMAT = max(_FORMATS, key=len)
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


class _Refused(Exception):  # noqa: N818 - undoes the transaction; never leaves this module
    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings


def admit(  # noqa: PLR0913 - each is a part of the manifest or of the command
    entries: Iterable[PricedItem | Finding],
    ledger: Ledger,
    *,
    campaign: str,
    budget: Budget | None = None,
    policy: Policy | None = None,
    files: Files | None = None,
    choice: Choice | None = None,
    again: bool = False,
) -> PlanSummary:
    """Write a campaign's plan into the ledger; return findings and what the plan comes to.

    With an error among the findings nothing is written. `files` lets it see foreign files at
    output paths, finished clips that are missing or were changed there, and damage in the store.
    The whole plan is admitted, whatever the `choice` is: it says what the next run may buy; without
    one that is everything. `again` is for a run that goes on: then it is what that run selected,
    less what the choice leaves out.
    """
    operation = partial(
        _admitted,
        entries=entries,
        campaign=campaign,
        budget=budget,
        policy=policy,
        files=files,
        choice=choice,
        again=again,
    )
    try:
        return ledger.write_now(operation)
    except _Refused as refused:
        return PlanSummary(campaign=campaign, findings=refused.findings)


def restate(admission: PlanSummary, ledger: Ledger) -> PlanSummary:
    """Return what an admitted plan comes to as the ledger stands now."""
    campaign = admission.campaign
    lines = ledger.read(partial(plan_totals.lines, campaign=campaign))
    return replace(
        admission,
        lines=plan_lines(line for line in lines if line.selected),
        others=plan_lines(line for line in lines if not line.selected),
        committed_usd=ledger.committed_usd(campaign),
    )


def _admitted(  # noqa: PLR0913 - the same
    connection: Connection,
    *,
    entries: Iterable[PricedItem | Finding],
    campaign: str,
    budget: Budget | None,
    policy: Policy | None,
    files: Files | None,
    choice: Choice | None,
    again: bool,
) -> PlanSummary:
    policy = policy or Policy()
    plan = Plan(connection, campaign, again=again, purchases=policy.purchases)
    findings: list[Finding] = []
    count = 0
    seen, paths = seen_prices(connection), _Paths(campaign, files)
    for batch in _batches(paths.watching(_planned(entries, findings, seen))):
        findings += [_clash(clash) for clash in plan.add(batch)]
        count += len(batch)
    plan.finish()
    findings += paths.findings()
    findings += [_clash(clash) for clash in plan.folders(paths.file_like)]
    findings += _rows_over(connection, campaign, budget)
    # Where items are missing for a fault of theirs, nobody knows what a selection would find.
    if choice is not None and not has_errors(findings):
        plan.choose(choice)
        findings += choice.findings()
    disk = _Disk() if files is None else _inspected(connection, campaign, files)
    findings += disk.foreign
    if has_errors(findings):
        raise _Refused(group_findings(findings))
    lines = plan_totals.lines(connection, campaign=campaign)
    made = _admission(connection, campaign, findings, lines=lines, count=count)
    return replace(
        made,
        changed=plan.changed,
        restore=disk.restore,
        changed_outputs=tuple(disk.changed),
        damaged_clips=tuple(disk.damaged),
    )


def last_admission(ledger: Ledger, campaign: str) -> PlanSummary:
    """Return how the campaign's latest plan stands now, as admitting it again would tell it."""

    def read(connection: Connection) -> PlanSummary:
        lines = plan_totals.lines(connection, campaign=campaign)
        count = sum(line.items for line in lines)
        return _admission(connection, campaign, (), lines=lines, count=count)

    return ledger.read(read)


def _admission(
    connection: Connection,
    campaign: str,
    findings: Sequence[Finding],
    *,
    lines: Sequence[Line],
    count: int,
) -> PlanSummary:
    return PlanSummary(
        campaign=campaign,
        findings=group_findings(findings),
        items=count,
        lines=plan_lines(line for line in lines if line.selected),
        others=plan_lines(line for line in lines if not line.selected),
        orphaned=tuple(plan_totals.orphans(connection, campaign=campaign)),
        left_behind=tuple(plan_totals.left_behind(connection, campaign=campaign)),
        committed_usd=budgets.committed(connection, campaign=campaign),
        prices=tuple(standings(connection, campaign=campaign)),
    )


def _planned(
    entries: Iterable[PricedItem | Finding],
    findings: list[Finding],
    seen: Mapping[PriceClass, SeenPrice],
) -> Iterator[Planned]:
    position = 0
    for entry in entries:
        if isinstance(entry, Finding):
            findings.append(entry)
            continue
        yield _raised(_row(entry, position), seen)
        position += 1


def _row(entry: PricedItem, position: int) -> Planned:
    item, price = entry.item, entry.price
    kept = payload.frozen(entry)
    return Planned(
        position=position,
        address=item.address,
        output=item.output,
        extension=item.settings.format or _USUAL_FORMAT,
        output_folded=folded(item.output),
        key=item.key.digest,
        shot=item.shot,
        row_key=item.row_key,
        provider=item.provider,
        model=MODEL,
        mode=item.settings.mode,
        kind=item.kind.value,
        seconds=item.spec.seconds,
        low_microusd=None if price is None else micro(price.low_usd),
        expected_microusd=None if price is None else micro(price.expected_usd),
        high_microusd=None if price is None else micro(price.high_usd),
        payload_digest=hashlib.sha256(kept).hexdigest(),
        payload=kept,
        alternatives=item.key.alternatives,
    )


def _raised(row: Planned, seen: Mapping[PriceClass, SeenPrice]) -> Planned:
    """Return an item at what its price was seen to be, if that is more than the price list says."""
    price_class = PriceClass(provider=row.provider, model=row.model, mode=row.mode, kind=row.kind)
    known = seen.get(price_class)
    if known is None or not known.charged_microusd:
        return row
    return replace(
        row,
        expected_microusd=known.raised(row.expected_microusd, row.seconds),
        high_microusd=known.raised(row.high_microusd, row.seconds),
    )


class _Paths:
    """Watches output paths go by: what is too long for the disk, and folders named like files."""

    def __init__(self, campaign: str, files: Files | None) -> None:
        self._campaign = campaign
        self._files = files
        self._too_long: list[Finding] = []
        self.file_like: dict[str, Planned] = {}
        """The output path that a folder would have if it were a file, to an item that needs it."""

    def watching(self, rows: Iterable[Planned]) -> Iterator[Planned]:
        """Pass the items on, and look at their paths."""
        for planned in rows:
            self._look(planned)
            yield planned

    def findings(self) -> list[Finding]:
        """Return what is too long."""
        return self._too_long

    def _look(self, planned: Planned) -> None:
        path = planned.output.replace(outputs.EXTENSION, _LONGEST_FORMAT)
        wrong = self._files.too_long(f"{self._campaign}/{path}") if self._files else ""
        if wrong:
            finding = Finding(
                slug="path-too-long",
                message=f"the output path of {planned.address} is too long: {wrong}",
                span=_place(orjson.loads(planned.payload)),
                hint="shorten the output path, or choose another --root",
            )
            self._too_long.append(finding)
        for folder in _folders(planned.output_folded):
            stem, dot, extension = folder.rpartition(".")
            if dot and extension in _FORMATS:
                self.file_like.setdefault(f"{stem}.{outputs.EXTENSION}", planned)


def _folders(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def folded(path: str) -> str:
    """Return what two paths have in common if some file system takes them for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _batches(rows: Iterator[Planned]) -> Iterator[list[Planned]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _clash(clash: Clash) -> Finding:
    here, there = _place(clash.payload), _place(clash.other_payload)
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


def _rows_over(connection: Connection, campaign: str, budget: Budget | None) -> Iterator[Finding]:
    if budget is None or budget.per_row_usd is None:
        return
    over = plan_totals.rows_over(
        connection, campaign=campaign, limit_microusd=micro(budget.per_row_usd)
    )
    for row_key, total, kept in over:
        yield Finding(
            slug="over-row-budget",
            message=f"row {row_key} may cost {usd(total)} USD, over {budget.per_row_usd} USD",
            span=_place(kept),
            hint="raise budget.per_row, or ask for less",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Disk:
    """What was found at the plan's output paths and in its store."""

    restore: int = 0
    foreign: Sequence[Finding] = ()
    changed: Sequence[ChangedOutput] = ()
    damaged: Sequence[DamagedClip] = ()


def _inspected(connection: Connection, campaign: str, files: Files) -> _Disk:
    """Look at the plan's files; what was touched and is right is written down, to be known again.

    The store first: what may be a copy of it is only compared with what it should be.
    """

    def known(digest: str) -> bool:
        return bool(outputs.known_clips(connection, digests=[digest]))

    def read(operation: Operation[Any]) -> Any:
        return operation(connection)

    damaged, foreign, changed, restore = [], [], [], 0
    for clip in inspect_store(read, campaign=campaign, files=files):
        if isinstance(clip, DamagedClip):
            damaged.append(clip)
        else:
            outputs.sign(connection, sha256=clip.sha256, signature=clip.signature)
    for found in inspect(read, known, campaign=campaign, files=files):
        if found.standing in {OutputStatus.FOREIGN, OutputStatus.BLOCKED}:
            kept = plan_totals.payload_of(connection, item_id=found.view.item_id)
            foreign.append(_foreign(found, files, _place(kept)))
            continue
        if found.standing in _RIGHT_BYTES and found.stat:
            _record(connection, found.view, found.stat)
        if found.standing in _CHANGES and found.view.selected:
            changed.append(_changed(found, files))
        restore += found.view.selected and found.standing in RESTORED
    return _Disk(restore=restore, foreign=foreign, changed=changed, damaged=damaged)


def _record(connection: Connection, view: View, there: FileStat) -> None:
    """Write what a file is now whose bytes were found to be its clip's."""
    outputs.place(
        connection,
        item_id=view.item_id,
        path=view.path,
        sha256=view.clip.sha256 if view.clip else "",
        signature=there.signature,
        mode=there.mode if view.mode is None else view.mode,
    )


def _changed(found: Found, files: Files) -> ChangedOutput:
    if found.standing is OutputStatus.CHANGED_MODE:
        mode = found.stat.mode if found.stat else 0
        change = f"its permissions are {mode:o} now, not {found.view.mode or 0:o}"
    elif found.stat and found.stat.regular:
        change = "its content is another now"
    else:
        change = "it is no regular file any more"
    return ChangedOutput(path=files.shown(found.view.path), change=change)


def _foreign(found: Found, files: Files, span: Span) -> Finding:
    """Say that a file is in the way; adopting it is a way out only where a clip is still wanted."""
    view, there, path = found.view, found.stat, found.view.path
    fate = "is not a clip of this ledger"
    if view.placed:
        fate = "was changed since its clip was put there, and another clip is to be put there"
    hint = "move it away, or change the output path: it is never overwritten"
    if found.standing is OutputStatus.BLOCKED:
        path, fate = files.in_the_way(path), f"is a file, and {view.address} needs a folder there"
    elif view.clip is None and there and there.regular:
        hint = (
            "if it is this item's clip, `callsheet store adopt` takes it in without buying it;"
            " else change the output path: it is never overwritten"
        )
    return Finding(
        slug="foreign-file",
        message=f"{files.shown(path)} {fate}",
        span=span,
        hint=hint,
    )


_RIGHT_BYTES = frozenset({OutputStatus.UNRECORDED, OutputStatus.CHANGED_MODE})
_CHANGES = frozenset({OutputStatus.CHANGED, OutputStatus.CHANGED_MODE})


def _place(kept: Mapping[str, Any]) -> Span:
    return _span(kept["origin"]["row"] or kept["origin"]["shot"])


def _span(data: Mapping[str, Any]) -> Span:
    return Span(**data)
