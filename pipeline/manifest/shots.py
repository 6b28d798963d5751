"""A shot's node → a Shot with everything compiled for its own table, axes and references.

Findings are collected whatever happens. A prompt or path that does not compile has a stand-in, so
that the shot's media and combinations are still checked; a shot that lacks more is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.domain import EMPTY, Axis, Match, Shot, Table, Template, Value, Variants
from pipeline.domain.manifest import TakesToShow
from pipeline.findings import Finding, Span, did_you_mean, has_errors
from pipeline.manifest.bundles import NamedBundle, read_bundle, references_of
from pipeline.manifest.campaign_settings import read_accept
from pipeline.manifest.paths import DEFAULT_PATH, compile_path
from pipeline.manifest.schema import setting_rules
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.compile import ValueReader, compile_prompt, not_templatable
from pipeline.manifest.templates.lint import SCALAR, Scope

_NO_TABLE = "name it first: tables: {products: {file: products.csv, key: sku}}"
_PATH_NAMES = ("row_key", "cell", "ext")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotContext:
    """What all shots of a manifest are read against."""

    vars: frozenset[str] = frozenset()
    tables: Mapping[str, Table | None]
    """Every table that the manifest names; None where it could not be read."""
    columns: Mapping[str, frozenset[str] | None]
    aliases: Mapping[str, str]
    """Alias by table."""
    bundles: Mapping[str, Node]
    output: Node | None = None
    """The manifest's own: what holds where a shot does not say it."""
    accept: Node | None = None
    """The same of the loop of takes."""
    lost: Mapping[str, frozenset[str] | None] = field(default_factory=lambda: EMPTY)
    """Names of `tables` and `bundles` whose entries had findings and are gone; None for all."""

    @property
    def owners(self) -> Mapping[str, str]:
        """Return the names of images and elements, each with a bundle that has it."""
        return {
            name: bundle
            for bundle, node in self.bundles.items()
            for part in ("images", "elements")
            for name, _ in node.entries(part)
        }

    def is_lost(self, part: str, name: str) -> bool:
        """Tell whether an entry of this name may be there, and has been told of already."""
        names = self.lost.get(part, frozenset())
        return names is None or name in names

    def scope(
        self,
        variant: frozenset[str] | None,
        rows: Mapping[str, frozenset[str] | None],
        elsewhere: Mapping[str, str] = EMPTY,
        *,
        any_row: bool = False,
    ) -> Scope:
        """Return the names of a template, given those under `variant` and those of the row."""
        names = {
            "campaign": SCALAR,
            "vars": self.vars,
            "shot": frozenset({"id", "tags"}),
            "take": SCALAR,
            "variant": variant,
        }
        return Scope(
            names={**names, **rows},
            elsewhere=elsewhere,
            rows=frozenset(rows),
            any_row=any_row,
        )

    def open_scope(self) -> Scope:
        """Return the names of a template that is written outside of any shot."""
        return self.scope(None, dict.fromkeys(("row", *self.aliases.values())))


def read_shot(node: Node, context: ShotContext) -> tuple[Shot | None, bool, list[Finding]]:
    """Return a shot as far as it can be read, whether it is whole, and every finding in it.

    It is not whole where it lacks something without which its items cannot be told.
    """
    reader = _ShotReader(node=node, context=context)
    shot = reader.read()
    return shot, not reader.lacking, reader.findings


