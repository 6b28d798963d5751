"""Nothing is shredded: a helper that is called once says more by its name than by its body.

The limits on length in `test_shape` drive code apart; these hold it together. What is called from
one place only, by a plain call, is counted; entry points, overrides, protocol methods and handlers
in tables are apart: nobody calls those by their name.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, dotted, modules, syntax_tree

PRIVATE_ONCE = 0.16
ANY_ONCE = 0.30
HELD = (
    *("plan", "media", "report", "providers", "domain", "starter", "pipeline"),
    *("net", "storage", "ledger", "api", "cli", "run", "manifest", "sandbox"),
)
"""The packages for which it holds. `pipeline` is what stands beside the packages."""
SMALL = frozenset({"models"})
"""Of half a dozen functions a share says nothing: they are counted with `pipeline`."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class _Helper:
    """A function of the source, and how often it is named and called."""

    module: Path
    name: str
    private: bool
    called_once: bool


def _package(module: Path) -> str:
    parts = module.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 and parts[0] not in SMALL else "pipeline"


def _uses(tree: ast.AST) -> tuple[Counter[str], Counter[str]]:
    """Count how often each name is used, and how often it is called."""
    used: Counter[str] = Counter()
    called: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            used[node.id] += 1
        elif isinstance(node, ast.Attribute):
            used[node.attr] += 1
        elif isinstance(node, ast.Call):
            name = node.func
            called[name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")] += 1
    return used, called


def _methods(tree: ast.AST) -> Iterator[tuple[ast.ClassDef, Function]]:
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            for node in owner.body:
                if isinstance(node, Function):
                    yield owner, node


@cache
def helpers() -> tuple[_Helper, ...]:
    """Return every function of the source, dunders aside."""
    trees = {module: syntax_tree(module) for module in modules()}
    uses = {module: _uses(tree) for module, tree in trees.items()}
    used, called = Counter[str](), Counter[str]()
    for own_used, own_called in uses.values():
        used.update(own_used)
        called.update(own_called)
    inside: defaultdict[str, set[str]] = defaultdict(set)
    for module, (_, own_called) in uses.items():
        inside[_package(module)] |= set(own_called)
    owners: Counter[str] = Counter()
    promised: set[str] = set()
    for tree in trees.values():
        for owner, method in _methods(tree):
            owners[method.name] += 1
            if any("Protocol" in ast.unparse(base) for base in owner.bases):
                promised.add(method.name)
    found = []
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, Function) or node.name.startswith("__"):
                continue
            name, private = node.name, node.name.startswith("_")
            own_used, own_called = uses[module] if private else (used, called)
            # What several classes have is an override, or an implementation of one protocol; what
            # only another package calls is an entry point.
            apart = name in promised or (not private and owners[name] > 1)
            apart |= not private and name not in inside[_package(module)]
            once = own_used[name] == own_called[name] == 1 and not apart
            found.append(_Helper(module, name, private, once))
    return tuple(found)


def _share(package: str, *, private: bool) -> tuple[float, list[str]]:
    """Return the share of functions called once, and their names."""
    own = [each for each in helpers() if _package(each.module) == package]
    once = [each for each in own if each.called_once and (each.private or not private)]
    return len(once) / len(own), [f"{dotted(each.module)}.{each.name}" for each in once]


@pytest.mark.parametrize("package", HELD)
def test_private_helpers_have_more_than_one_caller(package: str) -> None:
    """At most 16 % of a package's functions are private and called from one place only."""
    share, names = _share(package, private=True)

    assert share <= PRIVATE_ONCE, f"{share:.1%}: {', '.join(names)}"


@pytest.mark.parametrize("package", HELD)
def test_functions_have_more_than_one_caller(package: str) -> None:
    """At most 30 % of a package's functions, of any visibility, are called from one place only."""
    share, names = _share(package, private=False)

    assert share <= ANY_ONCE, f"{share:.1%}: {', '.join(names)}"
