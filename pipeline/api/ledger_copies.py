"""Whether a root's ledger holds together, a copy of it, and a copy put back in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.api.campaign_request import usage
from pipeline.errors import InvalidInput
from pipeline.ledger.backup import back_up, restore_ledger
from pipeline.ledger.integrity import damage
from pipeline.ledger.location import LedgerLocation
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What putting a backup in a ledger's place came to."""

    kept: Path | None
    """Where the ledger is that was there."""
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


def _no_ledger(root: Path) -> InvalidInput:
    return usage(f"there is no ledger in {root}: nothing was run there")
