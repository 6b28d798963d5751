"""What is wrong with a ledger and its clips: all that there is to check, a line each.

Only reads, and may do so beside a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.file_content import file_sha256
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store


def damage(ledger: Ledger, store: Store) -> Iterator[str]:
    """Yield what is wrong with a ledger and its clips, a line each; nothing if all is well.

    What is told of several campaigns is told once. Every clip that a finished job has is read.
    """
    broken = ledger.broken_pages()
    yield from broken
    # What damaged pages say of jobs and clips proves nothing.
    if broken:
        return
    yield from ledger.contradictions()
    lines = (line for loss in ledger.find_losses() for line in loss.lines(store.root))
    yield from dict.fromkeys(f"lost: {line.strip()}" for line in lines)
    for address, sha256, extension in ledger.finished_jobs():
        place = store.path(sha256, extension)
        wrong = _wrong(place, sha256)
        if wrong:
            yield f"{address}: its clip {place} {wrong}"


def _wrong(place: Path, sha256: str) -> str:
    try:
        return "" if file_sha256(place) == sha256 else "is not what was received"
    except FileNotFoundError:
        return "is gone"
    except OSError as fault:
        return f"cannot be read: {fault.strerror}"
