"""`clean`: what no item owns any more is moved away, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from pipeline.cli.commands import clean as command
from pipeline.file_content import file_sha256
from pipeline.ledger.repository import Ledger
from tests.machine.campaign import TABLE, Campaign, environment
from tests.machine.conftest import Callsheet

DIED = 9
DIES_AFTER_ONE = f"""
import os, sys
from pathlib import Path
from pipeline.cli.command_line import invoke

rename = Path.rename

def once(path, target):
    renamed = rename(path, target)
    if path.suffix == ".mp4":
        os._exit({DIED})
    return renamed

Path.rename = once
invoke(sys.argv[1:])
"""
"""A process that is gone right after the first clip was moved, as by a kill."""


def files_of(campaign: Campaign) -> set[str]:
    """Return every file in the campaign's folder of the root."""
    folder = campaign.root / "cups"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def cleaned(campaign: Campaign) -> list[Path]:
    """Return which clips were moved away, in order."""
    folder = campaign.root / ".callsheet" / "cleaned"
    return sorted(path for path in folder.rglob("*.mp4") if path.is_file())


def paths_of(campaign: Campaign) -> set[str]:
    """Return where in the campaign's folder what was moved away had been."""
    folder = campaign.root / ".callsheet" / "cleaned"
    return {str(Path(*path.relative_to(folder).parts[2:])) for path in cleaned(campaign)}


def remove_product(campaign: Campaign) -> Path:
    """Take the last product out of the table; return the output path of its clip."""
    (campaign.folder / "cups.csv").write_text(TABLE.replace("B,Brera\n", ""), "utf-8")
    (clip,) = [path for path in campaign.clips if "B" in path.relative_to(campaign.root).as_posix()]
    return clip


def test_a_removed_products_clip_is_moved_and_nothing_else(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Only with a yes; foreign files, the report, owned clips stay; the product may come back."""
    code, printed = callsheet(*finished.words("clean", "--yes"))
    assert (0, True) == (code, "nothing to clean" in printed), printed
    clip = remove_product(finished)
    content = clip.read_bytes()
    folder = finished.root / "cups" / "still"
    # A person's own video, a cut of ours with another byte, a note, and a link to our clip.
    (folder / "own.mp4").write_bytes(content + b"own")
    (folder / "notes.txt").write_text("mine", "utf-8")
    (folder / "link.mp4").symlink_to(clip.name)
    copied = folder / "old layout" / "deep" / "Brera.mp4"
    copied.parent.mkdir(parents=True)
    shutil.copy(clip, copied)
    (finished.root / "cups" / "report" / "clip.mp4").write_bytes(content)
    before = files_of(finished)

    code, printed = callsheet(*finished.words("clean"))
    assert (3, True, before) == (code, "say --yes" in printed, files_of(finished)), printed
    code, printed = callsheet(*finished.words("clean", "--yes"))

    assert 0 == code, printed
    own = {str(each.relative_to(finished.root / "cups")) for each in (clip, copied)}
    link = {"still/link.mp4"}
    sidecar = f"{clip.relative_to(finished.root / 'cups')}.json"
    assert sidecar in before
    assert before - own - link - {sidecar} == files_of(finished) - link
    moved_clip = next(path for path in cleaned(finished) if path.name == clip.name)
    assert moved_clip.with_name(f"{clip.name}.json").is_file()
    assert not copied.parent.parent.exists()
    assert own == paths_of(finished)
    assert {content} == {path.read_bytes() for path in cleaned(finished)}
    assert "own.mp4" not in printed
    assert not finished.damage()
    code, printed = callsheet(*finished.words("clean", "--yes"))
    assert (0, True) == (code, "nothing to clean" in printed), printed

    (finished.folder / "cups.csv").write_text(TABLE, "utf-8")
    code, printed = callsheet(*finished.words())
    assert (0, content) == (code, clip.read_bytes()), printed


def test_a_second_cleaning_of_a_day_overwrites_nothing(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Each cleaning has a folder of its own, whatever an earlier one left."""
    clip = remove_product(finished)
    for _ in range(2):
        assert 0 == callsheet(*finished.words("clean", "--yes"))[0]
        clip.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(cleaned(finished)[0], clip)

    assert [clip.name, clip.name] == [path.name for path in cleaned(finished)]


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no clip")])
def test_the_last_copy_of_a_clip_goes_into_the_store_first(
    finished: Campaign, callsheet: Callsheet, spoil: Callable[[Path], object]
) -> None:
    """Where the store lacks a clip, or has it damaged, it has it again before the file moves."""
    clip = remove_product(finished)
    digest = file_sha256(clip)
    stored = finished.root / ".callsheet" / "store" / digest[:2] / f"{digest}.mp4"
    stored.chmod(0o600)
    spoil(stored)

    code, printed = callsheet(*finished.words("clean", "--yes"))

    assert 0 == code, printed
    assert digest == file_sha256(stored)
    assert [digest] == [file_sha256(path) for path in cleaned(finished)]
    assert not finished.damage()


def test_killed_half_way_it_is_gone_on_with(finished: Campaign, callsheet: Callsheet) -> None:
    """One file is moved and the other is not: both are whole, and the next cleaning ends it."""
    clip = remove_product(finished)
    content = clip.read_bytes()
    other = clip.with_name("zz.mp4")
    shutil.copy(clip, other)
    words = [sys.executable, "-c", DIES_AFTER_ONE, *finished.words("clean", "--yes")]
    died = subprocess.run(words, env={**os.environ, **environment()}, check=False, timeout=60)
    assert (DIED, 1) == (died.returncode, len(cleaned(finished)))

    assert 0 == callsheet(*finished.words("clean", "--yes"))[0]

    assert [content, content] == [path.read_bytes() for path in cleaned(finished)]
    assert not other.exists()
    assert not clip.exists()


def test_nothing_moves_where_it_must_not(
    finished: Campaign, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while a run is at work, nor by a no, nor with a manifest or ledger that is broken."""
    clip = remove_product(finished)
    with Ledger.open(finished.root):
        assert 12 == callsheet(*finished.words("clean", "--yes"))[0]
    with monkeypatch.context() as patch:
        patch.setattr(command, "person_is_there", lambda: True)
        patch.setattr(typer, "confirm", lambda *_, **__: False)
        assert 12 == callsheet(*finished.words("clean"))[0]
    table = finished.folder / "cups.csv"
    table.write_text("sku,name\n", "utf-8")
    table.rename(finished.folder / "other.csv")
    assert 3 == callsheet(*finished.words("clean", "--yes"))[0]
    (finished.folder / "other.csv").rename(table)
    finished.ledger.unlink()
    code, printed = callsheet(*finished.words("clean", "--yes"))
    assert (12, True) == (code, "there was one" in printed), printed

    assert clip.is_file()
    assert not cleaned(finished)
