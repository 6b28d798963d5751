"""What would be made of a campaign, reused and restored, and at which price: nothing is sent.

A dry run admits the plan to a private ledger that knows what the root's knows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.decision_file import keep_approved, load_decisions, unapproved_outputs
from pipeline.api.input_digests import plan_inputs
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import memory_beside, memory_of, with_other_locks
from pipeline.api.places import loop_rule, read_places
from pipeline.api.roots import require_folder
from pipeline.collector import collector_paused
from pipeline.domain import EMPTY, PricedItem, Record
from pipeline.domain.changes import ItemChange
from pipeline.domain.item import place_of, take_of
from pipeline.domain.lock import LockMemory
from pipeline.domain.loop_places import total_places
from pipeline.errors import InvalidInput, LedgerLost
from pipeline.findings import Finding, Severity, plain_finding
from pipeline.ledger.loss_detection import Loss
from pipeline.ledger.repository import Ledger
from pipeline.plan.lock.lock_addresses import offer_moved
from pipeline.run.output_check import RealFiles
from pipeline.run.plan_reuse import keep_plan
from pipeline.run.plan_sync import PlanLine, PlanSummary, Totals, sync_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the next run of a campaign would make, and what stands in its way.

    plan = Project().open("campaign.yaml").plan(select="tag:hero")
    print(plan.to_make.items, plan.to_make.high_usd)
    """

    campaign: LoadedCampaign
    """With the selection that the plan is about."""
    summary: PlanSummary
    """Lines of shot, provider and status, and what the disk and the ledger say of them."""
    loss: Loss | None = None
    """What the ledger has lost of the campaign: until it is settled, nothing is bought."""

    @property
    def ok(self) -> bool:
        """Tell whether a run can begin: no finding is an error."""
        return self.summary.ok

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the manifest, and what a person should know of it."""
        return self.summary.findings

    @property
    def lines(self) -> tuple[PlanLine, ...]:
        """The selected items, summed by shot, provider and status."""
        return self.summary.lines

    @property
    def to_make(self) -> Totals:
        """How many items would be bought, and for how much."""
        return self.summary.to_make

    @property
    def has_work(self) -> bool:
        """Tell whether a run would buy, collect, put back or take out anything."""
        return has_work(self.summary)

    def iter_items(self) -> Iterator[Record]:
        """Yield the selected items one by one, as a run would find them; the plan is made again."""
        with dry_run(self.campaign) as (summary, ledger):
            require_admitted(summary, self.campaign)
            yield from ledger.records(self.campaign.name, selected=True)

    def iter_changes(self) -> Iterator[ItemChange]:
        """Yield what a run does to each item and why, by address; the plan is made again."""
        with dry_run(self.campaign, keeps=False) as (summary, ledger):
            require_admitted(summary, self.campaign)
            yield from ledger.item_changes(self.campaign.name)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the plan to a file, for `Project.load_plan` and `callsheet apply`.

        InvalidInput where it has errors; the plan is made again.
        """
        from pipeline.api.saved_plans import write_document  # noqa: PLC0415 - seldom needed

        with open_plan(self.campaign) as (plan, ledger):
            require_admitted(plan.summary, self.campaign)
            write_document(plan, ledger.item_changes(self.campaign.name), Path(file))

    def to_dict(self) -> Mapping[str, Any]:
        """Return the plan as plain data that JSON can hold; sums are in USD, as text."""
        return {
            "campaign": self.campaign.name,
            "ok": self.ok,
            "findings": [plain_finding(finding) for finding in self.findings],
            "to_make": _plain_sum(self.to_make),
            "lines": [
                {
                    "shot": line.shot,
                    "provider": line.provider,
                    "status": line.status.value,
                    "cause": line.cause,
                    **_plain_sum(line),
                }
                for line in self.lines
            ],
            "items": [plain_item(item, self.campaign.folder) for item in self.iter_items()]
            if self.ok
            else [],
        }


def _plain_sum(total: Totals | PlanLine) -> Mapping[str, Any]:
    sums = ("low_usd", "expected_usd", "high_usd")
    return {
        "items": total.items,
        "unpriced": total.unpriced,
        **{name: str(getattr(total, name)) for name in sums},
    }


