"""A ledger in a schema of a PostgreSQL server, by the same rules as in a SQLite file.

Only one transaction writes at a time, as in SQLite: whatever holds there holds here. Several
programs may work with a ledger (`owners`), or one that wants nobody beside it; the server lets go
of it when that program's connection ends.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zlib import crc32

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    TextClause,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import NullPool

from pipeline.errors import CallsheetError, LedgerDamaged, LedgerInUse, Unusable
from pipeline.ledger.sqlite import READONLY

if TYPE_CHECKING:
    import psycopg

SCHEMA = "callsheet"
"""The schema of a ledger whose URL names none (`?schema=`)."""
MISSING = (
    "the ledger is on PostgreSQL, whose driver is not installed:"
    " pip install 'callsheet[postgres]', then run again"
)
_OWNER, _WRITER, _PLANNER = 0x63616C6C, 0x63616C6D, 0x63616C6E
"""The first half of the keys of our advisory locks: who works with a ledger, who writes to it, who
plans."""
_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # Somebody waits for the answer: `be_patient` is for when work is under way.
        "lock_timeout": "5s",
        # A machine that stops in the middle of a transaction must not keep all others waiting, and
        # not for longer than its lease lasts (`lease.LEASE_S`).
        "idle_in_transaction_session_timeout": "15s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
)
_KEEPALIVES: Mapping[str, str] = MappingProxyType(
    {
        # So a server whose machine is gone is known to be, and not waited for for hours.
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
    }
)
_CONNECT_TIMEOUT_S = 10
_LOST = "the server cannot be reached: {said}. Check that it runs and the URL, then run again"
_REMEDIES: tuple[tuple[str, type[CallsheetError], str], ...] = (
    ("28", Unusable, "the server refuses the login ({said}): see PGPASSFILE, PGSERVICE, the role"),
    ("3D000", Unusable, "there is no such database: make it (`createdb`), or mend the URL"),
    ("42501", Unusable, "the role may not do that ({said}): grant it the schema and its tables"),
    ("25006", Unusable, "the server is read-only, as a standby is: name the primary in the URL"),
    ("53100", Unusable, "the server's disk is full: free some space there, then run again"),
    ("53", Unusable, "the server has no room for it ({said}): see to it, then run again"),
    (
        "55P03",
        LedgerInUse,
        "another program writes to it and does not end: wait for it, or stop it",
    ),
    ("57", Unusable, _LOST),
    ("08", Unusable, _LOST),
    ("25P03", Unusable, _LOST),
    ("58", Unusable, "the server reports a fault of its disk ({said}): see to it, then run again"),
    ("XX", LedgerDamaged, "the server says that it is damaged ({said}): restore a backup of it"),
)
"""What the beginning of an SQLSTATE means; the first one that fits counts."""


@dataclass(frozen=True, slots=True)
class PostgresqlSchema:
    """A ledger on a server. The URL has no password; its `schema` tells where the tables are."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def schema(self) -> str:
        """Return the schema that the tables are in."""
        return dict(parse_qsl(urlsplit(self.url).query)).get("schema") or SCHEMA

    @property
    def is_remote(self) -> bool:
        """Tell that a server may be away for a moment."""
        return True

    def connect(self, *, readonly: bool = False) -> Connection:
        """Open one connection."""
        wanted = _WANTED.set(self)
        try:
            connection = _engine().connect()
        finally:
            _WANTED.reset(wanted)
        connection.info.update(schema=self.schema, readonly=readonly)
        if not readonly:
            with closing(connection.connection.cursor()) as cursor:
                _refuse_forgetful(self, cursor)
        names = {"main": self.schema}
        return connection.execution_options(**{READONLY: readonly, "schema_translate_map": names})

    def connect_beside(self) -> Connection:
        """Open a connection that writes single rows without waiting for the one who writes."""
        connection = self.connect()
        connection.info["beside"] = True
        return connection

    def is_empty(self) -> bool:
        """Tell whether the schema is not there, or has no table."""
        with self.translate_errors(), closing(self.connect(readonly=True)) as connection:
            known = connection.execute(_ANY_TABLE, {"schema": self.schema})
            return known.first() is None

    def make(self, now: datetime, *, anew: bool) -> None:  # noqa: ARG002 - of the databases
        """Make the schema, if there is none: a role may have been given one, and no right to it."""
        with self.translate_errors(), closing(self.connect()) as connection, connection.begin():
            self._make(connection)

    def _make(self, connection: Connection) -> None:
        if connection.execute(_SCHEMA, {"schema": self.schema}).first() is None:
            connection.exec_driver_sql(f'CREATE SCHEMA "{self.schema}"')

    def claim(self, connection: Connection) -> None:
        """Let nobody else work with the ledger until this connection ends; LedgerInUse if one does.

        Also when the process is killed, or its machine is gone, the server ends the connection.
        """
        self._lock(connection, _CLAIM)

    def join(self, connection: Connection) -> None:
        """Work beside others until this connection ends; LedgerInUse if one wants it alone."""
        self._lock(connection, _JOIN)

    def _lock(self, connection: Connection, how: TextClause) -> None:
        key = {"kind": _OWNER, "schema": _lock_key(self.schema)}
        with connection.begin():
            if not connection.scalar(how, key):
                holder = connection.scalar(_HOLDER, key) or "another process"
                raise LedgerInUse(f"{self} is in use by {holder}; wait for it, or stop it")

    def set_aside(self, connection: Connection, now: datetime) -> str | None:
        """Rename the schema and make an empty one; return its new name, None if it had nothing."""
        kept = f"{self.schema}_{now.astimezone(UTC).strftime('%Y%m%dt%H%M%Sz')}"
        if connection.execute(_ANY_TABLE, {"schema": self.schema}).first() is None:
            self._make(connection)
            return None
        connection.exec_driver_sql(f'ALTER SCHEMA "{self.schema}" RENAME TO "{kept}"')
        self._make(connection)
        return kept

    def find_owner(self) -> str:
        """Return who has claimed the ledger, on whatever machine; empty where nobody has."""
        key = {"kind": _OWNER, "schema": _lock_key(self.schema)}
        with self.translate_errors(), closing(self.connect(readonly=True)) as connection:
            return connection.scalar(_HOLDER, key) or ""

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn the driver's errors about the server into ours; those about a statement pass."""
        try:
            yield
        except DBAPIError as failure:
            raise self._fault(failure.orig) or failure from failure
        except Exception as failure:
            told = self._fault(failure)
            if told is None:
                raise
            raise told from failure

    def _fault(self, failure: BaseException | None) -> CallsheetError | None:
        driver = _driver()
        if not isinstance(failure, driver.Error):
            return None
        # Without a state the connection itself failed: no server said anything.
        state = failure.sqlstate or ("08" if isinstance(failure, driver.OperationalError) else "")
        said = str(failure).partition("\n")[0].strip()
        for beginning, kind, remedy in _REMEDIES:
            if state.startswith(beginning):
                return kind(f"{self}: {remedy.format(said=said)}")
        return None


