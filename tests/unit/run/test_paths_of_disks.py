"""Output paths that no disk takes: refused before money; if a disk refuses all the same, told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.run.output_check import RealFiles
from pipeline.storage.blobs import Store
from pipeline.storage.fs import writing
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.shop import clip_of

NAME_MOST = os.pathconf("/", "PC_NAME_MAX")
SPARE = len(".mp4") + len("..part")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root."""
    return Studio(tmp_path)


def refused(studio: Studio, *outputs: str) -> list[str]:
    """Return what is found wrong with items at these output paths; nothing may be bought then."""
    entries = [entry(f"i{n}", output=output) for n, output in enumerate(outputs)]
    admission = studio.admit(entries)
    assert 0 == studio.shop.submits
    return [f"{finding.slug}: {finding.message}" for finding in admission.findings]


def deep(studio: Studio, size: int) -> str:
    """Return an output path that comes to so many bytes with its root."""
    left = size - len(os.fsencode(studio.root / CAMPAIGN)) - len("/.{ext}")
    folders = "ä" * 50 + "/"
    count = (left - 1) // len(folders.encode())
    return folders * count + "x" * (left - count * len(folders.encode())) + ".{ext}"


async def test_the_longest_name_is_made_and_one_byte_more_is_refused(studio: Studio) -> None:
    """Counted in bytes, with the ending and with the name a file has while it is made."""
    # The ending of a received file may be one letter longer than the usual.
    most = NAME_MOST - SPARE - 1
    name = "ä" * (most // 2) + "x" * (most % 2)

    (finding,) = refused(studio, f"{name}x.{{ext}}")
    assert finding == (
        f"path-too-long: the output path of spin[i0] is too long: '{name}x.webm' takes"
        f" {NAME_MOST + 1} bytes; a name on this disk {NAME_MOST}"
    )
    assert studio.admit([entry("a", output=f"{name}.{{ext}}")]).ok
    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert (studio.root / CAMPAIGN / f"{name}.mp4").read_bytes() == clip_of("t1")


async def test_a_path_that_is_too_long_as_a_whole_is_refused(studio: Studio) -> None:
    """The root counts; what just fits is made."""
    most = os.pathconf("/", "PC_PATH_MAX") - 1
    fits = deep(studio, most - len("..part") + len("{ext}") - len("webm"))

    (finding,) = refused(studio, deep(studio, most))
    assert finding.startswith(
        "path-too-long: the output path of spin[i0] is too long: with its root"
    )
    assert [] == refused(studio, fits)
    outcome = await studio.run()

    assert (0, 0) == (outcome.exit_code, outcome.not_shown)
    assert [fits.replace("{ext}", "mp4")] == [record.path for record in studio.records()]


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("a.{ext}", "a.mp4/b.{ext}"),
        ("x/A.{ext}", "X/a.MP4/c/b.{ext}"),
        ("a.{ext}", "a.webm/b.{ext}"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_file_is_no_folder_of_another(
    studio: Studio, file: str, folder: str, *, turned: bool
) -> None:
    """Whatever the format, whichever comes first, and however the disk folds names."""
    paths = (folder, file) if turned else (file, folder)

    (finding,) = refused(studio, *paths)

    assert finding.startswith("same-output: ")
    assert "needs as a folder what" in finding
    assert [] == refused(studio, "a.{ext}", "a.mp3/b.{ext}", "a/b.{ext}")


async def test_a_file_where_a_folder_is_needed_is_found_before_money(studio: Studio) -> None:
    """It may be somebody's, or a clip of an earlier plan."""
    (studio.root / CAMPAIGN).mkdir(parents=True)
    (studio.root / CAMPAIGN / "spin").write_text("notes")

    assert [
        f"foreign-file: {studio.root}/{CAMPAIGN}/spin is a file, and spin[i0] needs a folder there"
    ] == refused(studio, "spin/x/i0.{ext}")


async def test_a_disk_that_refuses_a_path_all_the_same_ends_no_run(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clip is in the store, the item is named, the others are made, and so it stays later."""
    real = Store.copy_out

    def copy_out(store: Store, sha256: str, ext: str, target: Path, **more: Any) -> None:
        with writing(target):
            if target.name == "a.mp4":
                # What a network disk says that has less room for names than it tells.
                target.with_name("x" * 5000).stat()
        real(store, sha256, ext, target, **more)

    monkeypatch.setattr(Store, "copy_out", copy_out)
    first = await studio.make("a", "b", "c")
    second = await studio.run()

    assert (10, 1, 10, 1) == (
        first.exit_code,
        first.not_shown,
        second.exit_code,
        second.not_shown,
    )
    assert ["done"] * 3 == studio.states()
    assert 3 == studio.shop.submits
    assert studio.clip("b").is_file()
    told = [event for event in studio.events if event.name == "not_shown"]
    assert {("spin[a]", "path-too-long")} == {(e.address, e.detail["slug"]) for e in told}
    monkeypatch.undo()
    assert 0 == (await studio.run()).exit_code
    assert studio.clip("a").is_file()


async def test_a_path_in_an_older_plan_that_no_disk_takes_ends_no_run(studio: Studio) -> None:
    """What an earlier version admitted is looked at without a fault."""
    assert None is RealFiles(studio.root).stat("x" * 5000)
    assert None is RealFiles(studio.root).stat("/".join(["x"] * 5000))


def test_a_root_that_is_not_there_yet_is_measured_by_what_is(tmp_path: Path) -> None:
    """The nearest folder above says what the disk takes."""
    files = RealFiles(tmp_path / "not" / "there" / "yet")

    assert "" == files.too_long("spring/a.mp4")
    assert f"a name on this disk {NAME_MOST}" in files.too_long("spring/" + "x" * 300)
