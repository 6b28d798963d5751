"""A ledger that is damaged is refused with a message, and not a byte of it is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.machine.campaign import TRACE, Campaign
from tests.machine.conftest import Callsheet
from tests.unit.run.older import make_older

PAGE = 4096
RESTORE = "`callsheet ledger restore FILE` puts a backup in its place"
DAMAGED = f"it is damaged, and is left as it is: {RESTORE}"
NO_LEDGER = f"it is not a ledger, and is left as it is: {RESTORE}"
Sabotage = Callable[[Path], object]


def _page(number: int, content: bytes) -> Sabotage:
    def overwrite(ledger: Path) -> None:
        with ledger.open("r+b") as file:
            file.seek(number * PAGE)
            file.write(content)

    return overwrite


def _cut(share: float) -> Sabotage:
    def truncate(ledger: Path) -> None:
        with ledger.open("r+b") as file:
            file.truncate(int(ledger.stat().st_size * share))

    return truncate


def _sql(*statements: str, anew: bool = False) -> Sabotage:
    def execute(ledger: Path) -> None:
        if anew:
            ledger.unlink()
        with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return execute


SABOTAGES: Mapping[str, tuple[Sabotage, str]] = {
    "first page": (_page(0, b"\xff" * PAGE), NO_LEDGER),
    "tenth page": (_page(10, b"\xff" * PAGE), DAMAGED),
    "half a page": (_page(12, b"\0" * (PAGE // 2)), DAMAGED),
    "half the file": (_cut(0.5), DAMAGED),
    "a hundredth of it": (_cut(0.01), DAMAGED),
    "text": (lambda ledger: ledger.write_text("a note " * 999, "utf-8"), NO_LEDGER),
    "empty": (lambda ledger: ledger.write_bytes(b""), "it is gone or empty, but"),
    "gone": (Path.unlink, "it is gone or empty, but"),
    "another program's": (_sql("CREATE TABLE notes (text)", anew=True), "another program's"),
    "a newer version": (
        _sql("UPDATE versions SET version = 1000 + version"),
        "it was written by a newer Callsheet: update Callsheet, then run again",
    ),
}


LOST = frozenset({"empty", "gone"})
"""What is told with the ways on, which name a sum."""


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_ledger_that_cannot_be_trusted_is_refused(
    name: str, finished: Campaign, callsheet: Callsheet
) -> None:
    """Exit 12, the file and what to do; with a backup in its place there is nothing to do."""
    # The lock file remembers what a ledger has lost, and so nothing would be (test_lock_files).
    (finished.folder / "cups.lock.yaml").unlink()
    good = finished.ledger.read_bytes()
    sabotage, message = SABOTAGES[name]
    sabotage(finished.ledger)
    bad = finished.ledger.read_bytes() if finished.ledger.exists() else None

    code, said = callsheet(*finished.words())

    assert 12 == code
    if name in LOST:
        assert f"the ledger of {finished.root} has lost what it knew" in said
    else:
        assert f"{finished.ledger}: " in said
        assert message in said
    assert TRACE not in said
    assert bad == (finished.ledger.read_bytes() if finished.ledger.exists() else None)
    finished.ledger.write_bytes(good)
    code, said = callsheet(*finished.words())
    assert (0, True) == (code, "no request was sent" in said)


@pytest.mark.parametrize("name", SABOTAGES)
def test_check_finds_it_and_backup_copies_no_damage(
    name: str, finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """`ledger check` ends with 15; a backup of what is damaged leaves no file."""
    sabotage, message = SABOTAGES[name]
    sabotage(finished.ledger)
    copy = tmp_path / "copy.db"

    checked, said = callsheet("ledger", "check", "--root", str(finished.root))
    backed_up, told = callsheet("ledger", "backup", str(copy), "--root", str(finished.root))

    assert 15 == checked, said
    assert message in said or "the file: " in said
    assert TRACE not in said + told
    whole = name in {"another program's", "a newer version"}
    assert (0, True) if whole else (12, False) == (backed_up, copy.exists())


def test_a_ledger_of_an_older_version_can_be_read(finished: Campaign, callsheet: Callsheet) -> None:
    """Who only looks does not bring it up to date; the next run does."""
    make_older(finished.root, 1)
    for words in (finished.words("plan"), finished.words("report", "--no-write")):
        code, said = callsheet(*words)
        assert 0 == code, said
    assert 0 == callsheet("ledger", "check", "--root", str(finished.root))[0]

    code, said = callsheet(*finished.words())

    assert (0, True) == (code, "no request was sent" in said)
