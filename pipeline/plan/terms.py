"""One condition of a selection: `tag:hero`, `row.colour:red`, `cost:>1.00`, `spin[*,9x16-*]`.

A table of methods says what each looks at. An address may be given without its take, and a shot's
id alone means all its items.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import translate
from functools import partial
from types import MappingProxyType
from typing import Any

from pipeline.domain import Record
from pipeline.findings import Span, did_you_mean
from pipeline.plan.address import shown

Row = Mapping[str, Any]
Values = Callable[[Record, Row], Iterable[str]]
UNREVIEWED = "none"
"""What `review` is of an item that nobody has judged."""
_UNKNOWN = "unknown"
_ANYWHERE = Span(file="--select")
_COST = re.compile(r"(?P<sign>>=|<=|>|<|=)?\s*(?P<usd>[0-9]+(?:\.[0-9]+)?)")
_SIGNS: Mapping[str, Callable[[Decimal, Decimal], bool]] = MappingProxyType(
    {
        ">": operator.gt,
        ">=": operator.ge,
        "<": operator.lt,
        "<=": operator.le,
        "=": operator.eq,
        "": operator.eq,
    }
)


class Wrong(Exception):  # noqa: N818 - becomes a finding at the place of the text that is read
    """A text that is no condition: what is wrong, what to do, and where within the text."""

    def __init__(self, message: str, hint: str = "", place: tuple[int, int] | None = None) -> None:
        self.message = message
        self.hint = hint
        self.place = place
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One condition, as written."""

    text: str
    holds: Callable[[Record, Row], bool]
    others: Values | None = None
    """What could have been written to mean an item; None where no item need fit at all times."""
    of_row: bool = False
    span: Span = _ANYWHERE

    @property
    def lasting(self) -> bool:
        """Tell whether it means the same items after a run as before."""
        return self.others is not None


def term(written: str, words: Mapping[str, Collection[str]]) -> Term:
    """Return the condition that a text is; Wrong if it is none.

    `words` are what `status`, `state` and `review` can be.
    """
    text = written.replace('"', "")
    method, colon, wanted = _apart(written)
    name, dot, part = method.partition(".")
    if method == "cost":
        return Term(text=text, holds=_cost(wanted))
    if method in words:
        return _of_words(method, wanted, words)
    if dot and name in _OF_PART and part:
        return _of_part(text, name, part, wanted)
    if method in _OF_NAMES:
        holds = _any_like(_OF_NAMES[method], wanted)
        return Term(text=text, holds=holds, others=partial(_named, method))
    if colon and "[" not in method:
        known = [*_OF_NAMES, *words, "cost", "row.COLUMN", "axis.NAME"]
        raise Wrong(f"there is no method '{method}'", did_you_mean(method, known))
    return Term(text=text, holds=_any_like(_addresses, text), others=_written_addresses)


def _apart(written: str) -> tuple[str, str, str]:
    """Return method, colon and value; the first colon outside of quotes parts them."""
    bare = re.sub('"[^"]*"', lambda quoted: "_" * len(quoted[0]), written)
    at = bare.find(":") if ":" in bare else written.find(":")
    if at < 0:
        return written.replace('"', ""), "", ""
    method, wanted = written[:at].replace('"', ""), written[at + 1 :].replace('"', "")
    return method, ":", wanted


def _like(pattern: str) -> Callable[[str], object]:
    """Return a test for a glob, in which square brackets are only text."""
    return re.compile(translate(pattern.replace("[", "[[]"))).match


def _any_like(values: Values, pattern: str) -> Callable[[Record, Row], bool]:
    like = _like(pattern)
    return lambda record, row: any(like(value) for value in values(record, row))


def _of_part(text: str, method: str, part: str, wanted: str) -> Term:
    def others(record: Record, row: Row) -> Iterator[str]:
        """Yield the values of the part that was named; if there is none of that name, the names."""
        parts: Iterable[str] = record.axes if method == "axis" else row
        if part in parts:
            yield from (f"{method}.{part}:{value}" for value in values(record, row))
        else:
            yield from (f"{method}.{name}:{wanted}" for name in parts)

    values = partial(_OF_PART[method], part)
    holds = _any_like(values, wanted)
    return Term(text=text, holds=holds, others=others, of_row=method == "row")


def _of_words(method: str, wanted: str, words: Mapping[str, Collection[str]]) -> Term:
    text = f"{method}:{wanted}"
    if not any(map(_like(wanted), words[method])):
        other = next((name for name, known in words.items() if wanted in known), "")
        hint = f"write {other}:{wanted}" if other else did_you_mean(wanted, words[method])
        raise Wrong(f"no item is ever '{text}'", hint)
    return Term(text=text, holds=_any_like(_OF_STANDING[method], wanted))


def _cost(wanted: str) -> Callable[[Record, Row], bool]:
    if wanted == _UNKNOWN:
        return lambda record, _: record.estimate_usd is None
    found = _COST.fullmatch(wanted)
    if found is None:
        hint = "write cost:>1.00, with one of > >= < <= =, or cost:unknown"
        raise Wrong(f"'{wanted}' is no amount", hint)
    compare, usd = _SIGNS[found["sign"] or ""], Decimal(found["usd"])
    # What nobody knows is neither more nor less than an amount.
    return lambda record, _: record.estimate_usd is not None and compare(record.estimate_usd, usd)


def _addresses(record: Record, _: Row) -> tuple[str, ...]:
    return (record.address, _without_take(record), record.shot)


def _without_take(record: Record) -> str:
    return record.address.rpartition("#")[0] or record.address


def _written_addresses(record: Record, _: Row) -> Iterator[str]:
    yield from (record.shot, _without_take(record))


def _named(method: str, record: Record, row: Row) -> Iterator[str]:
    for value in _OF_NAMES[method](record, row):
        yield f"{method}:{value}"


def _cells(column: str, _: Record, row: Row) -> Iterator[str]:
    value = row.get(column)
    for each in value if isinstance(value, list | tuple) else (value,):
        yield "" if each is None else shown(each)


def _axis(name: str, record: Record, _: Row) -> tuple[str, ...]:
    return (record.axes[name],) if name in record.axes else ()


_OF_NAMES: Mapping[str, Values] = MappingProxyType(
    {
        "tag": lambda record, _: record.tags,
        "shot": lambda record, _: (record.shot,),
        "provider": lambda record, _: (record.provider,),
    }
)
_OF_PART: Mapping[str, Callable[[str, Record, Row], Iterable[str]]] = MappingProxyType(
    {"row": _cells, "axis": _axis}
)
_OF_STANDING: Mapping[str, Values] = MappingProxyType(
    {
        "status": lambda record, _: (record.status,),
        "state": lambda record, _: (record.state,),
        # Takes cannot be judged yet: none of them is.
        "review": lambda *_: (UNREVIEWED,),
    }
)
