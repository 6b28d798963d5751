"""What is wrong where the YAML parser stops, in words of a person, and a repair of bare quotes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from pipeline.findings import Finding, Span
from pipeline.foreign_text import unseen_character
from pipeline.manifest.source_map import Source

_UNSEEN_PLACE = re.compile(
    # Where the line is indented, behind a sign of YAML's own, or in a key.
    r"^[\s-]*(?=[^\S \t\r\n]|[\u200b-\u200f\u2060\ufeff\xad])"
    r"|[:|>-](?=[^\S \t\r\n]|[\u200b-\u200f\u2060\ufeff\xad])"
    r"|^\s*[^\s:'\"]*(?=[\u200b-\u200f\u2060\ufeff\xad])"
)
_UNCLOSED = "found unexpected end of stream"
NO_NAME = "did not find expected alphabetic or numeric character"
KEY_IS_A_MAP = "a key must be a word"
_NO_KEY = "did not find expected key"
_NO_COLON = "could not find expected ':'"
_UNEXPECTED = "mapping values are not allowed in this context"
# `callsheet:1` and `-id: spin` are texts to YAML; what is wrong shows on the next line.
_CRAMPED = re.compile(r"\s*(?:-[^\s-]|(?:-\s+)?[\w-]+:[^\s:]\S*\s*$)")
_MESSAGES = {
    _UNEXPECTED: (
        "a ': ' inside a value, or a key that is indented unlike its neighbours",
        "put the value in quotes, or line the keys up",
    ),
    _NO_KEY: (
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
    _NO_COLON: ("a ':' was expected after this key", "write ': ' after it"),
    "found unknown escape character": (
        "an unknown escape in double quotes",
        "write the backslash twice, or use single quotes",
    ),
    # The parser's own spelling.
    "did not find expected hexdecimal number": (
        "in double quotes a backslash begins an escape, and this is none",
        "use single quotes, or write / in place of the backslash",
    ),
    "found invalid Unicode character escape code": (
        "this escape is half of a character",
        "write the character itself, or both halves of it",
    ),
    "did not find expected comment or line break": (
        "behind a '|' or '>' the text begins on the next line",
        "begin it there, indented, or put the value in quotes",
    ),
    "did not find expected node content": (
        "a value cannot begin like this",
        "put the value in quotes",
    ),
    "block sequence entries are not allowed in this context": (
        "a list cannot begin behind a key",
        "begin it on a new line, or put the value in quotes",
    ),
}


_Words = tuple[str, str, Any, Any]
"""Message, hint, the mark of the place, and that of where it began if that helps."""


def _bad_beginning(origin: Source, mark: Any, began: Any) -> _Words | None:  # noqa: ARG001
    character = origin.text[mark.index : mark.index + 1]
    if character == "\t":
        return "a tab cannot indent", "use spaces", mark, None
    return f"a value cannot begin with '{character}'", "put the value in quotes", mark, None


def _misplaced_colon(origin: Source, mark: Any, began: Any) -> _Words | None:
    above = (origin.line(line) for line in range(mark.line, 0, -1))
    if _CRAMPED.match(next((line for line in above if line.strip()), "")):
        hint = "write a space behind the '-' or ':' of the line before"
        return _MESSAGES[_UNEXPECTED][0], hint, mark, began
    return None


def _goes_on(origin: Source, mark: Any, began: Any) -> _Words | None:  # noqa: ARG001
    """Explain `"A" mug`: the text that should be the next key is the value's own."""
    if mark.line and _COMMENTED.search(origin.line(mark.line)):
        message = "' #' of the line before begins a comment, and the text ends there"
        return message, "put the text in quotes", mark, None
    line = origin.line(mark.line + 1)
    head = _HEAD.match(line)
    start = head.end() if head else 0
    if not line[start:].startswith(('"', "'", "[", "{")) or mark.column <= start:
        return None
    hint = "put all of it in quotes of the other kind, or on a new line after '>-'"
    return f"the value goes on behind what began with {line[start]}", hint, mark, None


def _no_colon(origin: Source, mark: Any, began: Any) -> _Words | None:  # noqa: ARG001
    """Explain a text of several lines that a colour or a hash tag has ended."""
    if began is None or not _COMMENTED.search(origin.line(began.line + 1)):
        return None
    message = "' #' begins a comment, and the text before it ends there"
    return message, "put the text in quotes", began, None


def _open_quotes(origin: Source, mark: Any, began: Any) -> _Words | None:  # noqa: ARG001
    # Where the quotes open helps; that the file ends, at its end, does not.
    return None if began is None else (*_MESSAGES[_UNCLOSED], began, None)


_CLOSER_LOOKS: tuple[tuple[str, Callable[[Source, Any, Any], _Words | None]], ...] = (
    ("cannot start any token", _bad_beginning),
    ("tab character", _bad_beginning),
    (_UNEXPECTED, _misplaced_colon),
    (_NO_KEY, _goes_on),
    (_NO_COLON, _no_colon),
    (_UNCLOSED, _open_quotes),
)
"""What the text itself says about some of the parser's errors."""


