"""`clean`: what no item owns any more leaves the campaign's folder, and is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from pipeline.api.campaign_request import usage
from pipeline.api.orphan_files import clean_campaign, find_orphans
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.console import person_is_there, print_error, print_text
from pipeline.cli.options import CampaignOptions, WorkOptions, Yes, command_app, with_options
from pipeline.domain.states import Exit

app = command_app()


@app.command(epilog="Example: callsheet clean campaign.yaml")
@with_options
def clean(options: CampaignOptions, work: WorkOptions, yes: Yes = False) -> None:
    """Move clips that no item owns any more out of the campaign's folder, once you say yes.

    Those are clips that callsheet made, told by their content, at paths that the manifest does not
    ask for any more: of products that went, of an earlier layout, of takes too many. They keep
    their paths below `.callsheet/cleaned/<date>` in the root, and the store has each clip. Other
    files are left alone, and nothing is deleted but folders that this empties.
    """
    campaign = open_campaign(request_of(options, work))
    orphans = find_orphans(campaign)
    if not orphans:
        print_text(f"every clip in {campaign.folder} is an item's: there is nothing to clean")
        return
    for orphan in orphans:
        print_text(f"{orphan.path}  {orphan.bytes:,} bytes")
    total = sum(orphan.bytes for orphan in orphans)
    clips = "1 clip" if len(orphans) == 1 else f"{len(orphans)} clips"
    print_text(f"{clips} of no item, {total:,} bytes")
    if not yes:
        if not person_is_there():
            raise usage("nobody is there to ask", "say --yes")
        if not typer.confirm("Move them away?", default=False, err=True):
            raise typer.Exit(Exit.STOPPED)
    done = clean_campaign(campaign, orphans, now=datetime.now(UTC), notify=print_error)
    for orphan in done.kept:
        print_text(f"left, for it has changed since: {orphan.path}")
    if done.folder is not None:
        print_text(f"{len(done.moved)} moved to {done.folder}; to have one back, move it back")
