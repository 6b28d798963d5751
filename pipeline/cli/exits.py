"""What the exit code of a command means (product.md, "Exit codes"): one table."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; where several hold at once: DAMAGED, UNKNOWN, STOPPED, HELD, FAILURES."""

    OK = 0
    """All that was asked for is done and in spec."""
    BUG = 1
    """A bug in callsheet."""
    WORK = 2
    """Only `plan --detailed-exitcode`: there is work."""
    INVALID = 3
    """The manifest, a table, a file or the command is wrong, a key is missing, or nobody is there
    to ask and `--yes` was not said. Nothing was sent."""
    FAILURES = 10
    """Finished, but some clips failed, were refused, or are off spec."""
    HELD = 11
    """Some items are held by the budget."""
    STOPPED = 12
    """Stopped: no credit, a bad key, the brake, a disk that is full, another run at work, a root
    that is a copy or a rehearsal's, or a person who said no."""
    UNKNOWN = 13
    """The outcome of some items is unknown, or overdue."""
    STALE = 14
    """The saved plan is stale: the world has moved since."""
    DAMAGED = 15
    """A clip of the store is gone or is not what was received, or the ledger is damaged."""
    INTERRUPTED = 130
    """Interrupted with Ctrl-C. What was done is saved; run again to go on."""
    TERMINATED = 143
    """Ended from outside (SIGTERM), or the terminal was closed. What was done is saved; run again
    to go on."""


class Leave(Exception):  # noqa: N818 - it is no error, it is how a command ends
    """End the command with this code; everything worth saying was said."""

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code.name)


class Interrupted(BaseException):
    """A signal ended the command; like KeyboardInterrupt, nothing on the way may catch it."""

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code.name)
