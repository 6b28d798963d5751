"""`store ls` and `store gc`: whose each clip is, and what nobody paid for goes; nothing else."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import Project
from pipeline.ledger.intent_counter import COUNTER
from pipeline.ledger.repository import Ledger
from tests.machine.campaign import ITEMS, TABLE, Campaign
from tests.machine.conftest import Callsheet

STRAY = b"bytes of a clip that nobody bought"
DIGEST = hashlib.sha256(STRAY).hexdigest()


@pytest.fixture
def stray(finished: Campaign) -> Path:
    """Put a clip into the store that no purchase knows; return its file."""
    path = finished.root / ".callsheet" / "store" / DIGEST[:2] / f"{DIGEST}.mp4"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(STRAY)
    return path


def store(campaign: Campaign, *words: str) -> list[str]:
    """Return the words of a command on the campaign's store."""
    command, *more = words
    manifest = str(campaign.folder / "cups.yaml")
    return ["store", command, manifest, "--root", str(campaign.root), *more]


def paid(campaign: Campaign) -> set[str]:
    """Return the names of the clips in the store, but for the stray one."""
    files = (campaign.root / ".callsheet" / "store").glob("*/*")
    return {path.name for path in files} - {f"{DIGEST}.mp4"}


def test_each_clip_is_listed_with_its_cost_and_its_item(
    finished: Campaign, callsheet: Callsheet, stray: Path
) -> None:
    """By manifest or by root; what no item uses any more is still known by its purchase."""
    before = finished.ledger.read_bytes()
    code, printed = callsheet(*store(finished, "ls", "--format", "json"))
    assert 0 == code
    clips = [json.loads(line) for line in printed.splitlines()]
    bought = [clip for clip in clips if clip["owner"] == "purchase"]
    assert (ITEMS, ITEMS + 1) == (len(bought), len(clips))
    assert {"still[A]", "still[B]"} == {clip["used_by"][0]["address"][:8] for clip in bought}
    assert {"cups"} == {clip["bought_for"][0]["campaign"] for clip in bought}
    with Ledger.reader(finished.root) or pytest.fail("no ledger") as ledger:
        charged = {str(record.charged_usd) for record in ledger.records("cups")}
    assert charged == {clip["charged_usd"] for clip in bought}
    (unknown,) = [clip for clip in clips if clip["owner"] != "purchase"]
    assert (DIGEST, "nobody", None, []) == tuple(
        unknown[name] for name in ("sha256", "owner", "charged_usd", "used_by")
    )

    code, printed = callsheet("store", "ls", "--root", str(finished.root))
    assert 0 == code
    assert f"{DIGEST[:12]}  {len(STRAY)} bytes  of no purchase" in printed
    assert f"{ITEMS + 1} clips" in printed
    assert before == finished.ledger.read_bytes()
    code, printed = callsheet(*store(finished, "ls", "--rehearse"))
    assert (3, True) == (code, f"no ledger in {finished.root / 'rehearsal'}" in printed), printed

    stray.unlink()
    (finished.folder / "cups.csv").write_text(TABLE.replace("B,Brera\n", ""), "utf-8")
    assert 0 == callsheet(*finished.words())[0]
    assert "cups still[B]" in callsheet(*store(finished, "ls"))[1]
    assert 1 == callsheet(*store(finished, "ls"))[1].count("(no item now)")


def test_what_nobody_paid_for_is_deleted_once_a_person_says_yes(
    finished: Campaign, callsheet: Callsheet, stray: Path
) -> None:
    """It is listed with its bytes first; what was paid for stays, also when its item is gone."""
    (finished.folder / "cups.csv").write_text(TABLE.replace("B,Brera\n", ""), "utf-8")
    (finished.folder / "cups.lock.yaml").unlink()
    clips = paid(finished)

    code, printed = callsheet(*store(finished, "gc"))
    assert (3, True) == (code, "say --yes" in printed), printed
    assert f"{DIGEST[:12]}  {len(STRAY)} bytes" in printed
    assert stray.is_file()
    code, printed = callsheet(*store(finished, "gc", "--yes"))

    assert (0, True) == (code, "1 clip deleted" in printed), printed
    assert not stray.exists()
    assert clips == paid(finished)
    assert not finished.damage()
    code, printed = callsheet(*store(finished, "gc", "--yes"))
    assert (0, True) == (code, "nothing to delete" in printed), printed


