"""One module prints: so that all text is made safe, whoever wrote it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import PACKAGE, dotted, modules, nodes, syntax_tree

PRINTER = PACKAGE / "cli" / "console.py"
OTHERS = {
    # The one console that draws: text that is drawn is made safe there.
    PACKAGE / "cli" / "terminal_console.py",
    # Prints its one line of addresses, as JSON, to whoever started it.
    PACKAGE / "sandbox",
    # Draws into a text, which is made safe as a whole.
    PACKAGE / "report" / "terminal.py",
}
FORBIDDEN = {"print", "Console", "echo", "secho", "from_markup", "print_exc"}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}


def _own(module: Path) -> bool:
    return module != PRINTER and not any(module.is_relative_to(other) for other in OTHERS)


def _prints(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in FORBIDDEN:
                yield node
            case ast.Attribute(attr=name) if name in FORBIDDEN - {"print"}:
                yield node
            case ast.Attribute(attr="write", value=ast.Attribute(attr=name)) if name in STREAMS:
                yield node


def test_only_the_console_prints() -> None:
    """No other module prints, writes to a standard stream, or makes a console of its own."""
    found = [
        f"{dotted(module)}:{call.lineno}"
        for module in modules()
        if _own(module)
        for call in _prints(syntax_tree(module))
    ]

    assert [] == found


def test_nothing_is_printed_as_markup() -> None:
    """No call turns markup, links or emoji on: what a row key says in brackets is a row key."""
    found = [
        f"{dotted(module)}:{keyword.value.lineno}"
        for module in modules()
        for keyword in nodes(module)
        if isinstance(keyword, ast.keyword)
        and keyword.arg in {"markup", "emoji", "rich_markup_mode"}
        and getattr(keyword.value, "value", None) not in {False, None}
    ]

    assert [] == found
