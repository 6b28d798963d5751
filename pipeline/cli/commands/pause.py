"""`pause`: a running run submits nothing more through a lane, and collects what is in flight."""

from __future__ import annotations

from pipeline.cli.campaigns import steer
from pipeline.cli.options import CampaignOptions, LaneOrAll, command_app, with_options

app = command_app()


@app.command("pause", epilog="Example: callsheet pause campaign.yaml runware")
@with_options
def pause(
    options: CampaignOptions,
    lane: LaneOrAll = "",
) -> None:
    """Have a running run submit nothing more; what is in flight is collected."""
    steer(options, "pause", lane=lane)