@dataclass(slots=True, kw_only=True)
class _ShotReader:
    node: Node
    context: ShotContext
    findings: list[Finding] = field(default_factory=list)
    lacking: bool = False
    """Something is missing without which the shot's items cannot be told."""

    def read(self) -> Shot | None:
        node = self.node
        table = self._table()
        bundles = self._bundles()
        scope = self._scope(table)
        values = ValueReader(scope=scope)
        # Compiled anew for each shot: what a bundle may name depends on the shot's own table.
        specs = tuple(read_bundle(name, item, values) for name, item in bundles)
        self.lacking |= has_errors(values.findings) or any(item.broken for _, item in bundles)
        prompt = self._prompt(bundles, scope)
        settings, output = values.settings(node), self._output(scope)
        self.findings += values.findings
        cells = node.get("variants")
        if cells is not None:
            faults = tuple(variant_faults(cells))
            self.lacking |= cells.broken or bool(faults)
            self.findings += faults
        tags = node.get("tags")
        listed = (tags.items() if isinstance(tags.value, tuple) else (tags,)) if tags else ()
        self.findings += not_templatable(tags, "tags")
        shot_id, extra = node.get("id"), node.get("extra")
        if shot_id is None or prompt is None:
            return None
        return Shot(
            id=str(shot_id.value),
            table=table,
            prompt=prompt,
            settings=settings,
            variants=read_variants(cells) if cells else None,
            output=output,
            show=self._show(),
            accept=read_accept(node.get("accept"), self.context.accept),
            bundles=specs,
            tags=tuple(str(tag.value) for tag in listed),
            extra=extra.plain() if extra else {},
            span=shot_id.span,
            field_spans={**node.keys, **(dict(_key_places(extra, "extra")) if extra else {})},
        )

    def _say(self, slug: str, message: str, span: Span, hint: str = "") -> None:
        self.findings.append(Finding(slug=slug, message=message, span=span, hint=hint))

    def _table(self) -> str | None:
        node = self.node.get("for")
        if node is None:
            return None
        name, tables = str(node.value), self.context.tables
        if name not in tables and not self.context.is_lost("tables", name):
            hint = did_you_mean(name, tables) or _NO_TABLE
            if name.casefold().endswith((".csv", ".tsv")):
                hint = f"{_NO_TABLE}; then for: products"
            self._say("unknown-table", f"there is no table '{name}'", node.span, hint)
        # Also where the table is there and could not be read: what its rows are is not known.
        self.lacking |= tables.get(name) is None
        return name

    def _bundles(self) -> tuple[NamedBundle, ...]:
        """Return the bundles that the shot composes, then its inline references."""
        found: list[NamedBundle] = []
        used = self.node.get("use")
        for item in used.items() if used else ():
            name = str(item.value)
            node = self.context.bundles.get(name)
            if node is None:
                if not self.context.is_lost("bundles", name):
                    owner = self.context.owners.get(name, "")
                    hint = f"it is in the bundle '{owner}': use: [{owner}]" if owner else ""
                    hint = hint or did_you_mean(name, self.context.bundles)
                    self._say("unknown-bundle", f"there is no bundle '{name}'", item.span, hint)
                # A bundle without names, marked broken: any reference may be one of its.
                node = replace(item, value={}, broken=True)
            found.append((name, node))
        if "use" in self.node.lost:
            # What it composes is not known: any reference may be one of its.
            found.append(("", replace(self.node, value={}, broken=True)))
        inline = self.node.get("references")
        self.lacking |= used is not None and used.broken
        return (*found, *([("", inline)] if inline else []))

    def _scope(self, table: str | None) -> Scope:
        context, name_node = self.context, self.node.get("id")
        who = f"the shot '{name_node.value}'" if name_node else "the shot"
        reason = f"{who} is for '{table}'" if table else f"{who} has no 'for'"
        elsewhere = {alias: reason for name, alias in context.aliases.items() if name != table}
        rows: dict[str, frozenset[str] | None] = {}
        # Which table was meant is not known, and has been told: any name may be a row's.
        any_row = "for" in self.node.lost or (table is not None and table not in context.tables)
        self.lacking |= any_row
        if any_row:
            elsewhere = {}
        elif table is None:
            elsewhere["row"] = reason
        else:
            alias = context.aliases.get(table)
            rows = dict.fromkeys(("row", *([alias] if alias else [])), context.columns.get(table))
        elsewhere["refs"] = "only a prompt knows which references there are"
        elsewhere |= {name: f"only an output path has '{name}'" for name in _PATH_NAMES}
        variants = variant_names(self.node.get("variants"))
        return context.scope(variants, rows, elsewhere, any_row=any_row)

    def _prompt(self, bundles: tuple[NamedBundle, ...], scope: Scope) -> Template | None:
        node = self.node.get("prompt")
        if node is None:
            return None
        known = references_of(bundles)
        # `refs.name` asks whether an optional reference is there; only a prompt has such.
        inside = scope.extend(refs=known.names_under_refs())
        known = replace(known, unused=self.context.owners)
        template, findings = compile_prompt(node, inside, known)
        self.findings += findings
        # A prompt that has findings renders to something, so that the rest can be checked.
        return template or Template(
            source=str(node.value),
            span=node.span,
            names=frozenset({"variant"}),
            render=_stand_in,
        )

    def _output_key(self, key: str) -> Node | None:
        """Return what the shot, or else the manifest, says of its output."""
        own, common = self.node.get("output"), self.context.output
        return (own.get(key) if own else None) or (common.get(key) if common else None)

    def _show(self) -> TakesToShow:
        node = self._output_key("show")
        return TakesToShow(str(node.value)) if node else TakesToShow.ALL

    def _output(self, scope: Scope) -> Template:
        node = self._output_key("path")
        inside = scope.extend(**dict.fromkeys(_PATH_NAMES, SCALAR))
        if node:
            template, findings = compile_path(node, inside)
            self.findings += findings
            if template is not None:
                return template
        # The built-in path, as if it were written where the shot is.
        # Its faults, if it ever had any, would be told at the shot.
        usual = replace(self.node, value=DEFAULT_PATH, keys={}, extent=(0, 0), style="")
        built_in, _ = compile_path(usual, inside)
        assert built_in is not None  # noqa: S101 - it is ours
        return built_in


