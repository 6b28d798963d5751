"""`plan`: what would be made at which price. Nothing is sent, but for `--quote`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.campaign_plan import (
    Plan,
    lacks_prices,
    open_plan,
    plan_campaign,
    require_admitted,
)
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.comparison import Comparison, compare_providers
from pipeline.api.forecasts import find_forecast
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.money_text import item_count
from pipeline.api.saved_plans import iter_document, write_document
from pipeline.cli.campaigns import open_campaign, print_root_notice, request_of
from pipeline.cli.console import print_error, print_text
from pipeline.cli.figure_table import FigureTable
from pipeline.cli.loss_text import print_absent, print_loss
from pipeline.cli.options import (
    AccessOptions,
    CampaignOptions,
    ListForm,
    ProviderOptions,
    SelectionOptions,
    WorkOptions,
    command_app,
    with_options,
)
from pipeline.cli.plan_text import print_plan
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain import DEFAULT_MODEL
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.providers import OFFERS
from pipeline.report.forecast_text import forecast_lines
from pipeline.run.quoting import Quoted

app = command_app()


@app.command(epilog="Example: callsheet plan manifests/spring-sneakers/campaign.yaml")
@with_options
def plan(
    options: CampaignOptions,
    maker: ProviderOptions,
    selection: SelectionOptions,
    access: AccessOptions,
    work: WorkOptions,
    compare: Annotated[
        bool, typer.Option("--compare", help="All providers side by side; nothing is sent.")
    ] = False,
    quote: Annotated[
        bool,
        typer.Option(
            "--quote",
            help="Ask for prices by dry run where a provider has it; they count for a day.",
        ),
    ] = False,
    saved: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Save the plan, for `callsheet apply`."),
    ] = None,
    form: Annotated[
        ListForm, typer.Option("--format", help="How to print; json is as --out writes it.")
    ] = ListForm.TEXT,
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 if there is work.")
    ] = False,
) -> None:
    """Tell what would be made, reused and restored, and what it would cost."""
    campaign = open_campaign(request_of(options, maker, selection, access, work))
    print_root_notice(campaign.request)
    console = TerminalConsole()
    if compare:
        console.print_lines(_comparison_lines(compare_providers(campaign)))
        console.print_lines(_first_round_lines(campaign))
        return
    # Before the plan is made: what is named now is the price in it.
    quotes = _ask_for_prices(campaign, console) if quote else None
    with open_plan(campaign) as (found, ledger):
        # Before a refusal: a program finds the errors in the document too.
        if form is ListForm.JSON:
            # Of a plan that was refused, the ledger knows nothing.
            items = ledger.item_changes(campaign.name) if found.ok else ()
            for line in iter_document(found, items):
                print_text(line)
        require_admitted(found.summary, campaign)
        if form is ListForm.TEXT:
            print_plan(found.summary, campaign, console)
            if forecast := find_forecast(campaign, ledger):
                console.print_lines(forecast_lines(forecast))
        _stop_at_losses(found, campaign.request)
        # Behind the refusals: a plan with an error or a loss leaves no file to be applied.
        if saved is not None:
            write_document(found, ledger.item_changes(campaign.name), saved)
            print_error(f"saved to {saved}: callsheet apply {shlex.quote(str(saved))}")
    if quotes is not None:
        console.print_table(_quote_table(quotes))
        console.print_lines(_first_round_lines(campaign))
    if detailed and found.has_work:
        raise typer.Exit(Exit.WORK)


def _stop_at_losses(plan: Plan, request: CampaignRequest) -> None:
    """Tell what was paid for and is not here; Exit where a run would not begin for that."""
    if plan.loss is not None:
        print_loss(plan.loss, request, plan.to_make)
        if plan.loss.stops(buys=plan.to_make.items):
            raise typer.Exit(Exit.STOPPED)
    if plan.summary.absent:
        print_absent(plan.summary, request)
        raise typer.Exit(Exit.STOPPED)


def _ask_for_prices(campaign: LoadedCampaign, console: TerminalConsole) -> Sequence[Quoted] | None:
    """Return what the providers name for what would be made; None where nothing can be asked."""
    from pipeline.api.quotes import quote_campaign  # noqa: PLC0415 - slow to load

    found = plan_campaign(campaign)
    if found.loss is None and (found.ok or lacks_prices(found.summary)):
        return quote_campaign(campaign, console.print_line, moved=print_error)
    return None


def _comparison_lines(found: Mapping[str, Comparison]) -> Iterator[str]:
    """Yield who could make how much, at what price, and what each cannot honour."""
    whole = max(each.items + each.elsewhere for each in found.values())
    order = sorted(found, key=lambda name: (-found[name].items, found[name].high_usd, name))
    for name in order:
        comparison = found[name]
        much = "all" if comparison.items == whole else "only"
        makes = f"{much} {item_count(comparison.items)}, {comparison.price}"
        yield f"{OFFERS[name].title}: {makes if comparison.items else 'nothing of it'}"
        for message, place in comparison.obstacles.items():
            yield f"    {message}  ({place})"


def _first_round_lines(campaign: LoadedCampaign) -> Iterator[str]:
    """Say what is counted where shots have a loop: neither the ledger nor decisions were read."""
    if campaign.manifest.budget.accepts:
        yield (
            "of shots with `accept` the first round is counted, as if nothing were there yet:"
            " `plan` without this option tells what the next one costs"
        )


def _quote_table(quotes: Sequence[Quoted]) -> FigureTable:
    rows = []
    for quoted in quotes:
        provider, model, kind, mode, seconds = quoted.alike
        maker = provider if model == DEFAULT_MODEL else f"{provider} {model}"
        price = quoted.example.price
        listed = "unknown" if price is None else exact_usd(price.expected_usd)
        told = quoted.message if quoted.usd is None else f"{exact_usd(quoted.usd)} USD"
        length = "as its clip" if seconds is None else f"{seconds:g}"
        rows.append((maker, kind, mode, length, str(quoted.items), listed, told))
    titles = ("provider", "kind", "mode", "seconds", "items", "listed", "quoted")
    words = frozenset(titles) - {"items", "listed"}
    return FigureTable(titles=titles, rows=rows, words=words)
