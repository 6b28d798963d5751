"""What the page knows of a campaign, as one compact JSON object.

Columns, not objects: what many clips share (a shot, a prompt's sentence, a row of the table) stands
once, and the clips hold indexes. So a page of 20,000 clips stays below 1 kB a clip before its first
paint; posters and clips are loaded when they come into view.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pipeline.domain import EMPTY, Record, Table
from pipeline.domain.money import exact_usd
from pipeline.domain.records import RecordReference
from pipeline.domain.review import plain_decision
from pipeline.domain.states import AT_WORK, State
from pipeline.report.advice import MARKS
from pipeline.report.outcomes import UNKNOWN
from pipeline.report.summary import Report, origin
from pipeline.report.table_results import cell_text

Href = Callable[[RecordReference], str]
"""Where a reference picture is for the page."""
_SHORT = 200
_SENTENCE = re.compile(r"(?<=[.!?\n])(?=\s)|(?<=\n)")
"""Prompts of one template share most of their sentences: each is written once."""
REASONS = ("product", "motion", "anatomy", "text", "artefact", "framing", "look", "other")
"""Why a clip is rejected, where a team has no list of its own; the digit after `r` chooses."""

_COLUMNS: Mapping[str, Callable[[Record], Any]] = MappingProxyType(
    {
        "address": lambda r: r.address,
        "shot": lambda r: r.shot,
        "cell": lambda r: r.cell,
        "take": lambda r: r.take,
        "state": lambda r: r.state,
        "cause": lambda r: r.cause,
        "message": lambda r: r.message,
        "path": lambda r: r.path,
        "provider": lambda r: r.provider,
        "model": lambda r: r.model,
        "kind": lambda r: r.kind,
        "mode": lambda r: r.mode,
        "seconds": lambda r: r.seconds,
        "fps": lambda r: r.fps,
        "width": lambda r: r.width,
        "height": lambda r: r.height,
        "estimate": lambda r: None if r.estimate_usd is None else exact_usd(r.estimate_usd),
        "charged": lambda r: UNKNOWN if r.charge_source == UNKNOWN else exact_usd(r.charged_usd),
        "reserved": lambda r: exact_usd(r.reserved_usd),
        "possible": lambda r: exact_usd(r.possible_usd),
        "shared": lambda r: r.shared_with,
        "unwanted": lambda r: r.unwanted,
        "tags": lambda r: list(r.tags),
        "origin": origin,
        "sha256": lambda r: r.sha256,
        "key": lambda r: r.key,
        "submitted": lambda r: _unix(r.submitted_at),
        "accepted": lambda r: _unix(r.accepted_at),
        "finished": lambda r: _unix(r.finished_at),
        "fetched": lambda r: _unix(r.fetched_at),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSource:
    """What the page shows beside the report and its records."""

    posters: Collection[str] = ()
    """SHA-256 of every clip whose poster exists, at `poster_path`."""
    tables: Mapping[str, Table] = field(default_factory=lambda: EMPTY)
    """The table each shot is made for, whose columns the page shows and filters by."""
    row_groups: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: EMPTY)
    """The group of each row of a table, by which yield is told."""
    used: Mapping[str, Collection[str]] = field(default_factory=lambda: EMPTY)
    """The columns that templates read, by table: filters that are offered first."""
    href: Href = lambda reference: quote(reference.path)
    limit_usd: Decimal | None = None
    """The budget, for the chart of what was spent."""
    decisions: Sequence[Mapping[str, Any]] | None = None
    """Decisions that are saved and hold, as plain data; None: those of the records."""
    reasons: Sequence[str] = REASONS
    is_served: bool = False
    """A server saves decisions; else the browser keeps them until they are exported."""
    version: int = 0
    """Of a page that is served: what changed since is asked for by it."""


def page_data(report: Report, records: Iterable[Record], source: PageSource) -> dict[str, Any]:
    """Return the page's data, to be written as JSON."""
    held = list(records)
    sentences: dict[str, int] = {}
    prompts = [
        [sentences.setdefault(each, len(sentences)) for each in _SENTENCE.split(r.sent_prompt)]
        for r in held
    ]
    pictures: dict[RecordReference, int] = {}
    references = [
        [pictures.setdefault(each, len(pictures)) for each in record.references] for record in held
    ]
    axes = list(dict.fromkeys(axis for record in held for axis in record.axes))
    rows = _rows(held, source.tables, source.row_groups)
    places = {name: n for n, name in enumerate(rows)}
    columns = {name: pack([read(r) for r in held]) for name, read in _COLUMNS.items()}
    return {
        "name": report.campaign,
        "profile": report.profile,
        "root": report.root,
        "made_at": report.made_at.isoformat(timespec="seconds"),
        "served": source.is_served,
        "version": source.version,
        "limit": None if source.limit_usd is None else exact_usd(source.limit_usd),
        **page_figures(report),
        # How many approved clips a place wants, where that is not one.
        "wanted": {
            place.shot: place.policy.approved
            for place in report.places
            if place.policy.approved > 1
        },
        # As keys, orjson takes plain words alone.
        "marks": {str(state): mark for state, mark in MARKS.items()},
        "tables": {
            table.name: {
                "columns": list(table.columns),
                "used": [n for n in table.columns if n in source.used.get(table.name, ())],
            }
            for table in source.tables.values()
        },
        "rows": list(rows.values()),
        "axes": axes,
        "sentences": list(sentences),
        "pictures": [_picture(each, source) for each in pictures],
        "reasons": list(source.reasons),
        "decisions": page_decisions(held) if source.decisions is None else list(source.decisions),
        "clips": {
            **columns,
            "row": [places[_row_name(record, source.tables)] for record in held],
            "prompt": pack(prompts),
            "references": pack(references),
            "axes": pack([[record.axes.get(axis, "") for axis in axes] for record in held]),
            "poster": pack([record.sha256 in source.posters for record in held]),
        },
    }


