"""Takes: what was decided of them, what that buys, and what two people's files come to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.api.project import Project
from pipeline.errors import InvalidInput
from tests.machine.campaign import TABLE, Campaign
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox

ANN, BEN = ("--who", "ann"), ("--who", "ben")


def decisions_of(campaign: Campaign) -> Path:
    """Return where a campaign's decisions are."""
    return campaign.folder / "cups.decisions.yaml"


def decide(callsheet: Callsheet, campaign: Campaign, *words: str) -> str:
    """Decide on a take by the command line; return what it printed."""
    command, address, *more = words
    place = (str(campaign.folder / "cups.yaml"), "--root", str(campaign.root))
    code, printed = callsheet(command, *place, address, *more)
    assert 0 == code, printed
    return printed


def reviewed(callsheet: Callsheet, campaign: Campaign, review: str) -> list[str]:
    """Return the addresses that `review:` selects."""
    code, printed = callsheet(*campaign.words("ls", "--select", f"review:{review}"))
    if code:
        assert "fits this selection" in printed
        return []
    return [line.split()[0] for line in printed.splitlines()[1:]]


def test_an_approved_take_stays_until_it_is_reopened(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """An edit buys the other item again, and tells the approved one as stale until `reopen`."""
    assert ["still[A]#1", "still[B]#1"] == reviewed(callsheet, finished, "waiting")
    decide(callsheet, finished, "approve", "still[A]#1", *ANN)
    decide(callsheet, finished, "reject", "still[B]#1", "--reason", "colour", *BEN)
    assert ["still[A]#1"] == reviewed(callsheet, finished, "approved")
    assert ["still[B]#1"] == reviewed(callsheet, finished, "rejected")
    before = {str(clip): clip.read_bytes() for clip in finished.clips}
    table = finished.folder / "cups.csv"
    table.write_text(TABLE.replace("Alba", "Aura").replace("Brera", "Bora"), "utf-8")

    assert 0 == callsheet(*finished.words())[0]

    assert 1 == len(sandbox.tasks("runware"))
    after = {str(clip): clip.read_bytes() for clip in finished.clips}
    assert 1 == len(before.items() & after.items())
    assert ["still[A]#1"] == reviewed(callsheet, finished, "stale")
    code, printed = callsheet(*finished.words("why", "still[A]#1"))
    assert 0 == code
    assert "until `callsheet reopen`" in printed
    assert "Alba" in printed
    assert "Aura" in printed
    decide(callsheet, finished, "reopen", "still[A]#1")
    assert not reviewed(callsheet, finished, "stale")
    assert 0 == callsheet(*finished.words())[0]
    assert 2 == len(sandbox.tasks("runware"))


def test_what_was_rejected_buys_nothing_and_a_reroll_buys_one(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Asking for one more where one exists buys one, at one place; asking again buys none."""
    decide(callsheet, finished, "reject", "still[A]#1", "--reason", "blurred")
    assert 0 == callsheet(*finished.words())[0]
    assert not sandbox.tasks("runware")

    decide(callsheet, finished, "reroll", "still[A]#1")
    assert 0 == callsheet(*finished.words())[0]
    assert 0 == callsheet(*finished.words())[0]

    assert 1 == len(sandbox.tasks("runware"))
    assert ["still[A]#2", "still[B]#1"] == reviewed(callsheet, finished, "waiting")


def test_a_decision_of_another_clip_is_history(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """What was approved elsewhere, and is not here, keeps nothing and decides nothing."""
    decide(callsheet, finished, "approve", "still[A]#1")
    file = decisions_of(finished)
    line = file.read_text("utf-8").splitlines()[1]
    sha256 = line.partition('"sha256": "')[2][:64]
    file.write_text(file.read_text("utf-8").replace(sha256, "0" * 64), "utf-8")
    table = finished.folder / "cups.csv"
    table.write_text(TABLE.replace("Alba", "Aura"), "utf-8")

    assert not reviewed(callsheet, finished, "approved")
    assert 0 == callsheet(*finished.words())[0]
    assert 1 == len(sandbox.tasks("runware"))


def test_two_peoples_files_merge_and_a_conflict_is_named(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """After `git merge` with a conflict `lock merge` has both sides; a new word settles it."""
    folder, file = finished.folder, decisions_of(finished)

    def git(*words: str) -> int:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ("git", *identity, "-c", "init.defaultBranch=main", *words)
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode

    git("init")
    git("add", "cups.yaml", "cups.csv", "cups.lock.yaml")
    git("commit", "-m", "begun")
    git("switch", "-c", "ben")
    decide(callsheet, finished, "reject", "still[A]#1", "--reason", "crop", *BEN)
    decide(callsheet, finished, "approve", "still[B]#1", *BEN)
    git("add", file.name)
    git("commit", "-m", "ben")
    git("switch", "main")
    decide(callsheet, finished, "approve", "still[A]#1", *ANN)
    git("add", file.name)
    git("commit", "-m", "ann")
    assert 0 != git("merge", "ben")
    assert 3 == callsheet(*finished.words("ls"))[0]

    code, printed = callsheet("lock", "merge", str(folder / "cups.yaml"))

    assert 0 == code, printed
    assert "decided differently by two people, and waiting: still[A]#1" in printed
    assert ["still[A]#1"] == reviewed(callsheet, finished, "waiting")
    assert ["still[B]#1"] == reviewed(callsheet, finished, "approved")
    decide(callsheet, finished, "approve", "still[A]#1", *BEN)
    assert ["still[A]#1", "still[B]#1"] == reviewed(callsheet, finished, "approved")


def test_a_library_decides_and_takes_in_a_file(finished: Campaign, tmp_path: Path) -> None:
    """`Campaign.decide` writes what the command writes; `merge_decisions` adds a colleague's."""
    campaign = Project(root=finished.root).open(finished.folder / "cups.yaml")
    (decision,) = campaign.decide("still[A]#1", "approved", note="all right", who="ann")
    theirs = tmp_path / "ben.decisions.yaml"
    theirs.write_text(decisions_of(finished).read_text("utf-8").replace("ann", "ben"), "utf-8")

    merged = campaign.merge_decisions(theirs)

    assert (1, 1, ()) == (merged.places, merged.added, merged.conflicts)
    assert "all right" == decision.note
    assert {"still[A]#1"} == campaign.decisions().approved_clips().keys()
    with pytest.raises(InvalidInput) as invalid:
        campaign.decide("still[C]#1", "approved")
    assert "no clip at still[C]#1" in invalid.value.findings[0].message
