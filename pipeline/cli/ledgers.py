"""`ledger check`, `backup`, `restore`: whether what was paid is still known, and a copy of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.app import app
from pipeline.cli.console import print_text
from pipeline.cli.exits import Leave
from pipeline.cli.options import Root, usage
from pipeline.cli.roots import root_here
from pipeline.domain.states import Exit
from pipeline.errors import InvalidInput, LedgerDamaged
from pipeline.ledger.backup import back_up, restore_ledger
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store

ledgers = typer.Typer(
    help="Check the ledger of an output root, copy it, or put a copy in its place.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(ledgers, name="ledger")


@ledgers.command(epilog="Example: callsheet ledger check --root outputs")
def check(root: Root = None) -> None:
    """Tell whether the ledger holds together and every clip is there; exit 15 if not.

    Every clip is read. Nothing is written, and a run may go on meanwhile.
    """
    root = root_here(root)
    try:
        found = _listed(root)
    except LedgerDamaged as unreadable:
        print_text(str(unreadable))
        raise Leave(Exit.DAMAGED) from None
    if found:
        print_text(f"{found} found; nothing was changed. {_REMEDY}")
        raise Leave(Exit.DAMAGED)
    print_text(f"the ledger of {root} holds together, and every clip is as it was received")


def _listed(root: Path) -> int:
    """List what is wrong; return how much."""
    ledger = Ledger.reader(root)
    if ledger is None:
        raise _nothing(root)
    found = 0
    with ledger:
        for found, line in enumerate(damage(ledger, Store(root)), start=1):  # noqa: B007
            print_text(line)
    return found


@ledgers.command(epilog="Example: callsheet ledger backup ledger-2026-03-01.db --root outputs")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    root: Root = None,
) -> None:
    """Copy the ledger to a new file, also while a run is at work.

    To go back to it: callsheet ledger restore FILE, while nothing runs.
    """
    root = root_here(root)
    try:
        there = back_up(root, file)
    except FileExistsError:
        raise usage(f"{file} is there already, and is not overwritten: name another") from None
    if not there:
        raise _nothing(root)
    print_text(f"the ledger of {root} as it is now: {file}")


@ledgers.command(epilog="Example: callsheet ledger restore ledger-2026-03-01.db --root outputs")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ledger backup` made.")],
    root: Root = None,
) -> None:
    """Put a backup in the ledger's place, while nothing runs; the replaced ledger is kept.

    What the backup does not know is told, and the next run stops before it buys that again.
    """
    root = root_here(root)
    if not file.is_file():
        raise usage(f"{file} is no file: name what `callsheet ledger backup` made")
    if file.resolve() == (root / ".callsheet" / "ledger.db").resolve():
        raise usage(f"{file} is the ledger itself: name a backup")
    kept = restore_ledger(root, file, now=datetime.now(UTC))
    print_text(f"the ledger of {root} is {file} now")
    if kept is not None:
        print_text(f"the one that was there: {kept}")
    ledger = Ledger.reader(root)
    if ledger is None:
        return
    with ledger:
        lines = [line for loss in ledger.find_losses() for line in loss.lines(root)]
    for line in dict.fromkeys(lines):
        print_text(f"still lost: {line.strip()}")
    if lines:
        print_text("the next `callsheet run` names the ways on")


_REMEDY = (
    "What the ledger lacks may be in a backup: `callsheet ledger restore FILE` puts that in its"
    " place, and `callsheet run M` names the other ways. A clip that is gone may still be at an"
    " output path, or in a backup of the store."
)


def _nothing(root: Path) -> InvalidInput:
    return usage(f"there is no ledger in {root}: nothing was run there")
