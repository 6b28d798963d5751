"""Where a fault is, and how it is told: "file:line:col: slug: message" with a caret.

The same finding in 300 rows is one finding; that rule lives in `group_findings`, and for findings
that come as a stream in `FindingCollector`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher, get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pipeline.foreign_text import (
    as_seen,
    one_column,
    printable_line,
    redact,
    unseen_character,
)

_ROWS_SHOWN = 3
_CLOSE = 0.6
"""How alike two names must be for one to be taken for the other, misspelt."""
_SPELT = 0.85
"""How alike they must be for it to be a slip of the hand, and no word of somebody else's."""
_COMPARED = 100
"""With how many names one is compared: a table may have thousands of columns."""
_LISTED = 20
_LONGEST_LISTED = 40
MAX_CAUSES = 20
"""As many different faults of one column are told one by one; of the others, how many."""
_LINE_SHOWN = 120
_BEFORE = 40
"""Of a line that is longer, what is shown in all, and before the place."""


class Severity(StrEnum):
    """Whether a finding stops the campaign."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A place in a text file; lines and columns count from 1, in code points.

    Line 0 is no file at all: what is wrong was typed, or is not there.
    `end_column` is exclusive and on the same line; equal to `column` where the extent is unknown.
    """

    file: str
    line: int = 1
    column: int = 1
    end_column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding: what is wrong, where, and what to do about it.

    What looks like a key is starred out of its texts, whoever wrote them: a table may be a file
    of keys, and its columns are listed.
    """

    slug: str
    message: str
    span: Span
    hint: str = ""
    severity: Severity = Severity.ERROR
    row: str = ""
    column: str = ""
    rows: tuple[str, ...] = ()
    """Row keys concerned, in table order, where one cause shows in several rows."""
    related: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        for name in ("message", "hint", "row", "column"):
            # Here, so that no way leads round it: a finding goes to terminals, reports and CI logs.
            object.__setattr__(self, name, redact(getattr(self, name)))
        object.__setattr__(self, "rows", tuple(map(redact, self.rows)))


def group_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings sorted by place, each once; equal faults of several rows become one."""
    merged: dict[tuple[object, ...], tuple[Finding, dict[str, None]]] = {}
    for finding in findings:
        identity = (finding.span, finding.slug, finding.message, finding.row, finding.column)
        _, rows = merged.setdefault(identity, (finding, {}))
        rows.update(dict.fromkeys(finding.rows))
    unique = [replace(finding, rows=tuple(rows)) for finding, rows in merged.values()]

    def place(finding: Finding) -> tuple[str, int, int, str, str]:
        span = finding.span
        return (span.file, span.line, span.column, finding.slug, finding.message)

    return tuple(sorted(unique, key=place))


def has_errors(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding stops the campaign."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def nearest_names(
    name: str, known: Iterable[str], most: int = 3, *, cutoff: float = _CLOSE
) -> list[str]:
    """Return the known names that were probably meant, the likeliest first.

    `cutoff`: how much of a name must be the same, from 0 to 1.
    """
    # Both bounds are for speed: a table may have thousands of columns, with names of any length.
    names = {candidate.casefold(): candidate for candidate in known}
    folded = name.casefold()[:100]
    near = sorted(names, key=lambda each: abs(len(each) - len(folded)))[:_COMPARED]
    return [names[found] for found in get_close_matches(folded, near, n=most, cutoff=cutoff)]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, or an empty text."""
    return next(iter(nearest_names(name, known, most=1)), "")


def unseen_difference(name: str, known: Iterable[str]) -> str:
    """Return a hint where a name looks like a known one and is another; else an empty text."""
    seen = as_seen(name)
    alike = next((each for each in known if each != name and as_seen(each) == seen), None)
    if alike is None:
        return ""
    for text, whose in ((name, "it is written"), (alike, f"'{seen}' is stored")):
        hidden = unseen_character(text)
        if hidden is not None:
            return f"{whose} with a {hidden[1]}, which nobody sees: type the name anew"
    return f"'{seen}' is stored in another way, as a Mac stores accents: type the name anew"


def is_spelling(name: str, known: str) -> bool:
    """Tell whether a name is another only by its case, its signs, or one letter.

    `is_spelling("aspectRatio", "aspect_ratio")` is true, `is_spelling("ratio", "duration")` not.
    """
    one, other = (re.sub(r"[\W_]", "", each.casefold()) for each in (name, known))
    return one == other or SequenceMatcher(None, one, other).ratio() >= _SPELT


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, or with all of them where there are few."""
    names = sorted(set(known))
    unseen = unseen_difference(name, names)
    if unseen:
        return unseen
    close = nearest(name, names)
    if close:
        return f"did you mean '{close}'?"
    # What is a sentence is no name that anybody has mistyped.
    short = [each for each in names if len(each) <= _LONGEST_LISTED]
    more = ", …" if len(names) > len(short[:_LISTED]) else ""
    return f"known here: {', '.join(short[:_LISTED])}{more}" if short else ""


