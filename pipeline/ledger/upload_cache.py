"""Media at providers, in the ledger: each is uploaded once per content and account."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from pipeline.ledger.connection import upsert
from pipeline.ledger.sql_schema import uploads


def find_upload(
    connection: Connection, *, digest: str, provider: str, account: str
) -> tuple[str, float | None] | None:
    """Return where a medium is at a provider, and when that dies, if known."""
    row = connection.execute(
        select(uploads.c.uri, uploads.c.expires_at).where(
            uploads.c.digest == digest,
            uploads.c.provider == provider,
            uploads.c.account == account,
        )
    ).first()
    return None if row is None else (row.uri, row.expires_at)


def record(
    connection: Connection, *, place: Mapping[str, str], uri: str, expires_at: float | None
) -> None:
    """Remember where a medium is; `place` is its digest, provider and account."""
    known = {"uri": uri, "expires_at": expires_at}
    statement = upsert(uploads).values({**place, **known})
    connection.execute(statement.on_conflict_do_update(index_elements=list(place), set_=known))
