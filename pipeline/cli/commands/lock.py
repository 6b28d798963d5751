"""`lock merge`, `lock prune`: the committed memory of what was paid for, kept in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.campaign_request import usage
from pipeline.api.decision_file import decisions_path, merge_decision_file
from pipeline.api.lock_file import (
    SUFFIX,
    ChangedLock,
    lock_path,
    merge_lock_file,
    merge_two_files,
)
from pipeline.api.lock_pruning import prune_orphans
from pipeline.api.money_text import item_count
from pipeline.cli.campaigns import open_campaign, open_for_status, request_of
from pipeline.cli.console import print_text
from pipeline.cli.options import CampaignOptions, command_app, with_options
from pipeline.cli.take_decisions import print_conflicts
from pipeline.report.figures import count_text

app = command_app("lock", "Keep the lock file of a campaign: what was paid for, in Git.")
_SHOWN = 20


@app.command(epilog="Example: callsheet lock merge campaign.yaml")
@with_options
def merge(
    options: CampaignOptions,
    theirs: Annotated[
        Path | None,
        typer.Argument(
            metavar="THEIRS", help="Another lock file; M is then ours, and gets the lines of both."
        ),
    ] = None,
) -> None:
    """Put what two branches paid for into one lock file, and lose neither.

    M is a manifest, in whose lock file Git's conflict marks are read, or our own lock file where
    THEIRS is named. Where both bought the same item, the older purchase keeps the address, and the
    other satisfies the next take. The decisions file beside it is merged in the same way.
    """
    if theirs is not None:
        if not options.manifest.name.endswith(SUFFIX):
            raise usage(f"{options.manifest} is no lock file: lock merge OURS{SUFFIX} THEIRS")
        changed = merge_two_files(options.manifest, theirs)
    else:
        # Without its tables: while Git's marks are there, nothing else of the campaign matters.
        campaign = open_for_status(request_of(options))
        if decisions_path(campaign.request, campaign.name).exists():
            decisions = merge_decision_file(campaign.request, campaign.name)
            print_text(f"{decisions.path}: decisions on {count_text(decisions.places, 'place')}")
            print_conflicts(decisions.conflicts)
            if not lock_path(campaign.request, campaign.name).exists():
                return
        changed = merge_lock_file(campaign.request, campaign.name)
    print_text(_count(changed))
    for address in _few(changed.moved):
        print_text(f"bought by both, and the next take now: {address}")


@app.command(epilog="Example: callsheet lock prune campaign.yaml")
@with_options
def prune(options: CampaignOptions) -> None:
    """Take out of the lock file what the manifest does not ask for any more.

    The lines are moved to a file beside it, `<stem>.lock.old`. Further takes of an item that is
    still there stay. No clip is touched.
    """
    campaign = open_campaign(request_of(options))
    changed = prune_orphans(campaign)
    for address in _few(changed.moved):
        print_text(f"taken out: {address}")
    where = f"; what was taken out is in {changed.moved_to}" if changed.moved_to else ""
    print_text(f"{_count(changed)}{where}")


def _count(changed: ChangedLock) -> str:
    return f"{changed.path}: {item_count(changed.clips)}"


def _few(addresses: Sequence[str]) -> list[str]:
    more = len(addresses) - _SHOWN
    return [*addresses[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
