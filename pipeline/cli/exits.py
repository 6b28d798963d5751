"""How a command ends before its last line."""

from __future__ import annotations

from pipeline.domain.states import Exit

INTERRUPTED = "interrupted; what was paid for is in the ledger, run again to continue"


class Interrupted(BaseException):
    """A signal ended the command; like KeyboardInterrupt, nothing on the way may catch it."""

    def __init__(self, code: Exit) -> None:
        self.code = code
        super().__init__(code.name)
