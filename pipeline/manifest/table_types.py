"""A column's type as the manifest writes it → how its cells are read.

A cell that is not plainly what its column wants is a misfit, never a guess: `1,299` may be a
thousand or a little over one, and a wrong price in a prompt is a wrong clip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pipeline.manifest.filters import ValueFault
from pipeline.manifest.rules import coerced, settings
from pipeline.manifest.wording import either, nearest, shown

MAX_URL = 2_048
STEERING = ("_duration", "_mode", "_provider", "_skip", "_tags", "_takes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why a cell cannot be read as what its column wants."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """How the cells of a column are read."""

    read: Callable[[str], Any]
    """A cell's text without white space at its ends, not blank → its value, or a Misfit."""
    blank: Any = None
    """What a blank cell stands for."""
    optional: bool = False
    wanted: str = ""


def column_type(written: Any) -> ColumnType:
    """Return how a column is read, from `number`, `number?` or the long form."""
    if isinstance(written, str):
        return _typed(written.removesuffix("?"), ".", optional=written.endswith("?"))
    optional = bool(written.get("optional", False))
    decimal = written.get("decimal", ".")
    if "enum" in written:
        words = tuple(map(str, written["enum"]))
        read = partial(_word, words=words)
        return ColumnType(read=read, blank="", optional=optional, wanted=either(words))
    if "list" in written:
        return _listed(_typed(written["list"], decimal), written, optional=optional)
    return _typed(written["type"], decimal, optional=optional)


UNTYPED = ColumnType(read=str, blank="", optional=True)


def steering_type(name: str) -> ColumnType:
    """Return how a `_` column is read; its cells may always be blank."""
    reader = _STEERING[name]
    return ColumnType(read=reader, optional=True, wanted=name)


def _typed(name: str, decimal: str, *, optional: bool = False) -> ColumnType:
    read, blank, wanted = _TYPES[name]
    if name in {"number", "integer"}:
        read = partial(read, decimal=decimal)
    return ColumnType(read=read, blank=blank, optional=optional, wanted=wanted)


def _listed(entry: ColumnType, written: Mapping[str, Any], *, optional: bool) -> ColumnType:
    separator = str(written.get("separator", ","))

    def read(text: str) -> Any:
        values = [entry.read(part) for part in map(str.strip, text.split(separator)) if part]
        return next((value for value in values if isinstance(value, Misfit)), tuple(values))

    return ColumnType(read=read, blank=(), optional=optional, wanted="a list")


_NOTHING = frozenset({"-", "--", "–", "?", "n/a", "na", "nan", "none", "null", "tbd", "#n/a"})
"""What people and programs write into a cell for want of a value."""
_LEAVE_BLANK = "leave the cell blank, and make the column optional"


def _misfit(text: str, wanted: str, hint: str = "") -> Misfit:
    if text.casefold() in _NOTHING:
        hint = hint or _LEAVE_BLANK
    return Misfit(message=f"{shown(text)} is not {wanted}", hint=hint)


_NUMBER = {
    ".": re.compile(r"([+-]?)([0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}(?=\.))(?:\.([0-9]{1,15}))?"),
    ",": re.compile(r"([+-]?)([0-9]{1,18}|[0-9]{1,3}(?:\.[0-9]{3}){1,5}(?=,))(?:,([0-9]{1,15}))?"),
}
_OTHER = {".": ",", ",": "."}
_UNIT = r"(?:[$€£¥₹%]|[A-Z]{3}|[kK][gr]|[cm]m|[cm]l)"
_WITH_UNIT = re.compile(rf"(?:{_UNIT}\s?)?([+-]?[\d.,]+)(?:\s?{_UNIT})?")


def _number(text: str, *, decimal: str) -> Any:
    """Return a number with the digits it is written with: 79.90 stays 79.90."""
    found = _NUMBER[decimal].fullmatch(text)
    if found:
        whole = found[2].replace(_OTHER[decimal], "")
        sign = "-" if found[1] == "-" else ""
        return Decimal(f"{sign}{whole}.{found[3]}" if found[3] else f"{sign}{whole}")
    return _misfit(text, "a number", _number_hint(text, _OTHER[decimal]))


