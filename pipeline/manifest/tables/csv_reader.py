"""A table file's bytes → named columns of texts, with the line on which each record begins.

UTF-8, or UTF-16 where a byte order mark says so; Windows-1252 accepts nearly any bytes, so it is
never guessed: it would turn a damaged file into wrong words in a prompt. `csv.reader(strict=True)`
finds the records. What is not as wide as the header is left out and reported: a cell too many must
never shift the others into each other's columns.
"""

from __future__ import annotations

import csv
import re
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

from pipeline.findings import Finding, Span
from pipeline.manifest.schema_errors import quote

MAX_BYTES = 40_000_000
MAX_CELLS = 5_000_000
MAX_LINES = 3_000_000
MAX_COLUMNS = 2_000
# More delimiters in one line than columns, and than a cell may have characters.
MAX_MARKS = 150_000
MAX_FINDINGS = 20
"""As many findings of one cause are told one by one; of the others, how many there are."""
MAX_RELATED = 10

_MARKS: Mapping[bytes, tuple[str, str]] = {
    b"\xef\xbb\xbf": ("utf-8", "UTF-8 with a byte order mark"),
    b"\xff\xfe": ("utf-16-le", "UTF-16"),
    b"\xfe\xff": ("utf-16-be", "UTF-16"),
}
_LABELS: Mapping[str, str] = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}
CODEC_OF: Mapping[str, str] = {"UTF-16": "utf-16-le", "Windows-1252": "cp1252"}
"""By what `decode_table` says: the codec that a table is written by again, if not UTF-8."""
_CODECS: Mapping[str | None, str] = {"windows-1252": "cp1252", "utf-16": "utf-16-le"}
_AS_CSV = "save it as 'CSV UTF-8'"
_PAGE = "a web page", "open its address in a browser: perhaps it asks to log in, or shows a preview"
_AS_TABLE = "shops and feed programs give the same feed as CSV or TSV: export it as one of these"
_XML, _JSON = ("XML", _AS_TABLE), ("JSON", _AS_TABLE)
# What spreadsheet programs write when asked for anything but CSV, and what servers send instead;
# in small letters.
_OTHER_FORMATS: Mapping[bytes, tuple[str, str]] = {
    b"pk\x03\x04": ("an Excel or OpenDocument workbook", _AS_CSV),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", _AS_CSV),
    b"\x1f\x8b": ("a compressed file", _AS_CSV),
    b"%pdf": ("a PDF", _AS_CSV),
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
    b"<?xml": _XML,
    b"<rss": _XML,
    b"<feed": _XML,
    b"{\\rtf": ("a text document", _AS_CSV),
    b"sqlite format 3": ("a database", _AS_CSV),
    b"par1": ("a Parquet file", _AS_CSV),
}
# What is no beginning of a header: a list of maps or of lists, a map with a quoted key.
_JSON_BEGINS = re.compile(rb"\[\s*[\[{]|\{\s*\"|\[\s*\"[^\"]*\"\s*,\s*\"[^\"]*\"\s*\]\s*[,\]]")
_LOOKED_AT = 400
"""Bytes by which a file is known that is no table."""
_BREAK = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
# Possessive, so that a quote which is never closed is found out in one pass.
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')


