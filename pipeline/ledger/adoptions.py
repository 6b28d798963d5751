"""A clip that lies there without a purchase becomes its item's, in one transaction.

It was paid earlier, and nobody knows the sum any more: its estimate is booked as a charge, so that
it counts against every limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from pipeline.domain.states import State
from pipeline.ledger import budgets, loss_detection, outputs
from pipeline.ledger.budgets import Payer
from pipeline.ledger.jobs import CHARGED, move
from pipeline.ledger.outputs import Clip
from pipeline.ledger.paid_elsewhere import find_elsewhere
from pipeline.ledger.payload import take_snapshot
from pipeline.ledger.plan_totals import current
from pipeline.ledger.purchases import IMPORTED, PAID_EARLIER, UNKNOWN
from pipeline.ledger.sql_schema import campaigns, is_take_of, items, jobs, payloads, purchases


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopter:
    """An item of the latest plan, as far as adopting a clip for it needs it."""

    item_id: int
    campaign_id: int
    manifest: str
    address: str
    row_key: str
    key: str
    provider: str
    state: State
    expected_microusd: int | None
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """The file at an output path that is the clip; its path is relative to the root."""

    path: str
    signature: str
    mode: int


def adopter(connection: Connection, *, item_id: int) -> Adopter:
    """Return what is known of an item and its job."""
    return _adopter(connection.execute(_query().where(items.c.id == item_id)).mappings().one())


def adopters(connection: Connection, *, campaign: str, address: str) -> list[Adopter]:
    """Return the items of the latest plan with this address, whose take may be left out."""
    named = (items.c.address == address) | is_take_of(items.c.address, address)
    query = _query().where(current(connection, campaign), named).order_by(items.c.position)
    return [_adopter(row) for row in connection.execute(query).mappings()]


def adopt_clip(
    connection: Connection,
    *,
    item: Adopter,
    keep: Callable[[], Clip],
    placed: PlacedFile | None,
    client_id: str,
    at: float,
    told_microusd: int | None = None,
) -> None:
    """Book a purchase that was paid earlier, and write that its clip is this one.

    `keep` puts the clip's file into the store and returns the clip. It is called once the item is
    ours, and again where the transaction is run again; Taken, and it is not called, where another
    process was faster. `placed` is the file at the item's output path, where the clip lies there;
    `at` is unix seconds. `told_microusd` is what a person says that a clip made elsewhere has cost;
    without it the item's estimate is booked.
    """
    # Only from planned does the table lead to done without a submit.
    if item.state is not State.PLANNED:
        move(connection, key=item.key, before=item.state, after=State.PLANNED)
    move(connection, key=item.key, before=State.PLANNED, after=State.DONE)
    # Not earlier: one that lies in the store without a purchase stops the next run.
    clip = keep()
    # What the lock file knows of it is booked already, and at the price that was paid.
    purchase_id = find_elsewhere(connection, key=item.key, sha256=clip.sha256)
    if purchase_id is None:
        (purchase_id,) = connection.execute(
            insert(purchases).values(
                _purchase(item, client_id=client_id, at=at, told_microusd=told_microusd)
            )
        ).inserted_primary_key or (0,)
        # No run ordered it, so it counts against the limit of none: 0 is no run's id.
        payer = Payer(
            manifest=item.manifest,
            run_id=0,
            row_key=item.row_key,
            key=item.key,
            campaign_id=item.campaign_id,
            address=item.address,
        )
        paid = item.expected_microusd if told_microusd is None else told_microusd
        budgets.adjust_all(connection, payer, paid or 0)
    connection.execute(
        update(jobs).where(jobs.c.key == item.key).values(purchase_id=purchase_id, free=0)
    )
    outputs.keep(connection, key=item.key, clip=clip)
    if told_microusd is None:
        # The purchase counts by itself from now on: written off as well, it would count twice.
        loss_detection.count_found(connection, campaign_id=item.campaign_id, at=at)
    if placed is not None:
        outputs.place(
            connection,
            item_id=item.item_id,
            path=placed.path,
            sha256=clip.sha256,
            signature=placed.signature,
            mode=placed.mode,
        )


def _purchase(
    item: Adopter, *, client_id: str, at: float, told_microusd: int | None
) -> dict[str, object]:
    paid, source = told_microusd, IMPORTED
    if paid is None:
        paid = item.expected_microusd
        source = UNKNOWN if paid is None else PAID_EARLIER
    return {
        "key": item.key,
        "provider": item.provider,
        "campaign_id": item.campaign_id,
        "address": item.address,
        "row_key": item.row_key,
        "client_id": client_id,
        "request": orjson.dumps({"item": take_snapshot(orjson.loads(item.payload))}),
        "body_sha256": "",
        "reserved_microusd": 0,
        "estimate_microusd": paid,
        "charged_microusd": paid or 0,
        "charge_source": source,
        "intent_at": at,
        "ended_at": at,
        "outcome": CHARGED,
    }


def _query() -> Select[Any]:
    return (
        select(
            items.c.id.label("item_id"),
            *(items.c[name] for name in ("campaign_id", "address", "row_key", "key", "provider")),
            items.c.expected_microusd,
            campaigns.c.manifest,
            jobs.c.state,
            payloads.c.data.label("payload"),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(payloads, payloads.c.item_id == items.c.id)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
    )


def _adopter(row: RowMapping) -> Adopter:
    return Adopter(**{**row, "state": State(row["state"])})
