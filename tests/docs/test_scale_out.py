"""The example files of the page about several machines: as far as one machine can tell."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.api.node_worker import ADDRESS
from pipeline.cli.command_line import callsheet
from tests.architecture.source import REPOSITORY

FOLDER = REPOSITORY / "docs" / "scale-out"
PAGE = (REPOSITORY / "docs" / "scale-out.md").read_text("utf-8")
EXAMPLES = sorted(FOLDER.iterdir())
SCRIPTS = [path for path in EXAMPLES if path.suffix != ".yaml"]
SAID = {
    '"$@"': "run june.yaml --yes",
    "$manifest": "june.yaml",
    "$ledger": "postgresql://studio@db.example/clips",
    "$head": "first",
    "$first": "first",
    "$client": "10001",
}
"""What stands for a script's variables."""
_COMMAND = re.compile(r"^(?:\.venv/bin/)?(callsheet .*?)( &)?$", re.MULTILINE)


def _by_name(path: Path) -> str:
    return path.name


def _commands(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    if path.suffix == ".yaml":
        return [yaml.safe_load(text)["spec"]["entrypoint"]]
    for variable, value in SAID.items():
        text = text.replace(variable, value)
    return [found[1] for found in _COMMAND.finditer(text)]


@pytest.mark.parametrize("path", EXAMPLES, ids=_by_name)
def test_its_callsheet_command_is_one(path: Path) -> None:
    """Its words are those of the command line, its engine is an address, its ledger a server."""
    (command,) = _commands(path)
    _, name, *words = shlex.split(command)
    found = callsheet.get_command(None, name)
    assert found is not None

    given = found.make_context(name, words).params

    assert ADDRESS.fullmatch(given["engine"])
    assert given["ledger"].startswith("postgresql://")
    assert given["yes"]


@pytest.mark.parametrize("path", SCRIPTS, ids=_by_name)
def test_a_script_is_one(path: Path) -> None:
    """Bash reads it to its end, and it may be executed."""
    read = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)

    assert (0, "") == (read.returncode, read.stderr)
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize("path", EXAMPLES, ids=_by_name)
def test_its_head_says_what_was_not_tried(path: Path) -> None:
    """Nobody takes an example for more than it is; and the page leads to it."""
    head = path.read_text("utf-8").partition("\nset -")[0].partition("\napiVersion")[0]

    assert "Tried: " in head
    assert "Not tried: " in head
    assert f"(scale-out/{path.name})" in PAGE


def test_the_options_of_slurm_are_options() -> None:
    """Each of SLURM's lines has the form of a long option, and stands before any command."""
    text = (FOLDER / "slurm.sbatch").read_text("utf-8")
    lines = re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)

    assert lines
    assert all(re.fullmatch(r"--[a-z-]+=\S+", line) for line in lines)
    assert "#SBATCH" not in text.partition("\nset -")[2]


def test_the_ray_job_is_an_object_of_kubernetes() -> None:
    """Kind, version, name; each pod has containers whose mounts name volumes of the pod."""
    job = yaml.safe_load((FOLDER / "kuberay-rayjob.yaml").read_text("utf-8"))

    assert ("ray.io/v1", "RayJob") == (job["apiVersion"], job["kind"])
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", job["metadata"]["name"])
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(group["groupName"] and group["replicas"] for group in groups[1:])
    assert {"num-cpus": "0"} == groups[0]["rayStartParams"]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in _containers(pod):
            assert container["name"]
            assert container["image"]
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            assert mounts <= volumes.keys()
    # Workers are to have the keys, and the same project as the head.
    assert groups[0]["template"] == groups[1]["template"]


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from pod["initContainers"]
    yield from pod["containers"]
