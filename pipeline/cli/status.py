"""`status`: where a campaign stands, from its ledger alone, beside whoever works in it."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.cli.app import app
from pipeline.cli.campaign import Campaign, open_campaign
from pipeline.cli.console import TerminalConsole
from pipeline.cli.exits import Leave
from pipeline.cli.losses import find_loss, print_loss
from pipeline.cli.options import (
    CampaignOptions,
    Exclude,
    Limit,
    ManifestPath,
    Overrides,
    Profile,
    Rehearse,
    Root,
    Select,
    command_line,
)
from pipeline.cli.project import project_of
from pipeline.cli.reporting import left_behind, opened, same_clips, selected, summary
from pipeline.cli.roots import knows
from pipeline.cli.selecting import selection_of
from pipeline.domain.states import Exit, State, exit_code_for
from pipeline.ledger.event_log import Notable
from pipeline.manifest import contents
from pipeline.report.summary import Report
from pipeline.report.terminal import show_summary

_GOOD_NEWS = frozenset({"widened"})
_DOCUMENTS = frozenset({".yaml", ".yml"})


@app.command(epilog="Example: callsheet status campaign.yaml --rehearse")
def status(
    manifest: ManifestPath,
    profile: Profile = None,
    overrides: Overrides = None,
    root: Root = None,
    rehearse: Rehearse = False,
    select: Select = None,
    exclude: Exclude = None,
    limit: Limit = None,
) -> None:
    """Tell where a campaign stands, what it cost, and what to do next; exit as its run would.

    It reads the ledger alone: neither tables nor media, and beside a run that is under way.
    """
    asked = CampaignOptions(
        manifest=manifest,
        project=project_of(manifest),
        profile=profile,
        overrides=tuple(overrides or ()),
        root=root,
        rehearse=rehearse,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        limit=limit,
    )
    campaign, console = _named(asked), TerminalConsole()
    loss = find_loss(asked, campaign.name)
    if loss is not None:
        print_loss(loss, asked)
    if loss and not knows(asked, campaign.name):
        raise Leave(Exit.STOPPED)
    with opened(campaign, "status") as ledger:
        report = summary(selected(ledger, campaign), campaign, ledger)
        notable, left = ledger.notable(campaign.name), ledger.left_behind(campaign.name)
        same = ledger.same_clips(campaign.name)
    show_summary(console, report)
    settle = command_line(campaign.asked, "reconcile")
    for line in (*same_clips(same), *left_behind(left, settle), *_lanes(notable)):
        console.print(line, markup=False, soft_wrap=True)
    raise Leave(Exit.STOPPED if loss else _exit(report, left))


def _named(asked: CampaignOptions) -> Campaign:
    """Read the manifest without its tables, unless the selection asks for what only they know."""
    campaign = open_campaign(asked, _documents)
    needs_rows = selection_of(asked, campaign.manifest, campaign.sources).needs_rows
    return open_campaign(campaign.asked) if needs_rows else campaign


def _documents(path: Path) -> bytes:
    """Return the bytes of a manifest; a table is as if it were not there."""
    if path.suffix.lower() in _DOCUMENTS:
        return contents(path)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _lanes(notable: Sequence[Notable]) -> Iterator[str]:
    worth = [each for each in notable if each.name not in _GOOD_NEWS]
    if worth:
        yield ""
    for each in worth:
        name = each.name.replace("_", " ")
        times = f" {each.times} times, last" if each.times > 1 else ""
        why = f": {each.message}" if each.message else ""
        yield f"{each.provider} {name}{times} on {each.last_at:%Y-%m-%d %H:%M:%S} UTC{why}"


def _exit(report: Report, left: Sequence[tuple[str, str, State]]) -> Exit:
    """Return how a run would end that left everything as it is."""
    counts = Counter({(State(group.state), group.cause): group.items for group in report.groups})
    counts.update((state, "") for _, _, state in left)
    return Exit(exit_code_for(counts))
