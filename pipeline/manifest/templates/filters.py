"""The filters that templates may use: value in, value out; bounded, and nothing random.

What Jinja has is Jinja's, behind `_builtin`: an absent value is passed on, so that
`default_if_blank` may follow, and what is absent at the end is refused where it would be written.
Ours are those that Jinja lacks, and those of which it gives something else: `title` after hyphens,
`round` at halves, `map` with a column's name that has a dot in it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from inspect import signature
from typing import Any

from jinja2 import Undefined, pass_environment
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.web_addresses import is_address

MAX_TEXT = 20_000
# More than the variants and pictures that any shop lets one product have.
MAX_ENTRIES = 2_500
MAX_DIGITS = 12
MAX_EXPONENT = 1_000


TOLD = ""
"""The slug of a fault that has a finding already: nobody tells it again."""


class ValueFault(Exception):  # noqa: N818 - becomes a TemplateFault, which knows the place
    """A value that cannot be used where it is used."""

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        self.slug = slug
        self.message = message
        self.hint = hint
        super().__init__(message)


def as_text(value: Any) -> str:
    """Return a single value as text: whole numbers without a point, dates as YYYY-MM-DD.

    `as_text(5.0)` is `5`; what is absent, a list or a map raises ValueFault.
    """
    if isinstance(value, str):
        return value
    # Before numbers: in Python a boolean is one.
    if isinstance(value, bool):
        return "true" if value else "false"
    # What was written as 5.0 is no plain float, and stays so (`source_map.WrittenNumber`).
    if type(value) is float and value.is_integer():
        return str(int(value))
    if isinstance(value, Undefined):
        return str(value)  # raises, and names what is missing
    if value is None:
        hint = "write default_if_blank('…'), or put it inside an if"
        raise ValueFault("bad-template-value", "a value in this text is absent", hint)
    if isinstance(value, list | tuple):
        hint = "write join(', ')"
        raise ValueFault("bad-template-value", "a value in this text is a list", hint)
    if isinstance(value, Mapping) or not hasattr(value, "__hash__"):
        hint = "name one of its values"
        raise ValueFault("bad-template-value", "a value in this text is a map", hint)
    return str(value)


def entries(value: Any) -> list[Any]:
    """Return a list's entries, none for what is absent; ValueFault for anything but a list."""
    if isinstance(value, Undefined):
        str(value)  # raises, and names what is missing
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueFault("bad-template-value", "only a list can be gone through", "")
    if len(value) > MAX_ENTRIES:
        raise ValueFault("too-long", f"a list has more than {MAX_ENTRIES:,} entries", "")
    return list(value)


def check_size(size: int) -> None:
    """Raise ValueFault for a text that would grow too long; called before it is made."""
    if size > MAX_TEXT:
        raise ValueFault("too-long", f"a text grows over {MAX_TEXT:,} characters", "")


def _optional_text(value: Any) -> str | None:
    return None if value is None else as_text(value)


@cache
def _jinja() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment()


def _call(name: str, value: Any, *arguments: Any) -> Any:
    """Return what Jinja's own filter gives, one that asks for its environment."""
    found = _jinja().call_filter(name, value, [as_text(argument) for argument in arguments])
    return None if isinstance(found, Undefined) else found


def _builtin(name: str, says: str, read: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return Jinja's own filter, for what `read` makes of a value; what is absent stays so."""
    function = JINJA_FILTERS[name]

    def apply(value: Any, *arguments: Any) -> Any:
        given = read(value)
        return None if given is None else function(given, *map(as_text, arguments))

    apply.__doc__ = says
    return apply


def _quantize(value: Any, digits: Any) -> Decimal:
    """Return a number with so many digits, halves away from zero."""
    if not isinstance(digits, int) or not 0 <= digits <= MAX_DIGITS:
        message = f"the number of digits is between 0 and {MAX_DIGITS}"
        raise ValueFault("bad-template-value", message, "")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("nan")
    # `nan` and `inf` are numbers to Decimal; a price is neither.
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueFault("bad-template-value", "a value that should be a number is none", "")
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def slug(value: Any) -> str | None:
    """Return a text as small letters and digits with dashes: `Größe 9:16` is `größe-9-16`."""
    text = _optional_text(value)
    return None if text is None else "-".join(re.findall(r"[^\W_]+", text.lower()))


def words(value: Any, count: int = 10) -> str | None:
    """Return the first words of a text."""
    text = _optional_text(value)
    if text is None:
        return None
    if not isinstance(count, int) or count < 0:
        raise ValueFault("bad-template-value", "words() takes a whole number", "")
    return " ".join(text.split()[:count])


def money(value: Any, currency: str = "", digits: int = 2) -> Any:
    """Return a number as `1,299.00`; a sign goes before (`€49.90`), a code after (`49.90 EUR`)."""
    if value is None or value == "":
        return value
    amount = f"{_quantize(value, digits):,}"
    name = as_text(currency)
    if not name:
        return amount
    if name.isalpha():
        return f"{amount} {name}"
    return f"-{name}{amount[1:]}" if amount.startswith("-") else f"{name}{amount}"


# Each ends at the end of the text at the latest, so that one pass is enough, however it is made.
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style).*?(?:</\1[^>]*(?:>|\Z)|\Z)", re.IGNORECASE | re.DOTALL
)
# The first kind stands within a sentence and leaves no gap: `<b>wool</b>, soft` is `wool, soft`.
_HTML_TAG = re.compile(
    r"(</?(?:a|abbr|b|code|del|em|font|i|ins|mark|q|s|small|span|strong|sub|sup|u)(?=[\s/>])"
    r"[^>]*>)|</?[A-Za-z!?][^>]*>",
    re.IGNORECASE,
)


