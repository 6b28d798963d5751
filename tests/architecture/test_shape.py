"""Nothing grows out of hand: functions, modules, names."""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.architecture.source import PACKAGE, dotted, modules, nodes, syntax_tree

FUNCTION_LINES = 60
MODULE_LINES = 600
NAMELESS = {"utils", "helpers", "common", "manager", "handler", "misc"}
FACES = ("manifest", "plan", "providers", "sandbox", "domain", "cli")
"""The packages whose names are looked up at the package itself."""


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring and decorators."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 2


def test_functions_are_short() -> None:
    """No function is longer than 60 lines, its docstring aside."""
    long = [
        f"{dotted(module)}.{node.name}: {_length(node)}"
        for module in modules()
        for node in nodes(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _length(node) > FUNCTION_LINES
    ]

    assert [] == long


def test_modules_are_short() -> None:
    """No module is longer than 600 lines."""
    lengths = {dotted(m): len(m.read_text("utf-8").splitlines()) for m in modules()}

    assert {} == {name: lines for name, lines in lengths.items() if lines > MODULE_LINES}


def test_modules_have_domain_names() -> None:
    """A module that has no domain name has no home yet."""
    assert [] == [dotted(m) for m in modules() if m.stem in NAMELESS or m.stem.startswith("base_")]


def test_modules_say_what_they_are_for() -> None:
    """Every module begins with a docstring."""
    silent = [dotted(module) for module in modules() if not ast.get_docstring(syntax_tree(module))]

    assert [] == silent


@pytest.mark.parametrize("stage", FACES)
def test_public_names_are_listed_and_exist(stage: str) -> None:
    """Everything in a stage's `__all__` can be imported, and is listed once (ruff sorts it)."""
    module = importlib.import_module(f"pipeline.{stage}")
    names = list(module.__all__)

    assert len(set(names)) == len(names) > 0
    assert [] == [name for name in names if not hasattr(module, name)]
    assert (PACKAGE / stage / "__init__.py").is_file()
