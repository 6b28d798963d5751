"""`concurrency`: how many clips a running run has made at once through a lane."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.campaigns import steer
from pipeline.cli.options import CampaignOptions, command_app, with_options

app = command_app()


@app.command("concurrency", epilog="Example: callsheet concurrency campaign.yaml runware 4")
@with_options
def concurrency(
    options: CampaignOptions,
    lane: Annotated[str, typer.Argument(metavar="LANE", help="A provider's lane.")],
    most: Annotated[int, typer.Argument(metavar="N", min=1, help="As many at once, no more.")],
) -> None:
    """Set how many clips a running run has made at once through a lane."""
    steer(options, "concurrency", lane=lane, most=most)