def plain_finding(finding: Finding) -> Mapping[str, Any]:
    """Return a finding as plain data that JSON can hold."""
    return {
        "slug": finding.slug,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        **_plain_span(finding.span),
        "row": finding.row,
        "column_name": finding.column,
        "rows": list(finding.rows),
        "related": [_plain_span(span) for span in finding.related],
    }


def _plain_span(span: Span) -> Mapping[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_column": span.end_column,
    }


def render(finding: Finding, sources: Mapping[str, str]) -> str:
    """Return the finding as text, with the line and a caret where the source is at hand."""
    span = finding.span
    head = f"{span.file}:{span.line}:{span.column}" if span.line else span.file
    cell = [f"row {finding.row}"] if finding.row else []
    cell += [f"column {finding.column}"] if finding.column else []
    head += f" ({', '.join(cell)})" if cell else ""
    label = "" if finding.severity is Severity.ERROR else f"{finding.severity}: "
    rows = ""
    if finding.rows:
        more = len(finding.rows) - _ROWS_SHOWN
        noun = "row" if len(finding.rows) == 1 else "rows"
        rows = f" ({noun} {', '.join(finding.rows[:_ROWS_SHOWN])}"
        rows += f" and {more} more)" if more > 0 else ")"
    lines = [printable_line(f"{head}: {label}{finding.slug}: {finding.message}{rows}")]
    hint = f" {finding.hint}" if finding.hint else ""
    source = _lines(sources.get(span.file, ""))
    if 1 <= span.line <= len(source) and not cell:
        text, column, width = _clip(source[span.line - 1], span)
        caret = "^" + "~" * (width - 1)
        lines.append(f"{span.line:>5} | {one_column(text)}")
        lines.append(f"      | {' ' * (column - 1)}{caret}{printable_line(hint)}")
    elif hint:
        lines.append(f"     {printable_line(hint)}")
    lines += [f"      also at {span.file}:{span.line}:{span.column}" for span in finding.related]
    return "\n".join(lines)


@lru_cache(maxsize=4)
def _lines(source: str) -> list[str]:
    """Return a text's lines: asked for once a finding, and there may be thousands of them."""
    return source.splitlines()


def _clip(text: str, span: Span) -> tuple[str, int, int]:
    """Return what is shown of a line, and where in it the caret stands, and how wide it is."""
    column = span.column
    width = max(1, min(span.end_column - column, len(text) - column + 1))
    if column + width > _LINE_SHOWN:
        cut = max(column - 1 - _BEFORE, 0)
        # One line may be a whole file: it is never copied as a whole.
        text = f"…{text[cut + 1 : cut + 1 + _LINE_SHOWN]}" if cut else text[: _LINE_SHOWN + 1]
        column -= cut
    if len(text) > _LINE_SHOWN:
        text = f"{text[: _LINE_SHOWN - 1]}…"
    return text, column, max(1, min(width, len(text) - column + 1))


@dataclass(slots=True)
class _Cause:
    """Equal findings of several rows, while they are gathered."""

    first: Finding
    rows: dict[str, None] = field(default_factory=dict)


class FindingCollector:
    """Gathers what is wrong with one shot's items, in the order in which it was first seen.

    A fault in 300 rows is one finding; yielded as it comes, it would be 300 in the stream.
    """

    def __init__(self) -> None:
        self._causes: dict[Finding, _Cause] = {}

    def add(self, finding: Finding, row: str = "") -> None:
        """Keep a finding; `row` is the row it shows in, empty where it has nothing to do with one.

        Equal faults of one column are one finding, at the first of its cells.
        """
        shared = finding
        if finding.row:
            # What the fault has in common with those of other cells of its column.
            # The file stays in it: a fault in two tables is two findings.
            place = replace(finding.span, line=1, column=1, end_column=1)
            shared = replace(finding, row="", span=place)
        cause = self._causes.setdefault(shared, _Cause(finding))
        if finding.row or row:
            cause.rows[finding.row or row] = None

    def drain(self) -> Iterator[Finding]:
        """Yield the findings so far and forget them."""
        causes, self._causes = self._causes, {}
        counts: dict[tuple[str, str, str], int] = {}
        rest: dict[tuple[str, str, str], list[_Cause]] = {}
        for cause in causes.values():
            first = cause.first
            kind = (first.slug, first.span.file, first.column)
            counts[kind] = counts.get(kind, 0) + 1
            if first.column and counts[kind] > MAX_CAUSES:
                rest.setdefault(kind, []).append(cause)
            elif first.row and len(cause.rows) == 1:
                # A single cell's fault names the cell.
                yield first
            else:
                yield replace(first, row="", rows=tuple(cause.rows))
        for further in rest.values():
            rows = dict.fromkeys(row for cause in further for row in cause.rows)
            count = f"{len(rows)} more {'row has' if len(rows) == 1 else 'rows have'} such a fault"
            yield replace(further[0].first, message=count, hint="", row="", rows=tuple(rows))
