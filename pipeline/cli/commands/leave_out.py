"""`leave-out`: a running run does not make an item; the next one does."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.campaigns import steer
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
    steer(options, "leave-out", address=address)
