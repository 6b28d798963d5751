"""What each provider is sent, held against golden files and the closed schemas."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.providers import schema_registry
from pipeline.providers.registry import OFFERS, PROVIDERS
from tests.recordings import load, names
from tests.unit.providers.goldens import cases, golden, requests


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_requests_are_as_a_person_last_read_them(provider: str) -> None:
    """Kind, mode and ratio give the same bytes as in the golden file."""
    assert golden(provider) == requests(provider)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_offered_kind_and_mode_has_a_golden_request(provider: str) -> None:
    """What is offered was read by a person."""
    offered = {
        f"{kind} {mode}"
        for kind, terms in OFFERS[provider].models["kling-o1"].items()
        for mode in terms.modes
    }

    assert offered == {" ".join(name.split()[:2]) for name, _ in cases(provider)}


def _mutants(value: Any) -> list[Any]:
    """Return copies of a body, each with one unknown field in one of its objects."""
    match value:
        case dict():
            inner = [
                {**value, name: changed}
                for name, field in value.items()
                for changed in _mutants(field)
            ]
            return [{**value, "surprise": 1}, *inner]
        case list():
            return [
                [*value[:index], changed, *value[index + 1 :]]
                for index, one in enumerate(value)
                for changed in _mutants(one)
            ]
        case _:
            return []


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_an_unknown_field_is_refused_at_any_depth(provider: str) -> None:
    """The schema is closed: a misspelt field would silently buy the provider's default."""
    for name, request in golden(provider).items():
        body = next(value for key, value in request.items() if key != "headers")
        assert schema_registry.schema_error(provider, "kling-o1", body) is None, name
        assert [] == [
            one for one in _mutants(body) if schema_registry.is_valid(provider, "kling-o1", one)
        ]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_the_submits_in_the_recordings_pass_the_schema(provider: str) -> None:
    """The schema admits what the documents send."""
    found = [load(provider, name) for name in names(provider) if name.startswith("submit")]

    assert found
    assert [] == [
        one["request"]
        for one in found
        if schema_registry.schema_error(provider, "kling-o1", one["request"])
    ]
