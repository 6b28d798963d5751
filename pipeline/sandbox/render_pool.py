"""Have clips made by render workers, in processes of their own, so that the server stays quick.

A worker is asked and answers by one line of JSON, hangs on its standard input (it ends when the
sandbox does, however that ends), and is started when there is work. Clips are kept by content.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import CallsheetError

_LINE_BYTES = 1 << 20
# A worker may have died while it was idle; what ends two of them is not tried again.
_ATTEMPTS = 2


class NotRendered(CallsheetError):  # noqa: N818 - named for what it says, as the whole tree is
    """A worker could not do its job; the text is the worker's."""


class RenderPool:
    """At most so many render workers, and the clips they have made."""

    def __init__(self, root: Path, workers: int = 2) -> None:
        self._clips = root / "clips"
        self._uploads = root / "uploads"
        self._places = asyncio.Semaphore(workers)
        self._idle: list[asyncio.subprocess.Process] = []
        self._busy: set[asyncio.subprocess.Process] = set()
        self._rendering: dict[str, asyncio.Task[Mapping[str, Any]]] = {}
        self._known: set[str] = set()

    def path(self, clip: str) -> Path:
        """Return where a rendered clip is."""
        return self._clips / clip

    def ready(self, spec: Mapping[str, Any]) -> str | None:
        """Return the clip that shows this, if it has been made already."""
        name = _clip_name(spec)
        # The disk is asked once: a plain clip is asked for by every task of a load test.
        if name not in self._known and self.path(name).exists():
            self._known.add(name)
        return name if name in self._known else None

    async def clip(self, spec: Mapping[str, Any]) -> str:
        """Return the clip that shows this, made once; raises NotRendered."""
        name = _clip_name(spec)
        if self.ready(spec) is None:
            if name not in self._rendering:
                job = {"job": "render", "reel": spec, "path": str(self.path(name))}
                work = asyncio.create_task(self._ask({**job, "uploads": str(self._uploads)}))
                self._rendering[name] = work
                work.add_done_callback(lambda _: self._rendering.pop(name))
            # One task given up must not stop what others wait for.
            await asyncio.shield(self._rendering[name])
        return name

    async def probe(self, path: Path) -> Mapping[str, Any]:
        """Return width, height, seconds and fps of a video; raises NotRendered."""
        return await self._ask({"job": "probe", "path": str(path)})

    async def close(self) -> None:
        """Stop the workers."""
        for work in self._rendering.values():
            work.cancel()
        for worker in (*self._idle, *self._busy):
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()

    async def _ask(self, job: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._places:
            for _ in range(_ATTEMPTS):
                answer = await self._attempt(job)
                if answer is not None:
                    break
            else:
                raise NotRendered("the render worker ended without an answer")
        if "error" in answer:
            raise NotRendered(str(answer["error"]))
        return answer

    async def _attempt(self, job: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a worker's answer; None where it ended instead."""
        if self._idle:
            worker = self._idle.pop()
        else:
            # In a session of its own: Ctrl-C is for the sandbox, which ends its workers.
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pipeline.sandbox.render"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
                start_new_session=True,
            )
        self._busy.add(worker)
        assert worker.stdin is not None  # noqa: S101 - both were opened with pipes
        assert worker.stdout is not None  # noqa: S101
        try:
            worker.stdin.write(orjson.dumps(job) + b"\n")
            line = await worker.stdout.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        finally:
            self._busy.discard(worker)
        if not line:
            return None
        # Back among the idle ones only after an answer: one that died is never asked again.
        self._idle.append(worker)
        answer: dict[str, Any] = orjson.loads(line)
        return answer


def _clip_name(spec: Mapping[str, Any]) -> str:
    # The same picture, the same name: the same data is rendered once.
    content = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
    return f"{hashlib.sha256(content).hexdigest()[:32]}.{spec['format']}"
