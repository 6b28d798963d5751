"""A campaign that two nodes of a Ray cluster work on, with one ledger on a server."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.postgresql import PostgresqlServer
from tests.processes import run_callsheet
from tests.ray_cluster import RayCluster
from tests.sandboxes import PLAIN, Sandbox

ITEMS = 200
MANIFEST = """\
callsheet: 1
name: cups
tables: {cups: {file: cups.csv, key: sku, as: cup}}
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - {id: still, for: cups, prompt: "Cup {{ cup.sku }} stands on a table, no text."}
budget: {limit: 500 USD}
providers: {runware: {concurrency: 20}}
"""
SCENARIO = {**PLAIN, "timing": {"accept_s": 0, "run_s": 1.0}}
KEYS = {"RUNWARE_API_KEY": "key-of-the-node"}


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """Return the manifest of a campaign whose folder each node can read and write."""
    rows = "\n".join(f"c{number:03}" for number in range(ITEMS))
    (tmp_path / "cups.csv").write_text(f"sku\n{rows}\n", "utf-8")
    (tmp_path / "callsheet.toml").touch()
    manifest = tmp_path / "cups.yaml"
    manifest.write_text(MANIFEST, "utf-8")
    return manifest


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Sandbox]:
    """Return a provider of this test's own."""
    with Sandbox(tmp_path / "sandbox", SCENARIO) as sandbox:
        yield sandbox


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_two_nodes_make_each_clip_once_although_a_worker_is_killed(
    campaign: Path, provider: Sandbox, postgresql_server: PostgresqlServer
) -> None:
    """With a worker killed in the middle the provider has one task for each item, and all end."""
    pytest.importorskip("ray", reason="needs `pip install 'callsheet[ray]'`")
    words = ["run", str(campaign), "--yes", "--ledger", postgresql_server.ledger()]
    words += ["--base-url", f"runware={provider.base_urls['runware']}"]
    with RayCluster(KEYS) as cluster:
        killed: list[int] = []
        over = threading.Event()
        clips = campaign.parent / "outputs" / "cups"
        killing = threading.Thread(target=_kill_one, args=(cluster, clips, killed, over))
        killing.start()
        ended = run_callsheet(
            [*words, "--engine", cluster.address],
            {**KEYS, **cluster.variables},
            folder=campaign.parent,
        )
        over.set()
        killing.join()

    assert (0, 1) == (ended.returncode, len(killed)), ended.stdout + ended.stderr
    assert ITEMS == len(list((campaign.parent / "outputs/cups").rglob("*.mp4")))
    assert ITEMS == len(provider.tasks("runware"))


def _kill_one(cluster: RayCluster, clips: Path, killed: list[int], over: threading.Event) -> None:
    """Kill one of two workers once there are clips of a fourth of the items."""
    while not over.wait(0.2):
        workers = cluster.find_actors()
        if len(workers) == 2 and len(list(clips.rglob("*.mp4"))) >= ITEMS // 4:
            with suppress(ProcessLookupError):
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
            return
