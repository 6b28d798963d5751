"""A ledger moved to another database: from a root to a server, back, or from server to server.

At no instant two ledgers are alive, and none of this leaves less than one whole copy:

1. all rows are copied, in one transaction, to a target that is no ledger yet;
2. the target is read again, and held against what was copied: rows and digest of each table;
3. the source is retired, in one transaction: it says where it has gone;
4. the target becomes a ledger, in one transaction;
5. the roots that are named are told where their ledger is.

Nothing is bought by a ledger that is retired, or by one that has not arrived. Killed anywhere and
begun again, it does what is missing. Before 4 the copy is made anew: what a half-made one has need
not be known.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, update

from pipeline.errors import LedgerDamaged, RootRefused
from pipeline.ledger.connection import LedgerDatabase, dialect
from pipeline.ledger.location import forget_server, read_server, remember_server
from pipeline.ledger.migrations import VERSION, migrate, read_version
from pipeline.ledger.move_record import (
    MoveRecord,
    end_departure,
    find_arrival,
    find_departure,
    ledger_moves,
    record_arrival,
    record_departure,
)
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.root_identity import find_kind, identify, kind_of
from pipeline.ledger.root_lock import LEDGER, RootLock, explain, keep_replaced, prepare
from pipeline.ledger.sql_schema import METADATA, root_identity, versions
from pipeline.ledger.sqlite import SqliteFile
from pipeline.ledger.table_copy import CopyEnd, Digests, copy_tables, read_digests, require_same
from pipeline.storage.fs import STATE_FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEnd:
    """One end of a move: a database, and the root that is told of it, if it is named by one."""

    database: LedgerDatabase
    place: str
    """How the other end knows it: a URL, or the root with links resolved."""
    root: Path | None = None

    @property
    def is_file(self) -> bool:
        """Tell whether it is the root's own ledger."""
        return isinstance(self.database, SqliteFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedLedger:
    """What a move came to."""

    tables: int
    rows: int
    """How many were copied; none where only its end was missing."""
    kept: Path | None = None
    """What the ledger of a root is called now that has gone to a server."""


def move_source(place: str | Path) -> LedgerEnd:
    """Return the ledger at a URL, or the one that a root has, wherever that is."""
    if isinstance(place, str):
        return LedgerEnd(database=PostgresqlSchema(place), place=place)
    file, server = _file_of(place), read_server(place)
    if server and file.is_empty():
        return LedgerEnd(database=PostgresqlSchema(server), place=server, root=place)
    return LedgerEnd(database=file, place=str(place.resolve()), root=place)


def move_target(place: str | Path) -> LedgerEnd:
    """Return where a ledger is to be: at a URL, or in a root."""
    if isinstance(place, str):
        return LedgerEnd(database=PostgresqlSchema(place), place=place)
    return LedgerEnd(database=_file_of(place), place=str(place.resolve()), root=place)


def move_ledger(
    source: LedgerEnd,
    target: LedgerEnd,
    *,
    now: datetime,
    checkpoint: Callable[[str], None] = lambda _: None,
) -> MovedLedger:
    """Move a ledger, or bring such a move to its end.

    Raises LedgerInUse while somebody works with either, RootRefused where there is another ledger
    already or the root is of another kind, LedgerDamaged or Unusable: then the source is as it was.
    `checkpoint` is told after each step.
    """
    if source.database == target.database:
        return MovedLedger(tables=0, rows=0)
    _refuse_pair(source, target)
    with ExitStack() as held:
        for root in {end.root.resolve(): end.root for end in (source, target) if end.root}.values():
            prepare(root)
            held.callback(RootLock(root, since=now).release)
        with _claim(source) as leaving:
            record = _begin(source, target, leaving)
            target.database.make(now, anew=True)
            with _claim(target) as arriving:
                digests: Digests = {}
                if not _has_arrived(target, arriving, record):
                    digests = _copy(source, target, arriving, record, now=now)
                    checkpoint("copied")
                    _compare(target, digests)
                    checkpoint("compared")
                    _retire(source, target, leaving, record, now=now)
                    checkpoint("retired")
                    _publish(target, arriving)
                    checkpoint("published")
            with leaving.begin():
                end_departure(leaving)
        kept = _tell_roots(source, target, now=now, checkpoint=checkpoint)
    rows = sum(each.rows for each in digests.values())
    return MovedLedger(tables=len(digests), rows=rows, kept=kept)


def _file_of(root: Path) -> SqliteFile:
    return SqliteFile(root / STATE_FOLDER / LEDGER)


def _refuse_pair(source: LedgerEnd, target: LedgerEnd) -> None:
    if source.is_file and target.is_file:
        raise RootRefused(
            f"a root takes its ledger along: `mv {source.root} {target.root}`, then run with"
            " --adopt-root. A move is to a server, or back from one"
        )
    known = read_server(target.root) if target.root else ""
    if known not in {"", source.place}:
        raise RootRefused(f"{target.root} has its ledger at {known}: move that, or name another")


@contextmanager
def _claim(end: LedgerEnd) -> Iterator[Connection]:
    """Yield a connection to a ledger with which nobody else works while it is open."""
    with end.database.translate_errors(), closing(end.database.connect()) as connection:
        end.database.claim(connection)
        with connection.begin():
            dialect(connection).be_patient(connection)
        yield connection
        dialect(connection).checkpoint(connection)


def _begin(source: LedgerEnd, target: LedgerEnd, leaving: Connection) -> MoveRecord:
    """Return what both ledgers are to say of the move; one that was begun is gone on with."""
    with source.database.translate_errors():
        with leaving.begin():
            dialect(leaving).quickly_checked(leaving)
            gone = find_departure(leaving)
            if gone is None:
                if not read_version(source.database, leaving):
                    raise RootRefused(f"there is no ledger at {source.place}: nothing to move")
                if source.is_file and source.root is not None:
                    # A copy of a root that is in use elsewhere is not to live on a server.
                    identify(leaving, source.root, kind=None, adopt=False)
                if target.root is not None:
                    _refuse_kind(leaving, source, target.root)
        if gone is None:
            with leaving.begin():
                migrate(leaving)
            return MoveRecord(token=secrets.token_hex(16), place=source.place)
    if gone.place != target.place:
        raise RootRefused(f"the ledger of {source.place} has moved to {gone.place} already")
    return MoveRecord(token=gone.token, place=source.place, is_over=gone.is_over)


def _refuse_kind(leaving: Connection, source: LedgerEnd, root: Path) -> None:
    kind = find_kind(leaving, root)
    if kind is not None and kind is not kind_of(root):
        raise RootRefused(f"{source.place} is the ledger of a {kind} root, and {root} is none")


def _has_arrived(target: LedgerEnd, arriving: Connection, record: MoveRecord) -> bool:
    """Tell whether the target is this very ledger already; RootRefused if it is another one."""
    with arriving.begin():
        names = inspect(arriving).get_table_names()
        came = find_arrival(arriving)
        gone = find_departure(arriving)
        lives = versions.name in names and arriving.scalar(select(versions.c.version)) is not None
        if lives and gone is None and came is not None and came.token == record.token:
            return True
        if record.is_over:
            raise RootRefused(
                f"the ledger of {record.place} has moved to {target.place}, and is there no more:"
                " what it knew since then is not here. Go on with where it is now, or restore a"
                " backup of it"
            )
        if not names:
            return False
        if lives:
            raise RootRefused(
                f"there is a ledger at {target.place} already: name another place (another"
                " ?schema=), or drop it if nothing in it is needed any more"
            )
        if came is None:
            raise LedgerDamaged(f"{target.place} has tables of another program: name another place")
        if came.place != record.place:
            raise RootRefused(
                f"a move from {came.place} to {target.place} did not come to its end: type that"
                " again first"
            )
    return False


def _copy(
    source: LedgerEnd,
    target: LedgerEnd,
    arriving: Connection,
    record: MoveRecord,
    *,
    now: datetime,
) -> Digests:
    """Copy all rows in one transaction, in place of what an earlier try has left."""
    with source.database.translate_errors():
        opened = source.database.connect(readonly=True)
    with closing(opened) as reading, reading.begin(), arriving.begin():
        ledger_moves.drop(arriving, checkfirst=True)
        METADATA.drop_all(arriving)
        record_arrival(arriving, record, at=now)
        ends = CopyEnd(source.database, reading), CopyEnd(target.database, arriving)
        return copy_tables(*ends)


def _compare(target: LedgerEnd, digests: Digests) -> None:
    """Read what was committed, and hold it against what was copied."""
    with closing(target.database.connect(readonly=True)) as reading, reading.begin():
        require_same(target.database, digests, read_digests(reading))


def _retire(
    source: LedgerEnd,
    target: LedgerEnd,
    leaving: Connection,
    record: MoveRecord,
    *,
    now: datetime,
) -> None:
    # On the connection that has the claim: were that lost, somebody might have bought since.
    with source.database.translate_errors(), leaving.begin():
        if find_departure(leaving) is None:
            gone = MoveRecord(token=record.token, place=target.place)
            record_departure(leaving, gone, at=now)


def _publish(target: LedgerEnd, arriving: Connection) -> None:
    with arriving.begin():
        if target.root is not None:
            path = os.fsencode(target.root.resolve())
            arriving.execute(update(root_identity).values(path=path))
        arriving.execute(insert(versions).values(version=VERSION))


def _tell_roots(
    source: LedgerEnd, target: LedgerEnd, *, now: datetime, checkpoint: Callable[[str], None]
) -> Path | None:
    """Let the roots know; return what a retired file is called now."""
    kept = None
    if target.root is not None:
        explain(target.root / STATE_FOLDER)
        forget_server(target.root)
    elif source.root is not None:
        # Before the file goes: a root without either would seem to have lost its ledger.
        remember_server(source.root, target.place)
        checkpoint("told")
        if source.is_file:
            kept = keep_replaced(source.root / STATE_FOLDER / LEDGER, now)
    return kept
