"""`run`: plan, ask, make, report. Running it again continues; a finished campaign is a no-op."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import typer
from rich.console import Console

from pipeline.cli.amounts import counted_items, priced
from pipeline.cli.app import app
from pipeline.cli.buying_again import open_for_purchases
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import TerminalConsole
from pipeline.cli.exits import Leave
from pipeline.cli.interrupts import stopping_in_order
from pipeline.cli.lanes import (
    access_faults,
    missing_fallbacks,
    providers_at_work,
    variables_of,
)
from pipeline.cli.options import (
    AdoptRoot,
    BaseUrls,
    BuyAgain,
    CampaignOptions,
    Chaos,
    EnvFile,
    Exclude,
    Limit,
    ManifestPath,
    MaxCost,
    Overrides,
    Profile,
    ProviderName,
    Quiet,
    Rehearse,
    Retry,
    Root,
    RunOptions,
    Scenario,
    Select,
    SpendLimit,
    Yes,
    causes,
    command_line,
    dollars,
    usage,
)
from pipeline.cli.planning import admitted, told
from pipeline.cli.project import project_of
from pipeline.cli.rehearsal import checked
from pipeline.cli.report_files import has_report, written_files
from pipeline.cli.reporting import left_behind, same_clips, write_report
from pipeline.cli.roots import person_is_there
from pipeline.domain import Budget
from pipeline.domain.states import Exit, Status
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.report.terminal import show_summary
from pipeline.run.plan_sync import PlanSummary

_NOT_THERE = (Status.FAILED, Status.OFF_SPEC, Status.ABANDONED)


@app.command(epilog="Example: callsheet run manifests/spring-sneakers/campaign.yaml --rehearse")
def run(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    provider: ProviderName = "",
    root: Root = None,
    rehearse: Rehearse = False,
    yes: Yes = False,
    max_cost: MaxCost = None,
    buy_again: BuyAgain = None,
    retry: Retry = None,
    env_file: EnvFile = None,
    base_url: BaseUrls = None,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
    scenario: Scenario = None,
    chaos: Chaos = 0.0,
    quiet: Quiet = False,
    adopt_root: AdoptRoot = False,
) -> None:
    """Make every clip of a manifest that is not there yet, once, and report."""
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        provider=provider,
        root=root,
        adopt_root=adopt_root,
        rehearse=rehearse,
        env_file=env_file,
        base_urls=tuple(base_url or ()),
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
    )
    if not rehearse and (scenario is not None or chaos):
        raise usage("--scenario and --chaos make the sandbox misbehave: they need --rehearse")
    if scenario is not None:
        checked(scenario)
    job = RunOptions(
        asked=asked,
        spending=SpendLimit(
            yes=yes,
            max_cost_usd=None if max_cost is None else dollars(max_cost),
            buy_again_usd=None if buy_again is None else dollars(buy_again, "--buy-again"),
        ),
        retry=causes(retry),
        scenario=scenario,
        chaos=chaos,
        quiet=quiet,
    )
    raise Leave(make(job))


def make(job: RunOptions) -> Exit:
    """Run one campaign from manifest to report, and return the exit code."""
    console = TerminalConsole(quiet=job.quiet)
    campaign = open_campaign(job.asked)
    job = replace(job, asked=campaign.asked)
    with open_for_purchases(job, campaign) as ledger:
        admission = admitted(campaign, ledger, retried=job.retry)
        asking = _asking(job, admission)
        # What a person is asked about is seen, however quiet the run is to be.
        told(admission, campaign, asking or console, job.spending)
        if not _work(admission):
            if admission.changed or not has_report(campaign):
                write_report(ledger, campaign)
            return _nothing_to_do(admission, job.asked, console)
        job = _provided(job, admission, campaign, asking)
        agreed = _agreed(job, admission, campaign.manifest.budget, asking)
        began = time.monotonic()
        from pipeline.cli.making import made  # noqa: PLC0415 - slow to load, seldom needed

        buys = agreed is not None
        with stopping_in_order() as stops:
            outcome = made(
                agreed or job, campaign, admission, ledger, console, stops=stops, buys=buys
            )
            report = write_report(ledger, campaign, elapsed_s=time.monotonic() - began)
            show_summary(console, report, written_files(campaign))
            settle = command_line(job.asked, "reconcile")
            left = left_behind(ledger.left_behind(campaign.name), settle)
            for line in (*same_clips(ledger.same_clips(campaign.name)), *left):
                console.print(line, markup=False, soft_wrap=True)
        code = Exit(outcome.exit_code)
        return stops.exit if code is Exit.INTERRUPTED else code


def _nothing_to_do(admission: PlanSummary, asked: CampaignOptions, console: Console) -> Exit:
    """Say so, and return the exit code: what failed before is no success for being old."""
    left = {
        status: sum(line.items for line in admission.lines if line.stands is status)
        for status in _NOT_THERE
    }
    there = counted_items(admission.selected - sum(left.values()))
    verb = "is" if there.startswith("1 ") else "are"
    others = "".join(f", {n} {status.replace('_', ' ')}" for status, n in left.items() if n)
    console.print(f"nothing to do: {there} {verb} there{others}; no request was sent")
    if not others:
        return Exit.OK
    console.print(f"to see why: {command_line(asked, 'status')}", soft_wrap=True)
    return Exit.FAILURES


def _work(admission: PlanSummary) -> bool:
    mends = admission.restore or admission.damaged_clips
    return bool(admission.to_make.items or mends or admission.unsettled)


def _limited(job: RunOptions, budget: Budget) -> bool:
    return budget.limit_usd is not None or job.spending.max_cost_usd is not None


def _asking(job: RunOptions, admission: PlanSummary) -> TerminalConsole | None:
    """Return where a person is asked who is there; None where nobody is to be asked."""
    consented = job.spending.yes or job.spending.buy_again_usd is not None
    unasked = job.asked.rehearse or consented or not admission.to_make.items
    if unasked or not person_is_there():
        return None
    # With its output in a file, a person sees what goes to standard error.
    return TerminalConsole(stderr=not sys.stdout.isatty() and sys.stderr.isatty())


def _provided(
    job: RunOptions, admission: PlanSummary, campaign: Campaign, asking: TerminalConsole | None
) -> RunOptions:
    """Return the job with its keys read; InvalidInput with all that keeps it from beginning.

    Keys, addresses, a limit, a person to ask: whoever agrees to a sum has a run that can begin.
    """
    if job.asked.rehearse:
        return job
    faults: list[Finding] = []
    try:
        job = replace(job, variables=variables_of(job))
    except InvalidInput as fault:
        # Whose keys it has is not known: of them nothing is told.
        faults += fault.findings
        job = replace(job, variables=os.environ)
        names = frozenset[str]()
    else:
        names = providers_at_work(job, admission)
    faults += access_faults(job, campaign, names)
    if admission.to_make.items:
        faults += _unagreed(job, campaign.manifest.budget, asking)
    if faults:
        raise InvalidInput(faults, campaign.sources)
    if asking is not None:
        for name, why in missing_fallbacks(job, campaign, names).items():
            asking.print(f"nothing would go to {name} instead: {why}", soft_wrap=True)
    return job


def _unagreed(job: RunOptions, budget: Budget, asking: TerminalConsole | None) -> Sequence[Finding]:
    """Return why nobody can agree to what is to be bought."""
    if job.spending.buy_again_usd is not None:
        return ()
    if job.spending.yes:
        limited = _limited(job, budget)
        return () if limited else usage(_NO_LIMIT).findings
    return () if asking else usage(_NOBODY).findings


_NO_LIMIT = "--yes needs a limit: `budget: {limit: …}` or --max-cost"
_NOBODY = "nobody is there to ask: say --yes with a limit, or --rehearse"


def _agreed(
    job: RunOptions, admission: PlanSummary, budget: Budget, asking: TerminalConsole | None
) -> RunOptions | None:
    """Ask before money is spent, or leave: nothing is bought that nobody agreed to.

    Return the job with what may be spent; None if nothing may: where nothing is to be made nobody
    is asked, and what fails while it is collected is not bought again either.
    """
    if job.spending.buy_again_usd is not None:
        return _capped(job, job.spending.buy_again_usd)
    if job.asked.rehearse or (job.spending.yes and _limited(job, budget)):
        return job
    buys = admission.to_make
    if asking is None or not buys.items:
        return None
    asking.print(f"This spends real money: {priced(buys)}.")
    if not typer.confirm("Make it?", default=False, err=asking.stderr):
        raise Leave(Exit.STOPPED)
    return job if buys.unpriced else _capped(job, buys.high_usd)


def _capped(job: RunOptions, agreed_usd: Decimal) -> RunOptions:
    """Return the job that spends no more than a person agreed to: a fallback may cost more."""
    return replace(job, spending=replace(job.spending, agreed_usd=agreed_usd))
