"""Which root a command works in, and whether it may: asked of a person where it is not certain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import typer

from pipeline.cli.console import print_error
from pipeline.cli.options import CampaignOptions, command_line, usage
from pipeline.cli.project import FILE, OUTPUTS, project_here, project_of
from pipeline.clock import Clock
from pipeline.errors import CallsheetError, LedgerLost, RootRefused
from pipeline.ledger.repository import Ledger


def root_here(root: Path | None, option: str = "--root") -> Path:
    """Return the root of a command that has no manifest; InvalidInput if nothing tells it."""
    if root is not None:
        return root
    project = project_here()
    if project is None:
        raise usage(f"there is no {FILE} at or above the current folder", f"say {option}")
    return project.root


def open_for_work(
    asked: CampaignOptions, *, clock: Clock | None = None, anew: bool = False
) -> Ledger:
    """Open the ledger of the root that is worked in; say so where the root was moved.

    `anew` makes one where one was lost.
    """
    adopt = asked.adopt_root or person_is_there()
    ledger = Ledger.open(asked.home, clock=clock, kind=asked.kind, adopt=adopt, anew=anew)
    if ledger.moved_from is not None:
        note = f"{asked.home} was in {ledger.moved_from} before: it is taken over as the same root"
        print_error(note)
    return ledger


def knows(asked: CampaignOptions, campaign: str, *, if_lost: bool = False) -> bool:
    """Tell whether the root's ledger has items of a campaign; `if_lost` where it is gone."""
    try:
        ledger = Ledger.reader(asked.home, kind=asked.kind)
    except LedgerLost:
        return if_lost
    if ledger is None:
        return False
    with ledger:
        return next(ledger.records(campaign), None) is not None


def choose_root(asked: CampaignOptions, campaign: str) -> CampaignOptions:
    """Return what was asked for, in the root that a person means where there may be two.

    A ledger that knows the campaign may lie in the current folder, where the root was once, or
    where the manifest is linked to: in a new root everything would be bought again. Without a
    terminal that is RootRefused; `--root` settles it.
    """
    if asked.root is not None:
        return asked
    own = replace(asked, root=asked.project.root)
    for elsewhere in _elsewhere(asked):
        if not _may_know(elsewhere, campaign) or knows(own, campaign):
            continue
        said = (
            f"'{campaign}' was run in {elsewhere.home}, and {own.home} knows nothing of it:"
            " everything would be made again"
        )
        if not person_is_there():
            raise RootRefused(
                f"{said}\n  to go on where it was run: {command_line(elsewhere)}"
                f"\n  to begin anew: {command_line(own)}"
            )
        print_error(said)
        use = typer.confirm(f"Go on in {elsewhere.home}?", default=True, err=True)
        return elsewhere if use else own
    return asked


def _elsewhere(asked: CampaignOptions) -> Iterator[CampaignOptions]:
    roots = [Path(OUTPUTS)]
    if asked.manifest.is_symlink():
        roots.append(project_of(asked.manifest.resolve()).root)
    for root in roots:
        if root.resolve() != asked.project.root.resolve():
            yield replace(asked, root=root)


def _may_know(asked: CampaignOptions, campaign: str) -> bool:
    """Tell whether a root elsewhere knows a campaign, or cannot say that it does not."""
    try:
        return knows(asked, campaign, if_lost=True)
    except RootRefused:
        # It is of the other kind: nothing in it can be used here.
        return False
    except CallsheetError:
        return True


def person_is_there() -> bool:
    """Tell whether somebody sits at a terminal and can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()
