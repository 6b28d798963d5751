"""`run`: plan, ask, make, report. Running it again continues; a finished campaign is a no-op."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import typer
from rich.console import Console

from pipeline.cli.amounts import counted_items
from pipeline.cli.app import app
from pipeline.cli.campaign import open_campaign
from pipeline.cli.exits import Exit, Leave
from pipeline.cli.options import (
    DEFAULT_ROOT,
    Asked,
    BaseUrls,
    Chaos,
    EnvFile,
    Exclude,
    Job,
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
    Scenario,
    Select,
    Spending,
    Yes,
    causes,
    dollars,
    usage,
)
from pipeline.cli.planning import admitted, priced, told
from pipeline.cli.rehearsal import checked
from pipeline.cli.report_files import has_report, written_files
from pipeline.cli.reporting import asked_again, left_behind, same_clips, write_report
from pipeline.model import Budget
from pipeline.report import show_summary
from pipeline.run import Admission, Ledger, Status, Totals

_NOT_THERE = (Status.FAILED, Status.OFF_SPEC, Status.ABANDONED)


@app.command(epilog="Example: callsheet run manifests/spring-sneakers/campaign.yaml --rehearse")
def run(
    manifest: ManifestPath,
    profile: Profile = "",
    overrides: Overrides = None,
    provider: ProviderName = "",
    root: Root = DEFAULT_ROOT,
    rehearse: Rehearse = False,
    yes: Yes = False,
    max_cost: MaxCost = None,
    retry: Retry = None,
    env_file: EnvFile = None,
    base_url: BaseUrls = None,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
    scenario: Scenario = None,
    chaos: Chaos = 0.0,
    quiet: Quiet = False,
) -> None:
    """Make every clip of a manifest that is not there yet, once, and report."""
    asked = Asked(
        manifest=manifest,
        profile=profile,
        overrides=tuple(overrides or ()),
        provider=provider,
        root=root,
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
    job = Job(
        asked=asked,
        spending=Spending(yes=yes, max_cost_usd=None if max_cost is None else dollars(max_cost)),
        retry=causes(retry),
        scenario=scenario,
        chaos=chaos,
        quiet=quiet,
    )
    raise Leave(make(job))


def make(job: Job) -> Exit:
    """Run one campaign from manifest to report, and return the exit code."""
    console = Console(highlight=False, quiet=job.quiet)
    campaign = open_campaign(job.asked)
    with Ledger.open(job.asked.home) as ledger:
        admission = admitted(campaign, ledger)
        told(admission, campaign, console)
        if not _work(admission, job):
            if admission.changed or not has_report(campaign):
                write_report(ledger, campaign)
            return _nothing_to_do(admission, job.asked, console)
        agreed = _agreed(job, admission, campaign.manifest.budget, console)
        began = time.monotonic()
        from pipeline.cli.making import made  # noqa: PLC0415 - slow to load, seldom needed

        buys = agreed is not None
        outcome = made(agreed or job, campaign, admission, ledger, console, buys=buys)
        report = write_report(ledger, campaign, elapsed_s=time.monotonic() - began)
        show_summary(console, report, written_files(campaign))
        settle = asked_again(job.asked, "reconcile")
        left = left_behind(ledger.left_behind(campaign.name), settle)
        for line in (*same_clips(ledger.same_clips(campaign.name)), *left):
            console.print(line, markup=False, soft_wrap=True)
        return Exit(outcome.exit_code)


def _nothing_to_do(admission: Admission, asked: Asked, console: Console) -> Exit:
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
    console.print(f"to see why: {asked_again(asked, 'status')}", soft_wrap=True)
    return Exit.FAILURES


def _work(admission: Admission, job: Job) -> bool:
    buys = admission.to_buy(job.retry).items
    mends = admission.restore or admission.damaged_clips
    return bool(buys or mends or admission.unsettled)


def _agreed(job: Job, admission: Admission, budget: Budget, console: Console) -> Job | None:
    """Ask before money is spent, or leave: nothing is bought that nobody agreed to.

    Return the job with what may be spent; None if nothing may: where nothing is to be made nobody
    is asked, and what fails while it is collected is not bought again either.
    """
    limited = budget.limit_usd is not None or job.spending.max_cost_usd is not None
    if job.asked.rehearse or (job.spending.yes and limited):
        return job
    buys = admission.to_buy(job.retry)
    if not buys.items:
        return None
    if job.spending.yes:
        raise usage("--yes needs a limit: `budget: {limit: …}` or --max-cost")
    if sys.stdin is None or not sys.stdin.isatty():
        raise usage("nobody is there to ask: say --yes with a limit, or --rehearse")
    console.print(f"This spends real money: {priced(buys)}.")
    if not typer.confirm("Make it?", default=False):
        raise Leave(Exit.STOPPED)
    return _capped(job, buys)


def _capped(job: Job, agreed: Totals) -> Job:
    """Return the job that spends no more than a person agreed to: a fallback may cost more."""
    if agreed.unpriced:
        return job
    caps = [agreed.high_usd, job.spending.max_cost_usd]
    cap = min(cap for cap in caps if cap is not None)
    return replace(job, spending=replace(job.spending, max_cost_usd=cap))
