"""`reject`: a take cannot be used, and why."""

from __future__ import annotations

from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import Addresses, Note, Reason, Who, decide_takes
from pipeline.domain.review import Verdict

app = command_app()


@app.command(
    epilog="Example: callsheet reject campaign.yaml 'spin[SKU-1001,calm]#1' --reason colour"
)
@with_options
def reject(
    options: CampaignOptions, addresses: Addresses, reason: Reason, note: Note = "", who: Who = ""
) -> None:
    """Reject takes, with a reason; nothing is made again by it."""
    decide_takes(options, addresses, Verdict.REJECTED, reason=reason, note=note, who=who)