def page_decisions(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return what holds of these clips, as the page knows it: of one clip several may differ."""
    return [
        {
            "reason": "",
            "note": "",
            **plain_decision(each),
            "id": each.id,
            # The clip as the page has it: after merging lock files its key may be another.
            **{name: getattr(record, name) for name in ("address", "take", "key")},
        }
        for record in records
        for each in record.decisions
    ]


_FIGURES = ("estimate", "charged", "reserved", "possible")
_TO_MAKE = (State.PLANNED, State.STAGING)


def page_figures(report: Report) -> dict[str, Any]:
    """Return what the page counts that is of no single clip."""
    counts = dict(report.counts)
    return {
        "spent": {name: exact_usd(getattr(report.money, f"{name}_usd")) for name in _FIGURES},
        "charged_in_all": exact_usd(report.outcomes.total.charged_usd),
        "charges_unknown": report.outcomes.total.charges_unknown,
        "in_flight": sum(counts.get(state, 0) for state in AT_WORK),
        "to_make": sum(counts.get(state, 0) for state in _TO_MAKE),
    }


def _picture(reference: RecordReference, source: PageSource) -> dict[str, str]:
    return {"name": reference.name, "href": source.href(reference) if reference.path else ""}


def page_clips(records: Iterable[Record], source: PageSource) -> Iterator[dict[str, Any]]:
    """Yield each clip with all that the page shows of it: for a page that is open already.

    The fields are those of `page_data`, with what clips share written out.
    """
    held = list(records)
    rows = _rows(held, source.tables, source.row_groups)
    for record in held:
        yield {
            **{name: read(record) for name, read in _COLUMNS.items()},
            "row": rows[_row_name(record, source.tables)],
            "prompt": record.sent_prompt,
            "references": [_picture(each, source) for each in record.references],
            "axes": dict(record.axes),
            "poster": record.sha256 in source.posters,
        }


def pack(values: Sequence[Any]) -> Any:
    """Return a column of a value per clip; with the distinct ones apart where many are equal."""
    seen: dict[str | tuple[str], int] = {}
    distinct: list[Any] = []
    index = []
    for value in values:
        # Equal to Python are 1, 1.0 and True: as text they are told apart, and lists can be keys.
        name = value if type(value) is str else (repr(value),)
        if name not in seen:
            seen[name] = len(distinct)
            distinct.append(value)
        index.append(seen[name])
    return {"of": distinct, "at": index} if len(distinct) * 2 <= len(values) else list(values)


def _row_name(record: Record, tables: Mapping[str, Table]) -> tuple[str, str]:
    return (tables[record.shot].name if record.shot in tables else "", record.row_key)


def _rows(
    records: Iterable[Record], tables: Mapping[str, Table], groups: Mapping[str, Mapping[str, str]]
) -> dict[tuple[str, str], Any]:
    # Long cells are cut: the page only shows them.
    known = {
        (table.name, row.key): [cell_text(row.values.get(name))[:_SHORT] for name in table.columns]
        for table in tables.values()
        for row in table.rows
    }
    names = dict.fromkeys(_row_name(record, tables) for record in records)
    return {
        name: {
            "table": name[0],
            "key": name[1],
            "group": groups.get(name[0], EMPTY).get(name[1], ""),
            "values": known.get(name, []),
        }
        for name in names
    }


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else round(moment.timestamp(), 1)
