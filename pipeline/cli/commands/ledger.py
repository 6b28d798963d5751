"""`ledger check`, `backup`, `restore`, `move`, `audit`: what is known of what was paid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.api.ledger_copies import (
    back_up_ledger,
    ledger_damage,
    move_ledger_between,
    restore_backup,
)
from pipeline.api.roots import ledger_here
from pipeline.cli.console import print_text
from pipeline.cli.options import LedgerUrl, Root, command_app
from pipeline.domain.states import Exit
from pipeline.errors import LedgerDamaged
from pipeline.report.figures import count_text

app = command_app(
    "ledger",
    "Check the ledger of an output root, copy it, put a copy in its place, move it, or hold a bill"
    " against it.",
)
_REMEDY = (
    "What the ledger lacks may be in a backup: `callsheet ledger restore FILE` puts that in its"
    " place, and `callsheet run M` names the other ways. A clip that is gone may still be at an"
    " output path, or in a backup of the store."
)


@app.command(epilog="Example: callsheet ledger check --root outputs")
def check(root: Root = None, ledger: LedgerUrl = None) -> None:
    """Tell whether the ledger holds together and every clip is there; exit 15 if not.

    Every clip is read. Nothing is written, and a run may go on meanwhile.
    """
    where, found = ledger_here(root, ledger), 0
    try:
        # Told as it is found: each clip is read, which takes its time.
        for found, line in enumerate(ledger_damage(where), start=1):  # noqa: B007
            print_text(line)
    except LedgerDamaged as unreadable:
        print_text(str(unreadable))
        raise typer.Exit(Exit.DAMAGED) from None
    if found:
        print_text(f"{found} found; nothing was changed. {_REMEDY}")
        raise typer.Exit(Exit.DAMAGED)
    print_text(f"the ledger of {where.root} holds together, and every clip is as it was received")


@app.command(epilog="Example: callsheet ledger backup ledger-2026-03-01.db --root outputs")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
    root: Root = None,
    ledger: LedgerUrl = None,
) -> None:
    """Copy the ledger to a new file, also while a run is at work.

    To go back to it: callsheet ledger restore FILE, while nothing runs.
    """
    where = ledger_here(root, ledger)
    back_up_ledger(where, file)
    print_text(f"the ledger of {where.root} as it is now: {file}")


@app.command(epilog="Example: callsheet ledger restore ledger-2026-03-01.db --root outputs")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ledger backup` made.")],
    root: Root = None,
    ledger: LedgerUrl = None,
) -> None:
    """Put a backup in the ledger's place, while nothing runs; the replaced ledger is kept.

    What the backup does not know is told, and the next run stops before it buys that again.
    """
    where = ledger_here(root, ledger)
    restored = restore_backup(where, file)
    print_text(f"the ledger of {where.root} is {file} now")
    if restored.kept is not None:
        print_text(f"the one that was there: {restored.kept}")
    for line in restored.lost:
        print_text(f"still lost: {line}")
    if restored.lost:
        print_text("the next `callsheet run` names the ways on")


_END = "A root, or the URL of a server: postgresql://USER@HOST/DATABASE."


@app.command(epilog="Example: callsheet ledger move outputs postgresql://studio@db.example/clips")
def move(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"Where it is. {_END}")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help=f"Where it is to be. {_END}")],
) -> None:
    """Move a ledger from a root to a server, back, or to another server, while nothing runs.

    Every table is counted and digested after the copy. Only then the source is retired: nothing is
    bought by it any more. Killed at any instant, type it again: it comes to its end.
    """
    moved = move_ledger_between(source, target)
    if moved.rows:
        rows, tables = count_text(moved.rows, "row"), count_text(moved.tables, "table")
        print_text(f"{rows} of {tables} copied, and read again")
    print_text(f"the ledger of {source} is at {target} now")
    if moved.kept is not None:
        print_text(f"what was in the root: {moved.kept}")
    if "://" in source and "://" in target:
        print_text(f"a root that has it at {source}: say there once --ledger {target}")


@app.command(
    epilog="Example: callsheet ledger audit november.csv --columns 'task=Task ID,amount=Cost'"
)
def audit(
    bill: Annotated[Path, typer.Argument(metavar="BILL", help="The provider's bill, a CSV file.")],
    columns: Annotated[
        list[str],
        typer.Option(
            "--columns",
            metavar="NAMES",
            help="What its columns are: task=NAME,amount=NAME, and date=NAME where it has one.",
        ),
    ],
    provider: Annotated[
        str, typer.Option("--provider", help="Whose bill it is, where its tasks do not tell.")
    ] = "",
    account: Annotated[
        str, typer.Option("--account", help="Which account's, where the provider has several.")
    ] = "",
    root: Root = None,
    ledger: LedgerUrl = None,
) -> None:
    """Hold a provider's bill against the ledger; exit 15 where they differ.

    Told is what was charged and not made, made and not charged, and charged with another sum.
    Without a column of tasks only the sums of each day (UTC) are compared. Nothing is written.
    """
    from pipeline.api.bill_audit import audit_bill  # noqa: PLC0415 - slow to load, seldom needed

    where = ledger_here(root, ledger)
    found = audit_bill(where, bill, columns, provider=provider, account=account)
    for line in found.lines():
        print_text(line)
    if found.differences:
        raise typer.Exit(Exit.DAMAGED)
