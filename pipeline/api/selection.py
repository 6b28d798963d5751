"""What is selected of a campaign (`--select`, `--exclude`, `--first`), read against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from types import MappingProxyType
from typing import Any

from pipeline.api.campaign_request import CampaignRequest
from pipeline.domain import EMPTY, Manifest, Record, Value
from pipeline.domain.review import Review
from pipeline.domain.states import UNBOUGHT, State, Status
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.plan import (
    Selection,
    SelectionMatcher,
    encode_row_key,
    parse_selection,
    selector_findings,
)

_ADDRESS = "address"
_ADDRESSED = re.compile(r"(?P<shot>[^\[\]]+)\[(?P<row>[^\[\],]+)[^\[\]]*\](?:#.*)?")
_WORDS: Mapping[str, Collection[str]] = MappingProxyType(
    {
        "status": [status.value for status in Status],
        "state": [state.value for state in State],
        "review": [review.value for review in Review],
    }
)


class ProviderFilter:
    """Selects what one provider makes, or what is made already: `--provider` as a selection."""

    def __init__(self, provider: str, matcher: SelectionMatcher | None) -> None:
        self._provider = provider
        self._matcher = matcher

    def __call__(self, record: Record) -> bool:
        """Tell whether an item is selected."""
        meant = self._matcher is None or self._matcher(record)
        return meant and (record.provider == self._provider or record.state not in UNBOUGHT)

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong with the selection beside it."""
        return self._matcher.findings() if self._matcher else ()


class AddressFilter:
    """Selects all but the items of some addresses, within another selection if there is one."""

    def __init__(
        self, left_out: Collection[str], choice: SelectionMatcher | ProviderFilter | None
    ) -> None:
        self._left_out = left_out
        self._choice = choice

    def __call__(self, record: Record) -> bool:
        """Tell whether an item is selected."""
        # Asked of each item, left out or not: `--first` counts those that were planned.
        meant = self._choice is None or self._choice(record)
        return meant and record.address not in self._left_out

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong with the selection beside it."""
        return self._choice.findings() if self._choice else ()


def selection_of(request: CampaignRequest, manifest: Manifest) -> Selection:
    """Return what the command line selects; InvalidInput where it cannot be understood."""
    return parse_selection(
        _texts("--select", request.select),
        _texts("--exclude", request.exclude),
        within=_texts(_ADDRESS, (request.address,))[0] if request.address else None,
        limit=request.first,
        named=manifest.selectors,
        words=_WORDS,
    )


def selection_matcher(
    selection: Selection, manifest: Manifest, review: Callable[[Record], str]
) -> SelectionMatcher:
    """Return what tells the selected items from the others; `review` what was decided of one."""
    tables = {shot.id: manifest.tables.get(shot.table or "") for shot in manifest.shots}

    @cache
    def by_key(shot: str) -> Mapping[str, Mapping[str, Any]]:
        table = tables.get(shot)
        return {row.key: row.values for row in table.rows} if table else EMPTY

    def row_of(record: Record) -> Mapping[str, Any]:
        return by_key(record.shot).get(record.row_key, EMPTY)

    def absent(address: str) -> str:
        """Return why the row of an address has no items, where the manifest left it out."""
        found = _ADDRESSED.fullmatch(address)
        for shot in manifest.shots if found else ():
            table = tables[shot.id]
            if found is None or table is None or not fnmatchcase(shot.id, found["shot"]):
                continue
            for key, reason in table.left_out.items():
                text = encode_row_key(key, several=len(table.key) > 1)
                if fnmatchcase(text, found["row"]):
                    return f"the row '{key}' is in '{table.name}', and its '{reason}' leaves it out"
        return ""

    return SelectionMatcher(selection, row_of, absent, review)


def matching_records(
    records: Iterable[Record], matcher: SelectionMatcher | None, sources: Mapping[str, str]
) -> Iterator[Record]:
    """Yield the selected ones of a ledger's records; InvalidInput at the end if one is at fault."""
    yield from filter(matcher, records)
    # That a selector fits nothing is known once the last item was asked for.
    findings = tuple(matcher.findings()) if matcher else ()
    if findings:
        raise InvalidInput(findings, sources)


def own_selector_findings(manifest: Manifest) -> tuple[Finding, ...]:
    """Return what is wrong with the manifest's own selectors, used or not."""
    return selector_findings(manifest.selectors, _WORDS)


def selection_sources(request: CampaignRequest) -> Mapping[str, str]:
    """Return the texts of the command line by the names that findings give their places."""
    texts = {_ADDRESS: (request.address,), "--select": request.select, "--exclude": request.exclude}
    texts["--provider"] = (request.provider,)
    return {name: "\n".join(map(_line, given)) for name, given in texts.items() if any(given)}


def _texts(name: str, given: Sequence[str]) -> list[Value]:
    return [
        Value(data=_line(text), span=Span(file=name, line=number, end_column=len(text) + 1))
        for number, text in enumerate(given, start=1)
    ]


def _line(text: str) -> str:
    return " ".join(text.splitlines())
