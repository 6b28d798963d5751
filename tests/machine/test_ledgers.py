"""`ledger check` and `ledger backup`: what is promised of a ledger, and a copy of it at work."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.domain import Budget
from pipeline.domain.states import TRANSITIONS, State
from pipeline.ledger.backup import back_up
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store
from tests.machine.campaign import TRACE, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox
from tests.unit.run.campaign import Studio, entry

OF_A = "WHERE key = (SELECT key FROM items WHERE address = 'spin[a]')"
SABOTAGES: Mapping[str, tuple[str, str]] = {
    "campaign's sum": (
        "UPDATE budgets SET committed_microusd = 1 WHERE scope = 'campaign:spring'",
        r"the budget campaign:spring: 0.000001 USD are committed, but its purchases come to 1.12",
    ),
    "row's sum": (
        "UPDATE budgets SET committed_microusd = 0 WHERE scope = 'row:spring:a'",
        r"the budget row:spring:a: 0.00 USD are committed, but its purchases come to 0.56 USD",
    ),
    "run's budget": ("DELETE FROM budgets WHERE scope = 'run:1'", "the budget run:1 is gone"),
    "purchase": (
        "DELETE FROM purchases OF_A",
        r"spin\[a\] is done, but its purchase is gone",
    ),
    "another's purchase": (
        "UPDATE jobs SET purchase_id = 2 OF_A",
        r"spin\[a\] is done, but its purchase is gone",
    ),
    "no task": (
        "UPDATE jobs SET state = 'waiting' OF_A; UPDATE purchases SET task = NULL",
        r"spin\[a\] is waiting, but no task is known to ask for",
    ),
    "state": ("UPDATE jobs SET state = 'lost' OF_A", r"spin\[a\]: there is no state"),
    "job": ("DELETE FROM jobs OF_A", r"spin\[a\] is planned, but has no job"),
    "clip": (
        "UPDATE jobs SET sha256 = '' OF_A",
        r"spin\[a\] is done, but its clip is not known",
    ),
    "campaign": ("DELETE FROM campaigns", "items, row 1: what it belongs to in campaigns is gone"),
}
UNBOUGHT = {State.PLANNED, State.HELD, State.STAGING, State.FAILED}


@pytest.fixture
async def studio(tmp_path: Path) -> Studio:
    """Return a root with two clips, made under a limit per row."""
    made = Studio(tmp_path / "root", budget=Budget(per_row_usd=entry("a").price.high_usd))  # type: ignore[union-attr]
    await made.make("a", "b")
    return made


def _found(studio: Studio) -> list[str]:
    ledger = Ledger.reader(studio.root)
    assert ledger is not None
    with ledger:
        return list(damage(ledger, Store(studio.root)))


def _execute(studio: Studio, script: str, **words: str) -> None:
    for word, value in {"OF_A": OF_A, **words}.items():
        script = script.replace(word, value)
    with closing(sqlite3.connect(studio.root / ".callsheet" / "ledger.db")) as connection:
        connection.executescript(script)


async def test_a_sound_ledger_has_nothing_to_say(studio: Studio) -> None:
    """After a run all sums, purchases and clips agree."""
    assert [] == _found(studio)


@pytest.mark.parametrize("name", SABOTAGES)
async def test_each_contradiction_is_a_line(name: str, studio: Studio) -> None:
    """What does not fit is named with the item's address."""
    statement, message = SABOTAGES[name]
    _execute(studio, statement)

    found = _found(studio)

    assert any(re.search(message, line) for line in found), found


@pytest.mark.parametrize("state", sorted(set(TRANSITIONS) - UNBOUGHT))
async def test_no_state_after_the_intent_is_without_a_purchase(
    state: State, studio: Studio
) -> None:
    """What was sent, or made, must have been bought."""
    _execute(studio, "UPDATE jobs SET state = 'STATE', purchase_id = NULL OF_A", STATE=state)

    assert f"spin[a] is {state.replace('_', ' ')}, but was never bought" in _found(studio)


