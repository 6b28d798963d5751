"""Running a finished campaign again, as the README promises it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-the-second-run"
NOWHERE = "http://127.0.0.1:9"
MANIFEST = """\
callsheet: 1
name: again
tables: {cups: {file: cups.csv, key: sku, as: cup}}
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - id: named
    for: cups
    prompt: "{{ cup.name }} stands on a table, no text."
  - id: coloured
    for: cups
    prompt: "A {{ cup.colour }} cup turns, no text."
budget: {limit: 20 USD}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest and its table of two cups."""
    (tmp_path / "again.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "cups.csv").write_text("sku,name,colour\nA,Alba,red\nB,Brera,blue\n", "utf-8")
    return tmp_path


def _run(folder: Path, address: str) -> str:
    words = ["run", str(folder / "again.yaml"), "--yes", "--root", str(folder / "root")]
    url = f"--base-url=runware={address}"
    done = run_callsheet([*words, url], {"RUNWARE_API_KEY": KEY, "COLUMNS": "100"})
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _prompts(sandbox: Sandbox) -> list[str]:
    return sorted(task["prompt"] for task in sandbox.tasks("runware", KEY))


def test_a_finished_campaign_needs_nobody(sandbox: Sandbox, folder: Path) -> None:
    """Run again, nothing is sent: no provider has to be reachable, and no key to be there."""
    _run(folder, sandbox.base_urls["runware"])
    assert 4 == len(_prompts(sandbox))

    said = _run(folder, NOWHERE)

    assert "nothing to do: 4 items are there; no request was sent" in said


def test_a_name_that_changed_makes_what_uses_it(sandbox: Sandbox, folder: Path) -> None:
    """Only the clips of that product are made again, and only those whose prompt has it."""
    _run(folder, sandbox.base_urls["runware"])
    before = _prompts(sandbox)
    table = folder / "cups.csv"
    table.write_text(table.read_text("utf-8").replace("Brera", "Bormio"), "utf-8")

    _run(folder, sandbox.base_urls["runware"])

    after = _prompts(sandbox)
    assert ["Bormio stands on a table, no text."] == [p for p in after if p not in before]
    assert 5 == len(after)


def test_a_clip_that_was_deleted_comes_back(sandbox: Sandbox, folder: Path) -> None:
    """The store still has it: it is restored byte by byte, and nobody is asked."""
    _run(folder, sandbox.base_urls["runware"])
    clips = {path: path.read_bytes() for path in (folder / "root/again").rglob("*.mp4")}
    assert 4 == len(clips)
    gone = min(clips)
    gone.unlink()

    said = _run(folder, NOWHERE)

    assert clips[gone] == gone.read_bytes()
    assert 4 == len(_prompts(sandbox))
    assert "1 to restore" in said


def test_a_report_is_of_the_plan_as_it_is(sandbox: Sandbox, folder: Path) -> None:
    """A row that was removed leaves nothing to do: it leaves the report too."""
    _run(folder, sandbox.base_urls["runware"])
    page = folder / "root/again/report/report.json"
    assert 4 == len(json.loads(page.read_text("utf-8"))["items"])
    (folder / "cups.csv").write_text("sku,name,colour\nA,Alba,red\n", "utf-8")

    said = _run(folder, NOWHERE)

    assert "nothing to do: 2 items are there" in said
    assert 2 == len(json.loads(page.read_text("utf-8"))["items"])
    written = page.stat().st_mtime_ns
    _run(folder, NOWHERE)
    assert written == page.stat().st_mtime_ns


def test_a_report_is_of_what_was_decided(sandbox: Sandbox, folder: Path) -> None:
    """A decision since the last run leaves nothing to do, and is in the report after the next."""
    _run(folder, sandbox.base_urls["runware"])
    page = folder / "root/again/report/report.json"
    words = ["approve", str(folder / "again.yaml"), "named[A]#1", "--root", str(folder / "root")]
    assert 0 == run_callsheet(words, {}).returncode

    _run(folder, NOWHERE)

    items = json.loads(page.read_bytes())["items"]
    decided = {each["address"]: each.get("review") for each in items}
    assert "approved" == decided["named[A]#1"]