def _number_hint(text: str, sign: str) -> str:
    if _NUMBER[sign].fullmatch(text):
        return f"write {{type: number, decimal: '{sign}'}} if that is its decimal sign"
    amount = _WITH_UNIT.fullmatch(text)
    if amount and any(form.fullmatch(amount[1]) for form in _NUMBER.values()):
        return "a number has no unit: take it out of the cells, or let the column be text"
    return ""


def _integer(text: str, *, decimal: str) -> Any:
    number = _number(text, decimal=decimal)
    if isinstance(number, Misfit) or number != number.to_integral_value():
        return _misfit(text, "a whole number")
    return int(number)


# The words that spreadsheet programs and shops write, in English and German.
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "y", "1", "wahr", "ja"), True),
    **dict.fromkeys(("false", "no", "n", "0", "falsch", "nein"), False),
}


def _boolean(text: str) -> Any:
    value = _BOOLEANS.get(text.casefold())
    return _misfit(text, "true or false") if value is None else value


_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_GERMAN_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


def _date(text: str) -> Any:
    """Return a date as YYYY-MM-DD: text, which templates can compare with a date they write."""
    iso, german = _DATE.fullmatch(text), _GERMAN_DATE.fullmatch(text)
    parts = iso.groups() if iso else german.groups()[::-1] if german else ()
    try:
        return date(*map(int, parts)).isoformat()
    except (TypeError, ValueError):
        return _misfit(text, "a date", "write it as 2026-12-31")


_UNSEEN = re.compile(r"[\x00-\x20\x7f\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:https?|file|data):", re.IGNORECASE)


def _url(text: str) -> Any:
    try:
        parts = urlsplit(text)
        web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        web = False
    if web and len(text) <= MAX_URL and not _UNSEEN.search(text):
        return text
    return _misfit(text, "a web address", "a web address begins with https://")


def _file(text: str, *, wanted: str) -> Any:
    if _SCHEME.match(text):
        return text if isinstance(_url(text), str) else _misfit(text, wanted)
    return _misfit(text, wanted) if _CONTROL.search(text) or len(text) > MAX_URL else text


def _word(text: str, *, words: tuple[str, ...]) -> Any:
    if text in words:
        return text
    close = nearest(text, words)
    return _misfit(text, either(words), f"did you mean '{close}'?" if close else "")


_IMAGE = "an image file or a web address"
_VIDEO = "a video file or a web address"
_TYPES: Mapping[str, tuple[Callable[..., Any], Any, str]] = {
    "text": (str, "", "text"),
    "number": (_number, None, "a number"),
    "integer": (_integer, None, "a whole number"),
    "boolean": (_boolean, None, "true or false"),
    "date": (_date, None, "a date"),
    "url": (_url, "", "a web address"),
    "image": (partial(_file, wanted=_IMAGE), "", _IMAGE),
    "video": (partial(_file, wanted=_VIDEO), "", _VIDEO),
}


def _setting(text: str, *, name: str) -> Any:
    """Return a cell as the setting it overrides wants it, by the setting's own rule."""
    try:
        return coerced(text, name, settings()[name])
    except ValueFault as fault:
        return Misfit(message=fault.message, hint=fault.hint)


def _split(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\s,]+", text))


_MAX_TAG = 64
_TAG = re.compile(r'[^\[\]"]*')


def _tags(text: str) -> Any:
    tags = tuple(dict.fromkeys(_split(text)))
    bad = next((tag for tag in tags if not _TAG.fullmatch(tag) or len(tag) > _MAX_TAG), None)
    if bad is None:
        return tags
    return _misfit(bad, "a tag", "a tag is a word without brackets and quotes")


def _providers(text: str) -> Any:
    names = _split(text)
    return names if len(names) > 1 else "".join(names)


_STEERING: Mapping[str, Callable[[str], Any]] = {
    "_duration": partial(_setting, name="duration"),
    "_mode": partial(_setting, name="mode"),
    "_provider": _providers,
    "_skip": _boolean,
    "_tags": _tags,
    "_takes": partial(_setting, name="takes"),
}