def allow_temporary(connection: Connection) -> None:
    """Let a read-only connection write to temporary tables."""
    connection.info["readonly"] = False


def be_patient(connection: Connection) -> None:
    """Wait longer for others from now on: what is under way is worth it."""
    connection.exec_driver_sql("SET lock_timeout = '30s'")


def checkpoint(connection: Connection) -> None:
    """Do nothing: the server keeps its own files whole."""


def quickly_checked(connection: Connection) -> None:
    """Do nothing: the server checks what it reads."""


def broken_pages(connection: Connection) -> list[str]:  # noqa: ARG001 - of the dialects
    """Return nothing: the server refuses rows that lead nowhere; its files are `pg_amcheck`'s."""
    return []


def begin_planning(connection: Connection) -> None:
    """Wait until nobody else plans, and keep others from it until `end_planning`."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PLANNING_TIMEOUT}'")
    connection.execute(_BEGIN_PLANNING, _planner(connection))


def end_planning(connection: Connection) -> None:
    """Let others plan."""
    connection.execute(_END_PLANNING, _planner(connection))


def _planner(connection: Connection) -> dict[str, int]:
    return {"kind": _PLANNER, "schema": _lock_key(connection.info["schema"])}


def count_on(connection: Connection, table: Table) -> None:
    """Let new rows of a table be numbered after those that were copied into it."""
    numbered = table.autoincrement_column
    if numbered is not None:
        named = {"table": f'"{connection.info["schema"]}".{table.name}', "column": numbered.name}
        last = connection.scalar(select(func.max(numbered)))
        connection.execute(_NUMBER_ON, {**named, "last": last or 1, "used": last is not None})


def is_lost(connection: Connection) -> bool:
    """Tell whether the server has ended the connection, or cannot be reached any more."""
    if connection.closed or connection.invalidated:
        return True
    raw: Any = connection.connection.driver_connection
    return bool(raw.closed)


def shadow(connection: Connection, name: str) -> None:
    """Put an empty temporary table, with its indexes, before a table of that name."""
    schema = connection.info["schema"]
    connection.exec_driver_sql(
        f'CREATE TEMP TABLE {name} (LIKE "{schema}".{name} INCLUDING DEFAULTS INCLUDING INDEXES)'
    )
    # A statement that was prepared before would go on to write to the table behind it.
    connection.exec_driver_sql("DISCARD PLANS")


def gather_statistics(connection: Connection, name: str) -> None:
    """Let queries be planned by what is in a temporary table by now.

    Autovacuum never looks at temporary tables (PostgreSQL 15, "ANALYZE"): unless it is told, the
    server takes each for one of a few rows, and joins 100,000 of them one by one.
    """
    connection.exec_driver_sql(f"ANALYZE pg_temp.{name}")


def is_shadowed(connection: Connection, name: str) -> bool:
    """Tell whether a temporary table stands before the one of that name."""
    return connection.execute(_SHADOW, {"name": name}).first() is not None


def name_schemas(connection: Connection, sql: str) -> str:
    """Return a statement in which `main.` and `temp.` are the schemas that they are here."""
    names = {"main": f'"{connection.info["schema"]}".', "temp": "pg_temp."}
    return _NAMED.sub(lambda found: names[found[1]], sql)


_NUMBER_ON = text("SELECT setval(pg_get_serial_sequence(:table, :column), :last, :used)")
_NAMED = re.compile(r"\b(main|temp)\.")
_ANY_TABLE = text("SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = :schema LIMIT 1")
_SCHEMA = text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :schema")
_SHADOW = text(
    "SELECT 1 FROM pg_catalog.pg_class"
    " WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' AND relname = :name"
)
_CLAIM = text("SELECT pg_try_advisory_lock(:kind, :schema)")
_JOIN = text("SELECT pg_try_advisory_lock_shared(:kind, :schema)")
_BEGIN_PLANNING = text("SELECT pg_advisory_lock(:kind, :schema)")
_END_PLANNING = text("SELECT pg_advisory_unlock(:kind, :schema)")
_PLANNING_TIMEOUT = "10min"
"""A campaign of a million items is planned in less."""
_HOLDER = text(
    "SELECT coalesce(activity.application_name || ' since ' || to_char(activity.backend_start,"
    """ 'YYYY-MM-DD"T"HH24:MI:SSOF'), 'another process')"""
    " FROM pg_catalog.pg_locks AS held JOIN pg_catalog.pg_stat_activity AS activity"
    " ON activity.pid = held.pid WHERE held.locktype = 'advisory' AND held.granted"
    " AND held.classid::bigint = :kind AND held.objid::bigint = :schema"
    " AND held.database = (SELECT oid FROM pg_catalog.pg_database"
    " WHERE datname = current_database())"
)
_DURABLE = """
SELECT current_setting('fsync'), current_setting('server_encoding'),
  set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit')
  IN ('on', 'remote_apply') THEN current_setting('synchronous_commit') ELSE 'on' END, false)
