"""`runs`: what each run of a campaign made and cost, from the ledger alone."""

from __future__ import annotations

import json

from rich.table import Table

from pipeline.api.campaign_report import campaign_runs
from pipeline.cli.campaigns import open_for_status, print_root_notice, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, ListForm, Listing, command_app, with_options
from pipeline.cli.run_text import plain_run, run_cells
from pipeline.cli.terminal_console import TerminalConsole

app = command_app()
_TITLES = ("started (UTC)", "took", "ordered", "made", "USD", "ended")
_NUMBERS = frozenset({"took", "ordered", "made", "USD"})


@app.command(epilog="Example: callsheet runs campaign.yaml --rehearse")
@with_options
def runs(options: CampaignOptions, form: Listing = ListForm.TEXT) -> None:
    """List the runs of a campaign: when, how long, how much was made, what it cost, how it ended.

    A clip counts with the run that ordered it, as its money does.
    """
    campaign = open_for_status(request_of(options))
    print_root_notice(campaign.request)
    found = campaign_runs(campaign)
    if form is ListForm.JSON:
        for run in found:
            print_text(json.dumps(plain_run(run)))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in _TITLES:
        table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=True)
    for run in found:
        table.add_row(*run_cells(run))
    TerminalConsole().print(table)
