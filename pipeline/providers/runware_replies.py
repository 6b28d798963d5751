"""What Runware's replies say: accepted, running, done, failed, or nothing that is about us.

One table turns raw error codes into fault kinds. Tasks and errors of other ids are never read as
ours, and what proves nothing (an empty list, the provider's own trouble under HTTP 200) is never
read as a refusal. Facts: the official SDK `runware-sdk` 1.8.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from pipeline.domain.states import FaultKind
from pipeline.providers import replies
from pipeline.providers.base import (
    Absent,
    Accepted,
    Charge,
    Done,
    Failed,
    Fault,
    Pending,
    Quote,
    Response,
    TaskState,
    Unknown,
)

# The official SDK's tests on raw codes, in its order; the codes are "explicitly unstable".
_CLASSES: tuple[tuple[re.Pattern[str], FaultKind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"credits|quota|balance|^paymentRequired$", FaultKind.UNPAID),
        (r"rateLimit", FaultKind.THROTTLED),
        (
            r"contentPolicy|sensitiveContent|^(prompt|image|video)Blocked|moderation",
            FaultKind.REFUSED,
        ),
        (
            r"^unauthori[sz]ed|^forbidden|apiKey|^token|^(account|organi[sz]ation|workspace)",
            FaultKind.UNAUTHORISED,
        ),
        (r"timeout", FaultKind.UNAVAILABLE),
        (r"notFound$|expired$|^unknownModel$", FaultKind.REJECTED),
        (
            r"^provider|^inferenceError|^taskFailed|^downloadFailed|^modelUnavailable",
            FaultKind.UNAVAILABLE,
        ),
        (
            r"^(invalid|missing|conflict|unsupported|duplicate|value|array|max)",
            FaultKind.REJECTED,
        ),
        (r"^internalServerError|^serviceUnavailable|^serverError", FaultKind.UNAVAILABLE),
    )
)
_ABSENT = re.compile(r"^task(UUID)?NotFound$", re.IGNORECASE)
_LOST = re.compile(r"^taskFailedOrNotFound$|^task(UUID)?Expired$", re.IGNORECASE)
_ABOUT_ASKING = frozenset({FaultKind.THROTTLED, FaultKind.UNAUTHORISED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What one reply says about one task id: its items, its errors."""

    items: tuple[Mapping[str, Any], ...]
    errors: tuple[Mapping[str, Any], ...]


def parse_submit(response: Response, client_id: str) -> Accepted | Fault:
    """Return whether our task was taken; a conflict on our own id proves that it was."""
    reply = _reply(response, client_id)
    if reply is None:
        return replies.unreadable(response)
    failed = [item for item in reply.items if item.get("status") == "error"]
    # One item that is no error proves that it was taken, whatever stands beside it.
    if len(reply.items) > len(failed):
        return Accepted(task=client_id)
    errors = [*failed, *reply.errors]
    if any(_code(error) == "conflictTaskUUID" for error in errors):
        return Accepted(task=client_id)
    return _refusal(errors[0], response) if errors else replies.unreadable(response)


def state(response: Response, task: str) -> TaskState:
    """Return where the task stands; a result counts before an error, an error before a wait."""
    reply = _reply(response, task)
    if reply is None:
        return replies.unreadable(response)
    if reply.items:
        return _item_state(min(reply.items, key=_finality), response)
    if reply.errors:
        return _verdict(reply.errors[0], response)
    # Still running and never heard of look alike here (measured by third parties).
    return Absent() if replies.is_success(response) else replies.http_fault(response)


def split(response: Response, tasks: Sequence[str]) -> Mapping[str, Response] | None:
    """Return by task the reply that says what this one says of it, and nothing of the others.

    None where a part is about none of these tasks, or names none: alone it would be about ours.
    """
    reply = _reply(response, None)
    if reply is None:
        return None
    parts: dict[str, dict[str, list[Any]]] = {task: {"data": [], "errors": []} for task in tasks}
    for found, name in ((reply.items, "data"), (reply.errors, "errors")):
        for part in found:
            own = parts.get(replies.text(part.get("taskUUID")))
            if own is None:
                return None
            own[name].append(part)
    return {task: replace(response, body=orjson.dumps(own)) for task, own in parts.items()}


def parse_upload(response: Response) -> str | Fault:
    """Return the id under which media storage keeps what was uploaded."""
    reply = _reply(response, None)
    if reply is None:
        return replies.unreadable(response)
    found = [replies.text(item.get("mediaUUID")) for item in reply.items]
    return next(filter(None, found), None) or _lacking_reply_fault(reply, response)


def parse_archive(response: Response, client_id: str) -> Accepted | Absent | Fault:
    """Return Accepted where the archive holds our request; its absence proves nothing."""
    reply = _reply(response, client_id)
    if reply is None:
        return replies.unreadable(response)
    if any(item.get("request") or item.get("response") for item in reply.items):
        return Accepted(task=client_id)
    if not reply.errors or _code(reply.errors[0]).lower().endswith("notfound"):
        # A gateway's error says nothing of what the archive holds.
        return Absent() if not replies.is_inconclusive(response) else replies.http_fault(response)
    return _refusal(reply.errors[0], response)


def parse_quote(response: Response) -> Quote | Fault:
    """Return the price of a dry run; that it stands in `cost`, as in a result, is inferred."""
    reply = _reply(response, None)
    if reply is None:
        return replies.unreadable(response)
    told = next(filter(None, map(_charge, reply.items)), None)
    return replies.quote(told) or _lacking_reply_fault(reply, response)


