"""The C parser's events → nodes: one document, with its size, depth and aliases bounded.

Which text is a number is decided here, by YAML 1.2's rules and narrower: `9:16`, `0123`, `yes`,
dates and `1e5` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline.findings import Finding, Span
from pipeline.manifest.nodes import Node
from pipeline.manifest.positions import Source
from pipeline.manifest.wording import did_you_mean

MAX_DEPTH = 40
MAX_SCALAR = 65_536
MAX_NODES = 400_000
# Nodes that aliases may add by being expanded; a bomb of nine levels has a thousand million.
MAX_ALIASED = 20_000

_ONE = "take the '---' and what follows into a file of its own"
_SHORTER = "what is long belongs into a table"
_WORDS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "false": False,
}
# Eighteen digits fit 64 bits; a longer run of digits is an identifier, not a quantity.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")

# The parser's own events; its stubs call their marks optional, which from the C parser they
# never are.
_Event = Any

Scalar = str | int | float | bool | None


class Refused(Exception):  # noqa: N818 - it carries a finding, and never leaves this stage
    """The document is not read on; the finding says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.slug)


class Bare(Exception):  # noqa: N818 - the same
    """The parser failed here, perhaps for want of quotes."""

    def __init__(self, index: int, error: yaml.YAMLError) -> None:
        self.index = index
        self.error = error
        super().__init__(index)


class Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, origin: Source) -> None:
        self.source = origin
        self.findings: list[Finding] = []
        self._events: Iterator[_Event] = _events(origin.text)
        self._anchors: dict[str, Node | None] = {}
        self._nodes = 0
        self._aliased = 0

    def document(self) -> Node:
        """Return the one document as a node; raises Refused or Bare."""
        self._check_characters()
        root: Node | None = None
        for event in self._events:
            match event:
                case yaml.DocumentStartEvent() if root is not None:
                    raise self._refused(
                        "many-documents", "a second document begins here", event, _ONE
                    )
                case yaml.DocumentStartEvent():
                    root = self._node(next(self._events), 0)
        if root is not None:
            return root
        message = "the file says nothing"
        place = Span(file=self.source.shown)
        hint = "a manifest begins with callsheet: 1"
        raise Refused(Finding(slug="empty-file", message=message, span=place, hint=hint))

    def _check_characters(self) -> None:
        found = _CONTROL.search(self.source.text)
        if found:
            message = f"the character U+{ord(found[0]):04X} is not allowed in YAML"
            place = self.source.span(found.start(), found.end())
            raise Refused(Finding(slug="yaml-syntax", message=message, span=place))

    def _refused(self, slug: str, message: str, event: _Event, hint: str = "") -> Refused:
        finding = Finding(slug=slug, message=message, span=self._span(event), hint=hint)
        return Refused(finding)

    def _node(self, event: _Event, depth: int) -> Node:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            deep = depth > MAX_DEPTH
            what = f"{MAX_DEPTH} levels of nesting" if deep else f"{MAX_NODES:,} values"
            hint = "" if deep else _SHORTER
            raise self._refused("too-large", f"the file has more than {what}", event, hint)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if getattr(event, "tag", None) is not None:
            raise self._refused(
                "yaml-tag", "YAML tags are not read", event, "write the value itself"
            )
        anchor = getattr(event, "anchor", None)
        if anchor:
            self._anchors[anchor] = None
        node = self._built(event, depth)
        if anchor:
            self._anchors[anchor] = node
        return node

    def _built(self, event: _Event, depth: int) -> Node:
        match event:
            case yaml.ScalarEvent():
                return self._scalar(event)
            case yaml.SequenceStartEvent():
                return self._sequence(event, depth)
        return self._mapping(event, depth)

    def _alias(self, event: _Event) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            inside = event.anchor in self._anchors
            what = "repeats itself" if inside else f"has no '&{event.anchor}' above it"
            hint = "" if inside else did_you_mean(f"*{event.anchor}", self._aliases())
            raise self._refused("bad-alias", f"'*{event.anchor}' {what}", event, hint)
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            message = f"aliases repeat more than {MAX_ALIASED:,} values"
            raise self._refused("alias-bomb", message, event, "write a table, and one shot for it")
        return node

    def _aliases(self) -> list[str]:
        return [f"*{name}" for name in self._anchors]

    def _scalar(self, event: _Event) -> Node:
        if len(event.value) > MAX_SCALAR:
            message = f"a text has {len(event.value):,} characters; at most {MAX_SCALAR:,} are read"
            raise self._refused("too-large", message, event, _SHORTER)
        plain = event.style in {None, ""}
        return Node(
            value=resolved(event.value) if plain else event.value,
            span=self._span(event),
            source=self.source,
            extent=(event.start_mark.index, event.end_mark.index),
            style="" if plain else event.style or "",
        )

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
            name, place = self._key(event), self._span(event)
            node = self._node(next(self._events), depth + 1)
            if name in keys:
                self._duplicate(name, place, keys[name])
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

    def _key(self, event: _Event) -> str:
        if isinstance(event, yaml.ScalarEvent) and len(event.value) <= MAX_SCALAR:
            return event.value
        # `{{ x }}` is read as a map whose key is a map.
        raise Bare(
            event.start_mark.index,
            yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=event.start_mark),
        )

    def _duplicate(self, name: str, place: Span, first: Span) -> None:
        message = f"'{name}' is given twice"
        hint = "keep one of them"
        self.findings.append(
            Finding(slug="duplicate-key", message=message, span=place, hint=hint, related=(first,))
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


# What YAML 1.2 allows, without the byte order mark and lone surrogates.
_CONTROL = re.compile(
    r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def _events(text: str) -> Iterator[_Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Bare(mark.index if mark else 0, error) from error


def resolved(text: str) -> Scalar:
    """Return what a plain scalar stands for; whatever is not plainly a number stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
