"""What a campaign's latest plan was made from, kept beside it.

Who plans writes digests of what was read; where another plan is published, or items change in any
other way than by planning, what was written holds no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, select

from pipeline.domain.states import UNSETTLED
from pipeline.ledger.sql_schema import campaigns, items, jobs, purchases, standing_plans


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPlan:
    """What a plan was made from, as its maker wrote it down."""

    inputs: str
    """Digest of all that was read for it, but for the rows of its tables."""
    rows: bytes
    """Digests of the rows, one after another."""
    told: bytes
    """What else is told of the plan, and what it takes to know that it stands."""


def record_standing_plan(
    connection: Connection, *, campaign: str, plan: StandingPlan | None
) -> None:
    """Write what the plan just published was made from; None, or open work of others: nothing.

    A clip that is still in the making under a key of no item may satisfy one once it is there.
    """
    here = campaigns.c.name == campaign
    row = connection.execute(select(campaigns.c.id, campaigns.c.generation).where(here)).one()
    connection.execute(delete(standing_plans).where(standing_plans.c.campaign_id == row.id))
    current = (items.c.campaign_id == row.id) & (items.c.generation == row.generation)
    wanted = select(items.c.key).where(current, items.c.key == jobs.c.key)
    elsewhere = select(jobs.c.key).where(jobs.c.state.in_(UNSETTLED), ~exists(wanted)).limit(1)
    if plan is None or connection.execute(elsewhere).first() is not None:
        return
    connection.execute(
        insert(standing_plans).values(
            campaign_id=row.id,
            generation=row.generation,
            purchase_id=last_purchase(connection),
            inputs=plan.inputs,
            rows=plan.rows,
            told=plan.told,
        )
    )


def forget_standing_plans(connection: Connection) -> None:
    """Have every campaign planned anew: what its items are follows from something else now."""
    connection.execute(delete(standing_plans))


def last_purchase(connection: Connection) -> int:
    """Return the id of the last purchase; 0 where there is none."""
    return connection.scalar(select(func.max(purchases.c.id))) or 0
