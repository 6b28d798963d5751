"""Words of other tools are understood, and what is said of them is true of this one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest
import yaml

from pipeline.findings import is_spelling
from pipeline.manifest.foreign_words import advice_on_key, advice_on_value, example_of, flow
from pipeline.manifest.schema import manifest_schema, setting_rules

WORDS: Mapping[str, Any] = yaml.safe_load(
    files("pipeline.manifest").joinpath("foreign_words.yaml").read_text("utf-8")
)
USD = {"title": "an amount in US dollars, such as '40 USD'", "pattern": "^[0-9]+(\\.[0-9]+)? USD$"}
NAME = {"title": "a name: lower case letters and digits", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"}
TIME = {"title": "a time such as 30m or 2h", "pattern": "^[0-9]+ ?(s|m|min|h)$"}


def _maps(rule: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every map of the schema that has a title and keys."""
    if isinstance(rule, Mapping):
        if "title" in rule and "properties" in rule:
            yield rule
        for inner in rule.values():
            yield from _maps(inner)
    elif isinstance(rule, list):
        for inner in rule:
            yield from _maps(inner)


KEYS = {rule["title"]: rule["properties"] for rule in _maps(manifest_schema())}


@pytest.mark.parametrize("title", WORDS["keys"])
def test_what_is_said_of_a_key_is_true(title: str) -> None:
    """A word that is listed is no key of its map, and a key that is proposed is one."""
    for advice in WORDS["keys"][title]:
        assert [] == [word for word in advice["for"].split() if word in KEYS[title]]
        proposed = re.match(r"did you mean '(\\w+)'", advice["say"])
        assert proposed is None or proposed[1] in KEYS[title], advice


@pytest.mark.parametrize("key", WORDS["values"])
def test_what_a_value_is_called_here_is_a_value(key: str) -> None:
    """Each proposed value is one that the schema takes for the key."""
    rules = [rule[key] for rule in KEYS.values() if key in rule]
    taken = {
        word
        for rule in rules
        for form in rule.get("anyOf", (rule,))
        for word in form.get("enum", ())
    }

    assert set() == set(WORDS["values"][key]) - taken


@pytest.mark.parametrize(
    ("key", "rule", "value", "advice"),
    [
        ("duration", setting_rules()["duration"], "5s", "write duration: 5"),
        ("duration", setting_rules()["duration"], "7 seconds", "write duration: 7"),
        ("duration", setting_rules()["duration"], "60s", ""),
        ("duration", setting_rules()["duration"], "five", ""),
        ("mode", setting_rules()["mode"], "1080p", "write mode: pro"),
        ("mode", setting_rules()["mode"], 720, "write mode: std"),
        ("watermark", setting_rules()["watermark"], "Yes", "write watermark: true"),
        ("limit", USD, "$10", "write limit: 10 USD"),
        ("limit", USD, "10usd", "write limit: 10 USD"),
        ("limit", USD, "1,000", "write limit: 1000 USD"),
        ("limit", USD, "10,50 USD", "write limit: 10.50 USD"),
        ("limit", USD, "10 EUR", ""),
        ("name", NAME, "Spring / Summer 26", "write name: spring-summer-26"),
        ("name", NAME, "Frühling", "write name: fruhling"),
        ("name", NAME, "春", ""),
        ("deadline", TIME, "2 hours", "write deadline: 2h"),
        ("deadline", TIME, "30 minutes", "write deadline: 30m"),
        ("deadline", TIME, "30 months", ""),
        ("for", {"type": "string"}, ["products"], "write for: products"),
        ("tags", {"type": "array", "items": {"type": "string"}}, "a, b", "write tags: [a, b]"),
        ("join", {"type": "array", "items": {"$ref": "#/$defs/join"}}, "prices", ""),
        ("say", {"type": ["string", "number", "boolean"]}, None, ""),
    ],
)
def test_a_value_is_told_in_its_form(
    key: str, rule: Mapping[str, Any], value: Any, advice: str
) -> None:
    """What was plainly meant is written out; what could be several things is not guessed."""
    assert advice == advice_on_value(key, rule, value)


def test_a_setting_given_several_times_is_an_axis() -> None:
    """A list is no length: it is told where lists of lengths stand."""
    advice = advice_on_value("duration", setting_rules()["duration"], [5, 10])

    assert "several are an axis: variants: {matrix: {duration: [5, 10]}}" == advice


@pytest.mark.parametrize(
    ("title", "key", "value", "part"),
    [
        ("the manifest", "aspect_ratio", "9:16", "defaults: {aspect_ratio: '9:16'}"),
        ("a shot", "images", {"hero": "a.png"}, "references: {images: {hero: a.png}}"),
        ("a shot", "tables", None, "at the left margin"),
        ("a set of variants", "mood", ["calm"], "variants: {matrix: {mood: [calm]}}"),
        ("a shot", "_note", "x", "behind a '#'"),
        ("a shot", "wobble", 1, ""),
    ],
)
def test_a_key_at_another_level_is_told_its_place(
    title: str, key: str, value: Any, part: str
) -> None:
    """A key that exists elsewhere is told where, with what was written."""
    advice = advice_on_key(title, key, value)

    assert part in advice
    assert bool(part) == bool(advice)


def test_a_key_has_an_example() -> None:
    """Every key of a setting is shown as it is written, from the schema itself."""
    rule = manifest_schema()["$defs"]["settings"]["properties"]["takes"]

    assert "such as takes: 2" == example_of("takes", rule)
    assert "{images: {hero: refs/a.png}}" == flow({"images": {"hero": "refs/a.png"}})


@pytest.mark.parametrize(
    ("name", "known", "same"),
    [
        ("aspectRatio", "aspect_ratio", True),
        ("duraton", "duration", True),
        ("ratio", "duration", False),
        ("table", "takes", False),
        ("notes", "shots", False),
    ],
)
def test_a_slip_of_the_hand_is_told_from_another_word(name: str, known: str, same: bool) -> None:  # noqa: FBT001 - a table's column
    """Case, signs and one letter make a slip; a likeness alone does not."""
    assert same == is_spelling(name, known)
