"""One JSON Schema error → the words for it, at its place.

A schema's `title` is the noun of a sentence ("a shot has no 'duraton'") or what a text must be
("a time such as 30m or 2h"): whoever adds a key to the schema writes the message by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

from pipeline.findings import Finding
from pipeline.manifest.nodes import Node
from pipeline.manifest.wording import either, kind_of, nearest, shown

Path = tuple[str | int, ...]
Words = tuple[str, str, str]
"""Slug, message, hint."""

_WORD = re.compile(r"[\w-]+")
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


def told(error: ValidationError, root: Node) -> Iterator[tuple[Path, Finding]]:
    """Yield an error's findings, each with the path of what must go for the rest to be read."""
    path = tuple(error.absolute_path)
    node = _node(root, path)
    match error.validator:
        case "additionalProperties":
            for key in _unknown(error):
                yield (*path, key), _unknown_key(error, node, key)
        case "required":
            for key in _missing(error):
                yield (*path, key), _missing_key(error, node, key)
        case _ if "propertyNames" in error.absolute_schema_path:
            key = str(error.instance)
            yield (*path, key), _bad_name(error, node, key)
        case "oneOf" if _meant(error):
            return
        case "oneOf" | "minProperties":
            # The map stays, marked as broken by the loss of a key that it never had.
            yield (*path, ""), _bad_value(error, node, path)
        case _:
            yield path, _bad_value(error, node, path)


def alternatives(error: ValidationError) -> list[list[ValidationError]]:
    """Return an anyOf's errors by form; that it could be a template is never what is wrong."""
    grouped: dict[Any, list[ValidationError]] = {}
    for each in error.context or ():
        grouped.setdefault(each.schema_path[0], []).append(each)
    return [branch for branch in grouped.values() if not _is_template(branch)]


def _is_template(branch: list[ValidationError]) -> bool:
    return any(_title(error) == "a template" for error in branch)


def _node(root: Node, path: Path) -> Node:
    node = root
    for step in path:
        node = node.value[step]
    return node


def _wanted(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _title(error: ValidationError) -> str:
    return str(_wanted(error).get("title", ""))


def _known(error: ValidationError) -> tuple[str, ...]:
    return tuple(_wanted(error).get("properties", {}))


def _unknown(error: ValidationError) -> list[str]:
    known = _known(error)
    found: Any = error.instance
    return [key for key in found if key not in known]


def _missing(error: ValidationError) -> list[str]:
    """Return the missing keys, but for those that are there misspelt: one fault, told once."""
    limit: Any = error.validator_value
    found: Any = error.instance
    known = _known(error)
    closed = _wanted(error).get("additionalProperties") is False
    misspelt = {nearest(key, known) for key in _unknown(error)} if closed else set()
    return [key for key in limit if key not in found and key not in misspelt]


def _meant(error: ValidationError) -> bool:
    """Whether one of the forms is there misspelt, which is told as an unknown key."""
    forms: Any = error.validator_value
    keys = [str(form["required"][0]) for form in forms]
    return any(nearest(key, keys) and key not in keys for key in _unknown(error))


def _unknown_key(error: ValidationError, node: Node, key: str) -> Finding:
    known = _known(error)
    close = nearest(key, known)
    hint = f"did you mean '{close}'?" if close else f"it may have: {', '.join(known)}"
    if _PIECE.fullmatch(key):
        hint = "a ',' inside { } ends a value; an amount is written with a point: 1.50 USD"
    if key != key.strip():
        hint = "a no-break space cannot indent: write plain spaces"
    if key == "<<":
        hint = "merge keys are not read; `defaults` and `extends` do what they are for"
    return Finding(
        slug="unknown-key",
        message=f"{_title(error) or 'this map'} has no {shown(key)}",
        span=node.key_span(key),
        hint=hint,
    )


def _missing_key(error: ValidationError, node: Node, key: str) -> Finding:
    value = _wanted(error).get("properties", {}).get(key, {}).get("const", "…")
    return Finding(
        slug="missing-key",
        message=f"{_title(error) or 'this map'} needs '{key}'",
        span=node.span,
        hint=f"add '{key}: {value}'",
    )


def _bad_name(error: ValidationError, node: Node, key: str) -> Finding:
    return Finding(
        slug="bad-name",
        message=f"{shown(key)} is not {_title(error) or 'a name'}",
        span=node.key_span(key),
    )


def _bad_value(error: ValidationError, node: Node, path: Path) -> Finding:
    say = _SAYINGS.get(str(error.validator), _misfit)
    slug, message, hint = say(error, _subject(path))
    return Finding(slug=slug, message=message, span=node.span, hint=hint)


def _subject(path: Path) -> str:
    if not path:
        return "the manifest"
    last = path[-1]
    if isinstance(last, str):
        return f"'{last}'"
    named = next((str(step) for step in reversed(path) if isinstance(step, str)), "the list")
    return f"entry {last + 1} of '{named}'"


def _wrong_type(error: ValidationError, subject: str) -> Words:
    message = f"{subject} must be {_forms(error)}, not {kind_of(error.instance)}"
    return "wrong-type", message, _as_wanted(error)


def _as_wanted(error: ValidationError) -> str:
    """Return how to write what is there, where it only lacks its brackets, quotes or unit."""
    wanted, found = _wanted(error), error.instance
    if wanted.get("type") == "array":
        word = isinstance(found, str) and _WORD.fullmatch(found)
        return f"write [{found}]" if word else "begin each entry with '- '"
    if wanted.get("type") != "string" or isinstance(found, bool) or not isinstance(found, int):
        return ""
    pattern = str(wanted.get("pattern", ""))
    if re.search(pattern, str(found)):
        return f'write "{found}": in quotes it is text'
    return f"write {found} USD" if re.search(pattern, f"{found} USD") else ""


def _one_of(error: ValidationError, subject: str) -> Words:
    limit: Any = error.validator_value
    words = [str(word) for word in limit]
    text = isinstance(error.instance, str)
    found = shown(error.instance) if text else kind_of(error.instance)
    close = nearest(str(error.instance), words)
    return (
        "bad-value" if text else "wrong-type",
        f"{subject} must be {_title(error) or either(words)}, not {found}",
        f"did you mean '{close}'?" if close else "",
    )


def _other_than(error: ValidationError, subject: str) -> Words:
    whole = error.parent if isinstance(error.parent, ValidationError) else error
    message = f"{subject} must be {_forms(whole)}, not {shown(error.instance)}"
    example = next((each for each in _wanted(whole).get("examples", ()) if each), None)
    return "bad-value", message, f"such as {_flow(example)}" if isinstance(example, dict) else ""


def _flow(example: Mapping[str, Any]) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in example.items())}}}"


