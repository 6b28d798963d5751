"""What `--select` and `--exclude` say → which items are meant, as in dbt.

A space is or, a comma is and; inside square brackets and double quotes both are only text. `*` and
`?` stand for any text and any character; nothing else does, and case counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline.domain import EMPTY, Record, Value
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.plan.selectors.methods import (
    OF_STANDING,
    BadSelector,
    Condition,
    TableRow,
    parse_condition,
)

_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comma>,) | (?P<term>(?:"[^"]*" | \[[^\]]*\] | [^\s,"\[])+)
    | (?P<open>["\[])""",
    re.VERBOSE,
)
_CLOSING = {'"': '"', "[": "]"}
_MOST = 1000
"""Alternatives that a selection may come to: names that stand for names multiply quickly."""
_ANYWHERE = Span(file="--select")
Union = tuple[tuple[Condition, ...], ...]
"""Alternatives, each of which is terms that must all hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which items are meant; without `wanted` it is all that are not `unwanted`."""

    wanted: Union = ()
    unwanted: Union = ()
    limit: int | None = None
    """Of those, only so many: the first ones in plan order."""
    span: Span = _ANYWHERE

    def fits(self, record: Record, row: TableRow = EMPTY) -> bool:
        """Tell whether an item is meant, its place in the plan aside; `row` is its table row."""
        chosen = not self.wanted or _holds(self.wanted, record, row)
        return chosen and not _holds(self.unwanted, record, row)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition, as written."""
        return tuple(each for every in (*self.wanted, *self.unwanted) for each in every)

    @property
    def needs_rows(self) -> bool:
        """Tell whether it asks for what only a table knows."""
        return any(each.of_row for each in self.conditions)

    @property
    def needs_reviews(self) -> bool:
        """Tell whether it asks for what people decided."""
        return any(each.of_review for each in self.conditions)

    @property
    def lasting(self) -> bool:
        """Tell whether it means the same items after a run as before."""
        return all(each.lasting for each in self.conditions)


def _holds(union: Union, record: Record, row: TableRow) -> bool:
    return any(all(each.holds(record, row) for each in every) for every in union)


def parse_selection(
    select: Sequence[Value],
    exclude: Sequence[Value] = (),
    *,
    within: Value | None = None,
    limit: int | None = None,
    named: Mapping[str, Value] = EMPTY,
    words: Mapping[str, Collection[str]] = EMPTY,
) -> Selection:
    """Return what the texts mean together; InvalidInput with a `bad-selector` where one is wrong.

    What is selected must also fit `within`. `named` are the manifest's own selectors, for `@name`;
    `words` are what `status` and `state` can be.
    """
    parser = _SelectorParser(named, words)
    wanted = tuple(every for text in select for every in parser.union(text))
    if within is not None:
        outer = parser.union(within)
        # Both must hold; without `--select` the outer one alone says what is meant.
        wanted = tuple((*left, *right) for left in outer for right in wanted or ((),))
    unwanted = tuple(every for text in exclude for every in parser.union(text))
    if parser.findings:
        raise InvalidInput(parser.findings)
    places = [text.span for text in (within, *select, *exclude) if text is not None]
    span = places[0] if places else _ANYWHERE
    return Selection(wanted=wanted, unwanted=unwanted, limit=limit, span=span)


def selector_findings(
    named: Mapping[str, Value], words: Mapping[str, Collection[str]]
) -> tuple[Finding, ...]:
    """Return what is wrong with a manifest's own selectors, each read for itself."""
    parser = _SelectorParser(named, words)
    for name, text in named.items():
        parser.union(text, inside=(name,))
    return tuple(dict.fromkeys(parser.findings))


class _SelectorParser:
    """Reads texts into unions; what is wrong is kept."""

    def __init__(self, named: Mapping[str, Value], words: Mapping[str, Collection[str]]) -> None:
        self.findings: list[Finding] = []
        self._named = named
        self._known: dict[str, Union] = {}
        self._words = {method: words[method] for method in words if method in OF_STANDING}

    def union(self, text: Value, inside: tuple[str, ...] = ()) -> Union:
        """Return the alternatives of a text; `inside` are the names being read."""
        found: list[tuple[Condition, ...]] = []
        try:
            for pieces in _alternatives(str(text.data)):
                # `@name` may stand for several alternatives, so that each piece multiplies them.
                whole: Union = ((),)
                for piece in pieces:
                    these = self._piece(piece, text, inside)
                    _require_few(len(whole) * len(these))
                    whole = tuple((*left, *right) for left in whole for right in these)
                found += whole
                _require_few(len(found))
        except BadSelector as bad:
            self._keep(bad, text.span)
        return tuple(dict.fromkeys(found))

    def _piece(self, piece: re.Match[str], text: Value, inside: tuple[str, ...]) -> Union:
        written = piece[0]
        try:
            if written.startswith("@"):
                return self._by_name(written[1:].replace('"', ""), inside)
            span = _within(text.span, piece.start(), piece.end())
            return ((replace(parse_condition(written, self._words), span=span),),)
        except BadSelector as bad:
            self._keep(bad, text.span, piece.start(), piece.end())
            return ()

    def _by_name(self, name: str, inside: tuple[str, ...]) -> Union:
        if name not in self._named:
            hint = did_you_mean(f"@{name}", [f"@{known}" for known in self._named])
            raise BadSelector(f"the manifest has no selector '{name}'", hint)
        if name in inside:
            way = " → ".join(f"@{each}" for each in (*inside[inside.index(name) :], name))
            hint = "write out what it is to mean"
            raise BadSelector(f"'@{name}' stands for itself: {way}", hint)
        # Each name is read once, however often it is used: names within names would double the
        # work.
        if name not in self._known:
            self._known[name] = self.union(self._named[name], (*inside, name))
        return self._known[name]

    def _keep(self, bad: BadSelector, base: Span, start: int = 0, end: int = 0) -> None:
        span = _within(base, *(bad.place or (start, end)))
        self.findings.append(
            Finding(slug="bad-selector", message=bad.message, span=span, hint=bad.hint)
        )


def _alternatives(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield the conditions of each alternative; BadSelector where the text has no meaning."""
    if not text.strip():
        hint = "leave it out to mean everything"
        raise BadSelector("this selects nothing: it is empty", hint)
    for between, group in groupby(_TOKEN.finditer(text), lambda token: token.lastgroup == "space"):
        if between:
            continue
        tokens = list(group)
        unclosed = next((token for token in tokens if token.lastgroup == "open"), None)
        if unclosed:
            message = f"this {unclosed[0]} is never closed"
            raise BadSelector(message, f"add a {_CLOSING[unclosed[0]]}", unclosed.span())
        # Between each two conditions of an alternative stands a comma, and nowhere else.
        terms, commas = tokens[::2], tokens[1::2]
        kinds = [token.lastgroup for token in (*terms, *commas)]
        if len(terms) == len(commas) or kinds != ["term"] * len(terms) + ["comma"] * len(commas):
            comma = next(token for token in tokens if token.lastgroup == "comma")
            hint = "a comma is and: write it between two conditions, without a space"
            raise BadSelector("there is nothing on one side of this comma", hint, comma.span())
        yield terms


def _require_few(alternatives: int) -> None:
    if alternatives > _MOST:
        message = f"this comes to more than {_MOST:,} alternatives"
        raise BadSelector(message, "select by a tag instead")


def _within(span: Span, start: int, end: int) -> Span:
    """Return the place of a piece of a text that begins at `span`."""
    first = span.column + start
    return replace(span, column=first, end_column=span.column + max(end, start + 1))
