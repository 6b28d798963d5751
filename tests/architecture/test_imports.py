"""Data flows one way, and pure stages stay pure (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from tests.architecture.source import PACKAGE, REPOSITORY, dotted, imports, modules, nodes

SHARED = tuple(
    f"pipeline.{name}"
    for name in (
        *("domain", "errors", "findings", "schemas", "clock"),
        *("foreign_text", "allowed_paths", "file_content", "web_addresses", "lettering"),
        "collector",
    )
)
MAY_IMPORT: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("engine", "media", "models", "storage", "sandbox"), ()),
    **dict.fromkeys(("manifest", "plan", "providers", "report"), ("pipeline.models",)),
    "net": ("pipeline.providers.base",),
    "ledger": ("pipeline.providers.base", "pipeline.storage"),
    "run": tuple(
        f"pipeline.{name}" for name in ("providers.base", "engine", "ledger", "net", "storage")
    ),
}
"""What each package may import beside itself and the shared vocabulary."""
IMPURE = ("httpx", "sqlalchemy", "os", "time", "random", "socket", "subprocess")
PURE_STAGES = ("models", "plan", "providers", "report")


def _breaks_the_rule(package: str, name: str) -> bool:
    allowed = (f"pipeline.{package}", *SHARED, *MAY_IMPORT[package])
    return name.startswith("pipeline") and not any(_within(prefix, name) for prefix in allowed)


def _within(package: str, name: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_no_stage_imports_another_stage() -> None:
    """A package imports itself, the shared vocabulary, and what the table allows."""
    broken = [
        f"{dotted(module)}:{line} imports {name}"
        for stage in MAY_IMPORT
        for module in sorted((PACKAGE / stage).rglob("*.py"))
        for name, line in imports(module)
        if _breaks_the_rule(stage, name)
    ]

    assert [] == broken


MAY_USE: Mapping[str, tuple[str, ...]] = {
    "pipeline.cli": ("pipeline.cli", "pipeline.__main__"),
    "pipeline.api": ("pipeline.api", "pipeline.cli"),
}
"""Who may import the two packages that stand above all stages; `pipeline` itself lists names."""


def test_nothing_below_imports_the_application_or_the_command_line() -> None:
    """`cli` imports `api`, never the other way round; no stage imports either of the two."""
    broken = [
        f"{dotted(module)}:{line} imports {name}"
        for module in modules()
        for name, line in imports(module)
        for upper, users in MAY_USE.items()
        if _within(upper, name)
        and dotted(module) != "pipeline"
        and not any(_within(user, dotted(module)) for user in users)
    ]

    assert [] == broken


def test_the_shared_vocabulary_imports_no_stage() -> None:
    """Domain, errors, findings and schemas stand below every stage."""
    shared = [module for module in modules() if any(_within(low, dotted(module)) for low in SHARED)]

    broken = [
        f"{dotted(module)} imports {name}"
        for module in shared
        for name, _ in imports(module)
        if name.startswith("pipeline") and not any(_within(low, name) for low in SHARED)
    ]

    assert [] == broken


def test_pure_stages_touch_no_world() -> None:
    """Plan, providers and report import no network, database, clock, chance or process."""
    broken = [
        f"{dotted(module)}:{line} imports {name}"
        for stage in PURE_STAGES
        for module in sorted((PACKAGE / stage).rglob("*.py"))
        for name, line in imports(module)
        if any(_within(impure, name) for impure in IMPURE)
    ]

    assert [] == broken


def test_pure_stages_ask_no_clock() -> None:
    """Neither `datetime.now` nor `datetime.today` is called where the result must not change."""
    broken = [
        f"{dotted(module)}:{node.lineno}"
        for stage in PURE_STAGES
        for module in sorted((PACKAGE / stage).rglob("*.py"))
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
    ]

    assert [] == broken


def test_only_the_command_line_prints() -> None:
    """`print` is the command line's; the sandbox announces itself with one line."""
    broken = [
        f"{dotted(module)}:{node.lineno}"
        for module in modules()
        if not dotted(module).startswith(("pipeline.cli", "pipeline.sandbox"))
        for node in nodes(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]

    assert [] == broken


def test_only_the_ledger_knows_sql() -> None:
    """SQLAlchemy is imported in `pipeline.ledger` alone: nobody else has a statement to run.

    The sandbox has a database of its own, as a provider would.
    """
    broken = [
        f"{dotted(module)}:{line} imports {name}"
        for module in modules()
        if not _within("pipeline.ledger", dotted(module))
        for name, line in imports(module)
        if _within("sqlalchemy", name) or _within("pipeline.ledger.group_commit", name)
    ]

    assert [] == broken


def test_imports_are_absolute() -> None:
    """A reader can search for a module by its full name."""
    broken = [
        dotted(module)
        for module in modules()
        for name, _ in imports(module)
        if name.startswith("relative import")
    ]

    assert [] == broken


def test_tests_mock_nothing() -> None:
    """Tests use real servers, files and databases: `unittest.mock` is nowhere."""
    broken = [
        str(test.relative_to(REPOSITORY))
        for test in sorted((REPOSITORY / "tests").rglob("*.py"))
        if "unittest" in test.read_text("utf-8")
        for name, _ in imports(test)
        if _within("unittest.mock", name)
    ]

    assert [] == broken
