"""The engine of a cluster whose machines cannot all do what a run asks of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY
from tests.machine.odd_workers import KILLED, UNREADABLE
from tests.ray_cluster import RayCluster

_NODES = 2
FULL = "the disk is full"


@pytest.mark.timeout(600)
def test_who_cannot_work_is_told_of_and_left_out(tmp_path: Path) -> None:
    """The others make all of the plan; where there is none left, the run ends and says why."""
    pytest.importorskip("ray", reason="needs `pip install 'callsheet[ray]'`")
    with RayCluster({"PYTHONPATH": str(REPOSITORY)}, nodes=_NODES) as cluster:
        machine = os.uname().nodename

        *told, last = _play(cluster, tmp_path / "one", FULL, 1)
        assert f"{machine} cannot work for this run: {FULL}" in told
        assert f"{machine} is gone: 1 machine left" in told
        assert last.startswith("DispatchOutcome(shards=10, begun=1000, lost=")

        *told, last = _play(cluster, tmp_path / "all", FULL, _NODES)
        assert last.startswith("unusable: no machine of the cluster at")
        assert _NODES == last.count(FULL)
        *told, last = _play(cluster, tmp_path / "killed", KILLED, _NODES)
        assert "its process was started once and ended no shard" in last
        *told, last = _play(cluster, tmp_path / "unreadable", UNREADABLE, _NODES)
        assert "No module named 'callsheet_of_another_day'): is Callsheet" in last


def _play(cluster: RayCluster, folder: Path, fault: str, nodes: int) -> list[str]:
    """Return the lines that a plan of a thousand items, with a fault on so many nodes, prints."""
    folder.mkdir()
    words = ("tests.machine.odd_workers", cluster.address, str(folder), fault, str(nodes))
    ended = subprocess.run(
        (sys.executable, "-m", *words),
        env={**os.environ, **cluster.variables, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        check=True,
        cwd=REPOSITORY,
        text=True,
    )
    return ended.stdout.splitlines()
