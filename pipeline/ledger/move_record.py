"""What a ledger says of its own moves: where it has gone, and from where it came.

It stands in a table beside the ledger's own, which no copy takes along. A ledger that has gone has
a version that is above every other, so that also an earlier Callsheet buys nothing by it; one that
is still arriving has none, which is the same to all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Float, MetaData, Table, insert, inspect, select, update

from pipeline.ledger.history_tables import TEXT
from pipeline.ledger.sql_schema import versions

RETIRED = 1_000_000
"""The version of a ledger that has moved away."""
_TO, _GONE, _FROM = "to", "gone", "from"
ledger_moves = Table(
    "ledger_moves",
    MetaData(),
    Column("token", TEXT, primary_key=True),
    Column("direction", TEXT, primary_key=True),
    Column("place", TEXT, nullable=False),
    Column("at", Float, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRecord:
    """One move, as one of its two ledgers has it."""

    token: str
    """Random; both ledgers of a move have the same."""
    place: str
    """The other ledger: the URL of a server, or a root."""
    is_over: bool = False
    """Whether the other one is known to have become a ledger."""


def find_departure(connection: Connection) -> MoveRecord | None:
    """Return where a ledger has moved to; None where it has not."""
    return next(iter(_read(connection, _TO, _GONE)), None)


def find_arrival(connection: Connection) -> MoveRecord | None:
    """Return from where a ledger came last, or is coming; None where it was made here."""
    return next(iter(_read(connection, _FROM)), None)


def record_arrival(connection: Connection, record: MoveRecord, *, at: datetime) -> None:
    """Write from where a ledger comes, which is not one yet."""
    _write(connection, _FROM, record, at)


def record_departure(connection: Connection, record: MoveRecord, *, at: datetime) -> None:
    """Retire a ledger: from the end of this transaction on nothing is bought by it."""
    _write(connection, _TO, record, at)
    connection.execute(insert(versions).values(version=RETIRED))


def end_departure(connection: Connection) -> None:
    """Write that the other ledger lives: it is not to be made of this one again."""
    leaving = update(ledger_moves).where(ledger_moves.c.direction == _TO)
    connection.execute(leaving.values(direction=_GONE))


def _read(connection: Connection, *directions: str) -> list[MoveRecord]:
    if not inspect(connection).has_table(ledger_moves.name):
        return []
    known = select(ledger_moves).where(ledger_moves.c.direction.in_(directions))
    rows = connection.execute(known.order_by(ledger_moves.c.at.desc()))
    return [
        MoveRecord(token=row.token, place=row.place, is_over=row.direction == _GONE) for row in rows
    ]


def _write(connection: Connection, direction: str, record: MoveRecord, at: datetime) -> None:
    ledger_moves.create(connection, checkfirst=True)
    values = {"token": record.token, "direction": direction, "place": record.place}
    connection.execute(insert(ledger_moves).values({**values, "at": at.timestamp()}))
