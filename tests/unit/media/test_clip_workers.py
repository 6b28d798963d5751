"""Clips are looked into by processes of their own, which may die."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import MediaFault, WorkerLost
from pipeline.media.clip_workers import ClipWorkers, count_cores
from pipeline.media.video import probe
from tests.unit.media.clips import write_clip


@pytest.fixture
async def workers() -> AsyncIterator[ClipWorkers]:
    """Give one worker at most."""
    async with ClipWorkers(1) as found:
        yield found


def _children() -> set[int]:
    """Return the ids of this process's own children."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(status.parent.name))
    return found


async def test_a_clip_is_measured_with_its_poster_by_another_process(
    workers: ClipWorkers, tmp_path: Path
) -> None:
    """What is told is what this process would find; the still came out of the same frames."""
    clip, poster = write_clip(tmp_path / "a.mp4"), tmp_path / "posters" / "a.jpg"
    before = _children()

    media = await workers.verify(clip, sha256="c0ffee", poster=poster)

    assert probe(clip, digest="c0ffee") == media
    with Image.open(poster) as picture:
        assert (96, 160) == picture.size
    (worker,) = workers.pids
    assert {worker} == _children() - before


async def test_nothing_is_started_until_there_is_a_clip() -> None:
    """A run that makes nothing has no worker; one that ends leaves none."""
    before = _children()

    async with ClipWorkers(2):
        assert before == _children()


async def test_what_does_not_play_is_told_and_the_worker_goes_on(
    workers: ClipWorkers, tmp_path: Path
) -> None:
    """A damaged clip has no poster, and the same process looks into the next."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    clip = write_clip(tmp_path / "a.mp4")

    with pytest.raises(MediaFault) as told:
        await workers.verify(broken, sha256="", poster=tmp_path / "broken.jpg")
    first = workers.pids
    await workers.verify(clip, sha256="", poster=tmp_path / "a.jpg")

    with pytest.raises(MediaFault) as own:
        probe(broken)
    assert (own.value.slug, own.value.message, own.value.hint) == (
        told.value.slug,
        told.value.message,
        told.value.hint,
    )
    assert not (tmp_path / "broken.jpg").exists()
    assert first == workers.pids


async def test_a_worker_that_was_killed_costs_no_clip(workers: ClipWorkers, tmp_path: Path) -> None:
    """Killed while it waits for work or while it works, another looks into the clip."""
    clip, before = write_clip(tmp_path / "a.mp4"), _children()
    await workers.verify(clip, sha256="", poster=tmp_path / "1.jpg")
    (idle,) = workers.pids
    os.kill(idle, signal.SIGKILL)
    media = await workers.verify(clip, sha256="", poster=tmp_path / "2.jpg")
    (busy,) = workers.pids
    # Stopped, it is in the middle of the clip for as long as it takes to kill it there.
    os.kill(busy, signal.SIGSTOP)
    working = asyncio.create_task(workers.verify(clip, sha256="", poster=tmp_path / "3.jpg"))
    await asyncio.sleep(0)
    assert () == workers.pids
    os.kill(busy, signal.SIGKILL)

    assert media == await working
    assert len({idle, busy, *workers.pids}) == 3
    assert set(workers.pids) == _children() - before
    assert (tmp_path / "3.jpg").is_file()


async def test_a_clip_that_ends_every_worker_is_given_up(
    workers: ClipWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times, and the run goes on: it is fetched later, and nothing hangs."""
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(WorkerLost, match=r"ended 3 times at a\.mp4"):
        await workers.verify(tmp_path / "a.mp4", sha256="", poster=tmp_path / "a.jpg")


async def test_a_worker_that_does_not_answer_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk may hang: a clip keeps its place for so long only, and nothing is left behind."""
    hanging, before = tmp_path / "hanging", _children()
    hanging.write_text("#!/bin/sh\nexec sleep 600\n", "utf-8")
    hanging.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(hanging))

    async with ClipWorkers(1, longest_s=0.2) as workers:
        with pytest.raises(WorkerLost, match=r"ended 3 times at a\.mp4"):
            await workers.verify(tmp_path / "a.mp4", sha256="", poster=tmp_path / "a.jpg")

        assert before == _children()


async def test_a_worker_that_was_left_in_the_middle_answers_nobody_else(
    workers: ClipWorkers, tmp_path: Path
) -> None:
    """Whoever gives up waiting takes the process along: its late answer is no other clip's."""
    one, other = (
        write_clip(tmp_path / "1.mp4"),
        write_clip(tmp_path / "2.mp4", size=(160, 96)),
    )
    await workers.verify(one, sha256="", poster=tmp_path / "1.jpg")
    (worker,) = workers.pids
    os.kill(worker, signal.SIGSTOP)
    working = asyncio.create_task(workers.verify(one, sha256="", poster=tmp_path / "1.jpg"))
    await asyncio.sleep(0)
    assert () == workers.pids
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    media = await workers.verify(other, sha256="", poster=tmp_path / "2.jpg")

    assert (160, 96) == (media.width, media.height)
    assert worker not in _children()


async def test_a_long_line_holds_up_whoever_would_buy_more(
    workers: ClipWorkers, tmp_path: Path
) -> None:
    """Nine clips in line at one worker are too many; once they are fewer there is room."""
    clip = write_clip(tmp_path / "a.mp4")
    digests = [hashlib.sha256(bytes([n])).hexdigest() for n in range(9)]
    line = [
        asyncio.create_task(workers.verify(clip, sha256=each, poster=tmp_path / f"{each}.jpg"))
        for each in digests
    ]
    await asyncio.sleep(0)
    buying = asyncio.create_task(workers.until_room())
    await asyncio.sleep(0)
    waited = not buying.done()
    media = await asyncio.gather(*line)
    await buying

    assert waited
    assert digests == [each.digest for each in media]


def test_a_container_has_as_many_cores_as_it_is_allowed(tmp_path: Path) -> None:
    """A pod that may use one of a machine's many starts one decoder; without a limit, all count."""
    quota, cores = tmp_path / "cpu.max", len(os.sched_getaffinity(0))

    for said, expected in {
        "max 100000": cores,
        "50000 100000": 1,
        "100000 100000": 1,
        "99000000 100000": cores,
        "": cores,
    }.items():
        quota.write_text(f"{said}\n", "ascii")
        assert expected == count_cores(quota), said
    assert cores == count_cores(tmp_path / "none")
