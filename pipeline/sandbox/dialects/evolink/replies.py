"""The shapes of EvoLink's replies: a task as it is, or `error`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.desk import Desk, told_credits
from pipeline.sandbox.dialects.evolink.models import CREDITS_PER_USD
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import State
from pipeline.sandbox.records import Task

REFUNDS = False
_ESTIMATED_S = 300
_TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "insufficient_quota",
        403: "permission_error",
        404: "not_found_error",
        413: "invalid_request_error",
        429: "rate_limit_error",
        502: "upstream_error",
    }
)
MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "throttled": "Too many requests, please retry later",
        "error": "Something went wrong, please retry later",
        "no-credit": "Insufficient balance",
        "bad-key": "Invalid API key",
    }
)
_FAILURES: Mapping[State, tuple[str, str]] = MappingProxyType(
    {
        State.FAILED: ("service_error", "The service could not make this video"),
        State.REFUSED: ("content_policy_violation", "The content was refused by the policy"),
    }
)


def costume(trouble: str, status: int) -> Reply:
    """Return how EvoLink words a trouble, or an error with a code of the scenario's own."""
    known = trouble in MESSAGES
    return error(status, MESSAGES.get(trouble, trouble), code=None if known else trouble)


def error(status: int, message: str, *, code: str | None = None, param: str = "") -> Reply:
    """Return an error; its code is the status again, except where it is a word."""
    told: dict[str, Any] = {
        "code": status if code is None else code,
        "message": message,
        "type": _TYPES.get(status, "server_error"),
    }
    return Reply(status=status, body={"error": told | ({"param": param} if param else {})})


def invalid(field: str, wrong: str) -> Reply:
    """Return what a generation with a wrong field gets."""
    return error(400, f"{field} {wrong}", param=field)


def no_model() -> Reply:
    """Return what a generation with another model gets: its code is a word."""
    return error(404, "Model not found", code="model_unavailable")


def no_task() -> Reply:
    """Return what is said of a task that nobody knows."""
    return error(404, "Task not found")


def bad_id(prefix: str) -> Reply:
    """Return what is said of something that is no task's id: its code is a word."""
    return error(400, f"Task id must start with '{prefix}'", code="invalid_task_id")


def accepted(task: Task) -> Reply:
    """Return a new task, with the credits that were set aside."""
    told = _shown(task, "pending", 0)
    told["task_info"] |= {
        "estimated_time": _ESTIMATED_S,
        "video_duration": task.reel["seconds"],
    }
    told["usage"] = {"billing_rule": "per_call", "user_group": "default"}
    credit = _credits(task)
    if credit is not None:
        told["usage"]["credits_reserved"] = credit
    return Reply(body=told)


def _credits(task: Task) -> Any:
    """Return the credits set aside, or what a scenario has stand there."""
    told = task.extra["told"]
    if told not in {"billed", "credits", "nothing"}:
        return told
    return told_credits(task, CREDITS_PER_USD)


def state(desk: Desk, task: Task, word: str | None) -> Reply:
    """Return where a task stands, or the word that a scenario says instead."""
    if word is not None:
        return Reply(body=_shown(task, word, 50)) if word else no_task()
    progress = desk.progress(task, refunds=REFUNDS)
    match progress.state:
        case State.QUEUED:
            return Reply(body=_shown(task, "pending", 0))
        case State.RUNNING:
            return Reply(body=_shown(task, "processing", progress.percent))
        case State.DONE:
            results = [desk.url(task, link) for link in desk.links(task)]
            return Reply(body=_shown(task, "completed", 100) | {"results": results})
        case State.FAILED | State.REFUSED:
            code, message = _FAILURES[progress.state]
            told = {"code": progress.code or code, "message": progress.message or message}
            return Reply(body=_shown(task, "failed", 100) | {"error": told})


def _shown(task: Task, status: str, percent: int) -> dict[str, Any]:
    return {
        "created": int(task.created_at),
        "id": task.id,
        "model": task.model,
        "object": "video.generation.task",
        "progress": percent,
        "status": status,
        "task_info": {"can_cancel": status in {"pending", "processing"}},
        "type": "video",
    }
