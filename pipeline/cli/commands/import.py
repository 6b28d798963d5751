"""`import`: a clip that was made elsewhere becomes a take."""  # noqa: N999 - as the command

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.clip_adoption import import_clip
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import print_error, print_text
from pipeline.cli.options import CampaignOptions, WorkOptions, command_app, dollars, with_options
from pipeline.domain.money import exact_usd
from pipeline.foreign_text import printable_line

app = command_app()


@app.command("import", epilog="Example: callsheet import campaign.yaml cut.mp4 'spin[SKU-1001]#2'")
@with_options
def import_take(
    options: CampaignOptions,
    work: WorkOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The clip; it stays where it is.")],
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The take: spin[SKU-1001,calm]#2")
    ],
    cost: Annotated[
        str | None,
        typer.Option("--cost", metavar="USD", help="What it has cost; 0 unless it is said."),
    ] = None,
) -> None:
    """Take in a clip that was made elsewhere as a take.

    It is held against what the item wants, and its cost counts against the limit. Nothing is sent.
    Where the item has its clip already, `callsheet reroll` asks for one take more: name that one.
    """
    campaign = open_campaign(request_of(options, work))
    cost_usd = dollars(cost or "0", "--cost")
    taken = import_clip(campaign, file, address, cost_usd=cost_usd, notify=print_error)
    price = exact_usd(taken.booked_usd or cost_usd)
    print_text(printable_line(f"imported: {taken.address}  {taken.path}  {price} USD"))
    print_text(f"to lay it out: {campaign.request.command()}")
