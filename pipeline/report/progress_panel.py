"""A RunProgress becomes the panel that a person watches: made for 80 columns, and for 40.

Nothing here asks for the time or the terminal: the same progress in the same width is the same
picture. No line is wider than it may be, since a panel that wraps cannot be drawn over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import accumulate, chain

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.domain.money import exact_usd
from pipeline.domain.states import State
from pipeline.foreign_text import printable_line
from pipeline.report.advice import in_words
from pipeline.report.figures import duration
from pipeline.report.run_progress import RunProgress

NARROW = 60
"""Below so many columns the lanes' money is left out, which the sum above has."""
_BAR = 60
_QUIET = "bright_black"
_DOT = " · "
_TOLD_SHOWN = 6
_Parts = Sequence[tuple[str, str]]
"""Words with their style, which may be broken between them and not within."""


def draw_progress(progress: RunProgress, width: int, zone: tzinfo | None = None) -> Group:
    """Return the panel, at most `width` columns wide; times of day are those of `zone`.

    Without a zone they are the machine's.
    """
    drawing = _Drawing(progress, width, zone)
    return Group(*chain.from_iterable(block(drawing) for block in _BLOCKS))


def cut_line(text: str, room: int) -> str:
    r"""Return text from outside as one line of at most `room` columns.

    It is cut between its characters: half of an escape, such as `\u20` of `\u202e`, would be
    another text.

    >>> cut_line("spin[SKU-1]", 6)
    'spin[…'
    """
    signs = [printable_line(sign) for sign in text]
    ends = list(accumulate(map(cell_len, signs), initial=0))[1:]
    if not ends or ends[-1] <= room:
        return "".join(signs)
    # One column is kept for the sign that stands for the rest.
    return "".join(sign for sign, end in zip(signs, ends, strict=True) if end < room) + "…"


def pack_parts(parts: _Parts, width: int, dot: str = _DOT) -> Iterator[Text]:
    """Yield words in their styles, with dots between them, in as few lines as they fit into."""
    line = Text(no_wrap=True)
    for words, style in parts:
        shown = cut_line(words, width)
        if line and line.cell_len + len(dot) + cell_len(shown) > width:
            yield line
            line = Text(no_wrap=True)
        if line:
            line.append(dot, _QUIET)
        line.append(shown, style)
    if line:
        yield line


