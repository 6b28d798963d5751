"""The example files of the page about several machines: as far as one machine can tell."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.api.node_worker import ADDRESS
from pipeline.cli.command_line import callsheet, invoke
from tests.architecture.source import REPOSITORY
from tests.docs.blocks import blocks
from tests.postgresql import PostgresqlServer
from tests.sandboxes import Sandbox

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
_BLOCKS = list(blocks(re.sub(r"^ {3}(?=\S|  )", "", PAGE, flags=re.MULTILINE)))
"""Those of the page; in a list they are indented."""
MANIFEST = """\
callsheet: 1
name: cups
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots: [{id: still, prompt: "A cup stands on a table, no text."}]
budget: {limit: 20 USD}
"""
NOTE = 'echo "$(basename "$0") $*" >>"$NOTES"'
"""What a program in another's place does: it notes how it was called."""
RAY = f"""\
{NOTE}
echo "ray with $RUNWARE_API_KEY, ${{#RAY_AUTH_TOKEN}}" >>"$NOTES"
case "$*" in *--head*) [ ! -e "$BUSY" ] || exit 1 ;; esac
echo Ray runtime started.
case "$*" in *--block*) exec sleep 60 ;; esac
"""
SRUN = f"""\
{NOTE}
while [ "${{1#--}}" != "$1" ]; do shift; done
exec "$@"
"""
WORK = """\
trap 'kill $!; exit 17' TERM
until grep -q "srun --nodes=2" "$NOTES"; do sleep 0.1; done
sleep 60 &
echo at work
wait
"""
"""A run that is at work until it is told to end."""


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
    """Each of SLURM's lines has the form of a long option, and stands before any command.

    `--no-kill` has no value but `off`.
    """
    text = (FOLDER / "slurm.sbatch").read_text("utf-8")
    lines = re.findall(r"^#SBATCH (.*)$", text, re.MULTILINE)

    assert lines
    assert all(re.fullmatch(r"--[a-z-]+=\S+|--no-kill", line) for line in lines)
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


def test_the_commands_of_the_page_are_commands() -> None:
    """Bash reads each block, and `callsheet` in it is called as its command line allows."""
    scripts = [block.text for block in _BLOCKS if block.language == "sh"]
    assert scripts
    for script in scripts:
        read = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (0, "") == (read.returncode, read.stderr)
        for found in _COMMAND.finditer(script):
            _, name, *words = shlex.split(found[1])
            command = callsheet.get_command(None, name)
            assert command is not None
            assert command.make_context(name, words).params["ledger"].startswith("postgresql://")


