"""From a table file's bytes to records: encodings, delimiters, broken CSV, and exact places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.domain import Table
from pipeline.findings import Span
from pipeline.manifest.tables.table_loader import read_table
from tests.unit.manifest.tabular import Read, read, span_of

GERMAN = "sku;name;preis\r\n00123;Größe 42;79,90\r\n"


@pytest.mark.parametrize(
    ("data", "encoding", "decided"),
    [
        (GERMAN.encode(), None, "UTF-8, semicolon"),
        (GERMAN.encode("utf-8-sig"), None, "UTF-8 with a byte order mark, semicolon"),
        (GERMAN.encode("utf-16"), None, "UTF-16, semicolon"),
        (b"\xfe\xff" + GERMAN.encode("utf-16-be"), None, "UTF-16, semicolon"),
        (GERMAN.encode("utf-16-le"), "utf-16", "UTF-16, semicolon"),
        (GERMAN.encode("utf-16-be"), "utf-16", "UTF-16, semicolon"),
        (GERMAN.encode("cp1252"), "windows-1252", "Windows-1252, semicolon"),
        (
            GERMAN.encode("utf-8-sig"),
            "windows-1252",
            "UTF-8 with a byte order mark, semicolon",
        ),
    ],
)
def test_encodings(data: bytes, encoding: str | None, decided: str) -> None:
    """A file is read in its encoding, which is told; all cells stay text."""
    spec: dict[str, Any] = {"encoding": encoding} if encoding else {}
    found = read(data, **spec)

    assert [] == found.told
    assert {"sku": "00123", "name": "Größe 42", "preis": "79,90"} == dict(found.rows[0].values)
    assert isinstance(found.table, Table)
    assert f"{decided}, 1 lines" == found.table.decided


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        (
            "sku;name\r\n1;Groß\r\n".encode("cp1252"),
            (
                "t.csv:2:6: bad-encoding: byte 0xDF is not UTF-8\n      save it as UTF-8, or write"
                " encoding: windows-1252 if it comes from an old Excel"
            ),
        ),
        (
            GERMAN.encode("utf-16-le"),
            (
                "t.csv:1:2: bad-encoding: a NUL character is not text\n"
                "      write encoding: utf-16 if it is UTF-16"
            ),
        ),
        (
            b"\xff\xfea\x00b",
            "t.csv:1:2: bad-encoding: byte 0x62 is not UTF-16\n      save it as UTF-8",
        ),
        (
            b"PK\x03\x04\x14\x00",
            (
                "t.csv:1:1: bad-encoding: this is an Excel or OpenDocument workbook, not CSV\n"
                "      save it as 'CSV UTF-8'"
            ),
        ),
        (
            b"\n<html><body>Sign in",
            (
                "t.csv:1:1: bad-encoding: this is a web page, not CSV\n"
                "      open its address in a browser: perhaps it asks to log in, or shows a preview"
            ),
        ),
    ],
    ids=["not UTF-8", "not marked", "cut", "a workbook", "a web page"],
)
def test_what_is_not_text_is_told_at_its_line(data: bytes, finding: str) -> None:
    """Bytes that the encoding does not have are a finding; Windows-1252 is never guessed."""
    found = read(data)

    assert [finding] == found.told
    assert found.table is None


@pytest.mark.parametrize("data", [b"sku,name\n1,Ada\n", b"sku,name\n1,Adam\n", b"sku,n\xe9\n1,A\n"])
def test_what_is_said_to_be_utf_16_and_is_not_is_told(data: bytes) -> None:
    """Of an odd or an even number of bytes: it is not read as other letters."""
    found = read(data, encoding="utf-16")

    told = "t.csv:1:1: bad-encoding: this is not UTF-16\n      take `encoding` out"
    assert [told] == found.told
    assert found.table is None


def test_windows_1252_has_holes() -> None:
    """Also Windows-1252 leaves some bytes without a meaning."""
    found = read(b"sku\r\nA\r\n\x81\r\n", encoding="windows-1252")

    assert ["t.csv:3:1: bad-encoding: byte 0x81 is not Windows-1252\n      save it as UTF-8"] == (
        found.told
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sku,name\n1,x\n", "x"),
        ("sku;name\n1;x\n", "x"),
        ("sku\tname\n1\tx\n", "x"),
        ("sku|name\n1|x\n", "x"),
        ("sku;name\n1;a, b, c\n", "a, b, c"),
        ('sku;"name, or alias, or both";name\n1;y;x\n', "x"),
        ('sku,"a;b;c;d",name\n1,y,x\n', "x"),
        ("sku,name|alias|other\n1,x\n", None),
        ("sep=;\r\nsku;name\r\n1;x\r\n", "x"),
        ("\n\nsku,name\n1,x\n", "x"),
        ("sku, name\n1, x\n", "x"),
        ('sku, name\n1, "x"\n', "x"),
    ],
)
def test_the_delimiter_is_found(text: str, name: str | None) -> None:
    """Quotes are heeded, and the delimiter that fits header and rows is taken."""
    found = read(text)

    assert [] == found.told
    assert ["1"] == found.keys
    assert name == found.rows[0].values.get("name")


def test_a_written_delimiter_is_not_doubted() -> None:
    """The manifest's delimiter is taken as it is."""
    assert {"sku": "1", "a,b": "x,y"} == dict(
        read("sku;a,b\n1;x,y\n", delimiter=";").rows[0].values
    )
    assert ["1"] == read("sku\tname\n1\tx\n", delimiter="tab").keys


