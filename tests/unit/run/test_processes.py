"""Who can see that a process has ended, and of whom nobody may say so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import clock
from pipeline.ledger import processes
from pipeline.ledger.processes import has_ended, name_process
from tests.unit.run.ended_process import name_ended_process

_SAY_NAME = "from pipeline.ledger.processes import name_process; print(repr(name_process()))"


def test_a_process_that_was_killed_has_ended() -> None:
    """Not before it is dead: one that is stopped still runs."""
    with subprocess.Popen(["sleep", "60"]) as child:
        *here, _, _ = name_process().split()
        name = " ".join((*here, *processes._read_stat(str(child.pid))))  # noqa: SLF001 - of another
        os.kill(child.pid, signal.SIGSTOP)
        assert not has_ended(name)
        child.kill()
        child.wait()
        assert has_ended(name)


def test_a_number_that_was_given_again_is_another_process() -> None:
    """Our own number began at another time: whoever had it has ended."""
    *here, number, started = name_process().split()

    assert not has_ended(" ".join((*here, number, started)))
    assert has_ended(" ".join((*here, number, str(int(started) - 1))))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_of_another_boot_or_namespace_nobody_knows(place: int) -> None:
    """Another machine of the same name, or another container: only a lease tells."""
    words = name_ended_process().split()
    words[place] += "0"

    assert not has_ended(" ".join(words))


@pytest.mark.parametrize("text", ["", "12", "anything at all", "a b c d"])
def test_what_names_no_process_has_not_ended(text: str) -> None:
    """An earlier version named none."""
    assert not has_ended(text)


def test_where_the_system_does_not_say_nobody_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No /proc, or no number of the boot: then each waits for leases."""
    ended = name_ended_process()
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert ("", False) == (name_process(), has_ended(ended))
    monkeypatch.undo()

    clock.boot.cache_clear()
    monkeypatch.setattr(clock, "_BOOT", tmp_path / "none")
    assert ("", False) == (name_process(), has_ended(ended))
    clock.boot.cache_clear()


@pytest.mark.parametrize("own_proc", [False, True])
def test_a_container_says_nothing_of_what_it_cannot_see(own_proc: bool) -> None:  # noqa: FBT001
    """In a namespace of its own it has another name, or none where /proc is the host's."""
    unshare = shutil.which("unshare")
    options = ["--user", "--map-root-user", "--pid", "--fork", *["--mount-proc"] * own_proc]
    command = [str(unshare), *options, sys.executable, "-c", _SAY_NAME]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        pytest.skip(f"no namespaces here: {ran.stderr.strip()}")
    name = ran.stdout.strip().strip("'")

    assert bool(name) == own_proc
    assert not has_ended(name)
