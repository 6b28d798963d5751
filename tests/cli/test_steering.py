"""A run that is at work is steered from another process, through its ledger."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from tests.sandboxes import Sandbox

KEY = "a-key-at-runware"
MANIFEST = """\
callsheet: 1
name: steered
tables: {words: {file: words.csv, key: word, as: line}}
shots:
  - id: plain
    for: words
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "The word {{ line.word }}, no text."
providers: {runware: {concurrency: 1}}
budget: {limit: 20 USD}
"""
ITEMS = 3
PATIENCE_S = 90
HELD_S = 600.0
"""How long a clip takes, unless the test lets the sandbox's clock run ahead."""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Return the manifest and the root of a campaign of three clips, made one at a time."""
    (tmp_path / "words.csv").write_text("word\nw0\nw1\nw2\n", "utf-8")
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    return [str(tmp_path / "m.yaml"), "--root", str(tmp_path / "root")]


@contextmanager
def running(words: list[str], sandbox: Sandbox) -> Iterator[subprocess.Popen[str]]:
    """Run the campaign in a process of its own, from its first task on; each ends when let."""
    sandbox.set(timing={"accept_s": 0, "run_s": HELD_S})
    base = f"--base-url=runware={sandbox.base_urls['runware']}"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", *words, "--yes", base],
        env={**os.environ, "RUNWARE_API_KEY": KEY, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        before = len(sandbox.tasks("runware"))
        _wait_for(lambda: len(sandbox.tasks("runware")) > before, process)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until it has come to that, or the run has ended."""
    for _ in range(PATIENCE_S * 10):
        if condition() or process.poll() is not None:
            return
        time.sleep(0.1)


def _make_rest(process: subprocess.Popen[str], sandbox: Sandbox) -> str:
    """Let each clip be made until the run has ended; return what it said."""
    let = 0
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        if (bought := len(sandbox.tasks("runware"))) > let:
            let = bought
            sandbox.advance(HELD_S)
        time.sleep(0.1)
    return process.communicate(timeout=PATIENCE_S)[0]


def _steer(command: str, words: list[str], *more: str) -> int:
    """Steer the run; its answer is on stdout."""
    return int(invoke([command, words[0], *more, *words[1:]]))


def test_a_run_is_paused_and_goes_on(
    words: list[str], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paused it buys nothing more and does not end; resumed it makes the rest, each once."""
    made = Path(words[2]) / "steered"
    with running(words, sandbox) as process:
        paused = _steer("pause", words, "runware")
        sandbox.advance(HELD_S)
        _wait_for(lambda: any(made.glob("**/*.mp4")), process)
        time.sleep(1)  # what was in flight has come; nothing follows
        still = (len(sandbox.tasks("runware")), process.poll())
        resumed = _steer("resume", words)
        said = _make_rest(process, sandbox)

    assert (0, 0) == (paused, resumed)
    assert (1, None) == still
    assert (0, ITEMS) == (process.returncode, len(sandbox.tasks("runware"))), said
    assert ["done", "done"] == capsys.readouterr().out.split()


def test_an_item_is_left_out_of_this_run_and_made_by_the_next(
    words: list[str], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not submitted yet it is not bought; submitted it is collected, for it costs all the same."""
    with running(words, sandbox) as process:
        assert 0 == _steer("leave-out", words, "plain[w2]#1")
        assert 0 == _steer("leave-out", words, "plain[w0]#1")
        assert 3 == _steer("leave-out", words, "plain[w9]#1")
        said = _make_rest(process, sandbox)

    answers, complaints = (said.splitlines() for said in capsys.readouterr())
    assert "1 not made in this run" == answers[0]
    assert "1 submitted before: collected, and marked unwanted" == answers[1]
    assert "not done: there is no item plain[w9]#1 in this plan" in complaints[0]
    assert ITEMS - 1 == len(sandbox.tasks("runware")), said
    with running(words, sandbox) as process:
        said = _make_rest(process, sandbox)
    assert (0, ITEMS) == (process.returncode, len(sandbox.tasks("runware"))), said


def test_a_run_is_stopped_in_order(words: list[str], sandbox: Sandbox) -> None:
    """Nothing more is bought, what is in flight is collected, and the report is written."""
    with running(words, sandbox) as process:
        assert 0 == _steer("concurrency", words, "runware", "1")
        assert 0 == _steer("stop", words)
        said = _make_rest(process, sandbox)

    assert 1 == len(sandbox.tasks("runware")), said
    assert (Path(words[2]) / "steered" / "report" / "index.html").is_file()


@pytest.mark.parametrize("command", ["pause", "resume", "stop"])
def test_where_no_run_is_at_work_that_is_said(
    command: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3: nobody is there to obey, and the next run is not to obey either."""
    assert 3 == _steer(command, words)
    assert "no run of steered is at work in" in capsys.readouterr().err


def test_status_beside_a_run_says_so(
    words: list[str], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it goes on with by itself is no reason to run again; once it has ended, that helps."""
    with running(words, sandbox):
        assert 13 == _steer("status", words)
        beside = capsys.readouterr().out
    assert 13 == _steer("status", words)
    alone = capsys.readouterr().out

    said = ["A run of it is at work.", "→ the run at work goes on with it", "callsheet run"]
    assert [True, True, False] == [each in beside for each in said], beside
    assert [False, False, True] == [each in alone for each in said], alone


def test_another_campaign_s_run_is_not_steered(
    words: list[str], sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3 at once, though somebody is at work in the root."""
    other = tmp_path / "other.yaml"
    other.write_text(MANIFEST.replace("name: steered", "name: other"), "utf-8")
    with running(words, sandbox) as process:
        assert 3 == _steer("pause", [str(other), *words[1:]])
        said = _make_rest(process, sandbox)

    assert (0, ITEMS) == (process.returncode, len(sandbox.tasks("runware"))), said
    assert "no run of other is at work in" in capsys.readouterr().err
