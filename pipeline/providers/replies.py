"""Read what every provider's replies have in common: JSON or not, HTTP status, waits, money, links.

Nothing here raises: bytes come from outside, so each function has an answer for any of them. An
HTTP status that leaves open whether a submit was taken (3xx, 408, 5xx) is inconclusive, and that
rule lives here for all providers (docs/design/providers.md §8.2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import orjson

from pipeline.domain.states import FaultKind
from pipeline.providers.base import Charge, Fault, Quote, Request, Response, retry_after_s

_SHOWN = 500
_DEEPEST = 64
"""The deepest recorded reply has seven levels; orjson reads up to 1,024."""
_RAW_SHOWN = 80
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,40})?", re.ASCII)
"""`Decimal` and `float` read more than this: underscores, spaces, exponents, foreign digits."""
_MOST = 10**12
_MOST_MONEY = 10**9
"""No clip costs more: thousands of such sums, in millionths, still fit into 64 bits."""
_TASK_CHARACTERS = 500
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
# their messages are matched instead (docs/design/providers.md §9, §7.4).
_REFUSAL = re.compile(r"polic(y|ies)|moderat|sensitive|nsfw|\brisk", re.IGNORECASE)
_NOT_JSON = re.compile(rb"NaN|Infinity")
_UNPAID = re.compile(r"balance|insufficient.{0,20}(credit|fund|quota)|payment", re.IGNORECASE)


def parse_json(response: Response) -> Any:
    """Return the body as JSON, or None where it is none, or nested as no reply ever is.

    NaN and Infinity, which JSON does not have, come as their names.
    """
    try:
        found = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        found = _lenient(response.body)
    return None if _is_too_deep(found) else found


def _lenient(body: bytes) -> Any:
    """Read what many servers write and JSON does not have: one such figure must not hide a clip."""
    if not _NOT_JSON.search(body):
        return None
    try:
        found = json.loads(body.decode(), parse_constant=str)
        # Whatever only the other parser takes (lone surrogates, huge integers) is refused here.
        return orjson.loads(orjson.dumps(found))
    except (ValueError, TypeError, RecursionError):
        return None


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
    found = parse_json(response)
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


def error_code(value: Any) -> str:
    """Return an error code that is a word; "" for an HTTP status repeated as a number."""
    word = text(value)
    return "" if word.isdigit() else word


def number(value: Any) -> Decimal | None:
    """Return a number from 0 on, as the provider wrote it; None for whatever else stands there.

    A number is one of JSON's, or plain ASCII digits in a string. -0 and 10^12 are none.
    """
    match value:
        # `True` is an int to Python, and no sum.
        case bool():
            return None
        case str() if not _NUMBER.fullmatch(value):
            return None
        case int() | float() | str():
            amount = Decimal(str(value))
            within_bounds = amount.is_finite() and not amount.is_signed() and amount < _MOST
            return amount if within_bounds else None
        case _:
            return None


def money(value: Any) -> Decimal | None:
    """Return an amount as the provider wrote it; None for what is absent or no sum of money."""
    amount = number(value)
    return None if amount is None or amount >= _MOST_MONEY else amount


def charge(usd: Any, native: Any = None, unit: str = "") -> Charge | None:
    """Return what a reply tells of money; None where it tells nothing.

    What stands there and is no sum is kept as `unread`: neither a nought nor silence.
    """
    told = [value for value in (usd, native) if value is not None]
    if not told:
        return None
    in_units = money(native)
    return Charge(
        usd=money(usd),
        native=in_units,
        unit="" if in_units is None else unit,
        unread=", ".join(_raw(value) for value in told if money(value) is None),
        above=money(usd) is None and _is_large(usd),
    )


def quote(told: Charge | None) -> Quote | Fault | None:
    """Return the price that a dry run tells; a Fault for one that is no sum, None for none."""
    if told is None or told.usd is not None or not told.unread:
        return Quote(charge=told) if told else None
    message = f"the price it names is no sum of money: {told.unread}"
    return Fault(kind=FaultKind.UNREADABLE, message=message, accepted=False)


def task_id(value: Any) -> str:
    """Return a task's id as text, a whole number's digits too; "" for what cannot be asked for.

    That is what is no id at all, is longer than 500 characters, holds a control character, or
    would be another path in an address (`.`, `..`). All else is quoted where it is sent.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    name = str(value)
    usable = name.isprintable() and len(name) <= _TASK_CHARACTERS and name not in {".", ".."}
    return name if usable else ""


