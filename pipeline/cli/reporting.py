"""What came of a campaign: the report's files, and the summary at the end of a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import TerminalConsole
from pipeline.cli.options import (
    CampaignOptions,
    Exclude,
    Limit,
    ManifestPath,
    Overrides,
    Profile,
    Rehearse,
    Root,
    Select,
    command_line,
    usage,
)
from pipeline.cli.prices import price_lines
from pipeline.cli.project import project_of
from pipeline.cli.report_files import write_files, written_files
from pipeline.cli.roots import knows
from pipeline.cli.selecting import as_typed, selection_of, sifted
from pipeline.domain import Record
from pipeline.domain.states import State
from pipeline.errors import InvalidInput, RootRefused
from pipeline.findings import has_errors
from pipeline.foreign_text import encodable
from pipeline.ledger.repository import Ledger
from pipeline.report.summary import Report, summarise
from pipeline.report.terminal import show_summary


@app.command(epilog="Example: callsheet report manifests/spring-sneakers/campaign.yaml --rehearse")
def report(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    root: Root = None,
    rehearse: Rehearse = False,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
    write: Annotated[
        bool | None,
        typer.Option(help="Write the report's files too; so it does, unless items are selected."),
    ] = None,
) -> None:
    """Write the report of a campaign again, from the ledger."""
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        rehearse=rehearse,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
    )
    campaign = open_campaign(asked)
    writes = write if write is not None else not asked.selects
    with opened(campaign, "report") as ledger:
        made = summary(selected(ledger, campaign), campaign, ledger)
        if writes:
            write_files(made, campaign, lambda: selected(ledger, campaign))
    show_summary(TerminalConsole(), made, written_files(campaign) if writes else ())


def opened(campaign: Campaign, verb: str) -> Ledger:
    """Open the ledger to read, beside whoever works in it; a usage fault if it knows nothing.

    Raises LedgerLost where there is none, and was one.
    """
    asked = campaign.asked
    known = knows(asked, campaign.name, if_lost=True)
    ledger = Ledger.reader(asked.home, kind=asked.kind) if known else None
    if ledger is not None:
        return ledger
    raise usage(
        f"nothing of '{campaign.name}' was run in {asked.home}", only_rehearsed(campaign, verb)
    )


def only_rehearsed(campaign: Campaign, verb: str) -> str:
    """Return the command that was meant, where a campaign was rehearsed and never run."""
    asked = campaign.asked
    rehearsal = replace(asked, rehearse=True)
    if asked.rehearse or knows(asked, campaign.name):
        return ""
    try:
        rehearsed = knows(rehearsal, campaign.name)
    except RootRefused:
        return ""
    return f"it was rehearsed: {command_line(rehearsal, verb)}" if rehearsed else ""


def selected(ledger: Ledger, campaign: Campaign) -> Iterator[Record]:
    """Yield the ledger's items that the command line selects, as they stand.

    InvalidInput where the selection asks for what a table knows that cannot be read.
    """
    sieve = campaign.sieve()
    if sieve and sieve.needs_rows and has_errors(campaign.findings):
        raise InvalidInput(campaign.findings, campaign.sources)
    return sifted(ledger.records(campaign.name), sieve, campaign.sources)


def write_report(ledger: Ledger, campaign: Campaign, elapsed_s: float | None = None) -> Report:
    """Write the files of the whole campaign's report; return the report of what was asked for.

    The ledger knows what that was: a selection may have meant other items before the run.
    """
    whole = replace(campaign, asked=replace(campaign.asked, select=(), exclude=(), limit=None))
    made = summary(ledger.records(campaign.name), whole, ledger, elapsed_s)
    write_files(made, campaign, lambda: ledger.records(campaign.name))
    if not campaign.asked.selects:
        return made
    return summary(ledger.records(campaign.name, selected=True), campaign, ledger, elapsed_s)


def summary(
    records: Iterator[Record], campaign: Campaign, ledger: Ledger, elapsed_s: float | None = None
) -> Report:
    """Return the report of these records of a campaign."""
    asked = campaign.asked
    made = summarise(
        records,
        campaign=campaign.name,
        now=datetime.now(UTC),
        manifest=encodable(str(asked.manifest)),
        root=encodable(str(asked.home / campaign.name)),
        command=encodable(command_line(asked)),
        profile=asked.profile_name,
        rehearsal=asked.rehearse,
        elapsed_s=elapsed_s,
        selection=encodable(_selection(campaign)),
        committed_usd=ledger.committed_usd(campaign.name),
        prices=tuple(price_lines(ledger.prices(campaign.name))),
    )
    # Beside a selection's money stands that of other items, not only of earlier plans.
    return replace(made, earlier_usd=Decimal(0)) if asked.selects else made


def _selection(campaign: Campaign) -> str:
    """Return what a run is told that goes on with the same items, at the same provider."""
    asked = campaign.asked
    maker = shlex.join(["--provider", asked.provider]) if asked.provider else ""
    if not asked.selects:
        return maker
    lasting = selection_of(asked, campaign.manifest, campaign.sources).lasting
    chosen = shlex.join(as_typed(asked)) if lasting else "--select state:{state}"
    return f"{chosen} {maker}".strip()


def same_clips(groups: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a warning for each file that several works received: at most one of them made it."""
    for addresses in groups:
        shown = ", ".join(addresses[:_SAME_SHOWN])
        more = len(addresses) - _SAME_SHOWN
        named = f"{shown} and {more} more" if more > 0 else shown
        yield f"warning: one and the same file was received for {named}: look at each of them"


_SAME_SHOWN = 4


def left_behind(sent: Iterable[tuple[str, str, State]], settle: str = "") -> Iterator[str]:
    """Yield what to say of each task that an earlier plan sent; `settle` is what would help."""
    for address, provider, state in sent:
        told = f"{address} was sent to {provider} for an earlier plan, and is"
        todo = f"; to settle it: {settle}" if settle else ""
        yield f"left behind: {told} {state.replace('_', ' ')}{todo}"
