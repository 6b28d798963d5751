"""Where a fault is, and how it is told: "file:line:col: slug: message" with a caret.

The same finding in 300 rows is one finding; that rule lives in `grouped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache

from pipeline.foreign_text import one_column, printable_line, redacted

_ROWS_SHOWN = 3
_CLOSE = 0.6
"""How alike two names must be for one to be taken for the other, misspelt."""
_COMPARED = 100
"""With how many names one is compared: a table may have thousands of columns."""
_LISTED = 20
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
class Diagnostic:
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
            object.__setattr__(self, name, redacted(getattr(self, name)))
        object.__setattr__(self, "rows", tuple(map(redacted, self.rows)))


def grouped(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return the findings sorted by place, each once; equal faults of several rows become one."""
    merged: dict[tuple[object, ...], tuple[Diagnostic, dict[str, None]]] = {}
    for finding in findings:
        identity = (finding.span, finding.slug, finding.message, finding.row, finding.column)
        _, rows = merged.setdefault(identity, (finding, {}))
        rows.update(dict.fromkeys(finding.rows))
    told = [replace(finding, rows=tuple(rows)) for finding, rows in merged.values()]
    return tuple(sorted(told, key=_place))


def has_errors(findings: Iterable[Diagnostic]) -> bool:
    """Tell whether any finding stops the campaign."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that was probably meant, or an empty text."""
    names = {candidate.casefold(): candidate for candidate in known}
    folded = name.casefold()[:100]
    near = sorted(names, key=lambda each: abs(len(each) - len(folded)))[:_COMPARED]
    found = get_close_matches(folded, near, n=1, cutoff=_CLOSE)
    return names[found[0]] if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, or with all of them where there are few."""
    names = sorted(set(known))
    close = nearest(name, names)
    if close:
        return f"did you mean '{close}'?"
    more = ", …" if len(names) > _LISTED else ""
    return f"known here: {', '.join(names[:_LISTED])}{more}" if names else ""


def render(finding: Diagnostic, sources: Mapping[str, str]) -> str:
    """Return the finding as text, with the line and a caret where the source is at hand."""
    span = finding.span
    head = f"{span.file}:{span.line}:{span.column}" if span.line else span.file
    label = "" if finding.severity is Severity.ERROR else f"{finding.severity}: "
    told = f"{head}{_cell(finding)}: {label}{finding.slug}: {finding.message}{_rows(finding)}"
    lines = [printable_line(told)]
    lines += _excerpt(finding, sources.get(finding.span.file, ""))
    lines += [f"      also at {span.file}:{span.line}:{span.column}" for span in finding.related]
    return "\n".join(lines)


def _place(finding: Diagnostic) -> tuple[str, int, int, str, str]:
    span = finding.span
    return (span.file, span.line, span.column, finding.slug, finding.message)


def _cell(finding: Diagnostic) -> str:
    parts = [f"row {finding.row}"] if finding.row else []
    parts += [f"column {finding.column}"] if finding.column else []
    return f" ({', '.join(parts)})" if parts else ""


def _rows(finding: Diagnostic) -> str:
    if not finding.rows:
        return ""
    shown = ", ".join(finding.rows[:_ROWS_SHOWN])
    more = len(finding.rows) - _ROWS_SHOWN
    noun = "row" if len(finding.rows) == 1 else "rows"
    return f" ({noun} {shown}{f' and {more} more' if more > 0 else ''})"


def _excerpt(finding: Diagnostic, source: str) -> list[str]:
    span = finding.span
    lines = _lines(source)
    hint = f" {finding.hint}" if finding.hint else ""
    if not 1 <= span.line <= len(lines) or finding.row or finding.column:
        return [f"     {printable_line(hint)}"] if hint else []
    text, column, width = _clipped(lines[span.line - 1], span)
    caret = "^" + "~" * (width - 1)
    text, hint = one_column(text), printable_line(hint)
    return [f"{span.line:>5} | {text}", f"      | {' ' * (column - 1)}{caret}{hint}"]


@lru_cache(maxsize=4)
def _lines(source: str) -> list[str]:
    """Return a text's lines: asked for once a finding, and there may be thousands of them."""
    return source.splitlines()


def _clipped(text: str, span: Span) -> tuple[str, int, int]:
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
