"""One pass of a selection over a plan: which items are meant, and which words meant none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.domain import EMPTY, Record
from pipeline.findings import Diagnostic, Span, nearest
from pipeline.plan.select import Selection
from pipeline.plan.terms import Row, Term

Rows = Callable[[Record], Row]
_NAMES_KEPT = 20_000
"""Names compared to one that meant nothing: the first ones of the plan."""


def _no_row(_: Record) -> Row:
    return EMPTY


class Sieve:
    """Asked for each item in plan order; afterwards it knows what meant nothing."""

    def __init__(self, selection: Selection, rows: Rows | None = None) -> None:
        """`rows` returns an item's table row; it is asked only if the selection needs it."""
        self._selection = selection
        self._rows = rows if rows and selection.needs_rows else _no_row
        self._chosen = 0
        self._fitting = 0
        # A term that an item fitted is done with; the others remember what they might have meant.
        self._unmet: dict[Term, dict[str, None]] = {
            term: {} for term in selection.terms if term.others
        }

    @property
    def needs_rows(self) -> bool:
        """Tell whether it asks for what only a table knows."""
        return self._selection.needs_rows

    def __call__(self, record: Record) -> bool:
        """Tell whether an item is selected."""
        row = self._rows(record)
        if self._unmet:
            self._meet(record, row)
        if not self._selection.fits(record, row):
            return False
        self._fitting += 1
        limit = self._selection.limit
        if limit is not None and self._chosen >= limit:
            return False
        self._chosen += 1
        return True

    def findings(self) -> Iterator[Diagnostic]:
        """Yield a `no-match` for each name that no item has; else one if nothing is selected."""
        for term, known in self._unmet.items():
            close = nearest(term.text, known)
            hint = f"did you mean {_typed(close)}?" if close else ""
            yield _nothing(f"'{term.text}' fits no item", term.span, hint)
        if not self._unmet and not self._fitting:
            hint = "see what there is: callsheet ls, with less selected"
            yield _nothing("no item fits this selection", self._selection.span, hint)

    def _meet(self, record: Record, row: Row) -> None:
        met = [term for term in self._unmet if term.holds(record, row)]
        for term in met:
            del self._unmet[term]
        for term, known in self._unmet.items():
            if term.others and len(known) < _NAMES_KEPT:
                known.update(dict.fromkeys(term.others(record, row)))


def _typed(text: str) -> str:
    """Return a condition as it is to be typed: quoted where a space or a comma would part it."""
    inside = text.partition("[")[0] if text.endswith("]") else text
    return f"'\"{text}\"'" if any(sign in inside for sign in " ,") else f"'{text}'"


def _nothing(message: str, span: Span, hint: str) -> Diagnostic:
    return Diagnostic(slug="no-match", message=message, span=span, hint=hint)
