"""A Report becomes what stands at the end of a run: 80 columns, with or without colour.

Addresses, paths and commands are never broken over lines: they are there to be copied.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import PurePath

from rich.cells import cell_len
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
from pipeline.report.progress_panel import cut_line, pack_parts
from pipeline.report.summary import Group as Cause
from pipeline.report.summary import Report, Share

_WIDTH = 80
_BAR = 60
_CASES_SHOWN = 4
_MESSAGES_SHOWN = 2
_YIELDS_SHOWN = 8
_DETAIL = 26
_NAME = 8
"""Columns that a name is to have at least: with fewer nobody knows what is meant."""
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
    parts = [(report.campaign, "bold")]
    parts += [(_REHEARSAL, "cyan")] if report.rehearsal else []
    parts.append((count_text(report.items, "clip"), ""))
    parts += [] if report.elapsed_s is None else [(duration(report.elapsed_s), "")]
    blocks: list[RenderableType] = [Text(), *pack_parts(parts, console.width, dot="  ·  ")]
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
        blocks += [*_review_blocks(report, console.width), _costs(report, console.width)]
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


def _review_blocks(report: Report, width: int) -> Iterator[RenderableType]:
    """Yield what an approved clip costs, money by outcome, and yields, where people decide."""
    if report.is_reviewed:
        yield from (Text(approved_cost(report.outcomes), "bold"), _outcomes(report, width), Text())
        for title, yields in report.outcomes.told_yields:
            yield from (_yields(title, yields, width), Text())


def _outcomes(report: Report, width: int) -> RenderableType:
    """Return clips and money by outcome; a column of noughts is left out."""
    total = report.outcomes.total
    sums = {"charged": total.charged_usd, "reserved": total.reserved_usd}
    sums |= {"possible": total.possible_usd}
    shown = [name for name, sum_ in sums.items() if sum_ or name == "charged"]
    rows = []
    for name, bound in (*report.outcomes.by_outcome.items(), ("together", total)):
        figures = {
            "charged": charge_text(bound),
            "reserved": _or_blank(bound.reserved_usd),
            "possible": _or_blank(bound.possible_usd),
        }
        rows.append([in_words(name), f"{bound.clips:,}", *(figures[each] for each in shown)])
    return _figures(("outcome", "clips", *shown), rows, width, total=True)


def _yields(title: str, yields: Sequence[Yield], width: int) -> RenderableType:
    rows = []
    for each in yields[:_YIELDS_SHOWN]:
        counts = [f"{each.clips.get(outcome, 0):,}" for outcome in YIELD_COLUMNS]
        rows.append([each.detail[:_DETAIL] or each.name, *counts, yield_text(each)])
    return _figures((title, *map(in_words, YIELD_COLUMNS), "yield"), rows, width)


def _figures(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    gap: int = 2,
    widest: int = 28,
    total: bool = False,
) -> RenderableType:
    """Return rows of a name and figures as a table; `total`: the last one is the sum of all.

    No figure is ever cut. A name gets what they leave; where that is too little, the figures stand
    below it, each with its title.
    """
    taken = sum(
        gap + max(map(cell_len, each)) for each in list(zip(titles, *rows, strict=True))[1:]
    )
    room = min(widest, width - taken)
    if room < min(_NAME, max(cell_len(name) for name, *_ in rows)):
        lines: list[RenderableType] = [Text(titles[0], _QUIET)]
        for name, *figures in rows:
            told = [(title, each) for title, each in zip(titles[1:], figures, strict=True) if each]
            parts = [(f"{title} {each}", "") for title, each in told]
            lines += [Text(cut_line(name, width), "bold", no_wrap=True)]
            lines += [_indent(line, 2) for line in pack_parts(parts, width - 2)]
        return Group(*lines)
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    table.add_column(titles[0], header_style=_QUIET, no_wrap=True, max_width=room)
    for title in titles[1:]:
        table.add_column(title, justify="right", header_style=_QUIET, no_wrap=True)
    for n, row in enumerate(rows, 1):
        table.add_row(*row, style="bold" if total and n == len(rows) else "")
    return table


def _costs(report: Report, width: int) -> RenderableType:
    """Return the money by shot, provider and model; a column of noughts is left out."""
    money = report.money
    further = {
        "reserved": money.reserved_usd,
        "possible": money.possible_usd,
    }
    names = ["clips", "estimate", "charged", *(name for name, sum_ in further.items() if sum_)]
    names += ["in units"] if any(share.native for share in report.by_provider) else []
    further_shares = (each for each in (report.by_provider, report.by_model) if len(each) > 1)
    shares = [*report.by_shot, *chain.from_iterable(further_shares)]
    shares.append(Share(name="together", items=report.items, money=money))
    rows = [_cost_row(share, names) for share in shares]
    return _figures(("USD", *names), rows, width, gap=3, widest=34, total=True)


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
