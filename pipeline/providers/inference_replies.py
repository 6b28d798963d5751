"""What inference.sh's replies say, in both envelopes and both numberings.

A reply may be wrapped (`data`) or bare, an error a problem document or an object; status goes by
its word, else by output and error text, never by its number: 9 was "completed", is "uploading".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from pipeline.domain.states import FaultKind
from pipeline.providers import replies
from pipeline.providers.base import (
    Absent,
    Accepted,
    Done,
    Failed,
    Fault,
    Pending,
    Response,
    TaskState,
    Unknown,
)

_SLACK_S = 120.0
"""How far the provider's clock may be behind ours when tasks are compared with an intent."""
_RUNNING = frozenset(
    {
        *("received", "queued", "dispatched", "scheduled", "preparing", "serving"),
        *("setting_up", "running", "cancelling", "uploading"),
    }
)
# Codes of the official SDK; others go by their HTTP status.
_CODES: Mapping[str, FaultKind] = MappingProxyType(
    {
        "limit_exceeded": FaultKind.UNPAID,
        "payment_required": FaultKind.UNPAID,
        "payment_method_required": FaultKind.UNPAID,
        "feature_not_available": FaultKind.REJECTED,
        "rate_limited": FaultKind.THROTTLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A task that may exist: its input, when it was meant (unix seconds), whose it is not."""

    fields: Mapping[str, Any]
    since: float
    known: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Some of the account's tasks, and where the next ones begin."""

    tasks: tuple[Mapping[str, Any], ...]
    cursor: str


def parse_submit(response: Response) -> Accepted | Fault:
    """Return whether the run was taken."""
    body = replies.mapping(response)
    if body is None:
        return replies.unreadable(response)
    found, told = _unwrap(body), _with_body_status(body, response)
    name = found.get("id")
    task = replies.task_id(name)
    refused = replies.is_refusal(told) or body.get("success") is False
    if refused or name is None:
        fault = _fault(body, response)
        # An id beside a refusal: there may be a task after all.
        return replace(fault, accepted=None) if task else fault
    if not task:
        return replies.no_task(name, response)
    # It has an id and HTTP 200, and was never taken: born dead for want of money.
    if _word(found) == "rejected":
        message = replies.text(found.get("error")) or "rejected: no balance or payment method"
        return Fault(kind=FaultKind.UNPAID, message=message, code="rejected")
    return Accepted(task=task)


def state(response: Response, task: str) -> TaskState:
    """Return where the task stands."""
    body = replies.mapping(response)
    if replies.missing(response):
        return Absent()
    if body is None:
        return replies.unreadable(response)
    found, told = _unwrap(body), _with_body_status(body, response)
    if replies.missing(told):
        return Absent()
    if not replies.is_success(told) or replies.task_id(found.get("id")) != task:
        return _fault(body, response)
    return _progress(found, response)


def _progress(found: Mapping[str, Any], response: Response) -> TaskState:
    word = _word(found)
    if word in _RUNNING:
        return Pending()
    match word:
        case "completed":
            video = replies.within(found, "output", "video")
            output = replies.clip(video) or replies.clip(replies.within(video, "uri"))
            return Done(output=output) if output else replies.unreadable(response)
        case "failed" | "cancelled" | "canceled" | "rejected":
            return _parse_failure(found, word)
        case _:
            return Unknown(word=word)


def place(response: Response) -> tuple[str, str] | Fault:
    """Return an announced file's `uri`, and the address its bytes are put to."""
    parsed = replies.parse_json(response)
    body = parsed if isinstance(parsed, dict) else {}
    listed = body.get("data", parsed)
    one = replies.within(listed, 0) or replies.within(listed, "files", 0)
    uri, target = (replies.within(one, name) for name in ("uri", "upload_url"))
    if uri and isinstance(uri, str) and replies.clip(target) and replies.is_success(response):
        return uri, str(target)
    return _fault(body, response)


def put(response: Response) -> Fault | None:
    """Return why the bytes were not taken, or None."""
    return None if replies.is_success(response) else replies.http_fault(response)


def page(response: Response) -> TaskPage | Fault:
    """Return one page of tasks."""
    body = replies.mapping(response)
    if body is None:
        return replies.unreadable(response)
    found = _unwrap(body)
    items = found.get("items")
    if not isinstance(items, list) or not replies.is_success(response):
        return _fault(body, response)
    tasks = tuple(one for one in items if isinstance(one, dict))
    return TaskPage(tasks=tasks, cursor=replies.text(found.get("next_cursor")))


def match(tasks: Iterable[Mapping[str, Any]], sought: Sought) -> str:
    """Return the id of a task with the sought input, or "".

    Two jobs with equal input are the same work, so any task that is nobody's will do. One that was
    rejected for want of money was never taken.
    """
    for task in tasks:
        name = "" if _word(task) == "rejected" else replies.task_id(task.get("id"))
        if name and name not in sought.known and _is_recent(task, sought.since):
            theirs = task.get("input")
            if isinstance(theirs, dict) and all(
                theirs.get(field) == value for field, value in sought.fields.items()
            ):
                return name
    return ""


def _is_recent(task: Mapping[str, Any], since: float) -> bool:
    """Tell whether a task is younger than the intent; one without a readable time is not."""
    try:
        made = datetime.fromisoformat(replies.text(task.get("created_at")))
    except ValueError:
        return False
    return made.tzinfo is not None and made.timestamp() >= since - _SLACK_S


def _unwrap(body: Mapping[str, Any]) -> Mapping[str, Any]:
    data = body.get("data")
    return data if isinstance(data, dict) else body


def _with_body_status(body: Mapping[str, Any], response: Response) -> Response:
    """Return the reply under the status its body tells, in any of the envelopes.

    A task's own status is a number too, but a small one: never an HTTP error.
    """
    places: tuple[tuple[str, ...], ...] = (("status",), ("code",), ("error", "code"))
    codes = (replies.within(body, *place) for place in places)
    told = (replies.as_told(response, code) for code in codes)
    return next((one for one in told if one is not response), response)


def _word(found: Mapping[str, Any]) -> str:
    """Return the status as a word; without one, what output and error tell."""
    status = found.get("status")
    word = replies.text(found.get("status_text")) or (status if isinstance(status, str) else "")
    if word:
        return word.lower()
    if replies.text(found.get("error")):
        return "failed"
    return "completed" if found.get("output") else f"status {replies.text(status)}"


def _parse_failure(found: Mapping[str, Any], word: str) -> Failed:
    message = replies.text(found.get("error"))
    kind = replies.worded_kind(message) or FaultKind.PROVIDER
    # The word means "no money" whatever its message says: a person has to act.
    kind = FaultKind.UNPAID if word == "rejected" else kind
    return Failed(fault=replies.failure(kind, message, code=word))


def _fault(body: Mapping[str, Any], response: Response) -> Fault:
    """Return the fault of an answer that is an error, or lacks what was asked for."""
    error = body.get("error")
    refused = bool(error) or body.get("success") is False
    told = _with_body_status(body, response)
    if replies.is_success(told) and not refused:
        return replies.unreadable(response)
    kind_word = replies.text(body.get("type")).rstrip("/").rpartition("/")[2]
    code = kind_word or replies.error_code(replies.within(error, "code"))
    words = [body.get("detail"), replies.within(error, "message"), error, body.get("message")]
    message = next(filter(None, map(replies.text, [*words, body.get("title")])), "")
    fault = replies.http_fault(told, message=message, code=code)
    if code == "app_maintenance":
        # The platform's own refusal, before any run: nothing was taken, it is tried again later.
        return replace(fault, kind=FaultKind.CAPACITY, accepted=False)
    if fault.accepted is None:
        return fault
    kind = _CODES.get(code) or fault.kind
    worded = replies.worded_kind(message) if kind is FaultKind.REJECTED else None
    return replace(fault, kind=worded or kind)
