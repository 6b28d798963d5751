"""A campaign that two nodes work on which have nothing of its project: files go through a store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import FIGURE
from tests.machine.cluster import ASKS, SETTLES, ClusterDrill, Size, keys, scenario
from tests.postgresql import PostgresqlServer
from tests.ray_cluster import RayCluster
from tests.sandboxes import Sandbox

SIZE = Size(settled=30, asked=10, away_s=0, hung_s=0, times=1, slots=4)
NOTICE = "address from outside the manifest: "
_GUARD = """\
import os, sys
_FORBIDDEN = {project!r}
_EVENTS = {{"open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.link"}}
def _refuse(event, arguments):
    if event in _EVENTS and arguments and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.fsdecode(arguments[0])
        if path.startswith(_FORBIDDEN):
            os.write(_LOG, (event + " " + path + chr(10)).encode())
            raise PermissionError(13, "this machine has no such folder", path)
_LOG = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sys.addaudithook(_refuse)
"""
"""Keeps each Python process that begins with it from all that is below the project's folder."""


# One cluster on a machine at a time: two take ports from each other, and the other one is in every
# run. What a node and the starting process do is tested in `tests/unit/run/test_shared_files.py`.
@pytest.mark.drill
@pytest.mark.timeout(600)
def test_nodes_need_nothing_of_the_project(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each clip is made once, from its own photo, and lies at its path, also where parts die.

    A node and the driver are killed. The nodes have folders of their own, and what they try to open
    of the project is refused.
    """
    pytest.importorskip("ray", reason="needs `pip install 'callsheet[ray]'`")
    project, own, log = tmp_path / "project", tmp_path / "nodes", tmp_path / "tried"
    photos = project / "photos"
    for folder in (photos, own / "tmp", own / "guard"):
        folder.mkdir(parents=True)
    for number in range(max(SIZE.items.values())):
        picture = Image.new("RGB", (360, 640), (number * 8, 90, 200 - number * 5))
        picture.save(photos / f"{number:05}.png")
    guard = _GUARD.format(project=str(project), log=str(log))
    (own / "guard" / "sitecustomize.py").write_text(guard, "utf-8")
    places = {"HOME": str(own), "TMPDIR": str(own / "tmp"), "PYTHONPATH": str(own / "guard")}
    with (
        Sandbox(tmp_path / "sandbox", scenario(1.0)) as sandbox,
        PostgresqlServer() as server,
        RayCluster({**keys(), **places}) as cluster,
    ):
        drill = ClusterDrill(
            size=SIZE,
            folder=project,
            sandbox=sandbox,
            server=server,
            cluster=cluster,
            store=str(tmp_path / "shared"),
            happenings=("kill_node", "kill_driver"),
        )
        drill.play()
        record_property(FIGURE, drill.sentence)

        assert set() == drill.billed_twice
        # Said by each of the two drivers that needs it, and by no node again.
        notices = Counter(line for line in drill.said.splitlines() if line.startswith(NOTICE))
        assert 2 == max(notices.values()), notices
        assert [0] == drill.exit_codes, drill.said
        assert {"done": SIZE.settled + SIZE.asked} == drill.states()
        for name in (SETTLES, ASKS):
            assert SIZE.items[name] == len(drill.taken(name)) == drill.taken(name).total()
        assert [] == drill.find_wrong()
        assert [] == drill.find_leftovers()
        sent = {file.name for file in (sandbox.state / "uploads").iterdir()}
        assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in photos.iterdir()} == sent
        posters = list((project / "outputs" / ".callsheet" / "posters").glob("*/*.jpg"))
        assert SIZE.settled + SIZE.asked == len(posters)
        # Of the node that was killed there may be one; the other has kept no clip.
        assert len(list((own / "tmp").glob("callsheet-node-*"))) <= 1
    assert "" == log.read_text("utf-8")
