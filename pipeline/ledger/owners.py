"""Who works with a ledger: each process is an owner, and a job under way is its owner's alone.

An owner renews its lease. Whose lease has ended, by the database's clock, has lost its jobs: who
finds that raises its epoch and frees them, and whatever it writes later is refused. Of a process on
the same machine that has ended no lease is waited for (`processes`). The clocks of machines count
for nothing here. In a SQLite file the root's lock tells who the one owner is.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    bindparam,
    delete,
    false,
    func,
    inspect,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from pipeline.clock import RealClock
from pipeline.domain.states import CRASHED, OWNED, UNSETTLED, State
from pipeline.errors import LeaseLost
from pipeline.ledger.connection import LedgerDatabase, upsert
from pipeline.ledger.fast_sql import execute
from pipeline.ledger.processes import has_ended, name_process
from pipeline.ledger.sql_schema import campaigns, items, jobs, owners

_FROM_CRASH = "the process ended while this job was being worked on"
_KEPT_S = 86_400.0
"""How long it is remembered who has lost its lease, for whoever comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that works with a ledger; in no name does a process come back."""

    name: str
    """Host, process and chance."""
    epoch: int
    """Is raised when somebody else takes what it had."""
    lease_s: float = 0.0
    """How long after it was last seen what it has is left alone."""
    process: str = ""
    """What names it to others on its machine; empty where they could not tell it."""

    @classmethod
    def this(cls, *, lease_s: float) -> Owner:
        """Return this process as a new owner."""
        name = f"process {os.getpid()} on {socket.gethostname()} ({secrets.token_hex(4)})"
        return cls(name=name, epoch=1, lease_s=lease_s, process=name_process())


NOBODY = Owner(name="", epoch=0)


def owner_of(connection: Connection) -> Owner:
    """Return who writes on a connection; NOBODY on one that nobody has registered."""
    owner: Owner = connection.info.get("owner", NOBODY)
    return owner


def holder(connection: Connection, state: State) -> Owner:
    """Return whose a job must be that this connection moves out of a state, or into it."""
    return owner_of(connection) if state in OWNED else NOBODY


def register(connection: Connection, owner: Owner) -> None:
    """Let the ledger know an owner, and let it be the one who writes on this connection."""
    names = {"name": owner.name, "process": owner.process}
    values = {**names, "epoch": owner.epoch, "lease_s": owner.lease_s}
    written = upsert(owners).values(**values, seen_at=_Now())
    # Where the answer to the first commit was lost, it is registered again.
    connection.execute(written.on_conflict_do_nothing(index_elements=["name"]))
    connection.info["owner"] = owner


def renew(connection: Connection, owner: Owner) -> bool:
    """Write that an owner is alive; False once somebody else has taken what it had."""
    return execute(connection, _RENEW, _own(owner)).rowcount == 1


def refuse_ended(connection: Connection, owner: Owner) -> None:
    """Raise LeaseLost if somebody else has taken what an owner had."""
    row = execute(connection, _EPOCH, {"b_name": owner.name}).fetchone()
    if row is None or row[0] != owner.epoch:
        raise lease_lost(owner)


def number_transaction(connection: Connection, owner: Owner, number: int) -> None:
    """Write the number of an owner's transaction in its line; LeaseLost if that is no more its."""
    if execute(connection, _NUMBER, {**_own(owner), "b_number": number}).rowcount != 1:
        raise lease_lost(owner)


def last_transaction(connection: Connection, owner: Owner) -> int:
    """Return the number of an owner's last transaction; LeaseLost if its line is no more its."""
    refuse_ended(connection, owner)
    query = select(owners.c.transactions).where(owners.c.name == owner.name)
    return connection.scalar(query) or 0


def last_mark(database: LedgerDatabase) -> tuple[int, int]:
    """Return what every transaction of whoever works with a server's ledger changes."""
    latest = select(owners.c.name, owners.c.transactions).order_by(owners.c.name)
    with (
        database.translate_errors(),
        closing(database.connect(readonly=True)) as connection,
        connection.begin(),
    ):
        if not inspect(connection).has_table(owners.name):
            return (0, 0)
        rows = connection.execute(latest).all()
    # In no name does a process come back.
    return crc32("".join(row.name for row in rows).encode()), sum(row.transactions for row in rows)


def lease_lost(owner: Owner) -> LeaseLost:
    """Return what ends the work of an owner that has lost its lease."""
    return LeaseLost(
        f"this process ({owner.name}) said nothing for {owner.lease_s:g} s, and another one went on"
        " with what it had: nothing more is sent or written by it. Run again to work beside it"
    )


def release(connection: Connection) -> None:
    """Leave what this connection's owner has to others, at once: it has ended its work."""
    connection.execute(delete(owners).where(owners.c.name == owner_of(connection).name))
    _free_abandoned(connection)


def end_leases(connection: Connection, *, silent: bool = True) -> frozenset[str]:
    """Free what owners had who are gone; return their names.

    Gone is whose process has ended on this machine, and, of the `silent`, whose lease has ended.
    """
    mine = owner_of(connection)
    over = _Now() > owners.c.seen_at + owners.c.lease_s if silent else false()
    gone = or_(over, owners.c.name.in_(_find_ended(connection)))
    ended = (
        update(owners)
        .where(owners.c.name != mine.name, owners.c.ended_by == "", gone)
        .values(epoch=owners.c.epoch + 1, ended_by=mine.name)
    )
    names = frozenset(connection.scalars(ended.returning(owners.c.name)))
    if names:
        _free_abandoned(connection)
    return names


def select_living() -> Select[tuple[str]]:
    """Return the query for the names of those that nobody has found to be gone."""
    return select(owners.c.name).where(owners.c.ended_by == "")


