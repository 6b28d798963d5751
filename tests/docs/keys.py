"""schemas/manifest.schema.json → a table of keys for each part of a manifest.

A part is a definition of the schema with a heading of its own; what is nested in it and has none
is listed with its whole path. `NAME` stands for a name that the manifest chooses, `[]` for each of
a list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from pipeline.schemas import schema

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a manifest: its heading, where it stands, and what is to be said first."""

    title: str
    path: str = ""
    rule: str
    """The definition in the schema; empty for the whole."""
    intro: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key, as a line of the table."""

    path: str
    rule: Rule
    needed: bool


PARTS = (
    Part(
        title="The manifest",
        rule="",
        intro="The keys at the left margin.\nA profile may have all of them but"
        " `callsheet`, `name`, `extends` and `profiles`.",
    ),
    Part(
        title="Tables",
        path="tables.NAME",
        rule="table",
        intro="A column that begins with an underscore steers: `_skip` leaves a row out, `_tags`"
        " adds tags, and `_takes`, `_duration`, `_mode` and `_provider` are settings of that row.",
    ),
    Part(
        title="Bundles",
        path="bundles.NAME",
        rule="bundle",
        intro="A shot's own `references` have the same keys.",
    ),
    Part(
        title="Settings",
        rule="settings",
        intro="They stand in `defaults`, in `overrides` and in a shot; an axis of the same name"
        " sets one, and so does `set` in `variants.extend`.\n"
        "Of two the first wins: `overrides`, a column of the row, an axis, the shot, `defaults`.",
    ),
    Part(
        title="Shots",
        path="shots[]",
        rule="shot",
        intro="A shot has all [settings](#settings) too.",
    ),
    Part(
        title="Variants",
        path="shots[].variants",
        rule="variants",
        intro="`pairs` has the same keys as `matrix`.",
    ),
    Part(
        title="Acceptance",
        path="accept",
        rule="accept",
        intro="A shot may have its own, which is laid over the manifest's; `off` is one without.\n"
        "With it `takes` and a column `_takes` are findings.",
    ),
    Part(title="Budget", path="budget", rule="budget", intro="Amounts are in US dollars."),
    Part(title="Output", path="output", rule="output", intro="A shot may have its own."),
    Part(
        title="Providers",
        path="providers.NAME",
        rule="providerSettings",
        intro="NAME is a provider: `runware`, `evolink`, `apimart`, `inference`, `unifically`.",
    ),
    Part(title="Policy", path="policy", rule="policy", intro="What happens when something fails."),
)
_LINKED: Mapping[str, str] = MappingProxyType(
    {part.rule: f"#{part.title.lower()}" for part in PARTS if part.rule}
)
_ELSEWHERE = frozenset(
    {"providers", "profiles", "shots[].references", "shots[].variants.pairs"}
    | {"shots[].variants.extend[].set"}
)
"""Maps whose keys are told once, where the same definition has its part or comes first."""
_WORDS: Mapping[str, str] = MappingProxyType(
    {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}
)
_WIDE = 60
"""Characters of an example without a space in it that a table bears."""


class _Flow(yaml.SafeDumper):
    """Writes values as a manifest may have them: `on` and `off` are only words there."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the parent has it
        first: kinds
        for first, kinds in yaml.SafeDumper.yaml_implicit_resolvers.items()
        if first not in "oO"
    }


def tables() -> Iterator[str]:
    """Yield the parts as Markdown, in the order of a manifest."""
    for part in PARTS:
        rule = _rule(part.rule)
        shown = [_told(row) for row in _rows(part.path, rule) if not _is_setting(part, row)]
        yield f"### {part.title}\n\n{part.intro}\n"
        yield "| key | type | default | meaning | example |\n| --- | --- | --- | --- | --- |"
        yield "\n".join(f"| {' | '.join(cells)} |" for cells in shown) + "\n"


def project_keys() -> Iterator[str]:
    """Yield the keys of `callsheet.toml` as lines of a table."""
    rows = [_told(row, _toml) for row in _rows("", schema("callsheet"))]
    yield "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n"


def defaults() -> Iterator[tuple[str, Any]]:
    """Yield the path and the default of every key that states one."""
    for part in PARTS:
        for row in _rows(part.path, _rule(part.rule)):
            if "default" in row.rule:
                yield row.path, row.rule["default"]


