"""Every documented reply is read as what it means, and says where it is from."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from pipeline.domain import Feature
from pipeline.providers.registry import PROVIDERS
from tests.recordings import load, names
from tests.unit.providers.reading import read

CASES = [(provider, name) for provider in sorted(PROVIDERS) for name in names(provider)]
CALLS = {
    "submit": None,
    "status": None,
    "upload": Feature.UPLOAD,
    "find": (Feature.FIND, Feature.LISTING),
    "quote": Feature.QUOTE,
}


def expected(provider: str) -> Any:
    """Return the table of a provider's expected readings."""
    return import_module(f"tests.unit.providers.expected.{provider}")


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_a_documented_reply_is_read_as_what_it_means(provider: str, name: str) -> None:
    """Each recorded reply gives its own state, nothing nearby."""
    table = expected(provider)

    assert table.RECORDED[name] == read(PROVIDERS[provider], name, table.TASK)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_recording_is_expected(provider: str) -> None:
    """A documented reply without an expectation would prove nothing."""
    assert names(provider) == sorted(expected(provider).RECORDED)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_call_that_is_offered_has_recordings(provider: str) -> None:
    """What a provider offers, its documents show at least once."""
    recorded = {name.split("-")[0] for name in names(provider)}
    features = PROVIDERS[provider].offer.features
    offered = {
        call
        for call, needs in CALLS.items()
        if needs is None or not features.isdisjoint({needs} if isinstance(needs, str) else needs)
    }

    assert offered == recorded


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_a_recording_says_where_it_is_from(provider: str, name: str) -> None:
    """A recording without source and certainty is an invention."""
    found = load(provider, name)

    assert found["source"].startswith("docs/design/providers.md §")
    assert found["certainty"] in {"DOC", "SDK", "INF", "composed"}
    assert {"request", "status", "headers", "body"} <= set(found)
