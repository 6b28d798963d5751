"""Events of a run become JSON, an object a line, as `event.schema.json` has it.

Three are not the run's own: what it begins with, where it stands each minute, what it came to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import orjson

from pipeline.domain import Event
from pipeline.domain.states import State
from pipeline.foreign_text import printable_line
from pipeline.report.run_progress import RunProgress, RunStart

VERSION = 1
"""Of the format; it changes when a program that reads it would have to."""


def to_event_line(event: Event) -> str:
    """Return an event as one line of JSON, valid under `event.schema.json`, without its end.

    Sums are numbers in USD, times are in UTC. No raw character of it controls a terminal.
    """
    told = {
        "callsheet_event": VERSION,
        "event": event.name,
        "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "provider": event.provider,
        "address": event.address,
        # What is not known is left out; a list is no member of a set.
        "detail": {name: value for name, value in event.detail.items() if value not in ("", None)},
    }
    # Decimals are the only values that JSON lacks; anything else is a fault of ours.
    return printable_line(orjson.dumps(told, default=float).decode())


def start_event(start: RunStart) -> Event:
    """Return the event of a run that begins."""
    detail = {
        "campaign": start.campaign,
        "profile": start.profile,
        "rehearsal": start.rehearsal,
        "items": start.items,
        "done": start.done,
        "left": start.left,
        "expected_usd": start.expected_usd,
        "unpriced": start.unpriced,
        "committed_usd": start.committed_usd,
        "limit_usd": start.limit_usd,
        "cap_usd": start.cap_usd,
    }
    return Event(name="run_started", at=start.at, detail=detail)


def heartbeat_event(progress: RunProgress) -> Event:
    """Return the event that says each minute where a run stands."""
    names = (
        *("done", State.OFF_SPEC.value, "failed", "in_doubt", "held", "in_flight", "waiting"),
        *("charged_usd", "possible_usd", "reserved_usd", "projected_usd", "per_minute"),
    )
    detail = {name: getattr(progress, name) for name in names}
    return Event(name="heartbeat", at=progress.at, detail=detail)


def outcome_event(
    counts: Mapping[tuple[State, str], int],
    spent_usd: Decimal,
    committed_usd: Decimal,
    at: datetime,
) -> Event:
    """Return the event of what a run came to: its jobs by state and cause, and the money."""
    jobs = [
        {"state": state, "cause": cause, "items": items}
        for (state, cause), items in counts.items()
        if items
    ]
    detail = {"jobs": jobs, "charged_usd": spent_usd, "committed_usd": committed_usd}
    return Event(name="outcome", at=at, detail=detail)


def end_event(exit_code: int, at: datetime) -> Event:
    """Return the last event: the command ends with this exit code."""
    return Event(name="run_ended", at=at, detail={"exit_code": exit_code})
