"""Tables that a spreadsheet opens: no cell of them is run, wherever its text came from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.unit.report.records import done, failed
from tests.unit.report.tables import table
from tests.unit.report.whole_files import to_csv, to_results

_MARKS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What makes a cell a formula; some spreadsheets read the full-width forms so too."""
FORMULAS = [f"{mark}cmd|' /c calc'!A1" for mark in _MARKS]
NUMBERS = ["-1", "+4.5", "-1,50", "-1e-5"]
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*([eE][+-]?\d+)?")
TEXTS = ("address", "shot", "cell", "cause", "message", "provider", "prompt", "task")


def _cells(lines: Iterable[str]) -> list[str]:
    rows = csv.reader(io.StringIO("".join(lines), newline=""))
    return [cell for row in rows for cell in row]


def _run(lines: Iterable[str]) -> list[str]:
    """Return the cells that a spreadsheet would run."""
    cells = _cells(lines)
    return [cell for cell in cells if cell[:1] in set(_MARKS) and not _NUMBER.fullmatch(cell)]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_the_report_is_a_formula(text: str) -> None:
    """Wherever it stands: in an address, a tag, an axis, a provider's message, a file's name."""
    record = replace(
        done(**dict.fromkeys(TEXTS, text)),
        row_key=text,
        tags=(text,),
        axes={text: text},
        native_unit=text,
        origin_shot=replace(done().origin_shot, file=text),
    )

    assert [] == _run(to_csv([record]))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_the_results_is_a_formula(text: str) -> None:
    """The product table's own columns and cells, and what is added to them."""
    row = {"sku": text, "name": text, "price": text, "tags": (text, text)}
    products = replace(table(row), columns=(*table().columns, text))
    record = failed(row_key=text, shot=text, cell=text, cause=text, path=text)

    assert [] == _run(to_results(products, [record], {text}))


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_stays_a_number(text: str) -> None:
    """A quote in front would make a negative price a text."""
    row = {"sku": "SKU-1", "name": "x", "price": text, "tags": ()}

    assert text in _cells(to_results(table(row), [], set()))
    assert text in _cells(to_csv([done(message=text)]))
