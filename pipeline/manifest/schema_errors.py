"""One JSON Schema error → the words for it, at its place; and how findings quote values.

A schema's `title` is the noun of a sentence ("a shot has no 'duraton'") or what a text must be
("a time such as 30m or 2h"): whoever adds a key to the schema writes the message by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from jsonschema.exceptions import ValidationError

from pipeline.findings import Finding, is_spelling, nearest
from pipeline.foreign_text import redact, unseen_character
from pipeline.manifest.foreign_words import (
    advice_on_key,
    advice_on_value,
    example_of,
    is_setting,
    renamed_key,
    takes_texts,
)
from pipeline.manifest.source_map import Node

KeyPath = tuple[str | int, ...]
Explanation = tuple[str, str, str]
"""Slug, message, hint."""

_QUOTED = 40
"""Characters of a value that a finding quotes."""
_PIECE = re.compile(r"[0-9]+(?: USD)?")
"""What is left of `1,50 USD` behind its comma."""
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "nothing",
}


_LIST_HINT = "begin each entry with '- '"


def either(words: Sequence[str]) -> str:
    """Return choices as in `std or pro`."""
    if len(words) < 2:  # noqa: PLR2004 - one word needs no "or"
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"


def quote(value: Any) -> str:
    """Return a value as findings quote it: short, on one line, and without secrets."""
    if isinstance(value, tuple | list | Mapping) or value is None:
        return kind_of(value)
    if isinstance(value, bool | int | float):
        return str(value).lower()
    text = redact(" ".join(str(value).split()))
    return f"'{text if len(text) <= _QUOTED else text[: _QUOTED - 1] + '…'}'"


def kind_of(value: Any) -> str:
    """Return what sort of thing a value is, in a word or two; short scalars as they are."""
    match value:
        case str():
            return f"the text {quote(value)}" if value else "an empty text"
        case None | bool():
            return {None: "nothing", True: "true", False: "false"}[value]
        case int() | float():
            return f"the number {value}"
    return "a map" if isinstance(value, Mapping) else "a list"


def explain_error(
    error: ValidationError, root: Node, whole: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, Finding]]:
    """Yield an error's findings, each with the path of what must go for the rest to be read.

    `whole` is the schema that the document `root` was held against: it has an example of each key.
    """
    path = tuple(error.absolute_path)
    node = root.follow(path)
    subject = _title(error) or "this map"
    match error.validator:
        case "additionalProperties":
            for key in _unknown_keys(error):
                yield (*path, key), _unknown_key(error, node, key)
        case "required":
            limit: Any = error.validator_value
            found: Any = error.instance
            # Only of a closed map a key is known to be misspelt; in an open one it may be anybody's
            # name.
            closed = _rule(error).get("additionalProperties") is False
            # One that is there misspelt is told as an unknown key: one fault, told once.
            misspelt = {_meant_key(error, key) for key in _unknown_keys(error)} if closed else set()
            for key in limit:
                if key not in found and key not in misspelt:
                    rule = _rule(error).get("properties", {}).get(key, {})
                    words = [form["enum"] for form in rule.get("anyOf", (rule,)) if "enum" in form]
                    added = [f"'{key}: {word}'" for word in chain.from_iterable(words)]
                    added = added or [f"'{key}: {rule.get('const', '…')}'"]
                    message, hint = f"{subject} needs '{key}'", f"add {either(added)}"
                    yield (
                        (*path, key),
                        Finding(slug="missing-key", message=message, span=node.span, hint=hint),
                    )
        case _ if "propertyNames" in error.absolute_schema_path:
            key = str(error.instance)
            message = f"{quote(key)} is not {_title(error) or 'a name'}"
            place = node.key_span(key)
            hint = advice_on_value("", _rule(error), key).partition(": ")[2]
            hint = f"write {hint}" if hint else ""
            yield (*path, key), Finding(slug="bad-name", message=message, span=place, hint=hint)
        case "oneOf" if _misspells_a_form(error):
            return
        case validator:
            # A map that lacks something stays, marked as broken by the loss of a key that it
            # never had; what is wrong in itself goes.
            gone = (*path, "") if validator in {"oneOf", "minProperties"} else path
            explain = _EXPLAINERS.get(str(validator), _other_error)
            slug, message, hint = explain(error, _subject(path))
            hint = _right_form(error, whole, message, hint)
            yield gone, Finding(slug=slug, message=message, span=node.span, hint=hint)


def alternatives(error: ValidationError) -> list[list[ValidationError]]:
    """Return an anyOf's errors by form; that it could be a template is never what is wrong."""
    by_form: dict[Any, list[ValidationError]] = {}
    for each in error.context or ():
        by_form.setdefault(each.schema_path[0], []).append(each)
    return [
        branch
        for branch in by_form.values()
        if not any(_title(each) == "a template" for each in branch)
    ]


