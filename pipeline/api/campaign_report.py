"""What came of a campaign: read from its ledger, beside whoever works in it, and written."""

from __future__ import annotations

import errno
import os
import shlex
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pipeline.api.campaign_plan import find_loss
from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.places import CampaignReading
from pipeline.api.price_notes import price_lines
from pipeline.api.report_files import ReportFiles, tables_of
from pipeline.api.roots import RootChoice, knows, refuse_two_roots
from pipeline.api.selection import matching_records
from pipeline.api.sidecars import is_sidecar_due, write_sidecars
from pipeline.api.steering import is_at_work
from pipeline.collector import collector_paused
from pipeline.domain import Record, RunRecord
from pipeline.domain.acceptance import Each
from pipeline.domain.forecast import CampaignForecast
from pipeline.domain.loop_places import LoopPlace, total_places
from pipeline.domain.review import APPROVALS
from pipeline.domain.states import LEFT_OPEN, UNFINISHED, Exit, State, exit_code_for
from pipeline.errors import InvalidInput, RootRefused
from pipeline.findings import has_errors
from pipeline.foreign_text import encodable
from pipeline.ledger.event_log import Notable
from pipeline.ledger.loss_detection import Loss
from pipeline.ledger.repository import Ledger
from pipeline.manifest import contents
from pipeline.plan.row_groups import row_groups
from pipeline.report.summary import Report, ReportHead, ReportTally

_DOCUMENTS = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """Where a campaign stands, as its ledger has it."""

    report: Report | None
    """None where the ledger knows nothing of the campaign because it has lost it."""
    loss: Loss | None = None
    left_behind: Sequence[tuple[str, str, State]] = ()
    """Address, provider and state of what earlier plans sent, and has not ended."""
    same_clips: Sequence[Sequence[str]] = ()
    """Addresses of works that received one and the same file."""
    notable: Sequence[Notable] = ()
    """What was written down of lanes and limits."""
    places: Sequence[LoopPlace] = ()
    """The selected places of shots that have a loop of takes."""
    allowed_off_spec: int = 0
    """Items off spec that are no failure, beside those of places."""
    at_work: bool = False
    """Whether a run of it is at work: what is not ended goes on by itself."""

    @property
    def exit_code(self) -> Exit:
        """How a run would end that left everything as it is."""
        if self.loss is not None or self.report is None:
            return Exit.STOPPED
        groups = self.report.groups
        counts = Counter({(State(group.state), group.cause): group.items for group in groups})
        counts.update((state, "") for _, _, state in self.left_behind)
        totals = total_places(self.places)
        # A take that failed is no failure of its place, which tells its own.
        counts.subtract(totals.ended_badly)
        counts[State.OFF_SPEC, ""] -= self.allowed_off_spec
        gave_up, waits = bool(totals.gave_up), bool(totals.goes_on)
        return Exit(exit_code_for(counts, gave_up=gave_up, waits=waits))


def load_for_status(
    request: CampaignRequest, choose_root: RootChoice = refuse_two_roots
) -> LoadedCampaign:
    """Read the manifest without its tables, unless the selection asks for what only they know."""
    campaign = load_campaign(request, read=_documents, choose_root=choose_root)
    # Which cells of a row are still to be tried is known with its table alone.
    by_row = any(each.each is Each.ROW for each in campaign.manifest.budget.accepts.values())
    needs_rows = by_row or campaign.selection().needs_rows
    return load_campaign(campaign.request) if needs_rows else campaign


