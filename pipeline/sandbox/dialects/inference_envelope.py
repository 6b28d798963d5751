"""What every reply of inference.sh is put into: data or a problem document, and pages of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from pipeline.sandbox.document_schema import DocumentSchema, dialect_schema
from pipeline.sandbox.http_exchange import Reply, json_object

_PAGE = 20
# Codes of the problem type, as the SDK lists them.
_TROUBLES: Mapping[str, tuple[str, str]] = {
    "throttled": ("rate_limited", "Too many requests"),
    "error": ("internal_error", "Internal error"),
    "no-credit": ("payment_required", "Insufficient balance"),
    "bad-key": ("unauthorized", "Invalid API key"),
}
_STATUS: Mapping[str, int] = {
    "invalid_request": 400,
    "not_found": 404,
    "validation_error": 422,
    "invalid_transition": 409,
}
_MAINTENANCE = "app_maintenance"
_RETRY_AFTER_S = 2
_LIST_REQUEST = DocumentSchema(dialect_schema("inference"), "list")


def wrap(data: Any) -> Reply:
    """Return the reply that tells these data."""
    return Reply(body={"data": data, "messages": []})


def problem(code: str, detail: str, *, status: int = 0) -> Reply:
    """Return a problem document (RFC 9457)."""
    status = status or _STATUS[code]
    body = {
        "type": f"https://inference.sh/errors/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    # The platform's own 503: nothing was taken, and it says when to come back.
    headers = {"retry-after": str(_RETRY_AFTER_S)} if code == _MAINTENANCE else {}
    return Reply(status=status, body=body, headers=headers, media_type="application/problem+json")


def error_reply(_request: Request, trouble: str, status: int) -> Reply:
    """Return a trouble in the provider's words."""
    code, detail = _TROUBLES.get(trouble, (trouble, trouble))
    return problem(code, detail, status=status)


def not_an_object() -> Reply:
    """Return the refusal of a request whose body is something else."""
    return problem("invalid_request", "send a JSON object")


async def list_request(request: Request) -> dict[str, Any] | None:
    """Return what is asked of a list; nothing in particular where the request has no body."""
    return await json_object(request) if await request.body() else {}


def list_page(items: Sequence[Mapping[str, Any]], asked: Mapping[str, Any] | None) -> Reply:
    """Return the page of a list that is asked for, oldest first unless `sort` says otherwise.

    Each item has an `id`, which is a cursor too, and a `created_at`.
    """
    if asked is None:
        return not_an_object()
    for error in _LIST_REQUEST.errors(asked):
        return problem("invalid_request", f"{error.field} {error.words}")
    newest_first = [order["dir"] for order in asked.get("sort", ())] == ["desc"]
    items = sorted(items, key=lambda one: str(one["created_at"]))
    items = items[::-1] if newest_first else items
    ids = [one["id"] for one in items]
    cursor = asked.get("cursor", "")
    if cursor and cursor not in ids:
        return problem("invalid_request", "cursor is unknown")
    start = ids.index(cursor) + 1 if cursor else 0
    end = start + asked.get("limit", _PAGE)
    page = {
        "items": items[start:end],
        "next_cursor": ids[end - 1] if end < len(ids) else "",
        "prev_cursor": "",
        "has_next": end < len(ids),
        "has_previous": start > 0,
        "items_per_page": end - start,
        "total_items": len(items),
    }
    return wrap(page)


def time_text(seconds: float) -> str:
    """Return a Unix time as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
