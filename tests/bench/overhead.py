"""What the engine alone costs for each job: submit, polls, a clip of 100 kB that nobody decodes.

Against a bare loop with the same requests over the same transports (`bare_loop`), and beside it
what people write instead. The sandbox is a process of its own and finishes at once; how many
requests a second it answers to a bare client stands in the table, and only the client's CPU
seconds are compared.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from pipeline.providers.base import Request
from tests.architecture.source import REPOSITORY
from tests.bench.bare_loop import (
    KEY,
    Cost,
    measure_bare,
    measure_parallel,
    measure_plain_httpx,
    sent_requests,
    write_campaign,
)
from tests.bench.bench import Bench, Figure
from tests.sandboxes import PLAIN, Sandbox

SCENARIO: Mapping[str, Any] = {**PLAIN, "clip_bytes": 100_000}
_PER_PEER_CLIP = 10
"""A peer's cost is shown per clip, and they need the most of all: each makes a tenth of them."""
_FLOOR_REQUESTS = 5_000
_BARE = "bare loop, same requests and transports"


def run_engine(folder: Path, base_url: str, jobs: int, watch_s: float = 0) -> Mapping[str, Any]:
    """Run the engine over so many jobs in a process of its own; return what it tells of itself."""
    manifest = write_campaign(folder, jobs)
    words = (str(manifest), str(folder / "out"), base_url, str(watch_s))
    ended = subprocess.run(
        (sys.executable, "-m", "tests.bench.engine_run", *words),
        stdout=subprocess.PIPE,
        check=True,
        cwd=REPOSITORY,
    )
    told: Mapping[str, Any] = orjson.loads(ended.stdout)
    return told


async def count_requests_a_second(base_url: str) -> float:
    """Return how many polls of unknown tasks the sandbox answers in a second, 64 at once."""
    asked = [{"taskType": "getResponse", "taskUUID": "00000000-0000-4000-8000-000000000000"}]
    headers = {"authorization": f"Bearer {KEY}"}
    left = iter(range(_FLOOR_REQUESTS))
    async with aiohttp.ClientSession(headers=headers) as session:

        async def work() -> None:
            for _ in left:
                async with session.post(f"{base_url}/v1", json=asked) as reply:
                    await reply.read()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(64)))
        return _FLOOR_REQUESTS / (time.perf_counter() - began)


def measure_peers(
    folder: Path, base_url: str, requests: Mapping[str, Request]
) -> Iterator[tuple[str, Cost]]:
    """Yield what other ways cost for these requests, each with new ids of its own."""
    yield "plain httpx script", measure_plain_httpx(folder / "httpx", base_url, requests)
    parallel = measure_parallel(folder / "parallel", base_url, _renew(requests))
    if parallel is not None:
        yield "GNU parallel -j50, curl", parallel


def measure(jobs: int) -> Iterator[Figure]:
    """Yield what so many jobs cost, the ratio to the bare loop, and what the peers cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Sandbox(folder / "sandbox", SCENARIO) as sandbox:
            base_url = sandbox.base_urls["runware"]
            told = run_engine(folder, base_url, jobs)
            engine = Cost(clock_s=told["clock_s"], cpu_s=told["cpu_s"])
            requests = sent_requests(folder / "out", jobs)
            bare = measure_bare(folder / "bare", base_url, requests, decodes=False)
            peers = dict(islice(_renew(requests).items(), max(1, jobs // _PER_PEER_CLIP)))
            others = list(measure_peers(folder, base_url, peers))
            answered = asyncio.run(count_requests_a_second(base_url))
    yield Figure(work="sandbox, polls of a bare client", value=answered, unit="per s")
    for work, cost, number in (
        (_BARE, bare, jobs),
        ("engine", engine, jobs),
        *((peer, cost, len(peers)) for peer, cost in others),
    ):
        yield Figure(work=f"{work}, CPU", value=1000 * cost.cpu_s / number, unit="ms/job")
        yield Figure(work=f"{work}, clock", value=number / cost.clock_s, unit="jobs/s")
    yield Figure(
        work="engine alone", value=bare.cpu_s / engine.cpu_s, against=f"{_BARE}, CPU", at_least=0.5
    )


def _renew(requests: Mapping[str, Request]) -> dict[str, Request]:
    """Return the same requests under new ids: under a used one nothing is bought."""
    names = [str(uuid4()) for _ in requests]
    return {
        name: replace(request, body=[{**request.body[0], "taskUUID": name}])
        for name, request in zip(names, requests.values(), strict=True)
    }


BENCH = Bench(
    name="overhead",
    measure=measure,
    size=5_000,
    full=5_000,
    small=300,
    usual={"engine alone": 0.38},
)
