"""How long several machines take for a campaign: nodes of a Ray cluster, a ledger on a server.

All of it is on this one machine, the sandbox too: what is seen is what handing out, waiting and the
ledger cost, not what more machines bring. Where Ray or PostgreSQL is missing, nothing is measured.
`python -m tests.bench cluster --size 100000` is the drill.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import orjson

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
_GROWTH = ((1, 0.3), (2, 0.3), (4, 0.4))
"""With how many workers which part of a campaign is made: nodes join while it is worked on."""
_JOINED = 1 / 3
"""Of each such part so much is not looked at: the nodes that joined read the manifest."""
_KEYS = {"RUNWARE_API_KEY": KEY}


@contextmanager
def _start_cluster(
    server: PostgresqlServer, workers: int
) -> Iterator[tuple[Path, list[str], Sandbox, RayCluster]]:
    """Yield a folder whose campaign's price is confirmed, how it is run, and who works on it."""
    with (
        tempfile.TemporaryDirectory() as name,
        Sandbox(Path(name) / "sandbox", PLAIN) as sandbox,
        RayCluster(_KEYS, nodes=workers) as cluster,
    ):
        folder, url = Path(name), server.ledger()
        given = ["--ledger", url, "--base-url", f"runware={sandbox.base_urls['runware']}"]
        _run_callsheet(write_campaign(folder, 1), given, {})
        yield folder, [*given, "--engine", cluster.address], sandbox, cluster


def measure_seconds(
    server: PostgresqlServer, *, workers: int, jobs: int, task_s: float, slots: int = SLOTS
) -> float:
    """Return the seconds from the first task to the last clip; the price was confirmed before.

    The account takes `slots` tasks at once for each of the workers: what is written in a manifest
    is a limit over all of them.
    """
    with _start_cluster(server, workers) as (folder, given, sandbox, cluster):
        sandbox.set(timing={"accept_s": 0, "run_s": task_s})
        manifest = write_campaign(folder, 1 + jobs, workers * slots)
        _run_callsheet(manifest, given, cluster.variables)
        began: list[float] = sorted(task["created_at"] for task in sandbox.tasks("runware"))
        assert jobs + 1 == len(began)
        return max(clip.stat().st_ctime for clip in (folder / "out").rglob("*.mp4")) - began[1]


def measure_rates(server: PostgresqlServer, jobs: int) -> Iterator[tuple[int, float]]:
    """Yield how many clips a second so many workers make, of a campaign whose tasks end at once.

    The account takes as many at once as the greatest number of workers has slots. Raises
    AssertionError unless each clip was billed once.
    """
    with _start_cluster(server, _GROWTH[0][0]) as (folder, given, sandbox, cluster):
        manifest = write_campaign(folder, 1 + jobs, _GROWTH[-1][0] * SLOTS)
        run = subprocess.Popen(
            _command(manifest, [*given, "--format", "ndjson"]),
            env={**os.environ, **_KEYS, **cluster.variables},
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        # Nodes start aside: the run would wait for whoever reads its events.
        with run, ThreadPoolExecutor(1) as aside:
            assert run.stdout is not None
            made = _moments(run.stdout)
            for workers, part in _GROWTH:
                grown = aside.submit(cluster.grow, workers)
                moments = list(islice(made, round(part * jobs)))
                grown.result()
                seen = moments[round(_JOINED * len(moments)) :]
                yield workers, (len(seen) - 1) / (seen[-1] - seen[0])
            assert not list(made)
        assert run.returncode == 0
        assert len(sandbox.tasks("runware")) == 1 + jobs


def _moments(events: Iterable[bytes]) -> Iterator[float]:
    """Yield when each clip was made, as the run tells it."""
    for line in events:
        if b'"event":"done"' in line:
            yield datetime.fromisoformat(orjson.loads(line)["at"]).timestamp()


def _run_callsheet(manifest: Path, given: list[str], variables: Mapping[str, str]) -> None:
    subprocess.run(
        _command(manifest, given),
        env={**os.environ, **_KEYS, **variables},
        stdout=subprocess.DEVNULL,
        check=True,
        cwd=REPOSITORY,
    )


def _command(manifest: Path, given: list[str]) -> list[str]:
    root = manifest.parent / "out"
    words = ("run", str(manifest), "--root", str(root), "--yes", "--quiet", *given)
    return [sys.executable, "-m", "pipeline", *words]


def measure(jobs: int) -> Iterator[Figure]:
    """Yield how much longer than possible two workers take, and how many jobs a second go through.

    The first is of 2,000 jobs at most, of tasks that run for a minute; those of the others end at
    once, and all of them are one campaign, in which nodes join.
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
        for workers, rate in measure_rates(server, jobs):
            work = f"{jobs} clips of a few kB, workers: {workers}"
            yield Figure(work=work, value=rate, unit="jobs/s")


BENCH = Bench(name="cluster", measure=measure, size=10_000, full=100_000)
