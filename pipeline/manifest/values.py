"""One node of the manifest → a Value: plain data as it is, a template compiled for its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.domain import Value
from pipeline.findings import Finding
from pipeline.manifest.nodes import Node
from pipeline.manifest.rules import Rule, settings
from pipeline.manifest.scope import Scope
from pipeline.manifest.templates import (
    Compiled,
    compile_files,
    compile_setting,
    compile_text,
    is_template,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Reads values of one scope and keeps their findings."""

    scope: Scope
    findings: list[Finding] = field(default_factory=list)

    def plain(self, node: Node) -> Value:
        """Return a value as it is written."""
        return Value(data=node.plain(), span=node.span, folder=node.folder)

    def text(self, node: Node | None) -> Value | None:
        """Return a text or a file name; None where there is none, or none that compiles."""
        if node is None or not is_template(node.value):
            return self.plain(node) if node else None
        return self._compiled(node, compile_text(node, self.scope))

    def files(self, node: Node) -> Value | None:
        """Return a list of files that a template gives."""
        return self._compiled(node, compile_files(node, self.scope))

    def setting(self, node: Node | None, name: str, rule: Rule) -> Value | None:
        """Return a value that has a type of its own."""
        if node is None or not is_template(node.value):
            return self.plain(node) if node else None
        return self._compiled(node, compile_setting(node, self.scope, name, rule))

    def settings(self, node: Node) -> dict[str, Value]:
        """Return the settings among a map's keys."""
        found: dict[str, Value] = {}
        for name, rule in settings().items():
            item = node.get(name)
            self.findings.extend(not_templatable(item, name) if item and item.items() else ())
            value = self.setting(item, name, rule)
            if value is not None:
                found[name] = value
        return found

    def _compiled(self, node: Node, compiled: Compiled) -> Value | None:
        template, findings = compiled
        self.findings.extend(findings)
        return Value(data=template, span=node.span, folder=node.folder) if template else None


def not_templatable(node: Node | None, what: str) -> Iterator[Finding]:
    """Yield a finding for each template in a part of the manifest that is read as it is."""
    if node is None:
        return
    for _, item in node.entries():
        yield from not_templatable(item, what)
    for item in node.items():
        yield from not_templatable(item, what)
    if is_template(node.value):
        yield Finding(
            slug="not-templatable",
            message=f"'{what}' takes no template",
            span=node.span,
            hint="write the value itself, or put the template into the prompt",
        )


def strings(node: Node | None) -> tuple[str, ...]:
    """Return a list's texts, or a single text as a list of one."""
    if node is None:
        return ()
    listed: Any = node.plain()
    return tuple(map(str, listed)) if isinstance(listed, list) else (str(listed),)
