"""What the exit code of a command means (product.md, "Exit codes"): one table."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; where several hold at once, the first in PRECEDENCE wins."""

    OK = 0
    BUG = 1
    WORK = 2
    INVALID = 3
    FAILURES = 10
    HELD = 11
    STOPPED = 12
    UNKNOWN = 13
    STALE = 14
    DAMAGED = 15
    INTERRUPTED = 130
    TERMINATED = 143


class Leave(Exception):  # noqa: N818 - it is no error, it is how a command ends
    """End the command with this code; everything worth saying was said."""

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code.name)
