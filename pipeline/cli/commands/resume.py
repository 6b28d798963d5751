"""`resume`: a lane that was paused goes on."""

from __future__ import annotations

from pipeline.cli.campaigns import steer
from pipeline.cli.options import CampaignOptions, LaneOrAll, command_app, with_options

app = command_app()


@app.command("resume", epilog="Example: callsheet resume campaign.yaml runware")
@with_options
def resume(
    options: CampaignOptions,
    lane: LaneOrAll = "",
) -> None:
    """Let a running run go on that was paused."""
    steer(options, "resume", lane=lane)
