"""What a dry run looked at is known to the next one, and it leaves nothing in the project."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from pipeline.cli.command_line import invoke
from tests.unit.media.clips import write_image

MANIFEST = """\
callsheet: 1
name: fitted
shots:
  - id: spin
    aspect_ratio: "9:16"
    references: {frames: {first: first.png, fit: crop}}
    prompt: "A sneaker turns."
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a manifest whose frame has to be fitted; the user's cache is empty."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "campaign.yaml").write_text(MANIFEST, "utf-8")
    write_image(folder / "first.png", (1280, 960))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return folder


def test_a_second_check_is_answered_from_memory(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The frame is fitted once; the second check reads what it measured, and believes it."""
    assert 0 == invoke(["check", "campaign.yaml"])
    assert ["campaign.yaml", "first.png"] == sorted(path.name for path in project.iterdir())
    (file,) = (project.parent / "user").rglob("*.jsonl")
    known = file.read_bytes()
    assert b'"made":' in known
    # More than any provider takes: only who reads the memory can find it.
    entry = next(line for line in map(orjson.loads, known.splitlines()) if "made" in line)
    entry["frame"]["bytes"] = 99_000_000
    file.write_bytes(known + orjson.dumps(entry) + b"\n")
    capsys.readouterr()

    again = invoke(["check", "campaign.yaml"])

    assert (3, True) == (int(again), "too-large" in capsys.readouterr().out)


def test_a_check_works_where_nothing_can_be_remembered(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's folder that cannot be written costs time and nothing else."""
    (project.parent / "user").write_text("in the way")
    assert 0 == invoke(["check", "campaign.yaml"])
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")

    assert 0 == invoke(["check", "campaign.yaml"])
