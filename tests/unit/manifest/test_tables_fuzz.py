"""Whatever a table's file holds, reading it ends in rows or findings, never in a crash."""

from __future__ import annotations

import csv
import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.findings import render
from tests.unit.manifest.tabular import read

PIECES = st.sampled_from(
    [
        *("sku", "a", ",", ";", "\t", "|", '"', '""', "\n", "\r\n", "\r", " ", "sep=;", "_skip"),
        *("_takes", "rows", "1", "79,90", "yes", "ü", "\ufeff", "\0", "\u2028", "{{ a }}", "n/a"),
    ]
)
KINDS = st.sampled_from(
    [
        *("text", "number", "number?", "integer", "boolean?", "date", "url", "image?", "video"),
        {"enum": ["a", "1"]},
        {"list": "number", "separator": "|", "optional": True},
        {"type": "number", "decimal": ","},
    ]
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "columns": st.dictionaries(st.sampled_from(["sku", "a", "b"]), KINDS, max_size=2),
        "group_by": st.sampled_from(["sku", "a"]),
        "fill_down": st.lists(st.sampled_from(["sku", "a"]), min_size=1, max_size=2, unique=True),
        "order_by": st.sampled_from(["a", "-a", "sku", "b"]),
        "limit": st.integers(1, 3),
        "encoding": st.sampled_from(["utf-8", "utf-16", "windows-1252"]),
        "delimiter": st.sampled_from([",", ";", "\t", "tab", "|"]),
        "join": st.just({"table": "others", "on": "sku"}),
    },
)
OTHERS = {"others": read("sku,b\nA,1\n1,2\n").table}


def _read(data: bytes, spec: dict[str, Any]) -> None:
    """Read a table and use everything that came of it."""
    found = read(data, others=OTHERS, **spec)
    for finding in found.findings:
        assert render(finding, {})
        assert finding.span.line >= 1
        assert finding.span.column <= finding.span.end_column
    if found.table is None:
        assert found.findings
        return
    assert len(found.keys) == len(set(found.keys))
    for row in found.rows:
        assert row.key
        assert dict(row.values)
        assert dict(row.cells)
        assert row.values["rows"]


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), spec=SPECS)
def test_any_bytes(data: bytes, spec: dict[str, Any]) -> None:
    """Bytes of any sort end in a table or in findings."""
    _read(data, spec)
    _read(b"sku,a\n" + data, spec)


@settings(max_examples=250, deadline=None)
@given(pieces=st.lists(PIECES, max_size=40), spec=SPECS)
def test_anything_like_csv(pieces: list[str], spec: dict[str, Any]) -> None:
    """What is nearly CSV ends in a table or in findings, too."""
    _read("".join(pieces).encode(), spec)
    _read(("sku,a\n" + "".join(pieces)).encode(), spec)


CELL = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    cells=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_cell_comes_back_from_its_place(
    cells: list[tuple[str, str]], end: str, mark: str
) -> None:
    """Every cell reads as it was written, and its place in the file is where it stands."""
    written = io.StringIO()
    # Python 3.11 writes a lone carriage return without quotes, which would end the record.
    bare = any("\r" in cell for pair in cells for cell in pair)
    dialect = csv.unix_dialect if bare else csv.excel
    writer = csv.writer(written, dialect, delimiter=mark, lineterminator=end)
    writer.writerow(["sku", "a", "b"])
    writer.writerows((f"K{number}", *pair) for number, pair in enumerate(cells))
    text = written.getvalue()

    found = read(text, delimiter=mark)

    assert [] == found.told
    assert cells == [(row.values["a"], row.values["b"]) for row in found.rows]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for row in found.rows:
        for name in ("a", "b"):
            place, value = row.cells[name], row.values[name]
            there = lines[place.line - 1][place.column - 1 : place.end_column - 1]
            first = value.replace("\r\n", "\n").replace("\r", "\n").split("\n")[0]
            assert there.removeprefix('"').replace('""', '"').startswith(first)
            assert (place.line, place.column) > (row.span.line, 1)