def decode_table(data: bytes, *, shown: str, encoding: str | None) -> tuple[str, str] | Finding:
    """Return a table file's text and how it was stored, or why it has no text."""
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        return Finding(slug="too-large", message=message, span=Span(file=shown))
    other = _other_format(data)
    if other is not None:
        what, hint = other
        message = f"this is {what}, not CSV"
        return Finding(slug="bad-encoding", message=message, span=Span(file=shown), hint=hint)
    # What the manifest says is believed where no mark proves anything else.
    big_endian = encoding == "utf-16" and data[:1] == b"\0"
    codec = "utf-16-be" if big_endian else _CODECS.get(encoding, "utf-8")
    label = _LABELS[codec]
    for mark, (proven, name) in _MARKS.items():
        # A mark proves what it says, also against what the manifest says.
        if data.startswith(mark):
            codec, label, data = proven, name, data[len(mark) :]
            break
    else:
        # In UTF-16 a comma has a zero byte, and so has the end of a line.
        if encoding == "utf-16" and data and b"\0" not in data:
            return _bad_encoding("", shown, "this is not UTF-16", "take `encoding` out")

    text = ""
    if codec.startswith("utf-16") or b"\0" not in data:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError as error:
            hint = "save it as UTF-8"
            if codec == "utf-8":
                hint += ", or write encoding: windows-1252 if it comes from an old Excel"
            before = data[: error.start].decode(codec, "replace")
            message = f"byte 0x{data[error.start]:02X} is not {_LABELS[codec]}"
            return _bad_encoding(before, shown, message, hint)
        if "\0" not in text:
            return text, label
    # Bytes are looked through before decoding: UTF-16 that bears no mark has other bytes, too,
    # that are not UTF-8.
    before = text or data[: data.find(b"\0")].decode(codec, "replace")
    hint = "write encoding: utf-16 if it is UTF-16" if codec == "utf-8" else "save it as UTF-8"
    return _bad_encoding(before.partition("\0")[0], shown, "a NUL character is not text", hint)


def _other_format(data: bytes) -> tuple[str, str] | None:
    """Return what a file is that is no table, and what to do with it; None where it may be one."""
    beginning = data[:_LOOKED_AT]
    for mark, (codec, _) in _MARKS.items():
        if data.startswith(mark):
            beginning = data[len(mark) : _LOOKED_AT].decode(codec, "ignore").encode()
    beginning = beginning.lstrip().lower()
    if _JSON_BEGINS.match(beginning):
        return _JSON
    return next(
        (what for start, what in _OTHER_FORMATS.items() if beginning.startswith(start)), None
    )


def _bad_encoding(before: str, shown: str, message: str, hint: str) -> Finding:
    """Return the finding for what stands right after a text."""
    lines = _BREAK.split(before)
    column = len(lines[-1]) + 1
    place = Span(file=shown, line=len(lines), column=column, end_column=column + 1)
    return Finding(slug="bad-encoding", message=message, span=place, hint=hint)


