"""A table's text → named columns of texts, with the line on which each record begins.

`csv.reader(strict=True)` finds the records. What is not as wide as the header is left out and
reported: a cell too many must never shift the others into each other's columns.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline.findings import Finding, Span
from pipeline.manifest.table_delimiter import Delimiter, delimiter
from pipeline.manifest.table_places import Places
from pipeline.manifest.wording import shown

MAX_CELLS = 5_000_000
MAX_LINES = 3_000_000
MAX_COLUMNS = 2_000
# More delimiters in one line than columns, and than a cell may have characters.
MAX_MARKS = 150_000
MAX_FINDINGS = 20
"""As many findings of one cause are told one by one; of the others, how many there are."""
_RELATED = 10


_QUOTE = "put quotes around a cell with a delimiter in it"


class _TooWide(Exception):  # noqa: N818 - never leaves this module
    """A line has more cells than any table."""


class _TooLong(Exception):  # noqa: N818 - the same
    """There are more lines than in any table."""


_TOO_WIDE = f"at most {MAX_COLUMNS:,} columns and {MAX_CELLS:,} cells are read"


_NOTHING = np.array([], dtype=np.object_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table as it is written: every cell a text, every record with its line."""

    places: Places
    header_line: int
    columns: Mapping[str, npt.NDArray[np.object_]]
    positions: Mapping[str, int]
    """Where a column stands among the cells of a record, counted from 0."""
    lines: Sequence[int]
    separated: str
    findings: tuple[Finding, ...] = ()

    def header(self, name: str) -> Span:
        """Return the place of a column's name."""
        return self.places.cell(self.header_line, self.positions[name])

    def cell(self, line: int, name: str) -> Span:
        """Return the place of a cell of the record at a line."""
        return self.places.cell(line, self.positions[name])

    def without_lines(self) -> Sheet:
        """Return the sheet with its header alone."""
        return replace(self, columns=dict.fromkeys(self.columns, _NOTHING), lines=())


def read_sheet(text: str, *, shown_as: str, written: str | None) -> Sheet | Finding:
    """Return a table's columns as far as they can be read, or why there are none."""
    mark = delimiter(text, written)
    places = Places(shown=shown_as, text=text, delimiter=mark.mark, spaced=mark.spaced)
    records = _Records(places=places)
    records.read(mark)
    if records.refused or (records.broken and not records.header):
        return records.refused or records.broken[0]
    if not records.header:
        message = "the table is empty: its first line must name the columns"
        hint = "is this the right file?"
        return Finding(slug="empty-table", message=message, span=Span(file=shown_as), hint=hint)
    return _sheet(records, mark)


@dataclass(slots=True, kw_only=True)
class _Records:
    """The records of a text, without those that are not as wide as the header."""

    places: Places
    header: list[str] = field(default_factory=list)
    header_line: int = 0
    cells: list[str] = field(default_factory=list)
    """All cells of all records, one after the other: thin, and cut into columns at once."""
    lines: array[int] = field(default_factory=lambda: array("q"))
    ragged: dict[int, array[int]] = field(default_factory=dict)
    """The lines of records that are not as wide as the header, by their width."""
    broken: list[Finding] = field(default_factory=list)
    refused: Finding | None = None

    def read(self, mark: Delimiter) -> None:
        """Read the records up to the end, or up to where the quoting is broken."""
        reader = csv.reader(
            self._bounded(mark.mark), delimiter=mark.mark, strict=True, skipinitialspace=mark.spaced
        )
        line = 1
        try:
            if mark.instructed:
                next(reader)
                line = 2
            for record in reader:
                if record:  # a blank line is none
                    self._add(record, line)
                    if len(self.cells) > MAX_CELLS or len(self.header) > MAX_COLUMNS:
                        self._refuse(line)
                        return
                line = reader.line_num + 1
        except csv.Error:
            self.broken.append(_broken(self.places, line))
        except _TooWide:
            self._refuse(line)
        except _TooLong:
            self._refuse(MAX_LINES, f"at most {MAX_LINES:,} lines are read")

    def _bounded(self, mark: str) -> Iterator[str]:
        """Yield the physical lines; one that would make millions of cells is not even split."""
        for number, line in enumerate(self.places.lines()):
            if number == MAX_LINES:
                raise _TooLong
            if line.count(mark) > MAX_MARKS:
                raise _TooWide
            yield line

    def _refuse(self, line: int, message: str = _TOO_WIDE) -> None:
        place = self.places.line(line)
        self.refused = Finding(slug="too-large", message=message, span=place)

    def _add(self, record: list[str], line: int) -> None:
        if len(record) == len(self.header):
            if any(record):
                self.cells += record
                self.lines.append(line)
        elif "".join(record).strip():
            if self.header:
                self.ragged.setdefault(len(record), array("q")).append(line)
            else:
                self.header, self.header_line = [name.strip() for name in record], line


