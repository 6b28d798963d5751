"""What is worth remembering of a run, in the ledger: limits met, lanes stopped, unknown words."""

from __future__ import annotations

import orjson
from sqlalchemy import Connection, insert

from pipeline.model import Event
from pipeline.run.ledger.tables import events

NOTABLE = frozenset(
    {
        "throttled",
        "lane_stopped",
        "unknown_word",
        "overcharged",
        "in_doubt",
        "still_in_doubt",
        "overdue",
        "not_shown",
    }
)


def note(connection: Connection, *, event: Event) -> None:
    """Write an event down."""
    connection.execute(
        insert(events).values(
            at=event.at.timestamp(),
            name=event.name,
            provider=event.provider,
            address=event.address,
            detail=orjson.dumps(dict(event.detail), default=str),
        )
    )