def balance(response: Response) -> Charge | Fault:
    """Return what the account has left; `balance` is an object now, and was a number before.

    Its fields are seen in clients: `amount`, `currency`. Another currency is not read.
    """
    reply = _reply(response, None)
    if reply is None:
        return replies.unreadable(response)
    for item in reply.items:
        left = item.get("balance")
        told = left if isinstance(left, dict) else {"amount": left}
        amount = replies.money(told.get("amount"))
        if amount is not None and str(told.get("currency") or "USD").upper() == "USD":
            return Charge(usd=amount)
    return _lacking_reply_fault(reply, response)


def _reply(response: Response, own: str | None) -> _Reply | None:
    """Return what concerns one task id (None: whichever), or None where nothing can be read."""
    body = replies.mapping(response)
    if body is None or not ("data" in body or "errors" in body):
        return None
    data, errors = body.get("data") or [], body.get("errors") or []
    if not isinstance(data, list) or not isinstance(errors, list):
        return None
    return _Reply(
        items=tuple(
            item
            for item in data
            if isinstance(item, dict) and (own is None or item.get("taskUUID") == own)
        ),
        # One task per POST: an error without an id is about ours.
        errors=tuple(
            error
            for error in errors
            if isinstance(error, dict) and (own is None or (error.get("taskUUID") or own) == own)
        ),
    )


def _code(error: Mapping[str, Any]) -> str:
    return replies.text(error.get("code")) or replies.text(replies.within(error, "error", "code"))


def _message(error: Mapping[str, Any]) -> str:
    message = error.get("message") or replies.within(error, "error", "message")
    return replies.text(message) or _code(error) or "no reason given"


def _kind(code: str) -> FaultKind | None:
    return next((kind for pattern, kind in _CLASSES if pattern.search(code)), None)


def _refusal(error: Mapping[str, Any], response: Response) -> Fault:
    """Return the fault of a request that was answered with an error.

    Under HTTP 4xx nothing was taken: their own trouble then means "busy, try again later".
    """
    code = _code(error)
    fault = replies.http_fault(response, message=_message(error), code=code)
    if fault.accepted is None:
        return fault
    kind = _kind(code)
    if replies.is_success(response):
        # Under HTTP 2xx the provider's own trouble does not prove that nothing was taken.
        kind = kind or FaultKind.UNAVAILABLE
        return replace(fault, kind=kind, accepted=None if kind is FaultKind.UNAVAILABLE else False)
    busy = kind is FaultKind.UNAVAILABLE
    return replace(fault, kind=FaultKind.CAPACITY if busy else kind or fault.kind)


def _lacking_reply_fault(reply: _Reply, response: Response) -> Fault:
    """Return the fault of a reply that lacks what was asked for."""
    return _refusal(reply.errors[0], response) if reply.errors else replies.unreadable(response)


def _finality(item: Mapping[str, Any]) -> int:
    return {"success": 0, "error": 1}.get(str(item.get("status")), 2)


def _item_state(item: Mapping[str, Any], response: Response) -> TaskState:
    match item.get("status"):
        case "success":
            return _result(item, response)
        case "error":
            return _parse_failure(item)
        case "processing" | "pending":
            return Pending(progress=replies.fraction(item.get("progress")))
        case word:
            return Unknown(word=replies.text(word))


def _result(item: Mapping[str, Any], response: Response) -> TaskState:
    """Return a finished clip; one that is called unsafe was made and charged, and is refused.

    Whether such a result has a link is documented nowhere, so the flag counts before it.
    """
    seed, nsfw = item.get("seed"), item.get("NSFWContent")
    told: dict[str, Any] = {
        "charge": _charge(item),
        "seed": "" if isinstance(seed, bool) else replies.text(seed),
        "nsfw": nsfw if isinstance(nsfw, bool) else None,
    }
    if nsfw is True:
        message = "made, and called unsafe by the provider (NSFWContent): it is not fetched"
        fault = replies.failure(FaultKind.REFUSED, message, code="NSFWContent")
        return Failed(fault=fault, **told)
    output = replies.clip(item.get("videoURL"))
    return Done(output=output, **told) if output else replies.unreadable(response)


def _verdict(error: Mapping[str, Any], response: Response) -> TaskState:
    """Tell whether an error is about the task, or only about the asking for it."""
    fault, code = _refusal(error, response), _code(error)
    if _ABSENT.search(code):
        return Absent()
    if _LOST.search(code):
        return Fault(kind=FaultKind.LOST, message=fault.message, accepted=None, code=code)
    asking = replies.is_inconclusive(response) or fault.kind in _ABOUT_ASKING
    # An error that names the question, or no task at all, says nothing of the task.
    if asking or error.get("taskType") == "getResponse" or not error.get("taskUUID"):
        return fault
    return _parse_failure(error)


def _parse_failure(error: Mapping[str, Any]) -> Failed:
    kind = _kind(_code(error)) or FaultKind.PROVIDER
    # The task was taken: asking again would not mend what went wrong with it there.
    kind = FaultKind.PROVIDER if kind is FaultKind.UNAVAILABLE else kind
    return Failed(
        fault=replies.failure(kind, _message(error), code=_code(error)), charge=_charge(error)
    )


def _charge(item: Mapping[str, Any]) -> Charge | None:
    """Return what was charged; absent is "not said", never 0."""
    return replies.charge(item.get("cost"))
