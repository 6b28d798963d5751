"""Processes of one machine: that one of them has ended is seen at once, without its lease.

A process is named by the boot of its machine, the namespaces in which its number and its start are
counted, and both of these. Only who shares boot and namespaces can tell whether it still runs:
another container on the same machine cannot, nor another machine of the same name. A number that
was given to a later process is told apart by the start.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.clock import boot

_PROC = Path("/proc")
_NAMESPACES = ("pid", "time")
_UNKNOWN = "-"
_STARTED = 19
"""Where the start stands in /proc/PID/stat, counted from what follows the name (proc(5))."""


def name_process() -> str:
    """Return what names this process for whoever can see it; empty where the system does not say.

    It is also empty where /proc is another namespace's, in which our number is somebody else's.
    """
    try:
        number, started = _read_stat("self")
        namespaces = [_read_namespace(kind) for kind in _NAMESPACES]
    except (OSError, ValueError, IndexError):
        return ""
    if not boot() or namespaces[0] == _UNKNOWN or number != str(os.getpid()):
        return ""
    return " ".join((boot(), *namespaces, number, started))


def has_ended(process: str) -> bool:
    """Tell whether a process is known to have ended; never of one that cannot be seen from here."""
    words, own = process.split(), name_process().split()
    if not own or words[:-2] != own[:-2]:
        return False
    number, started = words[-2:]
    try:
        # Asks whether there is one of this number, also where /proc hides those of others.
        os.kill(int(number), 0)
        return _read_stat(number)[1] != started
    except ProcessLookupError:
        return True
    except (OSError, ValueError, IndexError):
        return False


def _read_stat(process: str) -> tuple[str, str]:
    """Return number and start of a process; the name between them may be anything."""
    before, _, after = (_PROC / process / "stat").read_text("ascii", "replace").rpartition(")")
    return before.split()[0], after.split()[_STARTED]


def _read_namespace(kind: str) -> str:
    try:
        return os.readlink(_PROC / "self" / "ns" / kind)  # noqa: PTH115 - no path: `pid:[4026531836]`
    except FileNotFoundError:
        # A kernel before 5.6 has none of time.
        return _UNKNOWN
