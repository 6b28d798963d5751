"""A product table and its records become results.<table>.csv: the table, and what came of each row.

The table's own columns come first and unchanged, one line per row and with its own delimiter, so
that it can be joined back; then for each shot and cell, in the order of the manifest, where it
stands, its path, cost and cause, what became of it, and what people said. What turns the direction
of writing is written out in our own columns; a path stays the file's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pipeline.domain import Record, Table
from pipeline.domain.item import place_of
from pipeline.domain.loop_places import LoopPlace
from pipeline.foreign_text import without_direction
from pipeline.report.formats import csv_line, decision_words
from pipeline.report.outcomes import UNKNOWN, ClipOutcome, outcome_of

_FACTS = ("status", "path", "cost_usd", "cause", "outcome", "take", "reason", "note", "who")
Facts = tuple[str, ...]
"""What came of an item, or of a place, in the order of _FACTS."""


@dataclass(slots=True)
class TableResults:
    """Gathers what came of each row of a table, while records stream by.

    Of a shot with `accept` a place is told, once it is known: `status` is where it stands, the cost
    is all that was charged there, and the rest is of the clips that were approved, else of the one
    that waits or was made last.
    """

    table: Table
    shots: Collection[str]
    _columns: dict[str, None] = field(default_factory=dict)
    _found: dict[str, dict[str, Facts]] = field(default_factory=dict)
    _of_places: dict[str, dict[str, list[Record]]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take in one more record, if it is of this table."""
        if record.shot not in self.shots:
            return
        name = f"{record.shot}[{record.cell}]" if record.cell else record.shot
        if record.loop is not None:
            place = place_of(record.address)
            self._of_places.setdefault(place, {}).setdefault(name, []).append(record)
            self._columns[name] = None
            return
        name += f"#{record.take}" if record.take > 1 else ""
        self._columns[name] = None
        self._found.setdefault(record.row_key, {})[name] = _facts(record)

    def lines(self, places: Iterable[LoopPlace] = ()) -> Iterator[str]:
        """Yield results.<table>.csv line by line."""
        for place in places:
            for name, takes in self._of_places.get(place.address, {}).items():
                self._found.setdefault(place.row_key, {})[name] = _place_facts(place, takes)
        titles = (f"{without_direction(name)} {fact}" for name in self._columns for fact in _FACTS)
        yield csv_line([*self.table.columns, *titles], self.table.delimiter)
        nothing = ("",) * len(_FACTS)
        for row in self.table.rows:
            own = [cell_text(row.values.get(name)) for name in self.table.columns]
            results = self._found.get(row.key, {})
            facts_of = [fact for name in self._columns for fact in results.get(name, nothing)]
            yield csv_line([*own, *facts_of], self.table.delimiter)


def _facts(record: Record) -> Facts:
    # It may have been charged, or not: no nought.
    maybe = record.possible_usd and not record.charged_usd
    known = UNKNOWN if maybe or record.charge_source == UNKNOWN else str(record.charged_usd)
    return (
        record.state,
        record.path or "",
        "shared" if record.shared_with else known,
        record.cause,
        outcome_of(record),
        str(record.take),
        *(without_direction(decision_words(record, name)) for name in ("reason", "note", "who")),
    )


def _place_facts(place: LoopPlace, takes: Sequence[Record]) -> Facts:
    """Return what came of a place, by its approved takes, else by the last one of the likeliest."""
    approved = [each for each in takes if outcome_of(each) is ClipOutcome.APPROVED]
    made = [each for each in takes if each.path]
    begun = {each.number for each in place.begun}
    waiting = [each for each in made if outcome_of(each) is ClipOutcome.WAITING]
    others = waiting or made or [each for each in takes if each.take in begun] or takes
    shown = approved or others[-1:]
    told = [_facts(each) for each in shown]
    if len(told) > 1:
        told = [tuple(" | ".join(dict.fromkeys(filter(None, c))) for c in zip(*told, strict=True))]
    _, path, _, cause, outcome, take, reason, note, who = told[0]
    maybe = place.cost.possible_usd and not place.cost.charged_usd
    unknown = maybe or place.cost.charges_unknown
    cost = UNKNOWN if unknown else str(place.cost.charged_usd)
    return (place.state, path, cost, cause, outcome, take, reason, note, who)


def cell_text(value: Any) -> str:
    """Return a typed table value as text: lists with bars between, nothing for None."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case date():
            return value.isoformat()
        case list() | tuple():
            return " | ".join(cell_text(inner) for inner in value)
        case _:
            return str(value)
