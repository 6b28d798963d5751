"""Which items of a plan share one job, and for which of them it is planned."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import islice

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    literal,
    null,
    select,
    update,
)

from pipeline.domain import Record
from pipeline.domain.states import REPLANNED, State
from pipeline.ledger import record_pages
from pipeline.ledger.connection import upsert
from pipeline.ledger.fast_sql import execute_many
from pipeline.ledger.sql_schema import items, jobs

_AT_ONCE = 1000


def share_jobs(
    connection: Connection,
    *,
    campaign_id: int,
    generation: int,
    keys: Collection[str] | None = None,
) -> None:
    """Let items of one key share one job: that of the first selected one, in plan order.

    Of these `keys` alone, where only they may be shared otherwise than before.
    """
    twins = items.alias("twins")
    here = and_(items.c.campaign_id == campaign_id, items.c.generation == generation)
    same_plan = and_(twins.c.campaign_id == campaign_id, twins.c.generation == generation)
    if keys is not None:
        same_plan = and_(same_plan, twins.c.key.in_(keys))
        own = items.c.key.in_(keys)
        connection.execute(update(items).where(here, own).values(shared_with=None))
    first = (
        select(twins.c.id)
        .where(same_plan, twins.c.key == items.c.key)
        .order_by(twins.c.selected.desc(), twins.c.position)
        .limit(1)
        .scalar_subquery()
    )
    several = select(twins.c.key).where(same_plan).group_by(twins.c.key).having(func.count() > 1)
    connection.execute(
        update(items)
        .where(here, items.c.key.in_(several))
        .values(shared_with=case((items.c.id == first, null()), else_=first))
    )


def choose_items(
    connection: Connection,
    *,
    campaign: str,
    campaign_id: int,
    generation: int,
    wanted: Callable[[Record], bool],
) -> None:
    """Select of a campaign's plan only what is wanted; the rest stays as it is.

    A shared job is bought if any of its items is selected, as the first of those wants it.
    """
    here = and_(items.c.campaign_id == campaign_id, items.c.generation == generation)
    connection.execute(update(items).where(here).values(selected=0))
    pages = partial(record_pages.page, connection, campaign=campaign, selected=False)
    every = record_pages.iter_pages(lambda after: pages(after=after), before=-1)
    chosen = ({"b_campaign": campaign_id, "b_address": e.address} for e in every if wanted(e))
    while some := list(islice(chosen, _AT_ONCE)):
        execute_many(connection, _CHOOSE, some)
    share_jobs(connection, campaign_id=campaign_id, generation=generation)
    # Only where a key is shared can the choice have made another item the first.
    shared = select(items.c.key).where(here, items.c.shared_with.is_not(None))
    lead_jobs(connection, and_(here, items.c.key.in_(shared)))


def lead_jobs(connection: Connection, these: ColumnElement[bool]) -> None:
    """Plan the job of each key among these items for the first one of the key."""
    leaders = (
        select(items.c.key, items.c.id, items.c.provider, literal(State.PLANNED.value))
        .where(these, items.c.shared_with.is_(None))
        .order_by(items.c.key)
    )
    statement = upsert(jobs).from_select(["key", "item_id", "provider", "state"], leaders)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "item_id": statement.excluded.item_id,
                "provider": statement.excluded.provider,
            },
            where=jobs.c.state.in_(REPLANNED),
        )
    )


_CHOOSE = (
    update(items)
    .where(
        items.c.campaign_id == bindparam("b_campaign"), items.c.address == bindparam("b_address")
    )
    .values(selected=1)
)