def _shape(error: ValidationError, subject: str) -> Words:
    what = _title(error) or "text that is not empty"
    return "bad-value", f"{subject} must be {what}, not {shown(error.instance)}", ""


def _bound(words: str) -> Callable[[ValidationError, str], Words]:
    def say(error: ValidationError, subject: str) -> Words:
        limit = error.validator_value
        found = shown(error.instance)
        return "bad-value", f"{subject} must be {words} {limit}, not {found}", ""

    return say


def _too_few(error: ValidationError, subject: str) -> Words:
    least = error.validator_value
    few = "is empty" if least == 1 else f"has fewer entries than {least}"
    return "bad-value", f"{subject} {few}", "add an entry"


def _counted(words: str) -> Callable[[ValidationError, str], Words]:
    def say(error: ValidationError, subject: str) -> Words:
        return "bad-value", f"{subject} has {words.format(error.validator_value)}", ""

    return say


def _exactly_one(error: ValidationError, subject: str) -> Words:
    forms: Any = error.validator_value
    found: Any = error.instance
    keys = [str(form["required"][0]) for form in forms]
    hint = "keep one of them" if any(key in found for key in keys) else f"add '{keys[0]}: …'"
    return "bad-value", f"{_title(error) or subject} has either {either(keys)}", hint


def _never(error: ValidationError, subject: str) -> Words:
    return "bad-value", f"{subject} may not be {shown(error.instance)}", "choose another"


def _misfit(error: ValidationError, subject: str) -> Words:
    return "bad-value", f"{subject} does not fit the schema ({error.validator})", ""


_SAYINGS: Mapping[str, Callable[[ValidationError, str], Words]] = {
    "type": _wrong_type,
    "anyOf": _wrong_type,
    "enum": _one_of,
    "const": _other_than,
    "pattern": _shape,
    "minLength": _shape,
    "minimum": _bound("at least"),
    "exclusiveMinimum": _bound("more than"),
    "maximum": _bound("at most"),
    "maxLength": _counted("more than {} characters"),
    "minItems": _too_few,
    "maxItems": _counted("more entries than {}"),
    "minProperties": _counted("no entries"),
    "uniqueItems": _counted("an entry twice"),
    "oneOf": _exactly_one,
    "not": _never,
}


def _forms(error: ValidationError) -> str:
    """Return what a value may be, over all allowed forms."""
    errors = [error]
    if error.validator == "anyOf":
        errors = [each for form in alternatives(error) for each in form if not each.relative_path]
    return either(list(dict.fromkeys(word for each in errors for word in _form(each))))


def _form(error: ValidationError) -> list[str]:
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            types = limit if isinstance(limit, list) else [limit]
            text = _title(error) if types == ["string"] else ""
            return [text] if text else [_TYPES[name] for name in types]
        case "enum":
            return [_title(error)] if _title(error) else [str(word) for word in limit]
        case "const":
            return [str(limit)]
        case "anyOf":
            return [_forms(error)]
    return []
