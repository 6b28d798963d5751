"""A Report becomes report.json, and records become report.csv.

Both stream, so that a million items need no memory. A cell that a spreadsheet would run as a
formula gets a `'` in front; an unknown price says so. Marks that turn the direction of writing are
written out, but for cells that are joined by.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import orjson

from pipeline.domain import Record
from pipeline.domain.acceptance import GAVE_UP
from pipeline.domain.forecast import CampaignForecast
from pipeline.domain.review import TakeDecision
from pipeline.findings import Span
from pipeline.foreign_text import printable, storable, without_direction
from pipeline.report.outcomes import UNKNOWN, Bound, outcome_of
from pipeline.report.place_words import stuck_text
from pipeline.report.summary import Money, Report, Share

_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
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
        "outcome": outcome_of,
        "decision": lambda r: r.review,
        "reason": lambda r: decision_words(r, "reason"),
        "note": lambda r: decision_words(r, "note"),
        "who": lambda r: decision_words(r, "who"),
        "decided_at": lambda r: _time(max((each.at for each in r.decisions), default=None)),
    }
)
"""The columns of report.csv, in order: new ones are added at the end."""
_CELLS = tuple(_COLUMNS.values())
_JOINED_BY = frozenset({"address", "row", "path", "file"})
"""Columns by which a line is joined with its table, its file or another report: byte for byte."""
_SHOWN = tuple(name not in _JOINED_BY for name in _COLUMNS)


def decision_words(record: Record, name: str) -> str:
    """Return what people said of a clip; of several who differ, each one's words."""
    if not record.decisions:
        return ""
    return "; ".join(filter(None, (str(getattr(each, name)) for each in record.decisions)))


def csv_head(delimiter: str = ",") -> str:
    """Return the header of report.csv."""
    return csv_line(_COLUMNS, delimiter)


def csv_record(record: Record, delimiter: str = ",") -> str:
    """Return the line of report.csv of an item."""
    return csv_line([read(record) for read in _CELLS], delimiter, shown=_SHOWN)


def json_head(report: Report) -> bytes:
    """Return report.json until its items, which follow one by one."""
    head = orjson.dumps(_head(report), option=orjson.OPT_INDENT_2)
    return _harmless(head.removesuffix(b"\n}")) + b',\n  "items": ['


JSON_END = b"\n  ]\n}\n"


def json_item(record: Record) -> bytes:
    """Return an item of report.json."""
    item = dict(zip(_FIELDS, _read_fields(record), strict=True))
    if record.charge_source == UNKNOWN:
        item["charged_usd"] = None
    item["outcome"] = outcome_of(record)
    item["decisions"] = [told_decision(each) for each in record.decisions]
    item["manifest_line"] = _span(record.origin_shot)
    item["table_line"] = _span(record.origin_row)
    item["passed_over"] = [{"provider": name, "reason": why} for name, why in record.passed_over]
    return _harmless(orjson.dumps(item, default=_plain, option=_JSON))


def told_decision(decision: TakeDecision) -> dict[str, Any]:
    """Return what is told of a decision: the word, why, who and when."""
    return {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "note": decision.note,
        "who": decision.who,
        "at": decision.at,
    }


_JSON = orjson.OPT_OMIT_MICROSECONDS | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def _harmless(document: bytes) -> bytes:
    """Return the same JSON without a raw character that would control a terminal."""
    plain = document.isascii() and b"\x7f" not in document
    return document if plain else printable(document.decode()).encode()


def csv_line(cells: Iterable[Any], delimiter: str = ",", *, shown: Sequence[bool] = ()) -> str:
    """Return one CSV line; no cell of it can be run as a formula.

    In cells that are `shown`, what turns the direction of writing is written out.
    """
    texts = ["" if cell is None else str(cell) for cell in cells]
    # Of most lines there is nothing to write out, which is seen at once.
    plain = "".join(texts).isprintable()
    if not plain and shown:
        texts = [
            without_direction(text) if is_shown else text
            for text, is_shown in zip(texts, shown, strict=True)
        ]
    # -5 begins like a formula and is none: with a mark before it, it could not be added up.
    texts = [
        f"'{text}" if text[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text
        for text in texts
    ]
    if not plain:
        # A lone carriage return is not quoted by csv.writer, and ends the line for some readers.
        texts = [storable(text.replace("\r\n", "\n").replace("\r", "\n")) for text in texts]
    line: str = _writer(delimiter).writerow(texts)
    return line


class _Echo:
    """A file for csv.writer, whose `writerow` returns what `write` returns."""

    def write(self, line: str) -> str:
        return line


@cache
def _writer(delimiter: str) -> Any:
    return csv.writer(_Echo(), delimiter=delimiter, lineterminator="\n")


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
        **_outcomes(report),
        "places": _places(report),
        "forecast": _forecast(report.forecast),
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


def _outcomes(report: Report) -> dict[str, Any]:
    told = report.outcomes
    cost = told.cost_per_approved_usd
    return {
        "approved_count": told.approved,
        "cost_per_approved_usd": None if cost is None else float(cost),
        "lifetime": _bound(told.total),
        "outcomes": [
            {"outcome": outcome, **_bound(bound)} for outcome, bound in told.by_outcome.items()
        ],
        "yield": {
            title.replace(" ", "_"): [
                {
                    "name": each.name,
                    "detail": each.detail,
                    "clips": {str(outcome): number for outcome, number in each.clips.items()},
                    "yield": each.rate,
                    "charged_usd": _plain(each.charged_usd),
                }
                for each in yields
            ]
            for title, yields in told.yields.items()
        },
    }


def _bound(bound: Bound) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(bound).items()}


def _places(report: Report) -> dict[str, Any] | None:
    totals = report.place_totals
    if totals is None:
        return None
    return {
        "count": len(report.places),
        "counts": {str(state): number for state, number in totals.states.items()},
        "waiting_clips": totals.waiting_clips,
        "takes_left": totals.takes_left,
        "left_usd": _plain(totals.left_usd),
        "each": [
            {
                "address": place.address,
                "state": place.state,
                "takes": len(place.begun),
                "approved_takes": [each.number for each in place.approved],
                "waiting_takes": [each.number for each in place.waiting],
                "charged_usd": _plain(place.cost.charged_usd),
                "reserved_usd": _plain(place.cost.reserved_usd),
                "possible_usd": _plain(place.cost.possible_usd),
                "why": stuck_text(place) if place.state in GAVE_UP else "",
            }
            for place in report.places
        ],
    }


def _forecast(found: CampaignForecast | None) -> dict[str, Any] | None:
    if found is None:
        return None
    told, review = found.forecast, found.review
    return {
        **{name: _plain(value) for name, value in asdict(told).items()},
        "previous": None
        if review is None
        else {
            "at": _time(review.earlier.at.replace(microsecond=0)),
            "money_usd": _plain(asdict(review.earlier.forecast.money_usd)),
            "stuck": asdict(review.earlier.forecast.stuck),
            "decisions_since": review.decisions,
            "approvals_since": review.approvals,
            "spent_since_usd": _plain(review.spent_usd),
            "money_now_usd": _plain(review.money_usd),
            "stuck_now": review.stuck,
            "money_holds": review.money_holds,
            "stuck_holds": review.stuck_holds,
        },
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
    | {"decisions", "not_needed", "selected", "loop", "lost_charged_usd", "lost_possible_usd"}
)
_FIELDS = tuple(name for name in Record.__dataclass_fields__ if name not in _APART)
_read_fields = attrgetter(*_FIELDS)


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
