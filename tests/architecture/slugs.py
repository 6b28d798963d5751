"""Every slug that the package's source gives to a finding, read off its syntax trees.

A slug is what a parameter or field named `slug` is handed, what a variable of that name holds,
and the first word of a tuple that begins with one (`"bad-value", message, hint`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

from tests.architecture.source import PACKAGE, modules, syntax_tree

_KEBAB = re.compile(r"[a-z]+(?:-[a-z0-9]+)+")
_FINDERS = ("manifest", "plan", "models", "media", "run", "ledger", "net", "storage", "api", "cli")
_FINDING_MODULES = (
    PACKAGE / "providers" / "registry.py",
    PACKAGE / "allowed_paths.py",
    PACKAGE / "domain" / "offer_rules.py",
)
_ENCODINGS = frozenset({"utf-8", "utf-16-le", "utf-16-be"})
# Why a plan passes a provider over: told as a reason, never as a finding.
_REASONS = frozenset({"stopped"})

Takers = Mapping[str, int]
"""Which argument of a function or class is a slug."""


@cache
def used_slugs() -> Mapping[str, str]:
    """Return every slug in the package's source, with the file it was first seen in."""
    trees = {
        module: syntax_tree(module)
        for module in modules()
        if module in _FINDING_MODULES or module.relative_to(PACKAGE).parts[0] in _FINDERS
    }
    errors = syntax_tree(PACKAGE / "errors.py")
    everywhere = {
        name: place
        for tree in (errors, *trees.values())
        for name, place in _takers(tree)
        if not name.startswith("_")
    }
    found: dict[str, str] = {}
    for module, tree in trees.items():
        takers = {**everywhere, **dict(_takers(tree))}
        for node in ast.walk(tree):
            for slug in _slugs(node, tree, takers):
                found.setdefault(slug, str(module.relative_to(PACKAGE)))
    return {slug: file for slug, file in found.items() if slug not in _ENCODINGS | _REASONS}


def _takers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each function and class with a parameter `slug`, and which argument that is."""
    for owner in ast.walk(tree):
        for function in ast.iter_child_nodes(owner):
            if not isinstance(function, ast.FunctionDef):
                continue
            names = [argument.arg for argument in function.args.args]
            if "slug" in names:
                made = isinstance(owner, ast.ClassDef) and function.name == "__init__"
                name = owner.name if made and isinstance(owner, ast.ClassDef) else function.name
                yield name, names.index("slug") - (names[0] == "self")


def _slugs(node: ast.AST, tree: ast.Module, takers: Takers) -> Iterator[str]:
    match node:
        case (
            ast.keyword(arg="slug", value=value)
            | ast.Assign(targets=[ast.Name(id="slug")], value=value)
        ):
            yield from _texts(value, tree)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
            place = takers.get(name, -1)
            if 0 <= place < len(arguments):
                yield from _texts(arguments[place], tree)
        case ast.Tuple(elts=[first, _, *_]):
            yield from (text for text in _texts(first, tree) if _KEBAB.fullmatch(text))


def _texts(value: ast.expr, tree: ast.Module) -> Iterator[str]:
    """Yield the texts that an expression may be: itself, either of two, or a table's values."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one, tree), *_texts(other, tree))
        case ast.Subscript(value=ast.Name(id=name)):
            for node in tree.body:
                match node:
                    case ast.AnnAssign(target=ast.Name(id=found), value=ast.Dict(values=values)):
                        listed = values if found == name else []
                        yield from (text for each in listed for text in _texts(each, tree))
