"""kill -9 at named moments of a job's life; running again makes the rest, and nothing twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.run import Ledger
from tests.conformance.stage import plays, task_of
from tests.sandboxes import Sandbox

HERE = Path(__file__).parent
KEY = "key-of-the-crash-test"
ITEMS = 6
MOMENTS = [
    ("intent", 1),
    ("intended", 2),
    ("sent", 1),
    ("accepted", 2),
    ("polled", 3),
    ("downloading", 1),
    ("downloaded", 2),
    ("renaming", 1),
    ("renamed", 2),
    ("committed", 3),
    ("linked", 1),
]
"""Checkpoint and how many times it is passed first; each before or after a change of state."""


def _campaign(tmp_path: Path) -> Path:
    folder = tmp_path / "campaign"
    folder.mkdir()
    for name in ("campaign.yaml", "products.csv"):
        shutil.copy(HERE / name, folder / name)
    Image.new("RGB", (720, 1280), (180, 120, 60)).save(folder / "box.png")
    return folder / "campaign.yaml"


def _run(manifest: Path, root: Path, sandbox: Sandbox, *bomb: str) -> int:
    base_url = f"runware={sandbox.base_urls['runware']}"
    command = [sys.executable, "-m", "tests.crash.child", str(manifest), str(root), base_url]
    environment = {**os.environ, "RUNWARE_API_KEY": KEY}
    return subprocess.run([*command, *bomb], env=environment, check=False).returncode


def _address_of(task: Mapping[str, Any]) -> str:
    """Tell which item a task is for, by its prompt: the sandbox is not told addresses here."""
    shot = "plain" if "on a table" in task["prompt"] else "turn"
    row = {"red": "BOX-1", "green": "BOX-2", "blue": "BOX-3"}
    colour = next(word for word in row if word in task["prompt"])
    return f"{shot}[{row[colour]}]#1"


@pytest.mark.parametrize(("moment", "nth"), MOMENTS)
def test_killed_and_run_again_pays_once(
    moment: str, nth: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After kill -9 at a moment and running again, each item has one task and its own clip."""
    manifest, root = _campaign(tmp_path), tmp_path / "root"

    killed = _run(manifest, root, sandbox, moment, str(nth))
    finished = _run(manifest, root, sandbox)

    assert -signal.SIGKILL == killed
    assert 0 == finished
    tasks = sandbox.tasks("runware", KEY)
    assert ITEMS == len(tasks)
    with Ledger.open(root) as ledger:
        records = {record.address: record for record in ledger.records("crash")}
    assert sorted(records) == sorted(_address_of(task) for task in tasks)
    for task in tasks:
        record = records[_address_of(task)]
        clip = root / "crash" / (record.path or "missing")
        assert record.task == task["task"] == task_of(clip)
        assert plays(clip)
    billed = sum((Decimal(task["usd"]) for task in tasks), Decimal(0))
    assert billed == sum((record.charged_usd for record in records.values()), Decimal(0))