def plain_item(record: Record, folder: Path) -> Mapping[str, Any]:
    """Return an item of a plan as plain data; `folder` is the campaign's."""
    own = (
        *("address", "shot", "cell", "take", "kind", "provider", "model"),
        *("status", "state", "cause"),
    )
    return {
        **{name: getattr(record, name) for name in own},
        "row": record.row_key,
        "axes": dict(record.axes),
        "tags": list(record.tags),
        "price_usd": None if record.estimate_usd is None else float(record.estimate_usd),
        "shared_with": record.shared_with,
        "path": os.path.normpath(folder / (record.path or record.output)),
        "there": record.path is not None,
        "key": record.key,
        "earlier_rule": record.earlier_rule,
        "review": record.review,
    }


def has_work(summary: PlanSummary) -> bool:
    """Tell whether a run would buy, collect or put back anything."""
    mends = summary.restore or summary.hide or summary.damaged_clips
    return bool(summary.to_make.items or mends or summary.unsettled)


def lacks_prices(summary: PlanSummary) -> bool:
    """Tell whether prices are missing, and nothing else: a provider's dry run may know them.

    Where the manifest assumes a price, a person has answered.
    """
    errors = {each.slug for each in summary.findings if each.severity is Severity.ERROR}
    return errors == {"unpriced"} if errors else bool(summary.to_make.unpriced)


def require_admitted(summary: PlanSummary, campaign: LoadedCampaign) -> None:
    """Raise InvalidInput where a finding of the plan is an error."""
    if not summary.ok:
        raise InvalidInput(summary.findings, campaign.sources)


def plan_campaign(campaign: LoadedCampaign) -> Plan:
    """Return what the next run would make; once a loss is settled, where the ledger has one."""
    loss = find_loss(campaign.request, campaign.name)
    with dry_run(campaign, loss) as (summary, _):
        return Plan(campaign=campaign, summary=summary, loss=loss)


@contextmanager
def open_plan(campaign: LoadedCampaign) -> Iterator[tuple[Plan, Ledger]]:
    """Yield a campaign's plan, and a private ledger that tells what changes for each of its items.

    It is made anew: where the parts of items are written is not kept.
    """
    loss = find_loss(campaign.request, campaign.name)
    with dry_run(campaign, loss, keeps=False) as (summary, ledger):
        yield Plan(campaign=campaign, summary=summary, loss=loss), ledger


def find_loss(request: CampaignRequest, campaign: str) -> Loss | None:
    """Return what a root's ledger has lost of a campaign, beside whoever works in it."""
    try:
        ledger = Ledger.reader(request.where, kind=request.kind)
    except LedgerLost:
        # Where it is gone, the traces that lie beside it tell against an empty one what is lost.
        ledger = Ledger.memory(request.where, kind=request.kind)
    if ledger is None:
        return None
    with ledger:
        return loss_of(ledger, request, campaign)


def loss_of(ledger: Ledger, request: CampaignRequest, campaign: str) -> Loss | None:
    """Return what a ledger has lost of a campaign, but for what lock files remember."""
    loss = ledger.find_loss(campaign)
    if loss is None or not loss.clips:
        return loss
    # Only clips that no purchase knows may be what a lock file remembers; those of the project's
    # other campaigns may have come with its own.
    memory = with_other_locks(memory_of(request, campaign), request)
    return ledger.find_loss(campaign, memory)


def dry_run_summary(
    campaign: LoadedCampaign, settled: Loss | None = None, *, files: bool | None = None
) -> PlanSummary:
    """Return what admitting the campaign would come to, without writing anything.

    That is once a loss is `settled`; `files` is that of `dry_run`.
    """
    with dry_run(campaign, settled, files=files) as (summary, _):
        return summary


@contextmanager
def dry_run(
    campaign: LoadedCampaign,
    settled: Loss | None = None,
    *,
    files: bool | None = None,
    keeps: bool = True,
) -> Iterator[tuple[PlanSummary, Ledger]]:
    """Yield what admitting the campaign would come to, and a private ledger that admitted it.

    `files` says whether output paths are looked at. Where it is left open they are, unless clips
    are known to be lost: what lies there would be taken for somebody else's. Who reads what changes
    for single items wants it made anew, which is not `keeps`. InvalidInput where a file is in the
    root's place.
    """
    require_folder(campaign.request)
    if files is None:
        files = settled is None or settled.uncounted
    with Ledger.memory(campaign.request.where, kind=campaign.request.kind) as ledger:
        if settled is not None:
            ledger.settle_loss(settled, now=datetime.now(UTC))
        # What was lost and is settled here alone is in no plan that stands.
        keeps = keeps and settled is None
        yield sync_campaign(campaign, ledger, files=files, dry=True, keeps=keeps), ledger


