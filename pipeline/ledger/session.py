"""A connection to a ledger that outlives its server's absence for a moment.

Where the server went away before a commit was sent, nothing of the transaction is there: it is run
again. Where only the answer to the commit is missing, nobody guesses: each transaction of an owner
writes its number into a line of that owner's own, and the line is read on the next connection. The
same line tells whether somebody else worked with the ledger meanwhile: then this owner is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
from sqlalchemy import Connection, bindparam, func, insert, inspect, select, update

from pipeline.errors import CallsheetError, LedgerInUse, Unusable
from pipeline.ledger.connection import LedgerDatabase, dialect
from pipeline.ledger.fast_sql import execute
from pipeline.ledger.sql_schema import events

T = TypeVar("T")
PATIENCE_S = 90.0
"""So long a server may be away: a restart, a failover, a cable."""
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
OWNED = "ledger_owned"
"""The name of the event that is an owner's line."""


@dataclass(slots=True)
class Tenure:
    """The line that says who works with a ledger, and which of its transactions was the last."""

    line: int = 0
    number: int = 0

    def begin(self, connection: Connection) -> None:
        """Write the line, later than that of everybody who worked with the ledger before."""
        row = {"at": time.time(), "name": OWNED, "provider": "", "address": ""}
        written = connection.execute(insert(events).values({**row, "detail": _detail(0)}))
        (self.line,) = written.inserted_primary_key or (0,)

    def count(self, connection: Connection) -> int:
        """Write the number of a transaction, as its last statement; return it."""
        self.number += 1
        execute(connection, _COUNT, {"b_line": self.line, "b_detail": _detail(self.number)})
        return self.number

    def last_committed(self, connection: Connection) -> int:
        """Return the number of the last transaction; LedgerInUse if the ledger is another's now."""
        latest = connection.scalar(select(func.max(events.c.id)).where(events.c.name == OWNED))
        if latest != self.line:
            raise LedgerInUse(
                "the connection to the ledger was lost, and another process has worked with it"
                " since: this one stops, and sends nothing more"
            )
        detail = connection.scalar(select(events.c.detail).where(events.c.id == self.line))
        return _number_in(detail or b"{}")


def _detail(number: int) -> bytes:
    return orjson.dumps({"transaction": number})


def _number_in(detail: bytes) -> int:
    return int(orjson.loads(detail)["transaction"])


_COUNT = (
    update(events).where(events.c.id == bindparam("b_line")).values(detail=bindparam("b_detail"))
)


@dataclass(slots=True)
class LedgerSession:
    """Runs transactions on a connection, and on a new one where that was lost.

    Without `reopen` a connection that is lost stays so: what it had in temporary tables is gone.
    """

    connection: Connection
    reopen: Callable[[], Connection] | None = None
    patience_s: float = PATIENCE_S
    _tenure: Tenure | None = field(default=None, init=False)
    _fault: CallsheetError | None = field(default=None, init=False)
    """Why there is no connection any more: nobody waits for it a second time."""

    def own(self) -> None:
        """Let the transactions from now on be numbered: this process works with the ledger."""
        tenure = Tenure()
        with self.connection.begin():
            tenure.begin(self.connection)
        self._tenure = tenure

    def transact(self, work: Callable[[Connection], T], *, once: bool = False) -> T:
        """Run work in a transaction, and again if its connection was lost before it was committed.

        What is done `once` needs what the lost connection had: it is not run again. Raises what the
        work raises; Unusable if the server stays away, LedgerInUse if another owns the ledger now.
        """
        while True:
            if self._fault is not None:
                raise self._fault
            number = None
            try:
                with self.connection.begin():
                    result = work(self.connection)
                    number = self._tenure.count(self.connection) if self._tenure else None
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

    def close(self) -> None:
        """Let go of the connection."""
        self.connection.close()

    def _renew(self, reopen: Callable[[], Connection]) -> int | None:
        """Connect again; return the last transaction of this owner that was committed."""
        with suppress(Exception):
            self.connection.invalidate()
            self.connection.close()
        try:
            self.connection = self._reopen_patiently(reopen)
            if self._tenure is None:
                return None
            with self.connection.begin():
                dialect(self.connection).be_patient(self.connection)
                return self._tenure.last_committed(self.connection)
        except CallsheetError as fault:
            self._fault = fault
            raise

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


def last_mark(database: LedgerDatabase) -> tuple[int, int]:
    """Return what every transaction of whoever works with a server's ledger changes."""
    latest = select(events.c.id, events.c.detail).where(events.c.name == OWNED)
    with (
        database.translate_errors(),
        closing(database.connect(readonly=True)) as connection,
        connection.begin(),
    ):
        if not inspect(connection).has_table(events.name):
            return (0, 0)
        found = connection.execute(latest.order_by(events.c.id.desc()).limit(1)).first()
    return (0, 0) if found is None else (found.id, _number_in(found.detail))


def reading_session(database: LedgerDatabase, connection: Connection) -> LedgerSession:
    """Return a session for those who only read."""

    def reopen() -> Connection:
        with database.translate_errors():
            return database.connect(readonly=True)

    return LedgerSession(connection, reopen if database.is_remote else None)


def owning_session(database: LedgerDatabase, connection: Connection) -> LedgerSession:
    """Return a session for the one who works with the ledger."""

    def reopen() -> Connection:
        with database.translate_errors():
            claimed = database.connect()
            try:
                database.claim(claimed)
            except BaseException:
                claimed.close()
                raise
            return claimed

    return LedgerSession(connection, reopen if database.is_remote else None)
