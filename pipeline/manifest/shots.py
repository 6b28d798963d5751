"""A shot's node → a Shot with everything compiled for its own table, axes and references.

Findings are collected whatever happens. A prompt or path that does not compile has a stand-in, so
that the shot's media and combinations are still checked; a shot that lacks more is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pipeline.domain import Shot, Table, Template
from pipeline.findings import Finding, Span, has_errors
from pipeline.manifest.bundles import Named, bundle, references
from pipeline.manifest.nodes import Node
from pipeline.manifest.paths import DEFAULT_PATH, compile_path
from pipeline.manifest.scope import SCALAR, Scope, extended
from pipeline.manifest.templates import Compiled, compile_prompt
from pipeline.manifest.values import Values, not_templatable, strings
from pipeline.manifest.variants import variant_faults, variant_names, variants
from pipeline.manifest.wording import did_you_mean

_PATH_NAMES = ("row_key", "cell", "ext")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What all shots of a manifest are read against."""

    vars: frozenset[str] = frozenset()
    tables: Mapping[str, Table | None]
    """Every table that the manifest names; None where it could not be read."""
    columns: Mapping[str, frozenset[str] | None]
    aliases: Mapping[str, str]
    """Alias by table."""
    bundles: Mapping[str, Node]
    output: Node | None = None
    """The manifest's own output path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A shot as far as it could be read."""

    shot: Shot | None
    whole: bool
    """False where it lacks something without which its items cannot be told."""
    findings: tuple[Finding, ...]


@dataclass(slots=True, kw_only=True)
class _Reading:
    node: Node
    stage: Stage
    findings: list[Finding] = field(default_factory=list)
    lacking: bool = False
    """Something is missing without which the shot's items cannot be told."""

    def say(self, slug: str, message: str, span: Span, hint: str = "") -> None:
        self.findings.append(Finding(slug=slug, message=message, span=span, hint=hint))


def open_scope(stage: Stage) -> Scope:
    """Return the names of a template that is written outside of any shot."""
    aliases = dict.fromkeys(stage.aliases.values())
    rows = frozenset({"row", *aliases})
    return Scope(names={**_common(stage), "variant": None, "row": None, **aliases}, rows=rows)


def read_shot(node: Node, stage: Stage) -> Read:
    """Return a shot with its templates compiled, and every finding in it."""
    reading = _Reading(node=node, stage=stage)
    table = _table(reading)
    named = _bundles(reading)
    scope = _scope(reading, table)
    values = Values(scope=scope)
    specs = tuple(bundle(name, item, values) for name, item in named)
    reading.lacking |= has_errors(values.findings) or any(item.broken for _, item in named)
    shot = _shot(reading, values, _prompt(reading, named, scope))
    reading.findings += [*values.findings, *_variant_findings(reading)]
    reading.findings += not_templatable(node.get("tags"), "tags")
    if shot is not None:
        shot = replace(shot, table=table, bundles=specs)
    return Read(shot=shot, whole=not reading.lacking, findings=tuple(reading.findings))


def _shot(reading: _Reading, values: Values, prompt: Template | None) -> Shot | None:
    node = reading.node
    settings, output = values.settings(node), _output(reading, values.scope)
    shot_id, cells, extra = node.get("id"), node.get("variants"), node.get("extra")
    if shot_id is None or prompt is None:
        return None
    return Shot(
        id=str(shot_id.value),
        table=None,
        prompt=prompt,
        settings=settings,
        variants=variants(cells) if cells else None,
        output=output,
        tags=strings(node.get("tags")),
        extra=extra.plain() if extra else {},
        span=shot_id.span,
        field_spans={**node.keys, **(dict(_leaves(extra, "extra")) if extra else {})},
    )


def _leaves(node: Node, above: str) -> Iterator[tuple[str, Span]]:
    """Yield where each key below a map is written, under its dotted name."""
    for key, item in node.entries():
        name = f"{above}.{key}"
        yield name, node.key_span(key)
        yield from _leaves(item, name)


