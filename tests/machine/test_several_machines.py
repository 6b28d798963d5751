"""A campaign that two nodes of a Ray cluster work on, with one ledger on a server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.providers import OFFERS
from tests.conftest import FIGURE
from tests.machine.cluster import ASKS, SETTLES, ClusterDrill, Size, keys, scenario
from tests.postgresql import PostgresqlServer
from tests.ray_cluster import RayCluster
from tests.sandboxes import Sandbox

SMALL = Size(settled=150, asked=50, away_s=5, hung_s=20, times=1)
"""One of each sort."""
BAD_KEY = "key-of-nobody"
REFUSED = OFFERS[SETTLES].key_env
FEW = Size(settled=8, asked=4, away_s=0, hung_s=0, times=0)
LARGE = Size(settled=4_000, asked=1_000, away_s=30, hung_s=70, times=4, slots=50, patience_s=1_800)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SMALL, id="200", marks=pytest.mark.timeout(1_200)),
        pytest.param(LARGE, id="5000", marks=[pytest.mark.drill, pytest.mark.timeout(7_200)]),
    ],
)
def test_each_clip_is_made_once_whatever_part_dies(
    size: Size, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A worker, a node, the driver and the server end, a node hangs: all is made, and once."""
    pytest.importorskip("ray", reason="needs `pip install 'callsheet[ray]'`")
    with (
        Sandbox(tmp_path / "sandbox", scenario(1.0)) as sandbox,
        PostgresqlServer() as server,
        RayCluster(keys()) as cluster,
    ):
        drill = ClusterDrill(
            size=size, folder=tmp_path, sandbox=sandbox, server=server, cluster=cluster
        )
        drill.play()
        record_property(FIGURE, drill.sentence)

        assert set() == drill.billed_twice
        # A run goes on whatever dies, but for its own process; what is in doubt is a person's.
        assert {0} <= set(drill.exit_codes) <= {0, 13}, drill.said
        assert {"done": size.settled + size.asked} == drill.states()
        for name in (SETTLES, ASKS):
            assert size.items[name] == len(drill.taken(name)) == drill.taken(name).total()
        assert [] == drill.find_wrong()
        assert [] == drill.find_leftovers()


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_a_lane_that_stopped_on_each_node_is_told_at_the_end(tmp_path: Path) -> None:
    """The nodes' key is refused by one provider: exit 12, and why; the other's clips are made."""
    pytest.importorskip("ray", reason="needs `pip install 'callsheet[ray]'`")
    with (
        Sandbox(tmp_path / "sandbox", scenario(0.0)) as sandbox,
        PostgresqlServer() as server,
        RayCluster({**keys(), REFUSED: BAD_KEY}) as cluster,
    ):
        sandbox.set(accounts={BAD_KEY: "bad"})
        drill = ClusterDrill(
            size=FEW, folder=tmp_path, sandbox=sandbox, server=server, cluster=cluster
        )
        drill.play(rounds=1)

        assert [12] == drill.exit_codes, drill.said
        assert {"done": FEW.asked, "held": FEW.settled} == drill.states(), drill.said
        assert "lane_stopped" in drill.said
