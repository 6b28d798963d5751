"""The results are opened with a double click, where the decimal sign is a comma."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.sandboxes import Sandbox
from tests.trials.commands import make

MANIFEST = """\
callsheet: 1
name: results
tables:
  goods: {file: goods.csv, key: sku, as: g, encoding: %s}
shots:
  - {id: turn, for: goods, prompt: "{{ g.name }} turns slowly, no text."}
budget: {limit: 40 USD}
"""
TABLE = "sku;name;price\nA;Größe S;12,50\nB;Crème;8,00\n"


def _report(folder: Path, sandbox: Sandbox, encoding: str) -> Path:
    (folder / "m.yaml").write_text(MANIFEST % encoding, "utf-8")
    make(folder, sandbox, "m.yaml")
    return folder / "outputs" / "results" / "report"


def test_umlauts_and_columns_are_right(tmp_path: Path, sandbox: Sandbox) -> None:
    """Both files begin with a byte order mark, and have the table's delimiter."""
    (tmp_path / "goods.csv").write_text(TABLE, "utf-8")

    report = _report(tmp_path, sandbox, "utf-8")

    results = (report / "results.goods.csv").read_bytes()
    assert results.startswith("\ufeffsku;name;price;turn status;".encode())
    first, second = csv.DictReader(results.decode("utf-8-sig").splitlines(), delimiter=";")
    assert ("Größe S", "12,50", "done") == (first["name"], first["price"], first["turn status"])
    assert ("Crème", "8,00", "done") == (second["name"], second["price"], second["turn status"])
    assert (report / "report.csv").read_bytes().startswith("\ufeffaddress;shot;row;".encode())


@pytest.mark.parametrize(
    ("written", "codec", "mark"),
    [("windows-1252", "cp1252", b""), ("utf-16", "utf-16-le", b"\xff\xfe")],
)
def test_the_encoding_is_that_of_the_table(
    tmp_path: Path, sandbox: Sandbox, written: str, codec: str, mark: bytes
) -> None:
    """What could be opened before can be opened after."""
    (tmp_path / "goods.csv").write_bytes(mark + TABLE.encode(codec))

    results = (_report(tmp_path, sandbox, written) / "results.goods.csv").read_bytes()

    assert results.startswith(mark)
    assert "A;Größe S;12,50;done;" in results.removeprefix(mark).decode(codec)
