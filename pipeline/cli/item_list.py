"""Items, one a line, as the next run would find them."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from pipeline.api.campaign_plan import plain_item
from pipeline.cli.console import is_unread, print_text
from pipeline.cli.options import ListForm
from pipeline.collector import collector_paused
from pipeline.domain import DEFAULT_MODEL, Record
from pipeline.domain.money import exact_usd
from pipeline.domain.review import Review
from pipeline.foreign_text import printable_line
from pipeline.run.plan_sync import PlanLine

_MEASURED = 500
"""Items by which the columns are made wide enough; a longer text later moves only its own line."""


@collector_paused()
def print_items(records: Iterable[Record], folder: Path, form: ListForm) -> None:
    """Print items as they come, without holding them."""
    if form is ListForm.JSON:
        lines = (json.dumps(plain_item(each, folder), ensure_ascii=False) for each in records)
    else:
        lines = _as_text(iter(records), folder)
    for line in lines:
        print_text(line)
        # `| head` has seen enough: what else there is would be made for nobody.
        if is_unread():
            return


def standing_text(standing: Record | PlanLine) -> str:
    """Return where items stand as plans and lists print it, with why in brackets."""
    told = {"earlier rule": standing.earlier_rule, "approved, stale": standing.stale}
    if isinstance(standing, Record):
        told[standing.review] = standing.review in _DECIDED
    why = ", ".join(
        filter(None, (standing.cause, *(word for word, holds in told.items() if holds)))
    )
    return f"{standing.status} ({why})" if why else str(standing.status)


def _as_text(records: Iterator[Record], folder: Path) -> Generator[str, None, None]:
    first = [_cells(record, folder) for record in islice(records, _MEASURED)]
    widths = [max(map(len, column)) for column in zip(_TITLES, *first, strict=True)]
    rest = (_cells(record, folder) for record in records)
    for address, maker, status, price, path in chain([_TITLES], first, rest):
        yield (
            f"{address:<{widths[0]}}  {maker:<{widths[1]}}  {status:<{widths[2]}}"
            f"  {price:>{widths[3]}}  {path}"
        )


_DECIDED = frozenset({Review.APPROVED, Review.REJECTED, Review.LATER})
_TITLES = ("address", "provider", "status", "USD", "path")


def _cells(record: Record, folder: Path) -> tuple[str, str, str, str, str]:
    status = standing_text(record)
    price = "unknown" if record.estimate_usd is None else exact_usd(record.estimate_usd)
    path = os.path.normpath(folder / (record.path or record.output))
    # The usual model goes without saying.
    usual = record.model == DEFAULT_MODEL
    maker = record.provider if usual else f"{record.provider} {record.model}"
    cells = (record.address, maker, status, price, path)
    address, provider, status, price, path = map(printable_line, cells)
    return address, provider, status, price, path