def _is_setting(part: Part, row: Row) -> bool:
    """Tell whether a key of a shot is a setting, which have a part of their own."""
    name = row.path.removeprefix(f"{part.path}.")
    return part.rule == "shot" and name in _rule("settings")["properties"]


def _rule(name: str) -> Rule:
    whole = schema("manifest")
    found: Rule = whole["$defs"][name] if name else whole
    return found


def _rows(path: str, rule: Rule) -> Iterator[Row]:
    """Yield the keys of a map, after each those that are nested in it."""
    # The manifest itself may leave what it needs to the files that it extends.
    needed = rule.get("required", rule.get("then", {}).get("required", ()))
    for name, about in rule.get("properties", {}).items():
        whole = f"{path}.{name}" if path else name
        yield Row(path=whole, rule=about, needed=name in needed)
        if whole not in _ELSEWHERE:
            for place, nested in _maps(whole, about):
                yield from _rows(place, nested)


def _maps(path: str, about: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield each map that a value may be or hold, with its path."""
    about = _followed(about)
    if "properties" in about:
        yield path, about
    for form in about.get("anyOf", ()):
        if "items" not in form:  # a list is only another way to write the same several times
            yield from _maps(path, form)
    if isinstance(about.get("additionalProperties"), Mapping):
        yield from _maps(f"{path}.NAME", about["additionalProperties"])
    if "items" in about:
        yield from _maps(f"{path}[]", about["items"])


def _followed(about: Rule) -> Rule:
    name = about.get("$ref", "").rpartition("/")[2]
    if not name:
        return about
    return {} if name in _LINKED else {**_rule(name), **about}


def _told(row: Row, spell: Callable[[Any], str] | None = None) -> tuple[str, ...]:
    rule = {**_followed(row.rule), **row.rule}
    default = "required" if row.needed else _code(rule["default"]) if "default" in rule else ""
    example = (spell or _code)(rule["examples"][0])
    cells = (f"`{row.path}`", _type(row.rule), default, rule["description"], example)
    return tuple(cell.replace("|", r"\|") for cell in cells)


def _toml(value: Any) -> str:
    """Return a value as `callsheet.toml` has it; words alone are as they are for a manifest."""
    return f"`{json.dumps(value)}`" if isinstance(value, list) else _code(value)


def _code(value: Any) -> str:
    text = yaml.dump(value, Dumper=_Flow, default_flow_style=True, width=10_000, sort_keys=False)
    text = text.removesuffix("...\n").strip()
    return f"`{text if ' ' in text or len(text) < _WIDE else f'{text[:12]}…'}`"


def _type(rule: Rule) -> str:
    """Return what a value may be, in words."""
    name = rule.get("$ref", "").rpartition("/")[2]
    if name in _LINKED:
        return f"[{_rule(name)['title']}]({_LINKED[name]})"
    if name:
        return _type(_rule(name))
    if "const" in rule:
        return f"`{json.dumps(rule['const']).strip(chr(34))}`"
    if "enum" in rule:
        words = dict.fromkeys("tab" if each == "\t" else str(each) for each in rule["enum"])
        return rule.get("title") or ", ".join(f"`{word}`" for word in words)
    if "anyOf" in rule:
        forms = dict.fromkeys(map(_type, rule["anyOf"]))
        return ("; or " if any("," in form for form in forms) else " or ").join(forms)
    return _simple(rule)


def _simple(rule: Rule) -> str:
    kind = rule.get("type")
    if isinstance(kind, list):
        return ", ".join(_WORDS[each] for each in kind)
    if kind == "array":
        return f"list: {_type(rule['items'])}" if "items" in rule else "list"
    if kind == "object" or "properties" in rule:
        more = rule.get("additionalProperties")
        inner = _type(more) if isinstance(more, Mapping) and "properties" not in rule else ""
        return f"map of names to {inner}" if inner else "map"
    text = rule.get("title") or _WORDS[str(kind)]
    low, high = rule.get("minimum"), rule.get("maximum")
    if high is not None and low is not None:
        return f"{text}, {low} to {high}"
    return f"{text}, {low} or more" if low is not None else text
