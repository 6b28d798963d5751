"""The filters that templates may use: value in, value out; bounded, and nothing random.

A text filter passes an absent value on, so that `default_if_blank` may follow; what is absent at
the end is refused where it would be written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import wraps
from typing import Any

from jinja2 import Undefined
from jinja2.utils import pass_environment

MAX_TEXT = 20_000
# More than the variants and pictures that any shop lets one product have.
MAX_ENTRIES = 2_500
MAX_DIGITS = 12
MAX_EXPONENT = 1_000


class ValueFault(Exception):  # noqa: N818 - becomes a TemplateFault, which knows the place
    """A value that cannot be used where it is used."""

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        self.slug = slug
        self.message = message
        self.hint = hint
        super().__init__(message)


def as_text(value: Any) -> str:
    """Return a single value as text: whole numbers without a point, dates as YYYY-MM-DD."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Undefined):
        return str(value)  # raises, and names what is missing
    if value is None:
        hint = "write default_if_blank('…'), or put it inside an if"
        raise ValueFault("bad-template-value", "a value in this text is absent", hint)
    if isinstance(value, Mapping) or not hasattr(value, "__hash__") or _is_list(value):
        what = "a list" if _is_list(value) else "a map"
        hint = "write join(', ')" if _is_list(value) else "name one of its values"
        raise ValueFault("bad-template-value", f"a value in this text is {what}", hint)
    return str(value)


