"""A Report becomes report.json, and records become report.csv.

Both stream, so that a million items need no memory. A cell that a spreadsheet would run as a
formula gets a `'` in front; an unknown price says so. Marks that turn the direction of writing are
written out, but for cells that are joined by.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from pipeline.domain import Record
from pipeline.findings import Span
from pipeline.foreign_text import printable, storable, without_direction
from pipeline.report.summary import Money, Report, Share

UNKNOWN = "unknown"
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""Some spreadsheets read the full-width signs as well."""
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*([eE][+-]?\d+)?")

_COLUMNS: Mapping[str, Callable[[Record], Any]] = MappingProxyType(
    {
        "address": lambda r: r.address,
        "shot": lambda r: r.shot,
        "row": lambda r: r.row_key,
        "cell": lambda r: r.cell,
        "take": lambda r: r.take,
        "axes": lambda r: "; ".join(f"{name}={value}" for name, value in r.axes.items()),
        "tags": lambda r: " ".join(r.tags),
        "state": lambda r: r.state,
        "cause": lambda r: r.cause,
        "message": lambda r: r.message,
        "path": lambda r: r.path,
        # Relative to report/, where the table lies: so it can be another manifest's table.
        "file": lambda r: f"../{r.path}" if r.path else None,
        "provider": lambda r: r.provider,
        "kind": lambda r: r.kind,
        "mode": lambda r: r.mode,
        "seconds": lambda r: r.seconds,
        "width": lambda r: r.width or None,
        "height": lambda r: r.height or None,
        "fps": lambda r: r.fps,
        "bytes": lambda r: r.bytes or None,
        "estimate_usd": lambda r: UNKNOWN if r.estimate_usd is None else r.estimate_usd,
        "reserved_usd": lambda r: r.reserved_usd,
        "charged_usd": lambda r: UNKNOWN if r.charge_source == UNKNOWN else r.charged_usd,
        "possible_usd": lambda r: r.possible_usd,
        "charged_native": lambda r: r.charged_native,
        "native_unit": lambda r: r.native_unit,
        "charge_source": lambda r: r.charge_source,
        "shared_with": lambda r: r.shared_with,
        "task": lambda r: r.task,
        "tries": lambda r: r.tries,
        "submitted_at": lambda r: _time(r.submitted_at),
        "finished_at": lambda r: _time(r.finished_at),
        "prompt": lambda r: r.prompt,
        "manifest_line": lambda r: _span(r.origin_shot),
        "table_line": lambda r: _span(r.origin_row),
        "sha256": lambda r: r.sha256,
        "key": lambda r: r.key,
        "unwanted": lambda r: "yes" if r.unwanted else "",
        "model": lambda r: r.model,
        "seed": lambda r: r.seed,
        "nsfw": lambda r: None if r.nsfw is None else "yes" if r.nsfw else "no",
    }
)
"""The columns of report.csv, in order: new ones are added at the end."""
_JOINED_BY = frozenset({"address", "row", "path", "file"})
"""Columns by which a line is joined with its table, its file or another report: byte for byte."""


def to_csv(records: Iterable[Record], delimiter: str = ",") -> Iterator[str]:
    """Yield report.csv line by line: a header, then one line per item."""
    yield csv_line(_COLUMNS, delimiter)
    for record in records:
        cells = {name: column(record) for name, column in _COLUMNS.items()}
        shown = (
            cell if name in _JOINED_BY or not isinstance(cell, str) else without_direction(cell)
            for name, cell in cells.items()
        )
        yield csv_line(shown, delimiter)


def to_json(report: Report, records: Iterable[Record]) -> Iterator[bytes]:
    """Yield report.json in pieces; the whole is valid under `report.schema.json`."""
    # Left open at its end: the items follow one by one, and are never held together.
    head = orjson.dumps(_head(report), option=orjson.OPT_INDENT_2)
    yield _harmless(head.removesuffix(b"\n}")) + b',\n  "items": ['
    for n, record in enumerate(records):
        item = {name: _plain(getattr(record, name)) for name in _FIELDS}
        if record.charge_source == UNKNOWN:
            item["charged_usd"] = None
        item["manifest_line"] = _span(record.origin_shot)
        item["table_line"] = _span(record.origin_row)
        item["passed_over"] = [
            {"provider": name, "reason": why} for name, why in record.passed_over
        ]
        yield (b",\n    " if n else b"\n    ") + _harmless(orjson.dumps(item))
    yield b"\n  ]\n}\n"


