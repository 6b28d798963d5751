"""What a video model is as data, and what the manifest's schema and the plan make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any

import pytest

from pipeline.domain import DEFAULT_MODEL
from pipeline.models import KLING_O1, Parameter, VideoModel, with_parameters
from pipeline.models.model_registry import installed_models
from pipeline.schemas import schema
from tests.unit.plan import builders as build


def other(**parameters: Mapping[str, Any]) -> VideoModel:
    """Return a model as Kling O1, but for these rules of its parameters."""
    changed = {
        name: replace(KLING_O1.parameters[name], rule=rule)
        if name in KLING_O1.parameters
        else Parameter(rule=rule, says="", description="", examples=(), axis="Makes it so.")
        for name, rule in parameters.items()
    }
    return replace(
        KLING_O1, name="other", parameters=MappingProxyType({**KLING_O1.parameters, **changed})
    )


def settings(*models: VideoModel) -> Mapping[str, Any]:
    """Return the rules of a shot's settings with these models."""
    whole = with_parameters(schema("manifest"), models)
    properties: Mapping[str, Any] = whole["$defs"]["shot"]["properties"]
    return properties


def test_the_shipped_schema_is_what_the_parameters_say() -> None:
    """A setting has one home: an editor reads the rule that the model has."""
    assert schema("manifest") == with_parameters(schema("manifest"), [KLING_O1])


def test_of_two_models_the_schema_allows_what_either_does() -> None:
    """The wider bounds, and the words of both; the first model's text explains it."""
    wide = other(
        duration={"type": "integer", "minimum": 2, "maximum": 15},
        aspect_ratio={"enum": ["21:9", "16:9"]},
    )
    found = settings(KLING_O1, wide)

    assert {"type": "integer", "minimum": 2, "maximum": 15} == found["duration"]["anyOf"][0]
    assert ["16:9", "9:16", "1:1", "auto", "21:9"] == found["aspect_ratio"]["anyOf"][0]["enum"]
    assert settings(KLING_O1)["duration"]["description"] == found["duration"]["description"]


def test_a_bound_that_one_model_lacks_is_none() -> None:
    """What one model takes without limit is not refused for the other's sake."""
    found = settings(KLING_O1, other(duration={"type": "integer", "minimum": 3}))

    assert {"type": "integer", "minimum": 3} == found["duration"]["anyOf"][0]


def test_a_models_own_setting_is_a_setting_and_an_axis() -> None:
    """It stands where those of all models stand."""
    whole = with_parameters(schema("manifest"), [KLING_O1, other(swell={"enum": ["calm"]})])

    definitions = whole["$defs"]
    assert {"enum": ["calm"]} == definitions["settings"]["properties"]["swell"]["anyOf"][0]
    assert {"enum": ["calm"]} == definitions["axes"]["properties"]["swell"]["items"]


def test_the_usual_model_is_in_keys_as_it_always_was() -> None:
    """To write it changes no key."""
    (bare,) = build.items(build.manifest(build.shot("Rain.")))
    named = {"model": DEFAULT_MODEL}
    (written,) = build.items(build.manifest(build.shot("Rain.", settings=named)))

    assert "kling-o1" == bare.model == written.model
    assert bare.key == written.key


def test_an_unknown_model_is_told_with_those_there_are() -> None:
    """The finding stands at the name that was written."""
    named = {"model": "kling-3.0"}
    (found,) = build.findings(build.manifest(build.shot("Rain.", settings=named)))

    assert "unknown-model" == found.slug
    assert "there is no model 'kling-3.0'" == found.message
    assert "kling-o1" in found.hint


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("tests.unit.plan.test_models:MISSING", "AttributeError"),
        ("tests.unit.plan.test_models:other", "it is no VideoModel"),
        ("pipeline.models:KLING_O1", "there is a model 'kling-o1' already"),
        ("tests.unit.plan.test_models:OF_OTHER_TYPE", "'duration' is of another type"),
        ("tests.unit.plan.test_models:WITHOUT_MODE", "it has no parameter 'mode'"),
    ],
)
def test_a_model_that_cannot_be_used_is_left_out(value: str, why: str) -> None:
    """A broken package is told, and keeps no other model from being used."""
    with pytest.warns(RuntimeWarning, match=why):
        assert [] == list(installed_models(["kling-o1"], [EntryPoint("x", value, "g")]))


OF_OTHER_TYPE = other(duration={"type": "string"})
WITHOUT_MODE = replace(
    KLING_O1,
    name="modeless",
    parameters=MappingProxyType({n: p for n, p in KLING_O1.parameters.items() if n != "mode"}),
)
