"""`leave-out`: a running run does not make an item; the next one does."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.api.steering import steer_run
from pipeline.cli.campaigns import open_for_status, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, command_app, with_options

app = command_app()


@app.command(
    "leave-out", epilog="Example: callsheet leave-out campaign.yaml 'spin[SKU-1001,calm]#1'"
)
@with_options
def leave_out(
    options: CampaignOptions,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The item; without #take all its takes.")
    ],
) -> None:
    """Have a running run not make an item; what was submitted is collected all the same."""
    campaign = open_for_status(request_of(options))
    print_text(steer_run(campaign, "leave-out", {"address": address}))
