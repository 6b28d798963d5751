"""Clips are decoded beside the event loop, by as many processes as there are cores.

A worker is a fresh interpreter of its own that loads the decoder and nothing else. It is started
when there is a clip to look into, lives as long as the run, and hangs on its standard input. One
that dies takes only its own clip along, which another worker looks into then.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from pipeline.domain import Media
from pipeline.errors import MediaFault, WorkerLost

_ATTEMPTS = 3
"""Workers that one clip may cost: a kill for lack of memory is seldom about the clip."""
_LONGEST_S = 600.0
"""How long a worker may look into a clip, about a second's work: a disk may hang."""
_WAITING_PER_WORKER = 8
"""Clips in line above which nothing more is bought: about half a second of work each way, so no
core is ever idle, and no paid link grows old in the line."""


_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores(quota: Path = _QUOTA) -> int:
    """Return how many processors this process may use (Linux), or the machine has.

    In a container that is what its `quota` is worth, rounded up: microseconds of each period, or
    `max` (Linux, "Control Group v2", cpu.max, 2026-11-29). All of a large machine's would take a
    pod's memory.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        allowed_us, period_us = (int(word) for word in quota.read_text("ascii").split())
        return max(1, min(cores, math.ceil(allowed_us / period_us)))
    return cores


class ClipWorkers:
    """Looks into clips with at most so many processes; a context manager that ends them."""

    def __init__(self, most: int = 0, *, longest_s: float = _LONGEST_S) -> None:
        """`most` is how many at once; 0 stands for one on each core.

        A worker that has not answered within `longest_s` is ended.
        """
        self._longest_s = longest_s
        self._most = most or count_cores()
        self._places = asyncio.Semaphore(self._most)
        self._idle: list[asyncio.subprocess.Process] = []
        self._in_line = 0
        self._room = asyncio.Event()
        self._room.set()

    async def __aenter__(self) -> Self:
        """Start nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers."""
        while self._idle:
            await _end(self._idle.pop())

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the ids of the processes that wait for work."""
        return tuple(worker.pid for worker in self._idle)

    async def verify(self, path: Path, *, sha256: str, poster: Path) -> Media:
        """Return what a clip measures once every frame of it was decoded, with its still written.

        MediaFault if it does not play, WorkerLost if no worker lived to tell.
        """
        self._count(1)
        try:
            async with self._places:
                job = {"path": str(path), "poster": str(poster), "sha256": sha256}
                answer = await self._ask(job)
        finally:
            self._count(-1)
        if "fault" in answer:
            raise MediaFault(*answer["fault"])
        return Media(**{**answer["media"], "operations": (), "unfit": ()})

    async def until_room(self) -> None:
        """Wait until the line is short: who buys more than is looked into only makes it longer."""
        await self._room.wait()

    def _count(self, more: int) -> None:
        self._in_line += more
        if self._in_line > self._most * _WAITING_PER_WORKER:
            self._room.clear()
        else:
            self._room.set()

    async def _ask(self, job: Mapping[str, str]) -> dict[str, Any]:
        for _ in range(_ATTEMPTS):
            if self._idle:
                worker = self._idle.pop()
            else:
                # In a session of its own: Ctrl-C is for the run, which ends its workers.
                worker = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "pipeline.media.clip_worker"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    start_new_session=True,
                )
            answer: dict[str, Any] | None = None
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._longest_s):
                        answer = await _exchange(worker, job)
            finally:
                # Only after an answer is it asked again: one that was left in the middle of a job
                # would answer the next with what it was asked before.
                if answer is None:
                    await asyncio.shield(_end(worker))
            if answer is not None:
                self._idle.append(worker)
                return answer
        raise WorkerLost(
            f"the process that looks into clips ended {_ATTEMPTS} times at {Path(job['path']).name}"
        )


async def _exchange(
    worker: asyncio.subprocess.Process, job: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return a worker's answer; None where it ended instead."""
    assert worker.stdin is not None  # noqa: S101 - both were opened with pipes
    assert worker.stdout is not None  # noqa: S101
    try:
        worker.stdin.write(orjson.dumps(job) + b"\n")
        line = await worker.stdout.readline()
    except (BrokenPipeError, ConnectionResetError):
        return None
    return orjson.loads(line) if line.endswith(b"\n") else None


async def _end(worker: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        worker.kill()
    await worker.wait()
