"""What the machine puts in the way is told as such: exit 12 or a finding, and no bug of ours."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.storage.fs import machine_fault
from tests.machine.campaign import TRACE, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox

BUG = "this is a bug"
HELD_S = 600.0
"""How long a clip takes, unless the test lets the sandbox's clock run ahead."""


@pytest.mark.parametrize("name", ["lock", "ledger.db", "README"])
def test_a_folder_in_the_place_of_a_file(
    name: str, campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """Exit 12 and its path, where it keeps a run from beginning; nothing is sent then."""
    (campaign.root / ".callsheet" / name).mkdir(parents=True)

    code, said = callsheet(*campaign.words())

    assert BUG not in said, said
    assert TRACE not in said
    if name != "README":
        assert (12, True) == (code, name in said), said
        assert not sandbox.tasks("runware")


@pytest.mark.parametrize("below", ["", "deep/deeper"])
@pytest.mark.parametrize("words", ["check", "plan", "ls", "run", "run --rehearse", "doctor"])
def test_a_file_in_the_place_of_the_root(
    words: str, below: str, campaign: Campaign, callsheet: Callsheet
) -> None:
    """It is named once, with what to do; no output path is said to hold a file."""
    campaign.root.write_text("one of mine\n", "utf-8")
    verb, *more = words.split()
    manifest, root = campaign.folder / "cups.yaml", campaign.root / below
    more += ["--offline"] if verb == "doctor" else []

    code, said = callsheet(verb, str(manifest), "--root", str(root), *more)

    assert code == (12 if verb == "doctor" else 3), said
    assert 1 == said.count(f"{campaign.root} is a file, where the root needs a folder"), said
    assert 1 == said.count("move it away, or choose another --root")
    assert "foreign-file" not in said
    assert 1 == said.count("\nfail ") if verb == "doctor" else "1 error;" in said


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "endless"])
def test_a_manifest_that_is_no_file(kind: str, tmp_path: Path, callsheet: Callsheet) -> None:
    """A pipe, a device, a folder and a file of a gigabyte are findings; nothing waits."""
    manifest = tmp_path / "m.yaml"
    match kind:
        case "pipe":
            os.mkfifo(manifest)
        case "device":
            manifest = Path("/dev/zero")
        case "folder":
            manifest.mkdir()
        case "endless":
            with manifest.open("wb") as file:
                file.truncate(1 << 30)

    for verb in ("check", "run", "status"):
        code, said = callsheet(verb, str(manifest), "--root", str(tmp_path / "root"))
        assert (3, False) == (code, BUG in said), said


def test_a_root_that_moves_away_while_it_runs(
    campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """Exit 12 and what is not there any more; put back, nothing is bought again."""
    sandbox.set(timing={"accept_s": 0, "run_s": HELD_S})
    gone = campaign.folder / "gone"
    process = _start(campaign)
    while not sandbox.tasks("runware"):
        assert process.poll() is None
        time.sleep(0.05)
    campaign.root.rename(gone)
    sandbox.set(timing={"accept_s": 0, "run_s": 0})
    sandbox.advance(HELD_S)

    printed, complaints = process.communicate(timeout=120)

    said = printed + complaints
    assert 12 == process.returncode, said
    assert BUG not in said, said
    assert TRACE not in said, said
    if campaign.root.exists():
        shutil.rmtree(campaign.root)
    gone.rename(campaign.root)
    assert 0 == callsheet(*campaign.words())[0]
    assert 2 == len(sandbox.tasks("runware"))


def _start(campaign: Campaign) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *campaign.words()],
        env={**os.environ, **environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_home_is_needed(
    campaign: Campaign, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may have none."""
    monkeypatch.delenv("HOME", raising=False)

    code, said = callsheet(*campaign.words("plan"))

    assert 0 == code, said


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (RuntimeError("can't start new thread"), "no thread can be started"),
        (MemoryError(), "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files", "x"), "raise the limit of open files"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (ExceptionGroup("", [OSError(errno.ENOSPC, "No space", "x")]), "make room"),
        (OSError(errno.EHOSTDOWN, "Host is down", "x"), "Host is down"),
        (RuntimeError("something else"), ""),
    ],
)
def test_a_fault_of_the_machine_is_told_from_a_bug(fault: Exception, said: str) -> None:
    """What no process may do, and what a person can do about it; all else is a bug."""
    told = machine_fault(fault)

    assert bool(said) is bool(told)
    assert said in told
