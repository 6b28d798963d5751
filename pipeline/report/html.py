"""A Report and its records become index.html: one page that works from a folder, without a server.

Everything from the campaign is text: the head is escaped by Jinja, the rest is built from JSON by
scripts that only ever set text, and a content security policy allows no other script. The scripts
are classic and inline, as modules do not load from a folder.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from itertools import islice
from types import MappingProxyType
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from pipeline.domain import Record
from pipeline.domain.acceptance import GAVE_UP
from pipeline.domain.money import exact_usd
from pipeline.foreign_text import printable
from pipeline.report.advice import DONE, MARKS, NO_MARK, in_words
from pipeline.report.figures import charge_text, earlier, estimate, native, yield_text
from pipeline.report.forecast_text import forecast_lines
from pipeline.report.outcomes import YIELD_COLUMNS
from pipeline.report.page_data import PageSource, page_data
from pipeline.report.place_words import count_places, stuck_text
from pipeline.report.summary import Report, Share

PAGE_CLIPS = 20_000
"""More clips than this make a page too heavy to open; report.csv has them all."""
POSTERS = "posters"
"""The folder of the posters, beside the page."""
_SCRIPTS = (
    *("page_data.js", "elements.js", "decisions.js", "search.js", "filters.js"),
    *("grid.js", "sitting.js", "comparison.js", "charts.js", "page.js", "live.js"),
)
"""In the order in which they need each other."""
_ESCAPES = (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"))
_FILTERS = MappingProxyType(
    {
        "charged": charge_text,
        "estimate": estimate,
        "dollars": lambda amount: "–" if amount is None else f"{exact_usd(amount)} USD",
        "native": native,
        "places": count_places,
        "why": stuck_text,
        "yield": yield_text,
        "mark": lambda state: MARKS.get(state, NO_MARK),
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}.",
        "spoken": in_words,
        "thousands": lambda number: f"{number:,}",
        "usd": exact_usd,
    }
)
_SERVER = MappingProxyType({True: "'self'", False: "'none'"})
"""Whom the page may talk to, by whether it is served."""
_NOTHING = PageSource()


def to_html(report: Report, records: Iterable[Record], source: PageSource = _NOTHING) -> str:
    """Return index.html, to be written into `report/` beside `posters/`, or to be served."""
    script = "\n".join(map(_asset, _SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    embedded = orjson.dumps(page_data(report, islice(records, PAGE_CLIPS), source)).decode()
    # A cell that says `</script>` would end the element that holds the data.
    for plain, escaped in _ESCAPES:
        embedded = embedded.replace(plain, escaped)
    page = _template().render(
        **_figures(report),
        policy=(
            "default-src 'none'; img-src 'self' file: data:; media-src 'self' file:; "
            f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
            f"form-action 'none'; connect-src {_SERVER[source.is_served]}"
        ),
        style=Markup(_asset("page.css")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        data=Markup(embedded),  # noqa: S704 - escaped for a script element above
    )
    # Within the data the escapes are JSON's own: the script shows what was escaped as it was.
    return printable(page)


def to_overview(report: Report) -> str:
    """Return the page's first screen alone, for a page that is open already."""
    template = _template()
    block = template.blocks["overview"](template.new_context(_figures(report)))
    return printable("".join(block))


@cache
def _template() -> Template:
    # A served page is made again and again: compiling it takes longer than filling it in.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(_FILTERS)
    return environment.from_string(_asset("index.html"))


def _figures(report: Report) -> dict[str, Any]:
    """Return what the template tells of the report."""
    return {
        "report": report,
        "earlier": earlier(report),
        "units": any(share.native for share in report.by_provider),
        "name": report.campaign,
        "made": f"{report.made_at:%Y-%m-%d %H:%M} UTC",
        "total": Share(
            name="together",
            items=report.items,
            done=dict(report.counts).get(DONE, 0),
            money=report.money,
        ),
        "stuck": [place for place in report.places if place.state in GAVE_UP],
        "forecast": list(forecast_lines(report.forecast)) if report.forecast else [],
        "yield_columns": YIELD_COLUMNS,
        "omitted": max(0, report.items - PAGE_CLIPS),
    }


def poster_path(sha256: str) -> str:
    """Return where a clip's poster lies, relative to `report/`."""
    return f"{POSTERS}/{sha256}.jpg"


def _asset(name: str) -> str:
    return files("pipeline.report").joinpath("templates", name).read_text("utf-8")
