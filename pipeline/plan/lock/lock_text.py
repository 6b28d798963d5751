"""The text of a lock file → clips by address, and back: one sorted line per item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pipeline.domain.lock import LockedClip, plain_locked, read_locked
from pipeline.plan.address_lines import LineFormat, format_line, number_lines, read_address_lines

LOCK_FORMAT = LineFormat(
    name="lock",
    slug="bad-lock",
    about="what was paid for, a line per item. Written by `callsheet run`; commit it.",
    restore="take the line from Git's history: `callsheet run` writes this file, and no one else",
)

Lock = Mapping[str, LockedClip]
"""The clips of a lock file by the address of their item."""


def write_lock(lock: Lock) -> str:
    """Return the text of a lock file; its lines are sorted by address.

    write_lock(read_lock(text, "campaign.lock.yaml")) == text
    """
    lines = (LOCK_FORMAT.header, *(_line(lock[each]) for each in sorted(lock)))
    return "".join(f"{line}\n" for line in lines)


def append_lines(text: str, clips: Iterable[LockedClip]) -> str:
    """Return a text with the lines of these clips after it; each line once."""
    begun = text or f"{LOCK_FORMAT.header}\n"
    # `lock prune` may have been interrupted behind this step, and writes the same lines again.
    known = {line for _, line in number_lines(begun)}
    return begun + "".join(f"{line}\n" for line in map(_line, clips) if line not in known)


@lru_cache(maxsize=1)
def read_lock(text: str, file: str, advice: str = "") -> Mapping[str, LockedClip]:
    """Return the clips of a lock file by address; InvalidInput with all that is wrong in it.

    `file` is its name in findings, `advice` what to do where two branches have met in it.
    """
    # One command asks for the same text again and again: when it looks for a loss, when it plans,
    # when it writes what it has made.
    clips = read_address_lines(text, file, LOCK_FORMAT, _read, advice=advice)
    return MappingProxyType(clips)


def _read(address: str, data: Mapping[str, Any]) -> LockedClip:
    try:
        return read_locked(address, data)
    except ValueError:
        message = f"there is no day as in {data['paid']}"
        raise ValueError(message) from None


def _line(clip: LockedClip) -> str:
    return format_line(clip.address, plain_locked(clip))
