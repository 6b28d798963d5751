"""The report and its files from records that are all at hand, as `api.report_files` writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from pipeline.domain import Record, Table
from pipeline.domain.loop_places import LoopPlace
from pipeline.report.formats import JSON_END, csv_head, csv_record, json_head, json_item
from pipeline.report.junit import junit_case, junit_end, junit_head
from pipeline.report.summary import Report, ReportHead, ReportTally
from pipeline.report.table_results import TableResults


def to_csv(records: Iterable[Record], delimiter: str = ",") -> Iterator[str]:
    """Yield report.csv line by line: a header, then one line per item."""
    yield csv_head(delimiter)
    for record in records:
        yield csv_record(record, delimiter)


def to_json(report: Report, records: Iterable[Record]) -> Iterator[bytes]:
    """Yield report.json in pieces; the whole is valid under `report.schema.json`."""
    yield json_head(report)
    for n, record in enumerate(records):
        yield b",\n    " if n else b"\n    "
        yield json_item(record)
    yield JSON_END


def to_junit(report: Report, records: Iterable[Record]) -> Iterator[str]:
    """Yield junit.xml in pieces."""
    # The format wants the sums before the cases.
    cases = [junit_case(record) for record in records if record.loop is None]
    yield junit_head(report, Counter(element for element, _ in cases))
    yield from (text for _, text in cases)
    yield junit_end(report)


def to_results(
    table: Table,
    records: Iterable[Record],
    shots: Collection[str],
    places: Iterable[LoopPlace] = (),
) -> Iterator[str]:
    """Yield results.<table>.csv line by line, for the shots that are made for this table."""
    results = TableResults(table, shots)
    for record in records:
        results.add(record)
    yield from results.lines(places)


def summarise(
    records: Iterable[Record],
    *,
    campaign: str,
    now: datetime,
    since: datetime | None = None,
    **head: Any,
) -> Report:
    """Return how the campaign stands; the other words are those of `ReportHead`.

    With `since` the clips that are named, and counted for that, are those that came from then on.
    """
    tally = ReportTally(since=since)
    for record in records:
        tally.add(record)
    return tally.report(ReportHead(campaign=campaign, made_at=now, **head))
