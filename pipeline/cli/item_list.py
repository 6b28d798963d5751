"""Items, one a line, as the next run would find them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType

from pipeline.api.campaign_plan import plain_item
from pipeline.api.money_text import money
from pipeline.cli.console import is_unread, print_text
from pipeline.cli.options import ListForm
from pipeline.domain import Record
from pipeline.foreign_text import printable_line

_MEASURED = 500
"""Items by which the columns are made wide enough; a longer text later moves only its own line."""


def print_items(records: Iterable[Record], folder: Path, form: ListForm) -> None:
    """Print items as they come, without holding them."""
    for line in _WRITERS[form](iter(records), folder):
        print_text(line)
        if is_unread():
            return


def standing_text(status: str, cause: str, *, earlier_rule: bool) -> str:
    """Return where items stand as plans and lists print it, with why in brackets."""
    why = ", ".join(filter(None, (cause, "earlier rule" if earlier_rule else "")))
    return f"{status} ({why})" if why else str(status)


def _as_text(records: Iterator[Record], folder: Path) -> Iterator[str]:
    first = [_cells(record, folder) for record in islice(records, _MEASURED)]
    widths = [max(map(len, column)) for column in zip(_TITLES, *first, strict=True)]
    rest = (_cells(record, folder) for record in records)
    for address, maker, status, price, path in chain([_TITLES], first, rest):
        yield (
            f"{address:<{widths[0]}}  {maker:<{widths[1]}}  {status:<{widths[2]}}"
            f"  {price:>{widths[3]}}  {path}"
        )


_TITLES = ("address", "provider", "status", "USD", "path")


def _cells(record: Record, folder: Path) -> tuple[str, str, str, str, str]:
    status = standing_text(record.status, record.cause, earlier_rule=record.earlier_rule)
    price = "unknown" if record.estimate_usd is None else money(record.estimate_usd)
    told = (record.address, record.provider, status, price, _path(record, folder))
    address, provider, status, price, path = map(printable_line, told)
    return address, provider, status, price, path


def _path(record: Record, folder: Path) -> str:
    return str(folder / (record.path or record.output))


def _as_json(records: Iterator[Record], folder: Path) -> Iterator[str]:
    for record in records:
        yield json.dumps(plain_item(record, folder), ensure_ascii=False)


_WRITERS: Mapping[ListForm, Callable[[Iterator[Record], Path], Iterator[str]]] = MappingProxyType(
    {ListForm.TEXT: _as_text, ListForm.JSON: _as_json}
)
