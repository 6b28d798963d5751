"""What a stopped lane leaves, given to the providers that come after in each item's list.

A plan has written for each item what those would be asked and what they would charge, so nothing
is planned anew while a run goes on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, bindparam, or_, select, update

from pipeline.domain.states import UNBOUGHT, State
from pipeline.ledger.fast_sql import execute_many
from pipeline.ledger.jobs import free_again
from pipeline.ledger.sql_schema import FALLBACK_COLUMNS, campaigns, fallbacks, items, jobs, payloads
from pipeline.ledger.standing_plan import forget_standing_plans

_AT_ONCE = 500
"""Items moved in one transaction: others have something to write meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Whose items move on, why, and to whom they may."""

    campaign: str
    provider: str
    why: str
    to: Sequence[str]
    without: Collection[str] = ()
    """Keys of jobs that somebody works on, or that are left out of the run."""
    only: str = ""
    """The key of the one job that is meant; empty for all."""


def reassign(connection: Connection, *, leaving: Leaving) -> Counter[str]:
    """Move some items to the first provider that is open to them; return how many to whom.

    They are what the provider's stopped lane has not bought: what is planned, held, or failed free.
    Nobody is returned once there are no more.
    """
    moved: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for row in _first_choices(connection, leaving):
        data = _with_reason(row, leaving)
        moved[row["to_provider"]] += 1
        rows.append(
            {f"b_{name}": row[f"to_{name}"] for name in FALLBACK_COLUMNS}
            | {"b_item": row["item_id"], "b_key": row["key"], "b_data": data}
            # Of what is written here: by it the next plan sees that the item's own payload, for its
            # first provider, has to be written again.
            | {"b_payload_digest": hashlib.sha256(data).hexdigest()}
        )
    if rows:
        # Planned again, they would be their first provider's.
        forget_standing_plans(connection)
    for statement, names in _MOVE.items() if rows else ():
        execute_many(connection, statement, [{name: row[name] for name in names} for row in rows])
    return moved


def _first_choices(connection: Connection, leaving: Leaving) -> list[RowMapping]:
    """Return the next items that may move, each with the best of its fallbacks."""
    allowed = select(campaigns.c.purchases).where(campaigns.c.name == leaving.campaign)
    query = (
        select(
            items.c.id.label("item_id"),
            items.c.key,
            payloads.c.data.label("data"),
            *(fallbacks.c[name].label(f"to_{name}") for name in (*FALLBACK_COLUMNS, "data")),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .join(payloads, payloads.c.item_id == items.c.id)
        .join(fallbacks, fallbacks.c.item_id == items.c.id)
        .where(
            campaigns.c.name == leaving.campaign,
            campaigns.c.generation == items.c.generation,
            items.c.shared_with.is_(None),
            items.c.selected == 1,
            items.c.provider == leaving.provider,
            jobs.c.provider == leaving.provider,
            or_(jobs.c.state.in_(UNBOUGHT), free_again(connection.scalar(allowed) or 0)),
            fallbacks.c.provider.in_(leaving.to),
            items.c.key == leaving.only if leaving.only else items.c.key.not_in(leaving.without),
        )
        .order_by(items.c.position, fallbacks.c.rank)
        .limit(_AT_ONCE)
    )
    # By rank within each item: one that the limit cuts off has its best row all the same.
    best: dict[int, RowMapping] = {}
    for row in connection.execute(query).mappings():
        best.setdefault(row["item_id"], row)
    return list(best.values())


def _with_reason(row: RowMapping, leaving: Leaving) -> bytes:
    """Return the payload of an item at its new provider, which tells whom it passed over."""
    data, before = orjson.loads(row["to_data"]), orjson.loads(row["data"])
    reasons: Mapping[str, str] = {
        **dict(data["passed_over"]),
        **dict(before["passed_over"]),
        leaving.provider: leaving.why,
    }
    return orjson.dumps({**data, "passed_over": list(reasons.items())})


_MOVE: Mapping[Any, Sequence[str]] = {
    update(items)
    .where(items.c.id == bindparam("b_item"))
    .values({name: bindparam(f"b_{name}") for name in FALLBACK_COLUMNS}): (
        "b_item",
        *(f"b_{name}" for name in FALLBACK_COLUMNS),
    ),
    update(payloads)
    .where(payloads.c.item_id == bindparam("b_item"))
    .values(data=bindparam("b_data")): ("b_item", "b_data"),
    update(jobs)
    .where(jobs.c.key == bindparam("b_key"))
    .values(
        provider=bindparam("b_provider"),
        state=State.PLANNED.value,
        cause="",
        message="",
        free=0,
    ): ("b_key", "b_provider"),
}
