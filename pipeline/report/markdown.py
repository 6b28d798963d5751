"""A Report becomes report.md: what stands in a pull request or a chat.

Text from the campaign is escaped: no address becomes a link, no prompt a heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.domain.acceptance import GAVE_UP
from pipeline.domain.money import exact_usd
from pipeline.foreign_text import printable, printable_line
from pipeline.report.advice import MARKS, NO_MARK, in_words
from pipeline.report.figures import (
    approved_cost,
    charge_text,
    count_text,
    earlier,
    estimate,
    native,
    yield_text,
)
from pipeline.report.forecast_text import forecast_lines
from pipeline.report.outcomes import YIELD_COLUMNS
from pipeline.report.place_words import PLACES_SHOWN, count_places, stuck_text
from pipeline.report.summary import Group, Report, Share

# Also `@`, which calls a person in a pull request, and `:`, which makes links and pictograms.
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&@:])")
_CASES_SHOWN = 10
_FENCE = 3


def to_markdown(report: Report) -> str:
    """Return report.md."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {escape_markdown(report.campaign)}"
    yield ""
    if report.rehearsal:
        yield "A rehearsal: nothing was paid."
        yield ""
    states = [f"{MARKS.get(s, NO_MARK)} {items:,} {in_words(s)}" for s, items in report.counts]
    unwanted = [f"{report.unwanted:,} unwanted: left out after submit"] if report.unwanted else []
    yield " · ".join([f"**{count_text(report.items, 'clip')}**", *states, *unwanted])
    yield ""
    if report.is_reviewed:
        yield from _outcomes(report)
    yield from _costs("Shot", report.by_shot)
    yield ""
    yield from _costs("Provider", report.by_provider)
    if len(report.by_model) > 1:
        yield ""
        yield from _costs("Model", report.by_model)
    if report.earlier_usd:
        yield ""
        yield f"And {earlier(report)}."
    for line in report.prices:
        yield ""
        yield escape_markdown(line)
    for group in report.groups:
        yield ""
        yield from _group(group)
    if report.clip_count:
        yield ""
        root = printable_line(report.root)
        yield f"{count_text(report.clip_count, 'clip')} in `{root}`; see `index.html`."


def _outcomes(report: Report) -> Iterator[str]:
    """Yield what an approved clip costs, money by outcome, yields, places and the forecast."""
    told = report.outcomes
    yield f"**{approved_cost(told)}**"
    yield ""
    yield "| Outcome | clips | charged | reserved | possible |"
    yield "| :--- | ---: | ---: | ---: | ---: |"
    for name, bound in (*told.by_outcome.items(), ("together", told.total)):
        sums = map(exact_usd, (bound.reserved_usd, bound.possible_usd))
        cells = [in_words(name), f"{bound.clips:,}", charge_text(bound), *sums]
        yield f"| {' | '.join(cells)} |"
    yield ""
    for title, yields in told.told_yields:
        columns = " | ".join([title.capitalize(), *map(in_words, YIELD_COLUMNS), "yield"])
        yield f"| {columns} |"
        yield f"| :--- |{' ---: |' * (len(YIELD_COLUMNS) + 1)}"
        for each in yields:
            name = escape_markdown(" ".join(filter(None, (each.name, each.detail))))
            counts = [f"{each.clips.get(outcome, 0):,}" for outcome in YIELD_COLUMNS]
            yield f"| {' | '.join([name, *counts, yield_text(each)])} |"
        yield ""
    if report.place_totals is not None:
        count = count_text(len(report.places), "place")
        yield f"{count}: {count_places(report.place_totals)}"
        yield ""
        ended = [place for place in report.places if place.state in GAVE_UP]
        yield from (f"- {escape_markdown(stuck_text(place))}" for place in ended[:PLACES_SHOWN])
        if len(ended) > PLACES_SHOWN:
            yield f"- {len(ended) - PLACES_SHOWN} more places at which nothing goes on"
        yield from [""] if ended else []
    for line in forecast_lines(report.forecast) if report.forecast else ():
        yield escape_markdown(line)
        yield ""


def _costs(title: str, shares: Sequence[Share]) -> Iterator[str]:
    units = any(share.native for share in shares)
    more = " in units |" if units else ""
    yield f"| {title} | clips | done | estimate | charged | reserved | possible |{more}"
    yield f"| :--- | ---: | ---: | ---: | ---: | ---: | ---: |{' ---: |' if units else ''}"
    for share in shares:
        money = share.money
        sums = [
            charge_text(money),
            exact_usd(money.reserved_usd),
            exact_usd(money.possible_usd),
        ]
        sums += [native(share.native)] if units else []
        cells = [
            escape_markdown(share.name),
            f"{share.items:,}",
            f"{share.done:,}",
            estimate(money),
            *sums,
        ]
        yield f"| {' | '.join(cells)} |"


def _group(group: Group) -> Iterator[str]:
    cause = f", {escape_markdown(in_words(group.cause))}" if group.cause else ""
    yield f"## {MARKS.get(group.state, NO_MARK)} {group.items:,} {in_words(group.state)}{cause}"
    yield ""
    yield f"{escape_markdown(group.title)} ({escape_markdown(', '.join(group.providers))})"
    yield ""
    for text, items in group.messages[:_CASES_SHOWN]:
        yield f"> {escape_markdown(text)} ({items:,}×)"
        yield ""
    for case in group.cases[:_CASES_SHOWN]:
        yield f"- {escape_markdown(case.address)}: {escape_markdown(case.path or case.origin)}"
    more = group.items - _CASES_SHOWN
    if more > 0:
        yield f"- and {more:,} more"
    yield ""
    yield f"{escape_markdown(group.todo)}:" if group.command else escape_markdown(group.todo)
    if group.command:
        # A fence is longer than any run of backticks within it.
        runs = [len(run) for run in re.findall("`+", group.command)]
        fence = "`" * max(_FENCE, max(runs, default=0) + 1)
        yield from ("", f"{fence}sh", printable_line(group.command), fence)


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))
