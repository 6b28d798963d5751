"""The page about the Python library, done as it says: every example, from top to bottom."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import pipeline
from pipeline import Campaign, Plan, Project, Run
from pipeline.cli.command_line import invoke
from tests.architecture.source import REPOSITORY
from tests.docs.blocks import blocks

PAGE = (REPOSITORY / "docs" / "python.md").read_text("utf-8")


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the campaign that `callsheet init` writes; it is the current one."""
    assert 0 == int(invoke(["init", str(tmp_path)]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.timeout(600)
def test_every_example_of_the_page_runs(starter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run in one namespace, the examples make two clips of a rehearsal and report them."""
    names: dict[str, Any] = {}

    for block in blocks(PAGE):
        assert "python" == block.language
        exec(compile(block.text, "docs/python.md", "exec"), names)  # noqa: S102 - the page is ours

    said = capsys.readouterr().out
    assert "done" in said, said
    assert 8 == len(list((starter / "outputs" / "rehearsal" / "mugs").rglob("*.mp4"))), said
    assert (names["campaign"].folder / "report" / "index.html").is_file()
    assert {"done"} == {str(item.state) for item in names["plan"].iter_items()}


@pytest.mark.timeout(600)
def test_a_run_can_be_stopped_and_gone_on_with(starter: Path) -> None:
    """After `stop` nothing more is submitted; the next run makes the rest, and nothing again."""

    async def make(*, stop: bool) -> tuple[Any, list[str]]:
        names = []
        async with campaign.run(scenario=plain) as run:
            async for event in run.iter_events():
                names.append(event.name)
                if stop and event.name == "submitting":
                    run.stop()
        return await run.wait(), names

    manifest = starter / "campaign.yaml"
    plain = starter / "plain.yaml"
    plain.write_text("{render: plain}", "utf-8")
    campaign = Project(rehearse=True).open(manifest)
    items = campaign.plan().to_make.items

    stopped, names = asyncio.run(make(stop=True))
    left = campaign.plan().to_make.items
    finished, more = asyncio.run(make(stop=False))

    assert stopped.interrupted
    assert 0 < left == items - names.count("submitting")
    assert left == more.count("submitting")
    assert 0 == finished.exit_code


def test_real_money_needs_a_limit(starter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit and without a rehearsal no run begins, and nothing is sent."""
    manifest = starter / "campaign.yaml"
    text = manifest.read_text("utf-8")
    lines = [line for line in text.splitlines() if "limit" not in line and "budget" not in line]
    manifest.write_text("\n".join(lines), "utf-8")
    monkeypatch.setenv("RUNWARE_API_KEY", "key-of-a-test")

    async def begin() -> None:
        async with Project().open(manifest).run():
            pass

    with pytest.raises(pipeline.InvalidInput) as refused:
        asyncio.run(begin())

    assert any("needs a limit" in finding.message for finding in refused.value.findings)


def test_every_public_method_is_told_on_the_page() -> None:
    """What `Project`, `Campaign`, `Plan` and `Run` offer stands on the page."""
    offered = {
        name
        for kind in (Project, Campaign, Plan, Run)
        for name, _ in inspect.getmembers(kind)
        if not name.startswith("_")
    }
    words = set(re.findall(r"[a-z_]+", PAGE))

    assert set() == offered - words
