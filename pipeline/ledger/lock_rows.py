"""The ledger's finished items as lines of a lock file, in plan order, a page at a time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from pipeline.domain import DEFAULT_MODEL
from pipeline.domain.lock import LockedClip, LockMemory, read_locked
from pipeline.domain.states import FINISHED, State
from pipeline.ledger.paid_elsewhere import are_settled, find_line
from pipeline.ledger.plan_totals import current
from pipeline.ledger.purchases import PAID_ELSEWHERE, UNKNOWN
from pipeline.ledger.sql_schema import (
    clips,
    items,
    jobs,
    payloads,
    purchases,
    settled_locks,
    usd,
)

_PAGE = 500
_MEASURES = ("sha256", "extension", "bytes", "seconds", "width", "height", "fps")


def finished_page(
    connection: Connection, *, campaign: str, after: int, selected: bool = True
) -> tuple[list[LockedClip], int | None]:
    """Return the next clips from after a position on, and where to go on; None at the end.

    `selected` leaves out what the last run was not asked for.
    """
    query = (
        select(
            *(items.c[name] for name in ("position", "address")),
            *(jobs.c[name] for name in ("key", "state", "provider")),
            *(clips.c[name] for name in _MEASURES),
            payloads.c.data,
            *(purchases.c[name] for name in ("task", "model", "request", "intent_at")),
            purchases.c.charge_source,
            items.c.model.label("item_model"),
            _spent().label("spent"),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(clips, clips.c.sha256 == jobs.c.sha256)
        .join(purchases, purchases.c.id == jobs.c.purchase_id)
        .join(payloads, payloads.c.item_id == items.c.id)
        .where(current(connection, campaign), items.c.position > after)
        .where(jobs.c.state.in_(FINISHED))
        .order_by(items.c.position)
        .limit(_PAGE)
    )
    if selected:
        query = query.where(items.c.selected == 1)
    rows = connection.execute(query).mappings().all()
    return [_clip(row) for row in rows], rows[-1]["position"] if len(rows) == _PAGE else None


def digest_made(connection: Connection, *, campaign: str) -> str:
    """Return a digest of all that `finished_page` tells of the selected items, in one pass."""
    query = (
        select(
            # Its digest stands for the payload, and a purchase's line for what it asked for.
            *(items.c[name] for name in ("address", "model", "payload_digest")),
            *(jobs.c[name] for name in ("key", "state", "provider", "sha256", "purchase_id")),
            *(purchases.c[name] for name in ("task", "model", "intent_at", "charge_source")),
            _spent(),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(purchases, purchases.c.id == jobs.c.purchase_id)
        .where(current(connection, campaign), items.c.selected == 1)
        .where(jobs.c.state.in_(FINISHED))
        .order_by(items.c.position)
    )
    found = hashlib.sha256()
    for some in connection.execute(query).partitions(_PAGE):
        found.update(repr([tuple(row) for row in some]).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def is_settled(
    connection: Connection, *, campaign: str, text_sha256: str, whole: bool = False
) -> bool:
    """Tell whether every clip of a lock file with this text is a finished job's here.

    If it is to be the `whole`, it was also written from all that is finished now.
    """
    query = select(settled_locks).where(settled_locks.c.campaign == campaign)
    row = connection.execute(query).first()
    if row is None or row.text_sha256 != text_sha256:
        return False
    return not whole or bool(row.made_sha256 == digest_made(connection, campaign=campaign))


def record_written(
    connection: Connection, *, campaign: str, text_sha256: str, remembered: LockMemory
) -> None:
    """Write that a lock file with this text was written, if it tells nothing more than is here.

    `remembered` is what it holds. Nothing leads out of a finished job: it stays so.
    """
    connection.execute(delete(settled_locks).where(settled_locks.c.campaign == campaign))
    if remembered.moved or not are_settled(connection, remembered.clips):
        return
    row = {"campaign": campaign, "text_sha256": text_sha256}
    row["made_sha256"] = digest_made(connection, campaign=campaign)
    connection.execute(insert(settled_locks).values(row))


def own_parts_page(
    connection: Connection, *, campaign: str, after: int, selected: bool = True
) -> tuple[list[tuple[str, str, dict[str, str]]], int | None]:
    """Return address, key and key parts of the next items of the plan, and where to go on."""
    query = (
        select(*(items.c[name] for name in ("position", "address", "key")), payloads.c.data)
        .join_from(items, payloads, payloads.c.item_id == items.c.id)
        .where(current(connection, campaign), items.c.position > after)
        .order_by(items.c.position)
        .limit(_PAGE)
    )
    if selected:
        query = query.where(items.c.selected == 1)
    rows = connection.execute(query).all()
    found = [(row.address, row.key, orjson.loads(row.data)["parts"]) for row in rows]
    return found, rows[-1].position if len(rows) == _PAGE else None


def _clip(row: RowMapping) -> LockedClip:
    # What came from a lock file goes back as it was: price, task and date are of the ledger that
    # bought it, and the file stays the same on every machine.
    remembered = find_line(row["request"])
    if remembered is not None:
        return read_locked(row["address"], remembered)
    return LockedClip(
        address=row["address"],
        key=row["key"],
        parts=_parts(row),
        provider=row["provider"],
        model=row["model"] or row["item_model"] or DEFAULT_MODEL,
        task=row["task"] or "",
        **{name: row[name] for name in _MEASURES},
        price_usd=usd(row["spent"] or 0),
        price_source=row["charge_source"] or UNKNOWN,
        paid_at=datetime.fromtimestamp(int(row["intent_at"]), UTC),
        off_spec=row["state"] == State.OFF_SPEC,
    )


def _parts(row: RowMapping) -> dict[str, str]:
    """Return the parts of the key that the clip was bought under; its item may ask for others."""
    bought = (orjson.loads(row["request"]).get("item") or {}).get("parts")
    parts: dict[str, str] = bought or orjson.loads(row["data"])["parts"]
    return parts


def _spent() -> Any:
    """Return the expression of what was paid for a job here, its failed tries with it."""
    tried = purchases.alias("tried")
    spent = func.sum(tried.c.charged_microusd + tried.c.possible_microusd)
    here = (tried.c.key == jobs.c.key) & (tried.c.charge_source != PAID_ELSEWHERE)
    return select(spent).where(here).correlate(jobs).scalar_subquery()