def no_task(value: Any, response: Response) -> Fault:
    """Return the fault of a reply whose task id is missing, or cannot be used: nobody knows."""
    if value is None or not is_success(response):
        return unreadable(response)
    message = f"HTTP {response.status} with a task id that cannot be used: {_raw(value)}"
    return Fault(kind=FaultKind.UNREADABLE, message=message, accepted=None)


def _raw(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _RAW_SHOWN else f"{shown[:_RAW_SHOWN]}…"


def _is_large(value: Any) -> bool:
    """Tell whether this is a plain number that is too large for a sum."""
    match value:
        case bool():
            return False
        case int() | float():
            return value >= _MOST_MONEY
        case str():
            return bool(_NUMBER.fullmatch(value)) and Decimal(value) >= _MOST_MONEY
        case _:
            return False


def failure(kind: FaultKind, message: str, *, code: str = "") -> Fault:
    """Return the fault of a task that was taken and ended without a clip."""
    return Fault(kind=kind, message=message or code or "no reason given", accepted=True, code=code)


def fraction(percent: Any) -> float | None:
    """Return a progress given in percent as 0 to 1, or None where it is not one."""
    value = number(percent)
    return None if value is None or value > _WHOLE else float(value / _WHOLE)


def clip(url: Any) -> Request | None:
    """Return the unsigned download of a result, or None where this is no link."""
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return Request(method="GET", path=url, host="")
    return None


def is_success(response: Response) -> bool:
    """Tell whether the HTTP status is 2xx."""
    return response.status // 100 == 2  # noqa: PLR2004 - HTTP's own class of success


def is_inconclusive(response: Response) -> bool:
    """Tell whether the HTTP status leaves open if a submit was taken."""
    return not is_success(response) and not is_refusal(response)


def is_refusal(response: Response) -> bool:
    """Tell whether the HTTP status proves that nothing was taken: 4xx, but for 408."""
    return response.status // 100 == 4 and response.status != _REQUEST_TIMEOUT  # noqa: PLR2004


def missing(response: Response) -> bool:
    """Tell whether the HTTP status says "not found": of a fresh task, perhaps not yet."""
    return response.status == _NOT_FOUND


def as_told(response: Response, code: Any) -> Response:
    """Return the reply under the status its body tells, where HTTP says 2xx and the body not."""
    if isinstance(code, int) and 400 <= code <= 599 and is_success(response):  # noqa: PLR2004
        return replace(response, status=code)
    return response


def http_kind(response: Response) -> FaultKind:
    """Return what an HTTP status means where the body says nothing better."""
    if is_inconclusive(response):
        return FaultKind.UNAVAILABLE
    return _KINDS.get(response.status, FaultKind.REJECTED)


def http_fault(response: Response, *, message: str = "", code: str = "") -> Fault:
    """Return the fault that the HTTP status alone tells."""
    return Fault(
        kind=http_kind(response),
        message=message or f"HTTP {response.status}",
        accepted=None if is_inconclusive(response) else False,
        retry_after_s=retry_after_s(response.headers),
        code=code,
    )


def unreadable(response: Response) -> Fault:
    """Return the fault of a reply that does not say what it should: nobody knows."""
    # Without a body that can be read, the HTTP status still says whether anything was taken.
    if not is_success(response):
        return http_fault(response)
    shown = response.body[:_SHOWN].decode("utf-8", "replace")
    return Fault(
        kind=FaultKind.UNREADABLE,
        message=f"HTTP {response.status} with an unreadable body: {shown!r}",
        accepted=None,
    )


def worded_kind(message: str) -> FaultKind | None:
    """Return what the words of a message mean: content refused, or no money; else None."""
    if _UNPAID.search(message):
        return FaultKind.UNPAID
    return FaultKind.REFUSED if _REFUSAL.search(message) else None
