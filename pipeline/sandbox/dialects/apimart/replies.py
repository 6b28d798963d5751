"""The shapes of APIMart's replies, in its usual version and in the dated one.

Chosen where pages contradict each other or are silent: a task made under the dated version speaks
of `pending` and `in_progress`, any other of `submitted` and `processing`; a poll has the same shape
in both; an id of the right form that nobody knows is a 404; what a policy refuses is a failed task.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.desk import Desk, told_cost, told_credits
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import Progress, State
from pipeline.sandbox.records import Task

REFUNDS = True
_WORDS: Mapping[bool, tuple[str, str]] = MappingProxyType(
    {False: ("submitted", "processing"), True: ("pending", "in_progress")}
)
"""What is said of queued and running tasks; by whether the dated version was asked for."""
TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "payment_required",
        403: "permission_error",
        404: "invalid_request_error",
        413: "invalid_request_error",
        429: "rate_limit_error",
        500: "server_error",
    }
)
_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "throttled": "Too many requests, please retry later",
        "error": "internal server error",
        "no-credit": "insufficient account balance",
        "idempotency_in_progress": "the first request with this key is still being handled",
        "idempotency_key_reused": "this key has been used with another request",
        "idempotency_result_indeterminate": "what became of the first request is not known",
        "idempotency_unavailable": "the request was not executed",
        "build_request_failed": "build_request_failed: invalid parameter",
    }
)
_FAILURES: Mapping[State, str] = MappingProxyType(
    {
        State.FAILED: "upstream generation failed",
        State.REFUSED: "the request violates the content policy",
    }
)
_ESTIMATED_S = 60
_CREDITS_PER_USD = Decimal(10)
_RETRY_AFTER_S = 2


def costume(trouble: str, status: int, *, dated: bool = False) -> Reply:
    """Return how APIMart words a trouble."""
    if trouble == "bad-key":
        return _bad_key(status)
    kind = trouble if trouble.startswith("idempotency_") else ""
    return refusal(status, _MESSAGES.get(trouble, trouble), kind=kind, dated=dated)


def refusal(
    status: int, message: str, *, param: str = "", kind: str = "", dated: bool = False
) -> Reply:
    """Return an error in APIMart's envelope."""
    error = {
        "code": status,
        "message": message,
        "type": kind or TYPES.get(status, "bad_gateway"),
        "param": param,
    }
    named = {"request_id": _request_id()} if dated else {}
    waits = status == 409 and kind == "idempotency_in_progress"  # noqa: PLR2004 - HTTP's Conflict
    headers = {"retry-after": str(_RETRY_AFTER_S)} if waits else {}
    return Reply(status=status, body={**named, "error": error}, headers=headers)


def _bad_key(status: int) -> Reply:
    # As measured: no code, and the gateway's own type.
    request_id = _request_id()
    message = f"invalid API key (request id: {request_id})"
    error = {"code": "", "message": message, "param": "", "type": "apimart_error"}
    headers = {"x-oneapi-request-id": request_id}
    return Reply(status=status, body={"error": error}, headers=headers)


def taken(task: Task, polled_at: str, *, replayed: bool = False) -> Reply:
    """Return the reply to a generation that was taken, the same each time."""
    headers = {"idempotency-replayed": "true"} if replayed else {}
    if not _dated(task):
        told = [{"status": "submitted", "task_id": task.id}]
        return Reply(body={"code": 200, "data": told}, headers=headers)
    data = {
        "id": task.id,
        "object": "generation.task",
        "status": "pending",
        "poll_url": f"{polled_at}/{task.id}",
    }
    body = {"request_id": task.extra["request_id"], "data": data}
    return Reply(status=202, body=body, headers=headers)


def state(desk: Desk, task: Task, word: str | None) -> Reply:
    """Return where a task stands, or the word that a scenario says instead."""
    if word is not None:
        return _told(task, status=word, progress=0) if word else unknown()
    progress = desk.progress(task, refunds=REFUNDS)
    queued, running = _WORDS[_dated(task)]
    match progress.state:
        case State.QUEUED:
            return _told(task, status=queued, progress=0)
        case State.RUNNING:
            return _told(task, status=running, progress=progress.percent)
        case State.DONE:
            return _told(task, status="completed", **_result(desk, task))
        case State.FAILED | State.REFUSED:
            return _told(task, status="failed", **_failure(desk, task, progress))


def unknown() -> Reply:
    """Return the answer about a task that is not there (yet)."""
    return refusal(404, "task not found")


def _told(task: Task, **known: Any) -> Reply:
    told = {"id": task.id, "created": int(task.created_at), "estimated_time": _ESTIMATED_S}
    return Reply(body={"code": 200, "data": told | known})


def _result(desk: Desk, task: Task) -> dict[str, Any]:
    (link,) = desk.links(task)
    video = {"url": [desk.url(task, link)], "expires_at": int(link.expires_at)}
    told = {
        "progress": 100,
        "completed": int(task.ready_at),
        "actual_time": int(task.ready_at - task.created_at),
        "result": {"videos": [video]},
    }
    return told | _cost(task)


def _cost(task: Task) -> dict[str, Any]:
    """Return what was paid, in USD and in credits of ten cents, as far as it is told."""
    paid = {"cost": told_cost(task), "credits_cost": told_credits(task, _CREDITS_PER_USD)}
    return {name: told for name, told in paid.items() if told is not None}


def _failure(desk: Desk, task: Task, progress: Progress) -> dict[str, Any]:
    error = {
        "code": progress.code or "task_failed",
        "message": progress.message or _FAILURES[progress.state],
        "type": "task_failed",
    }
    kept = desk.director.scenario.failed_tasks == "kept"
    return {
        "progress": 100,
        "error": error,
        **(_cost(task) if kept else {"cost": 0, "credits_cost": 0}),
    }


def _dated(task: Task) -> bool:
    return bool(task.extra["version"])


def _request_id() -> str:
    return f"req_{secrets.token_hex(12)}"
