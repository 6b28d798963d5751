"""A manifest's path → the Manifest, checked, with its tables read and its templates compiled.

One pass: the layers are laid over each other, the schema says what does not fit and is taken out,
and every part that is left is read, so that no finding hides another where it can be known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.allowed_paths import AllowedPaths
from pipeline.domain import Loaded, Manifest, Shot, Template, Value
from pipeline.domain.manifest import TakesToShow
from pipeline.findings import Finding, Span, group_findings
from pipeline.foreign_text import encodable, keys_in, names_a_key, redact
from pipeline.manifest.bundles import bundle_faults, read_bundle
from pipeline.manifest.campaign_settings import (
    accept_faults,
    folders_to_read,
    hold_lowest,
    read_budget,
    read_policy,
    read_providers,
)
from pipeline.manifest.layers import SET, Layers, list_values, unreadable_file, without_unset
from pipeline.manifest.schema import check_schema, unknown_empty_keys
from pipeline.manifest.shots import ShotContext, read_shot
from pipeline.manifest.source_map import Node
from pipeline.manifest.tables.table_loader import TableLoader
from pipeline.manifest.templates.compile import ValueReader, not_templatable
from pipeline.manifest.used_cells import formula_errors


def load_manifest(
    path: Path,
    *,
    profile: str = "",
    overrides: Sequence[str] = (),
    read: Callable[[Path], bytes],
) -> Loaded:
    """Return the manifest as far as it can be read, and every finding; raises nothing for input.

    `load_manifest(Path("m.yaml"), overrides=["vars.season=autumn"], read=contents)` lays its
    `path=value` options over everything else. Places are shown as `path` is given. Where a finding
    is an error the manifest may be expanded, for more, but not run.
    """
    layers = Layers(read=read)
    node = _merge_layers(layers, path, profile, overrides)
    if node is None:
        return Loaded(
            manifest=None,
            findings=group_findings(layers.findings),
            sources=_without_keys(layers.sources, ()),
        )
    # Before the schema takes anything out: a key in a faulty part is a key all the same.
    suspects, values = find_secrets(node), tuple(list_values(node))
    sound, findings = check_schema(node)
    reader = _ManifestReader(path=path, profile=profile, node=sound, layers=layers)
    manifest = reader.read()
    found = (*layers.findings, *suspects, *findings, *reader.findings)
    sources = _without_keys(layers.sources, [finding.span for finding in suspects])
    return Loaded(
        manifest=manifest, findings=group_findings(found), sources=sources, written=values
    )


def _merge_layers(
    layers: Layers, path: Path, profile: str, overrides: Sequence[str]
) -> Node | None:
    shown = encodable(str(path))
    try:
        node = layers.document(path, shown)
    except (OSError, ValueError) as error:
        message = "the manifest cannot be read: …"
        hint = "name the manifest in it" if path.is_dir() else ""
        finding = unreadable_file(error, path, Span(file=shown), message, hint=hint)
        layers.findings.append(finding)
        return None
    if node is None:
        return None
    if profile:
        node = layers.apply_profile(node, profile)
    # After the profile: what is typed for one run wins over all that is written.
    node = layers.apply_overrides(node, overrides, path.parent)
    node, warnings = hold_lowest(node, layers.documents, profile)
    layers.findings += [*unknown_empty_keys(node), *warnings]
    # Last: until all layers are merged, `~` has to win over what stands below it.
    return without_unset(node)


def find_secrets(root: Node) -> tuple[Finding, ...]:
    """Return a finding for every value in a document that looks like an API key.

    A key in a manifest ends up in Git, so it is an error even where it would do nothing; what is
    found is never repeated.
    """

    def suspects(node: Node, key: str) -> Iterator[Span]:
        for name, item in node.entries():
            yield from suspects(item, name)
        for item in node.items():
            yield from suspects(item, key)
        if isinstance(node.value, str) and node.value:
            # A template is no key, whatever the name before it.
            if names_a_key(key) and "{{" not in node.value:
                yield node.span
            else:
                yield from (node.at(start, length) for start, length in keys_in(node.value))

    return tuple(
        Finding(
            slug="secret-in-manifest",
            message="this looks like an API key",
            span=place,
            hint="keep keys in the environment or in --env-file; this one is spent, replace it",
        )
        for place in suspects(root, "")
    )


def _without_keys(sources: Mapping[str, str], places: Iterable[Span]) -> dict[str, str]:
    """Return the texts of the files with keys starred out: those found by look and by place."""
    found: dict[str, list[str]] = {
        name: redact(text).splitlines(keepends=True) for name, text in sources.items()
    }
    # By place as well: what the schema took for a key need not look like one.
    for place in places:
        lines = found.get(place.file, [])
        if place.line <= len(lines):
            line = lines[place.line - 1]
            # A place without an extent hides one character at least.
            start, end = place.column - 1, max(place.end_column - 1, place.column)
            lines[place.line - 1] = line[:start] + "*" * (end - start) + line[end:]
    return {name: "".join(lines) for name, lines in found.items()}


@dataclass(slots=True, kw_only=True)
class _ManifestReader:
    """Reads the parts of one checked document."""

    path: Path
    profile: str
    node: Node
    layers: Layers
    findings: list[Finding] = field(default_factory=list)

    def read(self) -> Manifest:
        variables, name = self._part("vars").as_written(), self.node.get("name")
        campaign = name.value if name else self.path.stem
        allowed = folders_to_read(self.node.get("files"), {encodable(str(self.path)), SET})
        # Tables come first: their columns are what the templates of shots may name.
        tables = TableLoader(
            specs=dict(self.node.entries("tables")),
            read=self.layers.read,
            allowed=AllowedPaths(self.path.parent, allowed),
            context={"campaign": campaign, "vars": variables},
        )
        tables.read_all()
        context = ShotContext(
            vars=frozenset(variables),
            tables=tables.tables,
            columns=tables.columns,
            aliases=tables.aliases,
            bundles=dict(self.node.entries("bundles")),
            output=self._part("output"),
            accept=self.node.get("accept"),
            # The names whose entries the schema took out; None for all of them.
            lost={
                part: None if part in self.node.lost else self._part(part).lost
                for part in ("tables", "bundles")
            },
        )
        shots = self._shots(context)
        # Defaults are used by shots of any table, so every alias and any axis may be in them.
        outside = ValueReader(scope=context.open_scope())
        defaults, overrides = (outside.settings(self._part(k)) for k in ("defaults", "overrides"))
        self._check_bundles(context, outside)
        budget, warnings = read_budget(self.node.get("budget"))
        warnings += not_templatable(self.node.get("vars"), "vars")
        self.findings += [*tables.findings, *outside.findings, *warnings]
        manifest = Manifest(
            path=self.path,
            folder=self.path.parent,
            name=campaign,
            vars=variables,
            tables={name: table for name, table in tables.tables.items() if table is not None},
            shots=tuple(shot for shot, whole in shots if whole),
            approved_only=frozenset(s.id for s, _ in shots if s.show is TakesToShow.APPROVED),
            defaults=defaults,
            overrides=overrides,
            budget=replace(budget, accepts={s.id: s.accept for s, _ in shots if s.accept}),
            policy=read_policy(self.node.get("policy")),
            providers=read_providers(self.node.get("providers")),
            allow=allowed,
            profile=self.profile,
            selectors={
                name: Value(data=text.value, span=text.at(0))
                for name, text in self.node.entries("selectors")
            },
            var_spans={name: node.span for name, node in self._part("vars").entries()},
            span=self.node.span,
        )
        self.findings += [*accept_faults(manifest), *formula_errors(manifest)]
        self.findings += (faults := _take_faults((shot for shot, _ in shots), manifest)).values()
        # That the takes of such a shot clash is told once, here, not again for each item.
        return replace(manifest, shots=tuple(_number_takes(manifest.shots, faults)))

    def _part(self, key: str) -> Node:
        empty = Node(value={}, span=self.node.span, source=self.node.source)
        return self.node.get(key) or empty

    def _shots(self, context: ShotContext) -> list[tuple[Shot, bool]]:
        """Return the shots that could be read, and whether each is whole."""
        found: list[tuple[Shot, bool]] = []
        places: dict[str, Span] = {}
        for node in self.node.items("shots"):
            shot, whole, findings = read_shot(node, context)
            self.findings += findings
            own = node.get("id")
            first = places.setdefault(own.value, own.span) if own else None
            again = own is not None and first != own.span
            if own and first and again:
                self.findings.append(
                    Finding(
                        slug="duplicate-id",
                        message=f"two shots are named '{own.value}'",
                        span=own.span,
                        hint="give one of them another id: it is part of every address",
                        related=(first,),
                    )
                )
            if shot is not None:
                # Under its own id its items would clash with the other's, address by address: one
                # fault, told many times. No shot can have such an id.
                apart = f"{shot.id} (line {shot.span.line})"
                found.append((replace(shot, id=apart) if again else shot, whole))
        return found

    def _check_bundles(self, context: ShotContext, outside: ValueReader) -> None:
        """Check what no shot compiles: a fault in a bundle does not wait for its first use."""
        shots = self.node.items("shots")
        used = {str(item.value) for shot in shots for item in shot.items("use")}
        for name, node in context.bundles.items():
            self.findings += bundle_faults(node)
            if name not in used:
                read_bundle(name, node, outside)
        for shot in shots:
            inline = shot.get("references")
            self.findings += bundle_faults(inline) if inline else ()


def _take_faults(shots: Iterable[Shot], manifest: Manifest) -> Mapping[Span, Finding]:
    """Return the findings for shots that want several takes and whose path has no `take`."""
    found: dict[Span, Finding] = {}
    # Overrides win over all others: with `takes: 1` there nothing clashes.
    above = manifest.overrides.get("takes")
    for shot in shots:
        cells, table = shot.variants, manifest.tables.get(shot.table or "")
        axes = (*cells.matrix, *cells.pairs) if cells else ()
        wanted = [value for axis in axes if axis.name == "takes" for value in axis.values]
        steering = [row.steering.get("takes") for row in (table.rows if table else ())]
        wanted += [value for value in steering if value is not None]
        own = shot.settings.get("takes", manifest.defaults.get("takes"))
        wanted += [own] if own is not None else []
        if shot.accept is not None:
            # That `takes` is written beside it is a finding of its own.
            span = shot.accept.spans.get("takes", shot.accept.spans[""])
            wanted, above = [Value(data=shot.accept.takes, span=span)], None
        # A template's number is not known yet.
        several: Iterator[Any] = (
            value
            for value in ([above] if above is not None else wanted)
            if isinstance(value.data, int) and value.data > 1
        )
        first = next(several, None)
        if first is not None and "take" not in shot.output.names:
            found[shot.span] = Finding(
                slug="path-without-take",
                message=f"the takes of shot '{shot.id}' would share one file",
                span=shot.output.span,
                hint="put {{ take }} into the path, as in {{ cell }}_t{{ take }}.{{ ext }}",
                related=(first.span,),
            )
    return found


def _number_takes(shots: Iterable[Shot], clashing: Collection[Span]) -> Iterator[Shot]:
    """Yield the shots; the further takes of those that clash go where nothing else can be."""

    def number(path: Template) -> Template:
        def render(context: Mapping[str, Any]) -> str:
            take = context["take"]
            return str(path.render(context)) + (f"#{take}" if take > 1 else "")

        return replace(path, render=render, names=path.names | {"take"})

    for shot in shots:
        yield replace(shot, output=number(shot.output)) if shot.span in clashing else shot
