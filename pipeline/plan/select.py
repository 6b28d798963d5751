"""What `--select` and `--exclude` say → which items are meant, as in dbt.

A space is or, a comma is and; inside square brackets and double quotes both are only text. `*` and
`?` stand for any text and any character; nothing else does, and case counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline.domain import EMPTY, Record, Value
from pipeline.errors import InvalidInput
from pipeline.findings import Diagnostic, Span, did_you_mean
from pipeline.plan.terms import Row, Term, Wrong, term

_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comma>,) | (?P<term>(?:"[^"]*" | \[[^\]]*\] | [^\s,"\[])+)
    | (?P<open>["\[])""",
    re.VERBOSE,
)
_CLOSING = {'"': '"', "[": "]"}
_MOST = 1000
"""Alternatives that a selection may come to: names that stand for names multiply quickly."""
_ANYWHERE = Span(file="--select")
Union = tuple[tuple[Term, ...], ...]
"""Alternatives, each of which is terms that must all hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which items are meant; without `wanted` it is all that are not `unwanted`."""

    wanted: Union = ()
    unwanted: Union = ()
    limit: int | None = None
    """Of those, only so many: the first ones in plan order."""
    span: Span = _ANYWHERE

    def fits(self, record: Record, row: Row = EMPTY) -> bool:
        """Tell whether an item is meant, its place in the plan aside; `row` is its table row."""
        chosen = not self.wanted or _holds(self.wanted, record, row)
        return chosen and not _holds(self.unwanted, record, row)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every condition, as written."""
        return tuple(each for every in (*self.wanted, *self.unwanted) for each in every)

    @property
    def needs_rows(self) -> bool:
        """Tell whether it asks for what only a table knows."""
        return any(each.of_row for each in self.terms)

    @property
    def lasting(self) -> bool:
        """Tell whether it means the same items after a run as before."""
        return all(each.lasting for each in self.terms)


def _holds(union: Union, record: Record, row: Row) -> bool:
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
    `words` are what `status`, `state` and `review` can be.
    """
    reader = _Reader(named, words)
    wanted = tuple(every for text in select for every in reader.union(text))
    if within is not None:
        outer = reader.union(within)
        wanted = tuple((*left, *right) for left in outer for right in wanted or ((),))
    unwanted = tuple(every for text in exclude for every in reader.union(text))
    if reader.findings:
        raise InvalidInput(reader.findings)
    places = [text.span for text in (within, *select, *exclude) if text is not None]
    span = places[0] if places else _ANYWHERE
    return Selection(wanted=wanted, unwanted=unwanted, limit=limit, span=span)


def selector_findings(
    named: Mapping[str, Value], words: Mapping[str, Collection[str]]
) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a manifest's own selectors, each read for itself."""
    reader = _Reader(named, words)
    for name, text in named.items():
        reader.union(text, inside=(name,))
    return tuple(dict.fromkeys(reader.findings))


class _Reader:
    """Reads texts into unions; what is wrong is kept."""

    def __init__(self, named: Mapping[str, Value], words: Mapping[str, Collection[str]]) -> None:
        self.findings: list[Diagnostic] = []
        self._named = named
        self._read: dict[str, Union] = {}
        self._words = words

    def union(self, text: Value, inside: tuple[str, ...] = ()) -> Union:
        """Return the alternatives of a text; `inside` are the names being read."""
        found: list[tuple[Term, ...]] = []
        try:
            for pieces in _alternatives(str(text.data)):
                found += self._all_of(pieces, text, inside)
                _few(found)
        except Wrong as wrong:
            self._tell(wrong, text.span)
        return tuple(dict.fromkeys(found))

    def _all_of(
        self, pieces: Sequence[re.Match[str]], text: Value, inside: tuple[str, ...]
    ) -> Union:
        """Return what holds where every piece does: `@name` may stand for several alternatives."""
        alternatives: Union = ((),)
        for piece in pieces:
            these = self._piece(piece, text, inside)
            _few(range(len(alternatives) * len(these)))
            alternatives = tuple((*left, *right) for left in alternatives for right in these)
        return alternatives

    def _piece(self, piece: re.Match[str], text: Value, inside: tuple[str, ...]) -> Union:
        written = piece[0]
        try:
            if written.startswith("@"):
                return self._by_name(written[1:].replace('"', ""), inside)
            span = _within(text.span, piece.start(), piece.end())
            return ((replace(term(written, self._words), span=span),),)
        except Wrong as wrong:
            self._tell(wrong, text.span, piece.start(), piece.end())
            return ()

    def _by_name(self, name: str, inside: tuple[str, ...]) -> Union:
        if name not in self._named:
            hint = did_you_mean(f"@{name}", [f"@{known}" for known in self._named])
            raise Wrong(f"the manifest has no selector '{name}'", hint)
        if name in inside:
            way = " → ".join(f"@{each}" for each in (*inside[inside.index(name) :], name))
            raise Wrong(f"'@{name}' stands for itself: {way}", "write out what it is to mean")
        if name not in self._read:
            self._read[name] = self.union(self._named[name], (*inside, name))
        return self._read[name]

    def _tell(self, wrong: Wrong, base: Span, start: int = 0, end: int = 0) -> None:
        place = wrong.place or (start, end)
        self.findings.append(
            Diagnostic(
                slug="bad-selector",
                message=wrong.message,
                span=_within(base, *place),
                hint=wrong.hint,
            )
        )


def _alternatives(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield the terms of each alternative; Wrong where the text has no meaning."""
    if not text.strip():
        raise Wrong("this selects nothing: it is empty", "leave it out to mean everything")
    for between, tokens in groupby(_TOKEN.finditer(text), lambda token: token.lastgroup == "space"):
        if not between:
            yield _terms(list(tokens))


def _terms(tokens: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """Return the terms of one alternative, between each two of which stands a comma."""
    unclosed = next((token for token in tokens if token.lastgroup == "open"), None)
    if unclosed:
        wanting = _CLOSING[unclosed[0]]
        message = f"this {unclosed[0]} is never closed"
        raise Wrong(message, f"add a {wanting}", unclosed.span())
    terms, commas = tokens[::2], tokens[1::2]
    kinds = [token.lastgroup for token in (*terms, *commas)]
    if len(terms) == len(commas) or kinds != ["term"] * len(terms) + ["comma"] * len(commas):
        raise _lonely(next(token for token in tokens if token.lastgroup == "comma"))
    return list(terms)


def _few(alternatives: Sized) -> None:
    if len(alternatives) > _MOST:
        raise Wrong(f"this comes to more than {_MOST:,} alternatives", "select by a tag instead")


def _lonely(comma: re.Match[str]) -> Wrong:
    hint = "a comma is and: write it between two conditions, without a space"
    return Wrong("there is nothing on one side of this comma", hint, comma.span())


def _within(span: Span, start: int, end: int) -> Span:
    """Return the place of a piece of a text that begins at `span`."""
    first = span.column + start
    return replace(span, column=first, end_column=span.column + max(end, start + 1))
