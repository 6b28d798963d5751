"""A disk that is full, or cannot be written: said once, and nothing is paid twice or lost."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pipeline.errors import Unusable
from pipeline.report.formats import encode_for_spreadsheets
from tests.machine.campaign import ITEMS, KEY, TRACE, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.machine.disks import read_only, small_disk, small_files, without_rights
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox
from tests.unit.run.campaign import Studio, entry

NAMES = [f"i{number}" for number in range(12)]
Forbid = Callable[[Path], AbstractContextManager[None]]
FULL = "the disk is full|the disk reports an error|No space left|File too large"


async def _until_done(studio: Studio) -> None:
    assert studio.admit(entry(name) for name in NAMES).ok
    assert 0 == (await studio.run()).exit_code
    assert len(NAMES) == len(studio.shop.tasks)
    assert ["done"] * len(NAMES) == studio.states()


@pytest.mark.parametrize("kilobytes", [8, 60, 140, 240, 300, 340, 400])
async def test_wherever_the_disk_is_full_nothing_is_bought_twice(
    kilobytes: int, tmp_path: Path
) -> None:
    """The disk ends before, in and after the first purchases: with more room the run finishes."""
    with small_disk(tmp_path / "disk", kilobytes=kilobytes) as disk:
        studio = Studio(disk.path / "root")
        with pytest.raises(Unusable, match=FULL):
            await _until_done(studio)
        disk.enlarge()

        await _until_done(studio)


@pytest.mark.parametrize("kilobytes", [2, 60, 140, 240, 300])
async def test_wherever_a_file_may_not_grow_nothing_is_bought_twice(
    kilobytes: int, tmp_path: Path
) -> None:
    """The same with a limit on files (EFBIG), for which nobody needs a disk of their own."""
    studio = Studio(tmp_path / "root")
    with small_files(kilobytes * 1024), pytest.raises(Unusable, match=FULL):
        await _until_done(studio)

    await _until_done(studio)


async def test_a_download_that_fills_the_disk_is_taken_up_again(tmp_path: Path) -> None:
    """The ledger has room and the clip has not: it is named, and bought no second time."""
    with small_disk(tmp_path / ".callsheet" / "parts", kilobytes=4) as disk:
        studio = Studio(tmp_path)
        assert studio.admit([entry("a"), entry("b"), entry("c")]).ok
        with pytest.raises(Unusable, match=r"cannot write .*/parts/.*No space left.*make room"):
            await studio.run()
        disk.remove()

    assert 0 == (await studio.run()).exit_code
    assert 3 == len(studio.shop.tasks)


def test_a_run_on_a_full_disk_says_so(campaign: Campaign, sandbox: Sandbox) -> None:
    """The message names the file and what to do, exit 12, no traceback; then it goes on."""

    def tiny() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))

    stopped = campaign.run(before=tiny)
    finished = campaign.run()

    assert (12, 0) == (stopped.returncode, finished.returncode), stopped.stdout + finished.stderr
    assert f"{campaign.ledger}: the disk" in stopped.stderr
    assert "then run again" in stopped.stderr
    assert TRACE not in stopped.stderr
    assert (ITEMS, ITEMS) == (len(sandbox.tasks("runware", KEY)), len(campaign.clips))
    assert [] == campaign.damage()


def test_a_report_that_finds_no_room_is_written_later(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """The clips are there; the report says what it lacks, and the next run writes it."""
    report = finished.root / "cups" / "report"
    page = report / "index.html"
    with small_disk(report, kilobytes=8) as disk:
        code, said = callsheet(*finished.words())
        assert 12 == code
        assert f"cannot write {page}: No space left on device; make room, then run again" in said
        assert TRACE not in said
        disk.enlarge()

        code, said = callsheet(*finished.words())

        assert 0 == code
        assert "nothing to do" in said
        assert page.stat().st_size


def test_a_report_that_broke_off_is_not_taken_for_a_new_one(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Where an older report is complete, what was left half written tells that it is old."""
    report = finished.root / "cups" / "report"
    (report / ".index.html.part").touch()
    page = report / "index.html"
    page.write_text("old", "utf-8")

    code, _ = callsheet(*finished.words())

    assert 0 == code
    assert "old" != page.read_text("utf-8")
    assert [] == list(report.glob(".*.part"))


def test_two_reports_at_once_are_both_whole(
    finished: Campaign, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another terminal writes the whole report while this one is in the midst of a file."""
    report = finished.root / "cups" / "report"
    expected = {path.name for path in report.rglob("*")}
    others: list[int] = []

    def be_interrupted(lines: Iterable[str], *encoding: str) -> Iterator[bytes]:
        yield from encode_for_spreadsheets(lines, *encoding)
        if encoding:
            others.append(run_callsheet(finished.words("report"), environment()).returncode)

    monkeypatch.setattr("pipeline.api.report_files.encode_for_spreadsheets", be_interrupted)
    code, said = callsheet(*finished.words("report"))

    assert ([0], 0) == (others, code), said
    assert expected == {path.name for path in report.rglob("*")}
    assert ITEMS == len(json.loads((report / "report.json").read_bytes())["items"])


def test_a_read_only_root_can_be_read(finished: Campaign, callsheet: Callsheet) -> None:
    """Whoever would write is told which folder and what to do; plans and reports can be seen."""
    with read_only(finished.root):
        code, said = callsheet(*finished.words())
        assert 12 == code
        assert f"cannot write to {finished.ledger.parent}: " in said
        assert "make it writable, or choose another --root" in said
        for words in (["plan"], ["report", "--no-write"], ["ledger", "check"]):
            command, *more = words
            manifest = [] if command == "ledger" else finished.words()[1:2]
            code, said = callsheet(command, *manifest, *more, "--root", finished.root)
            assert 0 == code, said
        code, said = callsheet(*finished.words("report"))
        assert 12 == code
        assert "cannot write" in said
    assert TRACE not in said


@pytest.mark.parametrize("forbid", [read_only, without_rights])
def test_an_empty_root_that_cannot_be_written_is_refused(
    forbid: Forbid, campaign: Campaign, callsheet: Callsheet
) -> None:
    """By its disk or by its rights: before anything is sent the folder is found unusable."""
    campaign.root.mkdir()
    with forbid(campaign.root):
        code, said = callsheet(*campaign.words())

    assert 12 == code
    assert f"cannot write to {campaign.root}/.callsheet: " in said
    assert "make it writable, or choose another --root" in said
