"""What a JSON Schema finds wrong with a document: the field, and words for what it may be.

The compiled validator decides, and the words are made from the schema itself, so that a rule is
written in one place. The schemas carry annotations of our own: `refusal` words what keywords say
badly, with the document's `field` it is about where a rule of `allOf` joins several; `writtenAs:
integer` refuses 5.0, which JSON Schema takes for an integer and the providers do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import jsonschema_rs
import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing that is wrong with a document."""

    path: tuple[str | int, ...]
    problem: Literal["missing", "unknown", "wrong", "rule"]
    """`rule`: each field is right by itself, and they do not go together."""
    words: str
    """What is said of the field: "must be an integer from 3 to 10"."""
    given: Any = None
    known: tuple[str, ...] = ()
    """The names or values that would have been taken, where they are a closed set."""

    @property
    def field(self) -> str:
        """Return the dotted name; places in arrays are left out."""
        return ".".join(step for step in self.path if isinstance(step, str))


@cache
def dialect_schema(name: str) -> dict[str, Any]:
    """Return the schema of what a provider's requests may be; it lies beside its dialect."""
    path = files("pipeline.sandbox").joinpath("dialects", f"{name}.schema.json")
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


class _WrittenAs:
    """The keyword `writtenAs`; a number's notation is seen in the type that Python reads it as."""

    def __init__(self, _parent: Mapping[str, Any], _value: Any, _path: Any) -> None:
        pass

    def validate(self, instance: Any) -> None:
        """Raise ValueError for a number with a point or an exponent."""
        if isinstance(instance, float):
            raise ValueError("written with a point")  # noqa: TRY004 - what the library asks for


class DocumentSchema:
    """A JSON Schema, or one definition of it, ready to check documents."""

    def __init__(self, schema: Mapping[str, Any], definition: str = "") -> None:
        # By reference, so that a definition can use the others.
        named = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]} if definition else {}
        self._schema = named or dict(schema)
        self._validator = jsonschema_rs.Draft202012Validator(
            self._schema, keywords={"writtenAs": _WrittenAs}
        )

    def errors(self, document: Any) -> list[FieldError]:
        """Return what is wrong, each field once; rules count where every field is right."""
        if self._validator.is_valid(document):
            return []
        found: dict[tuple[str | int, ...], FieldError] = {}
        for error in self._validator.iter_errors(document):
            for each in self._field_errors(error):
                found.setdefault(each.path, each)
        every = list(found.values())
        # A field that is wrong may break a rule as well, and the rule would say too much.
        return [each for each in every if each.problem != "rule"] or every

    def _field_errors(self, error: jsonschema_rs.ValidationError) -> Iterator[FieldError]:
        path, trail = tuple(error.instance_path), [self._schema]
        # References are resolved in that path: each step can be followed from the root.
        for step in error.schema_path:
            trail.append(trail[-1][step])  # type: ignore[index]
        owner, keyword = trail[-2], error.schema_path[-1]
        annotated = next((n for n in reversed(trail) if isinstance(n, dict) and "refusal" in n), {})
        refusal = annotated.get("refusal", "")
        if refusal and "allOf" in error.schema_path:
            named = tuple(annotated["field"].split("."))
            yield FieldError(path=named, problem="rule", words=refusal)
        elif keyword == "required":
            name = error.kind.property  # type: ignore[attr-defined]
            yield FieldError(path=(*path, name), problem="missing", words="is required")
        elif keyword in {"additionalProperties", "unevaluatedProperties"}:
            known = tuple(sorted(owner.get("properties", ())))
            for name in error.kind.unexpected:  # type: ignore[attr-defined]
                yield FieldError(
                    path=(*path, name),
                    problem="unknown",
                    words="is unknown",
                    given=name,
                    known=known,
                )
        else:
            yield FieldError(
                path=path,
                problem="wrong",
                words=refusal or _expectation(owner),
                given=error.instance,
                known=tuple(map(str, owner.get("enum", ()))),
            )


# Type to what it is called, and to the unit and the keywords of its limits.
_KINDS: Mapping[str, tuple[str, str, str, str]] = {
    "integer": ("an integer", "", "minimum", "maximum"),
    "number": ("a number", "", "minimum", "maximum"),
    "string": ("a string", " characters", "minLength", "maxLength"),
    "array": ("an array", " items", "minItems", "maxItems"),
    "object": ("an object", "", "", ""),
    "boolean": ("a boolean", "", "", ""),
}


def _expectation(schema: Mapping[str, Any]) -> str:
    """Return what a value must be, as its schema says."""
    if "const" in schema or "enum" in schema:
        options = schema.get("enum", [schema.get("const")])
        return f"must be one of {', '.join(str(each) for each in options if each is not None)}"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind, unit, low, high = _KINDS[types[0]]
    if low not in schema:
        return f"must be {kind}"
    of = f"of {schema[low]} to" if unit else f"from {schema[low]} to"
    limits = f"{of} {schema[high]}" if high in schema else f"of at least {schema[low]}"
    return f"must be {kind} {limits}{unit}"
