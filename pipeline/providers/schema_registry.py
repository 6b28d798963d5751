"""Hold a request against its provider's closed schema: a misspelt field must not cost money.

A provider has a schema for each model that it sells.

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

from pipeline.models import KLING_O1
from pipeline.schemas import schema

_REGISTERED: dict[tuple[str, str], Mapping[str, Any]] = {}


def register(provider: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Take the schemas, by model, that a provider from another package brings along."""
    _REGISTERED.update({(provider, model): rules for model, rules in found.items()})


def is_valid(provider: str, model: str, body: Any) -> bool:
    """Tell whether a body fits the provider's schema for a model."""
    return _validator(provider, model).is_valid(body)


def schema_error(provider: str, model: str, body: Any) -> str | None:
    """Return why the provider's schema refuses a body, or None where it does not."""
    if is_valid(provider, model, body):
        return None
    found = best_match(Draft202012Validator(_schema(provider, model)).iter_errors(body))
    if found is None:
        return "not in the form of the schema"
    place = ".".join(str(step) for step in found.absolute_path)
    return f"{place}: {found.message}" if place else found.message


@cache
def _validator(provider: str, model: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(provider, model))


def _schema(provider: str, model: str) -> dict[str, Any]:
    registered = _REGISTERED.get((provider, model))
    if registered is not None:
        return dict(registered)
    # The first model's schemas have no model in their names: they are printed by `schema`.
    return schema(
        f"providers/{provider}" if model == KLING_O1.name else f"providers/{provider}.{model}"
    )
