"""One pass of a selection over a plan: which items are meant, and which words meant none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pipeline.domain import EMPTY, Record
from pipeline.findings import Finding, Span, nearest
from pipeline.plan.selectors.methods import Condition, TableRow
from pipeline.plan.selectors.spec import Selection

Rows = Callable[[Record], TableRow]
Absent = Callable[[str], str]
Review = Callable[[Record], str]
_NAMES_KEPT = 20_000
"""Names compared to one that meant nothing: the first ones of the plan."""


class SelectionMatcher:
    """Asked for each item in plan order; afterwards it knows what meant nothing."""

    def __init__(
        self,
        selection: Selection,
        rows: Rows | None = None,
        absent: Absent = lambda _: "",
        review: Review = lambda _: "",
    ) -> None:
        """`rows` returns an item's table row; it is asked only if the selection needs it.

        `absent` says why there is no item of an address, where it is known; `review` what was
        decided of an item, asked only if the selection needs it.
        """
        self._selection = selection
        self._absent = absent
        self._review = review
        self._rows: Rows = rows if rows and selection.needs_rows else lambda _: EMPTY
        self._chosen = 0
        self._fitting = 0
        # A term that an item fitted is done with; the others remember what they might have meant.
        self._unmet: dict[Condition, dict[str, None]] = {
            condition: {} for condition in selection.conditions if condition.others
        }

    @property
    def needs_rows(self) -> bool:
        """Tell whether it asks for what only a table knows."""
        return self._selection.needs_rows

    def __call__(self, record: Record) -> bool:
        """Tell whether an item is selected."""
        row = self._rows(record)
        if self._selection.needs_reviews:
            record = replace(record, review=self._review(record))
        # Without regard to the selection: a misspelt name beside one that fits must not pass
        # unseen, and in `--exclude` it would let more be bought than was meant.
        if self._unmet:
            for condition in [each for each in self._unmet if each.holds(record, row)]:
                del self._unmet[condition]
            for condition, known in self._unmet.items():
                if condition.others and len(known) < _NAMES_KEPT:
                    known.update(dict.fromkeys(condition.others(record, row)))
        if not self._selection.fits(record, row):
            return False
        # Counted before the limit: what that cuts off does fit.
        self._fitting += 1
        limit = self._selection.limit
        if limit is not None and self._chosen >= limit:
            return False
        self._chosen += 1
        return True

    def findings(self) -> Iterator[Finding]:
        """Yield a `no-match` for each name that no item has; else one if nothing is selected."""
        for condition, known in self._unmet.items():
            close = nearest(condition.text, known)
            # Where a space or a comma would part it, it has to be quoted.
            inside = close.partition("[")[0] if close.endswith("]") else close
            typed = f"'\"{close}\"'" if any(sign in inside for sign in " ,") else f"'{close}'"
            hint = f"did you mean {typed}?" if close else ""
            hint = self._absent(condition.text) or hint
            yield _no_match(f"'{condition.text}' fits no item", condition.span, hint)
        if not self._unmet and not self._fitting:
            hint = "see what there is: callsheet ls, with less selected"
            yield _no_match("no item fits this selection", self._selection.span, hint)


def _no_match(message: str, span: Span, hint: str) -> Finding:
    return Finding(slug="no-match", message=message, span=span, hint=hint)
