"""`run`: plan, ask, make, report. Running it again continues; a finished campaign is a no-op."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

import typer

from pipeline.api.campaign_plan import (
    has_work,
    lacks_prices,
    require_admitted,
    sync_campaign,
)
from pipeline.api.campaign_report import count_allowed, write_report
from pipeline.api.campaign_request import (
    NO_LIMIT,
    CampaignRequest,
    RunSettings,
    engine_asked,
    store_asked,
    usage,
)
from pipeline.api.forecasts import find_forecast, record_forecast
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import write_lock_file
from pipeline.api.locked_run import require_locked
from pipeline.api.loss_consent import (
    NothingLost,
    PurchasesRefused,
    open_for_purchases,
    require_consent,
)
from pipeline.api.money_text import item_count, price_text
from pipeline.api.places import read_places
from pipeline.api.report_files import is_report_current, report_paths
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import confirm, person_is_there, print_error
from pipeline.cli.interrupts import stopping_in_order
from pipeline.cli.loss_text import print_absent, print_loss
from pipeline.cli.options import (
    AccessOptions,
    CampaignOptions,
    Chaos,
    ProviderOptions,
    Quiet,
    RunForm,
    Scenario,
    SelectionOptions,
    SpendOptions,
    Telling,
    WorkOptions,
    command_app,
    with_options,
)
from pipeline.cli.place_text import place_lines
from pipeline.cli.plan_text import leftover_lines, plan_table, print_plan, same_clip_lines
from pipeline.cli.run_page import RunPage
from pipeline.cli.run_text import print_event, run_sentence
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit, State, Status, exit_code_for
from pipeline.errors import InvalidInput
from pipeline.ledger.repository import Ledger
from pipeline.report.event_lines import end_event
from pipeline.report.figures import count_text
from pipeline.report.forecast_text import forecast_lines
from pipeline.report.terminal import show_summary
from pipeline.run.plan_sync import PlanSummary

app = command_app()
_NOT_THERE = (Status.FAILED, Status.OFF_SPEC, Status.ABANDONED)
_NOBODY = "nobody is there to ask: say --yes with a limit, or --rehearse"


@app.command(epilog="Example: callsheet run manifests/spring-sneakers/campaign.yaml --rehearse")
@with_options
def run(
    options: CampaignOptions,
    maker: ProviderOptions,
    spend: SpendOptions,
    access: AccessOptions,
    selection: SelectionOptions,
    work: WorkOptions,
    scenario: Scenario = None,
    chaos: Chaos = 0.0,
    quiet: Quiet = False,
    form: Telling = RunForm.TEXT,
    locked: Annotated[
        bool,
        typer.Option(
            "--locked",
            help="Want exactly what the lock file has, from ledger and store; buy nothing.",
        ),
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="ADDRESS",
            help="Let the machines of a Ray cluster work: ray://HOST:PORT; else as callsheet.toml"
            " says, or this machine.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="ADDRESS",
            help="The store (a folder or s3://…) through which the machines of --engine get"
            " references and give clips; else as callsheet.toml says, or they share a disk.",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Serve the report's page meanwhile: it is kept up to date."),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port of --watch; 0 takes a free one.")
    ] = 0,
) -> None:
    """Make every clip of a manifest that is not there yet, once, and report.

    With --watch the report's page is served on this machine while the run goes on: it shows what
    came, and clips are looked at and decided on at once. At a terminal it stays when the run has
    ended, until Ctrl-C; the exit code is the run's.
    """
    more = {"locked": locked, "engine": engine, "store": store}
    request = request_of(options, maker, access, selection, work, **more)
    if locked and (spend.buy_again is not None or spend.retry):
        raise usage("--locked buys nothing: leave --buy-again and --retry out")
    if not request.rehearse and (scenario is not None or chaos):
        raise usage("--scenario and --chaos make the sandbox misbehave: they need --rehearse")
    if scenario is not None:
        from pipeline.api.rehearsal import require_scenario  # noqa: PLC0415 - slow to load

        require_scenario(scenario)
    settings = RunSettings(
        spending=spend.spending,
        retry=spend.causes,
        scenario=scenario,
        chaos=chaos,
    )
    store_asked(request)
    if port and not watch:
        raise usage("--port is the port of --watch")
    page = RunPage(port) if watch else None
    raise typer.Exit(run_campaign(request, settings, quiet=quiet, form=form, page=page))


Admit = Callable[[LoadedCampaign], LoadedCampaign]
"""Says of a campaign, once nobody else can write to its ledger, what of it is run; or raises."""


def run_campaign(
    request: CampaignRequest,
    settings: RunSettings,
    *,
    quiet: bool = False,
    form: RunForm = RunForm.TEXT,
    admit: Admit = lambda campaign: campaign,
    page: RunPage | None = None,
) -> Exit:
    """Run one campaign from manifest to report, and return the exit code.

    As ndjson only events go to standard output, the last of them the exit code; words go to
    standard error. `page` is served meanwhile, and left to whoever looks at it.
    """
    console = TerminalConsole(quiet=quiet, stderr=form is RunForm.NDJSON)
    with page or nullcontext():
        try:
            code = _run_in_words(request, settings, RunView(console, form, page), admit)
        except typer.Exit as left:
            if form is RunForm.NDJSON:
                print_event(end_event(left.exit_code, settings.clock.now()))
            raise
        if form is RunForm.NDJSON:
            print_event(end_event(code, settings.clock.now()))
        if page is not None:
            page.stay(code)
    return code


@dataclass(frozen=True, slots=True)
class RunView:
    """Where a run is seen."""

    console: TerminalConsole
    form: RunForm
    page: RunPage | None


def _run_in_words(
    request: CampaignRequest, settings: RunSettings, view: RunView, admit: Admit
) -> Exit:
    aside = view.form is RunForm.NDJSON
    if engine_asked(request):
        from pipeline.api.node_worker import engine_address  # noqa: PLC0415 - slow to load

        # Told before anybody is asked for money.
        engine_address(request)
    campaign = open_campaign(request)
    try:
        with open_for_purchases(campaign, settings, notify=print_error) as (ledger, loss):
            if loss is not None:
                print_loss(loss, campaign.request)
            return _plan_and_make(admit(campaign), settings, ledger, view)
    except PurchasesRefused as refused:
        # What was paid, and what it would cost to buy it again, is told however quiet the run is.
        console, buys = TerminalConsole(stderr=aside), refused.summary.to_make
        if buys.items:
            console.print_table(plan_table(refused.summary))
        if refused.given_usd is not None:
            given, sum_ = exact_usd(refused.given_usd), exact_usd(buys.high_usd)
            console.print_line(f"--buy-again {given} is not the sum: it is {sum_}")
        if refused.loss is None:
            print_absent(refused.summary, campaign.request)
        else:
            print_loss(refused.loss, campaign.request, buys)
        return Exit.STOPPED
    except NothingLost as nothing:
        TerminalConsole(stderr=aside).print_line(str(nothing))
        return Exit.STOPPED


def _plan_and_make(
    campaign: LoadedCampaign,
    settings: RunSettings,
    ledger: Ledger,
    view: RunView,
) -> Exit:
    console = view.console
    summary = sync_campaign(campaign, ledger, retried=settings.retry)
    if not campaign.request.rehearse and lacks_prices(summary):
        from pipeline.api.quotes import ask_open_prices  # noqa: PLC0415 - slow to load

        # Then planned again: limits, consent and reservations go by the prices that were named.
        settings = ask_open_prices(campaign, settings, ledger, console.print_line)
        summary = sync_campaign(campaign, ledger, retried=settings.retry)
    if summary.damaged_clips and store_asked(campaign.request):
        from pipeline.api.shared_clips import fetch_gone  # noqa: PLC0415 - seldom needed

        if fetched := fetch_gone(campaign.request, summary.damaged_clips):
            console.print_line(f"put back from the shared store: {count_text(fetched, 'clip')}")
            summary = sync_campaign(campaign, ledger, retried=settings.retry)
    require_admitted(summary, campaign)
    if campaign.request.locked:
        require_locked(campaign, summary, ledger)
    summary = require_consent(campaign, settings, summary, ledger)
    asking = _asking(settings, campaign.request, summary, view.form)
    # What a person is asked about is seen, however quiet the run is to be.
    print_plan(summary, campaign, asking or console, settings.spending)
    if forecast := find_forecast(campaign, ledger):
        (asking or console).print_lines(forecast_lines(forecast))
        record_forecast(campaign, forecast, settings.clock.now())
    # The lock file is written also then: it may have been deleted since the last run.
    if not has_work(summary):
        write_lock_file(ledger, campaign.request, campaign.name)
        if summary.changed or not is_report_current(campaign):
            write_report(ledger, campaign)
        code = _print_nothing_to_do(summary, campaign, ledger, console)
        if summary.places:
            places = read_places(campaign, ledger)
            console.print_lines(place_lines(places, summary.places, campaign.request))
        return code
    settings = _with_keys(settings, summary, campaign, asking)
    agreed = _agree(settings, campaign, summary, asking)
    return _make_and_report(
        campaign,
        agreed or settings,
        ledger,
        summary,
        view=view,
        buys=agreed is not None,
    )


def _make_and_report(
    campaign: LoadedCampaign,
    settings: RunSettings,
    ledger: Ledger,
    summary: PlanSummary,
    *,
    view: RunView,
    buys: bool,
) -> Exit:
    """Make what was agreed to, watched; report it, and tell the team; return the exit code."""
    from pipeline.api.provider_access import providers_at_work  # noqa: PLC0415 - the same
    from pipeline.api.run_handle import RunScope  # noqa: PLC0415 - slow to load, seldom needed
    from pipeline.api.run_start import run_start  # noqa: PLC0415 - the same
    from pipeline.cli.watching import watch_run  # noqa: PLC0415 - the same

    console, form = view.console, view.form
    if view.page is not None:
        view.page.open(campaign, stderr=console.stderr)
    began, since = time.monotonic(), settings.clock.now()
    names = providers_at_work(settings, campaign, summary)
    standby = summary.fallbacks - names
    scope = RunScope(ledger=ledger, providers=names, standby=standby, buys=buys)
    # Until here nothing was bought, and a signal ended the process: now it stops in order.
    with stopping_in_order() as stops:
        try:
            start = run_start(campaign, settings, ledger, summary)
            watching = watch_run(
                campaign, settings, scope, start=start, console=console, stops=stops, form=form
            )
            outcome = asyncio.run(watching)
        finally:
            # Also what a run that was interrupted has made was paid for.
            write_lock_file(ledger, campaign.request, campaign.name)
        elapsed_s = time.monotonic() - began
        report = write_report(ledger, campaign, elapsed_s, since=since)
        committed = exact_usd(outcome.committed_usd)
        # On a server another one may have begun since.
        own = next(each for each in ledger.runs(campaign.name) if each.id == outcome.run_id)
        this_run = run_sentence(own, landed=outcome.landed, committed=committed)
        show_summary(console, report, report_paths(campaign), run=this_run)
        console.print_lines(same_clip_lines(ledger.same_clips(campaign.name)))
        settle = campaign.request.command("reconcile")
        console.print_lines(leftover_lines(ledger.find_left_behind(campaign.name), settle))
        if outcome.places:
            places = read_places(campaign, ledger)
            console.print_lines(place_lines(places, outcome.places, campaign.request))
        code = Exit(outcome.exit_code)
        # A run knows only that it was interrupted; SIGTERM and SIGHUP have a code of their own.
        code = stops.exit if code is Exit.INTERRUPTED else code
        if campaign.request.project.hooks:
            from pipeline.api.hooks import call_hook, hook_facts  # noqa: PLC0415 - seldom needed

            facts = hook_facts(campaign, report, outcome, code)
            if fault := call_hook(campaign, facts, os.environ):
                print_error(fault)
    return code


def _print_nothing_to_do(
    summary: PlanSummary, campaign: LoadedCampaign, ledger: Ledger, console: TerminalConsole
) -> Exit:
    """Say so, and return the exit code: what failed before is no success for being old."""
    places = summary.places
    # Of places that have a loop, a take that failed is told as what it is: one of several.
    looped = Counter[str]()
    for (state, _), items in places.ended_badly.items() if places else ():
        looped[state] += items
    if any(line.stands is Status.OFF_SPEC for line in summary.lines):
        looped[State.OFF_SPEC] += count_allowed(ledger, campaign, shared=True)
    left = {
        status: sum(line.items for line in summary.lines if line.stands is status) - looped[status]
        for status in _NOT_THERE
    }
    there = item_count(summary.selected - sum(left.values()))
    verb = "is" if there.startswith("1 ") else "are"
    others = "".join(f", {n} {status.replace('_', ' ')}" for status, n in left.items() if n)
    console.print(f"nothing to do: {there} {verb} there{others}; no request was sent")
    if not others:
        return exit_code_for(
            {},
            gave_up=bool(places and places.gave_up),
            waits=bool(places and places.goes_on),
        )
    console.print_line(f"to see why: {campaign.request.command('status')}")
    return Exit.FAILURES


def _asking(
    settings: RunSettings, request: CampaignRequest, summary: PlanSummary, form: RunForm
) -> TerminalConsole | None:
    """Return where a person is asked who is there; None where nobody is to be asked."""
    consented = settings.spending.yes or settings.spending.buy_again_usd is not None
    unasked = request.rehearse or consented or not summary.to_make.items
    if unasked or not person_is_there():
        return None
    # With its output in a file, a person sees what goes to standard error.
    seen = sys.stdout.isatty() and form is RunForm.TEXT
    return TerminalConsole(stderr=not seen and sys.stderr.isatty())


def _with_keys(
    settings: RunSettings,
    summary: PlanSummary,
    campaign: LoadedCampaign,
    asking: TerminalConsole | None,
) -> RunSettings:
    """Return the settings with keys; InvalidInput with all that keeps the run from beginning.

    Keys, addresses, a limit, a person to ask: whoever agrees to a sum has a run that can begin.
    """
    if campaign.request.rehearse:
        return settings
    from pipeline.api.provider_access import (  # noqa: PLC0415 - slow to load, seldom needed
        keyless,
        settings_with_keys,
    )

    settings, faults = settings_with_keys(settings, campaign, summary)
    # The sum of --buy-again is a person's word and a limit.
    if summary.to_make.items and settings.spending.buy_again_usd is None:
        # Without these nobody can agree to what is to be bought.
        if not settings.spending.yes:
            faults += () if asking else usage(_NOBODY).findings
        elif not settings.spending.is_limited(campaign.manifest.budget):
            faults += usage(NO_LIMIT).findings
    if faults:
        raise InvalidInput(faults, campaign.sources)
    if asking is not None:
        # Told before the question: nobody is to agree in the belief that there is a fallback.
        for name, why in keyless(settings, campaign, summary.fallbacks).items():
            asking.print_line(f"nothing would go to {name} instead: {why}")
    return settings


def _agree(
    settings: RunSettings,
    campaign: LoadedCampaign,
    summary: PlanSummary,
    asking: TerminalConsole | None,
) -> RunSettings | None:
    """Ask before money is spent, or leave: nothing is bought that nobody agreed to.

    Return the settings with what may be spent; None if nothing may: where nothing is to be made
    nobody is asked, and what fails while it is collected is not bought again either.
    """
    spending, buys = settings.spending, summary.to_make
    if spending.buy_again_usd is not None:
        return _cap(settings, spending.buy_again_usd)
    limited = spending.yes and spending.is_limited(campaign.manifest.budget)
    if campaign.request.rehearse or limited:
        return settings
    if asking is None or not buys.items:
        return None
    asking.print(f"This spends real money: {price_text(buys)}.")
    if not confirm("Make it?", default=False, to_stderr=asking.stderr):
        raise typer.Exit(Exit.STOPPED)
    # What has no price is not in the sum, which is then not all that was agreed to.
    return settings if buys.unpriced else _cap(settings, buys.high_usd)


def _cap(settings: RunSettings, agreed_usd: Decimal) -> RunSettings:
    """Return settings that spend no more than a person agreed to: a fallback may cost more."""
    return replace(settings, spending=replace(settings.spending, agreed_usd=agreed_usd))
