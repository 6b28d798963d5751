"""The public names of the package: listed once, found when they are used, and cheap until then."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pipeline
from tests.architecture.source import REPOSITORY

_CHEAP = """
import json, sys
before = set(sys.modules)
import pipeline
print(json.dumps(sorted(name for name in set(sys.modules) - before if name != "pipeline")))
"""
_FORBIDDEN = {"dataclasses", "pathlib", "asyncio", "inspect", "decimal"}


def test_every_public_name_is_there() -> None:
    """`__all__` is sorted, lists each name once, and each can be used."""
    names = list(pipeline.__all__)

    assert sorted(set(names)) == names
    assert [] == [name for name in names if getattr(pipeline, name).__doc__ is None]
    assert set(names) == set(dir(pipeline))


def test_a_type_checker_sees_the_same_names() -> None:
    """What is imported for type checkers is what is found at run time, from the same modules."""
    tree = ast.parse(Path(pipeline.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert {name: getattr(pipeline, name) for name in pipeline.__all__} == seen


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """`hasattr` and `from pipeline import nonsense` work as with any package."""
    assert not hasattr(pipeline, "nonsense")


def test_importing_the_package_loads_nothing_of_it() -> None:
    """Who imports the package pays for no stage, no library and no big part of Python's own."""
    run = subprocess.run(
        [sys.executable, "-c", _CHEAP],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        text=True,
    )
    loaded = set(json.loads(run.stdout))

    assert {"pipeline.exports"} == {name for name in loaded if name.startswith("pipeline")}
    assert set() == loaded & _FORBIDDEN
