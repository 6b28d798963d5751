"""The shapes of Unifically's replies: `code`, mostly `success`, and `data`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.desk import Desk, told_cost
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import Progress, State
from pipeline.sandbox.records import Task

REFUNDS = False
_INVALID = "validation_error"
TROUBLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "throttled": ("rate_limit_exceeded", "Too many requests, please slow down."),
        "error": ("internal_error", "Something went wrong on our side."),
        "no-credit": ("insufficient_balance", "Insufficient balance."),
        "bad-key": ("authentication_failed", "Invalid API key."),
        "unknown": ("not_found", "Task not found."),
        "failed": ("generation_failed", "The generation failed."),
        "refused": ("generation_failed", "The request violates the content policy."),
    }
)


def costume(trouble: str, status: int) -> Reply:
    """Return how Unifically words a trouble, or an error with a code of the scenario's own."""
    code, message = TROUBLES.get(trouble, (trouble, trouble))
    return Reply(status=status, body={"code": status, "data": {"message": message, "code": code}})


def invalid(message: str) -> Reply:
    """Return what a request gets that is not as it should be."""
    return Reply(status=422, body={"code": 422, "data": {"message": message, "code": _INVALID}})


def unknown() -> Reply:
    """Return what is said of a task that nobody knows."""
    return costume("unknown", 404)


def unpaid() -> Reply:
    """Return what an account without credit gets: a failure under HTTP 200."""
    _, message = TROUBLES["no-credit"]
    return Reply(body={"code": 200, "success": False, "data": {"message": message}})


def done(data: Mapping[str, Any]) -> Reply:
    """Return a success."""
    return Reply(body={"code": 200, "success": True, "data": data})


def stored(address: str) -> Reply:
    """Return what a file that was put on the file host gets."""
    return Reply(body={"success": True, "file_url": address})


def not_stored(message: str) -> Reply:
    """Return what any other file gets: a failure under HTTP 200."""
    return Reply(body={"success": False, "message": message})


def state(desk: Desk, task: Task, word: str | None) -> Reply:
    """Return where a task stands, or the word that a scenario says instead."""
    if word is not None:
        named = {"task_id": task.id, "status": word}
        return done(named) if word else unknown()
    progress = desk.progress(task, refunds=REFUNDS)
    match progress.state:
        case State.QUEUED:
            return done({"task_id": task.id, "status": "pending"})
        case State.RUNNING:
            return done({"task_id": task.id, "status": "processing"})
        case State.DONE:
            return done(_result(desk, task))
        case State.FAILED | State.REFUSED:
            return _failure(task, progress)


def _result(desk: Desk, task: Task) -> dict[str, Any]:
    (link,) = desk.links(task)
    told: dict[str, Any] = {"task_id": task.id, "status": "completed"}
    cost = told_cost(task)
    if cost is not None:
        told["cost"] = cost
    return told | {"output": {"video_url": desk.url(task, link)}}


def _failure(task: Task, progress: Progress) -> Reply:
    usual = TROUBLES[progress.state.value]
    named = {"task_id": task.id, "status": "failed"}
    code, message = progress.code or usual[0], progress.message or usual[1]
    match progress.form:
        case "item":
            return done(named | {"error_message": message})
        case "object":
            return done(named | {"error": {"code": code, "message": message}})
        case _:
            data = {"message": message, "code": code}
            return Reply(status=400, body={"code": 400, "data": data})
