"""The floors of the engine: a loop that sends the same requests, and what people write instead.

`run_bare` sends what a run has sent, over the same transports and through the same adapter, and
keeps no books: no ledger, plan, store, output paths or report.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson

from pipeline.ledger import payload
from pipeline.media.clip_workers import ClipWorkers
from pipeline.net.client import Transport
from pipeline.net.encoding import fill_placeholders
from pipeline.net.lane import Lane
from pipeline.providers import PROVIDERS
from pipeline.providers.base import CLIENT_ID, Accepted, Done, Request, TaskRef
from pipeline.run.provider_client import ProviderClient

KEY = "key-of-the-measured-runs"
SLOTS = 200
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


def write_campaign(folder: Path, clips: int, slots: int = SLOTS) -> Path:
    """Write a campaign of so many clips of 5 seconds, and return its manifest."""
    rows = "\n".join(f"word-{number}" for number in range(clips))
    (folder / "lines.csv").write_text(f"word\n{rows}\n", "utf-8")
    manifest = folder / "clips.yaml"
    manifest.write_text(_MANIFEST.format(slots=slots), "utf-8")
    return manifest


def sent_requests(root: Path, clips: int) -> dict[str, Request]:
    """Return the requests that a run has sent, by the new client id that each has."""
    with closing(sqlite3.connect(root / ".callsheet" / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT request FROM purchases ORDER BY id DESC LIMIT ?", (clips,))
        kept = [orjson.loads(row[0]) for row in rows]
    return {
        (own := str(uuid4())): fill_placeholders(
            payload.request(each["request"]), {**each["values"], CLIENT_ID: own}
        )
        for each in kept
    }


async def run_bare(
    folder: Path, lane: Lane, requests: Mapping[str, Request], workers: ClipWorkers | None
) -> None:
    """Send, ask, fetch and keep no books; have clips decoded where there are workers."""
    places, cadence = asyncio.Semaphore(SLOTS), PROVIDERS["runware"].offer.cadence
    async with Transport() as transport:
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
            if workers is not None:
                poster = folder / f"{name}.jpg"
                await workers.verify(clip, sha256=seen.hexdigest(), poster=poster)

        await asyncio.gather(*(make(name, request) for name, request in requests.items()))


def measure_bare(
    folder: Path, base_url: str, requests: Mapping[str, Request], *, decodes: bool
) -> Cost:
    """Return what the bare loop costs in this process and its workers."""
    folder.mkdir()
    lane = Lane(provider="runware", key=KEY, hosts={"api": base_url})

    async def work() -> None:
        if decodes:
            async with ClipWorkers() as workers:
                await run_bare(folder, lane, requests, workers)
        else:
            await run_bare(folder, lane, requests, None)

    before, began = cpu_seconds(), time.perf_counter()
    asyncio.run(work())
    return Cost(clock_s=time.perf_counter() - began, cpu_s=cpu_seconds() - before)


def measure_plain_httpx(folder: Path, base_url: str, requests: Mapping[str, Request]) -> Cost:
    """Return what a script as people write it costs: asyncio, httpx as it comes, a semaphore."""
    folder.mkdir()

    async def work() -> None:
        places = asyncio.Semaphore(SLOTS)
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:

            async def make(name: str, body: Any) -> None:
                async with places:
                    accepted = await client.post(f"{base_url}/v1", json=body)
                    accepted.raise_for_status()
                    item: dict[str, Any] = {}
                    while item.get("status") != "success":
                        await asyncio.sleep(1)
                        asked = [{"taskType": "getResponse", "taskUUID": name}]
                        reply = await client.post(f"{base_url}/v1", json=asked)
                        item = next(iter(reply.json()["data"]), {})
                async with httpx.AsyncClient(timeout=60, trust_env=False) as unsigned:
                    clip = await unsigned.get(item["videoURL"])
                (folder / f"{name}.mp4").write_bytes(clip.content)

            await asyncio.gather(*(make(name, each.body) for name, each in requests.items()))

    before, began = cpu_seconds(), time.perf_counter()
    asyncio.run(work())
    return Cost(clock_s=time.perf_counter() - began, cpu_s=cpu_seconds() - before)


_JOB = r"""
name=$(basename "$1" .json)
ask="[{\"taskType\":\"getResponse\",\"taskUUID\":\"$name\"}]"
post() {
  curl -sf --noproxy '*' --data "$1" "$URL/v1" \
    -H "authorization: Bearer $KEY" -H 'content-type: application/json'
}
post "@$1" > /dev/null || exit 1
while :; do
  sleep 1
  link=$(post "$ask" | sed -n 's/.*"videoURL":"\([^"]*\)".*/\1/p')
  [ -z "$link" ] || break
done
curl -sf --noproxy '*' -o "$name.mp4" "$link"
"""


def measure_parallel(folder: Path, base_url: str, requests: Mapping[str, Request]) -> Cost | None:
    """Return what GNU parallel with curl costs, 50 at once; None where they are not installed."""
    if shutil.which("parallel") is None or shutil.which("curl") is None:
        return None
    folder.mkdir()
    for name, request in requests.items():
        (folder / f"{name}.json").write_bytes(orjson.dumps(request.body))
    (folder / "job.sh").write_text(_JOB, "utf-8")
    words: Sequence[str] = ("parallel", "-j50", "--will-cite", "sh job.sh {}", ":::")
    files = [f"{name}.json" for name in requests]
    before, began = cpu_seconds(), time.perf_counter()
    subprocess.run(
        (*words, *files), cwd=folder, check=True, env={**os.environ, "KEY": KEY, "URL": base_url}
    )
    return Cost(clock_s=time.perf_counter() - began, cpu_s=cpu_seconds() - before)


def cpu_seconds() -> float:
    """Return the seconds of the processors that this process and its ended children took."""
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in every)


def memory_mb(name: str) -> float:
    """Return a figure of this process's memory, as Linux tells it: `VmRSS` now, `VmHWM` the most.

    `ru_maxrss` of a child begins with what the process had that started it.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(kilobytes) / 1000
