"""report.json follows its schema, report.csv is safe to open."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from pipeline.domain import Record
from pipeline.report.html import to_html
from pipeline.report.markdown import to_markdown
from pipeline.report.terminal import render_text
from pipeline.schemas import schema
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.whole_files import summarise, to_csv, to_json

MIXED = (
    done(),
    done(address="b", shared_with="spin[SKU-1,calm]", charged_native=Decimal("7.5")),
    failed(passed_over=(("runware", "cannot be told a ratio"),), origin_row=None),
    held(estimate_usd=None),
    done(charged_usd=Decimal(0), charge_source="unknown"),
)


def _json(records: Sequence[Record]) -> dict[str, Any]:
    report = summarise(records, campaign="spring", now=NOON, command="callsheet run m.yaml")
    whole: dict[str, Any] = json.loads(b"".join(to_json(report, records)))
    return whole


def _csv(*records: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(to_csv(records)))))


@pytest.mark.parametrize("records", [(), (done(),), MIXED], ids=["none", "one", "mixed"])
def test_the_report_is_valid_under_its_schema(records: Sequence[Record]) -> None:
    """Whatever happened, report.json is what its closed schema says."""
    validator = jsonschema.Draft202012Validator(schema("report"))

    assert [] == [error.message for error in validator.iter_errors(_json(records))]


def test_the_schema_describes_every_key() -> None:
    """Each property has a description, and every object is closed."""
    whole = schema("report")
    objects = [whole, *(part for part in whole["$defs"].values() if "properties" in part)]

    for part in objects:
        assert part["additionalProperties"] is False
        silent = [
            name
            for name, about in part["properties"].items()
            if "description" not in about and "description" not in _target(whole, about)
        ]
        assert [] == [name for name in silent if name not in {"state", "money"}]


def _target(whole: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    name = about.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = whole["$defs"].get(name, {})
    return found


def test_an_item_keeps_what_a_person_asks_about() -> None:
    """Address, path, sums and the manifest line are there, as plain data."""
    item = _json(MIXED)["items"][0]

    assert "spin[SKU-1,calm]" == item["address"]
    assert 0.42 == item["charged_usd"]
    assert "manifests/spring/campaign.yaml:61:5" == item["manifest_line"]
    assert "2026-04-01T12:00:00Z" == item["finished_at"]


def test_an_unknown_price_is_null_in_json_and_a_word_in_csv() -> None:
    """It is never 0."""
    record = held(estimate_usd=None)

    assert _json([record])["items"][0]["estimate_usd"] is None
    assert "unknown" == _csv(record)[0]["estimate_usd"]


def test_the_table_has_one_line_per_item() -> None:
    """Line breaks and commas in a prompt stay inside their cell."""
    rows = _csv(done(prompt='one,\n"two"'), failed(prompt="three"))

    assert ['one,\n"two"', "three"] == [row["prompt"] for row in rows]


def test_the_columns_are_stable() -> None:
    """Other programs read this table: columns keep name and place, new ones come last."""
    header = next(iter(to_csv(()))).strip().split(",")

    assert ["address", "shot", "row", "cell", "take", "axes", "tags", "state", "cause"] == header[
        :9
    ]
    assert ["message", "path", "file", "provider"] == header[9:13]
    assert len(set(header)) == len(header)
    assert [] == [name for name in header if name.startswith("_")]


def test_the_clip_is_named_from_where_the_table_lies() -> None:
    """`file` leads from report/ to the clip, so the table can be another manifest's."""
    assert "../spin/SKU-1/calm_t1.mp4" == _csv(done())[0]["file"]
    assert "" == _csv(failed())[0]["file"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(0)", "--1", "+"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would run gets a quote in front."""
    expected = f"'{text}".replace("\r", "\n")

    assert expected == _csv(done(prompt=text))[0]["prompt"]


@pytest.mark.parametrize("text", ["-1", "+4.5", "-1,50", "-1e5", "harmless", "a=b", ""])
def test_numbers_and_harmless_text_stay_as_they_are(text: str) -> None:
    """A negative number is no formula."""
    assert text == _csv(done(prompt=text))[0]["prompt"]


def test_both_stream() -> None:
    """The second item is not asked for before the first was written."""
    asked: list[str] = []

    def records() -> Any:
        for record in MIXED:
            asked.append(record.address)
            yield record

    pieces = to_csv(records())
    next(pieces)
    next(pieces)

    assert [MIXED[0].address] == asked


def test_what_was_left_out_too_late_is_told_everywhere() -> None:
    """A clip that was bought although somebody left it out is marked, and counted."""
    records = (done(unwanted=True), done(address="b"))
    report = summarise(records, campaign="spring", now=NOON)

    assert ["yes", ""] == [row["unwanted"] for row in _csv(*records)]
    whole = _json(records)
    assert 1 == whole["unwanted_count"]
    assert [True, False] == [item["unwanted"] for item in whole["items"]]
    for text in (to_markdown(report), to_html(report, records), render_text(report)):
        assert "1 unwanted: left out after submit" in text


def test_what_turns_the_direction_of_writing_is_written_out() -> None:
    r"""But where lines are joined by it: row, address and file are as in the table and on disk."""
    turned, spelled = (
        "a\u202eb\u2066c",
        "\N{WOMAN}\u200d\N{PERSONAL COMPUTER} \u0645\u06cc\u200c\u062e",
    )
    record = failed(
        address=turned, row_key=turned, path=turned, message=turned, prompt=f"{turned} {spelled}"
    )

    (row,) = csv.DictReader(io.StringIO("".join(to_csv([record]))))

    assert [turned, turned, turned] == [row["address"], row["row"], row["path"]]
    assert f"../{turned}" == row["file"]
    assert r"a\u202eb\u2066c" == row["message"]
    assert rf"a\u202eb\u2066c {spelled}" == row["prompt"]
