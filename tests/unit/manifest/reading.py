"""Short ways to read a piece of YAML or a manifest, and to say what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.domain import Loaded
from pipeline.findings import Finding, render
from pipeline.manifest import load_manifest
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.lint import SCALAR, Scope
from pipeline.manifest.yaml_loader import read_document

COLUMNS = frozenset({"sku", "name", "color", "price", "Body (HTML)", "rows"})
SCOPE = Scope(
    names={
        "campaign": SCALAR,
        "vars": frozenset({"season"}),
        "row": COLUMNS,
        "product": COLUMNS,
        "shot": frozenset({"id", "tags"}),
        "variant": frozenset({"mood"}),
        "take": SCALAR,
    },
    rows=frozenset({"row", "product"}),
)


def document(text: str) -> tuple[Node | None, list[str]]:
    """Return a YAML text as a node, and its findings as they are shown."""
    node, findings = read_document(text, shown="m.yaml", folder=Path())
    return node, told(findings, text)


def value(text: str) -> Node:
    """Return the value of the key `a` in a YAML text that has no findings."""
    node, findings = read_document(text, shown="m.yaml", folder=Path())
    assert not findings
    assert node is not None
    found = node.get("a")
    assert found is not None
    return found


def told(findings: Iterable[Finding], text: str = "") -> list[str]:
    """Return findings as they are shown, with the excerpt where the text is given."""
    return [render(finding, {"m.yaml": text}) for finding in findings]


def load(folder: Path, text: str, overrides: Sequence[str] = (), profile: str = "") -> Loaded:
    """Return a manifest that is written into a folder as `m.yaml` and loaded from there."""
    path = folder / "m.yaml"
    path.write_text(text, "utf-8")
    return load_manifest(path, overrides=overrides, profile=profile, read=Path.read_bytes)


def lines(loaded: Loaded, folder: Path) -> list[str]:
    """Return the first line of each finding, with places relative to the folder."""
    shown = [render(finding, {}).splitlines()[0] for finding in loaded.findings]
    return [line.replace(f"{folder}/", "") for line in shown]
