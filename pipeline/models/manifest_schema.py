"""The manifest's schema with the settings of all models there are.

The shipped schema has those of this package's models, for an editor. A model of another package
may allow more of a setting, or bring settings of its own: the schema then takes the wider rule,
and the plan holds each item against its own model's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from pipeline.models.video_model import Parameter, VideoModel

_WIDER = {"minimum": min, "maximum": max}


def with_parameters(manifest: Mapping[str, Any], models: Iterable[VideoModel]) -> dict[str, Any]:
    """Return the manifest's schema with each parameter of these models as setting and as axis."""
    whole = deepcopy(dict(manifest))
    definitions = whole["$defs"]
    cells = definitions["variants"]["properties"]["extend"]["items"]["properties"]["set"]
    for name, (parameter, rule) in _merge_parameters(models).items():
        if not parameter.axis and parameter.in_key:
            continue  # written beside a reference
        setting = {
            "description": parameter.description,
            "examples": list(parameter.examples),
            **({} if parameter.default is None else {"default": parameter.default}),
            "anyOf": [rule, {"$ref": "#/$defs/template"}],
        }
        # Wherever a setting may stand; a place that is left out here would not know the name.
        for place in (definitions["settings"], definitions["shot"], cells):
            place["properties"][name] = setting
        if parameter.axis:
            definitions["axes"]["properties"][name] = {
                "description": parameter.axis,
                "examples": [list(parameter.axis_examples)],
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": rule,
            }
    return whole


def _merge_parameters(
    models: Iterable[VideoModel],
) -> Mapping[str, tuple[Parameter, dict[str, Any]]]:
    """Return each parameter as the first model has it, with the rule that fits all models."""
    found: dict[str, tuple[Parameter, dict[str, Any]]] = {}
    for model in models:
        for name, parameter in model.parameters.items():
            first, rule = found.get(name, (parameter, dict(parameter.rule)))
            found[name] = first, _wider(rule, parameter.rule)
    return found


def _wider(rule: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule for what either of two allows; a bound that one lacks is none."""
    # Only keys that both have: what one model takes without limit is not refused for the other's
    # sake.
    merged = {name: value for name, value in rule.items() if name in other}
    for name, choose in _WIDER.items():
        if name in merged:
            merged[name] = choose(rule[name], other[name])
    if "enum" in merged:
        merged["enum"] = list(dict.fromkeys([*rule["enum"], *other["enum"]]))
    return merged
