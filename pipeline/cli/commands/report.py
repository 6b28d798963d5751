"""`report`: what came of a campaign, written again from its ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.api.campaign_report import report_selection
from pipeline.api.report_files import report_paths
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.options import CampaignOptions, SelectionOptions, command_app, with_options
from pipeline.cli.place_text import place_lines
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.report.forecast_text import forecast_lines
from pipeline.report.terminal import show_summary

app = command_app()


@app.command(epilog="Example: callsheet report manifests/spring-sneakers/campaign.yaml --rehearse")
@with_options
def report(
    options: CampaignOptions,
    selection: SelectionOptions,
    write: Annotated[
        bool | None,
        typer.Option(help="Write the report's files too; so it does, unless items are selected."),
    ] = None,
) -> None:
    """Write the report of a campaign again, from the ledger."""
    campaign = open_campaign(request_of(options, selection))
    # A report of a part would lie where the report of all was.
    writes = write if write is not None else not campaign.request.selects
    made = report_selection(campaign, write=writes)
    console = TerminalConsole()
    show_summary(console, made, report_paths(campaign) if writes else ())
    if made.place_totals is not None:
        console.print_lines(place_lines(made.places, made.place_totals, campaign.request))
    if made.forecast is not None:
        console.print_lines(forecast_lines(made.forecast))
