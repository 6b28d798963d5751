"""`verify`: whether every clip is what was received, byte for byte. Nothing is sent."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.api.verification import verify_campaign
from pipeline.cli.campaigns import open_for_status, request_of
from pipeline.cli.console import print_error, print_text
from pipeline.cli.options import CampaignOptions, WorkOptions, command_app, with_options
from pipeline.domain.states import Exit
from pipeline.report.figures import count_text

app = command_app()


@app.command(epilog="Example: callsheet verify campaign.yaml --restore")
@with_options
def verify(
    options: CampaignOptions,
    work: WorkOptions,
    restore: Annotated[
        bool,
        typer.Option("--restore", help="Put right what can be, from store and output paths."),
    ] = False,
) -> None:
    """Read every clip of a campaign, and hold it against ledger and lock file; exit 15 on damage.

    Each file in the store and at an output path is read, whatever its size and time say. With
    --restore a file that somebody changed is kept beside the clip that takes its place, and the
    exit code is 0 if all is right then.
    """
    campaign = open_for_status(request_of(options, work))
    found = verify_campaign(campaign, restore=restore, notify=print_error)
    for fault in found.faults:
        print_text(f"{fault.address}: {fault.message}")
        if fault.restored:
            print_text(f"    put back from {fault.restored}")
    for note in found.notes:
        print_text(f"note: {note}")
    clips, files = count_text(found.clips, "clip"), count_text(found.outputs, "file")
    read = f"{clips} in the store and {files} at output paths were read"
    if not found.faults:
        print_text(f"{read}: each is what was received")
        return
    left = sum(not fault.restored for fault in found.faults)
    print_text(f"{read}: {len(found.faults)} wrong, {len(found.faults) - left} put right")
    if left:
        if not restore:
            print_text(f"to put right what can be: {campaign.request.command('verify')} --restore")
        raise typer.Exit(Exit.DAMAGED)