"""


def _refuse_forgetful(database: PostgresqlSchema, cursor: Any) -> None:
    """Let a commit be on the disk before it says so; Unusable where the server does not do that."""
    cursor.execute(_DURABLE)
    fsync, encoding, _ = cursor.fetchone()
    if fsync != "on":
        raise Unusable(f"{database}: the server runs with fsync = {fsync}: an intent may be lost")
    if encoding != "UTF8":
        raise Unusable(
            f"{database}: the database is encoded in {encoding}: make one with `createdb -E UTF8`"
        )


def _lock_key(schema: str) -> int:
    """Return the second half of a ledger's locks, which is of its database alone."""
    return crc32(schema.encode()) >> 1


def _driver() -> Any:
    try:
        import psycopg  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as missing:
        raise Unusable(MISSING) from missing
    return psycopg


@cache
def _engine() -> Engine:
    """Return the one engine of this process: what it compiled for one ledger serves the next."""
    _driver()
    engine = create_engine(
        "postgresql+psycopg://",
        creator=_open_raw,
        poolclass=NullPool,
        # Closed for good, each of them: the server takes back what was not committed.
        pool_reset_on_return=None,
        use_native_hstore=False,
    )

    # The driver would begin by itself, and not as is wanted here.
    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        if connection.info.get("readonly"):
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        elif connection.get_execution_options().get(READONLY):
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
        elif connection.info.get("beside"):
            begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        else:
            # One at a time, as SQLite's BEGIN IMMEDIATE; what it reads is read after its turn came.
            schema = _lock_key(connection.info["schema"])
            begin = (
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
                f" SELECT pg_advisory_xact_lock({_WRITER}, {schema})"
            )
        connection.exec_driver_sql(begin)

    return engine