def _right_form(error: ValidationError, whole: Mapping[str, Any], message: str, hint: str) -> str:
    """Return an explanation's hint, else how the value is written that was meant.

    Where nobody can know what was meant, the schema's own example of the key shows the form.
    """
    # How lists are written is said of any list; advice on this very value comes first.
    if hint and hint != _LIST_HINT:
        return hint
    forms = alternatives(error) if error.validator == "anyOf" else [[error]]
    named = [step for step in error.absolute_path if isinstance(step, str)]
    alone = bool(named) and error.absolute_path[-1] != named[-1]
    for rule in (_rule(each) for form in forms for each in form if named):
        advice = advice_on_value(named[-1], rule, error.instance, alone=alone)
        if advice:
            return advice
    named_already = error.validator in _WITHOUT_EXAMPLE or "such as" in message
    example = "" if named_already else example_of(*_written_rule(error, whole))
    return ", ".join(each for each in (hint, example) if each)


_WITHOUT_EXAMPLE = frozenset(
    {
        *("enum", "const", "minimum", "maximum", "not", "oneOf"),
        *("maxItems", "maxLength", "uniqueItems"),
    }
)
"""What these say names the right form already."""


def _written_rule(
    error: ValidationError, whole: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """Return the innermost key on the way to an error that the schema has an example of."""
    key, written, before = "", whole, ""
    rule: Any = whole
    for step in error.absolute_schema_path:
        # The path of an error does not name the references that were followed.
        while isinstance(rule, Mapping) and step not in rule and "$ref" in rule:
            rule = whole["$defs"][rule["$ref"].rpartition("/")[2]]
        if not isinstance(rule, Mapping | list):
            break
        inner: Any = rule
        rule = inner[step]
        if before == "properties" and isinstance(rule, Mapping) and rule.get("examples"):
            key, written = str(step), rule
        before = str(step)
    return key, written


def _rule(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _title(error: ValidationError) -> str:
    return str(_rule(error).get("title", ""))


def _schema_keys(error: ValidationError) -> tuple[str, ...]:
    return tuple(_rule(error).get("properties", {}))


def _unknown_keys(error: ValidationError) -> list[str]:
    known = _schema_keys(error)
    found: Any = error.instance
    return [key for key in found if key not in known]


def _form_keys(error: ValidationError) -> list[str]:
    """Return the key by which each form of a oneOf is known."""
    forms: Any = error.validator_value
    return [str(form["required"][0]) for form in forms]


def _misspells_a_form(error: ValidationError) -> bool:
    """Whether one of the forms is there misspelt, which is told as an unknown key."""
    keys = _form_keys(error)
    return any(_meant_key(error, key) in keys for key in _unknown_keys(error))


def _meant_key(error: ValidationError, key: str) -> str:
    """Return which of its keys a map has misspelt, or under another tool's name."""
    title = _title(error) or _title_above(error)
    return renamed_key(title, key) or nearest(key, _schema_keys(error))


def _title_above(error: ValidationError) -> str:
    return _title(error.parent) if isinstance(error.parent, ValidationError) else ""


def _unknown_key(error: ValidationError, node: Node, key: str) -> Finding:
    known = _schema_keys(error)
    close = nearest(key, known)
    item = node.get(key)
    hint = advice_on_key(_title(error), key, item.plain() if item else None)
    scalar = item is None or not item.children()
    # `provider: runware` at the margin is a setting that stands too high, no misspelt 'providers'.
    slip = bool(close) and is_spelling(key, close) and not (scalar and is_setting(key))
    if not hint or slip:
        hint = f"did you mean '{close}'?" if close else f"it may have: {', '.join(known)}"
    # The most usual slip of those who write decimals with a comma.
    if _PIECE.fullmatch(key):
        hint = "a ',' inside { } ends a value; an amount is written with a point: 1.50 USD"
    # Copied from a web page: YAML takes a no-break space for a letter.
    hidden = unseen_character(key)
    if key != key.strip():
        hint = "a no-break space cannot indent: write plain spaces"
    elif hidden is not None:
        hint = f"the key has a {hidden[1]} in it, which nobody sees: type it anew"
    if key == "<<":
        hint = "merge keys are not read; `defaults` and `extends` do what they are for"
    message = f"{_title(error) or 'this map'} has no {quote(key)}"
    return Finding(slug="unknown-key", message=message, span=node.key_span(key), hint=hint)


def _subject(path: KeyPath) -> str:
    if not path:
        return "the manifest"
    last = path[-1]
    if isinstance(last, str):
        return f"'{last}'"
    named = next((str(step) for step in reversed(path) if isinstance(step, str)), "the list")
    return f"entry {last + 1} of '{named}'"


def _wrong_type(error: ValidationError, subject: str) -> Explanation:
    """Say what was found, and how to write it where it only lacks brackets, quotes or a unit."""
    wanted, found = _rule(error), error.instance
    pattern, hint = str(wanted.get("pattern", "")), ""
    if wanted.get("type") == "array":
        listed = isinstance(found, str) and found and "\n" not in found
        hint = f"write [{found}]" if listed and takes_texts(wanted) else _LIST_HINT
    elif wanted.get("type") == "string" and isinstance(found, int) and not isinstance(found, bool):
        if re.search(pattern, str(found)):
            hint = f'write "{found}": in quotes it is text'
        elif re.search(pattern, f"{found} USD"):
            hint = f"write {found} USD"
    return "wrong-type", f"{subject} must be {_forms(error)}, not {kind_of(found)}", hint


def _not_one_of(error: ValidationError, subject: str) -> Explanation:
    limit: Any = error.validator_value
    words = [str(word) for word in limit]
    text = isinstance(error.instance, str)
    found = quote(error.instance) if text else kind_of(error.instance)
    close = nearest(str(error.instance), words)
    # A mark among them would not be seen without quotes; a tab has a word of its own.
    shown = [word if re.search(r"\w", word) else f"'{word}'" for word in words if word.strip()]
    return (
        "bad-value" if text else "wrong-type",
        f"{subject} must be {_title(error) or either(shown)}, not {found}",
        f"did you mean '{close}'?" if close else "",
    )


def _not_the_constant(error: ValidationError, subject: str) -> Explanation:
    whole = error.parent if isinstance(error.parent, ValidationError) else error
    message = f"{subject} must be {_forms(whole)}, not {quote(error.instance)}"
    example = next((each for each in _rule(whole).get("examples", ()) if each), None)
    if not isinstance(example, dict):
        return "bad-value", message, ""
    flow = ", ".join(f"{key}: {value}" for key, value in example.items())
    return "bad-value", message, f"such as {{{flow}}}"


def _bad_text(error: ValidationError, subject: str) -> Explanation:
    what = _title(error) or "text that is not empty"
    return "bad-value", f"{subject} must be {what}, not {quote(error.instance)}", ""


def _too_few(error: ValidationError, subject: str) -> Explanation:
    least = error.validator_value
    few = "is empty" if least == 1 else f"has fewer entries than {least}"
    return "bad-value", f"{subject} {few}", "add an entry"


def _not_one_form(error: ValidationError, subject: str) -> Explanation:
    found: Any = error.instance
    keys = _form_keys(error)
    hint = "keep one of them" if any(key in found for key in keys) else f"add '{keys[0]}: …'"
    return "bad-value", f"{_title(error) or subject} has either {either(keys)}", hint


def _forbidden_value(error: ValidationError, subject: str) -> Explanation:
    return "bad-value", f"{subject} may not be {quote(error.instance)}", "choose another"


def _other_error(error: ValidationError, subject: str) -> Explanation:
    return "bad-value", f"{subject} does not fit the schema ({error.validator})", ""


def _sentence(words: str) -> Callable[[ValidationError, str], Explanation]:
    """Return an explanation in which the limit and the value are put into a sentence."""

    def explain(error: ValidationError, subject: str) -> Explanation:
        filled = words.format(limit=error.validator_value, value=quote(error.instance))
        return "bad-value", f"{subject} {filled}", ""

    return explain


_EXPLAINERS: Mapping[str, Callable[[ValidationError, str], Explanation]] = {
    "type": _wrong_type,
    "anyOf": _wrong_type,
    "enum": _not_one_of,
    "const": _not_the_constant,
    "pattern": _bad_text,
    "minLength": _bad_text,
    "minimum": _sentence("must be at least {limit}, not {value}"),
    "exclusiveMinimum": _sentence("must be more than {limit}, not {value}"),
    "maximum": _sentence("must be at most {limit}, not {value}"),
    "maxLength": _sentence("has more than {limit} characters"),
    "minItems": _too_few,
    "maxItems": _sentence("has more entries than {limit}"),
    "minProperties": _sentence("has no entries"),
    "uniqueItems": _sentence("has an entry twice"),
    "oneOf": _not_one_form,
    "not": _forbidden_value,
}


def _forms(error: ValidationError) -> str:
    """Return what a value may be, over all allowed forms."""
    errors = [error]
    if error.validator == "anyOf":
        errors = [each for form in alternatives(error) for each in form if not each.relative_path]
    words: list[str] = []
    for each in errors:
        limit: Any = each.validator_value
        match each.validator:
            case "type":
                types = limit if isinstance(limit, list) else [limit]
                text = _title(each) if types == ["string"] else ""
                words += [text] if text else [_TYPES[name] for name in types]
            case "enum":
                words += [_title(each)] if _title(each) else [str(word) for word in limit]
            case "const":
                words.append(str(limit))
            case "anyOf":
                words.append(_forms(each))
    return either(list(dict.fromkeys(words)))