def _stand_in(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a text for a prompt with findings, another for each cell.

    That two cells are the same work would be told beside the fault that is the reason.
    """
    cell = context.get("variant")
    return (f"left out {cell}" if cell else "left out",)


def _key_places(node: Node, above: str) -> Iterator[tuple[str, Span]]:
    """Yield where each key below a map is written, under its dotted name."""
    for key, item in node.entries():
        name = f"{above}.{key}"
        yield name, node.key_span(key)
        yield from _key_places(item, name)


def read_variants(node: Node) -> Variants:
    """Return a shot's axes and matches as written; `plan` makes the cells of them."""
    settings = setting_rules()

    def read(axis: str, value: Node) -> Value:
        # A setting is a number to a provider; any other axis is a text in prompts and names.
        data = value.plain() if axis in settings else value.as_written()
        return Value(data=data, span=value.span, folder=value.folder)

    def axes(part: str) -> tuple[Axis, ...]:
        above = node.get(part)
        return tuple(
            Axis(
                name=name,
                values=tuple(read(name, value) for value in item.items()),
                span=above.key_span(name),
            )
            for name, item in (above.entries() if above else ())
            if above
        )

    def cells(part: str) -> tuple[Match, ...]:
        return tuple(
            Match(
                axes={axis: read(axis, value).data for axis, value in item.entries()},
                spans={axis: value.span for axis, value in item.entries()},
                span=item.span,
            )
            for item in node.items(part)
        )

    most = node.get("max_cells")
    return Variants(
        matrix=axes("matrix"),
        pairs=axes("pairs"),
        exclude=cells("exclude"),
        add=cells("add"),
        extend=tuple(
            Match(
                axes={key: read(key, value).data for key, value in item.entries("match")},
                set={key: read(key, value) for key, value in item.entries("set")},
                span=item.span,
            )
            for item in node.items("extend")
        ),
        max_cells=most.value if most else 2000,
        span=node.span,
    )


def variant_names(node: Node | None) -> frozenset[str] | None:
    """Return the names under `variant` in some cell; None where they cannot be known."""
    if node is None:
        return frozenset()
    # An axis may have been taken out, so no name can be called unknown.
    if node.broken:
        return None
    names = {key for item in node.items("extend") for key, _ in item.entries("set")}
    return frozenset({*_axis_names(node), *names})


def _axis_names(node: Node) -> tuple[str, ...]:
    return tuple(key for part in ("matrix", "pairs") for key, _ in node.entries(part))


def variant_faults(node: Node) -> Iterator[Finding]:
    """Yield what is wrong with a shot's variants, before any row is seen."""
    # The cells of a shot are the same for all its rows: there is no row that a template could read.
    yield from not_templatable(node, "variants")
    axes = _axis_names(node)
    yield from _axis_faults(node.get("matrix"), node.get("pairs"))
    for item in (*node.items("exclude"), *node.items("add")):
        yield from _unknown_axes(item, axes)
    for item in node.items("add"):
        lacking = [axis for axis in axes if item.get(axis) is None]
        if lacking:
            are = "is" if len(lacking) == 1 else "are"
            yield Finding(
                slug="incomplete-cell",
                message=f"a cell that is added gives every axis; {' and '.join(lacking)}"
                f" {are} missing",
                span=item.span,
                hint=f"add {', '.join(f'{axis}: …' for axis in lacking)}",
            )
    for item in node.items("extend"):
        match, added = item.get("match"), item.get("set")
        if match:
            yield from _unknown_axes(match, axes)
        for key, _ in added.entries() if added else ():
            if added and key in axes:
                yield Finding(
                    slug="overwrites-axis",
                    message=f"'{key}' is an axis, so 'extend' cannot set it",
                    span=added.key_span(key),
                    hint="use 'exclude' and 'add' to change which cells there are",
                )


def _axis_faults(matrix: Node | None, pairs: Node | None) -> Iterator[Finding]:
    """Yield the axes that are given twice, and the pairs of unequal length."""
    entries = pairs.entries() if pairs else ()
    for key, _ in entries:
        if matrix and pairs and matrix.get(key):
            yield Finding(
                slug="duplicate-axis",
                message=f"the axis '{key}' is in 'matrix' and in 'pairs'",
                span=pairs.key_span(key),
                hint="keep one of them",
                related=(matrix.key_span(key),),
            )
    for key, item in entries[1:]:
        first, shape = entries[0]
        if pairs and len(item.items()) != len(shape.items()):
            counts = f"{len(item.items())} and {len(shape.items())}"
            yield Finding(
                slug="unequal-pairs",
                message=f"'{key}' and '{first}' go together, but have {counts} values",
                span=pairs.key_span(key),
                hint="give them as many values, or put one of them under 'matrix'",
                related=(pairs.key_span(first),),
            )


def _unknown_axes(node: Node, axes: tuple[str, ...]) -> Iterator[Finding]:
    for key, _ in node.entries():
        if key not in axes:
            yield Finding(
                slug="unknown-axis",
                message=f"the shot has no axis '{key}'",
                span=node.key_span(key),
                hint=did_you_mean(key, axes),
            )