def _open_raw() -> psycopg.Connection[Any]:
    driver, database = _driver(), _WANTED.get()
    address = urlsplit(database.url)
    query = {name: value for name, value in parse_qsl(address.query) if name != "schema"}
    query = {**_KEEPALIVES, **query}
    own = {**_SETTINGS, "search_path": f'"{database.schema}"'}
    settings = " ".join(f"-c {name}={value}" for name, value in own.items())
    query["options"] = f"{query.get('options', '')} {settings}".strip()
    name = f"callsheet process {os.getpid()} on {socket.gethostname()}"
    place = f"postgresql://{address.netloc}{address.path}?{urlencode(query, quote_via=quote)}"
    try:
        raw: psycopg.Connection[Any] = driver.connect(
            place,
            autocommit=True,
            client_encoding="utf8",
            connect_timeout=_CONNECT_TIMEOUT_S,
            application_name=name[:63],
        )
    except driver.ProgrammingError as fault:
        raise Unusable(f"{database}: the driver does not understand the URL: {fault}") from fault
    # Sums of whole numbers are of a type of their own there; nothing here is a fraction.
    raw.adapters.register_loader("numeric", _whole_loader())
    return raw


@cache
def _whole_loader() -> Any:
    from psycopg.adapt import Loader  # noqa: PLC0415 - as in `_driver`

    class WholeLoader(Loader):
        """A sum of whole numbers, as it is in SQLite."""

        def load(self, data: Any) -> int:
            return int(bytes(data))

    return WholeLoader


# The clauses of an upsert are SQLite's; but for one that it has not, PostgreSQL's are the same.
@compiles(OnConflictDoUpdate, "postgresql")
def _do_update(clause: Any, compiler: Any, **options: Any) -> str:
    clause.constraint_target = None
    return str(compiler.visit_on_conflict_do_update(clause, **options))


@compiles(OnConflictDoNothing, "postgresql")
def _do_nothing(clause: Any, compiler: Any, **options: Any) -> str:
    clause.constraint_target = None
    return str(compiler.visit_on_conflict_do_nothing(clause, **options))


_WANTED: ContextVar[PostgresqlSchema] = ContextVar("wanted server")
"""What the connection that is being opened is for: a pool's creator is told nothing."""
