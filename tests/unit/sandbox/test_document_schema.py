"""A schema's findings name the field and say what it may be."""

from __future__ import annotations

from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from jsonschema import Draft202012Validator

from pipeline.sandbox.dialects import DIALECTS
from pipeline.sandbox.document_schema import DocumentSchema, dialect_schema
from tests.architecture.source import REPOSITORY

SCHEMA: dict[str, Any] = {
    "$defs": {
        "order": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 9},
                "seconds": {
                    "type": "integer",
                    "minimum": 3,
                    "maximum": 10,
                    "writtenAs": "integer",
                },
                "ttl": {"type": "integer", "minimum": 60},
                "mode": {"enum": ["std", "pro", None]},
                "flag": {"type": ["boolean", "null"]},
                "urls": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 2,
                    "items": {"$ref": "#/$defs/url"},
                },
                "inner": {"type": "object", "properties": {"size": {"type": "number"}}},
            },
            "allOf": [
                {
                    "if": {"required": ["ttl"]},
                    "then": {"required": ["urls"]},
                    "refusal": "needs a place to live",
                    "field": "ttl",
                }
            ],
        },
        "url": {"type": "string", "pattern": "^https://", "refusal": "must be an address"},
    }
}


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({}, "name", "is required"),
        ({"name": "x", "nme": 1}, "nme", "is unknown"),
        ({"name": ""}, "name", "must be a string of 1 to 9 characters"),
        ({"name": "x", "seconds": 11}, "seconds", "must be an integer from 3 to 10"),
        ({"name": "x", "seconds": 5.0}, "seconds", "must be an integer from 3 to 10"),
        ({"name": "x", "seconds": True}, "seconds", "must be an integer from 3 to 10"),
        ({"name": "x", "ttl": 5}, "ttl", "must be an integer of at least 60"),
        ({"name": "x", "mode": "high"}, "mode", "must be one of std, pro"),
        ({"name": "x", "flag": 1}, "flag", "must be a boolean"),
        ({"name": "x", "urls": []}, "urls", "must be an array of 1 to 2 items"),
        ({"name": "x", "urls": ["ftp://a"]}, "urls", "must be an address"),
        ({"name": "x", "inner": {"size": "1"}}, "inner.size", "must be a number"),
        ({"name": "x", "inner": 1}, "inner", "must be an object"),
        ({"name": "x", "ttl": 60}, "ttl", "needs a place to live"),
        ([], "", "must be an object"),
    ],
)
def test_what_is_wrong_is_worded_from_the_schema(document: Any, field: str, words: str) -> None:
    """Missing, unknown, out of range, of another type, or not together."""
    (error,) = DocumentSchema(SCHEMA, "order").errors(document)

    assert (field, words) == (error.field, error.words)


def test_rules_wait_until_every_field_is_right() -> None:
    """A field that is wrong would make a rule say too much."""
    errors = DocumentSchema(SCHEMA, "order").errors({"name": "x", "ttl": 60, "mode": "high"})

    assert ["mode"] == [error.field for error in errors]


def test_a_right_document_has_no_errors() -> None:
    """Nothing is said of it."""
    document = {"name": "x", "seconds": 5, "mode": None, "ttl": 60, "urls": ["https://a"]}

    assert [] == DocumentSchema(SCHEMA, "order").errors(document)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialects_schema_is_a_schema(name: str) -> None:
    """It is shipped beside its dialect, every definition compiles, and rules name their field."""
    document = dialect_schema(name)

    Draft202012Validator.check_schema(document)
    for definition, rules in document["$defs"].items():
        DocumentSchema(document, definition)
        assert all({"refusal", "field"} <= rule.keys() for rule in rules.get("allOf", ()))


def test_the_wheel_has_every_schema() -> None:
    """Of the scenario, and of each dialect beside its module."""
    files = {
        file.distribution_path for file in WheelBuilder(str(REPOSITORY)).recurse_included_files()
    }

    beside = {f"pipeline/sandbox/dialects/{name}.schema.json" for name in DIALECTS}
    assert {"pipeline/_schemas/scenario.schema.json", *beside} <= files
