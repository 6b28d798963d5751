"""What people do to the clips they were given: nothing is bought again, nothing of it is lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.kit import campaign_run
from tests.machine.campaign import ITEMS, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.pairs import some
from tests.processes import process
from tests.sandboxes import Sandbox
from tests.unit.run.older import make_older

MINE = b"my own cut of it"
Change = Callable[[Path], object]


def _write_in_place(clip: Path) -> None:
    """Save over it as an editor does that opens the file: as many bytes, other ones."""
    clip.chmod(0o644)
    with clip.open("r+b") as file:
        file.seek(clip.stat().st_size // 2)
        file.write(MINE)


def _write_in_place_and_hide_it(clip: Path) -> None:
    """Save over it, and set its mode and times back."""
    known = clip.stat()
    _write_in_place(clip)
    clip.chmod(known.st_mode)
    os.utime(clip, ns=(known.st_atime_ns, known.st_mtime_ns))


def _replace(clip: Path) -> None:
    new = clip.with_name("export.tmp")
    new.write_bytes(MINE)
    new.replace(clip)


def _truncate(clip: Path) -> None:
    os.truncate(clip, clip.stat().st_size // 2)


def _empty(clip: Path) -> None:
    os.truncate(clip, 0)


def _make_writable(clip: Path) -> None:
    clip.chmod(0o664)


def _link_elsewhere(clip: Path) -> None:
    """Move it to another disk, and leave a symbolic link to it."""
    away = clip.with_name("archive.mov")
    clip.rename(away)
    clip.symlink_to(away)


def _dangle(clip: Path) -> None:
    clip.unlink()
    clip.symlink_to("nowhere.mp4")


def _make_a_folder(clip: Path) -> None:
    clip.unlink()
    clip.mkdir()
    (clip / "cut.txt").write_bytes(MINE)


CHANGES: Mapping[str, tuple[Change, str]] = {
    "written in place": (_write_in_place, "its content is another now"),
    "written in place, times set back": (_write_in_place_and_hide_it, "its content is another now"),
    "replaced": (_replace, "its content is another now"),
    "cut": (_truncate, "its content is another now"),
    "emptied": (_empty, "its content is another now"),
    "made writable": (_make_writable, "its permissions are 664 now, not 444"),
    "a symbolic link": (_link_elsewhere, "it is no regular file any more"),
    "a link to nowhere": (_dangle, "it is no regular file any more"),
    "a folder": (_make_a_folder, "it is no regular file any more"),
}


def _tree(place: Path) -> object:
    """Return what is at a path, whatever it is."""
    if place.is_symlink():
        return place.readlink()
    if place.is_dir():
        return {path.name: path.read_bytes() for path in place.iterdir()}
    return (place.read_bytes(), place.stat().st_mode) if place.exists() else None


def _store(campaign: Campaign) -> list[Path]:
    return sorted((campaign.root / ".callsheet" / "store").glob("*/*"))


def _assert_intact(campaign: Campaign, clips: int = ITEMS) -> None:
    """Each clip of the store is what was received, and nobody else has a name for its file."""
    assert clips == len(_store(campaign))
    for clip in _store(campaign):
        assert clip.stem == hashlib.sha256(clip.read_bytes()).hexdigest()
        assert 1 == clip.stat().st_nlink


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_clip_is_left_alone_and_named(
    name: str, finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """After a clean end: each later run names it, ends with 0, and touches neither it nor store."""
    changed, other = finished.clips
    change, told = CHANGES[name]
    change(changed)
    as_they_left_it, before = _tree(changed), other.read_bytes()

    for _ in range(2):
        code, said = callsheet(*finished.words())

        assert 0 == code, said
        assert f"left alone: {changed} was changed since it was put there: {told}" in said
        assert f"left alone: {other}" not in said
        assert as_they_left_it == _tree(changed)
    assert before == other.read_bytes()
    assert not sandbox.tasks("runware")
    _assert_intact(finished)


@pytest.mark.parametrize("name", some(CHANGES, every=3, first=0))
def test_a_clip_that_was_changed_before_a_run_stays_changed(
    name: str, finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A run that has something else to make buys that alone, and ends with its own code."""
    changed = finished.clips[0]
    change, told = CHANGES[name]
    change(changed)
    as_they_left_it = _tree(changed)
    (finished.folder / "cups.csv").write_text("sku,name\nA,Alba\nB,Brera\nC,Cervo\n", "utf-8")

    code, said = callsheet(*finished.words())

    assert 0 == code, said
    assert told in said
    assert as_they_left_it == _tree(changed)
    assert ["Cervo stands on a table, no text."] == [
        task["prompt"] for task in sandbox.tasks("runware")
    ]
    _assert_intact(finished, clips=ITEMS + 1)