@dataclass(frozen=True, slots=True)
class _Drawing:
    """The blocks of the panel, from its title to what went wrong last."""

    progress: RunProgress
    width: int
    zone: tzinfo | None

    def title(self) -> Iterator[RenderableType]:
        start = self.progress.start
        name = start.campaign + (f"@{start.profile}" if start.profile else "")
        parts = [(name, "bold")]
        parts += [("rehearsal, nothing is paid", "cyan")] if start.rehearsal else []
        elapsed_s = max(0.0, (self.progress.at - start.at).total_seconds())
        # Whole seconds: a tenth that jumps four times a second draws the eye for nothing.
        told = duration(elapsed_s) if elapsed_s >= 10 else f"{elapsed_s:.0f} s"  # noqa: PLR2004
        yield from pack_parts([*parts, (told, "")], self.width)

    def bar(self) -> Iterator[RenderableType]:
        """Yield done, at work and waiting as one line, and how much is done."""
        progress = self.progress
        percent = f" {progress.share:.0%}"
        length = max(1, min(_BAR, self.width - len(percent)))
        items = max(1, progress.start.items)
        done = length * progress.done // items
        # Rounded up: what is at work, or went wrong, is seen however little of all it is.
        at_work = min(length - done, -(-length * progress.in_flight // items))
        bad = progress.failed + progress.off_spec + progress.in_doubt
        wrong = min(length - done - at_work, -(-length * bad // items))
        bar = Text("━" * done, "green", no_wrap=True)
        bar.append("╍" * at_work, "cyan").append("╍" * wrong, "red")
        bar.append("─" * (length - done - at_work - wrong), _QUIET)
        yield bar.append(percent, "bold")

    def counts(self) -> Iterator[RenderableType]:
        progress = self.progress
        counts = (
            (progress.in_flight, "in flight", "cyan"),
            (progress.waiting, "waiting", ""),
            (progress.failed, "failed", "red"),
            (progress.off_spec, "off spec", "yellow"),
            (progress.in_doubt, "in doubt or overdue", "magenta"),
            (progress.held, "held", "yellow"),
        )
        done = f"{progress.done:,} of {progress.start.items:,} done"
        others = [(f"{number:,} {words}", style) for number, words, style in counts if number]
        yield from pack_parts([(done, "green"), *others], self.width)

    def places(self) -> Iterator[RenderableType]:
        start = self.progress.start
        if start.places:
            approved = f"{start.approved:,} of {start.places:,} places approved"
            parts = [(approved, ""), (f"{self.progress.places:,} with a new clip", "")]
            yield from pack_parts(parts, self.width)

    def pace(self) -> Iterator[RenderableType]:
        progress = self.progress
        if progress.per_minute is None:
            return
        parts = [(f"{progress.per_minute:.1f} clips a minute", "")]
        if progress.ends_at is not None:
            ends = progress.ends_at.astimezone(self.zone)
            # Tomorrow's 03:10 is not today's.
            today = progress.at.astimezone(self.zone).date()
            later = "" if ends.date() == today else f"{ends:%a} "
            parts.append((f"ends about {later}{ends:%H:%M}", ""))
        yield from pack_parts(parts, self.width)

    def money(self) -> Iterator[RenderableType]:
        progress, start = self.progress, self.progress.start
        parts = [(f"{exact_usd(progress.charged_usd)} USD spent", "")]
        further = ((progress.reserved_usd, "reserved"), (progress.possible_usd, "possible"))
        parts += [(f"{exact_usd(sum_)} {word}", "") for sum_, word in further if sum_]
        unknown = " + unknown prices" if start.unpriced else ""
        projected = f"projected {exact_usd(progress.projected_usd)}{unknown}"
        over = start.limit_usd is not None and progress.projected_usd > start.limit_usd
        limit = "no limit" if start.limit_usd is None else f"limit {exact_usd(start.limit_usd)}"
        parts += [(projected, "yellow" if over else ""), (limit, "")]
        if start.cap_usd is not None:
            parts.append((f"this run {exact_usd(start.cap_usd)} at most", ""))
        yield from pack_parts(parts, self.width)

    def lanes(self) -> Iterator[RenderableType]:
        lanes = self.progress.lanes
        if not lanes:
            return
        titles = ["in flight", "done", "failed"]
        titles += ["spent"] if self.width >= NARROW else []
        rows = [
            (str(lane.in_flight), str(lane.done), str(lane.failed), exact_usd(lane.charged_usd))
            for lane in lanes
        ]
        # A table lets its columns shrink; these must not, so the name gets what they leave.
        figures = sum(
            2 + max(len(title), *(len(row[n]) for row in rows)) for n, title in enumerate(titles)
        )
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column("", no_wrap=True)
        for title in titles:
            table.add_column(title, justify="right", header_style=_QUIET, no_wrap=True)
        for lane, row in zip(lanes, rows, strict=True):
            name = cut_line(lane.name, max(1, self.width - figures))
            table.add_row(Text(name), *row[: len(titles)])
        yield from (Text(), table)

    def provider_words(self) -> Iterator[RenderableType]:
        """Yield how far providers say their tasks are: their word, and no figure of ours."""
        for lane in self.progress.lanes:
            if lane.told:
                shown = ", ".join(f"{share:.0%}" for share in lane.told[:_TOLD_SHOWN])
                more = len(lane.told) - _TOLD_SHOWN
                words = f"{lane.name} says: {shown}{f' and {more} more' if more > 0 else ''}"
                yield from pack_parts([(words, _QUIET)], self.width)

    def trouble(self) -> Iterator[RenderableType]:
        event = self.progress.trouble
        if event is None:
            return
        head = (f"last {event.at.astimezone(self.zone):%H:%M:%S}", event.provider, event.address)
        why = str(event.detail.get("message") or event.detail.get("cause") or "")
        style = "red" if event.name == State.FAILED else "yellow"
        yield Text()
        words = [(word, style) for word in (*head, in_words(event.name)) if word]
        yield from pack_parts(words, self.width, dot=" ")
        if why:
            yield Text(cut_line(f"  {why}", self.width), no_wrap=True)


_BLOCKS = (
    *(_Drawing.title, _Drawing.bar, _Drawing.counts, _Drawing.places),
    *(_Drawing.pace, _Drawing.money, _Drawing.lanes, _Drawing.provider_words, _Drawing.trouble),
)
"""From top to bottom."""