def _documents(path: Path) -> bytes:
    """Return the bytes of a manifest; a table is as if it were not there."""
    if path.suffix.lower() in _DOCUMENTS:
        return contents(path)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def campaign_status(campaign: LoadedCampaign) -> CampaignStatus:
    """Return where a campaign stands, from its ledger alone, beside whoever works in it.

    InvalidInput where nothing of it was run.
    """
    loss = find_loss(campaign.request, campaign.name)
    if loss and not knows(campaign.request, campaign.name):
        return CampaignStatus(report=None, loss=loss)
    with open_to_read(campaign, "status") as ledger:
        reading = CampaignReading(campaign, ledger)
        tally = begin_tally(campaign)
        allowed = 0
        for record in _counting(select_records(reading), tally):
            allowed += _is_allowed(record, campaign)
        report = finish_report(reading, tally)
        at_work = is_at_work(campaign)
        if at_work:
            goes_on, todo = UNFINISHED - LEFT_OPEN, "the run at work goes on with it"
            groups = (
                replace(group, todo=todo, command="") if group.state in goes_on else group
                for group in report.groups
            )
            report = replace(report, groups=tuple(groups))
        return CampaignStatus(
            report=report,
            at_work=at_work,
            loss=loss,
            left_behind=ledger.find_left_behind(campaign.name),
            same_clips=ledger.same_clips(campaign.name),
            notable=ledger.notable(campaign.name),
            places=report.places,
            allowed_off_spec=allowed,
        )


def campaign_runs(campaign: LoadedCampaign) -> Sequence[RunRecord]:
    """Return the runs of a campaign, the oldest first; InvalidInput where nothing was run."""
    with open_to_read(campaign, "runs") as ledger:
        return ledger.runs(campaign.name)


def report_selection(campaign: LoadedCampaign, *, write: bool) -> Report:
    """Return the report of what is selected, from the ledger; `write` its files too."""
    with open_to_read(campaign, "report") as ledger:
        reading = CampaignReading(campaign, ledger)
        records, tally = select_records(reading), begin_tally(campaign)
        if write:
            return _write_all(reading, records, tally)
        deque(_counting(records, tally), maxlen=0)
        return finish_report(reading, tally, forecast=True)


def open_to_read(campaign: LoadedCampaign, verb: str) -> Ledger:
    """Open the ledger to read, beside whoever works in it; a usage fault if it knows nothing.

    Raises LedgerLost where there is none, and was one.
    """
    request = campaign.request
    known = knows(request, campaign.name, if_lost=True)
    ledger = Ledger.reader(request.where, kind=request.kind) if known else None
    if ledger is not None:
        return ledger
    hint = only_rehearsed(campaign, verb) or f"to run it: {request.command()}"
    raise usage(f"nothing of '{campaign.name}' was run in {request.home}", hint)


def only_rehearsed(campaign: LoadedCampaign, verb: str) -> str:
    """Return the command that was meant, where a campaign was rehearsed and never run."""
    request = campaign.request
    rehearsal = replace(request, rehearse=True)
    if request.rehearse or knows(request, campaign.name):
        return ""
    try:
        rehearsed = knows(rehearsal, campaign.name)
    except RootRefused:
        return ""
    return f"it was rehearsed: {rehearsal.command(verb)}" if rehearsed else ""


def select_records(reading: CampaignReading) -> Iterator[Record]:
    """Yield the ledger's items that the command line selects, as they stand.

    InvalidInput where the selection asks for what a table knows that cannot be read.
    """
    campaign = reading.campaign
    matcher = campaign.matcher()
    if matcher and matcher.needs_rows and has_errors(campaign.findings):
        raise InvalidInput(campaign.findings, campaign.sources)
    return matching_records(reading.records(), matcher, campaign.sources)


def count_allowed(ledger: Ledger, campaign: LoadedCampaign, *, shared: bool = False) -> int:
    """Count the clips off spec that are no failure, of what the last plan selected.

    A person approved them; or `--locked` asks for all that places with a loop had, and judges none.
    Those of a loop without it are counted with their places. One that items share counts once, or,
    if `shared`, for each.
    """
    records = CampaignReading(campaign, ledger).records()
    return sum(
        each.selected and (shared or not each.shared_with) and _is_allowed(each, campaign)
        for each in records
    )


def _is_allowed(record: Record, campaign: LoadedCampaign) -> bool:
    """Tell whether a clip off spec is no failure, beside those of places."""
    if record.state != State.OFF_SPEC:
        return False
    if record.shot in campaign.manifest.budget.accepts:
        return campaign.request.locked
    return record.review in APPROVALS


