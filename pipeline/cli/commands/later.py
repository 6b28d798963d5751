"""`later`: somebody else, or another day, decides on a take."""

from __future__ import annotations

from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import Addresses, Note, Who, decide_takes
from pipeline.domain.review import Verdict

app = command_app()


@app.command(epilog="Example: callsheet later campaign.yaml 'spin[SKU-1001,calm]#1'")
@with_options
def later(options: CampaignOptions, addresses: Addresses, note: Note = "", who: Who = "") -> None:
    """Put off the decision on takes."""
    decide_takes(options, addresses, Verdict.LATER, note=note, who=who)
