"""Selections for tests: texts of a command line, and records they are made over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from pipeline.domain import EMPTY, Record, Value
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.plan import Selection, SelectionMatcher, parse_selection

WORDS = {
    "review": ["approved", "waiting"],
    "status": ["new", "changed", "failed", "in_flight", "reused"],
    "state": ["planned", "waiting", "failed", "done"],
}


def text(written: str, file: str = "--select") -> Value:
    """Return a text as it comes from the command line."""
    return Value(data=written, span=Span(file=file))


def selection(select: str = "", exclude: str = "", **more: Any) -> Selection:
    """Return what these texts mean; empty ones are left out. `named` are texts by name."""
    named = {name: text(each, f"@{name}") for name, each in more.pop("named", {}).items()}
    return parse_selection(
        [text(select)] if select else [],
        [text(exclude, "--exclude")] if exclude else [],
        named=named,
        words=WORDS,
        **more,
    )


def wrong(select: str, **more: Any) -> list[Finding]:
    """Return what is wrong with a text."""
    with pytest.raises(InvalidInput) as caught:
        selection(select, **more)
    assert {"bad-selector"} == {finding.slug for finding in caught.value.findings}
    return list(caught.value.findings)


def record(address: str, *, tags: Iterable[str] = (), **more: Any) -> Record:
    """Return an item as the ledger knows it; shot, row and take are read from its address."""
    head, _, take = address.partition("#")
    shot, _, inside = head.rstrip("]").partition("[")
    row, _, cell = inside.partition(",")
    given: dict[str, Any] = {"provider": "runware", "state": "planned", "status": "new"}
    given |= {"axes": {}, "estimate_usd": Decimal("0.42"), **more}
    return Record(
        campaign="spring",
        address=address,
        shot=shot,
        row_key=row,
        cell=cell,
        take=int(take or 1),
        tags=tuple(tags),
        kind="text",
        mode="std",
        prompt="",
        sent_prompt="",
        key=address,
        origin_shot=Span(file="m.yaml"),
        **given,
    )


def chosen(
    found: Selection, records: Iterable[Record], rows: Mapping[str, Mapping[str, Any]] = EMPTY
) -> tuple[list[str], list[Finding]]:
    """Return the addresses that a selection lets pass, and what it has to say afterwards."""
    sieve = SelectionMatcher(found, lambda each: rows.get(each.row_key, EMPTY))
    passed = [each.address for each in records if sieve(each)]
    return passed, list(sieve.findings())
