"""A YAML error → one finding that says what to write instead.

The commonest one is a value that begins with `@` or `{{`: YAML reserves the first and reads the
second as a map, so both need quotes. That finding holds the corrected line, and the reader goes
on as if the quotes were there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.findings import Finding, Span
from pipeline.manifest.positions import Source, source

# What stands before a value on its line: indentation, dashes, a key.
_HEAD = re.compile(r"\s*(?:-\s+)*(?:(?:\"[^\"]*\"|'[^']*'|[^\s#'\"{\[][^#'\"{\[]*?):\s+)?")
_OPENS = re.compile(r"(?:^|[\[{,]|[-:?]\s)\s*$")
_BARE = ("@", "{{", "{%", "{#", "`")
# Both begin where white space begins, and never within it: a line may hold millions of spaces.
_END_IN_FLOW = re.compile(r"(?<!\s)\s*+(?:[,\]]|\}(?!\}))")
_COMMENT = re.compile(r"(?<!\s)\s++#.*$")
_UNCLOSED = "found unexpected end of stream"
_UNEXPECTED = "mapping values are not allowed in this context"
# `callsheet:1` and `-id: spin` are texts to YAML; what is wrong shows on the next line.
_CRAMPED = re.compile(r"\s*(?:-[^\s-]|[\w-]+:[^\s:]\S*\s*$)")
_MESSAGES = {
    _UNEXPECTED: (
        "a ': ' inside a value, or a key that is indented unlike its neighbours",
        "put the value in quotes, or line the keys up",
    ),
    "did not find expected key": (
        "a key was expected here",
        "is the line indented like the keys before it, and are quotes and brackets closed?",
    ),
    "did not find expected '-' indicator": (
        "an item of the list was expected here",
        "begin it with '- ', or indent the key less",
    ),
    _UNCLOSED: ("the quotes that open here are never closed", ""),
    "did not find expected ',' or ']'": ("the list is not closed", "write ',' or ']'"),
    "did not find expected ',' or '}'": ("the map is not closed", "write ',' or '}'"),
    "could not find expected ':'": ("a ':' was expected after this key", "write ': ' after it"),
    "found unknown escape character": (
        "an unknown escape in double quotes",
        "write the backslash twice, or use single quotes",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A value that lacked its quotes: the finding, and the source with them."""

    finding: Finding
    source: Source


def explained(error: yaml.YAMLError, origin: Source) -> Finding:
    """Return the parser's error as a finding at its exact place."""
    mark = getattr(error, "problem_mark", None)
    began: Any = getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    message, hint = _MESSAGES.get(problem, (problem, ""))
    if mark is None:
        return Finding(slug="yaml-syntax", message=message, span=Span(file=origin.shown))
    if "cannot start any token" in problem or "tab character" in problem:
        message, hint = _stray(origin.text[mark.index : mark.index + 1])
        began = None
    if problem == _UNEXPECTED and _CRAMPED.match(_line_before(origin, mark.line)):
        hint = "write a space behind the '-' or ':' of the line before"
    # Where an unclosed quote or bracket began helps more than where the file ends.
    if problem == _UNCLOSED and began is not None:
        # Where the quotes open helps; that the file ends, at its end, does not.
        mark, began = began, None
    related = (origin.span(began.index, began.index + 1),) if _apart(began, mark) else ()
    return Finding(
        slug="yaml-syntax",
        message=message,
        span=origin.span(mark.index, mark.index + 1),
        hint=hint,
        related=related,
    )


def _line_before(origin: Source, index: int) -> str:
    """Return the last line with something on it above a line, which is counted from 0."""
    above = (origin.line(line) for line in range(index, 0, -1))
    return next((line for line in above if line.strip()), "")


def mended(origin: Source, index: int) -> Mended | None:
    """Return the finding for a value without its quotes near an index; None if there is none."""
    line = origin.span(min(index, len(origin.text)), index).line
    begin = _bare_value(origin, line, index)
    if begin is None:
        return None
    end = _value_end(origin, line, begin)
    value = origin.text[begin:end]
    quoted = _quoted(value)
    text = origin.text[:begin] + quoted + origin.text[end:]
    repaired = source(
        text,
        shown=origin.shown,
        folder=origin.folder,
        inserted=tuple(sorted((*_shifted(origin, begin), *_added(begin, value, quoted)))),
    )
    finding = Finding(
        slug="needs-quotes",
        message=f"a value that begins with '{_opening(value)}' needs quotes",
        span=origin.span(begin, begin + len(_opening(value))),
        hint=_advice(repaired, line, multiline="\n" in value),
    )
    return Mended(finding=finding, source=repaired)


def _apart(began: Any, mark: Any) -> bool:
    return began is not None and began.line != mark.line


def _stray(character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab cannot indent", "use spaces"
    return f"a value cannot begin with '{character}'", "put the value in quotes"


def _opening(value: str) -> str:
    return next(bare for bare in _BARE if value.startswith(bare))


def _bare_value(origin: Source, line: int, index: int) -> int | None:
    """Where the unquoted value begins: at the index itself, or after the key on its line."""
    first, text = origin.starts[line - 1], origin.line(line)
    for start in (index - first, index - 1 - first):
        if start >= 0 and text.startswith(_BARE, start) and _OPENS.search(text[:start]):
            return first + start
    head = _HEAD.match(text)
    begin = head.end() if head else 0
    return first + begin if text.startswith(_BARE, begin) else None


def _value_end(origin: Source, line: int, begin: int) -> int:
    first = origin.starts[line - 1]
    text = origin.line(line)
    head = text[: begin - first]
    if _depth(head) > 0:
        found = _END_IN_FLOW.search(text, _past_templates(text, begin - first))
        return first + (found.start() if found else len(text))
    indent = len(head) - len(head.lstrip(" "))
    last = line
    while last < len(origin.starts) and _continues(origin.line(last + 1), indent):
        last += 1
    tail = _COMMENT.sub("", origin.line(last)).rstrip()
    return origin.starts[last - 1] + len(tail)


def _depth(head: str) -> int:
    return sum(head.count(sign) for sign in "[{") - sum(head.count(sign) for sign in "]}")


def _past_templates(text: str, begin: int) -> int:
    closing = text.rfind("}}", begin)
    return closing + 2 if text.startswith("{{", begin) and closing >= 0 else begin


def _continues(text: str, indent: int) -> bool:
    """Whether a line goes on with the plain text above it."""
    body = text.lstrip(" ")
    deeper = len(text) - len(body) > indent
    return deeper and bool(body) and not body.startswith(("- ", "#")) and not _is_key(body)


def _is_key(body: str) -> bool:
    return re.match(r"[\w.\"'-]+:(?:\s|$)", body) is not None


def _quoted(value: str) -> str:
    if '"' not in value and "\\" not in value:
        return f'"{value}"'
    return "'" + value.replace("'", "''") + "'"


def _added(begin: int, value: str, quoted: str) -> tuple[int, ...]:
    """Indexes of the quotes in the repaired text."""
    inner = quoted[1:-1]
    doubled: list[int] = []
    if len(inner) > len(value):
        doubled = [found.start() for found in re.finditer("''", inner)]
    last = begin + len(quoted) - 1
    return (begin, *(begin + 1 + index for index in doubled), last)


def _shifted(origin: Source, begin: int) -> tuple[int, ...]:
    # The reader goes forwards, so every earlier repair stands before this one.
    return tuple(index for index in origin.inserted if index < begin)


def _advice(repaired: Source, line: int, *, multiline: bool) -> str:
    if multiline:
        return "begin the text on a new line, after '>-'"
    return f"write: {repaired.line(line).strip()}"
