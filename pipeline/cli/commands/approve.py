"""`approve`: a take is as it should be, and is kept."""

from __future__ import annotations

from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import Addresses, Note, Who, decide_takes
from pipeline.domain.review import Verdict

app = command_app()


@app.command(epilog="Example: callsheet approve campaign.yaml 'spin[SKU-1001,calm]#1'")
@with_options
def approve(options: CampaignOptions, addresses: Addresses, note: Note = "", who: Who = "") -> None:
    """Approve takes: each is kept as it is, whatever the manifest asks for later.

    An edit that would make an approved take again shows it as approved, stale, and buys nothing
    until `callsheet reopen`.
    """
    decide_takes(options, addresses, Verdict.APPROVED, note=note, who=who)
