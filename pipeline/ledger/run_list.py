"""The runs of a campaign, from the ledger's lines: when, how much was made, what it cost."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, case, func, select

from pipeline.domain import RunRecord
from pipeline.ledger.jobs import CHARGED
from pipeline.ledger.sql_schema import campaigns, purchases, runs, usd


def list_runs(connection: Connection, *, campaign: str) -> list[RunRecord]:
    """Return the campaign's runs, the oldest first.

    A clip counts with the run that ordered it, as its money does: also where a later run, or a
    reconciliation, collected it.
    """
    open_ = purchases.c.reserved_microusd + purchases.c.possible_microusd
    bought = (
        select(
            purchases.c.run_id,
            func.count().label("ordered"),
            func.sum(case((purchases.c.outcome == CHARGED, 1), else_=0)).label("made"),
            func.sum(purchases.c.charged_microusd).label("charged"),
            func.sum(open_).label("open"),
        )
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(campaigns.c.name == campaign)
        .group_by(purchases.c.run_id)
        .subquery()
    )
    query = (
        select(runs, bought.c.ordered, bought.c.made, bought.c.charged, bought.c.open)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .outerjoin(bought, bought.c.run_id == runs.c.id)
        .where(campaigns.c.name == campaign)
        .order_by(runs.c.id)
    )
    return [
        RunRecord(
            id=row.id,
            started_at=datetime.fromtimestamp(row.started_at, UTC),
            ended_at=None if row.ended_at is None else datetime.fromtimestamp(row.ended_at, UTC),
            exit_code=row.exit_code,
            ordered=row.ordered or 0,
            made=row.made or 0,
            charged_usd=usd(row.charged or 0),
            open_usd=usd(row.open or 0),
        )
        for row in connection.execute(query)
    ]