def test_the_cluster_of_the_page_is_that_of_the_job() -> None:
    """Image, claim and secrets have the version and the names that the job takes them by."""
    job = yaml.safe_load((FOLDER / "kuberay-rayjob.yaml").read_text("utf-8"))
    cluster = job["spec"]["rayClusterSpec"]
    pod = cluster["headGroupSpec"]["template"]["spec"]
    (claim,) = (yaml.safe_load(block.text) for block in _BLOCKS if block.language == "yaml")
    (image,) = (block.text for block in _BLOCKS if block.language == "dockerfile")
    secrets = set(re.findall(r"create secret generic (\S+)", PAGE))

    assert ["ReadWriteMany"] == claim["spec"]["accessModes"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert image.count(cluster["rayVersion"]) == image.count("ray:") + image.count("ray[default]==")
    assert f"ray=={cluster['rayVersion']}" in PAGE
    key_secret = pod["containers"][0]["envFrom"][0]["secretRef"]["name"]
    assert secrets == {key_secret, pod["volumes"][1]["secret"]["secretName"]}
    assert f"job/{job['metadata']['name']}" in PAGE


def test_the_role_of_the_page_can_run_a_campaign(
    postgresql_server: PostgresqlServer,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It makes its ledger, plans and buys, and may make neither another schema nor a database."""
    (statements,) = (block.text for block in _BLOCKS if block.language == "sql")
    admin = postgresql_server.database()
    _psql(admin, statements)
    url = re.sub(r"//[^@]*@/[^?]*", "//studio@/clips", admin) + "&sslmode=verify-full"
    (tmp_path / "cups.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "callsheet.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNWARE_API_KEY", "key-of-the-node")
    base = f"runware={sandbox.base_urls['runware']}"

    for words in (["plan"], ["run", "--yes", "--base-url", base], ["plan"]):
        assert 0 == invoke([words[0], "cups.yaml", *words[1:], "--ledger", url])

    for refused in ("CREATE SCHEMA other", "CREATE DATABASE other"):
        with pytest.raises(subprocess.CalledProcessError):
            _psql(url, refused)


def test_plain_machines_run_and_are_left_without_ray(tmp_path: Path) -> None:
    """Head, nodes, run, end; each with its own keys, which no profile had to set."""
    code, notes = _run_plainly(tmp_path, "head", "one", "two")

    assert 0 == code
    assert ["head", "one", "two", "two", "one", "head"] == _said(notes, "ssh ", " bash -s")
    assert {"ray with that-of-head, 64", "ray with that-of-one, 64"} <= set(notes)
    (ran,) = (each for each in notes if each.startswith("callsheet "))
    assert "callsheet run june.yaml --yes" in ran
    assert "--engine ray://head:10001" in ran
    assert 3 == notes.count("ray stop")


def test_a_busy_head_goes_on(tmp_path: Path) -> None:
    """A second campaign that finds a Ray on its head ends, and ends nobody's Ray."""
    (tmp_path / "busy").touch()

    code, notes = _run_plainly(tmp_path, "head", "one")

    assert code
    assert ["head"] == _said(notes, "ssh ", " bash -s")
    assert "ray stop" not in notes


def test_the_head_is_no_login(tmp_path: Path) -> None:
    """Nodes and the driver could not reach `user@head`: it is refused before anything starts."""
    assert (3, []) == _run_plainly(tmp_path, "anna@head", "one")


@pytest.mark.parametrize("told", [False, True])
def test_the_job_ends_with_the_code_of_its_run(tmp_path: Path, *, told: bool) -> None:
    """A signal to the script reaches the run; then Ray is ended, and its folders are removed."""
    run = f"{NOTE}\n{WORK if told else 'exit 12'}"
    notes = _place_programs(tmp_path, callsheet=run, srun=SRUN)
    job = os.getpid()
    environment = _environment(
        tmp_path,
        SLURM_SUBMIT_DIR=str(tmp_path),
        SLURMD_NODENAME="localhost",
        SLURM_JOB_ID=str(job),
        SLURM_JOB_NUM_NODES="3",
        SLURM_CPUS_PER_TASK="8",
    )

    with subprocess.Popen(
        ["bash", FOLDER / "slurm.sbatch", "june.yaml"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as script:
        assert script.stdout is not None
        if told:
            assert any("at work" in line for line in script.stdout)
            script.send_signal(signal.SIGTERM)
        script.stdout.read()

    assert script.returncode == (17 if told else 12)
    said = notes.read_text("utf-8").splitlines()
    assert f"srun --no-kill --ntasks=3 rm -rf /tmp/ray-{job}" == said[-1]
    assert not Path(f"/tmp/ray-{job}").exists()  # noqa: S108 - where the job has it
    assert "ray stop" not in said
    if told:
        (nodes,) = (each for each in said if each.startswith("srun --nodes=2"))
        assert "--exclude=localhost --cpus-per-task=8 --no-kill" in nodes


def _run_plainly(place: Path, *machines: str) -> tuple[int, list[str]]:
    """Run the script for plain machines with programs in place of ssh, Ray and Callsheet."""
    for machine in machines:
        home = place / "homes" / machine
        home.mkdir(parents=True)
        (home / ".callsheet-env").write_text(f"RUNWARE_API_KEY=that-of-{machine}\n", "utf-8")
    ssh = f'{NOTE}\nHOME={place}/homes/$1\nexport HOME\nshift\nexec "$@"'
    notes = _place_programs(place, callsheet=NOTE, ssh=ssh)
    script = str(FOLDER / "plain-machines.sh")
    ended = subprocess.run(
        [script, *machines, "--", "run", "june.yaml", "--yes"],
        cwd=place,
        env=_environment(place),
        capture_output=True,
        check=False,
    )
    said = notes.read_text("utf-8").splitlines() if notes.exists() else []
    return ended.returncode, said


def _place_programs(place: Path, **programs: str) -> Path:
    """Put programs into a project's `.venv`; return the file in which they note their calls."""
    folder = place / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "activate").write_text(f"PATH={folder}:$PATH\n", "utf-8")
    for name, text in {"ray": RAY, **programs}.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n", "utf-8")
        (folder / name).chmod(0o755)
    return place / "notes"


def _environment(place: Path, **more: str) -> dict[str, str]:
    path = f"{place}/.venv/bin:{os.environ['PATH']}"
    known = {"HOME": str(place), "NOTES": f"{place}/notes", "BUSY": f"{place}/busy"}
    return {"PATH": path, **known, "CALLSHEET_LEDGER": SAID["$ledger"], **more}


def _said(notes: list[str], before: str, after: str) -> list[str]:
    """Return what stands between two words, of the lines that have both."""
    return [each[len(before) : -len(after)] for each in notes if each.startswith(before)]


def _psql(url: str, statements: str) -> None:
    call = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url]
    subprocess.run(call, input=statements, text=True, check=True, capture_output=True)