def _lines(found: Read) -> list[tuple[str, int]]:
    return [(row.key, row.span.line) for row in found.rows]


def test_a_row_knows_its_physical_line() -> None:
    """Quoted newlines, blank lines and every sort of line end are counted."""
    text = 'sku,name\r\nA,"one\r\ntwo"\r\n\r\n,\r\nB,x\nC,"\n\n"\nD,y\rE,z\n'

    assert [("A", 2), ("B", 6), ("C", 7), ("D", 10), ("E", 11)] == _lines(read(text))


def test_a_cell_knows_its_place() -> None:
    """The column is that of the cell's first character, also after a quoted newline."""
    text = 'sku,text,price\nA,"über\n""x"", y",12\n'
    row = read(text).rows[0]

    assert Span(file="t.csv", line=2, column=1, end_column=2) == row.cells["sku"]
    assert Span(file="t.csv", line=2, column=3, end_column=8) == row.cells["text"]
    assert Span(file="t.csv", line=3, column=11, end_column=13) == row.cells["price"]
    assert 'über\n"x", y' == row.values["text"]


def test_ragged_rows_are_left_out() -> None:
    """A row with a cell too many or too few is told with both counts, and shifts nothing."""
    found = read("sku,a,b\nA,1,2\nB,1,2,3\nC\n\nD,1,2\n")

    assert [
        (
            "t.csv:3:7: ragged-row: the row has 4 cells, the header 3 cells\n"
            "      put quotes around a cell with a delimiter in it"
        ),
        (
            "t.csv:4:1: ragged-row: the row has 1 cell, the header 3 cells\n"
            "      an empty cell needs its delimiter too"
        ),
    ] == found.told
    assert ["A", "D"] == found.keys
    assert found.table is not None
    assert not found.table.complete


def test_rows_that_are_ragged_in_one_way_are_one_finding() -> None:
    """What an export does wrong 300 times is told once, with the first ten other places."""
    found = read("sku,a\n" + "A\n" * 300 + "B,1,2\n")

    assert 2 == len(found.told)
    first, second = (line.splitlines() for line in found.told)
    assert "t.csv:2:1: ragged-row: 300 rows have 1 cell, the header 2 cells" == first[0]
    assert "      also at t.csv:3:1" == first[2]
    assert 12 == len(first)
    assert "t.csv:302:5: ragged-row: the row has 3 cells, the header 2 cells" == second[0]


