"""A root is one place: copies, moved folders and rehearsals' roots are told from it."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import sqlite3
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.errors import RootRefused
from pipeline.ledger.migrations import MIGRATIONS
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_identity import RootKind
from tests.crash.kit import campaign_run
from tests.machine.campaign import ITEMS, KEY, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.pairs import pairs
from tests.processes import process, run_callsheet
from tests.sandboxes import Sandbox, plain
from tests.unit.run.older import make_older

MOMENTS: Mapping[str, str] = {"in flight": "polled", "landed": "linked", "ended": ""}
"""The checkpoint at which a run is killed; none is a clean end."""

_BEFORE_IDENTITY = 1 + [each.__name__ for each in MIGRATIONS].index("_add_root_identity")
"""The last version of a ledger that does not know whose it is."""


def run_until(campaign: Campaign, checkpoint: str) -> None:
    """Run the campaign in a process of its own that is killed at a checkpoint, or ends."""
    if not checkpoint:
        assert 0 == campaign.run().returncode
        return
    words = [str(campaign.folder / "cups.yaml"), str(campaign.root), "--bomb", checkpoint, "1"]
    words += ["--base-url", _url(campaign), "--quiet"]
    assert -signal.SIGKILL == process(campaign_run, words, environment())


def _url(campaign: Campaign) -> str:
    return f"runware={campaign.address}"


def _by_tar(campaign: Campaign, folder: Path) -> Campaign:
    """Return the campaign restored from an archive in another place, the original deleted."""
    archive = folder.with_suffix(".tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(campaign.folder, ".")
    shutil.rmtree(campaign.folder)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    return Campaign(folder, campaign.address)


MOVES: Mapping[str, Callable[[Campaign, Path], Campaign]] = {
    "renamed": Campaign.moved,
    "restored": _by_tar,
}


def _bill(sandbox: Sandbox) -> list[str]:
    """Return what was asked of the provider, each task once."""
    return sorted(task["prompt"] for task in sandbox.tasks("runware"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_copy_beside_its_original_is_refused(
    moment: str, campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Nothing is sent from it, also with `--adopt-root`; the original goes on, and pays once."""
    run_until(campaign, MOMENTS[moment])
    before = len(_bill(sandbox))
    copy = Campaign(shutil.copytree(campaign.folder, tmp_path / "copy"), campaign.address)

    for words in (copy.words("run"), copy.words("run", "--adopt-root"), copy.words("reconcile")):
        code, said = callsheet(*words)
        assert (12, True) == (code, f"is a copy of {campaign.root}, which is still there" in said)
    assert before == len(_bill(sandbox))
    for command in ("plan", "ls", "status", "report"):
        code, said = callsheet(*copy.words(command))
        assert (12, False) != (code, "copy" in said), said

    assert 0 == callsheet(*campaign.words())[0]
    assert ITEMS == len(set(_bill(sandbox))) == len(_bill(sandbox))


