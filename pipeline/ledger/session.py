"""An owner's connection to a ledger, which outlives its server's absence for a moment.

Each transaction finds the owner's line as it was, or is refused: somebody else has taken over what
it had. Where the server went away before a commit was sent, nothing of the transaction is there: it
is run again. Where only the answer to the commit is missing, nobody guesses: on a server each
transaction writes its number into that line, which is read on the next connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection

from pipeline.errors import CallsheetError, LedgerInUse, Unusable
from pipeline.ledger.connection import LedgerDatabase, dialect
from pipeline.ledger.owners import (
    NOBODY,
    Owner,
    last_transaction,
    number_transaction,
    refuse_ended,
    release,
)

T = TypeVar("T")
PATIENCE_S = 90.0
"""So long a server may be away: a restart, a failover, a cable."""
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


@dataclass(slots=True)
class LedgerSession:
    """Runs transactions on a connection, and on a new one where that was lost.

    Without `reopen` a connection that is lost stays so: what it had in temporary tables is gone.
    """

    connection: Connection
    reopen: Callable[[], Connection] | None = None
    owner: Owner = NOBODY
    """Who works with the ledger by it, once `is_registered`."""
    is_registered: bool = False
    patience_s: float = PATIENCE_S
    _number: int = field(default=0, init=False)
    """Of the owner's last transaction."""
    _fault: CallsheetError | None = field(default=None, init=False)
    """Why there is no connection any more: nobody waits for it a second time."""
    _lost_at: float | None = field(default=None, init=False)
    """Monotonic, while a lost connection is being made again."""

    @property
    def away_s(self) -> float:
        """Return for how long the server has been waited for, in seconds; 0 while it answers."""
        lost_at = self._lost_at
        return 0.0 if lost_at is None else time.monotonic() - lost_at

    def transact(self, work: Callable[[Connection], T], *, once: bool = False) -> T:
        """Run work in a transaction, and again if its connection was lost before it was committed.

        What is done `once` needs what the lost connection had: it is not run again. Raises what the
        work raises; Unusable if the server stays away, LeaseLost if another has taken over.
        """
        while True:
            if self._fault is not None:
                raise self._fault
            number = None
            try:
                with self.connection.begin():
                    if self.is_registered:
                        refuse_ended(self.connection, self.owner)
                    result = work(self.connection)
                    number = self._count()
            except Exception as fault:
                if self.reopen is None or not dialect(self.connection).is_lost(self.connection):
                    raise
                lost = fault
            else:
                return result
            last = self._renew(self.reopen)
            if number is not None and number == last:
                return result
            if once:
                raise lost

    def _count(self) -> int | None:
        """Write the number of a transaction, as its last statement; None where none is needed."""
        if not (self.is_registered and self.reopen):
            return None
        self._number += 1
        number_transaction(self.connection, self.owner, self._number)
        return self._number

    def close(self) -> None:
        """Let go of the connection; on a server, leave what the owner has to others at once."""
        if self.is_registered and self.reopen:
            # Who cannot tell lets the lease end.
            with suppress(Exception), self.connection.begin():
                release(self.connection)
        self.connection.close()

    def _renew(self, reopen: Callable[[], Connection]) -> int | None:
        """Connect again; return the last transaction of this owner that was committed."""
        with suppress(Exception):
            self.connection.invalidate()
            self.connection.close()
        self._lost_at = time.monotonic()
        try:
            self.connection = self._reopen_patiently(reopen)
            if not self.is_registered:
                return None
            with self.connection.begin():
                dialect(self.connection).be_patient(self.connection)
                return last_transaction(self.connection, self.owner)
        except CallsheetError as fault:
            self._fault = fault
            raise
        finally:
            self._lost_at = None

    def _reopen_patiently(self, reopen: Callable[[], Connection]) -> Connection:
        until, pause_s = time.monotonic() + self.patience_s, _SHORTEST_PAUSE_S
        while True:
            try:
                return reopen()
            # In use: the server may still have our own connection for alive.
            except (Unusable, LedgerInUse):
                if time.monotonic() >= until:
                    raise
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def reading_session(database: LedgerDatabase, connection: Connection) -> LedgerSession:
    """Return a session for those who only read."""

    def reopen() -> Connection:
        with database.translate_errors():
            return database.connect(readonly=True)

    return LedgerSession(connection, reopen if database.is_remote else None)


def owning_session(database: LedgerDatabase, connection: Connection, owner: Owner) -> LedgerSession:
    """Return a session for an owner, who is registered by it."""

    def reopen() -> Connection:
        with database.translate_errors():
            joined = database.connect()
            try:
                database.join(joined)
            except BaseException:
                joined.close()
                raise
            joined.info["owner"] = owner
            return joined

    return LedgerSession(connection, reopen if database.is_remote else None, owner)
