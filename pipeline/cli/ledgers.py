"""`ledger check` and `ledger backup`: whether what was paid is still known, and a copy of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.cli.app import app
from pipeline.cli.exits import Exit, Leave
from pipeline.cli.options import Root, usage
from pipeline.cli.roots import root_here
from pipeline.errors import InvalidInput, LedgerDamaged
from pipeline.run import Ledger, Store, back_up, damage

ledgers = typer.Typer(
    help="Check the ledger of an output root, or copy it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(ledgers, name="ledger")


@ledgers.command(epilog="Example: callsheet ledger check --root outputs")
def check(root: Root = None) -> None:
    """Tell whether the ledger holds together and every clip is there; exit 15 if not.

    Every clip is read. Nothing is written, and a run may go on meanwhile.
    """
    console, root = Console(highlight=False, markup=False, soft_wrap=True), root_here(root)
    try:
        found = _listed(root, console)
    except LedgerDamaged as unreadable:
        console.print(str(unreadable))
        raise Leave(Exit.DAMAGED) from None
    if found:
        console.print(f"{found} found; nothing was changed. {_REMEDY}")
        raise Leave(Exit.DAMAGED)
    console.print(f"the ledger of {root} holds together, and every clip is as it was received")


def _listed(root: Path, console: Console) -> int:
    """List what is wrong; return how much."""
    ledger = Ledger.reader(root)
    if ledger is None:
        raise _nothing(root)
    found = 0
    with ledger:
        for found, line in enumerate(damage(ledger, Store(root)), start=1):  # noqa: B007
            console.print(line)
    return found


@ledgers.command(epilog="Example: callsheet ledger backup ledger-2026-03-01.db --root outputs")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    root: Root = None,
) -> None:
    """Copy the ledger to a new file, also while a run is at work.

    To go back to it, put it in the place of ROOT/.callsheet/ledger.db while nothing runs.
    """
    root = root_here(root)
    try:
        there = back_up(root, file)
    except FileExistsError:
        raise usage(f"{file} is there already, and is not overwritten: name another") from None
    if not there:
        raise _nothing(root)
    Console(highlight=False, markup=False, soft_wrap=True).print(
        f"the ledger of {root} as it is now: {file}"
    )


_REMEDY = (
    "What the ledger lacks is in a backup (`callsheet ledger backup`): put that in its place."
    " A clip that is gone may still be at an output path, or in a backup of the store."
)


def _nothing(root: Path) -> InvalidInput:
    return usage(f"there is no ledger in {root}: nothing was run there")