def entries(value: Any) -> list[Any]:
    """Return a list's entries, or the fault that says that the value is none."""
    if isinstance(value, Undefined):
        str(value)
    if value is None:
        return []
    if not _is_list(value):
        raise ValueFault("bad-template-value", "only a list can be gone through", "")
    if len(value) > MAX_ENTRIES:
        raise ValueFault("too-long", f"a list has more than {MAX_ENTRIES:,} entries", "")
    return list(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _on_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def apply(value: Any, *arguments: Any, **named: Any) -> Any:
        return None if value is None else function(as_text(value), *arguments, **named)

    return apply


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("nan")
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueFault("bad-template-value", "a value that should be a number is none", "")
    return number


def _digits(count: Any) -> int:
    if not isinstance(count, int) or not 0 <= count <= MAX_DIGITS:
        message = f"the number of digits is between 0 and {MAX_DIGITS}"
        raise ValueFault("bad-template-value", message, "")
    return count


@_on_text
def slug(text: str) -> str:
    """Return a text as small letters and digits with dashes: `Größe 9:16` is `größe-9-16`."""
    return "-".join(re.findall(r"[^\W_]+", text.lower()))


@_on_text
def words(text: str, count: int = 10) -> str:
    """Return the first words of a text."""
    if not isinstance(count, int) or count < 0:
        raise ValueFault("bad-template-value", "words() takes a whole number", "")
    return " ".join(text.split()[:count])


def money(value: Any, currency: str = "", digits: int = 2) -> Any:
    """Return a number as `1,299.00`; a sign goes before (`€49.90`), a code after (`49.90 EUR`)."""
    if value is None or value == "":
        return value
    step = Decimal(1).scaleb(-_digits(digits))
    amount = f"{_number(value).quantize(step, rounding=ROUND_HALF_UP):,}"
    name = as_text(currency)
    if not name:
        return amount
    if name.isalpha():
        return f"{amount} {name}"
    return f"-{name}{amount[1:]}" if amount.startswith("-") else f"{name}{amount}"


@_on_text
def plain(text: str) -> str:
    """Return HTML as text: without tags, scripts and comments, entities decoded, on one line."""
    pieces: list[str] = []
    place = 0
    while (start := text.find("<", place)) >= 0:
        pieces.append(text[place:start])
        place = _tag_end(text, start)
        pieces.append(_instead(text, start, place))
    pieces.append(text[place:])
    return " ".join(html.unescape("".join(pieces)).split())


# Tags within a sentence, which leave no gap: `<b>wool</b>, soft` is `wool, soft`.
_INLINE = re.compile(
    r"</?(?:a|abbr|b|code|del|em|font|i|ins|mark|q|s|small|span|strong|sub|sup|u)(?=[\s/>])",
    re.IGNORECASE,
)


def _instead(text: str, start: int, end: int) -> str:
    """Return what a text has in place of a tag; the sign itself where it opens none."""
    if end == start + 1:
        return "<"
    return "" if _INLINE.match(text, start) else " "


_TAG = re.compile(r"</?[A-Za-z!?]")
_HIDDEN = {"<!--": "-->", "<script": "</script", "<style": "</style"}


def _tag_end(text: str, start: int) -> int:
    """Where a tag ends; one character on if this is no tag (`a < b`)."""
    if not _TAG.match(text, start):
        return start + 1
    for opening, closing in _HIDDEN.items():
        if text[start : start + len(opening)].lower() == opening:
            # Two words at most are looked for, so this stays linear however the text is made.
            ends = [text.find(word, start) for word in (closing, closing.upper())]
            hidden = min((end for end in ends if end >= 0), default=len(text))
            end = text.find(">", hidden)
            return len(text) if end < 0 else end + 1
    end = text.find(">", start)
    return start + 1 if end < 0 else end + 1


def default(value: Any, fallback: Any = "") -> Any:
    """Return the value, or another where it is undefined or absent."""
    return fallback if isinstance(value, Undefined) or value is None else value


def default_if_blank(value: Any, fallback: Any = "") -> Any:
    """Return the value, or another where it is absent or blank."""
    blank = value is None or (isinstance(value, str) and not value.strip())
    return fallback if blank or isinstance(value, Undefined) else value


def join(value: Any, separator: str = "") -> str:
    """Return a list's entries as one text; absent entries are left out."""
    parts = [as_text(entry) for entry in entries(value) if entry is not None]
    mark = as_text(separator)
    _bounded(sum(map(len, parts)) + len(mark) * len(parts))
    return mark.join(parts)


def joined(values: list[Any]) -> str:
    """Return values as one text: what `~` means."""
    parts = [as_text(value) for value in values]
    _bounded(sum(map(len, parts)))
    return "".join(parts)


def added(value: Any, other: Any) -> Any:
    """Return two values added, numbers, texts or lists: what `+` means."""
    for each in (value, other):
        _bounded(len(each) if isinstance(each, str | list | tuple) else 0)
    return value + other


@pass_environment
def map_(environment: Any, value: Any, name: str = "", *, attribute: str = "") -> list[Any]:
    """Return every entry's value under a name, or every entry through a filter."""
    if attribute:
        return [environment.getitem(entry, attribute) for entry in entries(value)]
    apply = FILTERS.get(name)
    if apply is None or name in {"map", "refs"}:
        raise ValueFault("bad-template-value", f"map() knows no filter '{name}'", "")
    return [apply(entry) for entry in entries(value)]


@_on_text
def upper(text: str) -> str:
    """Return a text in capitals."""
    return text.upper()


@_on_text
def lower(text: str) -> str:
    """Return a text in small letters."""
    return text.lower()


@_on_text
def title(text: str) -> str:
    """Return a text with a capital at the start of each word."""
    return re.sub(r"\S+", lambda found: found[0][0].upper() + found[0][1:].lower(), text)


@_on_text
def trim(text: str) -> str:
    """Return a text without white space at its ends."""
    return text.strip()


@_on_text
def replace(text: str, old: str, new: str) -> str:
    """Return a text with one piece replaced by another."""
    piece, other = as_text(old), as_text(new)
    if not piece:
        raise ValueFault("bad-template-value", "replace() needs something to replace", "")
    _bounded(len(text) + text.count(piece) * (len(other) - len(piece)))
    return text.replace(piece, other)


def round_(value: Any, digits: int = 0) -> Any:
    """Return a number rounded, halves away from zero."""
    if value is None or value == "":
        return value
    rounded = _number(value).quantize(Decimal(1).scaleb(-_digits(digits)), rounding=ROUND_HALF_UP)
    return rounded if digits else int(rounded)


def first(value: Any) -> Any:
    """Return a list's first entry; absent where it has none."""
    found = entries(value)
    return found[0] if found else None


def last(value: Any) -> Any:
    """Return a list's last entry; absent where it has none."""
    found = entries(value)
    return found[-1] if found else None


def length(value: Any) -> int:
    """Return how many entries a list has, or characters a text."""
    return len(value) if isinstance(value, str) else len(entries(value))


def _bounded(size: int) -> None:
    if size > MAX_TEXT:
        raise ValueFault("too-long", f"a text grows over {MAX_TEXT:,} characters", "")


FILTERS: Mapping[str, Callable[..., Any]] = {
    "slug": slug,
    "words": words,
    "money": money,
    "plain": plain,
    "default": default,
    "default_if_blank": default_if_blank,
    "join": join,
    "map": map_,
    "upper": upper,
    "lower": lower,
    "title": title,
    "trim": trim,
    "replace": replace,
    "round": round_,
    "first": first,
    "last": last,
    "length": length,
}
