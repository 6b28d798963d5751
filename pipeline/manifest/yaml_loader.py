"""YAML bytes → a tree of nodes, each of which knows its file, line and column; or findings.

The C parser's events are used, bounded in size, depth and aliases. Which text is a number is
decided here, by YAML 1.2's rules and narrower: `9:16`, `0123`, `yes`, dates and `1e5` stay text. A
value that only lacks its quotes is a finding, and is then read as if it had them, so that it hides
nothing below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.findings import Finding, Severity, Span, did_you_mean
from pipeline.foreign_text import unseen_character
from pipeline.manifest.source_map import Node, Source, join_pairs, mask_pairs, restore_pairs

MAX_BYTES = 10_000_000
# Deeper than any manifest, and far from where Python's own recursion ends.
MAX_DEPTH = 40
# Three times the longest prompt that is rendered; what is longer is data in the wrong place.
MAX_SCALAR = 65_536
MAX_NODES = 400_000
# Nodes that aliases may add by being expanded; a bomb of nine levels has a thousand million.
MAX_ALIASED = 20_000
# Values without quotes that are repaired, and so reported, in one pass.
MAX_REPAIRED = 20

_SHORTER = "what is long belongs into a table"
# What YAML 1.2 allows, without the byte order mark and lone surrogates.
_CONTROL = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
MERGE_CONFLICT = re.compile(r"^(?:<{7}|>{7}) [^\r\n]*", re.MULTILINE)
CONFLICT_MESSAGE = "a conflict that a merge of Git left behind"
CONFLICT_HINT = "keep one of its two sides, and take out the lines <<<<<<<, ======= and >>>>>>>"
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    "true": True,
    "false": False,
}
# Eighteen digits fit 64 bits; a longer run of digits is an identifier, not a quantity.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")

# The parser's own events; its stubs call their marks optional, which from the C parser they
# never are.
_Event = Any


class _Unreadable(Exception):  # noqa: N818 - it carries a finding, and never leaves this module
    """The document is not read on; the finding says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.slug)


class _ParserStopped(Exception):  # noqa: N818 - the same
    """The parser failed here, perhaps for want of quotes."""

    def __init__(self, index: int, error: yaml.YAMLError) -> None:
        self.index = index
        self.error = error
        super().__init__(index)


def read_document(
    text: str, *, shown: str, folder: Path, before: str = ""
) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return a YAML text as a node, or None with the finding that says why it cannot be read.

    `read_document("a: 1", shown="m.yaml", folder=Path())` is a map of one node, and no finding.
    `shown` is the file's name in findings. `before` is what stands before the text in the same
    source (the `path=` of a `--set` option): it is not read, but counts in places.
    """
    # Spaces keep every column and line break where it is.
    blank = re.sub(r"[^\n]", " ", before)
    origin = Source.of(blank + text, shown=shown, folder=folder)
    findings: list[Finding] = []
    for _ in range(MAX_REPAIRED):
        composer = _Composer(origin)
        try:
            return composer.document(), (*findings, *composer.findings)
        except _Unreadable as refusal:
            return None, (*findings, *composer.findings, refusal.finding)
        # The whole text is parsed again after a repair: the C parser cannot go on from the middle.
        except _ParserStopped as stop:
            error = stop.error
            named = getattr(error, "problem", None) == _NO_NAME
            repair = _repair_quotes(origin, stop.index, (*_BARE, "*", "&") if named else _BARE)
        if repair is None:
            return None, (*findings, *composer.findings, _syntax_finding(error, origin))
        finding, origin = repair
        findings.append(finding)
    return None, tuple(findings)


def read_file(
    data: bytes, *, shown: str, folder: Path
) -> tuple[Node | None, tuple[Finding, ...], str]:
    """Return a YAML file's bytes as a node, the findings, and the text as it was decoded."""
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        return None, (Finding(slug="too-large", message=message, span=Span(file=shown)),), ""
    try:
        # A byte order mark is no character of the first key.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig")
        finding = Finding(
            slug="not-utf8",
            message=f"the file is not UTF-8: byte {error.start + 1} is 0x{data[error.start]:02X}",
            span=Source.of(good, shown=shown).span(len(good), len(good)),
            hint="save it as UTF-8",
        )
        return None, (finding,), ""
    node, findings = read_document(text, shown=shown, folder=folder)
    return node, findings, text


