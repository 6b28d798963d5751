"""Schema errors in words: the key, the place, what was meant; and all of them in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.findings import group_findings
from pipeline.manifest.schema import check_schema
from pipeline.schemas import schema
from tests.unit.manifest.reading import document, told

HEAD = "callsheet: 1\nname: x\nshots: [{id: s, prompt: p}]\n"


def findings(text: str) -> list[str]:
    """Return the findings of a manifest's text, with their hints and without excerpts."""
    node, syntax = document(text)
    assert [] == syntax
    assert node is not None
    _, found = check_schema(node)
    shown = [(told([one])[0].splitlines()[0], one.hint) for one in group_findings(found)]
    return [f"{line} | {hint}" if hint else line for line, hint in shown]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            "budgt: {}",
            "m.yaml:4:1: unknown-key: the manifest has no 'budgt' | did you mean 'budget'?",
        ),
        (
            "defaults: {duraton: 5}",
            (
                "m.yaml:4:12: unknown-key: a set of settings has no 'duraton'"
                " | did you mean 'duration'?"
            ),
        ),
        (
            "defaults: {duration: five}",
            (
                "m.yaml:4:22: wrong-type: 'duration' must be a whole number, not the text 'five'"
                " | such as duration: 5"
            ),
        ),
        (
            "defaults: {duration: 5.5}",
            (
                "m.yaml:4:22: wrong-type: 'duration' must be a whole number, not the number 5.5"
                " | such as duration: 5"
            ),
        ),
        (
            "defaults: {duration: 12}",
            "m.yaml:4:22: bad-value: 'duration' must be at most 10, not 12",
        ),
        ("defaults: {takes: 0}", "m.yaml:4:19: bad-value: 'takes' must be at least 1, not 0"),
        (
            "defaults: {mode: prro}",
            "m.yaml:4:18: bad-value: 'mode' must be std or pro, not 'prro' | did you mean 'pro'?",
        ),
        (
            "defaults: {aspect_ratio: 9}",
            (
                "m.yaml:4:26: wrong-type: 'aspect_ratio' must be 16:9, 9:16, 1:1 or auto,"
                " not the number 9"
                " | such as aspect_ratio: '9:16'"
            ),
        ),
        (
            "defaults: {watermark: yes}",
            (
                "m.yaml:4:23: wrong-type: 'watermark' must be true or false, not the text 'yes'"
                " | write watermark: true"
            ),
        ),
        (
            "defaults: {provider: 5}",
            (
                "m.yaml:4:22: wrong-type: 'provider' must be text or a list, not the number 5"
                " | such as provider: runware"
            ),
        ),
        (
            "defaults: [5]",
            (
                "m.yaml:4:11: wrong-type: 'defaults' must be a map, not a list"
                " | such as defaults: {provider: [runware], duration: 5}"
            ),
        ),
        (
            "tables: {p: {file: a.csv, kee: sku}}",
            "m.yaml:4:27: unknown-key: a table has no 'kee' | did you mean 'key'?",
        ),
        (
            "tables: {p: {file: a.csv}}",
            "m.yaml:4:13: missing-key: a table needs 'key' | add 'key: …'",
        ),
        (
            "tables: {p: {file: a.csv, key: k, columns: {c: nubmer}}}",
            (
                "m.yaml:4:48: bad-value: 'c' must be text, number, integer, boolean, date, url,"
                " image or video, with '?' if cells may be blank, not 'nubmer'"
                " | did you mean 'number'?"
            ),
        ),
        (
            "tables: {p: {file: a.csv, key: k, columns: {c: {optional: true}}}}",
            "m.yaml:4:48: bad-value: a column type has either type, enum or list | add 'type: …'",
        ),
        (
            "bundles: {b: {images: {front bad: a.png}}}",
            (
                "m.yaml:4:24: bad-name: 'front bad' is not a name: a letter, then letters, digits,"
                " '_' and '-'"
                " | write front-bad"
            ),
        ),
        (
            "bundles: {b: {images: {c: 5}}}",
            (
                "m.yaml:4:27: wrong-type: 'c' must be a file or an https address or a map,"
                " not the number 5"
                " | such as images: {studio: {file: refs/studio.png, say: the studio}}"
            ),
        ),
        (
            "bundles: {b: {images: {c: {say: x}}}}",
            "m.yaml:4:27: bad-value: an image has either file or each | add 'file: …'",
        ),
        (
            "bundles: {b: {elements: {e: {description: d, images: [a, b, c, d, e]}}}}",
            "m.yaml:4:54: bad-value: 'images' has more entries than 4",
        ),
        (
            "bundles: {b: {}}",
            (
                "m.yaml:4:14: bad-value: 'b' has no entries"
                " | such as bundles: {look: {images: {studio: refs/studio.png}}}"
            ),
        ),
        (
            "budget: {limit: 40 EUR}",
            (
                "m.yaml:4:17: bad-value: 'limit' must be an amount in US dollars, such as '40 USD',"
                " not '40 EUR'"
            ),
        ),
        (
            "budget: {limit: 40}",
            (
                "m.yaml:4:17: wrong-type: 'limit' must be an amount in US dollars,"
                " such as '40 USD', not the number 40 | write 40 USD"
            ),
        ),
        (
            "policy: {stop: {share: 20}}",
            (
                "m.yaml:4:24: wrong-type: 'share' must be a share such as 20%, not the number 20"
                " | write share: 20%"
            ),
        ),
        (
            "policy: {stop: no}",
            (
                "m.yaml:4:16: bad-value: 'stop' must be off or a map, not 'no'"
                " | such as {same_cause: 5, share: 20%, after: 50}"
            ),
        ),
        (
            "budget: {unpriced: 0.60 USD}",
            (
                "m.yaml:4:20: bad-value: 'unpriced' must be refuse or a map, not '0.60 USD'"
                " | such as {assume: 0.60 USD}"
            ),
        ),
        (
            "providers: {runware: {submit_rate: 2}}",
            (
                "m.yaml:4:36: wrong-type: 'submit_rate' must be a rate such as 2/s or 30/min,"
                " not the number 2"
            ),
        ),
        (
            "output: {show: al}",
            (
                "m.yaml:4:16: bad-value: 'show' must be all or approved, not 'al'"
                " | did you mean 'all'?"
            ),
        ),
        (
            "<<: {a: 1}",
            (
                "m.yaml:4:1: unknown-key: the manifest has no '<<'"
                " | merge keys are not read; `defaults` and `extends` do what they are for"
            ),
        ),
        (
            "bundles: {b: {images: {c: {fil: x.png}}}}",
            "m.yaml:4:28: unknown-key: an image has no 'fil' | did you mean 'file'?",
        ),
        (
            "bundles: {b: {images: {c: {file: x.png, each: '{{ y }}'}}}}",
            "m.yaml:4:27: bad-value: an image has either file or each | keep one of them",
        ),
        (
            "output: {path: 5}",
            (
                "m.yaml:4:16: wrong-type: 'path' must be text, not the number 5"
                ' | write "5": in quotes it is text'
            ),
        ),
        (
            "profiles: {draft: {overrides: {moed: std}}}",
            "m.yaml:4:32: unknown-key: a set of settings has no 'moed' | did you mean 'mode'?",
        ),
    ],
)
def test_a_schema_error_is_told_in_words(part: str, expected: str) -> None:
    """What does not fit the schema is said with the key, what it must be, and what it is."""
    assert [expected] == findings(f"{HEAD}{part}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "callsheet: 2\nname: x\nshots: [{id: s, prompt: p}]\n",
            "m.yaml:1:12: bad-value: 'callsheet' must be 1, not 2",
        ),
        (
            "callsheet: 1\nname: rehearsal\nshots: [{id: s, prompt: p}]\n",
            "m.yaml:2:7: bad-value: 'name' may not be 'rehearsal' | choose another",
        ),
        (
            "callsheet: 1\nname: Spring Sale\nshots: [{id: s, prompt: p}]\n",
            (
                "m.yaml:2:7: bad-value: 'name' must be a name: lower case letters and digits,"
                " with '-' or '_' between them, not 'Spring Sale'"
                " | write name: spring-sale"
            ),
        ),
        (
            "callsheet: 1\nshots: [{id: s, prompt: p}]\n",
            "m.yaml:1:1: missing-key: the manifest needs 'name' | add 'name: …'",
        ),
        (
            "callsheet: 1\nname: x\nshots: []\n",
            "m.yaml:3:8: bad-value: 'shots' is empty | add an entry",
        ),
        (
            "callsheet: 1\nname: x\nshots: [5]\n",
            (
                "m.yaml:3:9: wrong-type: entry 1 of 'shots' must be a map, not the number 5"
                " | such as shots: [{id: spin, prompt: A sneaker turns slowly.}]"
            ),
        ),
        (
            "callsheet: 1\nname: x\nshots: [{id: a b, prompt: p}]\n",
            (
                "m.yaml:3:14: bad-value: 'id' must be a name: letters, digits, '_' and '-',"
                " not 'a b' | write id: a-b"
            ),
        ),
        (
            (
                "callsheet: 1\nname: x\nshots: [{id: s, prompt: p, variants: {matrix:"
                " {aspect_ratio: ['9:17']}}}]\n"
            ),
            (
                "m.yaml:3:63: bad-value: entry 1 of 'aspect_ratio' must be 16:9, 9:16, 1:1 or auto,"
                " not '9:17' | did you mean '9:16'?"
            ),
        ),
    ],
)
def test_the_top_of_a_manifest_is_told_in_words(text: str, expected: str) -> None:
    """Format, name and shots are held to their rules."""
    assert [expected] == findings(text)


