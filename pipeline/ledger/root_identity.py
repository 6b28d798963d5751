"""Which root a ledger belongs to: a real one or a rehearsal's, and the folder it was made in.

A ledger of the other kind is refused, since play clips would be taken for paid ones. A copy is
refused while its original is still there, since each of two living copies would buy what is
missing. A root that was moved or restored is taken over, where somebody says that it was.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import orjson
from sqlalchemy import Connection, delete, insert, inspect, select

from pipeline.domain.accounts import key_fingerprint, rehearsal_key
from pipeline.errors import LedgerDamaged, LedgerInUse, RootRefused, Unusable
from pipeline.ledger.location import LedgerLocation, Where
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sql_schema import purchases, root_identity
from pipeline.ledger.sqlite import SqliteFile
from pipeline.storage.fs import STATE_FOLDER

REHEARSAL_FOLDER = "rehearsal"
"""Where a rehearsal's root is, below the real one."""
_SANDBOX = "sandbox"
_ROWS_AT_ONCE = 1000


class RootKind(StrEnum):
    """What the purchases of a root were made with."""

    REAL = "real"
    """Real keys and real money."""
    REHEARSAL = "rehearsal"
    """The sandbox's: its clips are play clips, and cost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootIdentity:
    """What a ledger knows of the root it belongs to."""

    kind: RootKind
    nonce: str
    """Random, made with the ledger: two roots that have the same are copies of one."""
    path: Path
    """Where the root was when it was last opened for work, links resolved."""


def refuse_other_kind(connection: Connection, root: Path, kind: RootKind | None) -> RootKind | None:
    """Return the root's kind, None if nothing tells; raise RootRefused if it is not the one asked.

    Without a `kind` every root will do.
    """
    found = find_kind(connection, root)
    if kind is not None and found is not None and found is not kind:
        raise RootRefused(_OTHER_KIND[found](root, connection))
    return found


def kind_of(root: Path) -> RootKind:
    """Return what a root is for by where it is and what lies in it, whatever its ledger says."""
    play = (root / STATE_FOLDER / _SANDBOX).is_dir() or root.resolve().name == REHEARSAL_FOLDER
    return RootKind.REHEARSAL if play else RootKind.REAL


def identify(
    connection: Connection, root: Path, *, kind: RootKind | None, adopt: bool
) -> tuple[RootIdentity, Path | None]:
    """Return whose ledger it is from now on, and where its root was before, if it was moved.

    Raises RootRefused where it is of another kind, where it is a copy and the original is still
    there, and where it was moved and nobody said that it may be taken over (`adopt`).
    """
    known = refuse_other_kind(connection, root, kind) or kind or RootKind.REAL
    found, path = _read_identity(connection), root.resolve()
    if found is None:
        return RootIdentity(kind=known, nonce=secrets.token_hex(16), path=path), None
    # A ledger on a server is no part of the root: with a copy of that it is still the only one.
    elsewhere = connection.dialect.name != "sqlite"
    if elsewhere or found.path == path or _same_file(found.path, path):
        return found, None
    if _still_there(found, root):
        raise RootRefused(
            f"{root} is a copy of {found.path}, which is still there: each of them would buy what"
            f" is missing. Work in {found.path}; to go on here instead, first move that one away"
        )
    if not adopt:
        raise RootRefused(
            f"{root} was in {found.path} when it was last used, and is not there any more. If it"
            " was moved here or restored from a backup, say --adopt-root; if it is still used"
            " somewhere else, work there: each copy would buy what is missing"
        )
    return replace(found, path=path), found.path


def refusal_of_work(where: Where, *, adopt: bool) -> str:
    """Return why a root is not opened for work as it lies; empty where it is, or has no ledger.

    For those who only read: they would say nothing of it.
    """
    where = LedgerLocation.of(where)
    database, root = where.database, where.root
    if database.is_empty():
        return ""
    with (
        database.translate_errors(),
        closing(database.connect(readonly=True)) as connection,
        connection.begin(),
    ):
        try:
            _, moved_from = identify(connection, root, kind=None, adopt=adopt)
        except RootRefused as refused:
            return str(refused)
    return f"{root} was in {moved_from} before: a run takes it over" if moved_from else ""


def record_identity(connection: Connection, identity: RootIdentity) -> None:
    """Write down whose ledger it is."""
    if _read_identity(connection) == identity:
        return
    connection.execute(delete(root_identity))
    connection.execute(
        insert(root_identity).values(
            kind=identity.kind.value, nonce=identity.nonce, path=os.fsencode(identity.path)
        )
    )


def _read_identity(connection: Connection) -> RootIdentity | None:
    """Return what the ledger says; None if it is empty, or older than this rule."""
    if root_identity.name not in inspect(connection).get_table_names():
        return None
    row = connection.execute(select(root_identity)).first()
    if row is None:
        return None
    return RootIdentity(kind=RootKind(row.kind), nonce=row.nonce, path=Path(os.fsdecode(row.path)))


def find_kind(connection: Connection, root: Path) -> RootKind | None:
    """Return the kind of a root; of an older ledger's, by what it bought or by its sandbox.

    One purchase of a rehearsal is enough: its clip must never pass for a paid one.
    """
    recorded = _read_identity(connection)
    if recorded is not None:
        return recorded.kind
    kinds = set(_kinds_of_purchases(connection))
    if kinds:
        return RootKind.REHEARSAL if RootKind.REHEARSAL in kinds else RootKind.REAL
    return RootKind.REHEARSAL if (root / STATE_FOLDER / _SANDBOX).is_dir() else None


def _kinds_of_purchases(connection: Connection) -> Iterator[RootKind]:
    """Yield the kind of each purchase that tells by which account it was made."""
    if purchases.name not in inspect(connection).get_table_names():
        return
    wanted = select(purchases.c.provider, purchases.c.request)
    for provider, request in connection.execute(
        wanted, execution_options={"yield_per": _ROWS_AT_ONCE}
    ):
        kept = orjson.loads(request)
        fingerprint = kept.get("account")
        if fingerprint is not None:
            key = rehearsal_key(provider, kept.get("account_name", ""))
            play = fingerprint == key_fingerprint(provider, key)
            yield RootKind.REHEARSAL if play else RootKind.REAL


def _of_rehearsal(root: Path, connection: Connection) -> str:
    real = sum(kind is RootKind.REAL for kind in _kinds_of_purchases(connection))
    mixed = f" (Beside them it has {real} purchases of a real account: keep it.)" if real else ""
    below = root.resolve()
    again = (
        f"--rehearse --root {root.parent}"
        if below.name == REHEARSAL_FOLDER
        else f"--rehearse and a --root that has it as its folder '{REHEARSAL_FOLDER}'"
    )
    return (
        f"{root} is a rehearsal's root: its clips are play clips, and would pass for paid ones."
        f" To go on with the rehearsal, say {again}; for real clips, choose another --root{mixed}"
    )


def _of_real(root: Path, _: Connection) -> str:
    return (
        f"{root} holds what was bought with real money: a rehearsal would put play clips among it."
        f" To work on it, say --root {root} without --rehearse; to rehearse, choose another --root"
    )


_OTHER_KIND = {RootKind.REHEARSAL: _of_rehearsal, RootKind.REAL: _of_real}


def _same_file(one: Path, other: Path) -> bool:
    """Tell whether two folders hold one and the same ledger file: a bind mount is no copy."""
    try:
        return (one / STATE_FOLDER / LEDGER).samefile(other / STATE_FOLDER / LEDGER)
    except OSError:
        return False


def _still_there(identity: RootIdentity, root: Path) -> bool:
    """Tell whether the recorded folder holds a root with the same nonce; RootRefused if unknown."""
    ledger = identity.path / STATE_FOLDER / LEDGER
    try:
        ledger.stat()
        with (
            SqliteFile(ledger).translate_errors(),
            closing(SqliteFile(ledger).connect(readonly=True)) as original,
            original.begin(),
        ):
            found = _read_identity(original)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, LedgerDamaged, LedgerInUse, Unusable) as failure:
        raise RootRefused(
            f"{root} was copied or moved from {identity.path}, and whether that is still in use"
            f" cannot be told: {getattr(failure, 'strerror', None) or failure}."
            " Make it readable, or move it away, then run again"
        ) from failure
    return found is not None and found.nonce == identity.nonce
