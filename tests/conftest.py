"""Fixtures every kind of test may use."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgresql import PlaceLedger, PostgresqlServer
from tests.sandboxes import Sandbox

FIGURE = "figure"
"""The property of a test whose value is printed at the end of the run, passed or not."""
_KEY = re.compile(rb"key-of-[a-z]")
_SCENARIO = "scenario.json"
_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory
_ENOUGH_BYTES = 4 * 2**30
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES:
    # Thousands of durable commits wait for a disk that no test is about: kill -9 loses no page.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
# An example that takes long on a busy machine is no fault of what is tried.
settings.register_profile("callsheet", deadline=None)
settings.load_profile("callsheet")
# What a dry run remembers in the user's cache folder is not for a test to see, or to leave behind.
_CACHE = tempfile.TemporaryDirectory(prefix="callsheet-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """Return pytest's own folder; what a test leaves there holds none of its keys ("key-of-…")."""
    yield tmp_path
    left = [str(path) for path in _left(tmp_path) if _holds_a_key(path)]
    assert not left, f"a key was written to {left}"


def _left(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, but for those that are to know keys.

    A person's own file of keys, and a sandbox's books: a provider knows its customers.
    """
    for place, folders, names in os.walk(folder):
        if _SCENARIO in names:
            folders.clear()
            continue
        yield from (Path(place, name) for name in names if not name.endswith(".env"))


def _holds_a_key(path: Path) -> bool:
    if not (path.is_file() and os.access(path, os.R_OK) and path.stat().st_size):
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(_KEY.search(content, *extent) for extent in _extents(file.fileno()))


def _extents(file: int) -> Iterator[tuple[int, int]]:
    """Yield where an open file has content: a sparse one of 20 GB has a few bytes of it."""
    end = 0
    # ENXIO: nothing but a hole is left.
    with suppress(OSError):
        while True:
            start = os.lseek(file, end, os.SEEK_DATA)
            end = os.lseek(file, start, os.SEEK_HOLE)
            yield start, end


@pytest.fixture(scope="session")
def _running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running_sandbox: Sandbox) -> Sandbox:
    """Return the sandbox of this test process: plain clips, no waiting, all forgotten."""
    _running_sandbox.reset()
    return _running_sandbox


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Return the PostgreSQL server of this test process."""
    with PostgresqlServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place_ledger(request: pytest.FixtureRequest) -> PlaceLedger:
    """Return what lets a root have its ledger in each of the two databases."""
    if request.param == "sqlite":
        return lambda root: root
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.adopt


@pytest.fixture
def each_dialect(place_ledger: PlaceLedger, tmp_path: Path) -> None:
    """Let a test with its root in `tmp_path` hold for both databases."""
    place_ledger(tmp_path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch that writes the cases of `tests/cli` anew."""
    parser.addoption("--rewrite-cases", action="store_true", help="write what is printed now")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests measured, from whatever process they ran in."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == FIGURE:
                    terminalreporter.write_line(str(value))
