"""What is worth remembering of a run, in the ledger: limits met, lanes stopped, unknown words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection, func, insert, select

from pipeline.domain import Event
from pipeline.ledger.sql_schema import campaigns, events, items, runs

NOTABLE = frozenset(
    {
        "throttled",
        "widened",
        "lane_stopped",
        "unknown_word",
        "overcharged",
        "unusual_credits",
        "unread_charge",
        "in_doubt",
        "still_in_doubt",
        "overdue",
        "not_shown",
        "left_alone",
        "same_content",
        "second_task",
    }
)
"""Written down as they are told. A `stray_task` is as well, by whoever tells it: also where the
process may write nothing else any more (`RunLedger.note_anyway`)."""

_OF_A_LANE = frozenset({"throttled", "widened", "lane_stopped"})


def note(connection: Connection, *, event: Event, campaign: str) -> None:
    """Write an event of a campaign's run down."""
    connection.execute(
        insert(events).values(
            at=event.at.timestamp(),
            name=event.name,
            provider=event.provider,
            address=event.address,
            campaign=campaign,
            detail=orjson.dumps(dict(event.detail), default=str),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Notable:
    """What happened in a lane, how often, and when and why the last time."""

    provider: str
    name: str
    times: int
    last_at: datetime
    message: str


def notable(connection: Connection, *, campaign: str) -> list[Notable]:
    """Return what was written down in the campaign's runs, by provider.

    How a lane fared is told of the last run alone: it says nothing of the next.
    """
    own = (
        select(items.c.address)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(campaigns.c.name == campaign)
    )
    began = (
        select(func.max(runs.c.started_at))
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(campaigns.c.name == campaign)
    )
    last = (
        select(func.max(events.c.id).label("id"), func.count().label("times"))
        .where(
            (events.c.campaign == campaign)
            | ((events.c.campaign == "") & events.c.address.in_(own)),
            events.c.name.not_in(_OF_A_LANE) | (events.c.at >= began.scalar_subquery()),
        )
        .group_by(events.c.provider, events.c.name)
        .subquery()
    )
    query = (
        select(events, last.c.times)
        .join_from(events, last, last.c.id == events.c.id)
        .order_by(events.c.provider, events.c.name)
    )
    return [
        Notable(
            provider=row.provider,
            name=row.name,
            times=row.times,
            last_at=datetime.fromtimestamp(row.at, UTC),
            message=str(orjson.loads(row.detail).get("message", "")),
        )
        for row in connection.execute(query)
    ]
