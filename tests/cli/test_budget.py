"""A limit below the plan's price, with many jobs at once, through the whole command line."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

ROWS = 60
KEY = "key-of-the-budget-test"
PRICE_USD = Decimal("0.42")
MANIFEST = """\
callsheet: 1
name: capped
tables: {words: {file: words.csv, key: word, as: line}}
shots:
  - id: plain
    for: words
    provider: runware
    duration: 5
    mode: std
    aspect_ratio: "9:16"
    prompt: "The number {{ line.word }}, no text."
providers: {runware: {concurrency: 50, submit_rate: 500/s}}
budget: {limit: %s USD}
"""


def _run(folder: Path, sandbox: Sandbox, limit: str) -> CompletedProcess[str]:
    manifest = folder / "capped.yaml"
    manifest.write_text(MANIFEST % limit, "utf-8")
    base_url = f"runware={sandbox.base_urls['runware']}"
    words = ["run", str(manifest), "--yes", "--root", str(folder / "root"), "--base-url", base_url]
    return run_callsheet(words, {"RUNWARE_API_KEY": KEY, "COLUMNS": "100"})


def _billed(sandbox: Sandbox) -> Decimal:
    return sum((Decimal(task["usd"]) for task in sandbox.tasks("runware", KEY)), Decimal(0))


def test_a_limit_is_kept_by_fifty_jobs_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """What fits is made, the rest is held (exit 11) with a word on why; a higher limit goes on."""
    rows = "\n".join(f"w{number}" for number in range(ROWS))
    (tmp_path / "words.csv").write_text(f"word\n{rows}\n", "utf-8")

    held = _run(tmp_path, sandbox, "10.00")

    assert 11 == held.returncode, held.stderr
    fits = int(Decimal("10.00") / PRICE_USD)
    assert fits == len(sandbox.tasks("runware", KEY))
    assert fits * PRICE_USD == _billed(sandbox)
    assert f"{ROWS - fits} held" in held.stdout
    assert "budget" in held.stdout
    report = json.loads((tmp_path / "root/capped/report/report.json").read_text("utf-8"))
    assert Decimal(str(report["money"]["charged_usd"])) == _billed(sandbox)

    finished = _run(tmp_path, sandbox, "30.00")

    assert 0 == finished.returncode, finished.stderr
    assert ROWS == len(sandbox.tasks("runware", KEY))
    assert ROWS * PRICE_USD == _billed(sandbox)
    assert ROWS == len(list((tmp_path / "root/capped/plain").rglob("*.mp4")))