def test_rows_that_are_ragged_in_many_ways_are_not_told_one_by_one() -> None:
    """After twenty findings of one cause comes how many there are."""
    found = read("sku\n" + "".join(f"A{',' * width}x\n" for width in range(1, 31)))

    assert 21 == len(found.told)
    assert "t.csv:22:1: ragged-row: 10 more rows are not 1 cell wide" == found.told[-1]


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (
            "sku,name,sku\nA,x,B\n",
            [
                (
                    "t.csv:1:10: duplicate-header: two columns are named 'sku'\n"
                    "      rename one of them\n"
                    "      also at t.csv:1:1"
                )
            ],
        ),
        (
            "sku,,b\nA,x,y\n",
            [
                (
                    "t.csv:1:5: empty-header: column 2 has cells, but no name\n"
                    "      name it in the first line, or delete the column"
                )
            ],
        ),
        ("sku;b;;\nA;x;;\n", []),
    ],
)
def test_headers(text: str, findings: list[str]) -> None:
    """Columns have names of their own; what a spreadsheet leaves blank at the end is no column."""
    found = read(text)

    assert findings == found.told
    assert ["A"] == found.keys


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            'sku,name\nA,x\nB,"one\ntwo\n',
            (
                "t.csv:3:3: bad-csv: the quote that opens this cell is never closed\n"
                "      close it, or write a quote that belongs to the text twice, within quotes"
            ),
        ),
        (
            'sku,name\nA,x\nB,"one "two" three"\n',
            (
                "t.csv:3:3: bad-csv: the quote that opens this cell is closed in the middle of it\n"
                "      write a quote that belongs to the text twice\n"
                "      also at t.csv:3:9"
            ),
        ),
    ],
)
def test_broken_quoting_is_told_where_it_begins(text: str, finding: str) -> None:
    """What stands before the fault is read, for further findings."""
    found = read(text)

    assert [finding] == found.told
    assert ["A"] == found.keys


def test_a_cell_of_ten_megabytes_is_refused() -> None:
    """What no prompt could hold is a finding at its place, found at once."""
    found = read(f"sku,name\nA,x\nB,{'y' * 10_000_000}\n")

    assert ["t.csv:3:3: bad-csv: a cell has more than 131,072 characters"] == found.told
    assert ["A"] == found.keys


def test_an_inch_sign_is_no_broken_quote() -> None:
    """A quote inside a cell that does not begin with one is text."""
    assert ['5" screen'] == read('sku,name\nA,5" screen\n').column("name")


@pytest.mark.parametrize("data", ["", "\n\r\n", "\ufeff"])
def test_an_empty_file_is_told(data: str) -> None:
    """A table needs at least the names of its columns."""
    message = "t.csv:1:1: empty-table: the table is empty: its first line must name the columns"

    assert [f"{message}\n      is this the right file?"] == read(data).told


def test_a_table_without_rows_is_a_warning() -> None:
    """A header alone makes no clip, which may be meant."""
    message = "m.yaml/file:1:1: warning: no-rows: the table has no rows"

    assert [f"{message}\n      a shot for this table makes nothing"] == read("sku\n").told


def test_what_is_too_large_is_refused() -> None:
    """A file of millions of cells, columns or bytes is a finding, not a machine out of memory."""
    wide = read("sku" + ",a" * 3_000 + "\n")
    long = read(b"sku\n" + b"x" * 40_000_000)

    message = "t.csv:1:1: too-large: at most 2,000 columns and 5,000,000 cells are read"
    assert [message] == wide.told
    assert [message.replace("1:1", "2:1")] == read("sku\nA" + "," * 10_000_000).told
    assert ["t.csv:1:1: too-large: the file has 40,000,004 bytes; at most 40,000,000 are read"] == (
        long.told
    )


@pytest.mark.parametrize(
    ("path", "finding"),
    [
        ("no.csv", "m.yaml/file:1:1: missing-file: there is no file 'no.csv'"),
        ("", "m.yaml/file:1:1: missing-file: a folder is no table: ''"),
        (
            "a\0b",
            "m.yaml/file:1:1: missing-file: 'a\\u0000b' cannot be read: that is no name of a file",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, path: str, finding: str) -> None:
    """The finding stands where the manifest names the file."""
    table, findings = read_table(
        {"file": path, "key": "sku"},
        name="products",
        path=tmp_path / path,
        shown=path,
        span_of=span_of,
        read=Path.read_bytes,
    )

    assert table is None
    assert [finding] == Read(table=None, findings=findings).told
