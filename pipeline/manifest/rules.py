"""A rendered value → the type its setting wants, by the setting's own rule in the schema.

The schema says what a setting may be; this says it once more to a value that is only known when a
template has been rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from pipeline.manifest.filters import ValueFault, as_text
from pipeline.manifest.wording import either, nearest, shown
from pipeline.schemas import schema

Rule = Mapping[str, Any]


@cache
def settings() -> Mapping[str, Rule]:
    """Return every setting's name with its schema, without its form as a template."""
    found = schema("manifest")["$defs"]["settings"]["properties"]
    return MappingProxyType({name: _without_template(rule) for name, rule in found.items()})


def field_rule(definition: str, key: str) -> Rule:
    """Return the schema of one key of a definition, without its form as a template."""
    return _without_template(schema("manifest")["$defs"][definition]["properties"][key])


def _without_template(rule: Rule) -> Rule:
    forms: list[Rule] = [form for form in rule.get("anyOf", (rule,)) if "$ref" not in form]
    return forms[0]


def coerced(value: Any, name: str, rule: Rule) -> Any:
    """Return a rendered value as its setting wants it, None where it is blank; or ValueFault."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    wanted = rule.get("type", "string")
    result = _READERS[wanted](value)
    if result is None:
        what = _WANTED[wanted]
        raise ValueFault("wrong-type", f"'{name}' must be {what}, not {shown(value)}")
    _within(result, name, rule)
    return result


def _within(value: Any, name: str, rule: Rule) -> None:
    words = rule.get("enum")
    if words and value not in words:
        close = nearest(str(value), words)
        hint = f"did you mean '{close}'?" if close else ""
        message = f"'{name}' must be {either(words)}, not {shown(value)}"
        raise ValueFault("bad-value", message, hint)
    for bound, word, fails in _BOUNDS:
        limit = rule.get(bound)
        if limit is not None and fails(value, limit):
            raise ValueFault("bad-value", f"'{name}' must be {word} {limit}, not {shown(value)}")


_BOUNDS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("minimum", "at least", lambda value, limit: value < limit),
    ("maximum", "at most", lambda value, limit: value > limit),
    ("exclusiveMinimum", "more than", lambda value, limit: value <= limit),
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return float(value)
    found = _NUMBER.fullmatch(str(value).strip())
    return float(found[0]) if found else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).strip())


def _text(value: Any) -> str:
    return as_text(value).strip()


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
_WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