@pytest.mark.parametrize("command", ["plan", "ls", "status"])
def test_who_only_reads_says_that_a_run_would_be_refused(
    command: str,
    finished: Campaign,
    callsheet: Callsheet,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """In a copied root, and in one that was moved: one line on standard error, beside the rest."""
    assert 0 == callsheet(*finished.words())[0]
    copy = Campaign(shutil.copytree(finished.folder, tmp_path / "copy"), finished.address)

    for campaign, why in (
        (finished, ""),
        (copy, f"note: {copy.root} is a copy of {finished.root}, which is still there: "),
    ):
        assert 0 == invoke(campaign.words(command))
        told = [line for line in capsys.readouterr().err.splitlines() if "note:" in line]
        assert [why] == [line[: len(why)] for line in told] or (why, told) == ("", [])
    moved = finished.moved(tmp_path / "moved")
    assert 0 == invoke(moved.words(command))
    (told_of_move,) = capsys.readouterr().err.splitlines()
    assert told_of_move.startswith(f"note: {moved.root} was in {finished.root} when it was last")


@pytest.mark.parametrize(("way", "moment"), pairs(MOVES, MOMENTS))
def test_a_moved_root_is_taken_over_where_that_is_said(
    way: str,
    moment: str,
    campaign: Campaign,
    callsheet: Callsheet,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    """Nobody at a terminal: exit 12; with `--adopt-root` it goes on, and pays nothing twice."""
    run_until(campaign, MOMENTS[moment])
    before = len(_bill(sandbox))
    moved = MOVES[way](campaign, tmp_path / "moved")

    code, said = callsheet(*moved.words())

    assert (12, True) == (code, "say --adopt-root" in said), said
    assert str(campaign.root) in said
    assert before == len(_bill(sandbox))
    code, said = callsheet(*moved.words("run", "--adopt-root"))
    assert 0 == code, said
    assert f"{moved.root} was in {campaign.root} before: it is taken over" in said
    assert 0 == callsheet(*moved.words())[0]
    assert ITEMS == len(set(_bill(sandbox))) == len(_bill(sandbox))


def test_another_name_of_the_same_folder_is_no_copy(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Through a symbolic link it is the same root."""
    run_until(campaign, MOMENTS["landed"])
    (tmp_path / "link").symlink_to(campaign.folder)

    code, said = callsheet(*Campaign(tmp_path / "link", campaign.address).words())

    assert 0 == code, said
    assert "before" not in said
    assert ITEMS == len(set(_bill(sandbox))) == len(_bill(sandbox))


def test_a_ledger_seen_through_two_folders_is_no_copy(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """As through a bind mount, the ledger is one and the same file on the disk."""
    twin = tmp_path / "twin"
    shutil.copytree(finished.folder, twin, copy_function=os.link)

    code, said = callsheet(*Campaign(twin, finished.address).words())

    assert (0, True) == (code, "no request was sent" in said), said


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard input a terminal, and return the end at which a person types."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        yield ours
    os.close(ours)


@pytest.mark.usefixtures("terminal")
def test_a_person_is_told_in_one_line_that_a_root_was_moved(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whoever sits there moved it, or knows who did; the second run has nothing to tell."""
    moved = finished.moved(tmp_path / "moved")

    code, said = callsheet(*moved.words())
    _, again = callsheet(*moved.words())

    note = f"{moved.root} was in {finished.root} before: it is taken over as the same root\n"
    assert (0, 1, 0) == (code, said.count(note), again.count("before")), said
    assert not sandbox.tasks("runware")


@pytest.mark.usefixtures("terminal")
def test_a_person_is_refused_a_copy_too(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """A terminal takes over what was moved, and never what is still there."""
    copy = Campaign(shutil.copytree(finished.folder, tmp_path / "copy"), finished.address)

    assert 12 == callsheet(*copy.words())[0]


def test_another_root_in_the_place_of_the_original_is_not_the_original(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """After the move somebody began anew in the old folder: both are roots of their own."""
    moved = finished.moved(tmp_path / "moved")
    with Ledger.open(finished.root):
        pass

    assert 12 == callsheet(*moved.words())[0]
    assert 0 == callsheet(*moved.words("run", "--adopt-root"))[0]


def test_an_original_that_cannot_be_looked_at_is_no_reason_to_go_on(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whether it is still in use is not known: exit 12 with the reason, whatever is said."""
    moved = finished.moved(tmp_path / "moved")
    finished.folder.symlink_to(finished.folder)

    code, said = callsheet(*moved.words("run", "--adopt-root"))

    assert (12, True) == (code, "cannot be told: Too many levels of symbolic links" in said), said
    finished.folder.unlink()
    finished.ledger.parent.mkdir(parents=True)
    finished.ledger.write_bytes(b"no ledger at all" * 100)
    code, said = callsheet(*moved.words("run", "--adopt-root"))
    assert (12, True) == (code, "cannot be told: " in said), said
    assert not sandbox.tasks("runware")


def test_a_copy_made_of_a_run_at_work_is_refused(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whatever moment the files are of, the copy knows whose it is as soon as it knows anything."""
    with Ledger.open(campaign.root):
        copy = Campaign(shutil.copytree(campaign.folder, tmp_path / "copy"), campaign.address)

    assert 12 == callsheet(*copy.words())[0]
    assert not sandbox.tasks("runware")


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Return the campaign after a rehearsal, in a folder that is only read."""
    made = Campaign.new(tmp_path_factory.mktemp("rehearsed") / "campaign", "")
    words = [*made.words("plan")[1:], "--rehearse", "--quiet"]
    words += ["--scenario", str(plain(made.folder))]
    done = run_callsheet(["run", *words])
    assert 0 == done.returncode, done.stdout + done.stderr
    return made


def _forget_identity(root: Path) -> None:
    """Make a ledger as old as those that did not know whose they were."""
    make_older(root, _BEFORE_IDENTITY)


@pytest.mark.parametrize("old", [False, True])
def test_play_clips_never_pass_for_paid_ones(
    old: bool,  # noqa: FBT001 - a parameter of a test
    rehearsed: Campaign,
    callsheet: Callsheet,
    sandbox: Sandbox,
) -> None:
    """A real command in a rehearsal's root is exit 12, also where the ledger is older than that."""
    play = rehearsed.root / "rehearsal"
    if old:
        _forget_identity(play)
    manifest = str(rehearsed.folder / "cups.yaml")
    url = f"runware={sandbox.base_urls['runware']}"

    for command in ("plan", "ls", "status", "report", "reconcile", "run"):
        more = ["--yes", "--base-url", url] if command == "run" else []
        code, said = callsheet(command, manifest, "--root", str(play), *more)
        assert (12, True) == (code, f"--rehearse --root {rehearsed.root}" in said), said
    assert not sandbox.tasks("runware")
    assert 0 == callsheet("status", manifest, "--root", str(rehearsed.root), "--rehearse")[0]
    assert 0 == callsheet("ledger", "check", "--root", str(play))[0]


@pytest.mark.parametrize("old", [False, True])
def test_a_rehearsal_writes_nothing_into_a_real_ledger(
    old: bool,  # noqa: FBT001 - a parameter of a test
    finished: Campaign,
    callsheet: Callsheet,
) -> None:
    """Where the rehearsal's root would be lies a real one: exit 12, and its ledger is as it was."""
    finished.root.rename(finished.folder / "rehearsal")
    if old:
        _forget_identity(finished.folder / "rehearsal")
    ledger = finished.folder / "rehearsal" / ".callsheet" / "ledger.db"
    before = ledger.read_bytes()
    manifest, root = str(finished.folder / "cups.yaml"), str(finished.folder)

    for command in ("plan", "ls", "status", "report", "reconcile", "run"):
        code, said = callsheet(command, manifest, "--rehearse", "--root", root)
        assert (12, True) == (code, "bought with real money" in said), said
    assert before == ledger.read_bytes()


def test_a_ledger_with_nothing_to_tell_is_what_it_is_opened_for(tmp_path: Path) -> None:
    """An old ledger without purchases is a rehearsal's if a sandbox was there, else as opened."""
    for name in ("plain", "played"):
        with Ledger.open(tmp_path / name, kind=RootKind.REAL):
            pass
        _forget_identity(tmp_path / name)
    (tmp_path / "played" / ".callsheet" / "sandbox").mkdir()

    with Ledger.open(tmp_path / "plain", kind=RootKind.REHEARSAL):
        pass
    with pytest.raises(RootRefused, match="is a rehearsal's root"):
        Ledger.open(tmp_path / "played", kind=RootKind.REAL)
    with Ledger.open(tmp_path / "played", kind=RootKind.REHEARSAL):
        pass


def test_the_identity_tells_nothing_of_a_key(finished: Campaign) -> None:
    """Kind, nonce and path are all that is kept."""
    with closing(sqlite3.connect(finished.ledger)) as connection:
        (row,) = connection.execute("SELECT kind, path, length(nonce) FROM root_identity")

    assert ("real", os.fsencode(finished.root), 32) == row
    assert KEY not in str(row)
