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

from pipeline.model import Feature, Kind, Record
from pipeline.providers import OFFERS, PROVIDERS
from pipeline.run import Ledger
from pipeline.sandbox.dialects import DIALECTS
from tests.conformance.stage import plays, task_of
from tests.sandboxes import Sandbox

HERE = Path(__file__).parent
KEY = "key-of-the-crash-test"
WITNESSED = [name for name in PROVIDERS if name in DIALECTS]
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
IN_EVERY_RUN = {
    "runware": {moment for moment, _ in MOMENTS},
    "unifically": {"intended", "sent", "accepted", "renaming"},
}
"""One provider settles a doubt by itself, one cannot; the rest is for the drill."""
HURRY = 5.0
CASES = [
    pytest.param(
        name,
        moment,
        nth,
        id=f"{name}-{moment}-{nth}",
        marks=() if moment in IN_EVERY_RUN.get(name, ()) else pytest.mark.drill,
    )
    for name in WITNESSED
    for moment, nth in MOMENTS
]


def _campaign(provider: str, tmp_path: Path) -> Path:
    folder = tmp_path / "campaign"
    folder.mkdir()
    # Who has no clips from text or references makes the same from first frames.
    kind = "campaign" if Kind.REFERENCES in OFFERS[provider].kinds else "frames"
    shutil.copy(HERE / f"{kind}.yaml", folder / "campaign.yaml")
    shutil.copy(HERE / "products.csv", folder / "products.csv")
    Image.new("RGB", (720, 1280), (180, 120, 60)).save(folder / "box.png")
    return folder / "campaign.yaml"


def _addresses(provider: str, sandbox: Sandbox) -> list[str]:
    """Return the sandbox's addresses of a provider, as --base-url takes them."""
    told = sandbox.addresses[provider]
    found = [f"{provider}={told['base_url']}"]
    return [*found, f"{provider}.upload={told['upload_url']}"] if "upload_url" in told else found


def _process(provider: str, *command: str) -> int:
    environment = {**os.environ, OFFERS[provider].key_env: KEY}
    done = subprocess.run([sys.executable, "-m", *command], env=environment, check=False)
    return done.returncode


def _run(provider: str, manifest: Path, root: Path, sandbox: Sandbox, *bomb: str) -> int:
    command = ["tests.crash.child", str(manifest), str(root), "--provider", provider]
    command += [word for url in _addresses(provider, sandbox) for word in ("--base-url", url)]
    stated = Kind.REFERENCES in OFFERS[provider].kinds and provider != "runware"
    command += ["--set", "vars.ratio=9:16"] if stated else []
    if Feature.LISTING not in OFFERS[provider].features:
        # Where tasks are known by their time, ours must be the sandbox's.
        command += ["--hurry", str(HURRY), str(manifest.parent.stat().st_mtime)]
    return _process(provider, *command, *(("--bomb", *bomb) if bomb else ()))


def _address_of(task: Mapping[str, Any]) -> str:
    """Tell which item a task is for, by its prompt: the sandbox is not told addresses here."""
    shot = "plain" if "on a table" in task["prompt"] else "turn"
    row = {"red": "BOX-1", "green": "BOX-2", "blue": "BOX-3"}
    colour = next(word for word in row if word in task["prompt"])
    return f"{shot}[{row[colour]}]#1"


def _records(root: Path) -> dict[str, Record]:
    ledger = Ledger.reader(root)
    if ledger is None:
        return {}
    with ledger:
        return {record.address: record for record in ledger.records("crash")}


def _settle(provider: str, manifest: Path, root: Path, sandbox: Sandbox, doubts: set[str]) -> None:
    """Decide each doubt as a person would who looks at the provider's list of tasks."""
    known = {_address_of(task): task["task"] for task in sandbox.tasks(provider, KEY)}
    words = [
        word
        for address in sorted(doubts)
        for word in (
            ("--task", f"{address}={known[address]}")
            if address in known
            else ("--resubmit", address)
        )
    ]
    urls = [word for url in _addresses(provider, sandbox) for word in ("--base-url", url)]
    command = ("pipeline", "reconcile", str(manifest), "--root", str(root), *urls, *words)
    assert 0 == _process(provider, *command)


@pytest.mark.parametrize(("provider", "moment", "nth"), CASES)
def test_killed_and_run_again_pays_once(
    provider: str, moment: str, nth: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After kill -9 at a moment, running again buys nothing twice and makes what is right.

    Where the provider cannot settle a doubt, exactly the items killed between intent and acceptance
    are in doubt, and a person's word on each finishes the campaign. Nothing is sent by itself.
    """
    manifest, root = _campaign(provider, tmp_path), tmp_path / "root"

    killed = _run(provider, manifest, root, sandbox, moment, str(nth))
    left = {address for address, r in _records(root).items() if r.state == "submitting"}
    finished = _run(provider, manifest, root, sandbox)

    assert -signal.SIGKILL == killed
    doubts = {address for address, r in _records(root).items() if r.state == "in_doubt"}
    taken = [_address_of(task) for task in sandbox.tasks(provider, KEY)]
    assert len(taken) == len(set(taken))
    features = OFFERS[provider].features
    if Feature.IDEMPOTENT in features:
        assert set() == doubts
    elif Feature.LISTING in features:
        # What is in the list is found there; what is not may still arrive.
        assert left - set(taken) == doubts
    else:
        assert left == doubts
    if doubts:
        assert 13 == finished
        _settle(provider, manifest, root, sandbox, doubts)
        finished = _run(provider, manifest, root, sandbox)
    assert 0 == finished
    _all_right(provider, root, sandbox)


def _all_right(provider: str, root: Path, sandbox: Sandbox) -> None:
    """One task an item, each clip its own, and what was billed is what the ledger holds."""
    tasks, records = sandbox.tasks(provider, KEY), _records(root)
    assert ITEMS == len(tasks)
    assert sorted(records) == sorted(_address_of(task) for task in tasks)
    for task in tasks:
        record = records[_address_of(task)]
        clip = root / "crash" / (record.path or "missing")
        assert record.task == task["task"] == task_of(clip)
        assert plays(clip)
    if Feature.COST in OFFERS[provider].features:
        billed = sum((Decimal(task["usd"]) for task in tasks), Decimal(0))
        assert billed == sum((record.charged_usd for record in records.values()), Decimal(0))
