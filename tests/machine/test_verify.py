"""`verify`: every byte against ledger, lock file and store; what can be is put right."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.plan.lock.lock_text import read_lock
from tests.machine.campaign import Campaign
from tests.machine.conftest import Callsheet

Damage = Callable[[Path], object]


def _stored(finished: Campaign, address: str = "still[A]#1") -> Path:
    text = (finished.folder / "cups.lock.yaml").read_text("utf-8")
    sha256 = read_lock(text, "cups.lock.yaml")[address].sha256
    return finished.root / ".callsheet" / "store" / sha256[:2] / f"{sha256}.mp4"


def _flip(file: Path) -> None:
    """Change one byte; size and times stay, so that nobody notices without reading it."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _cut(file: Path) -> None:
    file.chmod(0o644)
    os.truncate(file, file.stat().st_size - 1)


DAMAGES: Mapping[str, tuple[Damage, str]] = {
    "a byte flipped": (_flip, "it has the same size, and other bytes"),
    "cut": (_cut, "is not what was received: it has"),
    "gone": (Path.unlink, "is gone"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("place", ["store", "output"])
def test_damage_is_named_and_put_right(
    damage: str, place: str, finished: Campaign, callsheet: Callsheet
) -> None:
    """Exit 15 and the file by name; with --restore exit 0, and the next look finds nothing."""
    spoil, said = DAMAGES[damage]
    file = _stored(finished) if place == "store" else finished.clips[0]
    whole = file.read_bytes()
    spoil(file)

    code, told = callsheet(*finished.words("verify"))
    restored, mended = callsheet(*finished.words("verify", "--restore"))
    after, clean = callsheet(*finished.words("verify"))

    assert (15, True) == (code, str(file) in told), told
    assert said in told
    assert ": 1 wrong, 0 put right" in told
    assert (0, True) == (restored, "put back from" in mended), mended
    assert (0, True) == (after, "each is what was received" in clean), clean
    assert whole == file.read_bytes()
    assert (0, []) == (callsheet(*finished.words())[0], finished.damage())


def test_what_a_person_changed_is_kept_beside_it(finished: Campaign, callsheet: Callsheet) -> None:
    """--restore puts the clip back at its path, and loses nothing."""
    clip = finished.clips[0]
    clip.chmod(0o644)
    clip.write_bytes(b"cut by a person")

    code, said = callsheet(*finished.words("verify", "--restore"))

    aside = clip.with_name(f"{clip.stem}.changed-1.mp4")
    assert (0, True) == (code, f"what stood there is {aside}" in said), said
    assert b"cut by a person" == aside.read_bytes()


def test_damage_everywhere_stays_damage(finished: Campaign, callsheet: Callsheet) -> None:
    """Where no file has the bytes any more, --restore says so: exit 15."""
    stored = _stored(finished)
    _flip(stored)
    for clip in finished.clips:
        _flip(clip)

    code, said = callsheet(*finished.words("verify", "--restore"))

    assert (15, True) == (code, str(stored) in said), said
    assert "3 wrong, 1 put right" in said


def test_a_lock_file_that_has_another_clip_is_told(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Ledger and lock file disagree: both digests are named, and the clip that is not here."""
    lock = finished.folder / "cups.lock.yaml"
    sha256 = _stored(finished).stem
    lock.write_text(lock.read_text("utf-8").replace(sha256, "ab" * 32), "utf-8")

    code, said = callsheet(*finished.words("verify"))

    assert 15 == code, said
    assert f"has the clip abababababab for it, and the ledger {sha256[:12]}" in said
    assert f"{'ab' * 32}.mp4 is gone" in said


def test_what_is_not_locked_yet_is_no_damage(finished: Campaign, callsheet: Callsheet) -> None:
    """A campaign of an earlier version has no lock file: it is told, and the exit code is 0."""
    (finished.folder / "cups.lock.yaml").unlink()

    code, said = callsheet(*finished.words("verify"))

    assert (0, True) == (code, "note: 2 of its clips are not in" in said), said


def test_there_must_be_something_to_verify(campaign: Campaign, callsheet: Callsheet) -> None:
    """Where nothing was made or locked the command is a mistake: exit 3."""
    code, said = callsheet(*campaign.words("verify"))

    assert (3, True) == (code, "nothing of 'cups' was made" in said), said
