"""Prompts and pictures may be confidential: what Callsheet remembers is for the owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.ledger.repository import Ledger
from tests.machine.campaign import Campaign

LEDGER_FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "lock")


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_run_leaves_nothing_that_others_may_read(made_once: Campaign) -> None:
    """The run's process would have let all read: folder and ledger are the owner's all the same."""
    assert 0o700 == _mode(made_once.ledger.parent)
    assert 0o600 == _mode(made_once.ledger)
    assert 0o600 == _mode(made_once.ledger.parent / "lock")
    stored = list((made_once.ledger.parent / "store").rglob("*.mp4"))
    assert {0o444} == {_mode(clip) for clip in stored}


def test_a_ledger_at_work_is_the_owner_s_with_all_its_files(tmp_path: Path) -> None:
    """SQLite's own files beside it have its rights, whatever the process lets others do."""
    with _umask(0), Ledger.open(tmp_path):
        modes = {name: _mode(tmp_path / ".callsheet" / name) for name in LEDGER_FILES}

    assert dict.fromkeys(LEDGER_FILES, 0o600) == modes


def test_a_ledger_that_others_may_read_is_taken_back(tmp_path: Path) -> None:
    """Rights that were widened by hand, or by a copy, are narrowed by the next run."""
    with Ledger.open(tmp_path):
        pass
    folder = tmp_path / ".callsheet"
    folder.chmod(0o755)
    (folder / "ledger.db").chmod(0o644)

    with Ledger.open(tmp_path):
        assert (0o700, 0o600) == (_mode(folder), _mode(folder / "ledger.db"))
