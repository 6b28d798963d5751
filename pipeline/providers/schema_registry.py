"""Hold a request against its provider's closed schema: a misspelt field must not cost money.

The compiled validator decides, for every item; the slower one explains, for the few it refuses.
Several providers ignore unknown fields, so a typo would silently buy their default.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from pipeline.schemas import schema

_REGISTERED: dict[str, Mapping[str, Any]] = {}


def register(provider: str, found: Mapping[str, Any]) -> None:
    """Take the schema that a provider from another package brings along."""
    _REGISTERED[provider] = found


def is_valid(provider: str, body: Any) -> bool:
    """Tell whether a body fits the provider's schema."""
    return _validator(provider).is_valid(body)


def schema_error(provider: str, body: Any) -> str | None:
    """Return why the provider's schema refuses a body, or None where it does not."""
    if is_valid(provider, body):
        return None
    found = best_match(Draft202012Validator(_schema(provider)).iter_errors(body))
    if found is None:
        return "not in the form of the schema"
    place = ".".join(str(step) for step in found.absolute_path)
    return f"{place}: {found.message}" if place else found.message


@cache
def _validator(provider: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(provider))


def _schema(provider: str) -> dict[str, Any]:
    registered = _REGISTERED.get(provider)
    return schema(f"providers/{provider}") if registered is None else dict(registered)
