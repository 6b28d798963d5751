"""What a whole run costs for each clip: bought, asked for, fetched, decoded once, kept, shown.

Against a bare loop that sends the same requests over the same transports to the same sandbox,
writes the clips to files and has them decoded by the same worker processes; it has no ledger, no
plan, no store, no output paths and no report. The sandbox finishes at once, in a process of its
own. What counts on a shared machine is the ratio of CPU seconds, workers included; the sandbox's
are not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import REPOSITORY
from tests.bench.bare_loop import KEY, Cost, measure_bare, sent_requests, write_campaign
from tests.bench.bench import Bench, Figure
from tests.sandboxes import PLAIN, Sandbox


def run_callsheet(folder: Path, base_url: str, clips: int) -> Cost:
    """Make a campaign of so many clips, its first one apart: that one confirms the price."""
    measured = Cost(clock_s=0, cpu_s=0)
    for number in (1, 1 + clips):
        manifest = write_campaign(folder, number)
        words = ("run", str(manifest), "--root", str(folder / "out"), "--yes")
        began = time.perf_counter()
        process = subprocess.Popen(
            (sys.executable, "-m", "pipeline", *words, "--base-url", f"runware={base_url}"),
            env={**os.environ, "RUNWARE_API_KEY": KEY},
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert not process.returncode, process.returncode
        measured = Cost(clock_s=time.perf_counter() - began, cpu_s=usage.ru_utime + usage.ru_stime)
    return measured


def measure(clips: int) -> Iterator[Figure]:
    """Yield what so many clips cost, and the ratio to the bare loop."""
    with tempfile.TemporaryDirectory() as name, Sandbox(Path(name) / "sandbox", PLAIN) as sandbox:
        folder, base_url = Path(name), sandbox.base_urls["runware"]
        whole = run_callsheet(folder, base_url, clips)
        requests = sent_requests(folder / "out", clips)
        bare = measure_bare(folder / "bare", base_url, requests, decodes=True)
    for work, cost in ((_BARE, bare), ("whole run", whole)):
        yield Figure(work=f"{work}, CPU", value=1000 * cost.cpu_s / clips, unit="ms/clip")
    yield Figure(
        work="whole run", value=bare.cpu_s / whole.cpu_s, against=f"{_BARE}, CPU", at_least=0.7
    )


_BARE = "bare loop that decodes"
BENCH = Bench(
    name="clips",
    measure=measure,
    size=2_000,
    full=2_000,
    small=40,
    usual={"whole run": 0.37},
)
