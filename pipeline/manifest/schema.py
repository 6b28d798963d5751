"""The manifest's JSON Schema at work: what does not fit is a finding, and is taken out.

The schema is the only judge. Of several allowed forms, the one that the value comes closest to is
explained. The rules of settings are asked once more, for values that are only known when a
template has been rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pipeline.findings import Finding, nearest
from pipeline.manifest.foreign_words import advice_on_value
from pipeline.manifest.schema_errors import KeyPath, alternatives, either, explain_error, quote
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.filters import ValueFault, as_text
from pipeline.models import known_models, with_parameters
from pipeline.schemas import schema

SettingRule = Mapping[str, Any]
"""The schema of one setting, without its form as a template."""


def check_schema(root: Node) -> tuple[Node, tuple[Finding, ...]]:
    """Return the document without its faulty parts, and a finding for each of them."""
    # Ten thousand lines take the fast one milliseconds; the one that explains is for faults alone.
    data = root.plain()
    if _fast_validator().is_valid(data):
        return root, ()
    findings: list[Finding] = []
    removed: set[KeyPath] = set()
    for error in _leaves(_validator().iter_errors(data)):
        for gone, finding in explain_error(error, root, _rules()):
            findings.append(finding)
            removed.add(gone)
    # Everything above a removed part, so that whole branches are handed on as they are.
    touched = {gone[:depth] for gone in removed for depth in range(len(gone) + 1)}
    return _without(root, removed, touched, ()), tuple(findings)


def unknown_empty_keys(root: Node) -> tuple[Finding, ...]:
    """Return a finding for each unknown key of a document that has no value.

    A key without a value counts as absent, and is taken out before `check_schema`: a misspelt one
    would go unseen.
    """
    # Few documents have an empty key, and the validator that explains is the slow one.
    rest, empty = [root], False
    while rest and not empty:
        node = rest.pop()
        empty = node.value is None
        rest += node.children()
    if not empty:
        return ()
    return tuple(
        finding
        for error in _leaves(_validator().iter_errors(root.plain()))
        if error.validator == "additionalProperties"
        for path, finding in explain_error(error, root, _rules())
        if root.follow(path).value is None
    )


@cache
def manifest_schema() -> dict[str, Any]:
    """Return the manifest's schema, with the settings of all models there are."""
    return with_parameters(schema("manifest"), known_models().values())


@cache
def _rules() -> dict[str, Any]:
    """Return the rules for a manifest with all that it extends: now nobody else will say more.

    An editor sees one file, so the schema lets a manifest leave required keys to its bases.
    """
    whole = manifest_schema()
    return {**whole, "if": True, "required": whole["then"]["required"], "then": True}


@cache
def _fast_validator() -> Any:
    """Return the validator that says yes or no: a manifest without faults needs no other."""
    return jsonschema_rs.Draft202012Validator(_rules())


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_rules())


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors worth telling: of several allowed forms, those of the one meant."""
    for error in errors:
        branches = alternatives(error) if error.validator == "anyOf" else []
        likely = [branch for branch in branches if not _misses_type(branch)]
        if len(likely) == 1 or (likely and isinstance(error.instance, dict)):
            # The form with the fewest faults is the one that was meant.
            closest = min(likely, key=len)
            yield from _leaves(closest)
        else:
            yield error


def _misses_type(branch: list[ValidationError]) -> bool:
    """Whether a value is of another type than a form, or than the words it should be one of."""
    return any(
        not error.relative_path
        and (
            error.validator == "type"
            or (error.validator in {"enum", "const"} and not isinstance(error.instance, str))
        )
        for error in branch
    )


def _without(node: Node, removed: set[KeyPath], touched: set[KeyPath], path: KeyPath) -> Node:
    """Return the document without the removed parts; what lost one, however deep, is broken."""
    if path not in touched:
        return node
    match node.value:
        case tuple():
            left = tuple(
                _without(item, removed, touched, (*path, index))
                for index, item in enumerate(node.value)
                if (*path, index) not in removed
            )
            return replace(node, value=left, broken=True)
        case Mapping():
            values = {
                key: _without(item, removed, touched, (*path, key))
                for key, item in node.value.items()
                if (*path, key) not in removed
            }
            lost = node.value.keys() - values.keys()
            return replace(node, value=values, broken=True, lost=frozenset(lost))
    return node


@cache
def setting_rules() -> Mapping[str, SettingRule]:
    """Return every setting's name with its rule: `setting_rules()["duration"]`."""
    # One truth for settings: what is written, what a template gives and what a cell steers.
    found = manifest_schema()["$defs"]["settings"]["properties"]
    return MappingProxyType({name: _without_template(rule) for name, rule in found.items()})


def field_rule(definition: str, key: str) -> SettingRule:
    """Return the rule of one key of a definition, such as `field_rule("video", "role")`."""
    return _without_template(schema("manifest")["$defs"][definition]["properties"][key])


def _without_template(rule: SettingRule) -> SettingRule:
    forms: list[SettingRule] = [form for form in rule.get("anyOf", (rule,)) if "$ref" not in form]
    return forms[0]


_BOUNDS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("minimum", "at least", lambda value, limit: value < limit),
    ("maximum", "at most", lambda value, limit: value > limit),
    ("exclusiveMinimum", "more than", lambda value, limit: value <= limit),
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def coerce(value: Any, name: str, rule: SettingRule) -> Any:
    """Return a rendered value as its setting wants it, None where it is blank; or ValueFault.

    `coerce(" 5 ", "duration", setting_rules()["duration"])` is `5`.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    read, what = _READERS[rule.get("type", "string")]
    result = read(value)
    if result is None:
        hint = advice_on_value(name, rule, value, alone=True)
        raise ValueFault("wrong-type", f"'{name}' must be {what}, not {quote(value)}", hint)
    words = rule.get("enum")
    if words and result not in words:
        close = nearest(str(result), words)
        message = f"'{name}' must be {either(words)}, not {quote(result)}"
        hint = advice_on_value(name, rule, result, alone=True)
        raise ValueFault(
            "bad-value", message, hint or (f"did you mean '{close}'?" if close else "")
        )
    for bound, word, fails in _BOUNDS:
        limit = rule.get(bound)
        if limit is not None and fails(result, limit):
            message = f"'{name}' must be {word} {limit}, not {quote(result)}"
            raise ValueFault("bad-value", message)
    return result


def _number(value: Any) -> float | None:
    # To Python `true` is the number 1.
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return float(value)
    found = _NUMBER.fullmatch(str(value).strip())
    return float(found[0]) if found else None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    # As in the manifest itself, where `yes` is a text.
    return {"true": True, "false": False}.get(str(value).strip())


_READERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "string": (lambda value: as_text(value).strip(), "text"),
    "integer": (_integer, "a whole number"),
    "number": (_number, "a number"),
    "boolean": (_boolean, "true or false"),
}
