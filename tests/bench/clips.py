"""What a whole run costs for each clip: bought, asked for, fetched, decoded once, kept, shown.

Against a bare loop that sends the same requests over the same transports to the same sandbox,
writes the clips to files and has them decoded by the same worker processes; it has no ledger, no
plan, no store, no output paths and no report. The sandbox finishes at once, in a process of its
own. What counts on a shared machine is the ratio of CPU seconds, workers included; the sandbox's
are not.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from uuid import uuid4

import orjson

from pipeline.ledger import payload
from pipeline.media.clip_workers import ClipWorkers
from pipeline.net.client import Transport
from pipeline.net.encoding import fill_placeholders
from pipeline.net.lane import Lane
from pipeline.providers import PROVIDERS
from pipeline.providers.base import CLIENT_ID, Accepted, Done, Request, TaskRef
from pipeline.run.provider_client import ProviderClient
from tests.architecture.source import REPOSITORY
from tests.bench.bench import Bench, Figure
from tests.sandboxes import PLAIN, Sandbox

_KEY = "key-of-the-measured-runs"
_MANIFEST = """\
callsheet: 1
name: clips
defaults: {{provider: runware, duration: 5, aspect_ratio: "9:16"}}
tables: {{lines: {{file: lines.csv, key: word, as: line}}}}
providers: {{runware: {{concurrency: {slots}, submit_rate: 9999/s}}}}
shots: [{{id: turn, for: lines, prompt: "The word {{{{ line.word }}}} turns, no other text."}}]
budget: {{limit: 100000 USD}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of the clock and of the processors."""

    clock_s: float
    cpu_s: float


def run_callsheet(folder: Path, sandbox: Sandbox, clips: int, slots: int) -> Cost:
    """Make a campaign of so many clips, its first one apart: that one confirms the price."""
    (folder / "clips.yaml").write_text(_MANIFEST.format(slots=slots), "utf-8")
    words = ("run", str(folder / "clips.yaml"), "--root", str(folder / "out"), "--yes")
    address = ("--base-url", f"runware={sandbox.base_urls['runware']}")
    measured = Cost(clock_s=0, cpu_s=0)
    for number in (1, 1 + clips):
        rows = "\n".join(f"word-{n}" for n in range(number))
        (folder / "lines.csv").write_text(f"word\n{rows}\n", "utf-8")
        began = time.perf_counter()
        process = subprocess.Popen(
            (sys.executable, "-m", "pipeline", *words, *address),
            env={**os.environ, "RUNWARE_API_KEY": _KEY},
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert not process.returncode, process.returncode
        measured = Cost(clock_s=time.perf_counter() - began, cpu_s=usage.ru_utime + usage.ru_stime)
    return measured


def sent_requests(folder: Path, clips: int) -> dict[str, Request]:
    """Return the requests that a run has sent, by the new client id that each has."""
    with closing(sqlite3.connect(folder / "out" / ".callsheet" / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT request FROM purchases ORDER BY id DESC LIMIT ?", (clips,))
        kept = [orjson.loads(row[0]) for row in rows]
    return {
        (own := str(uuid4())): fill_placeholders(
            payload.request(each["request"]), {**each["values"], CLIENT_ID: own}
        )
        for each in kept
    }


async def run_bare(folder: Path, lane: Lane, requests: Mapping[str, Request], slots: int) -> None:
    """Send, ask, fetch and decode, and keep no books."""
    places, cadence = asyncio.Semaphore(slots), PROVIDERS["runware"].offer.cadence
    async with Transport() as transport, ClipWorkers() as workers:
        client = ProviderClient(PROVIDERS["runware"], lane, transport)

        async def make(name: str, request: Request) -> None:
            async with places:
                accepted = await client.submit(request, name)
                assert isinstance(accepted, Accepted), accepted
                task = TaskRef(task=accepted.task, client_id=name)
                state: object = None
                for pause_s in chain([cadence.first_s], repeat(cadence.every_s)):
                    await asyncio.sleep(pause_s)
                    state = await client.status(task)
                    if isinstance(state, Done):
                        break
            assert isinstance(state, Done)
            clip, seen = folder / f"{name}.mp4", hashlib.sha256()
            async with transport.download(lane, state.output) as download:
                with clip.open("wb") as file:
                    async for chunk in download.chunks():
                        file.write(chunk)
                        seen.update(chunk)
            poster = folder / f"{name}.jpg"
            await workers.verify(clip, sha256=seen.hexdigest(), poster=poster)

        await asyncio.gather(*(make(name, request) for name, request in requests.items()))


def measure_bare(
    folder: Path, sandbox: Sandbox, requests: Mapping[str, Request], slots: int
) -> Cost:
    """Return what the bare loop costs in this process and its workers."""
    folder.mkdir()
    lane = Lane(provider="runware", key=_KEY, hosts={"api": sandbox.base_urls["runware"]})
    before, began = _cpu_seconds(), time.perf_counter()
    asyncio.run(run_bare(folder, lane, requests, slots))
    return Cost(clock_s=time.perf_counter() - began, cpu_s=_cpu_seconds() - before)


def measure(clips: int) -> Iterator[Figure]:
    """Yield what so many clips cost, and the ratio to the bare loop."""
    with tempfile.TemporaryDirectory() as name, Sandbox(Path(name) / "sandbox", PLAIN) as sandbox:
        folder = Path(name)
        whole = run_callsheet(folder, sandbox, clips, _SLOTS)
        requests = sent_requests(folder, clips)
        bare = measure_bare(folder / "bare", sandbox, requests, _SLOTS)
    for work, cost in ((_BARE, bare), ("run", whole)):
        yield Figure(work=f"{work}, CPU", value=1000 * cost.cpu_s / clips, unit="ms/clip")
    yield Figure(
        work=f"whole run, {clips} clips: CPU",
        value=bare.cpu_s / whole.cpu_s,
        against=_BARE,
        at_least=0.7,
    )


_SLOTS = 200
_BARE = "bare loop that decodes"
BENCH = Bench(name="clips", measure=measure, size=2_000, full=2_000)


def _cpu_seconds() -> float:
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in every)
