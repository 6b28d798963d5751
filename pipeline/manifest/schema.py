"""JSON Schema errors → findings that name the key, the place, and what to write.

The schema is the only judge; here its verdicts are put into words. Of several allowed forms, the
one that the value comes closest to is explained. What is wrong is then taken out, so that the
rest can be read in the same pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pipeline.findings import Finding
from pipeline.manifest.nodes import Node
from pipeline.manifest.verdicts import Path, alternatives, told
from pipeline.schemas import schema


def checked(root: Node) -> tuple[Node, tuple[Finding, ...]]:
    """Return the document without its faulty parts, and a finding for each of them."""
    data = root.plain()
    if _judge().is_valid(data):
        return root, ()
    findings: list[Finding] = []
    removed: set[Path] = set()
    for error in _leaves(_explainer().iter_errors(data)):
        for gone, finding in told(error, root):
            findings.append(finding)
            removed.add(gone)
    touched = {gone[:depth] for gone in removed for depth in range(len(gone) + 1)}
    return _without(root, removed, touched, ()), tuple(findings)


def idle(root: Node) -> tuple[Finding, ...]:
    """Return a finding for each unknown key of a document that has no value.

    A key without a value counts as absent, and is taken out before `checked`: a misspelt one would
    go unseen.
    """
    if not _has_nothing(root):
        return ()
    return tuple(
        finding
        for error in _leaves(_explainer().iter_errors(root.plain()))
        if error.validator == "additionalProperties"
        for path, finding in told(error, root)
        if _at(root, path).value is None
    )


def _has_nothing(node: Node) -> bool:
    inner = (*(item for _, item in node.entries()), *node.items())
    return node.value is None or any(map(_has_nothing, inner))


def _at(node: Node, path: Path) -> Node:
    for step in path:
        node = node.value[step]
    return node


@cache
def _judge() -> Any:
    return jsonschema_rs.Draft202012Validator(_rules())


@cache
def _explainer() -> Draft202012Validator:
    return Draft202012Validator(_rules())


def _rules() -> dict[str, Any]:
    """Return the rules for a manifest with all that it extends: now nobody else will say more.

    An editor sees one file, so the schema lets a manifest leave required keys to its bases.
    """
    whole = schema("manifest")
    return {**whole, "if": True, "required": whole["then"]["required"], "then": True}


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Yield the errors worth telling: of several allowed forms, those of the one meant."""
    for error in errors:
        if error.validator != "anyOf":
            yield error
            continue
        branches = alternatives(error)
        meant = [branch for branch in branches if not _misses_type(branch)]
        if len(meant) == 1 or (meant and isinstance(error.instance, dict)):
            yield from _leaves(min(meant, key=_count))
        else:
            yield error


def _misses_type(branch: list[ValidationError]) -> bool:
    return any(
        not error.relative_path
        and (error.validator == "type" or (error.validator in {"enum", "const"} and _other(error)))
        for error in branch
    )


def _other(error: ValidationError) -> bool:
    """Whether a value is of another sort than the words it should be one of."""
    return not isinstance(error.instance, str)


def _count(branch: Any) -> int:
    return len(branch)


def _without(node: Node, removed: set[Path], touched: set[Path], path: Path) -> Node:
    """Return the document without the removed parts; what lost one, however deep, is broken."""
    if path not in touched:
        return node
    match node.value:
        case tuple():
            kept = tuple(
                _without(item, removed, touched, (*path, index))
                for index, item in enumerate(node.value)
                if (*path, index) not in removed
            )
            return replace(node, value=kept, broken=True)
        case Mapping():
            values = {
                key: _without(item, removed, touched, (*path, key))
                for key, item in node.value.items()
                if (*path, key) not in removed
            }
            lost = node.value.keys() - values.keys()
            return replace(node, value=values, broken=True, lost=frozenset(lost))
    return node
