"""The lease of a process on its jobs: renewed beside its work, and asked before money leaves.

Renewing has a thread and a connection of its own, for planning a large campaign must not look like
the end of the process. Whether it is in time is judged by a clock that nobody sets, and that goes
on while the machine sleeps.
"""

from __future__ import annotations

from contextlib import closing, suppress
from threading import Event, Thread
from typing import TypeVar

from sqlalchemy import Connection

from pipeline.clock import RealClock
from pipeline.errors import CallsheetError
from pipeline.ledger.connection import LedgerDatabase, dialect
from pipeline.ledger.group_commit import Operation
from pipeline.ledger.migrations import migrate
from pipeline.ledger.owners import (
    Owner,
    find_clock_offset,
    lease_lost,
    recover,
    register,
    renew,
)
from pipeline.ledger.root_identity import RootIdentity, record_identity

LEASE_S = 15.0
"""How long a process may say nothing before another goes on with what it had."""
_BEATS = 5
"""How often it is renewed in that time."""
_BEATS_BEFORE_OTHERS = 2
"""How many of its own a process waits for before it says that another has ended: a server that was
away kept everybody silent."""
_LOOK_EVERY_S = 0.1
_MARGIN = 1 / 3
"""The share of a lease in which nothing more is sent: what leaves must arrive within it."""
T = TypeVar("T")


class Lease:
    """One owner's lease. Where nobody else can take it, it needs no renewing, and has no end."""

    def __init__(self, owner: Owner, database: LedgerDatabase) -> None:
        self.owner = owner
        self.ahead_s = 0.0
        """How far the clock that all owners go by is ahead of this machine's; 0 in a file."""
        self._database = database
        self._clock = RealClock()
        self._renewed_at = self._clock.monotonic()
        self._in_time = 0
        """How often it was renewed since it was late, or began."""
        self._closing = Event()
        self._ended = False
        self._thread = (
            Thread(target=self._keep_up, name="ledger-lease", daemon=True)
            if database.is_remote
            else None
        )

    @classmethod
    def of_this_process(cls, database: LedgerDatabase) -> Lease:
        """Return the lease of this process, which begins with `start`."""
        return cls(Owner.this(lease_s=LEASE_S), database)

    @property
    def renew_every_s(self) -> float:
        """Return the seconds between two renewals."""
        return self.owner.lease_s / _BEATS

    def start(self, ahead_s: float) -> None:
        """Renew it from now on; the owner has just been registered (`begin_work`)."""
        self.ahead_s = ahead_s
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        """Renew it no more."""
        self._closing.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()

    @property
    def has_ended(self) -> bool:
        """Tell whether somebody else is known to have taken what this owner had."""
        return self._ended

    def refuse_ended(self) -> None:
        """Raise LeaseLost if somebody else is known to have taken what this owner had."""
        if self._ended:
            raise lease_lost(self.owner)

    def may_end_others(self) -> bool:
        """Tell whether an owner that says nothing is itself to blame, and not the server."""
        return self._in_time >= _BEATS_BEFORE_OTHERS and self.may_send()

    def may_send(self) -> bool:
        """Tell whether what leaves now arrives while nobody else may take the job."""
        if self._thread is None:
            return True
        passed_s = self._clock.monotonic() - self._renewed_at
        return not self._ended and passed_s < self.owner.lease_s * (1 - _MARGIN)

    async def until_sure(self) -> None:
        """Return once nobody else can have taken what this owner has; LeaseLost if one did.

        For what is done outside of the ledger, by a process that may have stood still until now.
        """
        while not self.may_send():
            self.refuse_ended()
            await self._clock.sleep(_LOOK_EVERY_S)

    def write_anyway(self, operation: Operation[T]) -> T:
        """Write what must not be lost even if the lease is; it changes no job."""
        with (
            self._database.translate_errors(),
            closing(self._database.connect()) as connection,
            connection.begin(),
        ):
            return operation(connection)

    def _keep_up(self) -> None:
        connection: Connection | None = None
        while not (self._closing.wait(self.renew_every_s) or self._ended):
            try:
                with self._database.translate_errors():
                    connection = connection or self._database.connect_beside()
                    self._renew(connection)
            except CallsheetError:
                # The server is away: what is said in time after it is back keeps the lease.
                _close(connection)
                connection = None
        _close(connection)

    def _renew(self, connection: Connection) -> None:
        # Before it is asked: the server's own moment is later, and so is the end of the lease.
        asked_at = self._clock.monotonic()
        with connection.begin():
            known = renew(connection, self.owner)
            ahead_s = find_clock_offset(connection)
        if known:
            self.ahead_s = ahead_s
            was_late = asked_at - self._renewed_at > self.owner.lease_s * _MARGIN
            self._in_time = 0 if was_late else self._in_time + 1
            self._renewed_at = asked_at
        else:
            self._ended = True


def _close(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(Exception):
            connection.close()


def begin_work(
    connection: Connection,
    *,
    gone: Operation[None] | None,
    identity: RootIdentity,
    owner: Owner,
    alone: bool,
) -> float:
    """Make the ledger ready for work: up to date, and what a crash left behind settled.

    `gone` writes down, in the same transaction, that a new one stands where another was lost.
    Return how far the clock that all owners go by is ahead of this machine's: alone it is its own.
    """
    migrate(connection)
    record_identity(connection, identity)
    if gone is not None:
        gone(connection)
    register(connection, owner)
    recover(connection, alone=alone)
    dialect(connection).be_patient(connection)
    return 0.0 if alone else find_clock_offset(connection)
