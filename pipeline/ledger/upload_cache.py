"""Media that items need, in the ledger: which there are, and where they are at providers.

Each is uploaded once per content and account.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from pipeline.domain import Media
from pipeline.domain.states import FINISHED, State
from pipeline.ledger.connection import upsert
from pipeline.ledger.payload import load_item
from pipeline.ledger.plan_totals import current
from pipeline.ledger.sql_schema import fallbacks, items, jobs, payloads, uploads

_PAGE = 500
_NEEDS_NOTHING = [State.ABANDONED.value, *(state.value for state in FINISHED)]


def open_references(
    connection: Connection, *, campaign: str, after: int
) -> tuple[list[Media], int | None]:
    """Return the local references of the next selected items that have no clip, and where to go on.

    With those of the items as other providers would make them.
    """
    query = (
        select(items.c.position, items.c.id, payloads.c.data)
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(payloads, payloads.c.item_id == items.c.id)
        .where(current(connection, campaign), items.c.position > after, items.c.selected == 1)
        .where(items.c.shared_with.is_(None), jobs.c.state.not_in(_NEEDS_NOTHING))
        .order_by(items.c.position)
        .limit(_PAGE)
    )
    rows = connection.execute(query).all()
    others = select(fallbacks.c.data).where(fallbacks.c.item_id.in_([row.id for row in rows]))
    kept = [*(row.data for row in rows), *connection.scalars(others)]
    media = {each.digest: each for data in kept for each in load_item(data).assets if each.local}
    return [*media.values()], rows[-1].position if len(rows) == _PAGE else None


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