@pytest.mark.parametrize("name", some(CHANGES, every=3, first=1))
def test_a_clip_that_was_changed_while_a_run_was_killed_stays_changed(
    name: str, campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Delivered, the run killed, changed: the next run collects the rest and leaves it alone."""
    words = [str(campaign.folder / "cups.yaml"), str(campaign.root), "--bomb", "linked", "1"]
    words += ["--base-url", f"runware={campaign.address}", "--quiet"]
    assert -signal.SIGKILL == process(campaign_run, words, environment())
    # Another clip may have been copied, but not written down yet.
    with closing(sqlite3.connect(campaign.ledger)) as connection:
        (path,) = connection.execute("SELECT path FROM outputs").fetchone()
    changed = campaign.root / path
    change, told = CHANGES[name]
    change(changed)
    as_they_left_it = _tree(changed)

    code, said = callsheet(*campaign.words())

    assert 0 == code, said
    assert told in said
    assert as_they_left_it == _tree(changed)
    assert ITEMS == len(sandbox.tasks("runware"))
    _assert_intact(campaign)


def test_a_clip_that_was_deleted_is_put_back_as_a_copy(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """It is the same bytes, and a file of its own."""
    gone = finished.clips[0]
    before = gone.read_bytes()
    gone.unlink()

    code, said = callsheet(*finished.words())

    assert 0 == code, said
    assert before == gone.read_bytes()
    assert 1 == gone.stat().st_nlink
    assert not sandbox.tasks("runware")
    _assert_intact(finished)


def _make_links(campaign: Campaign) -> None:
    """Make the root as the first build left it: hard links, and a ledger without signatures."""
    for clip in campaign.clips:
        digest = hashlib.sha256(clip.read_bytes()).hexdigest()
        clip.unlink()
        os.link(campaign.root / ".callsheet" / "store" / digest[:2] / f"{digest}.mp4", clip)
    make_older(campaign.root, 2)


def test_hard_links_of_the_first_build_become_copies(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The next run makes them files of their own; the one after that has nothing to do."""
    _make_links(finished)
    before = [clip.read_bytes() for clip in finished.clips]
    assert [2, 2] == [clip.stat().st_nlink for clip in finished.clips]

    first, said = callsheet(*finished.words())
    second, told = callsheet(*finished.words())

    assert (0, 0) == (first, second), said
    assert "nothing to do" in told
    assert before == [clip.read_bytes() for clip in finished.clips]
    assert [0o444, 0o444] == [clip.stat().st_mode & 0o777 for clip in finished.clips]
    assert not sandbox.tasks("runware")
    _assert_intact(finished)


def test_writing_through_a_hard_link_is_damage(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """What the first build allowed is told (15), and neither bought nor copied to other paths."""
    _make_links(finished)
    changed = finished.clips[0]
    _write_in_place(changed)
    as_they_left_it = _tree(changed)

    code, said = callsheet(*finished.words())

    assert 15 == code, said
    assert "is not what was received" in said
    assert as_they_left_it == _tree(changed)
    assert not sandbox.tasks("runware")


DAMAGES: Mapping[str, Change] = {
    "written": _write_in_place,
    "written, times set back": _write_in_place_and_hide_it,
    "cut": _truncate,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_clip_of_the_store_is_healed_from_its_output(
    name: str, finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The run that finds it says so and ends with 15; the next one finds everything in order."""
    victim = _store(finished)[0]
    DAMAGES[name](victim)

    code, said = callsheet(*finished.words())

    assert 15 == code, said
    assert f"damaged: the clip {victim} is " in said
    assert "was put back from" in said
    _assert_intact(finished)
    code, said = callsheet(*finished.words())
    assert (0, True) == (code, "nothing to do" in said)
    assert not sandbox.tasks("runware")
    assert [] == finished.damage()


@pytest.mark.parametrize("name", some(DAMAGES, every=2))
def test_a_clip_that_is_damaged_everywhere_is_not_bought_again(
    name: str, finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Exit 15 in every run, no damaged bytes are delivered, and a copy in its place ends it."""
    victim = _store(finished)[0]
    good = victim.read_bytes()
    (output,) = (clip for clip in finished.clips if clip.read_bytes() == good)
    DAMAGES[name](victim)
    output.unlink()

    for _ in range(2):
        code, said = callsheet(*finished.words())
        assert 15 == code, said
        assert "it is not bought again" in said
        assert not output.exists()
    assert not sandbox.tasks("runware")
    victim.unlink(missing_ok=True)
    victim.write_bytes(good)
    assert 0 == callsheet(*finished.words())[0]
    assert good == output.read_bytes()
    _assert_intact(finished)


def test_a_root_that_was_copied_is_read_once(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """Other inodes and times are no change: nothing is named, and the next run knows them."""
    copied = finished.moved(tmp_path / "away").copy(tmp_path / "elsewhere")
    signatures = _signatures(copied)

    code, said = callsheet(*copied.words())

    assert 0 == code, said
    assert "left alone" not in said
    assert "nothing to do" in said
    assert signatures != _signatures(copied)
    seen = _signatures(copied)
    assert 0 == callsheet(*copied.words())[0]
    assert seen == _signatures(copied)


def _signatures(campaign: Campaign) -> list[str]:
    with closing(sqlite3.connect(campaign.ledger)) as connection:
        query = "SELECT signature FROM outputs UNION ALL SELECT signature FROM clips"
        return [row[0] for row in connection.execute(query)]


def test_an_edited_clip_is_in_the_way_of_a_new_one(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A prompt that changed wants another clip where somebody's work is: told before money."""
    changed = finished.clips[0]
    _write_in_place(changed)
    as_they_left_it = _tree(changed)
    (finished.folder / "cups.csv").write_text("sku,name\nA,Adda\nB,Brera\n", "utf-8")

    code, said = callsheet(*finished.words())

    assert 3 == code, said
    assert f"foreign-file: {changed} was changed since its clip was put there" in said
    assert as_they_left_it == _tree(changed)
    assert not sandbox.tasks("runware")


def test_a_file_where_a_folder_is_wanted_is_told_before_money(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """No clip could be put below it: it is a foreign file like one at the path itself."""
    (campaign.root / "cups").mkdir(parents=True)
    (campaign.root / "cups" / "still").write_bytes(MINE)

    code, said = callsheet(*campaign.words())

    assert 3 == code, said
    assert "foreign-file" in said
    assert not sandbox.tasks("runware")
    shutil.rmtree(campaign.root / "cups")
