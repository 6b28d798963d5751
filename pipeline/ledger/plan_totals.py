"""What a plan comes to: who makes what, where it stands, what it costs. Counted by SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Label, and_, case, func, select

from pipeline.domain.states import FINISHED, UNBOUGHT, UNSETTLED, State
from pipeline.ledger.budgets import sum_committed
from pipeline.ledger.jobs import free_again
from pipeline.ledger.lane_history import lane_history
from pipeline.ledger.price_confirmations import (
    PriceClass,
    PriceStanding,
    class_of,
    seen_prices,
)
from pipeline.ledger.sql_schema import campaigns, fallbacks, items, jobs, payloads

_SUMS = ("low_microusd", "expected_microusd", "high_microusd")
_COUNTED = ("items", "unpriced", *_SUMS)
_LINE = (
    *("shot", "provider", "state", "cause"),
    *("again", "shared", "changed", "earlier_rule", "stale", "selected"),
)
"""What items of one line have in common; the latter ones are flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Items of one shot and provider that stand alike; money in micro-USD.

    The provider is the one that makes them, or made them.
    """

    shot: str
    provider: str
    state: State
    cause: str
    again: bool
    """Failed, and bought again by the next run."""
    shared: bool
    changed: bool
    earlier_rule: bool
    """Its clip was made under a key that an earlier recipe gave to the same work."""
    stale: bool
    """A person approved its clip, and the manifest asks for something else now."""
    selected: bool
    items: int
    unpriced: int
    low_microusd: int
    expected_microusd: int
    high_microusd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTotals:
    """What a campaign's latest plan comes to, and what is left of its earlier ones."""

    lines: Sequence[Line]
    orphaned: tuple[str, ...]
    """Addresses that an earlier plan had, and this one does not."""
    left_behind: tuple[tuple[str, str, State], ...]
    """Address, provider and state of what earlier plans sent, and this one does not want."""
    committed_usd: Decimal
    prices: tuple[PriceStanding, ...]
    fallbacks: frozenset[str]
    """Providers to whom selected items may go when their own provider's lane stops."""
    expected_s: float | None
    """How long a run takes, by what earlier ones learnt; None where that is too little."""


def plan_extent(connection: Connection, *, campaign: str) -> tuple[int, int] | None:
    """Return the campaign's id and the last position of its plan; None where nothing is planned."""
    row = connection.execute(
        select(campaigns.c.id, items.c.position)
        .join(items, items.c.campaign_id == campaigns.c.id)
        .where(campaigns.c.name == campaign, campaigns.c.generation == items.c.generation)
        .order_by(items.c.position.desc())
        .limit(1)
    ).fetchone()
    return None if row is None else (row.id, row.position)


def totals(connection: Connection, *, campaign: str) -> PlanTotals:
    """Return what a campaign's latest plan comes to."""
    groups = _groups(connection, campaign)
    prices = tuple(_standings(connection, groups))
    return PlanTotals(
        lines=_lines(groups),
        orphaned=tuple(orphans(connection, campaign=campaign)),
        left_behind=tuple(find_left_behind(connection, campaign=campaign)),
        committed_usd=sum_committed(connection, campaign=campaign),
        prices=prices,
        fallbacks=fallback_providers(connection, campaign=campaign),
        expected_s=lane_history(connection).estimate_s(prices),
    )


def fallback_providers(connection: Connection, *, campaign: str) -> frozenset[str]:
    """Return the providers to whom selected items of the latest plan may move on."""
    query = (
        select(fallbacks.c.provider)
        .join_from(fallbacks, items, items.c.id == fallbacks.c.item_id)
        .where(current(connection, campaign), items.c.selected == 1)
        .distinct()
    )
    return frozenset(connection.scalars(query))


def standings(connection: Connection, *, campaign: str) -> list[PriceStanding]:
    """Return how the prices of a campaign's items stand, in plan order."""
    return _standings(connection, _groups(connection, campaign))


