"""The shapes of inference.sh's replies: today's envelope and numbers, and the older ones.

Chosen where no page says it: a task speaks, in every reply, as the path did by which it was made
(`/run`: bare, in the older numbers; `/apps/run`: wrapped, in today's). Failed tasks are paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from pipeline.sandbox import kling
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialects.inference.orders import mode_of
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import Progress, State
from pipeline.sandbox.records import Task

REFUNDS = False
_WORDS = (
    *("unknown", "received", "queued", "dispatched", "preparing", "serving", "setting_up"),
    *("running", "cancelling", "uploading", "completed", "failed", "cancelled", "rejected"),
)
_OLDER_WORDS = (
    *("unknown", "received", "queued", "scheduled", "preparing", "serving", "setting_up"),
    *("running", "uploading", "completed", "failed", "cancelled"),
)
"""A status' number is its place: 9 is "uploading" today, and was "completed"."""
ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
_CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "throttled": ("rate_limited", "Too many requests"),
        "error": ("internal_error", "Internal error"),
        "no-credit": ("payment_required", "Insufficient balance"),
        "bad-key": ("unauthorized", "Invalid API key"),
    }
)
_STATUS: Mapping[str, int] = MappingProxyType(
    {"invalid_request": 400, "not_found": 404, "validation_error": 422, "invalid_transition": 409}
)
_FAILURES: Mapping[State, str] = MappingProxyType(
    {
        State.FAILED: "upstream generation failed",
        State.REFUSED: "Failure to pass the risk control system",
    }
)
_RETRY_AFTER_S = 2
_MAINTENANCE = "app_maintenance"
_QUEUED_UNTIL, _RUNNING_UNTIL = 30, 90
"""Percent up to which a task is dispatched, then running; then its clip is uploaded."""


def costume(trouble: str, status: int, *, older: bool = False) -> Reply:
    """Return how inference.sh words a trouble."""
    code, detail = _CODES.get(trouble, (trouble, trouble))
    return problem(code, detail, status=status, older=older)


def problem(code: str, detail: str, *, status: int = 0, older: bool = False) -> Reply:
    """Return an error: a problem document, or the older object."""
    status = status or _STATUS[code]
    headers = {"retry-after": str(_RETRY_AFTER_S)} if code == _MAINTENANCE else {}
    if older:
        told: dict[str, Any] = {"error": {"code": code, "message": detail}}
        return Reply(status=status, body=told, headers=headers)
    body = {
        "type": f"https://inference.sh/errors/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    media_type = "application/problem+json"
    return Reply(status=status, body=body, headers=headers, media_type=media_type)


def wrapped(data: Any) -> Reply:
    """Return a success in today's envelope."""
    return Reply(body={"data": data, "messages": []})


def about(task: Task, told: Mapping[str, Any]) -> Reply:
    """Return what is told of a task, in the envelope the task came with."""
    return Reply(body=told) if task.extra["older"] else wrapped(told)


def rejected(order_id: str, body: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return a task that was born at its end, for want of money: it never runs."""
    told = {
        "id": order_id,
        "short_id": order_id[:8],
        "status": _WORDS.index("rejected"),
        "status_text": "rejected",
        "error": "insufficient balance",
        "output": None,
    }
    return told | _whole(body) | {"created_at": _time(now), "updated_at": _time(now)}


def brief(desk: Desk, task: Task, word: str = "") -> dict[str, Any]:
    """Return a task as a run's reply and the stream tell it; a scenario may give another word."""
    progress = desk.progress(task, refunds=REFUNDS)
    word = word or _word(desk, task, progress)
    return {
        "id": task.id,
        "short_id": task.extra["short_id"],
        "status": number(task, word),
        "status_text": word,
        "output": _output(desk, task) if word == "completed" else None,
        "error": _error(progress) if word == "failed" else "",
        "session_id": None,
        "created_at": _time(task.created_at),
        "updated_at": _time(min(desk.world.now(), task.ready_at)),
        "run_at": None,
    }


def full(desk: Desk, task: Task, word: str = "") -> dict[str, Any]:
    """Return all that is told of a task: what was asked for, what was used, no money."""
    told = brief(desk, task, word)
    used = [_usage(task)] if told["status_text"] == "completed" else []
    return told | _whole(task.request) | {"usage_events": used}


def number(task: Task, word: str) -> int:
    """Return a status as the number it has where the task was made; 0 for an unheard-of word."""
    words = _OLDER_WORDS if task.extra["older"] else _WORDS
    return words.index(word) if word in words else 0


def cancelled(task: Task) -> str:
    """Return the name of the note that somebody has cancelled a task."""
    return f"cancelled {task.id}"


def _whole(body: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name: body.get(name) for name in ("input", "webhook", "infra")}
    return asked | {"function": "run", "run_at": None, "events": [], "logs": [], "usage_events": []}


def _word(desk: Desk, task: Task, progress: Progress) -> str:
    if desk.world.note(cancelled(task)):
        return "cancelled"
    match progress.state:
        case State.QUEUED:
            return "queued"
        case State.RUNNING if progress.percent < _QUEUED_UNTIL:
            return "scheduled" if task.extra["older"] else "dispatched"
        case State.RUNNING:
            return "running" if progress.percent < _RUNNING_UNTIL else "uploading"
        case State.DONE:
            return "completed"
        case State.FAILED | State.REFUSED:
            return "failed"


def _output(desk: Desk, task: Task) -> dict[str, Any]:
    (link,) = desk.links(task)
    url = desk.url(task, link)
    given = task.request["input"]
    # Computed from the ratio asked for, not measured: wrong where a picture or a video leads.
    width, height = kling.SIZES[mode_of(given)][given.get("aspect_ratio") or "16:9"]
    told = {
        "type": "video",
        "width": width,
        "height": height,
        "resolution": "1080p" if mode_of(given) == "pro" else "720p",
        "seconds": task.reel["seconds"],
        "fps": task.reel["fps"],
        "extra": {"mode": _making(given), "model": "kling-o1"},
    }
    video = {"uri": url} if task.extra["older"] else url
    return {"video": video, "output_meta": {"outputs": [told]}}


def _making(given: Mapping[str, Any]) -> str:
    if given.get("reference_video"):
        return "video-to-video"
    return "image-to-video" if given.get("image") else "text-to-video"


def _usage(task: Task) -> dict[str, Any]:
    given = task.request["input"]
    return {
        "type": "video",
        "model": "kling-o1",
        "quantity": int(task.reel["seconds"]),
        "unit": "second",
        "tier": "1080p" if mode_of(given) == "pro" else "720p",
    }


def _error(progress: Progress) -> str:
    return progress.message or _FAILURES.get(progress.state, "")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
