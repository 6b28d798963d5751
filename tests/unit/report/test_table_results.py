"""results.<table>.csv is the product table, and what came of each row."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from pipeline.domain import Record, Table
from pipeline.report.outcomes import UNKNOWN
from tests.unit.report.records import done, failed
from tests.unit.report.tables import table
from tests.unit.report.whole_files import to_results


def _rows(
    given: Table, *records: Record, shots: tuple[str, ...] = ("spin",)
) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(to_results(given, records, shots)))))


def test_a_row_keeps_its_own_columns_and_gains_its_outcome() -> None:
    """The table's columns first, then status, path, cost and cause per shot and cell."""
    (row,) = _rows(table(), done())

    assert {
        "sku": "SKU-1",
        "name": "Runner",
        "price": "9.5",
        "tags": "a | b",
        "spin[calm] status": "done",
        "spin[calm] path": "spin/SKU-1/calm_t1.mp4",
        "spin[calm] cost_usd": "0.42",
        "spin[calm] cause": "",
        "spin[calm] outcome": "waiting",
        "spin[calm] take": "1",
        "spin[calm] reason": "",
        "spin[calm] note": "",
        "spin[calm] who": "",
    } == row


def test_cells_and_takes_have_columns_of_their_own() -> None:
    """A second take and a second cell stand beside the first."""
    (row,) = _rows(table(), done(), done(take=2), failed(cell="bold"))

    assert ("done", "done", "failed", "refused") == (
        row["spin[calm] status"],
        row["spin[calm]#2 status"],
        row["spin[bold] status"],
        row["spin[bold] cause"],
    )


def test_a_row_without_items_has_its_line() -> None:
    """The table comes back whole."""
    first, second = _rows(table({"sku": "SKU-1"}, {"sku": "SKU-2"}), done())

    assert ("done", "") == (first["spin[calm] status"], second["spin[calm] status"])


def test_other_tables_shots_stay_out() -> None:
    """Only the shots that are made for this table count."""
    (row,) = _rows(table(), done(), done(shot="reveal"))

    assert [] == [name for name in row if name.startswith("reveal")]


def test_a_shared_purchase_is_not_charged_twice() -> None:
    """A sum over the column is what was paid."""
    (row,) = _rows(table(), done(cell="a"), done(cell="b", shared_with="spin[SKU-1,a]"))

    assert ("0.42", "shared") == (row["spin[a] cost_usd"], row["spin[b] cost_usd"])


def test_what_may_have_been_charged_is_no_nought() -> None:
    """A failed clip that the provider may have billed has no cost that is known."""
    (row,) = _rows(table(), failed(possible_usd=Decimal("0.42")))

    assert UNKNOWN == row["spin[calm] cost_usd"]


def test_a_cell_that_would_run_is_text() -> None:
    """What the shop's export brought in stays harmless."""
    (row,) = _rows(table({"sku": "SKU-1", "name": "=cmd()"}), done())

    assert "'=cmd()" == row["name"]


def test_no_cell_of_ours_turns_the_direction_of_writing() -> None:
    r"""A title is written out; what a line is joined by, and the file's path, stay as they are."""
    turned = "\u202egnp"
    given = table({"sku": f"SKU{turned}", "name": turned})
    record = done(row_key=f"SKU{turned}", cell=turned, path=f"spin/{turned}.mp4")

    (row,) = _rows(given, record)

    assert (f"SKU{turned}", turned) == (row["sku"], row["name"])
    assert f"spin/{turned}.mp4" == row[r"spin[\u202egnp] path"]
