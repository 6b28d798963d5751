"""A Report and its records become index.html: one page that works from a folder, without a server.

Everything from the campaign is text: the head is escaped by Jinja, the grid is built from JSON by
a script that only ever sets text, and a content security policy allows no other script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files
from itertools import islice
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import orjson
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipeline.domain import EMPTY, Record, Table
from pipeline.domain.money import exact_usd
from pipeline.foreign_text import printable
from pipeline.report.advice import DONE, MARKS, NO_MARK, in_words
from pipeline.report.figures import charge_text, earlier, estimate, native
from pipeline.report.formats import UNKNOWN
from pipeline.report.summary import Report, Share, origin
from pipeline.report.table_results import cell_text

PAGE_CLIPS = 20_000
"""More clips than this make a page too heavy to open; report.csv has them all."""
_SHORT = 200
_FIELDS = (
    *("address", "shot", "row", "cell", "take", "state", "cause", "message", "path", "src"),
    *("poster", "provider", "kind", "mode", "seconds", "width", "height", "estimate", "charged"),
    *("reserved", "possible", "shared", "unwanted", "prompt", "axes", "tags", "origin"),
)
_ESCAPES = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"))
_FILTERS = MappingProxyType(
    {
        "charged": charge_text,
        "estimate": estimate,
        "native": native,
        "mark": lambda state: MARKS.get(state, NO_MARK),
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}.",
        "spoken": in_words,
        "thousands": lambda number: f"{number:,}",
        "usd": exact_usd,
    }
)


def to_html(
    report: Report,
    records: Iterable[Record],
    *,
    posters: Collection[str] = (),
    tables: Mapping[str, Table] = EMPTY,
) -> str:
    """Return index.html, to be written into `report/` beside `posters/`.

    `posters` holds the SHA-256 of every clip whose poster exists, at `poster_path`; `tables` maps
    a shot to the table it is made for, whose columns the page then shows and filters by.
    """
    data = _data(report, islice(records, PAGE_CLIPS), posters, tables)
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    embedded = orjson.dumps(data).decode()
    # A cell that says `</script>` would end the element that holds the data.
    for plain, escaped in _ESCAPES:
        embedded = embedded.replace(plain, escaped)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(_FILTERS)
    page = environment.from_string(_asset("index.html")).render(
        report=report,
        earlier=earlier(report),
        units=any(share.native for share in report.by_provider),
        name=report.campaign + (f"@{report.profile}" if report.profile else ""),
        made=f"{report.made_at:%Y-%m-%d %H:%M} UTC",
        total=Share(
            name="together",
            items=report.items,
            done=dict(report.counts).get(DONE, 0),
            money=report.money,
        ),
        omitted=max(0, report.items - PAGE_CLIPS),
        policy=(
            "default-src 'none'; img-src 'self' file:; media-src 'self' file:; "
            f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
        ),
        style=Markup(_asset("page.css")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=Markup(embedded),  # noqa: S704 - escaped for a script element above
    )
    # Within the data the escapes are JSON's own: the script shows what was escaped as it was.
    return printable(page)


def poster_path(sha256: str) -> str:
    """Return where a clip's poster lies, relative to `report/`."""
    return f"posters/{sha256}.jpg"


def _data(
    report: Report,
    records: Iterable[Record],
    posters: Collection[str],
    tables: Mapping[str, Table],
) -> dict[str, Any]:
    prompts: dict[str, int] = {}
    rows: dict[str, dict[str, Any]] = {}
    axes: dict[str, None] = {}
    clips = []
    # Long cells are cut: the page only shows them.
    known = {
        table.name: {
            row.key: [cell_text(row.values.get(name))[:_SHORT] for name in table.columns]
            for row in table.rows
        }
        for table in tables.values()
    }
    for record in records:
        name = tables[record.shot].name if record.shot in tables else ""
        row = f"{name}/{record.row_key}"
        values = known.get(name, {}).get(record.row_key, [])
        rows.setdefault(row, {"table": name, "key": record.row_key, "values": values})
        axes.update(dict.fromkeys(record.axes))
        # Prompts and rows stand in the page once: thousands of clips share them.
        clips.append(_clip(record, row, prompts.setdefault(record.prompt, len(prompts)), posters))
    for clip in clips:
        # Only now: which axes there are shows when every clip was seen.
        clip["axes"] = [clip["axes"].get(axis, "") for axis in axes]
    return {
        "root": report.root,
        # As keys, orjson takes plain words alone.
        "marks": {str(state): mark for state, mark in MARKS.items()},
        "takes": any(clip["take"] > 1 for clip in clips),
        "tables": {table.name: list(table.columns) for table in tables.values()},
        "rows": rows,
        "axes": list(axes),
        "prompts": list(prompts),
        "fields": _FIELDS,
        "clips": [[clip[name] for name in _FIELDS] for clip in clips],
    }


def _clip(record: Record, row: str, prompt: int, posters: Collection[str]) -> dict[str, Any]:
    same = ("address", "shot", "cell", "take", "state", "cause", "message", "path")
    more = ("provider", "kind", "mode", "seconds", "width", "height")
    return {name: getattr(record, name) for name in (*same, *more)} | {
        "row": row,
        "src": f"../{quote(record.path)}" if record.path else None,
        "poster": poster_path(record.sha256) if record.sha256 in posters else None,
        "estimate": None if record.estimate_usd is None else exact_usd(record.estimate_usd),
        "charged": UNKNOWN if record.charge_source == UNKNOWN else exact_usd(record.charged_usd),
        "reserved": exact_usd(record.reserved_usd),
        "possible": exact_usd(record.possible_usd),
        "shared": record.shared_with,
        "unwanted": record.unwanted,
        "prompt": prompt,
        "axes": dict(record.axes),
        "tags": list(record.tags),
        "origin": origin(record),
    }


def _asset(name: str) -> str:
    return files("pipeline.report").joinpath("templates", name).read_text("utf-8")