def _harmless(document: bytes) -> bytes:
    """Return the same JSON without a raw character that would control a terminal."""
    plain = document.isascii() and b"\x7f" not in document
    return document if plain else printable(document.decode()).encode()


def csv_line(cells: Iterable[Any], delimiter: str = ",") -> str:
    """Return one CSV line; no cell of it can be run as a formula."""
    texts = []
    for cell in cells:
        text = "" if cell is None else str(cell)
        # -5 begins like a formula and is none: with a mark before it, it could not be added up.
        if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
            text = f"'{text}"
        # A lone carriage return is not quoted by csv.writer, and ends the line for some readers.
        texts.append(storable(text.replace("\r\n", "\n").replace("\r", "\n")))
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerow(texts)
    return written.getvalue()


def encode_for_spreadsheets(lines: Iterable[str], encoding: str = "utf-8") -> Iterator[bytes]:
    """Yield the bytes of a CSV file that opens right with a double click.

    UTF-8 and UTF-16 begin with a byte order mark: without it some programs take them for the code
    page of the machine. Where Windows-1252 lacks a character, the file is UTF-8.
    """
    if encoding == "cp1252":
        # Whether this code page has every character shows at the last line only.
        whole = list(lines)
        try:
            yield "".join(whole).encode(encoding)
        except UnicodeEncodeError:
            yield from encode_for_spreadsheets(whole)
        return
    yield "\ufeff".encode(encoding)
    for line in lines:
        yield line.encode(encoding)


def _head(report: Report) -> dict[str, Any]:
    return {
        "callsheet_report": 1,
        "campaign": report.campaign,
        "profile": report.profile,
        "rehearsal": report.rehearsal,
        "manifest": report.manifest,
        "root": report.root,
        "made_at": _time(report.made_at),
        "item_count": report.items,
        "shared_count": report.shared,
        "unwanted_count": report.unwanted,
        "counts": dict(report.counts),
        "money": _money(report.money),
        "earlier_usd": _plain(report.earlier_usd),
        "unconfirmed_prices": list(report.prices),
        "by_provider": [_share(share) for share in report.by_provider],
        "by_model": [_share(share) for share in report.by_model],
        "by_shot": [_share(share) for share in report.by_shot],
        "causes": [
            {
                "state": group.state,
                "cause": group.cause,
                "items": group.items,
                "title": group.title,
                "todo": group.todo,
                "command": group.command,
                "providers": group.providers,
                "messages": [{"text": text, "items": items} for text, items in group.messages],
                "addresses": [case.address for case in group.cases],
            }
            for group in report.groups
        ],
    }


def _money(money: Money) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(money).items()}


def _share(share: Share) -> dict[str, Any]:
    return {
        "name": share.name,
        "items": share.items,
        "done": share.done,
        "money": _money(share.money),
        "native": {unit: _plain(amount) for unit, amount in share.native},
    }


_APART = frozenset(
    {"campaign", "origin_shot", "origin_row", "passed_over", "status", "output", "high_usd"}
    | {"adopted_usd", "elsewhere_usd", "accepted_at", "fetched_at", "references", "work"}
)
_FIELDS = tuple(name for name in Record.__dataclass_fields__ if name not in _APART)


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return float(value)
        case datetime():
            return _time(value)
        case Mapping():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case tuple() | list() | set() | frozenset():
            return [_plain(inner) for inner in value]
        case str():
            return str(value)
        case _:
            return value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(span: Span | None) -> str:
    return f"{span.file}:{span.line}:{span.column}" if span else ""


def label_posters(
    records: Iterable[Record], posters: Collection[str], place: Callable[[str], Path]
) -> Iterator[tuple[str, str, Path]]:
    """Yield shot, address and poster of each clip among the digests that have one."""
    for record in records:
        if record.sha256 in posters:
            yield record.shot, record.address, place(record.sha256)
