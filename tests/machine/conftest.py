"""What the machine's tests share: a campaign that is to be run, and one that is finished."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.clock import RealClock
from tests.clocks import brief_sleep
from tests.machine.campaign import Campaign, environment
from tests.sandboxes import Sandbox

Callsheet = Callable[..., tuple[int, str]]


@pytest.fixture
def campaign(sandbox: Sandbox, tmp_path: Path) -> Campaign:
    """Return a campaign of two clips, nothing of it made."""
    return Campaign.new(tmp_path / "campaign", sandbox.base_urls["runware"])


@pytest.fixture(scope="session")
def made_once(_running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Return the campaign after a run in a process that lets others read its files."""
    # What an earlier test has played is over: the test's own `sandbox` is reset after this one.
    _running_sandbox.reset()
    folder = tmp_path_factory.mktemp("made") / "campaign"
    made = Campaign.new(folder, _running_sandbox.base_urls["runware"])
    done = made.run(before=_let_all_read)
    assert 0 == done.returncode, done.stdout + done.stderr
    # Copies of it are taken over: its original must be gone.
    return made.moved(folder.with_name("kept"))


def _let_all_read() -> None:
    os.umask(0)


@pytest.fixture
def finished(made_once: Campaign, sandbox: Sandbox, tmp_path: Path) -> Campaign:
    """Return a copy of a finished campaign; the provider has forgotten it."""
    assert not sandbox.tasks("runware")
    return made_once.copy(tmp_path / "campaign")


@pytest.fixture
def callsheet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callsheet:
    """Return a function that runs a command line here: its exit code, and all it printed."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    # What a command waits for takes a tenth of its time.
    monkeypatch.setattr(RealClock, "sleep", brief_sleep)

    def call(*words: str) -> tuple[int, str]:
        code = invoke([str(word) for word in words])
        printed = capsys.readouterr()
        return int(code), printed.out + printed.err

    return call