def syntax_finding(error: yaml.YAMLError, origin: Source) -> Finding:
    """Return the parser's error as a finding at its exact place."""
    mark = getattr(error, "problem_mark", None)
    began: Any = getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    usual = "this is no YAML that can be read", f"the reader says: {problem}"
    message, hint = (problem, "") if problem == KEY_IS_A_MAP else _MESSAGES.get(problem, usual)
    if mark is None:
        return Finding(slug="yaml-syntax", message=message, span=Span(file=origin.shown))
    hidden = _unseen_finding(origin, began.line if began else mark.line - 1, mark.line)
    if hidden is not None:
        return hidden
    look = next((look for words, look in _CLOSER_LOOKS if words in problem), None)
    closer = look(origin, mark, began) if look else None
    if closer is not None:
        message, hint, mark, began = closer
    far = began is not None and began.line != mark.line
    return Finding(
        slug="yaml-syntax",
        message=message,
        span=origin.span(mark.index, mark.index + 1),
        hint=hint,
        related=(origin.span(began.index, began.index + 1),) if far else (),
    )


_COMMENTED = re.compile(r"\s#\S")


def _unseen_finding(origin: Source, first: int, last: int) -> Finding | None:
    """Return the finding for a character that nobody sees and YAML trips over, of these lines."""
    for number in range(max(first, 0) + 1, last + 2):
        if number > len(origin.starts):
            break
        found = _UNSEEN_PLACE.search(origin.line(number))
        if found is None:
            continue
        place = origin.starts[number - 1] + found.end()
        hidden = unseen_character(origin.text[place : place + 1])
        if hidden is not None:
            return Finding(
                slug="yaml-syntax",
                message=f"a {hidden[1]} stands here, where YAML wants a plain space or nothing",
                span=origin.span(place, place + 1),
                hint="delete it, and type what you see here anew",
            )
    return None


# What stands before a value on its line: indentation, dashes, a key.
_HEAD = re.compile(r"\s*(?:-\s+)*(?:(?:\"[^\"]*\"|'[^']*'|[^\s#'\"{\[][^#'\"{\[]*?):\s+)?")
_OPENS = re.compile(r"(?:^|[\[{,]|[-:?]\s)\s*$")
# YAML reserves `@` and the grave accent, and reads `{{` as a map.
BARE = ("@", "{{", "{%", "{#", "`")
# Both begin where white space begins, and never within it: a line may hold millions of spaces.
_END_IN_FLOW = re.compile(r"(?<!\s)\s*+(?:[,\]]|\}(?!\}))")
_COMMENT = re.compile(r"(?<!\s)\s++#.*$")
_KEY = re.compile(r"[\w.\"'-]+:(?:\s|$)")


def repair_quotes(
    origin: Source, index: int, signs: tuple[str, ...]
) -> tuple[Finding, Source] | None:
    """Return the finding for a value without its quotes near an index, and the text with them.

    The finding holds the corrected line. None where no value there begins with one of the signs.
    """
    line = origin.span(min(index, len(origin.text)), index).line
    begin = _bare_value(origin, line, index, signs)
    if begin is None:
        return None
    end = _value_end(origin, line, begin)
    value = origin.text[begin:end]
    # Double quotes are what people know; single ones need no escapes but for themselves.
    simple = '"' not in value and "\\" not in value
    quoted = f'"{value}"' if simple else "'" + value.replace("'", "''") + "'"
    doubled = [] if simple else [found.start() for found in re.finditer("''", quoted[1:-1])]
    # The reader goes forwards, so every earlier repair stands before this one.
    inserted = [earlier for earlier in origin.inserted if earlier < begin]
    inserted += [begin, *(begin + 1 + place for place in doubled), begin + len(quoted) - 1]
    repaired = Source.of(
        origin.text[:begin] + quoted + origin.text[end:],
        shown=origin.shown,
        folder=origin.folder,
        inserted=tuple(sorted(inserted)),
    )
    opening = next(bare for bare in signs if value.startswith(bare))
    hint = f"write: {repaired.line(line).strip()}"
    finding = Finding(
        slug="needs-quotes",
        message=f"a value that begins with '{opening}' needs quotes",
        span=origin.span(begin, begin + len(opening)),
        hint="begin the text on a new line, after '>-'" if "\n" in value else hint,
    )
    return finding, repaired


def _bare_value(origin: Source, line: int, index: int, signs: tuple[str, ...]) -> int | None:
    """Where the unquoted value begins: at the index itself, or after the key on its line."""
    first, text = origin.starts[line - 1], origin.line(line)
    # The parser stops at the sign itself, or one character behind it.
    for start in (index - first, index - 1 - first):
        if start >= 0 and text.startswith(signs, start) and _OPENS.search(text[:start]):
            return first + start
    head = _HEAD.match(text)
    begin = head.end() if head else 0
    return first + begin if text.startswith(signs, begin) else None


def _value_end(origin: Source, line: int, begin: int) -> int:
    first = origin.starts[line - 1]
    text = origin.line(line)
    head = text[: begin - first]
    if sum(head.count(sign) for sign in "[{") > sum(head.count(sign) for sign in "]}"):
        # Inside `[…]` or `{…}`: what comes after the last `}}` of a template ends the value.
        closing = text.rfind("}}", len(head))
        past = closing + 2 if text.startswith("{{", len(head)) and closing >= 0 else len(head)
        found = _END_IN_FLOW.search(text, past)
        return first + (found.start() if found else len(text))
    indent = len(head) - len(head.lstrip(" "))
    last = line
    while last < len(origin.starts):
        # A plain text goes on with each line that is indented deeper and begins nothing itself.
        below = origin.line(last + 1)
        body = below.lstrip(" ")
        deeper = len(below) - len(body) > indent
        if not deeper or not body or body.startswith(("- ", "#")) or _KEY.match(body):
            break
        last += 1
    tail = _COMMENT.sub("", origin.line(last)).rstrip()
    return origin.starts[last - 1] + len(tail)
