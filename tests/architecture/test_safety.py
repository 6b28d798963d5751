"""Nothing in the package runs what it reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import dotted, imports, modules, nodes

DESERIALISERS = ("pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib")
CALLS = frozenset({"eval", "exec", "compile", "__import__", "breakpoint", "input"})
METHODS = {
    "os": {"system", "popen", "spawnl", "spawnv", "execv", "execl"},
    "yaml": {"load", "load_all", "full_load", "unsafe_load", "unsafe_load_all"},
    "pandas": {"read_pickle", "eval"},
    "subprocess": {"getoutput", "getstatusoutput"},
    "tempfile": {"mktemp"},
}
UNSAFE_LOADERS = {"Loader", "CLoader", "FullLoader", "CFullLoader", "UnsafeLoader", "CUnsafeLoader"}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for module in modules():
        for node in nodes(module):
            if isinstance(node, ast.Call):
                yield f"{dotted(module)}:{node.lineno}", node


def test_nothing_is_unpickled() -> None:
    """No format that runs code when it is read is imported."""
    assert [] == [
        f"{dotted(module)}:{line} imports {name}"
        for module in modules()
        for name, line in imports(module)
        if name.split(".")[0] in DESERIALISERS
    ]


def test_nothing_is_evaluated() -> None:
    """Neither `eval` nor its kin is called."""
    found = [(place, call.func.id) for place, call in _calls() if isinstance(call.func, ast.Name)]

    assert [] == [(place, name) for place, name in found if name in CALLS]


@pytest.mark.parametrize("library", METHODS)
def test_what_runs_what_it_is_given_is_not_called(library: str) -> None:
    """No shell command from text, and YAML is read by loaders that make plain data."""
    assert [] == [
        f"{place} {library}.{call.func.attr}"
        for place, call in _calls()
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == library
        and call.func.attr in METHODS[library]
        and not _loads_safely(call)
    ]


def test_no_process_is_started_through_a_shell() -> None:
    """`shell=True` is nowhere."""
    assert [] == [
        place
        for place, call in _calls()
        if any(keyword.arg == "shell" for keyword in call.keywords)
    ]


def _loads_safely(call: ast.Call) -> bool:
    """Tell whether a loader of YAML is named, and it is none that makes more than plain data."""
    loaders = [ast.unparse(word.value) for word in call.keywords if word.arg == "Loader"]
    return bool(loaders) and not any(UNSAFE_LOADERS & set(name.split(".")) for name in loaders)