class _Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, origin: Source) -> None:
        self.source = origin
        self.findings: list[Finding] = []
        text, self._paired = mask_pairs(origin.text)
        self._events: Iterator[_Event] = _parse(text)
        self._anchors: dict[str, Node | None] = {}
        self._unused_anchors: dict[str, Span] = {}  # before unquoted texts
        self._nodes = 0
        self._aliased = 0

    def document(self) -> Node:
        """Return the one document as a node; raises _Unreadable or _ParserStopped."""
        # The C parser names such a character by its byte; here it gets its column.
        control = _CONTROL.search(self.source.text)
        if control:
            message = f"the character U+{ord(control[0]):04X} is not allowed in YAML"
            place = self.source.span(control.start(), control.end())
            raise _Unreadable(Finding(slug="yaml-syntax", message=message, span=place))
        conflict = MERGE_CONFLICT.search(self.source.text)
        if conflict:
            place = self.source.span(conflict.start(), conflict.end())
            finding = Finding(
                slug="yaml-syntax", message=CONFLICT_MESSAGE, span=place, hint=CONFLICT_HINT
            )
            raise _Unreadable(finding)
        root: Node | None = None
        for event in self._events:
            match event:
                case yaml.DocumentStartEvent() if root is not None:
                    hint = "take the '---' and what follows into a file of its own"
                    message = "a second document begins here"
                    raise self._refusal("many-documents", message, event, hint)
                case yaml.DocumentStartEvent():
                    root = self._node(next(self._events), 0)
        if root is not None:
            # A text that begins with '&' has lost its first word.
            for name, span in self._unused_anchors.items():
                message = f"'&{name}' names the text for '*{name}', and is no part of it"
                hint = "put the text in quotes if the '&' belongs to it; nothing uses the name"
                self._warn("cut-by-anchor", message, span, hint)
            return root
        message = "the file says nothing"
        place = Span(file=self.source.shown)
        hint = "a manifest begins with callsheet: 1"
        raise _Unreadable(Finding(slug="empty-file", message=message, span=place, hint=hint))

    def _refusal(self, slug: str, message: str, event: _Event, hint: str = "") -> _Unreadable:
        finding = Finding(slug=slug, message=message, span=self._span(event), hint=hint)
        return _Unreadable(finding)

    def _node(self, event: _Event, depth: int) -> Node:
        self._nodes += 1
        if depth > MAX_DEPTH:
            message = f"the file has more than {MAX_DEPTH} levels of nesting"
            raise self._refusal("too-large", message, event)
        if self._nodes > MAX_NODES:
            message = f"the file has more than {MAX_NODES:,} values"
            raise self._refusal("too-large", message, event, _SHORTER)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        # A tag could name a Python type: nothing here builds one, and nothing should ask for it.
        if getattr(event, "tag", None) is not None:
            hint = "write the value itself; one that begins with '!' needs quotes"
            raise self._refusal("yaml-tag", "YAML tags are not read", event, hint)
        anchor = getattr(event, "anchor", None)
        if anchor:
            # Known and not finished: an alias inside it would repeat itself.
            self._anchors[anchor] = None
        match event:
            case yaml.ScalarEvent():
                node = self._scalar(event)
            case yaml.SequenceStartEvent():
                node = self._sequence(event, depth)
            case _:
                node = self._mapping(event, depth)
        if anchor:
            self._anchors[anchor] = node
            if isinstance(node.value, str) and not node.style:
                self._unused_anchors[anchor] = node.span
        return node

    def _alias(self, event: _Event) -> Node:
        node = self._anchors.get(event.anchor)
        self._unused_anchors.pop(event.anchor, None)
        if node is None and event.anchor in self._anchors:
            raise self._refusal("bad-alias", f"'*{event.anchor}' repeats itself", event)
        if node is None:
            message = f"'*{event.anchor}' has no '&{event.anchor}' above it"
            hint = did_you_mean(f"*{event.anchor}", [f"*{name}" for name in self._anchors])
            raise self._refusal("bad-alias", message, event, hint)
        # Counted as if it were written out, since whoever reads the tree goes through all of it.
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            message = f"aliases repeat more than {MAX_ALIASED:,} values"
            raise self._refusal("alias-bomb", message, event, "write a table, and one shot for it")
        return node

    def _scalar(self, event: _Event) -> Node:
        if len(event.value) > MAX_SCALAR:
            message = f"a text has {len(event.value):,} characters; at most {MAX_SCALAR:,} are read"
            raise self._refusal("too-large", message, event, _SHORTER)
        unquoted = event.style in {None, ""}
        text = self._text(event)
        return Node(
            value=resolve_scalar(text) if unquoted else text,
            span=self._span(event),
            source=self.source,
            extent=(event.start_mark.index, event.end_mark.index),
            style="" if unquoted else event.style or "",
        )

    def _text(self, event: _Event) -> str:
        """Return a scalar's text, with each pair of JSON's escapes as what it stands for there."""
        text: str = event.value
        if not self._paired:
            return text
        if event.style == '"':
            return join_pairs(text)
        return restore_pairs(text, self.source.text, event.start_mark.index, event.end_mark.index)

    def _sequence(self, start: _Event, depth: int) -> Node:
        items: list[Node] = []
        event = next(self._events)
        while not isinstance(event, yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
            event = next(self._events)
        return Node(
            value=tuple(items),
            span=self._span(start, event),
            source=self.source,
            size=1 + sum(item.size for item in items),
        )

    def _mapping(self, start: _Event, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        event = next(self._events)
        while not isinstance(event, yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or len(event.value) > MAX_SCALAR:
                # `{{ x }}` is read as a map whose key is a map.
                mark = event.start_mark
                error = yaml.MarkedYAMLError(problem=_KEY_IS_A_MAP, problem_mark=mark)
                raise _ParserStopped(mark.index, error)
            name, place = self._text(event), self._span(event)
            node = self._node(next(self._events), depth + 1)
            self._warn_of_comment(name, node)
            # YAML lets the last one win without a word; here the first is kept, and both are named.
            if name in keys:
                self.findings.append(
                    Finding(
                        slug="duplicate-key",
                        message=f"'{name}' is given twice",
                        span=place,
                        hint="keep one of them",
                        related=(keys[name],),
                    )
                )
            else:
                values[name], keys[name] = node, place
            event = next(self._events)
        return Node(
            value=values,
            span=self._span(start, event),
            source=self.source,
            keys=keys,
            size=1 + sum(item.size for item in values.values()),
        )

    def _warn_of_comment(self, key: str, node: Node) -> None:
        """Warn where a colour, a hash tag or a number has made the rest of a text a comment."""
        if node.style or not isinstance(node.value, str):
            return
        found = _CUTTING.match(self.source.text, node.extent[1])
        if found and (key in _SENT or " " in node.value):
            message = "the rest of the line is a comment, and no part of this text"
            hint = "put the text in quotes if the '#' belongs to it"
            place = self.source.span(found.end() - 1, found.end())
            self._warn("cut-by-comment", message, place, hint)

    def _warn(self, slug: str, message: str, span: Span, hint: str) -> None:
        self.findings.append(
            Finding(slug=slug, message=message, span=span, hint=hint, severity=Severity.WARNING)
        )

    def _span(self, start: _Event, end: _Event | None = None) -> Span:
        first, last = start.start_mark, (end or start).end_mark
        # A block map or list begins where its first entry does; its extent says nothing.
        if end is not None and start.end_mark.index == first.index:
            last = first
        if self.source.inserted or first.line != last.line:
            return self.source.span(first.index, last.index)
        return Span(
            file=self.source.shown,
            line=first.line + 1,
            column=first.column + 1,
            end_column=last.column + 1,
        )


def _parse(text: str) -> Iterator[_Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _ParserStopped(mark.index if mark else 0, error) from error


def resolve_scalar(text: str) -> str | int | float | bool | None:
    """Return what a plain scalar stands for; whatever is not plainly a number stays text.

    `5` is a number and `true` a boolean; `9:16`, `0123`, `yes` and `1e5` are texts.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text


# A blank behind the `#` makes it a remark, as people write them.
_CUTTING = re.compile(r"[ \t]+#(?=[^\s#])")
# What these say is sent: a clip of a text that was cut would be paid for.
_SENT = frozenset({"prompt", "say", "description"})
_UNSEEN_PLACE = re.compile(
    # Where the line is indented, behind a sign of YAML's own, or in a key.
    r"^[\s-]*(?=[^\S \t\r\n]|[\u200b-\u200f\u2060\ufeff\xad])"
    r"|[:|>-](?=[^\S \t\r\n]|[\u200b-\u200f\u2060\ufeff\xad])"
    r"|^\s*[^\s:'\"]*(?=[\u200b-\u200f\u2060\ufeff\xad])"
)
_UNCLOSED = "found unexpected end of stream"
_NO_NAME = "did not find expected alphabetic or numeric character"
_KEY_IS_A_MAP = "a key must be a word"
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


def _syntax_finding(error: yaml.YAMLError, origin: Source) -> Finding:
    """Return the parser's error as a finding at its exact place."""
    mark = getattr(error, "problem_mark", None)
    began: Any = getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    usual = "this is no YAML that can be read", f"the reader says: {problem}"
    message, hint = (problem, "") if problem == _KEY_IS_A_MAP else _MESSAGES.get(problem, usual)
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
_BARE = ("@", "{{", "{%", "{#", "`")
# Both begin where white space begins, and never within it: a line may hold millions of spaces.
_END_IN_FLOW = re.compile(r"(?<!\s)\s*+(?:[,\]]|\}(?!\}))")
_COMMENT = re.compile(r"(?<!\s)\s++#.*$")
_KEY = re.compile(r"[\w.\"'-]+:(?:\s|$)")


def _repair_quotes(
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
