"""Template text → Jinja's tree with places, and the environment in which it runs.

Jinja's nodes know only their line; here the lexer gives them their offset instead, so that a
finding points at the very name. Nothing in a template reaches a Python attribute: a dot only ever
looks into a map, a row, or one of the few records named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes
from jinja2.lexer import Lexer
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.domain import Shot
from pipeline.manifest.filters import FILTERS, added, entries, joined
from pipeline.manifest.wording import did_you_mean

NOT_ALLOWED = "is not allowed in a template"
# The one tag that Jinja's parser never sees: its lexer takes what is inside as text.
_RAW = re.compile(r"\{%[-+]?\s*(raw)\b")
_SHOT = frozenset({"id", "tags"})
EACH, TOGETHER, PLUS = "each entry", "put together", "plus"
"""Filters that stand in for `for`, `~` and `+`, with bounds that Python's own do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxFault:
    """Why a text is no template, and at which character."""

    offset: int
    message: str
    hint: str = ""


class UnknownName(UndefinedError):  # noqa: N818 - named for what it says, like its base's kin
    """A name that the values given do not have; its hint tells the nearest."""

    def __init__(self, message: str = "") -> None:
        head, _, self.hint = message.partition("\n")
        super().__init__(head)


class _Undefined(StrictUndefined):
    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = None,
        name: str | None = None,
        exc: type[UndefinedError] = UnknownName,
    ) -> None:
        super().__init__(hint, obj, name, UnknownName if exc is UndefinedError else exc)

    @property
    def _undefined_message(self) -> str:
        known = self._undefined_obj if isinstance(self._undefined_obj, Mapping) else {}
        name = str(self._undefined_name)
        return f"'{name}' is not known\n{did_you_mean(name, map(str, known))}"


class _OffsetLexer(Lexer):
    """Tells every token's offset where Jinja tells its line."""

    def tokeniter(
        self,
        source: str,
        name: str | None,
        filename: str | None = None,
        state: str | None = None,
    ) -> Iterator[tuple[int, str, str]]:
        place = 0
        try:
            for _, kind, text in super().tokeniter(source, name, filename, state):
                # White space that `{%-` strips is missing from the tokens.
                place = max(source.find(text, place), place)
                yield place, kind, text
                place += len(text)
        except TemplateSyntaxError as error:
            raise TemplateSyntaxError(str(error.message), place) from error


class Environment(ImmutableSandboxedEnvironment):
    """Jinja with our filters alone, no globals, no tests, and no Python attributes."""

    def __init__(self, finalize: Callable[..., Any] | None = None) -> None:
        super().__init__(
            undefined=_Undefined,
            finalize=finalize,
            keep_trailing_newline=True,
            autoescape=False,
            # Working constants out when compiling would do work that nothing bounds.
            optimized=False,
        )
        self.globals.clear()
        self.tests.clear()
        self.filters.clear()
        self.filters.update(FILTERS)
        self.filters |= {EACH: entries, TOGETHER: joined, PLUS: added}

    @cached_property
    def lexer(self) -> Lexer:
        """Return the lexer that tells offsets."""
        return _OffsetLexer(self)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return what a map or row has under a name; never a Python attribute."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return what a map or row has under a name, or a list at a position."""
        try:
            if isinstance(obj, Mapping):
                return obj[argument]
            if isinstance(obj, list | tuple | str) and type(argument) is int:
                return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=str(argument))
        if isinstance(obj, StrictUndefined):
            str(obj)
        if isinstance(obj, Shot) and argument in _SHOT:
            return obj.id if argument == "id" else obj.tags
        return self.undefined(obj=obj, name=str(argument))


@cache
def _parsing() -> Environment:
    return Environment()


def tree_of(text: str) -> nodes.Template:
    """Return a template's tree, to be changed at will; the text is known to parse."""
    return _parsing().parse(text)


@lru_cache(maxsize=1024)
def parsed(text: str) -> nodes.Template | SyntaxFault:
    """Return a template's tree, whose line numbers are offsets, or why it has none.

    The tree is shared by all places where this text is written, and only ever read.
    """
    raw = _RAW.search(text)
    if raw:
        return SyntaxFault(offset=raw.start(1), message=f"'{raw[1]}' {NOT_ALLOWED}")
    try:
        return tree_of(text)
    except TemplateSyntaxError as error:
        message = _told(str(error.message))
        return SyntaxFault(offset=error.lineno, message=message, hint=_hint(message))
    except (RecursionError, MemoryError):
        return SyntaxFault(offset=0, message="the template is nested too deeply")
    except (ValueError, OverflowError):
        return SyntaxFault(offset=0, message="a number in the template is too long")


def _told(message: str) -> str:
    tag = re.match(r"Encountered unknown tag ('\w+')", message)
    if tag:
        return f"{tag[1]} {NOT_ALLOWED}"
    block = re.search(r"innermost block that needs to be closed is '(\w+)'", message)
    if block:
        return f"'{block[1]}' is never closed"
    for jinja, sign in (("'end of print statement'", "'}}'"), ("'end of statement block'", "'%}'")):
        message = message.replace(jinja, sign)
    message = message[:1].lower() + message[1:].rstrip(".")
    return _UNCLOSED.get(message, message)


_UNCLOSED = {
    "unexpected end of template, expected '}}'": "'{{' is never closed",
    "unexpected end of template, expected '%}'": "'{%' is never closed",
}
_ADVICE = (
    ("unexpected '}'", "close the value with '}}'"),
    ("expected token '}}'", "between '{{' and '}}' stands one value, perhaps with filters"),
    ("expected token '%}'", "between '{%' and '%}' stands one 'if' or 'for'"),
    ("'{{' is never closed", "close it with '}}'"),
    ("'{%' is never closed", "close it with '%}'"),
    ("'if' is never closed", "end it with {% endif %}"),
    ("'for' is never closed", "end it with {% endfor %}"),
)


def _hint(message: str) -> str:
    return next((hint for start, hint in _ADVICE if message.startswith(start)), "")
