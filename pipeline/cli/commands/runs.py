"""`runs`: what each run of a campaign made and cost, from the ledger alone."""

from __future__ import annotations

import json

from pipeline.api.campaign_report import campaign_runs
from pipeline.cli.campaigns import open_for_status, print_root_notice, request_of
from pipeline.cli.console import print_text
from pipeline.cli.figure_table import FigureTable
from pipeline.cli.options import CampaignOptions, ListForm, Listing, command_app, with_options
from pipeline.cli.run_text import cost_text
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit
from pipeline.report.figures import duration

app = command_app()
_TITLES = ("started (UTC)", "took", "ordered", "made", "USD", "ended")
_WORDS = frozenset({"ended"})


@app.command(epilog="Example: callsheet runs campaign.yaml --rehearse")
@with_options
def runs(options: CampaignOptions, form: Listing = ListForm.TEXT) -> None:
    """List the runs of a campaign: when, how long, how much was made, what it cost, how it ended.

    A clip counts with the run that ordered it, as its money does.
    """
    campaign = open_for_status(request_of(options))
    print_root_notice(campaign.request)
    rows = []
    for run in campaign_runs(campaign):
        if form is ListForm.JSON:
            plain = {
                "started_at": run.started_at.isoformat(),
                "ended_at": None if run.ended_at is None else run.ended_at.isoformat(),
                "exit_code": run.exit_code,
                "ordered": run.ordered,
                "made": run.made,
                "charged_usd": exact_usd(run.charged_usd),
                "open_usd": exact_usd(run.open_usd),
            }
            print_text(json.dumps(plain))
            continue
        lasted = None if run.ended_at is None else run.ended_at - run.started_at
        # A process that was killed writes no end; one that is at work has none yet.
        ended = "not ended: at work, or killed"
        if run.exit_code is not None:
            ended = f"{run.exit_code} {Exit(run.exit_code).name.lower().replace('_', ' ')}"
        started = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
        took = "" if lasted is None else duration(lasted.total_seconds())
        rows.append((started, took, str(run.ordered), str(run.made), cost_text(run), ended))
    if form is ListForm.TEXT:
        TerminalConsole().print_table(FigureTable(titles=_TITLES, rows=rows, words=_WORDS))
