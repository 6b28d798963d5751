"""`pause`: a running run submits nothing more through a lane, and collects what is in flight."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.api.steering import steer_run
from pipeline.cli.campaigns import open_for_status, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, command_app, with_options

app = command_app()


@app.command("pause", epilog="Example: callsheet pause campaign.yaml runware")
@with_options
def pause(
    options: CampaignOptions,
    lane: Annotated[
        str, typer.Argument(metavar="LANE", help="A provider's lane; all where it is left out.")
    ] = "",
) -> None:
    """Have a running run submit nothing more; what is in flight is collected."""
    campaign = open_for_status(request_of(options))
    print_text(steer_run(campaign, "pause", {"lane": lane}))
