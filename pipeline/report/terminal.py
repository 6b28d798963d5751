"""A Report becomes what stands at the end of a run: 80 columns, with or without colour.

Addresses, paths and commands are never broken over lines: they are there to be copied.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import PurePath

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.domain.money import exact_usd
from pipeline.domain.states import State
from pipeline.foreign_text import printable
from pipeline.report.advice import DONE, in_words
from pipeline.report.figures import (
    approved_cost,
    charge_notes,
    charge_text,
    count_text,
    duration,
    estimate,
    native,
    yield_text,
)
from pipeline.report.outcomes import YIELD_COLUMNS, Yield
from pipeline.report.summary import Group as Cause
from pipeline.report.summary import Report, Share

_WIDTH = 80
_BAR = 60
_CASES_SHOWN = 4
_MESSAGES_SHOWN = 2
_YIELDS_SHOWN = 8
_DETAIL = 26
_STYLES: Mapping[str, str] = {
    State.DONE: "green",
    State.FAILED: "red",
    State.OFF_SPEC: "yellow",
    State.IN_DOUBT: "magenta",
    State.OVERDUE: "magenta",
    State.HELD: "yellow",
}
_QUIET = "bright_black"
_REHEARSAL = "rehearsal, nothing was paid"
_UNWANTED = "unwanted: left out after submit"


def show_summary(
    console: Console, report: Report, files: Sequence[str] = (), *, run: str = ""
) -> None:
    """Write the end summary to a rich console; `files` are the report's files, as paths to show.

    `run` is what is to be said of the run that has just ended, beside the campaign's sums.

    Nothing is cropped: a command longer than the line is wrapped by the terminal, not by us.
    """
    title = Text(no_wrap=True, overflow="ignore")
    title.append(report.campaign, "bold")
    parts = [_REHEARSAL] if report.rehearsal else []
    parts.append(count_text(report.items, "clip"))
    parts += [] if report.elapsed_s is None else [duration(report.elapsed_s)]
    for part in parts:
        title.append("  ·  ", _QUIET).append(part, "cyan" if part == _REHEARSAL else "")
    blocks: list[RenderableType] = [Text(), title]
    if report.items:
        # In the bar each state has its share, and none that exists vanishes.
        length = min(_BAR, console.width)
        widths = {state: max(1, length * items // report.items) for state, items in report.counts}
        largest = max(report.counts, key=lambda pair: pair[1])[0]
        # What rounding left over, or what those raised to one took, is seen least in the largest.
        widths[largest] += length - sum(widths.values())
        bar = Text()
        for state, width in widths.items():
            bar.append(("━" if state == DONE else "╍") * width, _STYLES.get(state, _QUIET))
        counts = Text()
        for n, (state, items) in enumerate(report.counts):
            counts.append("   " if n else "")
            counts.append(f"{items:,} {in_words(state)}", _STYLES.get(state, ""))
        asides = ((report.shared, "share a purchase"), (report.unwanted, _UNWANTED))
        for number, words in asides:
            counts.append(f"   ({number:,} {words})" if number else "", _QUIET)
        blocks += [bar, counts, Text()]
        blocks += [*_review_blocks(report), _costs(report)]
    blocks += [Text(run)] if run else []
    blocks += [Text(line, _QUIET) for line in charge_notes(report)]
    blocks += [Text(line) for line in report.prices]
    for group in report.groups:
        blocks += [Text(), *_cause(group)]
    blocks.append(Text())
    if report.clip_count:
        blocks.append(_unbroken(f"{report.root}/", "bold"))
        blocks += [_unbroken(f"  {path}", "") for path in report.clips]
        more = report.clip_count - len(report.clips)
        if more > 0:
            blocks.append(Text(f"  and {count_text(more, 'clip')} more", _QUIET))
    blocks += [_unbroken(file, "bold") for file in files]
    console.print(Group(*blocks), crop=False)


def render_text(report: Report, files: Sequence[str] = ()) -> str:
    """Return the end summary as plain text, for logs and pipes."""
    written = io.StringIO()
    show_summary(Console(file=written, width=_WIDTH, color_system=None), report, files)
    return "".join(f"{line.rstrip()}\n" for line in printable(written.getvalue()).splitlines())


def _review_blocks(report: Report) -> Iterator[RenderableType]:
    """Yield what an approved clip costs, money by outcome, and yields, where people decide."""
    if report.is_reviewed:
        yield from (Text(approved_cost(report.outcomes), "bold"), _outcomes(report), Text())
        for title, yields in report.outcomes.told_yields:
            yield from (_yields(title, yields), Text())


def _outcomes(report: Report) -> Table:
    """Return clips and money by outcome; a column of noughts is left out."""
    total = report.outcomes.total
    sums = {"charged": total.charged_usd, "reserved": total.reserved_usd}
    sums |= {"possible": total.possible_usd}
    shown = [name for name, sum_ in sums.items() if sum_ or name == "charged"]
    table = _table("outcome", ("clips", *shown))
    for name, bound in (*report.outcomes.by_outcome.items(), ("together", total)):
        figures = {
            "charged": charge_text(bound),
            "reserved": _or_blank(bound.reserved_usd),
            "possible": _or_blank(bound.possible_usd),
        }
        style = "bold" if name == "together" else ""
        row = [in_words(name), f"{bound.clips:,}", *(figures[each] for each in shown)]
        table.add_row(*row, style=style)
    return table


def _yields(title: str, yields: Sequence[Yield]) -> Table:
    table = _table(title, (*map(in_words, YIELD_COLUMNS), "yield"))
    for each in yields[:_YIELDS_SHOWN]:
        counts = [f"{each.clips.get(outcome, 0):,}" for outcome in YIELD_COLUMNS]
        table.add_row(each.detail[:_DETAIL] or each.name, *counts, yield_text(each))
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(title, header_style=_QUIET, no_wrap=True, max_width=28)
    for name in columns:
        table.add_column(name, justify="right", header_style=_QUIET, no_wrap=True)
    return table


def _costs(report: Report) -> Table:
    """Return the money by shot, provider and model; a column of noughts is left out."""
    money = report.money
    further = {
        "reserved": money.reserved_usd,
        "possible": money.possible_usd,
    }
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column("USD", style="", header_style=_QUIET, no_wrap=True, max_width=34)
    names = ["clips", "estimate", "charged", *(name for name, sum_ in further.items() if sum_)]
    names += ["in units"] if any(share.native for share in report.by_provider) else []
    for name in names:
        table.add_column(name, justify="right", header_style=_QUIET, no_wrap=True)
    further_shares = (each for each in (report.by_provider, report.by_model) if len(each) > 1)
    shares = [*report.by_shot, *chain.from_iterable(further_shares)]
    for share in shares:
        table.add_row(*_cost_row(share, names))
    total = Share(name="together", items=report.items, money=money)
    table.add_row(*_cost_row(total, names), style="bold")
    return table


def _cost_row(share: Share, names: Sequence[str]) -> list[str]:
    figures: dict[str, str] = {
        "clips": f"{share.items:,}",
        "estimate": estimate(share.money),
        "charged": charge_text(share.money),
        "reserved": _or_blank(share.money.reserved_usd),
        "possible": _or_blank(share.money.possible_usd),
        "in units": native(share.native),
    }
    return [share.name, *(figures[name] for name in names)]


def _or_blank(amount: Decimal) -> str:
    return exact_usd(amount) if amount else ""


def _cause(group: Cause) -> Iterator[RenderableType]:
    words = [group.cause] if group.cause not in {"", group.state} else []
    head = Text(f"{group.items:,} {in_words(group.state)}", f"bold {_STYLES.get(group.state, '')}")
    for word in (*words, *group.providers):
        head.append(" · ", _QUIET).append(in_words(word), "not bold default")
    yield head
    yield _indent(Text(group.title), 2)
    for text, items in group.messages[:_MESSAGES_SHOWN]:
        times = f"{items}x " if len(group.messages) > 1 else ""
        yield _indent(Text(f"{times}“{text}”", style="italic"), 4)
    for case in group.cases[:_CASES_SHOWN]:
        places = ", ".join(PurePath(place).name for place in case.origin.split(", "))
        line = _unbroken(f"    {case.address}", "")
        yield line.append(f"  {case.path or places}", _QUIET)
    if group.items > _CASES_SHOWN:
        yield Text(f"    and {group.items - _CASES_SHOWN:,} more, in the report", _QUIET)
    yield _indent(Text(f"→ {group.todo}"), 2)
    if group.command:
        yield _unbroken(f"    {group.command}", "cyan")


def _indent(text: Text, columns: int) -> Padding:
    return Padding(text, (0, 0, 0, columns), expand=False)


def _unbroken(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ignore")
