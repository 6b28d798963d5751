"""States and statuses are named in one place: `domain/states.py`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipeline.domain.states import State, Status
from tests.architecture.source import PACKAGE, dotted, nodes, syntax_tree

PACKAGES = ("run", "ledger", "net", "storage")
"""The packages that hold to it; those of the plan and the command line follow."""
WORDS = {*State, *Status} - {"new", "done", "failed", "held", "changed", "again", "shared"}
"""Those that mean nothing else: an event, an outcome of a purchase and a file have names too."""
NOT_STATES = {
    "pipeline.ledger.event_log": "names of events",
    "pipeline.ledger.sql_schema": "what a migration wrote, for good",
    "pipeline.run.manual": "outcomes of purchases by a person's word",
}
"""Where a word of a state is none, and why."""


MODULES = [module for name in PACKAGES for module in sorted((PACKAGE / name).rglob("*.py"))]


def _is_state(node: ast.expr) -> bool:
    """Tell whether an expression names a member of State or Status, or its value."""
    if isinstance(node, ast.Attribute) and node.attr == "value":
        return _is_state(node.value)
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"State", "Status"}
    )


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_every_set_of_states_has_its_name(module: Path) -> None:
    """A set, list or tuple of several states stands in `domain/states.py`, with its meaning."""
    sets = [
        node.lineno
        for node in nodes(module)
        if isinstance(node, ast.Set | ast.List | ast.Tuple)
        and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        and sum(map(_is_state, node.elts)) > 1
    ]

    assert [] == sets


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_no_state_is_written_as_text(module: Path) -> None:
    """Outside of `domain/states.py` a state is `State.X`, never its word."""
    if dotted(module) in NOT_STATES:
        return
    tree = syntax_tree(module)
    written = [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in WORDS
    ]

    assert [] == written
