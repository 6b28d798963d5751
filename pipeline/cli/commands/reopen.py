"""`reopen`: what was decided on a take holds no more."""

from __future__ import annotations

from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import Addresses, Note, Who, decide_takes
from pipeline.domain.review import Verdict

app = command_app()


@app.command(epilog="Example: callsheet reopen campaign.yaml 'spin[SKU-1001,calm]#1'")
@with_options
def reopen(options: CampaignOptions, addresses: Addresses, note: Note = "", who: Who = "") -> None:
    """Take back what was decided on takes; an approved one is then made as asked for."""
    decide_takes(options, addresses, Verdict.REOPENED, note=note, who=who)
