"""A manifest's path → the Manifest, checked, with its tables read and its templates compiled.

One pass: the layers are laid over each other, the schema says what does not fit and is taken out,
and every part that is left is read, so that no finding hides another where it can be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.allowed_paths import AllowedPaths
from pipeline.domain import Loaded, Manifest, Shot, Value
from pipeline.findings import Finding, Span, group_findings
from pipeline.foreign_text import encodable
from pipeline.manifest.bundles import bundle, bundle_faults
from pipeline.manifest.campaign import allowed, budget, budget_findings, policy, providers
from pipeline.manifest.files import hint_for, reason_of, slug_of
from pipeline.manifest.layers import SET, Layers, without_nothing
from pipeline.manifest.limits import hold_lowest
from pipeline.manifest.nodes import Node
from pipeline.manifest.resolving import resolved
from pipeline.manifest.schema import checked, idle
from pipeline.manifest.secrets import hidden, secrets
from pipeline.manifest.shots import Stage, open_scope, read_shot
from pipeline.manifest.tabling import Tables
from pipeline.manifest.takes import apart, take_faults
from pipeline.manifest.values import Values, not_templatable

Read = Callable[[Path], bytes]


def load_manifest(
    path: Path, *, profile: str = "", overrides: Sequence[str] = (), read: Read
) -> Loaded:
    """Return the manifest as far as it can be read, and every finding; raises nothing for input.

    `overrides` are `path=value` options, laid over everything else. Places are shown as `path` is
    given. Where a finding is an error the manifest may be expanded, for more, but not run.
    """
    layers = Layers(read=read)
    node = _layered(layers, path, profile, overrides)
    if node is None:
        return Loaded(
            manifest=None,
            findings=group_findings(layers.findings),
            sources=_shown(layers.sources, ()),
        )
    suspects, written = secrets(node), tuple(resolved(node))
    sound, findings = checked(node)
    reading = _Reading(path=path, profile=profile, node=sound, layers=layers)
    manifest = reading.manifest()
    found = (*layers.findings, *suspects, *findings, *reading.findings)
    sources = _shown(layers.sources, [finding.span for finding in suspects])
    return Loaded(
        manifest=manifest, findings=group_findings(found), sources=sources, written=written
    )


def _layered(layers: Layers, path: Path, profile: str, overrides: Sequence[str]) -> Node | None:
    try:
        node = layers.document(path, encodable(str(path)))
    except (OSError, ValueError) as error:
        message = f"the manifest cannot be read: {reason_of(error)}"
        place = Span(file=encodable(str(path)))
        hint = "name the manifest in it" if path.is_dir() else hint_for(path)
        layers.findings.append(Finding(slug=slug_of(error), message=message, span=place, hint=hint))
        return None
    if node is None:
        return None
    if profile:
        node = layers.profiled(node, profile)
    node = layers.set(node, overrides, path.parent)
    node, overruled = hold_lowest(node, layers.laid, profile)
    layers.findings += [*idle(node), *overruled]
    return without_nothing(node)


def _shown(sources: Mapping[str, str], places: Iterable[Span]) -> dict[str, str]:
    """Return the texts of the files without whatever looks like a key."""
    found = tuple(places)
    return {
        name: hidden(text, tuple(place for place in found if place.file == name))
        for name, text in sources.items()
    }


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Reads the parts of one checked document."""

    path: Path
    profile: str
    node: Node
    layers: Layers
    findings: list[Finding] = field(default_factory=list)

    def manifest(self) -> Manifest:
        data = self.node.plain()
        name, variables = data.get("name", self.path.stem), data.get("vars", {})
        tables = self._tables({"campaign": name, "vars": variables})
        stage = self._stage(tables)
        shots = self._shots(stage)
        outside = Values(scope=open_scope(stage))
        defaults, overrides = (outside.settings(self._part(k)) for k in ("defaults", "overrides"))
        self._unused_bundles(stage)
        self.findings += outside.findings
        self.findings += not_templatable(self.node.get("vars"), "vars")
        self.findings += budget_findings(self.node.get("budget"))
        manifest = Manifest(
            path=self.path,
            folder=self.path.parent,
            name=name,
            vars=variables,
            tables={name: table for name, table in tables.tables.items() if table is not None},
            shots=tuple(shot for shot, whole in shots if whole),
            defaults=defaults,
            overrides=overrides,
            budget=budget(self.node.get("budget")),
            policy=policy(self.node.get("policy")),
            providers=providers(self.node.get("providers")),
            allow=self._allowed(),
            profile=self.profile,
            selectors=_selectors(self._part("selectors")),
            span=self.node.span,
        )
        faults = take_faults((shot for shot, _ in shots), manifest)
        self.findings += faults.values()
        return replace(manifest, shots=apart(manifest.shots, faults))

    def _part(self, key: str) -> Node:
        found = self.node.get(key)
        return (
            found
            if found is not None
            else Node(value={}, span=self.node.span, source=self.node.source)
        )

    def _allowed(self) -> tuple[Path, ...]:
        return allowed(self.node.get("files"), {encodable(str(self.path)), SET})

    def _tables(self, context: Mapping[str, Any]) -> Tables:
        specs = dict(self._part("tables").entries())
        fence = AllowedPaths(self.path.parent, self._allowed())
        found = Tables(specs=specs, read=self.layers.read, allowed=fence, context=context)
        found.read_all()
        self.findings += found.findings
        return found

    def _vars(self) -> frozenset[str]:
        return frozenset(key for key, _ in self._part("vars").entries())

    def _stage(self, tables: Tables) -> Stage:
        return Stage(
            vars=self._vars(),
            tables=tables.tables,
            columns=tables.columns,
            aliases=tables.aliases,
            bundles=dict(self._part("bundles").entries()),
            output=self._part("output").get("path"),
        )

    def _shots(self, stage: Stage) -> list[tuple[Shot, bool]]:
        """Return the shots that could be read, and whether each is whole."""
        found: list[tuple[Shot, bool]] = []
        places: dict[str, Span] = {}
        for node in self._part("shots").items():
            result = read_shot(node, stage)
            self.findings += [*result.findings, *_repeated(node, places)]
            if result.shot is not None:
                found.append((_told_apart(result.shot, places), result.whole))
        return found

    def _unused_bundles(self, stage: Stage) -> None:
        """Check what no shot compiles: a fault in a bundle does not wait for its first use."""
        outside = Values(scope=open_scope(stage))
        used = {
            str(item.value)
            for shot in self._part("shots").items()
            for item in (shot.get("use") or shot).items()
        }
        for name, node in stage.bundles.items():
            self.findings += bundle_faults(node)
            if name not in used:
                bundle(name, node, outside)
        for shot in self._part("shots").items():
            inline = shot.get("references")
            self.findings += bundle_faults(inline) if inline else ()
        self.findings += outside.findings


def _selectors(node: Node) -> dict[str, Value]:
    return {name: Value(data=text.value, span=text.at(0)) for name, text in node.entries()}


def _repeated(node: Node, places: dict[str, Span]) -> Iterator[Finding]:
    """Yield a finding for a shot whose id another shot has."""
    found = node.get("id")
    if found is None:
        return
    name: Any = found.value
    first = places.setdefault(name, found.span)
    if first != found.span:
        yield Finding(
            slug="duplicate-id",
            message=f"two shots are named '{name}'",
            span=found.span,
            hint="give one of them another id: it is part of every address",
            related=(first,),
        )


def _told_apart(shot: Shot, places: Mapping[str, Span]) -> Shot:
    """Return a shot whose id another one has under an id that none can have.

    Its items would clash with the other's, address by address: one fault, told many times.
    """
    if places.get(shot.id, shot.span) == shot.span:
        return shot
    return replace(shot, id=f"{shot.id} (line {shot.span.line})")
