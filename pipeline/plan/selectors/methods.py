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
from pipeline.plan.addresses import axis_text

TableRow = Mapping[str, Any]
Values = Callable[[Record, TableRow], Iterable[str]]
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


class BadSelector(Exception):  # noqa: N818 - becomes a finding at the place of the text that is read
    """A text that is no condition: what is wrong, what to do, and where within the text."""

    def __init__(self, message: str, hint: str = "", place: tuple[int, int] | None = None) -> None:
        self.message = message
        self.hint = hint
        self.place = place
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition, as written."""

    text: str
    holds: Callable[[Record, TableRow], bool]
    others: Values | None = None
    """What could have been written to mean an item; None where no item need fit at all times."""
    of_row: bool = False
    of_review: bool = False
    span: Span = _ANYWHERE

    @property
    def lasting(self) -> bool:
        """Tell whether it means the same items after a run as before."""
        return self.others is not None


def parse_condition(written: str, words: Mapping[str, Collection[str]]) -> Condition:
    """Return the condition that a text is; BadSelector if it is none.

    `words` are what the methods of OF_STANDING can be.
    """
    text = written.replace('"', "")
    # The first colon outside of quotes parts method and value.
    bare = re.sub('"[^"]*"', lambda quoted: "_" * len(quoted[0]), written)
    at = bare.find(":") if ":" in bare else written.find(":")
    method = (written[:at] if at >= 0 else written).replace('"', "")
    wanted = written[at + 1 :].replace('"', "") if at >= 0 else ""
    name, dot, part = method.partition(".")
    if method == "cost":
        return Condition(text=text, holds=_cost_test(wanted))
    if method in words:
        written_as = f"{method}:{wanted}"
        # That no item has the status now is no fault, since a run may change it.
        if not any(map(_glob(wanted), words[method])):
            other = next((name for name, known in words.items() if wanted in known), "")
            hint = f"write {other}:{wanted}" if other else did_you_mean(wanted, words[method])
            raise BadSelector(f"no item is ever '{written_as}'", hint)
        # Without `others`: `status:failed` before anything has failed is right, and selects
        # nothing.
        holds = _any_like(OF_STANDING[method], wanted)
        return Condition(text=written_as, holds=holds, of_review=method == "review")
    if dot and name in _OF_PART and part:
        return _part_condition(text, name, part, wanted)
    if method in _OF_NAMES:
        values = _OF_NAMES[method]
        return Condition(
            text=text,
            holds=_any_like(values, wanted),
            others=lambda record, row: [f"{method}:{value}" for value in values(record, row)],
        )
    if at >= 0 and "[" not in method:
        known = [*_OF_NAMES, *words, "cost", "row.COLUMN", "axis.NAME"]
        raise BadSelector(f"there is no method '{method}'", did_you_mean(method, known))
    return Condition(
        text=text,
        holds=_any_like(
            lambda record, _: (record.address, _without_take(record), record.shot), text
        ),
        others=lambda record, _: (record.shot, _without_take(record)),
    )


def _glob(pattern: str) -> Callable[[str], object]:
    """Return a test for a glob, in which square brackets are only text."""
    return re.compile(translate(pattern.replace("[", "[[]"))).match


def _any_like(values: Values, pattern: str) -> Callable[[Record, TableRow], bool]:
    matches = _glob(pattern)
    return lambda record, row: any(matches(value) for value in values(record, row))


def _part_condition(text: str, method: str, part: str, wanted: str) -> Condition:
    def others(record: Record, row: TableRow) -> Iterator[str]:
        """Yield the values of the part that was named; if there is none of that name, the names."""
        parts: Iterable[str] = record.axes if method == "axis" else row
        if part in parts:
            yield from (f"{method}.{part}:{value}" for value in values(record, row))
        else:
            yield from (f"{method}.{name}:{wanted}" for name in parts)

    values = partial(_OF_PART[method], part)
    holds = _any_like(values, wanted)
    return Condition(text=text, holds=holds, others=others, of_row=method == "row")


def _cost_test(wanted: str) -> Callable[[Record, TableRow], bool]:
    if wanted == _UNKNOWN:
        return lambda record, _: record.estimate_usd is None
    found = _COST.fullmatch(wanted)
    if found is None:
        hint = "write cost:>1.00, with one of > >= < <= =, or cost:unknown"
        raise BadSelector(f"'{wanted}' is no amount", hint)
    compare, usd = _SIGNS[found["sign"] or ""], Decimal(found["usd"])
    # What nobody knows is neither more nor less than an amount.
    return lambda record, _: record.estimate_usd is not None and compare(record.estimate_usd, usd)


def _without_take(record: Record) -> str:
    return record.address.rpartition("#")[0] or record.address


def _cells(column: str, _: Record, row: TableRow) -> Iterator[str]:
    value = row.get(column)
    for each in value if isinstance(value, list | tuple) else (value,):
        yield "" if each is None else axis_text(each)


_OF_NAMES: Mapping[str, Values] = MappingProxyType(
    {
        "tag": lambda record, _: record.tags,
        "shot": lambda record, _: (record.shot,),
        "provider": lambda record, _: (record.provider,),
        "model": lambda record, _: (record.model,),
    }
)
_OF_PART: Mapping[str, Callable[[str, Record, TableRow], Iterable[str]]] = MappingProxyType(
    {
        "row": _cells,
        "axis": lambda name, record, _: (record.axes[name],) if name in record.axes else (),
    }
)
OF_STANDING: Mapping[str, Values] = MappingProxyType(
    {
        "status": lambda record, _: (record.status,),
        "state": lambda record, _: (record.state,),
        "review": lambda record, _: (record.review,),
    }
)
"""How far an item is: what a run or a person changes."""
