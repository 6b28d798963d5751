"""`resume`: a lane that was paused goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.api.steering import steer_run
from pipeline.cli.campaigns import open_for_status, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, command_app, with_options

app = command_app()


@app.command("resume", epilog="Example: callsheet resume campaign.yaml runware")
@with_options
def resume(
    options: CampaignOptions,
    lane: Annotated[
        str, typer.Argument(metavar="LANE", help="A provider's lane; all where it is left out.")
    ] = "",
) -> None:
    """Let a running run go on that was paused."""
    campaign = open_for_status(request_of(options))
    print_text(steer_run(campaign, "resume", {"lane": lane}))