def _groups(connection: Connection, campaign: str) -> list[dict[str, Any]]:
    """Return the plan by shot, provider, standing and price, in the order of their first items.

    The one pass over all items that sums anything up.
    """
    group = (
        *(items.c.shot, jobs.c.provider, jobs.c.state, jobs.c.cause),
        *(*stands(connection, campaign), items.c.selected),
        *(items.c.model, items.c.mode, items.c.kind),
    )
    query = (
        select(
            *group,
            func.count().label("items"),
            func.sum(case((items.c.high_microusd.is_(None), 1), else_=0)).label("unpriced"),
            *(func.coalesce(func.sum(items.c[name]), 0).label(name) for name in _SUMS),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .where(current(connection, campaign))
        .group_by(*group)
        .order_by(func.min(items.c.position))
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _lines(groups: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Return the plan by shot, provider and standing, in the order of their first items."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for group in groups:
        sums = found.setdefault(tuple(group[name] for name in _LINE), dict.fromkeys(_COUNTED, 0))
        for name in _COUNTED:
            sums[name] += group[name]
    return [
        Line(
            **{
                **dict(zip(_LINE, line, strict=True)),
                **{name: bool(told) for name, told in zip(_LINE[4:], line[4:], strict=True)},
                "state": State(line[2]),
                **sums,
            }
        )
        for line, sums in found.items()
    ]


def _standings(connection: Connection, groups: Iterable[Mapping[str, Any]]) -> list[PriceStanding]:
    """Return how the prices of the plan's items stand, but for items that share another's."""
    to_make: dict[PriceClass, int] = {}
    for group in groups:
        # Items that an earlier version planned name no price yet.
        if group["mode"] and not group["shared"]:
            unbought = group["items"] if group["state"] in UNBOUGHT and group["selected"] else 0
            price_class = class_of(group)
            to_make[price_class] = to_make.get(price_class, 0) + unbought
    known = seen_prices(connection)
    return [
        PriceStanding(price_class=each, to_make=number, seen=known.get(each))
        for each, number in to_make.items()
    ]


def stands(connection: Connection, campaign: str) -> tuple[Label[Any], ...]:
    """Return the expressions that tell where an item stands beside its job's state.

    Three have the names of `status_of`'s parameters: whatever tells a status asks here. The last
    two tell that the clip was made under a key of an earlier recipe, or that it was approved and is
    other work.
    """
    allowed = connection.scalar(select(campaigns.c.purchases).where(campaigns.c.name == campaign))
    again = case((free_again(allowed or 0), 1), else_=0)
    changed = and_(items.c.previous_key != "", items.c.previous_key != items.c.key)
    return (
        again.label("again"),
        items.c.shared_with.is_not(None).label("shared"),
        changed.label("changed"),
        and_(items.c.earlier_rule == 1, jobs.c.state.in_(FINISHED)).label("earlier_rule"),
        and_(items.c.stale == 1, jobs.c.state.in_(FINISHED)).label("stale"),
    )


def rows_over(
    connection: Connection, *, campaign: str, limit_microusd: int
) -> list[tuple[str, int, Mapping[str, Any]]]:
    """Return row key, price and a payload of each row whose items cost more than the limit."""
    total = func.sum(items.c.high_microusd).label("total")
    over = (
        select(items.c.row_key, total, func.min(items.c.id).label("id"))
        .where(current(connection, campaign), items.c.shared_with.is_(None), items.c.row_key != "")
        .group_by(items.c.row_key)
        .having(total > limit_microusd)
        .subquery()
    )
    query = (
        select(over.c.row_key, over.c.total, payloads.c.data)
        .join_from(over, payloads, payloads.c.item_id == over.c.id)
        .order_by(over.c.row_key)
    )
    return [(row.row_key, row.total, orjson.loads(row.data)) for row in connection.execute(query)]


def orphans(connection: Connection, *, campaign: str) -> list[str]:
    """Return the addresses that earlier plans of the campaign had and this one does not."""
    query = (
        select(items.c.address)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(campaigns.c.name == campaign, items.c.generation < campaigns.c.generation)
        .order_by(items.c.address)
    )
    return list(connection.scalars(query))


def find_left_behind(connection: Connection, *, campaign: str) -> list[tuple[str, str, State]]:
    """Return address, provider and state of what earlier plans sent, and this one does not want.

    It has not ended, and it was paid for.
    """
    wanted = select(items.c.key).where(current(connection, campaign)).correlate(None)
    query = (
        select(items.c.address, jobs.c.provider, jobs.c.state)
        .join_from(items, jobs, jobs.c.item_id == items.c.id)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(
            campaigns.c.name == campaign,
            jobs.c.state.in_(UNSETTLED),
            jobs.c.key.not_in(wanted),
        )
        .order_by(jobs.c.purchase_id)
    )
    return [(row.address, row.provider, State(row.state)) for row in connection.execute(query)]


def payload_of(connection: Connection, *, item_id: int) -> Mapping[str, Any]:
    """Return what else is known of an item."""
    found = connection.scalar(select(payloads.c.data).where(payloads.c.item_id == item_id))
    known: Mapping[str, Any] = orjson.loads(found or b"{}")
    return known


def current(connection: Connection, campaign: str) -> ColumnElement[bool]:
    """Return the condition that an item is in the campaign's latest plan."""
    row = connection.execute(select(campaigns).where(campaigns.c.name == campaign)).first()
    # No campaign has the id 0, so one that is not known has no items.
    known = (row.id, row.generation) if row is not None else (0, 0)
    return and_(items.c.campaign_id == known[0], items.c.generation == known[1])
