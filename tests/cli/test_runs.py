"""What a run says of itself beside its campaign: its cost, its clips, what changed before it."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import pytest

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-the-listed-runs"
MANIFEST = """\
callsheet: 1
name: mugs
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - id: turn
    prompt: "A red mug turns slowly in the soft light of the morning, no text."
budget: {limit: 20 USD}
"""
FURTHER = """\
  - id: still
    prompt: "A red mug stands in the soft light of the morning, no text."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest of one clip."""
    (tmp_path / "mugs.yaml").write_text(MANIFEST, "utf-8")
    return tmp_path


def _callsheet(folder: Path, *words: str, columns: int = 80) -> str:
    variables = {"RUNWARE_API_KEY": KEY, "COLUMNS": str(columns)}
    command = [words[0], "mugs.yaml", "--root", "out", *words[1:]]
    done = run_callsheet(command, variables, folder=folder)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def _run(folder: Path, sandbox: Sandbox) -> str:
    address = f"runware={sandbox.base_urls['runware']}"
    return _callsheet(folder, "run", "--yes", "--base-url", address)


def _edit(folder: Path, old: str, new: str) -> None:
    manifest = folder / "mugs.yaml"
    text = manifest.read_text("utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new), "utf-8")


def test_a_run_says_what_it_cost_and_names_what_it_made(folder: Path, sandbox: Sandbox) -> None:
    """The second run of a campaign tells its own clip and cost, and the sum of both beside."""
    first = _run(folder, sandbox)
    _edit(folder, "budget:", f"{FURTHER}budget:")

    second = _run(folder, sandbox)

    assert "this run: 1 clip made, 0.42 USD; all runs: 0.42 USD" in first
    assert "this run: 1 clip made, 0.42 USD; all runs: 0.84 USD" in second
    assert "  still/" in second
    assert "  turn/" not in second


def test_a_run_that_collects_says_so(folder: Path, sandbox: Sandbox) -> None:
    """A clip counts with the run that ordered it, as its money does."""
    sandbox.set(timing={"accept_s": 0, "run_s": 3600})
    words = ["mugs.yaml", "--root", "out", "--yes", "--set", "policy.deadline=1s"]
    words += ["--base-url", f"runware={sandbox.base_urls['runware']}"]
    ordered = run_callsheet(["run", *words], {"RUNWARE_API_KEY": KEY}, folder=folder)
    sandbox.advance(3600)

    said = _run(folder, sandbox)

    assert 13 == ordered.returncode
    collected = "0 clips made (and 1 collected that other runs had ordered), 0.00 USD"
    assert f"this run: {collected}; all runs: 0.42 USD" in " ".join(said.split())


def test_runs_are_listed_with_what_each_made_and_cost(folder: Path, sandbox: Sandbox) -> None:
    """One line a run, the oldest first; as JSON an object a line, with sums as text."""
    _run(folder, sandbox)
    _edit(folder, "budget:", f"{FURTHER}budget:")
    _run(folder, sandbox)

    head, *lines = _callsheet(folder, "runs").splitlines()
    told = [
        json.loads(line) for line in _callsheet(folder, "runs", "--format", "json").splitlines()
    ]

    assert ["started", "(UTC)", "took", "ordered", "made", "USD", "ended"] == head.split()
    assert [["1", "1", "0.42", "0", "ok"]] * 2 == [line.split()[-5:] for line in lines]
    assert ["0.42", "0.42"] == [run["charged_usd"] for run in told]
    assert [0, 0] == [run["exit_code"] for run in told]
    assert sorted(run["started_at"] for run in told) == [run["started_at"] for run in told]


def test_a_plan_says_what_changed(folder: Path, sandbox: Sandbox) -> None:
    """Of what was bought before it tells each part that is another now, old and new."""
    _run(folder, sandbox)
    _edit(folder, "the morning", "the evening")
    _edit(folder, "duration: 5", "duration: 10")

    told = _callsheet(folder, "plan")

    assert ["turn", "runware", "changed", "1"] == told.splitlines()[1].split()[:4]
    assert "    settings.duration: 5 → 10  (mugs.yaml:3)" in told
    assert 'ft light of the evening, no text."  (mugs.yaml:6)' in told


def test_what_did_not_change_is_not_told(folder: Path, sandbox: Sandbox) -> None:
    """An item that was added, and one that is as it was, have changed in nothing."""
    _run(folder, sandbox)
    _edit(folder, "budget:", f"{FURTHER}budget:")

    assert "buys again" not in _callsheet(folder, "plan")


def test_figures_are_whole_in_a_narrow_terminal(folder: Path, sandbox: Sandbox) -> None:
    """In 40 columns the figures of a plan and of a run stand below what they are about."""
    plan = _callsheet(folder, "plan", columns=40).splitlines()
    _run(folder, sandbox)
    runs = _callsheet(folder, "runs", columns=40).splitlines()

    figures = ["  items 1 · low 0.42 · expected 0.42", "  high 0.42"]
    assert ["turn · runware · new", *figures] == plan[1:4]
    assert runs[1].endswith(" · 0 ok")
    assert ["  USD 0.42"] == runs[3:]


@pytest.mark.parametrize("columns", [40, 80])
def test_paths_are_never_broken(folder: Path, sandbox: Sandbox, columns: int) -> None:
    """However narrow the terminal, a path of the report stands on one line."""
    _run(folder, sandbox)

    told = _callsheet(folder, "report", columns=columns).splitlines()

    assert "out/mugs/report/index.html" in told
    assert "out/mugs/report/{report.json,report.csv,report.md,junit.xml}" in told


def test_a_report_shows_what_was_seen_when_the_clip_was_verified(
    folder: Path, sandbox: Sandbox
) -> None:
    """The poster is made with the check of the clip, once; a report decodes nothing."""
    _run(folder, sandbox)
    campaign = folder / "out" / "mugs"
    (kept,) = (folder / "out" / ".callsheet" / "posters").glob("*/*.jpg")
    (clip,) = campaign.rglob("*.mp4")
    clip.write_bytes(b"not a clip")
    rmtree(campaign / "report")

    _callsheet(folder, "report")

    (poster,) = (campaign / "report" / "posters").iterdir()
    assert kept.name == poster.name
    assert kept.read_bytes() == poster.read_bytes()


def test_a_plan_says_how_long_clips_took_before(folder: Path, sandbox: Sandbox) -> None:
    """An estimate of time comes from earlier runs alone: the first plan has none."""
    first = _callsheet(folder, "plan")
    _run(folder, sandbox)
    _edit(folder, "budget:", f"{FURTHER}budget:")

    assert "time:" not in first
    assert "time: about 1 minute, as long as clips took in earlier runs" in _callsheet(
        folder, "plan"
    )
