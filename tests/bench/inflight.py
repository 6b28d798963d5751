"""What many jobs in flight at once cost: memory, and CPU for asking after them.

All of a campaign's jobs are accepted and none ends: what is measured is a minute of
nothing but polls, once each task is asked for at the longest gap of its offer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.bench import Bench, Figure
from tests.bench.overhead import run_engine
from tests.sandboxes import PLAIN, Sandbox

_WATCH_S = 60.0
_FOR_EVER = {**PLAIN, "timing": {"accept_s": 0, "run_s": 86_400}}


def measure(jobs: int) -> Iterator[Figure]:
    """Yield the memory and the share of a core that so many jobs in flight take."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Sandbox(folder / "sandbox", _FOR_EVER) as sandbox:
            told = run_engine(folder, sandbox.base_urls["runware"], jobs, _WATCH_S)
    work = f"{jobs} jobs in flight"
    yield Figure(work=f"{work}: RSS", value=told["rss_mb"], unit="MB", at_most=300)
    yield Figure(work=f"{work}: greatest RSS", value=told["peak_mb"], unit="MB", at_most=300)
    share = 100 * told["cpu_s"] / told["clock_s"]
    yield Figure(work=f"{work}: CPU", value=share, unit="% core", at_most=40)


BENCH = Bench(name="inflight", measure=measure, size=10_000, full=10_000)
