"""YAML bytes → a tree of nodes, each of which knows its file, line and column; or findings.

The C parser's events are used, bounded in size, depth and aliases. Which text is a number is
decided here, by YAML 1.2's rules and narrower: `9:16`, `0123`, `yes`, dates and `1e5` stay text. A
value that only lacks its quotes is a finding, and is then read as if it had them, so that it hides
nothing below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.findings import Finding, Severity, Span, did_you_mean
from pipeline.manifest.source_map import Node, Source, join_pairs, mask_pairs, restore_pairs
from pipeline.manifest.yaml_syntax import (
    BARE,
    KEY_IS_A_MAP,
    NO_NAME,
    repair_quotes,
    syntax_finding,
)

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
            named = getattr(error, "problem", None) == NO_NAME
            repair = repair_quotes(origin, stop.index, (*BARE, "*", "&") if named else BARE)
        if repair is None:
            return None, (*findings, *composer.findings, syntax_finding(error, origin))
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
                error = yaml.MarkedYAMLError(problem=KEY_IS_A_MAP, problem_mark=mark)
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
