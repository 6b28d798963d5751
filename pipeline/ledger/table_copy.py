"""The rows of a ledger, copied to an empty one in whichever database, and counted and digested.

A digest is of values as Python has them, in the order of the primary key: two ledgers with the same
digests say the same, whatever their databases are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select
from sqlalchemy.exc import DBAPIError, StatementError

from pipeline.errors import Unusable
from pipeline.ledger.connection import LedgerDatabase, dialect
from pipeline.ledger.fast_sql import create_tables
from pipeline.ledger.sql_schema import METADATA, lane_shares, owners, run_plans, versions

_OF_OWNERS = frozenset({lane_shares, owners, run_plans})
COPIED: Sequence[Table] = tuple(
    table for table in METADATA.sorted_tables if table not in {*_OF_OWNERS, versions}
)
"""What a copy has, parents first. The version is not among it: with that a copy is a ledger; nor
who works with the other one, and with what: nobody works with the copy yet."""
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows a table has, and the SHA-256 of them."""

    rows: int
    sha256: str


Digests = Mapping[str, TableDigest]


@dataclass(frozen=True, slots=True)
class CopyEnd:
    """A database, and a connection to it that is in a transaction."""

    database: LedgerDatabase
    connection: Connection


def copy_tables(source: CopyEnd, target: CopyEnd) -> Digests:
    """Copy every row to a database without tables; return the digests of what was read.

    Unusable, with the table, where a row does not fit; what fails says of which of the two it is.
    """
    with target.database.translate_errors():
        create_tables(target.connection, METADATA)
    return {table.name: _copy(table, source, target) for table in COPIED}


def read_digests(connection: Connection) -> Digests:
    """Return the digests of all that a copy has."""
    found = {}
    for table in COPIED:
        count = _Count()
        for page in _pages(table, connection):
            count.take(page)
        found[table.name] = count.digest()
    return found


def require_same(database: LedgerDatabase, wanted: Digests, found: Digests) -> None:
    """Raise Unusable, with the tables, where a copy does not read as it was written."""
    wrong = [name for name, digest in wanted.items() if found[name] != digest]
    if wrong:
        raise Unusable(
            f"{database}: what was copied does not read as it was written ({', '.join(wrong)}):"
            " the ledger stays as it is; please report it"
        )


class _Count:
    """Counts rows, and digests them."""

    def __init__(self) -> None:
        self._rows = 0
        self._sha256 = hashlib.sha256()

    def take(self, page: Sequence[Row[Any]]) -> None:
        self._rows += len(page)
        for row in page:
            self._sha256.update(f"{tuple(row)!r}\n".encode("utf-8", "surrogatepass"))

    def digest(self) -> TableDigest:
        return TableDigest(self._rows, self._sha256.hexdigest())


def _copy(table: Table, source: CopyEnd, target: CopyEnd) -> TableDigest:
    count = _Count()
    # What fails outside of `_write` is the reading of it.
    with source.database.translate_errors():
        for page in _pages(table, source.connection):
            count.take(page)
            _write(table, page, target)
    dialect(target.connection).count_on(target.connection, table)
    return count.digest()


def _write(table: Table, page: Sequence[Row[Any]], target: CopyEnd) -> None:
    rows = [dict(row._mapping) for row in page]  # noqa: SLF001 - its public name
    try:
        with target.database.translate_errors():
            target.connection.execute(insert(table), rows)
    except (DBAPIError, StatementError) as fault:
        reason = str(fault.orig or fault).partition("\n")[0]
        raise Unusable(
            f"{target.database}: a row of the table {table.name} does not fit: {reason}. Nothing"
            " was changed; please report it"
        ) from fault


def _pages(table: Table, connection: Connection) -> Iterator[Sequence[Row[Any]]]:
    wanted = select(table).order_by(*table.primary_key.columns)
    rows = connection.execute(wanted, execution_options={"yield_per": _AT_ONCE})
    yield from rows.partitions()