def _find_ended(connection: Connection) -> list[str]:
    """Return the names of those whose process is seen to have ended."""
    query = select(owners.c.name, owners.c.process).where(owners.c.ended_by == "")
    return [name for name, process in connection.execute(query) if has_ended(process)]


def find_clock_offset(connection: Connection) -> float:
    """Return by how many seconds the database's clock is ahead of this machine's."""
    clock = RealClock()
    before = clock.now().timestamp()
    theirs: float = connection.execute(select(_Now())).scalar_one()
    return theirs - (before + clock.now().timestamp()) / 2


def recover(connection: Connection, *, alone: bool) -> None:
    """Put every job that is nobody's where the end of who worked on it leaves it.

    `alone` is for who knows that there is no other owner: then no lease is waited for.
    """
    ended = owners.c.ended_by != ""
    forgotten = true() if alone else ended & (_Now() > owners.c.seen_at + _KEPT_S)
    mine = owner_of(connection).name
    connection.execute(delete(owners).where(owners.c.name != mine, forgotten))
    if not alone:
        end_leases(connection, silent=False)
    # Also those of a version that knew no owners, or of a ledger that was copied.
    _free_abandoned(connection)


def recover_own(connection: Connection) -> None:
    """Put the jobs of this connection's owner where the end of a run leaves them, for anybody."""
    _free(connection, jobs.c.owner == owner_of(connection).name)


def claim(connection: Connection, *, keys: Iterable[str]) -> frozenset[str]:
    """Take up those of these jobs that were sent, have not ended, and are nobody else's."""
    owner = owner_of(connection)
    taken = (
        update(jobs)
        .where(
            jobs.c.key.in_(list(keys)),
            jobs.c.state.in_(UNSETTLED),
            jobs.c.owner.in_([NOBODY.name, owner.name]),
        )
        .values(owner=owner.name, epoch=owner.epoch)
    )
    return frozenset(connection.scalars(taken.returning(jobs.c.key)))


def leave(connection: Connection, *, keys: Iterable[str]) -> None:
    """Leave jobs that were taken up to whoever can go on with them."""
    own = (jobs.c.key.in_(list(keys)), jobs.c.owner == owner_of(connection).name)
    connection.execute(update(jobs).where(*own).values(owner=NOBODY.name, epoch=NOBODY.epoch))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """What a campaign still has to be made or settled, beside what this process has in hand."""

    planned: Mapping[str, int]
    """How many are selected and nobody's, by provider."""
    others: int
    """Under way with other owners, living or not."""


def find_free(connection: Connection, *, campaign: str) -> frozenset[tuple[str, State]]:
    """Return a campaign's jobs that were sent, have not ended, and are nobody's: key and state."""
    free = (jobs.c.state.in_(UNSETTLED), jobs.c.owner == NOBODY.name)
    query = select(jobs.c.key, jobs.c.state).where(*free, jobs.c.key.in_(_keys(campaign)))
    return frozenset((row.key, State(row.state)) for row in connection.execute(query))


def count_open(connection: Connection, *, campaign: str, owner: Owner) -> OpenWork:
    """Count what a campaign still has to be made or settled, beside what an owner has in hand."""
    elsewhere = jobs.c.owner.not_in([NOBODY.name, owner.name])
    others = (jobs.c.state.in_(OWNED), elsewhere, jobs.c.key.in_(_keys(campaign)))
    count = select(func.count()).select_from(jobs).where(*others)
    return OpenWork(
        planned=count_planned(connection, campaign=campaign),
        others=connection.scalar(count) or 0,
    )


def count_planned(connection: Connection, *, campaign: str) -> Counter[str]:
    """Count what a campaign has selected and nobody makes yet, by provider."""
    selected = _keys(campaign).where(items.c.selected == 1)
    query = select(jobs.c.provider, func.count()).where(
        jobs.c.state == State.PLANNED.value, jobs.c.key.in_(selected)
    )
    found = connection.execute(query.group_by(jobs.c.provider))
    return Counter({row[0]: row[1] for row in found})


def _keys(campaign: str) -> Any:
    return (
        select(items.c.key)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(campaigns.c.name == campaign, campaigns.c.generation == items.c.generation)
    )


def _free_abandoned(connection: Connection) -> None:
    """Let the jobs of whoever is no living owner be nobody's, where his end leaves them."""
    _free(connection, jobs.c.owner.not_in(select_living()))


def _free(connection: Connection, whose: ColumnElement[bool]) -> None:
    free = {"owner": NOBODY.name, "epoch": NOBODY.epoch}
    for before, after in CRASHED.items():
        crashed = update(jobs).where(jobs.c.state == before.value, whose)
        connection.execute(crashed.values(state=after.value, message=_FROM_CRASH, **free))
    left = (jobs.c.state.in_(OWNED), jobs.c.owner != NOBODY.name, whose)
    connection.execute(update(jobs).where(*left).values(**free))


def _own(owner: Owner) -> dict[str, Any]:
    return {"b_name": owner.name, "b_epoch": owner.epoch}


class _Now(FunctionElement[float]):
    """The database's own clock, in unix seconds; within a transaction it goes on."""

    inherit_cache = True
    type = Float()


@compiles(_Now, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ARG001 - its interface
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(_Now, "postgresql")
def _server_now(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ARG001 - its interface
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


_RENEW = (
    update(owners)
    .where(owners.c.name == bindparam("b_name"), owners.c.epoch == bindparam("b_epoch"))
    .values(seen_at=_Now())
)
_NUMBER = (
    update(owners)
    .where(owners.c.name == bindparam("b_name"), owners.c.epoch == bindparam("b_epoch"))
    .values(transactions=bindparam("b_number"))
)
_EPOCH = select(owners.c.epoch).where(owners.c.name == bindparam("b_name"))