def test_a_value_may_be_a_template_where_the_schema_says_so() -> None:
    """A setting may be a text with `{{` in it; a name may not."""
    assert [] == findings(HEAD + "defaults: {duration: '{{ row.seconds }}'}\n")
    assert 1 == len(findings("callsheet: 1\nname: '{{ x }}'\nshots: [{id: s, prompt: p}]\n"))


def test_what_does_not_fit_is_taken_out_and_marked() -> None:
    """The rest of a document is read on; whatever lost a part is marked as broken."""
    node, _ = document(HEAD + "defaults: {mode: x, duration: 5}\nbundles: {b: {imags: {}}}\n")
    assert node is not None

    sound, found = check_schema(node)

    assert 2 == len(found)
    assert {"duration": 5} == sound.plain()["defaults"]
    bundles, shots = sound.get("bundles"), sound.get("shots")
    assert bundles is not None
    assert shots is not None
    assert [True, False] == [bundles.broken, shots.broken]


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    """A finding never quotes what looks like a key."""
    shown = findings(HEAD + "defaults: {mode: sk-abcdefghij1234567890}\n")

    assert [
        "m.yaml:4:18: bad-value: 'mode' must be std or pro, not '***********************'"
    ] == shown


def keys(rule: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every property of a schema, at any depth, with its path."""
    for name, inner in rule.get("properties", {}).items():
        yield f"{path}/{name}", inner
        yield from keys(inner, f"{path}/{name}")
    for form in (*rule.get("anyOf", ()), rule.get("items"), rule.get("additionalProperties")):
        if isinstance(form, Mapping):
            yield from keys(form, path)


def all_keys() -> list[tuple[str, Mapping[str, Any]]]:
    """Return every key of the manifest's schema."""
    whole = schema("manifest")
    found = list(keys(whole))
    for name, rule in whole["$defs"].items():
        found += keys(rule, name)
    return found


@pytest.mark.parametrize(("path", "rule"), all_keys(), ids=[path for path, _ in all_keys()])
def test_every_key_is_described_and_has_examples_that_fit(
    path: str, rule: Mapping[str, Any]
) -> None:
    """An editor shows a description and an example for every key, and the example is right."""
    described = schema("manifest")
    if "$ref" in rule and "description" not in rule:
        rule = described["$defs"][rule["$ref"].rsplit("/", 1)[1]]

    assert rule.get("description"), path
    assert rule.get("examples"), path

    judge = Draft202012Validator({**rule, "$defs": described["$defs"]})
    assert [] == [error.message for each in rule["examples"] for error in judge.iter_errors(each)]


def test_the_schema_is_a_schema() -> None:
    """The manifest's schema passes the metaschema of its draft."""
    Draft202012Validator.check_schema(schema("manifest"))
