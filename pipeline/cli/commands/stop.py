"""`stop`: a running run ends in order."""

from __future__ import annotations

from pipeline.cli.campaigns import steer
from pipeline.cli.options import CampaignOptions, command_app, with_options

app = command_app()


@app.command("stop", epilog="Example: callsheet stop campaign.yaml")
@with_options
def stop(
    options: CampaignOptions,
) -> None:
    """Have a running run end in order: submit nothing more, and collect what is in flight."""
    steer(options, "stop")
