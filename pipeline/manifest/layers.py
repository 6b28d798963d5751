"""Base files, the manifest, a profile and `--set` → one document, laid over each other in order.

Maps merge, lists replace, lists of maps with an `id` merge by it, `~` unsets. Every value keeps
the place it was written at, so a finding in a base file names the base file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.allowed_paths import AllowedPaths
from pipeline.errors import MediaFault
from pipeline.findings import Finding, Span
from pipeline.manifest.campaign import allowed
from pipeline.manifest.composer import MAX_DEPTH
from pipeline.manifest.document import read_document, read_file
from pipeline.manifest.files import hint_for, reason_of, slug_of
from pipeline.manifest.nodes import Node
from pipeline.manifest.wording import did_you_mean

SET = "--set"
PROFILE = "--profile"
"""What findings call the options given on the command line."""
MAX_BASES = 32


@dataclass(slots=True, kw_only=True)
class Layers:
    """Reads the files of one manifest; keeps their texts and findings."""

    read: Callable[[Path], bytes]
    sources: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    allowed: AllowedPaths = field(default_factory=lambda: AllowedPaths(Path(), ()))
    """What the manifest itself lets be read, as far as its own text says."""
    laid: list[Node] = field(default_factory=list)
    """The documents as they are written, each after those it is laid over."""
    _bases_read: int = 0
    """In all, not in depth: two files that each name two bases twice would soon be thousands."""

    def document(self, path: Path, shown: str) -> Node | None:
        """Return a manifest with the files it extends underneath, or None if it cannot be read."""
        return self._file(path, shown, ())

    def _file(self, path: Path, shown: str, inside: tuple[Path, ...]) -> Node | None:
        data = self.read(path)
        node, findings, text = read_file(data, shown=shown, folder=path.parent)
        self.sources[shown] = text
        self.findings += findings
        if node is None or not isinstance(node.value, Mapping):
            if node is not None:
                self._say("wrong-type", "a manifest is a map of keys", node.span)
            return None
        if not inside:
            self.allowed = AllowedPaths(path.parent, allowed(node.get("files"), {shown}))
        return self._extended(node, (*inside, _real(path)))

    def _extended(self, node: Node, inside: tuple[Path, ...]) -> Node:
        """Lay a file over the files that it extends."""
        merged: Node | None = None
        for base in self._bases(node):
            under = self._base(base, inside)
            if under is not None:
                merged = under if merged is None else laid_over(merged, under)
        self.laid.append(node)
        return node if merged is None else laid_over(merged, node)

    def _bases(self, node: Node) -> tuple[Node, ...]:
        extends = node.get("extends")
        if extends is None:
            return ()
        listed = extends.items() or (extends,)
        return tuple(base for base in listed if isinstance(base.value, str) and base.value)

    def _base(self, base: Node, inside: tuple[Path, ...]) -> Node | None:
        path = base.folder / str(base.value)
        try:
            self.allowed.resolve(str(base.value), base.folder)
        except MediaFault as fault:
            self._say(fault.slug, fault.message, base.span, fault.hint)
            return None
        if _real(path) in inside:
            hint = "take one of the `extends` out"
            self._say("extends-loop", f"'{base.value}' extends itself", base.span, hint)
            return None
        self._bases_read += 1
        if self._bases_read > MAX_BASES:
            if self._bases_read == MAX_BASES + 1:
                self._say("too-large", f"more than {MAX_BASES} files are extended", base.span)
            return None
        shown = shown_path(base)
        try:
            return self._file(path, shown, inside)
        except (OSError, ValueError) as error:
            message = f"'{base.value}' cannot be read: {reason_of(error)}"
            self._say(slug_of(error), message, base.span, hint_for(path))
            return None

    def profiled(self, node: Node, profile: str) -> Node:
        """Return a document with one of its profiles laid over it."""
        profiles = node.get("profiles")
        known = profiles.entries() if profiles else ()
        for name, layer in known:
            if name == profile and isinstance(layer.value, Mapping):
                return laid_over(node, layer)
        typed = Span(file=PROFILE, end_column=len(profile) + 1)
        place = node.key_span("profiles") if profiles else typed
        self.sources[PROFILE] = profile
        hint = did_you_mean(profile, [name for name, _ in known]) or "the manifest has no profiles"
        self._say("unknown-profile", f"there is no profile '{profile}'", place, hint)
        return node

    def set(self, node: Node, overrides: Sequence[str], folder: Path) -> Node:
        """Return a document with `path=value` options laid over it, in order."""
        lines = [" ".join(override.split("\n")) for override in overrides]
        if lines:
            self.sources[SET] = "\n".join(lines)
        for index, line in enumerate(lines):
            path, sign, _ = line.partition("=")
            place = Span(file=SET, line=index + 1, end_column=len(path) + 1)
            steps = [step.strip() for step in path.split(".")]
            if not sign or not all(steps) or len(steps) > MAX_DEPTH:
                self._say("bad-set", "--set takes path=value", place, "as in vars.season=autumn")
                continue
            value = self._value(lines, index, folder)
            if value is not None:
                layer = _nested(node, steps, value, place)
                self.laid.append(layer)
                node = laid_over(node, layer)
        return node

    def _value(self, lines: Sequence[str], index: int, folder: Path) -> Node | None:
        path, _, text = lines[index].partition("=")
        before = "\n".join([*lines[:index], f"{path}="])
        node, findings = read_document(text or "''", shown=SET, folder=folder, before=before)
        # On a command line the quotes that YAML wants are quotes too many.
        self.findings += [each for each in findings if each.slug != "needs-quotes"]
        return node

    def _say(self, slug: str, message: str, span: Span, hint: str = "") -> None:
        self.findings.append(Finding(slug=slug, message=message, span=span, hint=hint))


def laid_over(under: Node, over: Node) -> Node:
    """Return two documents as one, in which the second wins."""
    if isinstance(under.value, Mapping) and isinstance(over.value, Mapping):
        values, keys = dict(under.value), dict(under.keys)
        for key, node in over.value.items():
            values[key] = laid_over(values[key], node) if key in values else node
            keys[key] = over.key_span(key)
        return replace(over, value=values, keys=keys)
    if _by_id(under) and _by_id(over):
        return _merged_by_id(under, over)
    return over


def without_nothing(node: Node) -> Node:
    """Return a document without the keys that are unset: `~` means absent."""
    if isinstance(node.value, Mapping):
        values = {
            key: without_nothing(item) for key, item in node.value.items() if item.value is not None
        }
        return replace(node, value=values)
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(without_nothing(item) for item in node.value))
    return node


def _by_id(node: Node) -> bool:
    items = node.items()
    return bool(items) and all(_id(item) for item in items)


def _id(node: Node) -> str:
    found = node.get("id")
    return found.value if found is not None and isinstance(found.value, str) else ""


def _merged_by_id(under: Node, over: Node) -> Node:
    merged = list(under.items())
    places = {_id(item): index for index, item in enumerate(merged)}
    for item in over.items():
        index = places.get(_id(item))
        if index is None:
            merged.append(item)
        else:
            merged[index] = laid_over(merged[index], item)
    return replace(over, value=tuple(merged))


def _nested(node: Node, steps: Sequence[str], value: Node, place: Span) -> Node:
    """Return a value at the end of a path of keys, as a document to lay over another."""
    if not steps:
        return value
    here: Node | None = node.get(steps[0])
    inner = _nested(here or value, steps[1:], value, place)
    if _by_id(node):
        # In a list of maps a step names the map's id: `shots.spin.takes=3`.
        named = replace(value, value=steps[0], span=place)
        found = next((item for item in node.items() if _id(item) == steps[0]), value)
        inner = _nested(found, steps[1:], value, place)
        if isinstance(inner.value, Mapping):
            keys = {**inner.keys, "id": place}
            inner = replace(inner, value={"id": named, **inner.value}, keys=keys)
        return replace(value, value=(inner,), span=place)
    return replace(value, value={steps[0]: inner}, keys={steps[0]: place}, span=place)


def shown_path(node: Node) -> str:
    """Return a file's name as findings show it: as the file that names it is shown."""
    name = str(node.value)
    if node.source.shown == SET:
        return str(node.folder / name)
    return os.path.normpath(Path(node.source.shown).parent / name)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL: reading it will tell
        return path