def _table(reading: _Reading) -> str | None:
    node = reading.node.get("for")
    if node is None:
        return None
    name = str(node.value)
    if name not in reading.stage.tables:
        hint = did_you_mean(name, reading.stage.tables)
        reading.say("unknown-table", f"there is no table '{name}'", node.span, hint)
    reading.lacking |= reading.stage.tables.get(name) is None
    return name


def _bundles(reading: _Reading) -> tuple[Named, ...]:
    """Return the bundles that the shot composes, then its inline references."""
    found: list[Named] = []
    used = reading.node.get("use")
    for item in used.items() if used else ():
        name = str(item.value)
        node = reading.stage.bundles.get(name)
        if node is None:
            hint = did_you_mean(name, reading.stage.bundles)
            reading.say("unknown-bundle", f"there is no bundle '{name}'", item.span, hint)
            # A bundle without names, marked broken: any reference may be one of its.
            node = replace(item, value={}, broken=True)
        found.append((name, node))
    if "use" in reading.node.lost:
        # What it composes is not known: any reference may be one of its.
        found.append(("", replace(reading.node, value={}, broken=True)))
    inline = reading.node.get("references")
    reading.lacking |= used is not None and used.broken
    return (*found, *([("", inline)] if inline else []))


def _common(stage: Stage) -> dict[str, frozenset[str] | None]:
    return {
        "campaign": SCALAR,
        "vars": stage.vars,
        "shot": frozenset({"id", "tags"}),
        "take": SCALAR,
    }


def _row_names(stage: Stage, table: str) -> dict[str, frozenset[str] | None]:
    columns = stage.columns.get(table)
    alias = stage.aliases.get(table)
    return {"row": columns, **({alias: columns} if alias else {})}


def _scope(reading: _Reading, table: str | None) -> Scope:
    stage = reading.stage
    names = {**_common(stage), "variant": variant_names(reading.node.get("variants"))}
    rows = _row_names(stage, table) if table is not None else {}
    return Scope(
        names={**names, **rows}, elsewhere=_elsewhere(reading, table), rows=frozenset(rows)
    )


def _elsewhere(reading: _Reading, table: str | None) -> dict[str, str]:
    stage, name_node = reading.stage, reading.node.get("id")
    who = f"the shot '{name_node.value}'" if name_node else "the shot"
    reason = f"{who} is for '{table}'" if table else f"{who} has no 'for'"
    found = {alias: reason for name, alias in stage.aliases.items() if name != table}
    if table is None:
        found["row"] = reason
    found["refs"] = "only a prompt knows which references there are"
    return found | {name: f"only an output path has '{name}'" for name in _PATH_NAMES}


def _prompt(reading: _Reading, named: tuple[Named, ...], scope: Scope) -> Template | None:
    node = reading.node.get("prompt")
    if node is None:
        return None
    known = references(named)
    inside = Scope(
        names={**scope.names, "refs": known.asked()},
        elsewhere=scope.elsewhere,
        rows=scope.rows,
    )
    template = _kept(reading, compile_prompt(node, inside, known))
    return template or _stand_in(node)


def _stand_in(node: Node) -> Template:
    """Return a prompt that renders to something, for one that has findings."""
    return Template(
        source=str(node.value), span=node.span, names=frozenset(), render=lambda _: ("left out",)
    )


def _kept(reading: _Reading, compiled: Compiled) -> Template | None:
    template, findings = compiled
    reading.findings += findings
    return template


def _output(reading: _Reading, scope: Scope) -> Template:
    own = reading.node.get("output")
    node = own.get("path") if own else None
    node = node or reading.stage.output
    inside = extended(scope, **dict.fromkeys(_PATH_NAMES, SCALAR))
    template = _kept(reading, compile_path(node, inside)) if node else None
    if template is not None:
        return template
    built_in, _ = compile_path(_at(reading.node, DEFAULT_PATH), inside)
    assert built_in is not None  # noqa: S101 - it is ours
    return built_in


def _at(node: Node, text: str) -> Node:
    """Return a text of ours as if it were written where a node is."""
    return replace(node, value=text, keys={}, extent=(0, 0), style="")


def _variant_findings(reading: _Reading) -> Iterator[Finding]:
    node = reading.node.get("variants")
    if node is None:
        return
    found = tuple(variant_faults(node))
    reading.lacking |= node.broken or bool(found)
    yield from found
