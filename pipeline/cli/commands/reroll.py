"""`reroll`: one take more than the manifest asks for, made by the next run."""

from __future__ import annotations

from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import Addresses, Note, Who, decide_takes
from pipeline.domain.review import Verdict

app = command_app()


@app.command(epilog="Example: callsheet reroll campaign.yaml 'spin[SKU-1001,calm]#1'")
@with_options
def reroll(options: CampaignOptions, addresses: Addresses, note: Note = "", who: Who = "") -> None:
    """Ask for one take more of an item, beside those of the manifest.

    The next run makes it, within the budget; `callsheet plan` tells its price.
    """
    decide_takes(options, addresses, Verdict.REROLL, note=note, who=who)