@collector_paused()
def sync_campaign(
    campaign: LoadedCampaign,
    ledger: Ledger,
    *,
    retried: Sequence[str] = (),
    files: bool = True,
    dry: bool = False,
    under_way: bool = False,
    keeps: bool = True,
) -> PlanSummary:
    """Write the campaign's plan into a ledger, and return what it comes to.

    Where nothing that it is made from has changed it is not made again, if it `keeps` what stands;
    under a selection that is so on a dry ledger alone, to which it is not written.

    `files` says whether output paths are looked at; a `dry` plan makes no fitted frames.
    Failures of the `retried` causes count among what is to be made. With a run `under_way` only
    what is left of the rounds of takes that were begun is wanted (`sync_plan`).
    """
    home, name = campaign.request.home, campaign.name
    quotes = ledger.fresh_quotes(datetime.now(UTC))
    decisions = load_decisions(campaign.request, name)
    rule = loop_rule(campaign, decisions, retried=retried, begins=not under_way)
    # Approvals, loops and `--locked` ask it for more than what the ledger lacks.
    whole = bool(decisions.places or rule or campaign.request.locked)
    memory = memory_beside(ledger, campaign.request, name, whole=whole)
    had = _last_takes(ledger, name, memory) if rule else EMPTY
    inspector = campaign.inspector(None if dry else home / ".callsheet" / "assets")
    # Before the plan: what was paid elsewhere counts against its limits, and may finish items.
    ledger.remember(memory)

    def entries(
        last_takes: Mapping[str, int] = EMPTY, rows: frozenset[tuple[str, str]] | None = None
    ) -> Iterable[PricedItem | Finding]:
        """Return the plan as lock file and decisions have it, or that of some rows alone."""
        wanted = None if rows is None else lambda shot, key: (shot, key) in rows
        found: Iterable[PricedItem | Finding] = campaign.entries(
            None, quotes, last_takes, inspector=inspector, rows=wanted
        )
        found = offer_moved(found, memory) if memory.moved else found
        return keep_approved(found, decisions, memory, ledger) if decisions.places else found

    inputs = None
    if keeps and not under_way and (dry or not campaign.request.selects):
        inputs = plan_inputs(
            campaign,
            inspector,
            quotes=quotes,
            memory=memory,
            has_decisions=bool(decisions.places),
            plan_rows=lambda rows: entries(rows=rows),
        )
    hides = unapproved_outputs(campaign.manifest, decisions)
    shared: dict[str, Any] = {"campaign": name, "hides": hides, "inputs": inputs}
    shared |= {"files": RealFiles(home) if files else None, "budget": campaign.manifest.budget}

    def plan() -> PlanSummary:
        kept = keep_plan(ledger, choice=campaign.purchase_filter(), **shared)
        if kept is not None:
            return kept
        campaign.reassignments.clear()
        return sync_plan(
            entries(last_takes=had),
            ledger,
            policy=campaign.manifest.policy,
            choice=campaign.purchase_filter(),
            rounds=rule,
            under_way=under_way,
            **shared,
        )

    summary = ledger.plan_in_turn(plan, name)
    # Of a run that is under way nobody asks for them: it reads the places itself.
    has_places = rule is not None and summary.ok and not under_way
    return _add_known(summary, campaign, ledger, retried=retried, has_places=has_places)


def _add_known(
    summary: PlanSummary,
    campaign: LoadedCampaign,
    ledger: Ledger,
    *,
    retried: Sequence[str],
    has_places: bool,
) -> PlanSummary:
    """Return a summary with what the ledger knows of the campaign beside its plan."""
    name = campaign.name
    places = read_places(campaign, ledger, retried=retried) if has_places else None
    return replace(
        summary,
        places=total_places(places, selected=True) if places is not None else None,
        retried=tuple(retried),
        absent=tuple(ledger.find_absent(name)) if summary.ok else (),
        elsewhere_usd=ledger.elsewhere_usd(name),
    )


def _last_takes(ledger: Ledger, campaign: str, memory: LockMemory) -> Mapping[str, int]:
    """Return the highest take that each place had, here or as the lock file knows it."""
    found = ledger.last_takes(campaign)
    for address in memory.at:
        found[place_of(address)] = max(found.get(place_of(address), 0), take_of(address))
    return found
