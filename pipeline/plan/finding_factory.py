"""Faults of one shot's items → findings, each once, with the rows it shows in.

A fault in 300 rows is one finding; told as it comes, it would be 300 in the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pipeline.findings import Diagnostic

MAX_CAUSES = 20
"""As many different faults of one column are told one by one; of the others, how many."""


@dataclass(slots=True)
class _Cause:
    first: Diagnostic
    rows: dict[str, None] = field(default_factory=dict)

    def told(self) -> Diagnostic:
        """Return one finding for all rows; a single cell's fault names the cell."""
        if self.first.row and len(self.rows) == 1:
            return self.first
        return replace(self.first, row="", rows=tuple(self.rows))


class Findings:
    """Gathers what is wrong, in the order in which it was first seen."""

    def __init__(self) -> None:
        self._causes: dict[Diagnostic, _Cause] = {}

    def add(self, finding: Diagnostic, row: str = "") -> None:
        """Keep a finding; `row` is the row it shows in, empty where it has nothing to do with one.

        Equal faults of one column are one finding, at the first of its cells.
        """
        cause = self._causes.setdefault(_identity(finding), _Cause(finding))
        if finding.row or row:
            cause.rows[finding.row or row] = None

    def drain(self) -> Iterator[Diagnostic]:
        """Yield the findings so far and forget them."""
        causes, self._causes = self._causes, {}
        counts: dict[tuple[str, str, str], int] = {}
        rest: dict[tuple[str, str, str], list[_Cause]] = {}
        for cause in causes.values():
            first = cause.first
            kind = (first.slug, first.span.file, first.column)
            counts[kind] = counts.get(kind, 0) + 1
            if first.column and counts[kind] > MAX_CAUSES:
                rest.setdefault(kind, []).append(cause)
            else:
                yield cause.told()
        yield from map(_summed, rest.values())


def _identity(finding: Diagnostic) -> Diagnostic:
    """Return what a fault has in common with those of other cells of its column."""
    if not finding.row:
        return finding
    return replace(finding, row="", span=replace(finding.span, line=1, column=1, end_column=1))


def _summed(causes: list[_Cause]) -> Diagnostic:
    rows = dict.fromkeys(row for cause in causes for row in cause.rows)
    count = f"{len(rows)} more {'row has' if len(rows) == 1 else 'rows have'} such a fault"
    return replace(causes[0].first, message=count, hint="", row="", rows=tuple(rows))
