"""What can be done with one campaign, in the order of the stages.

What a method needs and no other does is loaded when it is called: a check opens no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.api.campaign_plan import (
    Plan,
    dry_run,
    dry_run_summary,
    plan_campaign,
    require_admitted,
)
from pipeline.api.campaign_request import RunSettings, SpendLimit, parse_causes, usage
from pipeline.api.loaded_campaign import LoadedCampaign, Reassignments
from pipeline.api.selection import selection_sources
from pipeline.domain import Record, RunRecord
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.findings import Finding

if TYPE_CHECKING:  # what follows is slow to load
    from pipeline.api.campaign_report import CampaignStatus
    from pipeline.api.campaign_run import Run
    from pipeline.api.clip_adoption import AdoptedClips
    from pipeline.api.decision_file import DecisionIndex, MergedDecisions
    from pipeline.api.decision_import import ImportedDecisions
    from pipeline.api.explanations import Explanation
    from pipeline.api.lock_file import ChangedLock
    from pipeline.api.orphan_files import CleanResult, OrphanFile
    from pipeline.api.reconciliation import Decisions
    from pipeline.api.shared_clips import SharedClips
    from pipeline.api.store_content import StoreEntry, StorePlace
    from pipeline.api.verification import Verification
    from pipeline.domain.forecast import CampaignForecast
    from pipeline.domain.loop_places import LoopPlace
    from pipeline.report.summary import Report
    from pipeline.run.adopting import Adopted
    from pipeline.run.manual import Sent
    from pipeline.run.quoting import Quoted

Selector = str | Sequence[str]


class Campaign:
    """A manifest that was read, in its root; made by `Project.open`.

    campaign = Project(rehearse=True).open("campaign.yaml")
    assert not campaign.check()
    for item in campaign.iter_items(select="tag:hero"):
        print(item.address, item.status, item.estimate_usd)
    """

    def __init__(self, loaded: LoadedCampaign) -> None:
        self._loaded = loaded

    @property
    def name(self) -> str:
        """The campaign's name in ledger and file system."""
        return self._loaded.name

    @property
    def folder(self) -> Path:
        """Where its clips and its report are."""
        return self._loaded.folder

    def check(self) -> tuple[Finding, ...]:
        """Return every finding of the manifest, errors and warnings; nothing is sent."""
        return dry_run_summary(self._loaded).findings

    def plan(
        self,
        *,
        select: Selector = (),
        exclude: Selector = (),
        first: int | None = None,
        provider: str = "",
    ) -> Plan:
        """Return what the next run would make, reuse and restore, and at which price.

        `select`, `exclude` and `first` mean what they mean on the command line.
        """
        selectors, excluded = (
            (given,) if isinstance(given, str) else tuple(given) for given in (select, exclude)
        )
        maker = provider or self._loaded.request.provider
        return plan_campaign(
            self._with(select=selectors, exclude=excluded, first=first, provider=maker)
        )

    def forecast(self) -> CampaignForecast | None:
        """Return what the campaign will still cost until every place is approved or stuck.

        None without `accept`, or with fewer than 30 decisions; InvalidInput where the manifest has
        errors. It comes with the forecast that the last run began with, and how that holds.

            if found := campaign.forecast():
                print(found.forecast.money_usd, found.forecast.stuck, found.review)
        """
        from pipeline.api.forecasts import find_forecast  # noqa: PLC0415 - seldom needed

        with dry_run(self._loaded) as (summary, ledger):
            require_admitted(summary, self._loaded)
            return find_forecast(self._loaded, ledger)

    def quote(self, notify: Callable[[str], None] = lambda _: None) -> Sequence[Quoted]:
        """Ask by dry run what each price is, where a provider has one; nothing is bought.

        What is told is the estimate of plans and runs for a day. `notify` is told of addresses
        from outside the manifest, and of a root that was moved.

            for quoted in campaign.quote():
                print(quoted.alike, quoted.items, quoted.usd, quoted.message)
        """
        from pipeline.api.quotes import quote_campaign  # noqa: PLC0415 - slow to load

        return quote_campaign(self._loaded, notify, notify)

    def run(
        self,
        plan: Plan | None = None,
        *,
        max_cost_usd: Decimal | float | str | None = None,
        buy_again_usd: Decimal | None = None,
        retry: Sequence[str] = (),
        scenario: Path | None = None,
        chaos: float = 0.0,
        locked: bool = False,
    ) -> Run:
        """Return a run of what a plan selects, or of everything; begin it with `async with`.

        Real money needs a limit: the manifest's, or `max_cost_usd`. `scenario` and `chaos` make a
        rehearsal's sandbox misbehave. `locked` wants exactly what the lock file has, and buys
        nothing.
        """
        from pipeline.api.campaign_run import Run  # noqa: PLC0415 - slow to load

        campaign = self._loaded if plan is None else plan.campaign
        if locked:
            request = replace(campaign.request, locked=True)
            campaign = replace(campaign, request=request)
        if not campaign.request.rehearse and (scenario is not None or chaos):
            raise usage("scenario and chaos make the sandbox misbehave: they need a rehearsal")
        cap_usd = None if max_cost_usd is None else Decimal(str(max_cost_usd))
        spending = SpendLimit(yes=True, max_cost_usd=cap_usd, buy_again_usd=buy_again_usd)
        causes = parse_causes(tuple(retry))
        settings = RunSettings(spending=spending, retry=causes, scenario=scenario, chaos=chaos)
        return Run(campaign, settings)

    def iter_items(self, *, select: Selector = (), exclude: Selector = ()) -> Iterator[Record]:
        """Yield the selected items one by one, as the next run would find them."""
        return self.plan(select=select, exclude=exclude).iter_items()

    def describe(self, address: str, *, provider: str = "") -> Mapping[str, Any]:
        """Return all that is known of one item, down to the request that would be sent for it.

        InvalidInput where no item or several have the address.
        """
        from pipeline.api.item_description import describe_item  # noqa: PLC0415 - seldom needed

        campaign = self._with(address=address)
        with dry_run(self._loaded) as (_, ledger):
            found = list(filter(campaign.matcher(), ledger.records(self.name)))
        if len(found) != 1:
            raise usage(f"{len(found)} items have the address {address}: name one")
        return describe_item(found[0], campaign, provider)

    def why(self, address: str) -> Explanation:
        """Return why an item would be made again, or not; InvalidInput where none has the address.

        for change in campaign.why("spin[SKU-1001,calm]#1").changed:
            print(change.part, change.old, change.new, change.places)
        """
        from pipeline.api.explanations import explain_item  # noqa: PLC0415 - seldom needed

        return explain_item(self._with(address=address))

    def status(self) -> CampaignStatus:
        """Return where the campaign stands, from its ledger alone; InvalidInput if never run."""
        from pipeline.api.campaign_report import campaign_status  # noqa: PLC0415 - slow to load

        return campaign_status(self._loaded)

    def places(self) -> Sequence[LoopPlace]:
        """Return each place (shot, row, cell) of shots with `accept`, as the latest plan has it.

        With its state, its takes and what was said of them, its money and what the next run buys.
        InvalidInput if the campaign was never run.

        for place in campaign.places():
            print(place.address, place.state, place.cost.charged_usd, place.next.buys)
        """
        from pipeline.api.campaign_report import open_to_read  # noqa: PLC0415 - slow to load
        from pipeline.api.places import read_places  # noqa: PLC0415 - the same

        with open_to_read(self._loaded, "status") as ledger:
            return tuple(read_places(self._loaded, ledger))

    def runs(self) -> Sequence[RunRecord]:
        """Return the campaign's runs, the oldest first; InvalidInput if it was never run.

        for run in campaign.runs():
            print(run.started_at, run.made, run.charged_usd, run.exit_code)
        """
        from pipeline.api.campaign_report import campaign_runs  # noqa: PLC0415 - slow to load

        return campaign_runs(self._loaded)

    def report(self, *, write: bool = True) -> Report:
        """Return the report of the campaign, from its ledger; `write` its files again too.

        report = campaign.report()
        print(dict(report.counts), report.money.charged_usd)
        """
        from pipeline.api.campaign_report import report_selection  # noqa: PLC0415 - slow to load

        return report_selection(self._loaded, write=write)

    async def reconcile(self, decisions: Decisions | None = None) -> Sequence[Sent]:
        """Settle what was sent and has no known end, and collect what is finished; buy nothing.

        `decisions` are what a person says of items. Return what is still open.

            await campaign.reconcile(Decisions(abandon=["spin[SKU-1001,calm]#1"]))
        """
        from pipeline.api.reconciliation import Decisions, settle  # noqa: PLC0415 - slow to load

        return await settle(self._loaded, decisions or Decisions())

    def adopt_clips(self, named: Sequence[str] = ()) -> AdoptedClips:
        """Take in clips that lie at output paths without a purchase, so that none is bought again.

        `named` are clips of the store and their items, as `SHA=ADDRESS`.

            adopted = campaign.adopt_clips(["3f9a=spin[SKU-1001,calm]#1"])
            print(len(adopted.results), adopted.next_plan.to_make.items)
        """
        from pipeline.api.clip_adoption import adopt_clips  # noqa: PLC0415 - slow to load

        return adopt_clips(self._loaded, named)

    def push_clips(self, url: str) -> SharedClips:
        """Copy the clips of the lock file to a shared store: a folder, or an object store's URL.

        campaign.push_clips("s3://campaigns/spring")
        """
        from pipeline.api.shared_clips import push_clips  # noqa: PLC0415 - seldom needed

        return push_clips(self._loaded, url)

    def pull_clips(self, url: str) -> SharedClips:
        """Copy what the lock file has and this root has not out of a shared store; buys nothing."""
        from pipeline.api.shared_clips import pull_clips  # noqa: PLC0415 - seldom needed

        return pull_clips(self._loaded, url)

    def verify(self, *, restore: bool = False) -> Verification:
        """Read every clip, and compare it with ledger and lock file; `restore` what is wrong.

        found = campaign.verify()
        assert found.ok, found.faults
        """
        from pipeline.api.verification import verify_campaign  # noqa: PLC0415 - seldom needed

        return verify_campaign(self._loaded, restore=restore)

    def import_clip(self, file: Path, address: str, cost_usd: Decimal = Decimal(0)) -> Adopted:
        """Take in a clip that was made elsewhere as the take at an address, at what it has cost.

        InvalidInput, and nothing is taken in, where it is not what the item wants.

            campaign.import_clip(Path("cut.mp4"), "spin[SKU-1001,calm]#2", Decimal("30"))
        """
        from pipeline.api.clip_adoption import import_clip  # noqa: PLC0415 - slow to load

        return import_clip(self._loaded, file, address, cost_usd=cost_usd)

    def find_orphans(self) -> Sequence[OrphanFile]:
        """Return the clips below the campaign's folder that no item of the manifest owns any more.

        for orphan in campaign.find_orphans():
            print(orphan.path, orphan.bytes)
        """
        from pipeline.api.orphan_files import find_orphans  # noqa: PLC0415 - seldom needed

        return find_orphans(self._loaded)

    def clean(self, orphans: Sequence[OrphanFile]) -> CleanResult:
        """Move orphans to `.callsheet/cleaned/<date>` in the root; nothing is deleted.

        cleaned = campaign.clean(campaign.find_orphans())
        print(cleaned.folder, len(cleaned.moved))
        """
        from pipeline.api.orphan_files import clean_campaign  # noqa: PLC0415 - seldom needed

        return clean_campaign(self._loaded, orphans, now=datetime.now(UTC))

    def list_store(self) -> Sequence[StoreEntry]:
        """Return every clip in the store of the campaign's root, whichever campaign it is of.

        for clip in campaign.list_store():
            print(clip.sha256, clip.bytes, clip.owner, clip.charged_usd)
        """
        from pipeline.api.store_content import list_store  # noqa: PLC0415 - seldom needed

        return list_store(self._store_place())

    def find_garbage(self) -> Sequence[StoreEntry]:
        """Return the clips of that store that no ledger, lock file or decisions file knows."""
        from pipeline.api.store_content import find_garbage  # noqa: PLC0415 - seldom needed

        return find_garbage(self._store_place())

    def delete_garbage(self, entries: Sequence[StoreEntry]) -> Sequence[StoreEntry]:
        """Delete clips that nobody paid for, for good; return those that are gone.

        campaign.delete_garbage(campaign.find_garbage())
        """
        from pipeline.api.store_content import delete_garbage  # noqa: PLC0415 - seldom needed

        return delete_garbage(
            self._store_place(), entries, adopt_root=self._loaded.request.adopt_root
        )

    def decide(
        self,
        address: str,
        verdict: Verdict | str,
        *,
        reason: str = "",
        note: str = "",
        who: str = "",
    ) -> Sequence[TakeDecision]:
        """Write what a person says of a take: approved, rejected, later, or reopened.

        The file beside the manifest has it, durably, on return; each place that shares the clip
        gets a line. What the same person said already is not written again. `who` is the user's
        name unless it is said. InvalidInput where there is no clip to judge.

            campaign.decide("spin[SKU-1001,calm]#1", "rejected", reason="wrong colour")
        """
        from pipeline.api.judgements import decide  # noqa: PLC0415 - seldom needed

        said = Verdict(verdict)
        return decide(self._loaded, [address], said, reason=reason, note=note, who=who)[address]

    def decisions(self) -> DecisionIndex:
        """Return what was decided of the campaign's takes; InvalidInput if its file is damaged."""
        from pipeline.api.decision_file import load_decisions  # noqa: PLC0415 - seldom needed

        return load_decisions(self._loaded.request, self.name)

    def merge_decisions(self, theirs: Path | None = None) -> MergedDecisions:
        """Take in another person's decisions file, or both sides of Git's conflict in our own.

        Nothing is guessed: where two people's words for one clip differ, it waits, and is named.
        """
        from pipeline.api.decision_file import merge_decision_file  # noqa: PLC0415 - seldom needed

        return merge_decision_file(self._loaded.request, self.name, theirs)

    def import_decisions(self, exported: Path, *, who: str = "") -> ImportedDecisions:
        """Take in what a page exported (`NAME.decisions.json`), each decision once.

        `who` decided, where not the user. InvalidInput where the file is not one of this campaign;
        decisions of clips that are not here are told in `left`.

            found = campaign.import_decisions(Path("spring.decisions.json"), who="ben")
            print(found.added, found.left, found.conflicts)
        """
        from pipeline.api.decision_import import import_decisions  # noqa: PLC0415 - seldom needed

        return import_decisions(self._loaded, exported, who)

    def merge_lock(self) -> ChangedLock:
        """Merge what Git's conflict marks keep apart in the lock file; no clip is lost by it."""
        from pipeline.api.lock_file import merge_lock_file  # noqa: PLC0415 - seldom needed

        return merge_lock_file(self._loaded.request, self.name)

    def prune_lock(self) -> ChangedLock:
        """Move out of the lock file what the manifest does not ask for any more."""
        from pipeline.api.lock_pruning import prune_orphans  # noqa: PLC0415 - seldom needed

        return prune_orphans(self._loaded)

    def _store_place(self) -> StorePlace:
        from pipeline.api.store_content import store_place  # noqa: PLC0415 - seldom needed

        request = self._loaded.request
        return store_place(
            request.manifest, request.root, ledger=request.ledger, rehearse=request.rehearse
        )

    def _with(self, **changes: Any) -> LoadedCampaign:
        loaded = self._loaded
        request = replace(loaded.request, **changes)
        sources = {**loaded.sources, **selection_sources(request)}
        # Counted anew: else the plan before would be told with this one's.
        return replace(loaded, request=request, sources=sources, reassignments=Reassignments())
