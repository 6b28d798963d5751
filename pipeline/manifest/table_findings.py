"""What is wrong with a table's cells and keys → findings, one for each cause.

Equal faults of one column, and many with one remedy, are one finding that names the rows; of
different ones the first twenty are told, and how many more there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Span
from pipeline.manifest.table_places import Places
from pipeline.manifest.table_reading import MAX_FINDINGS
from pipeline.manifest.table_types import Misfit
from pipeline.manifest.wording import shown

_RELATED = 10
_SINGLY = 5
"""How many different cells are told one by one though one remedy is for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFault:
    """A cell that cannot be used; `lines` is its line, or those of its row if all are blank."""

    key: str
    column: str
    position: int
    lines: tuple[int, ...] | int
    misfit: Misfit


def cell_findings(faults: Iterable[CellFault], places: Places) -> Iterator[Finding]:
    """Yield the findings for faulty cells: by column, then in the order of the lines."""
    columns: dict[str, dict[Misfit, list[CellFault]]] = {}
    for fault in faults:
        columns.setdefault(fault.column, {}).setdefault(fault.misfit, []).append(fault)
    for causes in columns.values():
        listed = _by_remedy(causes)
        for alike in listed[:MAX_FINDINGS]:
            yield _cell_finding(alike, _together(alike), places)
        rest = [fault for alike in listed[MAX_FINDINGS:] for fault in alike]
        if rest:
            one = len(rest) == 1
            message = f"{len(rest)} more {'cell is' if one else 'cells are'} not as they should be"
            yield _cell_finding(rest, Misfit(message=message), places)


def _by_remedy(causes: Mapping[Misfit, list[CellFault]]) -> list[list[CellFault]]:
    """Return a column's faults by cause: where one remedy is for many cells, that is the cause."""
    remedies = Counter(misfit.hint for misfit in causes if misfit.hint)
    found: dict[Misfit | str, list[CellFault]] = {}
    for misfit, faults in causes.items():
        cause = misfit.hint if remedies[misfit.hint] > _SINGLY else misfit
        found.setdefault(cause, []).extend(faults)
    return list(found.values())


def _together(alike: Sequence[CellFault]) -> Misfit:
    first = alike[0].misfit
    others = sum(fault.misfit != first for fault in alike)
    if not others:
        return first
    return replace(first, message=f"{first.message}, and {others} more cells are like it")


def _cell_finding(equal: Sequence[CellFault], misfit: Misfit, places: Places) -> Finding:
    first = equal[0]
    keys = tuple(dict.fromkeys(fault.key for fault in equal if fault.key))
    return Finding(
        slug="bad-cell",
        message=misfit.message,
        span=places.first(first.lines, first.position),
        hint=misfit.hint,
        row=first.key if len(equal) == 1 else "",
        column=first.column,
        rows=() if len(equal) == 1 else keys,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """The key column of a table's rows: each row's key, and its lines."""

    column: str
    position: int
    keys: Sequence[str]
    lines: Sequence[tuple[int, ...] | int]
    places: Places

    def place(self, row: int) -> Span:
        """Return the place of a row's key."""
        return self.places.first(self.lines[row], self.position)


def empty_keys(keyed: Keyed) -> Iterator[Finding]:
    """Yield one finding for all rows without a key."""
    rows = [row for row, key in enumerate(keyed.keys) if not key]
    if rows:
        many = f" in {len(rows)} rows" if len(rows) > 1 else ""
        yield Finding(
            slug="empty-key",
            message=f"the key {shown(keyed.column)} is blank{many}",
            span=keyed.place(rows[0]),
            hint="every row needs a key: it is part of every address",
            column=keyed.column,
            related=tuple(keyed.place(row) for row in rows[1:_RELATED]),
        )


def repeated_keys(keyed: Keyed, repeated: Mapping[str, Sequence[int]]) -> Iterator[Finding]:
    """Yield a finding for each key that several rows have, at its second place."""
    listed = list(repeated.items())
    for key, (first, second, *others) in listed[:MAX_FINDINGS]:
        count = "two" if not others else str(2 + len(others))
        yield Finding(
            slug="duplicate-key",
            message=f"{count} rows have the key {shown(key)}",
            span=keyed.place(second),
            hint=f"if they are one product, write group_by: {keyed.column}",
            row=key,
            column=keyed.column,
            related=tuple(keyed.place(row) for row in (first, *others[:_RELATED])),
        )
    rest = listed[MAX_FINDINGS:]
    if rest:
        yield Finding(
            slug="duplicate-key",
            message=f"{len(rest)} more keys are given more than once",
            span=keyed.place(rest[0][1][1]),
            column=keyed.column,
            rows=tuple(key for key, _ in rest),
        )


def condition_findings(faults: Iterable[tuple[str, TemplateFault]]) -> Iterator[Finding]:
    """Yield a finding for each way in which `where` could not be worked out, with its rows."""
    causes: dict[tuple[str, str, Span, str], list[str]] = {}
    for key, fault in faults:
        cause = (fault.slug, fault.message, fault.span, fault.hint)
        causes.setdefault(cause, []).append(key)
    for (slug, message, span, hint), keys in causes.items():
        yield Finding(slug=slug, message=message, span=span, hint=hint, rows=tuple(keys))