async def test_every_clip_is_read(studio: Studio) -> None:
    """A clip that is gone and one that was changed in place are told apart."""
    gone, changed = sorted((studio.root / ".callsheet" / "store").rglob("*.mp4"))
    gone.unlink()
    changed.chmod(0o644)
    changed.write_bytes(bytes(changed.stat().st_size))

    found = _found(studio)

    assert 2 == len(found)
    assert any(line.endswith(f"its clip {gone} is gone") for line in found)
    assert any(line.endswith(f"its clip {changed} is not what was received") for line in found)


def test_check_lists_and_ends_with_fifteen(finished: Campaign, callsheet: Callsheet) -> None:
    """Each piece of damage is a line, then how many, and where to find what is lost."""
    for clip in (finished.ledger.parent / "store").rglob("*.mp4"):
        clip.unlink()

    code, said = callsheet("ledger", "check", "--root", str(finished.root))

    assert 15 == code
    assert 2 == said.count(" is gone\n")
    assert "2 found; nothing was changed." in said
    assert "`callsheet ledger restore FILE`" in said


def test_where_nothing_was_run_there_is_nothing_to_check(
    tmp_path: Path, callsheet: Callsheet
) -> None:
    """Exit 3, and no root is made by looking."""
    for words in (["check"], ["backup", str(tmp_path / "copy.db")]):
        code, said = callsheet("ledger", *words, "--root", str(tmp_path / "none"))
        assert (3, True) == (code, "nothing was run there" in said)
    assert [] == list(tmp_path.iterdir())


def test_a_backup_is_private_whole_and_passes_the_check(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """One file for the owner alone; in the ledger's place it holds together."""
    copy = tmp_path / "copy.db"

    code, said = callsheet("ledger", "backup", str(copy), "--root", str(finished.root))

    assert (0, True) == (code, str(copy) in said)
    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
    assert [] == list(tmp_path.glob("copy.db-*")) + list(tmp_path.glob(".copy.db*"))
    shutil.copyfile(copy, finished.ledger)
    assert [] == finished.damage()


def test_a_backup_overwrites_nothing(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """An older backup stays as it is, and another name is asked for."""
    copy = tmp_path / "copy.db"
    copy.write_text("older", "utf-8")

    code, said = callsheet("ledger", "backup", str(copy), "--root", str(finished.root))

    assert 3 == code
    assert f"{copy} is there already, and is not overwritten: name another" in said
    assert "older" == copy.read_text("utf-8")


def test_a_backup_that_cannot_be_written_says_where(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """A folder that is not there is named."""
    copy = tmp_path / "none" / "copy.db"

    code, said = callsheet("ledger", "backup", str(copy), "--root", str(finished.root))

    assert 12 == code
    assert f"cannot write {copy}: No such file or directory" in said
    assert TRACE not in said


def test_a_run_is_copied_while_it_writes(
    campaign: Campaign, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Copies made whenever it says something are of one moment each; the run does not notice."""
    rows = "".join(f"R{number},Cup {number}\n" for number in range(6))
    (campaign.folder / "cups.csv").write_text(f"sku,name\n{rows}", "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", *campaign.words()],
        env={**os.environ, **environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        copies, said = 0, ""
        for line in process.stdout:
            copies += back_up(campaign.root, tmp_path / f"copy-{copies}.db")
            said += line
    assert 0 == process.returncode, said

    assert copies > 6
    states = {_sums(tmp_path / f"copy-{number}.db") for number in range(copies)}
    assert {True} == {sound for sound, _ in states}
    assert 6 == len(sandbox.tasks("runware"))


def _sums(copy: Path) -> tuple[bool, int]:
    """Tell whether a copy's sums agree, and how many purchases it has."""
    with closing(sqlite3.connect(copy)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return True, 0
        bound = "coalesce(sum(charged_microusd + reserved_microusd + possible_microusd), 0)"
        (count, paid) = connection.execute(f"SELECT count(*), {bound} FROM purchases").fetchone()  # noqa: S608
        committed = connection.execute(
            "SELECT coalesce(sum(committed_microusd), 0) FROM budgets WHERE scope LIKE 'campaign:%'"
        ).fetchone()[0]
        return paid == committed, count
