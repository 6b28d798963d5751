"""What the value of a field may be: each check tells what is wrong with a value, or nothing.

A dialect's closed set of fields is a table of these; how a refusal is worded is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[Any], str]
"""What is wrong with a value, or nothing."""


def text(low: int, high: int) -> Check:
    """Return the check for a string of so many characters."""

    def check(value: Any) -> str:
        fits = isinstance(value, str) and low <= len(value) <= high
        return "" if fits else f"must be a string of {low} to {high} characters"

    return check


def integer(low: int, high: int) -> Check:
    """Return the check for a whole number in a range; `5.0`, `"5"` and `true` are none."""

    def check(value: Any) -> str:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if whole and low <= value <= high else f"must be an integer from {low} to {high}"

    return check


def one_of(*allowed: Any) -> Check:
    """Return the check for one of these values, types included."""

    def check(value: Any) -> str:
        known = any(value == option and type(value) is type(option) for option in allowed)
        return "" if known else f"must be one of {', '.join(map(str, allowed))}"

    return check


def flag(value: Any) -> str:
    """Check for a boolean."""
    return "" if isinstance(value, bool) else "must be a boolean"


def address(value: Any) -> str:
    """Check for the URL of something on the web."""
    parts = urlsplit(value) if isinstance(value, str) else None
    return "" if parts and parts.scheme in {"http", "https"} and parts.netloc else "must be a URI"


def optional(check: Check) -> Check:
    """Return the check for a value that may be null."""
    return lambda value: "" if value is None else check(value)


def many(check: Check, low: int, high: int) -> Check:
    """Return the check for an array of so many items, each of which passes a check."""

    def check_all(value: Any) -> str:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return f"must be an array of {low} to {high} items"
        return next((wrong for item in value if (wrong := check(item))), "")

    return check_all


def record(fields: Mapping[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    """Return the check for an object with these fields and no others."""

    def check(value: Any) -> str:
        if not isinstance(value, dict):
            return "must be an object"
        return next((f".{name} {wrong}" for name, wrong in misfits(value, fields, required)), "")

    return check


def misfits(
    given: Mapping[str, Any], fields: Mapping[str, Check], required: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield each field of an object that is missing, unknown or wrong, and what is wrong."""
    for name in required:
        if name not in given:
            yield name, "is required"
    for name, value in given.items():
        wrong = fields[name](value) if name in fields else "is unknown"
        if wrong:
            yield name, wrong