def plain(value: Any) -> str | None:
    """Return HTML as text: without tags, scripts and comments, entities decoded, on one line.

    `markupsafe.striptags` is no help: it leaves scripts in, takes `a < b > c` for a tag, and puts
    no gap in place of `<br>` and `</p><p>`.
    """
    text = _optional_text(value)
    if text is None:
        return None
    # Behind the last `>` no tag can end; before it every tag does, so none is looked for in vain.
    head, sign, tail = _HIDDEN.sub(" ", text).rpartition(">")
    shown = _HTML_TAG.sub(lambda tag: "" if tag[1] else " ", head + sign) + tail
    return " ".join(html.unescape(shown).split())


def default(value: Any, fallback: Any = "") -> Any:
    """Return the value, or another where it is undefined or absent."""
    return fallback if isinstance(value, Undefined) or value is None else value


def default_if_blank(value: Any, fallback: Any = "") -> Any:
    """Return the value, or another where it is absent or blank."""
    found = default(value, fallback)
    return fallback if isinstance(found, str) and not found.strip() else found


def join(value: Any, separator: str = "") -> Any:
    """Return a list's entries as one text; absent entries are left out."""
    parts = [as_text(entry) for entry in entries(value) if entry is not None]
    check_size(sum(map(len, parts)) + len(as_text(separator)) * len(parts))
    return _call("join", parts, separator)


@pass_environment
def map_(
    environment: Any, value: Any, name: str = "", *arguments: Any, attribute: str = ""
) -> list[Any]:
    """Return every entry's value under a name, or every entry through a filter.

    What else is given is the filter's: `map('replace', 'old', 'new')`.
    """
    if attribute:
        return [environment.getitem(entry, attribute) for entry in entries(value)]
    apply = FILTERS.get(name)
    if apply is None or name in {"map", "refs"}:
        raise ValueFault("bad-template-value", f"map() knows no filter '{name}'", "")
    return [apply(entry, *arguments) for entry in entries(value)]


def first(value: Any) -> Any:
    """Return a list's first entry; absent where it has none."""
    return _call("first", entries(value))


def last(value: Any) -> Any:
    """Return a list's last entry; absent where it has none."""
    return _call("last", entries(value))


def title(value: Any) -> str | None:
    """Return a text with a capital at the start of each word."""
    text = _optional_text(value)
    if text is None:
        return None
    # Jinja's makes a capital after a hyphen too: another text would be another purchase.
    return re.sub(r"\S+", lambda word: word[0][0].upper() + word[0][1:].lower(), text)


def replace(value: Any, old: str, new: str) -> Any:
    """Return a text with one piece replaced by another."""
    text, piece, other = _optional_text(value), as_text(old), as_text(new)
    if text is None:
        return None
    if not piece:
        raise ValueFault("bad-template-value", "replace() needs something to replace", "")
    # Counted before it is made: twenty thousand for each of twenty thousand characters are 400 MB.
    check_size(len(text) + text.count(piece) * (len(other) - len(piece)))
    return _call("replace", text, piece, other)


def prefix(value: Any, text: str) -> Any:
    """Return a text with another in front, or a list with it in front of each entry.

    `"/w/s/a.jpg" | prefix("https://shop.example")` is an address. What is blank stays blank, and an
    entry that is a web address already stays as it is.
    """
    if isinstance(value, list | tuple):
        return [prefix(entry, text) for entry in entries(value)]
    own, before = _optional_text(value), as_text(text)
    if own is None or not own.strip() or (is_address(own) and is_address(before)):
        return own
    check_size(len(own) + len(before))
    return before + own


def round_(value: Any, digits: int = 0) -> Any:
    """Return a number rounded, halves away from zero."""
    if value is None or value == "":
        return value
    rounded = _quantize(value, digits)
    return rounded if digits else int(rounded)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "slug": slug,
    "words": words,
    "money": money,
    "plain": plain,
    "default": default,
    "default_if_blank": default_if_blank,
    "join": join,
    "map": map_,
    "upper": _builtin("upper", "Return a text in capitals.", _optional_text),
    "lower": _builtin("lower", "Return a text in small letters.", _optional_text),
    "title": title,
    "trim": _builtin("trim", "Return a text without white space at its ends.", _optional_text),
    "replace": replace,
    "prefix": prefix,
    "round": round_,
    "first": first,
    "last": last,
    "length": _builtin(
        "length",
        "Return how many entries a list has, or characters a text.",
        lambda value: value if isinstance(value, str) else entries(value),
    ),
}


def filter_usage(error: str) -> str:
    """Return how the filter that Python complains of is written."""
    name = (re.search(r"(\w+)\(\)", error) or ["", ""])[1].rstrip("_").removeprefix("do_")
    function = FILTERS.get(name)
    if function is None:
        return "as many values as the filter takes"
    takes = [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in list(signature(function).parameters.values())[1:]
        if each.kind is not each.VAR_POSITIONAL
    ]
    return f"{name}({', '.join(takes)})" if takes else name
