"""docs/sandbox.md says what the scenario's schema says."""

from __future__ import annotations

import pytest

from pipeline.sandbox.faults import FAULT_TYPES
from pipeline.sandbox.scenario import parse_scenario
from tests.architecture.source import REPOSITORY
from tests.unit.sandbox.sandbox_page import page

PAGE = REPOSITORY / "docs" / "sandbox.md"


def test_the_page_is_made_from_the_schema(request: pytest.FixtureRequest) -> None:
    """A fault or an option that changes is on the page; `--rewrite-cases` writes it."""
    if request.config.getoption("--rewrite-cases"):
        PAGE.write_text(page(), "utf-8")

    assert PAGE.read_text("utf-8") == page()


def test_the_page_has_every_fault_with_its_options() -> None:
    """One line for each, and every option in it."""
    lines = page().splitlines()

    for name, kind in FAULT_TYPES.items():
        (line,) = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert all(f"`{option}: " in line for option in kind.options)


def test_every_default_is_a_value_that_may_be_written() -> None:
    """A fault with all its options at their defaults is a scenario, at each of its stages."""
    faults = [
        {"fault": name, "stage": stage, **kind.options}
        for name, kind in FAULT_TYPES.items()
        for stage in kind.stages
    ]

    assert len(faults) == len(parse_scenario({"faults": faults}).faults)