def write_report(
    ledger: Ledger,
    campaign: LoadedCampaign,
    elapsed_s: float | None = None,
    *,
    since: datetime | None = None,
) -> Report:
    """Write the files of the whole campaign's report; return the report of what was asked for.

    The ledger knows what that was: a selection may have meant other items before the run. The
    clips that are named are those that came `since` then, where that is given.
    """
    whole = replace(campaign, request=campaign.request.without_selection())
    reading, asked = CampaignReading(whole, ledger), begin_tally(campaign, since)
    records = reading.records()
    if campaign.request.selects:
        records = _counting(records, asked, selected=True)
    made = _write_all(reading, records, begin_tally(campaign, since), elapsed_s)
    if not campaign.request.selects:
        return made
    part = replace(reading, campaign=campaign)
    return replace(finish_report(part, asked, elapsed_s=elapsed_s), forecast=made.forecast)


def _write_all(
    reading: CampaignReading,
    records: Iterator[Record],
    tally: ReportTally,
    elapsed_s: float | None = None,
) -> Report:
    """Write every file in one pass over the ledger; return the report."""
    campaign, due = reading.campaign, set[str]()
    folder = str(campaign.folder)
    with collector_paused(), ReportFiles(campaign) as files:
        for record in _counting(records, tally):
            files.add(record)
            if is_sidecar_due(folder, record):
                due.add(record.address)
        made = finish_report(reading, tally, elapsed_s=elapsed_s, forecast=True)
        files.finish(made)
    if due:
        # Of clips that are new, what they were bought as is read too, which no report tells.
        works = reading.ledger.records(campaign.name, works=True)
        write_sidecars(campaign, (record for record in works if record.address in due))
    return made


def _counting(
    records: Iterable[Record], tally: ReportTally, *, selected: bool = False
) -> Iterator[Record]:
    """Yield the records, and count them; `selected`: those alone that the run was asked for."""
    for record in records:
        if record.selected or not selected:
            tally.add(record)
        yield record


def begin_tally(campaign: LoadedCampaign, since: datetime | None = None) -> ReportTally:
    """Return what counts a campaign's records for its report, with the groups of its rows."""
    groups = {table.name: row_groups(table) for table in campaign.manifest.tables.values()}
    of_shots = tables_of(campaign.manifest)
    return ReportTally(
        since=since, row_groups={shot: groups[table.name] for shot, table in of_shots.items()}
    )


def _forecast(reading: CampaignReading) -> CampaignForecast | None:
    if not reading.places or has_errors(reading.campaign.findings):
        return None
    from pipeline.api.forecasts import forecast_places  # noqa: PLC0415 - seldom needed

    return forecast_places(reading.campaign, reading.places)


def finish_report(
    reading: CampaignReading,
    tally: ReportTally,
    *,
    elapsed_s: float | None = None,
    forecast: bool = False,
) -> Report:
    """Return the report of the records that were counted, once all of them were read.

    With `forecast` it tells how the whole campaign is expected to end, if that is known.
    """
    campaign, ledger = reading.campaign, reading.ledger
    request = campaign.request
    places = [p for p in reading.places if not request.selects or p.address in tally.places]
    made = tally.report(
        ReportHead(
            campaign=campaign.name,
            made_at=datetime.now(UTC),
            manifest=encodable(str(request.manifest)),
            root=encodable(str(request.home / campaign.name)),
            command=encodable(request.command()),
            profile=request.profile_name,
            rehearsal=request.rehearse,
            elapsed_s=elapsed_s,
            selection=encodable(_selection(campaign)),
            committed_usd=ledger.committed_usd(campaign.name),
            prices=tuple(price_lines(ledger.prices(campaign.name))),
            lifetime=None if request.selects else reading.lifetime,
            places=places,
            forecast=_forecast(reading) if forecast else None,
        )
    )
    # Beside a selection's money stands that of other items, not only of earlier plans.
    return replace(made, earlier_usd=Decimal(0)) if request.selects else made


def _selection(campaign: LoadedCampaign) -> str:
    """Return what a run is told that goes on with the same items, at the same provider."""
    request = campaign.request
    maker = shlex.join(["--provider", request.provider]) if request.provider else ""
    if not request.selects:
        return maker
    # What is selected by where it stands would mean other items after the run.
    lasting = campaign.selection().lasting
    chosen = shlex.join(request.selection_words) if lasting else "--select state:{state}"
    return f"{chosen} {maker}".strip()