@pytest.mark.parametrize("name", ["cups.lock.yaml", "deep/b.lock.old", "b.decisions.yaml"])
def test_what_any_file_of_the_project_names_stays(
    finished: Campaign, callsheet: Callsheet, stray: Path, name: str
) -> None:
    """A lock line protects a clip, also in a file with Git's conflict marks, and a decision too."""
    file = finished.folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'<<<<<<< HEAD\n"x": {{"sha256": "{DIGEST}"}}\n=======\n>>>>>>> b\n', "utf-8")

    code, printed = callsheet(*store(finished, "gc", "--yes"))

    assert (0, True) == (code, "nothing to delete" in printed), printed
    assert stray.is_file()
    assert "file names it" in callsheet(*store(finished, "ls"))[1]
    file.write_bytes(b"\xff\xfe")
    assert 3 == callsheet(*store(finished, "gc", "--yes"))[0]
    assert stray.is_file()


def test_what_a_person_set_aside_stays(
    finished: Campaign, callsheet: Callsheet, stray: Path
) -> None:
    """A clip that was lost, and that was agreed to be bought again, was paid for all the same."""
    with Ledger.open(finished.root) as ledger:
        loss = ledger.find_loss("cups")
        assert loss is not None
        ledger.settle_loss(loss, now=datetime.now(UTC))

    code, printed = callsheet(*store(finished, "gc", "--yes"))

    assert (0, True) == (code, "nothing to delete" in printed), printed
    assert stray.is_file()
    assert "set aside" in callsheet(*store(finished, "ls"))[1]


def test_nothing_is_deleted_where_it_cannot_be_told(
    finished: Campaign,
    callsheet: Callsheet,
    stray: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No project, a run at work, a store that is a link, lost purchases, and a lost ledger."""
    monkeypatch.chdir(tmp_path)
    by_root = ("store", "gc", "--root", str(finished.root), "--yes")
    code, printed = callsheet(*by_root)
    assert (3, True) == (code, "name a manifest" in printed), printed
    with Ledger.open(finished.root):
        assert 12 == callsheet(*store(finished, "gc", "--yes"))[0]
    folder = finished.root / ".callsheet" / "store"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    code, printed = callsheet(*store(finished, "gc", "--yes"))
    assert (12, True) == (code, "leads out of its root" in printed), printed
    folder.unlink()
    (tmp_path / "elsewhere").rename(folder)
    counter = finished.root / "cups" / COUNTER
    counted = counter.read_bytes()
    counter.write_bytes(b"?")
    code, printed = callsheet(*store(finished, "gc", "--yes"))
    assert (12, True) == (code, "has lost purchases" in printed), printed
    counter.write_bytes(counted)
    ledger = finished.ledger.rename(tmp_path / "ledger.db")
    assert 12 == callsheet(*store(finished, "gc", "--yes"))[0]
    assert ITEMS == callsheet(*store(finished, "ls"))[1].count("file names it")
    assert stray.is_file()

    ledger.rename(finished.ledger)
    # With a project at or above the root it can be told.
    (finished.folder / "callsheet.toml").write_text('root = "root"\n', "utf-8")
    found = Project(root=finished.root).open(finished.folder / "cups.yaml")
    assert [DIGEST] == [clip.sha256 for clip in found.find_garbage()]
    assert 0 == callsheet(*by_root)[0]
    assert not stray.exists()
    assert [] == found.delete_garbage(found.list_store())
    assert ITEMS == len(paid(finished))
