"""A run of the engine in a process of its own, with clips that nobody decodes: its cost as JSON.

`python -m tests.bench.engine_run MANIFEST ROOT BASE_URL WATCH_S`. With a watch of 0 seconds it runs
to the end; else until every job is in flight and has been asked for a while, is watched for so
long, and is left there.

Only the run counts, not the start of Python and not the plan: what it costs stands in `clips`. The
product has no switch that leaves a clip unread; the run takes its verifier as a dependency.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path

import orjson

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.api.roots import open_for_work
from pipeline.domain import Event, Media
from pipeline.ledger.price_confirmations import CHARGE, SeenPrice
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers import PROVIDERS
from pipeline.run.runner import RunConfig, RunDependencies, RunHandle
from pipeline.storage.blobs import Store
from tests.bench.bare_loop import KEY, SLOTS, memory_mb

SETTLED_S = 12.0
"""Until tasks are asked for at the longest gap of their offer, and no more often."""
_SUBMITS_PER_S = 100
"""While jobs are only to be in flight: thousands of open submits would be another measurement."""


class UnreadClips:
    """Says of each clip that it is as it was ordered, and reads nothing of it."""

    async def verify(self, path: Path, *, sha256: str, poster: Path) -> Media:
        """Return the measures of the sandbox's clip of 5 seconds."""
        del poster
        return Media(
            source=str(path),
            local=True,
            digest=sha256,
            media_type="video",
            width=720,
            height=1280,
            seconds=5.0,
            fps=2.0,
        )

    async def until_room(self) -> None:
        """Return at once: nothing is ever in line."""


def admit(request: CampaignRequest, ledger: Ledger) -> str:
    """Write the plan and that its price is known; return the campaign's name."""
    campaign = load_campaign(request)
    summary = sync_campaign(campaign, ledger, files=False)
    assert summary.ok, summary.findings
    return campaign.name


async def run_engine(
    ledger: Ledger, root: Path, campaign: str, base_url: str, watch_s: float
) -> None:
    """Make what is planned, or have it in flight for a while; return how often each event came."""
    told: Counter[str] = Counter()

    in_flight = asyncio.Event()

    def observe(event: Event) -> None:
        told[event.name] += 1
        if told["waiting"] == number:
            in_flight.set()

    jobs = await ledger.for_run().planned_jobs(
        campaign=campaign, provider="runware", after=-1, limit=10**6
    )
    number = len(jobs)
    ledger.record_price(SeenPrice(price_class=jobs[0].price, source=CHARGE, seconds=5.0))
    del jobs
    lane = Lane(
        provider="runware",
        key=KEY,
        hosts={"api": base_url},
        concurrency=number if watch_s else SLOTS,
        submit_per_s=_SUBMITS_PER_S if watch_s else 9999,
    )
    async with Transport() as transport:
        dependencies = RunDependencies(
            transport=transport,
            store=Store(root),
            clips=UnreadClips(),
            observer=observe,
        )
        handle = RunHandle(
            ledger,
            RunConfig(campaign=campaign),
            providers=PROVIDERS,
            lanes={"runware": lane},
            dependencies=dependencies,
        )
        began, cpu = time.perf_counter(), time.process_time()
        if watch_s:
            running = asyncio.create_task(handle.work())
            await in_flight.wait()
            await asyncio.sleep(SETTLED_S)
            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.sleep(watch_s)
            assert not running.done()
        else:
            outcome = await handle.work()
            assert not outcome.exit_code, outcome
        cost = {
            "clock_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu,
            "rss_mb": memory_mb("VmRSS"),
            "peak_mb": memory_mb("VmHWM"),
            "events": told,
        }
        sys.stdout.write(orjson.dumps(cost, option=orjson.OPT_NON_STR_KEYS).decode())
        sys.stdout.flush()
        if watch_s:
            # As a power cut would: what is in flight is not waited for.
            os._exit(0)


def main() -> None:
    """Do as the command line says."""
    manifest, root, base_url, watch_s = sys.argv[1:]
    request = CampaignRequest(
        manifest=Path(manifest), project=project_of(Path(manifest)), root=Path(root)
    )
    with open_for_work(request) as ledger:
        campaign = admit(request, ledger)
        asyncio.run(run_engine(ledger, request.home, campaign, base_url, float(watch_s)))


if __name__ == "__main__":
    main()