def _sheet(records: _Records, mark: Delimiter) -> Sheet:
    width = len(records.header)
    columns: dict[str, npt.NDArray[np.object_]] = {}
    positions: dict[str, int] = {}
    unusable: list[int] = []
    table = np.array(records.cells, dtype=np.object_).reshape(-1, width)
    for position, name in enumerate(records.header):
        cells = table[:, position]
        if name and name not in columns:
            columns[name], positions[name] = cells, position
        elif name or any(map(str.strip, cells)):
            unusable.append(position)
    return Sheet(
        places=records.places,
        header_line=records.header_line,
        columns=columns,
        positions=positions,
        lines=records.lines,
        separated=mark.name,
        findings=(*_ragged(records), *_headless(records, unusable, positions), *records.broken),
    )


def _headless(
    records: _Records, unusable: Sequence[int], positions: Mapping[str, int]
) -> Iterator[Finding]:
    for position in unusable[:MAX_FINDINGS]:
        yield _unusable(records, position, positions.get(records.header[position]))
    left = len(unusable) - MAX_FINDINGS
    if left > 0:
        place = records.places.cell(records.header_line, unusable[MAX_FINDINGS])
        message = (
            f"{left} more {'column has' if left == 1 else 'columns have'} no name of their own"
        )
        yield Finding(slug="duplicate-header", message=message, span=place)


def _unusable(records: _Records, position: int, first: int | None) -> Finding:
    """Return the finding for a column whose name is missing, or another's."""
    place = records.places.cell(records.header_line, position)
    if first is None:
        message = f"column {position + 1} has cells, but no name"
        hint = "name it in the first line, or delete the column"
        return Finding(slug="empty-header", message=message, span=place, hint=hint)
    return Finding(
        slug="duplicate-header",
        message=f"two columns are named {shown(records.header[position])}",
        span=place,
        hint="rename one of them",
        related=(records.places.cell(records.header_line, first),),
    )


def _ragged(records: _Records) -> Iterator[Finding]:
    """Yield a finding for each width that rows have and should not have."""
    width = _cells(len(records.header))
    for count, lines in list(records.ragged.items())[:MAX_FINDINGS]:
        places = [_beyond(records, line, count) for line in lines[: 1 + _RELATED]]
        who = "the row has" if len(lines) == 1 else f"{len(lines):,} rows have"
        yield Finding(
            slug="ragged-row",
            message=f"{who} {_cells(count)}, the header {width}",
            span=places[0],
            hint=_QUOTE if count > len(records.header) else "an empty cell needs its delimiter too",
            related=tuple(places[1:]),
        )
    rest = [line for lines in list(records.ragged.values())[MAX_FINDINGS:] for line in lines]
    if rest:
        message = f"{len(rest)} more {'row is' if len(rest) == 1 else 'rows are'} not {width} wide"
        yield Finding(slug="ragged-row", message=message, span=records.places.line(rest[0]))


def _beyond(records: _Records, line: int, count: int) -> Span:
    """Return the place of the first cell too many, or of the last one before those that lack."""
    width = len(records.header)
    places = records.places
    return places.cell(line, width) if count > width else places.last(line)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _broken(places: Places, line: int) -> Finding:
    """Return the finding for the record at a line, which `csv.reader` has refused."""
    limit = csv.field_size_limit()
    start = end = 0
    for start, end in places.extents(line):
        if end - start > limit:
            message = f"a cell has more than {limit:,} characters"
            return Finding(slug="bad-csv", message=message, span=places.span(start, end))
    place = places.span(start, start + 1)
    if end == start + 1:
        return Finding(
            slug="bad-csv",
            message="the quote that opens this cell is never closed",
            span=place,
            hint="close it, or write a quote that belongs to the text twice, within quotes",
        )
    return Finding(
        slug="bad-csv",
        message="the quote that opens this cell is closed in the middle of it",
        span=place,
        hint="write a quote that belongs to the text twice",
        related=(places.span(end, end + 1),),
    )
