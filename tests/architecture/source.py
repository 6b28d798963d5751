"""The package's modules as syntax trees, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "pipeline"


@cache
def modules() -> tuple[Path, ...]:
    """Return every module of the package, sorted."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def syntax_tree(module: Path) -> ast.Module:
    """Return a module's syntax tree, parsed once for all who look at it: it is not to change."""
    return ast.parse(module.read_text("utf-8"))


@cache
def nodes(module: Path) -> tuple[ast.AST, ...]:
    """Return every node of a module's syntax tree, as `ast.walk` yields them."""
    return tuple(ast.walk(syntax_tree(module)))


def dotted(module: Path) -> str:
    """Return a module's import name."""
    parts = module.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported name with its line, those inside functions included."""
    for node in nodes(module):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=str(name), level=0, names=names):
                yield from ((f"{name}.{alias.name}", node.lineno) for alias in names)
            case ast.ImportFrom():
                yield (f"relative import in {module.name}", node.lineno)
            case _:
                pass
