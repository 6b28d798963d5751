"""Fixtures every kind of test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandboxes import Sandbox


@pytest.fixture(scope="session")
def _running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running_sandbox: Sandbox) -> Sandbox:
    """Return the sandbox of this test process: plain clips, no waiting, all forgotten."""
    _running_sandbox.reset()
    return _running_sandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that writes the cases of `tests/cli` anew."""
    parser.addoption("--rewrite-cases", action="store_true", help="write what is printed now")