# In the order in which a tie is settled; a tie is a table of one column.
_DELIMITERS: Mapping[str, str] = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE_LINES = 60
_SAMPLE_CHARACTERS = 100_000
# Excel reads the first line `sep=;` as an instruction, and some exports begin with it.
_INSTRUCTION = re.compile(r"sep=([,;\t|])(?:\r\n|\r|\n|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimiter:
    """What separates a table's cells."""

    mark: str
    spaced: bool = False
    """A space follows every delimiter of the header: such spaces belong to no cell."""
    above: int = 0
    """Lines above the header, such as Excel's `sep=`."""


HEADER_LINES = 100
"""How far down a file the line with the names of its columns is looked for."""


def find_header(text: str, names: Collection[str]) -> int | None:
    r"""Return the first line that has all these names as cells, whatever parts them; else None.

    `find_header("Mugs 2026\n\nsku;name\n", ["sku"])` is 3.
    """
    wanted = {name.strip() for name in names}
    lines = (found[0] for found in _LINE.finditer(text, 0, MAX_BYTES))
    for number, line in enumerate(islice(lines, HEADER_LINES), start=1):
        for mark in _DELIMITERS:
            # A line that ends within a quoted cell gives the cells before it.
            with suppress(csv.Error):
                cells = next(csv.reader([line], delimiter=mark), [])
                if wanted <= set(map(str.strip, cells)):
                    return number
    return None


def find_delimiter(text: str, written: str | None, header: int = 1) -> Delimiter:
    """Return what separates the cells: as written in the manifest, else as the text shows.

    Each candidate is tried on the header and on the lines after it, quotes heeded: a comma in a
    product's name, or in 79,90, does not make a semicolon table a comma table. What stands above
    the line of the `header` is no part of the table.
    """
    instruction = _INSTRUCTION.match(text)
    above = 0 if instruction is None else 1
    above = max(header - 1, above)
    before = islice(_LINE.finditer(text), above)
    text = text[max((found.end() for found in before), default=0) :]

    def score(mark: str) -> float:
        """Tell how many columns a delimiter gives, times the share of lines that have as many."""
        lines = (found[0] for found in _LINE.finditer(text, 0, _SAMPLE_CHARACTERS))
        reader = csv.reader(islice(lines, _SAMPLE_LINES), delimiter=mark, strict=True)
        widths: list[int] = []
        # The sample may end within a quoted cell; what came before it counts.
        with suppress(csv.Error):
            widths.extend(len(record) for record in reader if record)
        if not widths:
            return 0.0
        header, *others = widths
        share = sum(width == header for width in others) / len(others) if others else 1.0
        # A mark that leaves one column scores nothing, however many lines agree on that.
        return (header - 1) * share

    if written is not None:
        mark = "\t" if written == "tab" else written
    else:
        mark = instruction[1] if instruction else max(_DELIMITERS, key=score)
    # Only the header is asked: a cell may well begin with a space of its own.
    names = next((found[0] for found in _LINE.finditer(text) if found[0].strip()), "")
    spaced = mark in names.rstrip() and names.count(mark) == names.count(f"{mark} ")
    return Delimiter(mark=mark, spaced=spaced, above=above)


def other_delimiter(text: str, written: str) -> str:
    """Return what separates the cells instead of what the manifest names; empty if that does.

    The header alone is asked: with the wrong mark it is one cell.
    """
    header = next((found[0] for found in _LINE.finditer(text) if found[0].strip()), "")
    found = find_delimiter(text, None).mark
    mark = "\t" if written == "tab" else written
    if mark in header or found not in header:
        return ""
    return "tab" if found == "\t" else found


@dataclass(frozen=True, kw_only=True)
class CellPlaces:
    """Where a table's cells stand in its file: line and column, found when they are asked for.

    Millions of cells are right, and a place is needed for the few that are not; so a record's text
    is gone through again then, by the rules that `csv.reader` has applied to it before.
    """

    shown: str
    text: str = field(repr=False)
    delimiter: str
    spaced: bool = False
    """Spaces after a delimiter do not belong to the cell."""

    def lines(self) -> Iterator[str]:
        """Yield the physical lines with their ends, as `csv.reader` counts them."""
        return (found[0] for found in _LINE.finditer(self.text))

    @cached_property
    def starts(self) -> array[int]:
        """Tell where each physical line begins in the text."""
        return array("q", (found.start() for found in _LINE.finditer(self.text)))

    def line(self, line: int) -> Span:
        """Return the place of a record that begins on a line."""
        return Span(file=self.shown, line=line)

    def cell(self, line: int, position: int) -> Span:
        """Return the place of the n-th cell, counted from 0, of the record at a line."""
        return self.span(*next(islice(self.extents(line), position, None)))

    def first(self, lines: tuple[int, ...] | int, position: int) -> Span:
        """Return the place of the first cell that is not blank among those of several records."""
        if isinstance(lines, int):
            return self.cell(lines, position)
        for line in lines:
            start, end = next(islice(self.extents(line), position, None))
            raw = self.text[start:end]
            if (raw[1:-1] if raw.startswith('"') else raw).strip():
                return self.span(start, end)
        return self.cell(lines[0], position)

    def last(self, line: int) -> Span:
        """Return the place of the last cell of the record at a line."""
        *_, (start, end) = self.extents(line)
        return self.span(start, end)

    def extents(self, line: int) -> Iterator[tuple[int, int]]:
        """Yield where each cell of the record at a line begins and ends, quotes included.

        A cell whose quote is never closed, or closed too early, ends there and is the last.
        """
        text, place = self.text, self.starts[line - 1]
        until = re.compile(f"[^{re.escape(self.delimiter)}\r\n]*+")
        while True:
            while self.spaced and text.startswith(" ", place):
                place += 1
            quoted = text.startswith('"', place)
            found = (_QUOTED if quoted else until).match(text, place)
            # A quote that is never closed is one character long: `_broken_quoting` knows it by
            # that.
            end = found.end() if found else place + 1
            yield place, end
            if not found or not text.startswith(self.delimiter, end):
                return
            place = end + len(self.delimiter)

    def span(self, start: int, end: int) -> Span:
        """Return the place of a piece of the text, cut at the end of its first line."""
        line = bisect_right(self.starts, start) or 1
        first = self.starts[line - 1] if self.starts else 0
        broken = _BREAK.search(self.text, start, end)
        last = broken.start() if broken else end
        return Span(
            file=self.shown, line=line, column=start - first + 1, end_column=last - first + 1
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table as it is written: every cell a text, every record with its line."""

    places: CellPlaces
    header_line: int
    columns: Mapping[str, list[str]]
    positions: Mapping[str, int]
    """Where a column stands among the cells of a record, counted from 0."""
    lines: Sequence[int]
    separated: str
    """What separates its cells, in a word."""
    findings: tuple[Finding, ...] = ()

    def header(self, name: str) -> Span:
        """Return the place of a column's name."""
        return self.places.cell(self.header_line, self.positions[name])

    def without_lines(self) -> Sheet:
        """Return the sheet with its header alone."""
        return replace(self, columns={name: [] for name in self.columns}, lines=())


def read_sheet(
    text: str, *, shown_as: str, written: str | None, header: int = 1
) -> Sheet | Finding:
    """Return a table's columns as far as they can be read, or why there are none.

    Of the lines `sku,name` and `S1,Air` the columns are `{"sku": ["S1"], "name": ["Air"]}`.
    `written` is the delimiter that the manifest names, `header` the line in which the names stand.
    """
    mark = find_delimiter(text, written, header)
    places = CellPlaces(shown=shown_as, text=text, delimiter=mark.mark, spaced=mark.spaced)
    records = _Records(places=places)
    records.read(mark)
    if records.refused or (records.broken and not records.header):
        return records.refused or records.broken[0]
    if not records.header:
        message = "the table is empty: its first line must name the columns"
        if header > 1:
            message = f"nothing stands in line {header} or below it: no line names the columns"
        hint = "is this the right file?"
        return Finding(slug="empty-table", message=message, span=Span(file=shown_as), hint=hint)
    width = len(records.header)
    columns: dict[str, list[str]] = {}
    positions: dict[str, int] = {}
    unusable: list[int] = []
    for position, name in enumerate(records.header):
        cells = records.cells[position::width]
        if name and name not in columns:
            columns[name], positions[name] = cells, position
        # Spreadsheets leave columns without name and cells at the right end; those are none.
        elif name or any(map(str.strip, cells)):
            unusable.append(position)
    return Sheet(
        places=places,
        header_line=records.header_line,
        columns=columns,
        positions=positions,
        lines=records.lines,
        separated=_DELIMITERS[mark.mark],
        findings=(
            *records.width_findings(),
            *records.header_findings(unusable, positions),
            *records.broken,
        ),
    )


class _TooLarge(Exception):  # noqa: N818 - never leaves this module
    """A line has more cells than any table, or there are more lines than in any."""


_TOO_WIDE = f"at most {MAX_COLUMNS:,} columns and {MAX_CELLS:,} cells are read"


@dataclass(slots=True, kw_only=True)
class _Records:
    """The records of a text, without those that are not as wide as the header."""

    places: CellPlaces
    header: list[str] = field(default_factory=list)
    header_line: int = 0
    cells: list[str] = field(default_factory=list)
    """All cells of all records, one after the other: thin, and cut into columns at once."""
    lines: array[int] = field(default_factory=lambda: array("q"))
    ragged: dict[int, array[int]] = field(default_factory=dict)
    """The lines of records that are not as wide as the header, by their width."""
    ending: array[int] = field(default_factory=lambda: array("q"))
    """Those that are wider, and blank beyond the header."""
    ended: list[str] = field(default_factory=list)
    """The cells of these up to there."""
    broken: list[Finding] = field(default_factory=list)
    refused: Finding | None = None

    def read(self, mark: Delimiter) -> None:
        """Read the records up to the end, or up to where the quoting is broken."""

        def limit_lines() -> Iterator[str]:
            """Yield the lines; one that would make millions of cells is not even split."""
            for number, line in enumerate(self.places.lines()):
                if number == MAX_LINES:
                    raise _TooLarge(f"at most {MAX_LINES:,} lines are read")
                # `csv.reader` would make the list of all its cells before anybody could count them.
                if line.count(mark.mark) > MAX_MARKS:
                    raise _TooLarge(_TOO_WIDE)
                yield line

        text_lines = limit_lines()
        reader = csv.reader(
            text_lines, delimiter=mark.mark, strict=True, skipinitialspace=mark.spaced
        )
        line = 1
        try:
            # Not by the reader: what stands above may be quoted in any way.
            line += sum(1 for _ in islice(text_lines, mark.above))
            for record in reader:
                self._add(record, line)
                line = mark.above + reader.line_num + 1
            # Many programs end each line with a delimiter. That a single line does may as well
            # be a delimiter within a name, and every cell behind it in another's column.
            if len(self.ending) > 1 and not self.lines and len(self.ragged) == 1:
                ((width, lines),) = self.ragged.items()
                filled = array("q", sorted(set(lines).difference(self.ending)))
                self.cells, self.lines = self.ended, self.ending
                self.ragged = {width: filled} if filled else {}
        except csv.Error:
            self.broken.append(_broken_quoting(self.places, line))
        except _TooLarge as error:
            place = self.places.line(min(line, MAX_LINES))
            self.refused = Finding(slug="too-large", message=str(error), span=place)

    def _add(self, record: list[str], line: int) -> None:
        if not record:
            return  # a blank line is none
        width = len(self.header)
        if len(record) == width:
            # Spreadsheets save blank lines of their grid as delimiters alone.
            if any(record):
                self.cells += record
                self.lines.append(line)
        elif "".join(record).strip():
            if self.header:
                self.ragged.setdefault(len(record), array("q")).append(line)
                if len(record) > width and not any(map(str.strip, record[width:])):
                    self.ending.append(line)
                    self.ended += record[:width]
            else:
                self.header, self.header_line = [name.strip() for name in record], line
        if len(self.cells) + len(self.ended) > MAX_CELLS or len(self.header) > MAX_COLUMNS:
            raise _TooLarge(_TOO_WIDE)

    def header_findings(
        self, unusable: Sequence[int], positions: Mapping[str, int]
    ) -> Iterator[Finding]:
        """Yield a finding for each column whose name is missing, or another's."""
        for position in unusable[:MAX_FINDINGS]:
            place = self.places.cell(self.header_line, position)
            name = self.header[position]
            if name not in positions:
                yield Finding(
                    slug="empty-header",
                    message=f"column {position + 1} has cells, but no name",
                    span=place,
                    hint="name it in the first line, or delete the column",
                )
            else:
                yield Finding(
                    slug="duplicate-header",
                    message=f"two columns are named {quote(name)}",
                    span=place,
                    hint="rename one of them",
                    related=(self.places.cell(self.header_line, positions[name]),),
                )
        rest = unusable[MAX_FINDINGS:]
        if rest:
            have = "column has" if len(rest) == 1 else "columns have"
            place = self.places.cell(self.header_line, rest[0])
            message = f"{len(rest)} more {have} no name of their own"
            yield Finding(slug="duplicate-header", message=message, span=place)

    def width_findings(self) -> Iterator[Finding]:
        """Yield a finding for each width that rows have and should not have."""
        width = len(self.header)
        for count, lines in list(self.ragged.items())[:MAX_FINDINGS]:
            # The first cell too many, or the last one before those that lack.
            places = [
                self.places.cell(line, width) if count > width else self.places.last(line)
                for line in lines[: 1 + MAX_RELATED]
            ]
            who = "the row has" if len(lines) == 1 else f"{len(lines):,} rows have"
            short = "an empty cell needs its delimiter too"
            long = "put quotes around a cell with a delimiter in it"
            if set(lines) <= set(self.ending):
                long += "; the last cells are blank, so that it may be a delimiter at the end"
            yield Finding(
                slug="ragged-row",
                message=f"{who} {_count_cells(count)}, the header {_count_cells(width)}",
                span=places[0],
                hint=long if count > width else short,
                related=tuple(places[1:]),
            )
        rest = [line for lines in list(self.ragged.values())[MAX_FINDINGS:] for line in lines]
        if rest:
            are = "row is" if len(rest) == 1 else "rows are"
            message = f"{len(rest)} more {are} not {_count_cells(width)} wide"
            yield Finding(slug="ragged-row", message=message, span=self.places.line(rest[0]))


def _count_cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _broken_quoting(places: CellPlaces, line: int) -> Finding:
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
