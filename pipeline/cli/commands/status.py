"""`status`: where a campaign stands, from its ledger alone, beside whoever works in it."""

from __future__ import annotations

import typer

from pipeline.api.campaign_report import campaign_status
from pipeline.cli.campaigns import open_for_status, print_root_notice, request_of
from pipeline.cli.loss_text import print_loss
from pipeline.cli.options import CampaignOptions, SelectionOptions, command_app, with_options
from pipeline.cli.place_text import place_lines
from pipeline.cli.plan_text import leftover_lines, same_clip_lines
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain.loop_places import total_places
from pipeline.report.terminal import show_summary

app = command_app()
# A lane that has grown asks nothing of anybody.
_GOOD_NEWS = frozenset({"widened"})


@app.command(epilog="Example: callsheet status campaign.yaml --rehearse")
@with_options
def status(options: CampaignOptions, selection: SelectionOptions) -> None:
    """Tell where a campaign stands, what it cost, and what to do next; exit as its run would.

    It reads the ledger alone: neither tables nor media, and beside a run that is under way.
    """
    campaign, console = open_for_status(request_of(options, selection)), TerminalConsole()
    print_root_notice(campaign.request)
    found = campaign_status(campaign)
    if found.loss is not None:
        print_loss(found.loss, campaign.request)
    if found.report is not None:
        show_summary(console, found.report, run="A run of it is at work." if found.at_work else "")
        console.print_lines(same_clip_lines(found.same_clips))
        console.print_lines(
            leftover_lines(found.left_behind, campaign.request.command("reconcile"))
        )
        console.print_lines(place_lines(found.places, total_places(found.places), campaign.request))
        worth = [each for each in found.notable if each.name not in _GOOD_NEWS]
        console.print_lines([""] if worth else [])
        for each in worth:
            name = each.name.replace("_", " ")
            times = f" {each.times} times, last" if each.times > 1 else ""
            why = f": {each.message}" if each.message else ""
            when = f"{each.last_at:%Y-%m-%d %H:%M:%S} UTC"
            console.print_line(f"{each.provider} {name}{times} on {when}{why}")
    raise typer.Exit(found.exit_code)
