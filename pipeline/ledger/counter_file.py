"""The file that says how many purchases of a campaign were ever written down: `.intents`.

It has two slots, each a number with its checksum in a block of the disk of its own. A number is
written over the lower of the two and waited for, so that a write that is cut off spoils that slot
and no other. The spoilt slot still proves that there was one purchase more than the other says:
a torn write is never read as a lower number (docs/decisions/0041-the-engine-alone.md).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import orjson

from pipeline.storage.fs import replace_file, writing

UNREADABLE = -1
"""What a counter says that is there, and holds no number: it may have counted anything."""
_BLOCK = 4096
"""No disk and no file system writes less than it needs to: a slot's neighbour is in another one."""
_DIGITS = 20
_INTENTS = "intents"
_wait_for_bytes = getattr(os, "fdatasync", os.fsync)
"""The file keeps its size and its name: nothing else of it has to be on the disk."""


def read_counter(file: Path) -> int:
    """Return what a counter says; 0 where there is none, UNREADABLE where it holds no number."""
    try:
        return _number(file.read_bytes())
    except FileNotFoundError:
        return 0
    except OSError:
        return UNREADABLE


def raise_counter(file: Path, number: int) -> None:
    """Let a counter say a number, on the disk; one that says as much or more stays as it is.

    So does one that cannot be read: it is evidence. Unusable where the disk does not allow it.
    """
    with writing(file):
        try:
            handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Another process with the same root may have its first purchase now: if its higher
            # number is replaced, the next purchase puts it right.
            replace_file(file, _both_slots(number))
            return
        try:
            content = os.read(handle, 3 * _BLOCK)
            known = _number(content)
            if known == UNREADABLE or known >= number:
                return
            slots = _slots(content)
            if slots is not None:
                os.pwrite(handle, _slot(number), _BLOCK * slots.index(min(slots)))
                _wait_for_bytes(handle)
                return
        finally:
            os.close(handle)
        # An earlier version's, without slots.
        replace_file(file, _both_slots(number))


def _both_slots(number: int) -> bytes:
    return _slot(number).ljust(_BLOCK) + _slot(number)


def _number(content: bytes) -> int:
    slots = _slots(content)
    if slots is None:
        return _earlier_number(content)
    if not any(slots):
        return UNREADABLE
    # What spoilt one of them was the writing of a number above the other.
    return max(slots) if all(slots) else max(slots) + 1


def _slots(content: bytes) -> list[int] | None:
    """Return the numbers of both slots, 0 for one that is spoilt; None where there are none."""
    size = len(_slot(0))
    if len(content) != _BLOCK + size or content[size:_BLOCK].strip():
        return None
    return [_read_slot(content[:size]), _read_slot(content[_BLOCK:])]


def _slot(number: int) -> bytes:
    told = f"{number:0{_DIGITS}d}"
    return f"{told} {hashlib.sha256(told.encode()).hexdigest()[:16]}\n".encode()


def _read_slot(slot: bytes) -> int:
    digits = slot[:_DIGITS]
    number = int(digits) if digits.isdigit() else 0
    return number if slot == _slot(number) else 0


def _earlier_number(content: bytes) -> int:
    try:
        told = orjson.loads(content)
    except ValueError:
        return UNREADABLE
    number = told.get(_INTENTS) if isinstance(told, dict) else None
    # A counter begins at the first purchase: 0 is none of ours.
    return number if isinstance(number, int) and number > 0 else UNREADABLE
