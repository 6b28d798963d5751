"""An account's tasks, page by page.

Chosen where no page says it: oldest first unless `sort` says otherwise; 20 a page, 100 at most;
filters and searches are not spoken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline.sandbox.checks import Check, integer, many, misfits, one_of, record, text
from pipeline.sandbox.dialects.inference import replies
from pipeline.sandbox.dialects.inference.tasks import turned_away
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.visit import Visit, document

_PAGE = 20
_FIELDS: Mapping[str, Check] = MappingProxyType(
    {
        "cursor": text(0, 100),
        "limit": integer(1, 100),
        "sort": many(
            record(
                {"field": one_of("created_at"), "dir": one_of("asc", "desc")},
                required=("field", "dir"),
            ),
            0,
            1,
        ),
    }
)


async def tasks(visit: Visit, request: Request) -> Response:
    """Return one page of an account's tasks."""
    body = await document(request)

    async def work() -> Reply:
        if body is None:
            return replies.problem("invalid_request", "send a JSON object")
        for name, wrong in misfits(body, _FIELDS):
            return replies.problem("invalid_request", f"{name} {wrong}")
        return _page(_all(visit), body)

    return await visit.answer("status", visit.subject(), work)


def _all(visit: Visit) -> list[dict[str, Any]]:
    kept = visit.desk.world.tasks("provider=? AND account=?", (visit.provider, visit.key))
    told = [replies.full(visit.desk, task) for task in kept] + turned_away(visit)
    return sorted(told, key=lambda one: str(one["created_at"]))


def _page(found: Sequence[Mapping[str, Any]], asked: Mapping[str, Any]) -> Reply:
    newest_first = [order["dir"] for order in asked.get("sort", ())] == ["desc"]
    listed = list(reversed(found)) if newest_first else list(found)
    ids = [one["id"] for one in listed]
    cursor = asked.get("cursor", "")
    if cursor and cursor not in ids:
        return replies.problem("invalid_request", "cursor is unknown")
    start = ids.index(cursor) + 1 if cursor else 0
    end = start + asked.get("limit", _PAGE)
    more = end < len(listed)
    return replies.wrapped(
        {
            "items": listed[start:end],
            "next_cursor": ids[end - 1] if more else "",
            "prev_cursor": "",
            "has_next": more,
            "has_previous": start > 0,
            "items_per_page": end - start,
        }
    )
