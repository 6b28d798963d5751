"""`run --select`, through the whole command line and a sandbox that keeps accounts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-the-selected"
MANIFEST = """\
callsheet: 1
name: chosen
tables: {cups: {file: cups.csv, key: sku, as: cup}}
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - id: turn
    for: cups
    prompt: "A {{ cup.colour }} cup turns, no text."
    tags: [hero]
  - id: fall
    for: cups
    prompt: "A {{ cup.colour }} cup falls, no text."
budget: {limit: 20 USD}
"""
RED_TURNS, BLUE_TURNS = "A red cup turns, no text.", "A blue cup turns, no text."
RED_FALLS, BLUE_FALLS = "A red cup falls, no text.", "A blue cup falls, no text."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest and its table of two cups."""
    (tmp_path / "chosen.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "cups.csv").write_text("sku,colour\nA,red\nB,blue\n", "utf-8")
    return tmp_path


def _callsheet(folder: Path, *words: str) -> CompletedProcess[str]:
    verb, *more = words
    command = [verb, str(folder / "chosen.yaml"), *more, "--root", str(folder / "root")]
    return run_callsheet(command, {"RUNWARE_API_KEY": KEY, "COLUMNS": "100"})


def _run(folder: Path, sandbox: Sandbox, *more: str) -> str:
    address = f"runware={sandbox.base_urls['runware']}"
    done = _callsheet(folder, "run", "--yes", "--base-url", address, *more)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _prompts(sandbox: Sandbox) -> list[str]:
    return sorted(task["prompt"] for task in sandbox.tasks("runware", KEY))


def test_a_selection_is_bought_alone_and_the_rest_later_once(
    sandbox: Sandbox, folder: Path
) -> None:
    """By tag and by column, then everything: four clips, four purchases, one report of them all."""
    said = _run(folder, sandbox, "--select", "tag:hero,row.colour:red")

    assert [RED_TURNS] == _prompts(sandbox)
    assert "1 of 4 items, 1 to make" in said
    assert "1 clip\n" in said.replace("  ·  ", "\n")

    said = _run(folder, sandbox, "--select", "tag:hero,row.colour:red")

    assert "nothing to do" in said

    said = _run(folder, sandbox, "--exclude", "fall[B]", "--first", "3")

    assert [BLUE_TURNS, RED_FALLS, RED_TURNS] == _prompts(sandbox)

    _run(folder, sandbox)

    assert [BLUE_FALLS, BLUE_TURNS, RED_FALLS, RED_TURNS] == _prompts(sandbox)
    report = json.loads((folder / "root/chosen/report/report.json").read_text("utf-8"))
    assert {"done": 4} == report["counts"]


def test_the_report_of_a_selected_run_is_of_the_whole_campaign(
    sandbox: Sandbox, folder: Path
) -> None:
    """Its files tell what is missing; what is shown is what was asked for."""
    said = _run(folder, sandbox, "--select", "status:new,fall")

    report = json.loads((folder / "root/chosen/report/report.json").read_text("utf-8"))
    assert {"done": 2, "planned": 2} == report["counts"]
    assert "2 done" in said
    assert "planned" not in said


def test_lists_know_what_was_made(sandbox: Sandbox, folder: Path) -> None:
    """After a selected run `ls` tells reused and new apart, one object a line."""
    _run(folder, sandbox, "--select", "turn[B]")

    listed = _callsheet(folder, "ls", "--format", "json").stdout.splitlines()

    found = {item["address"]: item for item in map(json.loads, listed)}
    statuses = {address: item["status"] for address, item in found.items()}
    assert {
        "turn[A]#1": "new",
        "turn[B]#1": "reused",
        "fall[A]#1": "new",
        "fall[B]#1": "new",
    } == statuses
    assert found["turn[B]#1"]["there"]
    assert Path(found["turn[B]#1"]["path"]).is_file()


def test_a_reader_that_leaves_is_no_fault(folder: Path) -> None:
    """`callsheet ls | head` ends quietly."""
    listing = [sys.executable, "-m", "pipeline", "ls", str(folder / "chosen.yaml")]
    with subprocess.Popen(
        listing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (0, "") == (process.returncode, said)
