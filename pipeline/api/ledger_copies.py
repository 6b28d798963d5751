"""Whether a ledger holds together, a copy of it, a copy put back in its place, and its moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.api.campaign_request import COMMAND_LINE, require_ledger_url, usage
from pipeline.errors import InvalidInput
from pipeline.ledger.backup import back_up, restore_ledger
from pipeline.ledger.integrity import damage
from pipeline.ledger.location import LedgerLocation
from pipeline.ledger.move import MovedLedger, move_ledger, move_source, move_target
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What putting a backup in a ledger's place came to."""

    kept: Path | str | None
    """Where the ledger is that was there; of a server, the schema that has it."""
    lost: Sequence[str] = ()
    """What the backup does not know, a line each: the next run stops before it buys that again."""


def ledger_damage(where: LedgerLocation) -> Iterator[str]:
    """Yield what is wrong with a ledger and its clips; LedgerDamaged where it cannot be read."""
    ledger = Ledger.reader(where)
    if ledger is None:
        raise _no_ledger(where.root)
    with ledger:
        yield from damage(ledger, Store(where.root))


def back_up_ledger(where: LedgerLocation, file: Path) -> None:
    """Copy the ledger to a new file, also while a run is at work; InvalidInput if it is there."""
    try:
        there = back_up(where, file)
    except FileExistsError:
        raise usage(f"{file} is there already, and is not overwritten: name another") from None
    if not there:
        raise _no_ledger(where.root)


def restore_backup(where: LedgerLocation, file: Path) -> Restored:
    """Put a backup in the ledger's place, while nothing runs; the replaced ledger is kept."""
    if not file.is_file():
        raise usage(f"{file} is no file: name what `callsheet ledger backup` made")
    if file.resolve() == (where.root / ".callsheet" / "ledger.db").resolve():
        raise usage(f"{file} is the ledger itself: name a backup")
    kept = restore_ledger(where, file, now=datetime.now(UTC))
    ledger = Ledger.reader(where)
    if ledger is None:
        return Restored(kept=kept)
    with ledger:
        lines = [line.strip() for loss in ledger.find_losses() for line in loss.lines(where.root)]
    return Restored(kept=kept, lost=tuple(dict.fromkeys(lines)))


def move_ledger_between(
    source: str, target: str, *, checkpoint: Callable[[str], None] = lambda _: None
) -> MovedLedger:
    """Move a ledger from a root or a server to the other, or bring such a move to its end.

        move_ledger_between("outputs", "postgresql://studio@db.example/clips")

    Killed at any instant and called again it comes to its end, and never are there two ledgers.
    InvalidInput where one of them is neither; more in `ledger.move.move_ledger`.
    """
    ends = move_source(_ledger_place(source)), move_target(_ledger_place(target))
    return move_ledger(*ends, now=datetime.now(UTC), checkpoint=checkpoint)


def _ledger_place(text: str) -> str | Path:
    """Return the URL, or the root, that a text names."""
    if "://" in text:
        return require_ledger_url(text, COMMAND_LINE)
    root = Path(text)
    if not root.is_dir():
        raise usage(f"{text} is no folder, and no URL: name a root, or postgresql://…")
    return root


def _no_ledger(root: Path) -> InvalidInput:
    return usage(f"there is no ledger in {root}: nothing was run there")
