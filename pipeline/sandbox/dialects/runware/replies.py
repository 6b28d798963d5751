"""The shapes of Runware's replies: data, errors, and the state of a task."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.desk import Desk, told_cost
from pipeline.sandbox.dialects.runware.models import Problem
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import Progress, State
from pipeline.sandbox.records import Task

_DOCUMENTATION = "https://runware.ai/docs/models/klingai-video-o1-pro"
# Not stated on its pages whether failed tasks are paid: the dearer reading.
REFUNDS = False
TROUBLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "throttled": ("rateLimitExceeded", "Too many requests. Please slow down."),
        "error": ("serviceUnavailable", "The service is temporarily unavailable."),
        "no-credit": ("insufficientCredits", "Insufficient credits. Please top up your account."),
        "bad-key": ("invalidApiKey", "Invalid API key. Get one at https://my.runware.ai/signup"),
        "failed": ("providerError", "The provider could not generate this video."),
        "refused": ("providerContentPolicyViolation", "Refused by the provider's content policy."),
    }
)


def costume(trouble: str, status: int) -> Reply:
    """Return how Runware words a trouble."""
    code, message = TROUBLES.get(trouble, (trouble, trouble))
    if trouble == "bad-key":
        told = {"parameter": "apiKey", "taskType": "authentication"}
        return Reply(status=status, body={"errors": [{"code": code, "message": message, **told}]})
    return refusal([Problem(code=code, message=message, status=status)], {})


def refusal(problems: Sequence[Problem], task: Mapping[str, Any]) -> Reply:
    """Return the reply to a request that is refused as a whole."""
    return Reply(status=problems[0].status, body={"errors": [error(p, task) for p in problems]})


def error(problem: Problem, task: Mapping[str, Any]) -> dict[str, Any]:
    """Return one item of `errors`."""
    told = {
        "code": problem.code,
        "message": problem.message,
        "parameter": problem.parameter,
        "taskType": task.get("taskType"),
        "taskUUID": task.get("taskUUID"),
        "documentation": _DOCUMENTATION,
    }
    return {name: value for name, value in told.items() if value}


def named(task: Task) -> dict[str, Any]:
    """Return how a reply names the task it is about."""
    return {"taskType": "videoInference", "taskUUID": task.id}


def state(desk: Desk, task: Task) -> dict[str, Any]:
    """Return data and errors that tell where a task stands; nothing while it is queued."""
    progress = desk.progress(task, refunds=REFUNDS)
    match progress.state:
        case State.QUEUED:
            return {}
        case State.RUNNING:
            told = {"status": "processing", "progress": progress.percent}
            return {"data": [named(task) | told]}
        case State.DONE:
            return {"data": _results(desk, task)}
        case State.FAILED | State.REFUSED:
            return _failure(task, progress)


def _results(desk: Desk, task: Task) -> list[dict[str, Any]]:
    results = []
    count = task.extra["results"]
    for index, link in enumerate(desk.links(task)):
        told: dict[str, Any] = {
            "status": "success",
            "videoUUID": str(uuid.UUID(link.token)),
            "videoURL": desk.url(task, link),
            "seed": int(link.token[:8], 16),
        }
        if count > 1:
            told["resultIndex"] = index
        cost = told_cost(task)
        if task.extra["include_cost"] and cost is not None:
            told["cost"] = cost / count if count > 1 else cost
        results.append(named(task) | told)
    return results


def _failure(task: Task, progress: Progress) -> dict[str, Any]:
    usual = TROUBLES["refused" if progress.state is State.REFUSED else "failed"]
    code, message = progress.code or usual[0], progress.message or usual[1]
    if progress.form == "item":
        return {"data": [named(task) | {"status": "error", "code": code, "message": message}]}
    problem = Problem(code=code, message=message, parameter="positivePrompt")
    return {"errors": [error(problem, named(task))]}
