"""Read what every provider's replies have in common: JSON or not, HTTP status, waits, money, links.

Nothing here raises: bytes come from outside, so each function has an answer for any of them. An
HTTP status that leaves open whether a submit was taken (3xx, 408, 5xx) is `unsettled`, and that
rule lives here for all providers (providers.md §10.4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

import orjson

from pipeline.providers.base import Fault, FaultKind, Request, Response

RETRY_AFTER_MAX_S = 300.0
"""No provider documents Retry-After in general: honoured if sent, capped (providers.md §14 #2)."""
_SHOWN = 500
_ABSURD = 10**12
"""No amount, price or time is so large: a ledger could not even write it down."""
_DEEPEST = 64
"""The deepest recorded reply has seven levels; orjson reads up to 1,024."""
_WHOLE = 100
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408

_KINDS: Mapping[int, FaultKind] = MappingProxyType(
    {
        400: FaultKind.REJECTED,
        401: FaultKind.UNAUTHORISED,
        402: FaultKind.UNPAID,
        403: FaultKind.UNAUTHORISED,
        404: FaultKind.REJECTED,
        408: FaultKind.UNAVAILABLE,
        409: FaultKind.REJECTED,
        413: FaultKind.REJECTED,
        422: FaultKind.REJECTED,
        429: FaultKind.THROTTLED,
    }
)

# Codes of moderation and of an empty account are undocumented for most providers: the words in
# their messages are matched instead (providers.md §14 #12, §7.4).
_REFUSAL = re.compile(r"polic(y|ies)|moderat|sensitive|nsfw|\brisk", re.IGNORECASE)
_UNPAID = re.compile(r"balance|insufficient.{0,20}(credit|fund|quota)|payment", re.IGNORECASE)


def parsed(response: Response) -> Any:
    """Return the body as JSON, or None where it is none, or nested as no reply ever is."""
    try:
        found = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    return None if _is_too_deep(found) else found


def _is_too_deep(value: Any) -> bool:
    """Tell whether a value is nested so that showing it could exhaust Python's stack."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for each in inner for child in each if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def mapping(response: Response) -> Mapping[str, Any] | None:
    """Return the body as a JSON object, or None where it is anything else."""
    found = parsed(response)
    return found if isinstance(found, dict) else None


def within(value: Any, *path: str | int) -> Any:
    """Return what lies at a path of names and positions, or None where it does not exist."""
    for step in path:
        match value:
            case dict():
                value = value.get(step)
            case list() if isinstance(step, int) and step < len(value):
                value = value[step]
            case _:
                return None
    return value


def text(value: Any) -> str:
    """Return a scalar as short text; "" for what is absent or nested."""
    if value is None or isinstance(value, dict | list):
        return ""
    shown = str(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def named(value: Any) -> str:
    """Return an error code that is a word; "" for an HTTP status repeated as a number."""
    word = text(value)
    return "" if word.isdigit() else word


def money(value: Any) -> Decimal | None:
    """Return an amount as the provider wrote it; None for absent, negative or no sum of money."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _ABSURD else None


def failure(kind: FaultKind, message: str, *, code: str = "") -> Fault:
    """Return the fault of a task that was taken and ended without a clip."""
    return Fault(kind=kind, message=message or code or "no reason given", accepted=True, code=code)


def fraction(percent: Any) -> float | None:
    """Return a progress given in percent as 0 to 1, or None where it is not one."""
    value = money(percent)
    return None if value is None or value > _WHOLE else float(value / _WHOLE)


def clip(url: Any) -> Request | None:
    """Return the unsigned download of a result, or None where this is no link."""
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return Request(method="GET", path=url, host="")
    return None


def succeeded(response: Response) -> bool:
    """Tell whether the HTTP status is 2xx."""
    return response.status // 100 == 2  # noqa: PLR2004 - HTTP's own class of success


def unsettled(response: Response) -> bool:
    """Tell whether the HTTP status leaves open if a submit was taken."""
    return not succeeded(response) and not refused(response)


def refused(response: Response) -> bool:
    """Tell whether the HTTP status proves that nothing was taken: 4xx, but for 408."""
    return response.status // 100 == 4 and response.status != _REQUEST_TIMEOUT  # noqa: PLR2004


def missing(response: Response) -> bool:
    """Tell whether the HTTP status says "not found": of a fresh task, perhaps not yet."""
    return response.status == _NOT_FOUND


def as_told(response: Response, code: Any) -> Response:
    """Return the reply under the status its body tells, where HTTP says 2xx and the body not."""
    if isinstance(code, int) and 400 <= code <= 599 and succeeded(response):  # noqa: PLR2004
        return replace(response, status=code)
    return response


def http_kind(response: Response) -> FaultKind:
    """Return what an HTTP status means where the body says nothing better."""
    if unsettled(response):
        return FaultKind.UNAVAILABLE
    return _KINDS.get(response.status, FaultKind.REJECTED)


def http_fault(response: Response, *, message: str = "", code: str = "") -> Fault:
    """Return the fault that the HTTP status alone tells."""
    return Fault(
        kind=http_kind(response),
        message=message or f"HTTP {response.status}",
        accepted=None if unsettled(response) else False,
        retry_after_s=retry_after_s(response),
        code=code,
    )


def unreadable(response: Response) -> Fault:
    """Return the fault of a reply that does not say what it should: nobody knows."""
    if not succeeded(response):
        return http_fault(response)
    shown = response.body[:_SHOWN].decode("utf-8", "replace")
    return Fault(
        kind=FaultKind.UNREADABLE,
        message=f"HTTP {response.status} with an unreadable body: {shown!r}",
        accepted=None,
    )


def retry_after_s(response: Response) -> float | None:
    """Return how long to wait, in seconds and at most 300, where the reply says it."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return min(float(value), RETRY_AFTER_MAX_S)
    # The date form is read against the reply's own Date: this code has no clock.
    try:
        until = parsedate_to_datetime(value)
        wait = (until - parsedate_to_datetime(response.headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), RETRY_AFTER_MAX_S)


def worded_kind(message: str) -> FaultKind | None:
    """Return what the words of a message mean: content refused, or no money; else None."""
    if _UNPAID.search(message):
        return FaultKind.UNPAID
    return FaultKind.REFUSED if _REFUSAL.search(message) else None
