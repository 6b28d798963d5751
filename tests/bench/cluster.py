"""How long several machines take for a campaign: nodes of a Ray cluster, a ledger on a server.

All of it is on this one machine, the sandbox too: what is seen is what handing out, waiting and the
ledger cost, not what more machines bring. Where Ray or PostgreSQL is missing, nothing is measured.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from tests.architecture.source import REPOSITORY
from tests.bench.bare_loop import KEY, SLOTS, write_campaign
from tests.bench.bench import Bench, Figure
from tests.postgresql import PostgresqlServer, is_installed
from tests.ray_cluster import RayCluster
from tests.sandboxes import PLAIN, Sandbox

_TASK_S = 60.0
"""How long a task runs where the schedule is what is measured."""
_SCHEDULED = 2_000
"""More jobs of such tasks take longer, and tell no more."""
_WORKERS = (1, 2, 4)
_KEYS = {"RUNWARE_API_KEY": KEY}


def measure_seconds(server: PostgresqlServer, *, workers: int, jobs: int, task_s: float) -> float:
    """Return the seconds from the first task to the last clip; the price was confirmed before."""
    quick = {"accept_s": 0, "run_s": 0}
    with (
        tempfile.TemporaryDirectory() as name,
        Sandbox(Path(name) / "sandbox", {**PLAIN, "timing": quick}) as sandbox,
        RayCluster(_KEYS, nodes=workers) as cluster,
    ):
        folder, url = Path(name), server.ledger()
        given = ["--ledger", url, "--base-url", f"runware={sandbox.base_urls['runware']}"]
        _run_callsheet(write_campaign(folder, 1), given, {})
        sandbox.set(timing={"accept_s": 0, "run_s": task_s})
        given += ["--engine", cluster.address]
        _run_callsheet(write_campaign(folder, 1 + jobs), given, cluster.variables)
        began: list[float] = sorted(task["created_at"] for task in sandbox.tasks("runware"))
        assert jobs + 1 == len(began)
        return max(clip.stat().st_ctime for clip in (folder / "out").rglob("*.mp4")) - began[1]


def _run_callsheet(manifest: Path, given: list[str], variables: Mapping[str, str]) -> None:
    root = manifest.parent / "out"
    words = ("run", str(manifest), "--root", str(root), "--yes", "--quiet", *given)
    subprocess.run(
        (sys.executable, "-m", "pipeline", *words),
        env={**os.environ, **_KEYS, **variables},
        stdout=subprocess.DEVNULL,
        check=True,
        cwd=REPOSITORY,
    )


def measure(jobs: int) -> Iterator[Figure]:
    """Yield how much longer than possible two workers take, and how many jobs a second go through.

    The first is of 2,000 jobs at most, of tasks that run for a minute; the others end at once.
    """
    if find_spec("ray") is None or not is_installed():
        work = "several machines: Ray or PostgreSQL is missing"
        yield Figure(work=work, value=math.nan)
        return
    with PostgresqlServer() as server:
        number = min(jobs, _SCHEDULED)
        taken_s = measure_seconds(server, workers=2, jobs=number, task_s=_TASK_S)
        ideal_s = math.ceil(number / (2 * SLOTS)) * _TASK_S
        yield Figure(
            work=f"makespan, {number} tasks of {_TASK_S:g} s, 2 workers",
            value=taken_s / ideal_s,
            against=f"{2 * SLOTS} slots that are never empty",
            at_most=1.4,
        )
        for workers in _WORKERS:
            taken_s = measure_seconds(server, workers=workers, jobs=jobs, task_s=0)
            work = f"{jobs} clips of a few kB, workers: {workers}"
            yield Figure(work=work, value=jobs / taken_s, unit="jobs/s")


BENCH = Bench(name="cluster", measure=measure, size=2_000, full=100_000)
