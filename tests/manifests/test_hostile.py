"""Input that is made to hurt is refused with a finding: soon, and within little memory."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.command_line import invoke
from tests.manifests.hostile import CASES

CHECK = ("check", "m.yaml")
MOST_S = 5
MOST_MB = 500
HANGS_S = 100
"""Long enough for a machine with much else to do: what counts is the processor's time."""
_PAGE = resource.getpagesize()
_MEGA = 1_000_000
_ABOVE = 800 * _MEGA
"""Address space that a check may take beyond what it starts with, before it is refused any."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["pipeline.cli", "pipeline.cli.commands.check", "pipeline.manifest.load", "pipeline.media"]
)


@pytest.mark.parametrize(("slug", "build"), CASES.values(), ids=CASES.keys())
def test_it_is_refused_soon_and_small(slug: str, build: Any, tmp_path: Path) -> None:
    """`check` tells why, exits with 3, and takes neither long nor much."""
    build(tmp_path)

    told = examined(tmp_path)

    assert 3 == told["exit"], told["printed"][-2000:]
    assert f": {slug}: " in told["printed"]
    assert told["seconds"] < MOST_S
    assert told["megabytes"] < MOST_MB


@pytest.mark.parametrize(
    ("selection", "code"),
    [
        (f"shot:{'*a' * 3_000}b", 3),
        (f"row.name:{'*a' * 90}b", 3),
        (f"row.name:{'a*' * 90}", 0),
        (f'"s[{"*" * 5_000}]"', 0),
        ("(" * 3_000 + "tag:a" + ")" * 3_000, 3),
        ("tag:a," * 3_000, 3),
        (f"cost:>{'9' * 5_000}", 3),
    ],
)
def test_a_pattern_is_matched_soon_or_refused(selection: str, code: int, tmp_path: Path) -> None:
    """Stars, brackets and numbers without end in a selection: no text makes them slow."""
    (tmp_path / "t.csv").write_text(f"k,name\nA,{'a' * 5_000}\n", "utf-8")
    spec = "tables: {t: {file: t.csv, key: k}}\nshots: [{id: s, for: t, prompt: A cup.}]\n"
    (tmp_path / "m.yaml").write_text(f"callsheet: 1\nname: x\n{spec}", "utf-8")

    told = examined(tmp_path, "ls", "m.yaml", "--select", selection)

    assert code == told["exit"], told["printed"][-2000:]
    assert told["seconds"] < MOST_S


def examined(folder: Path, *arguments: str) -> Mapping[str, Any]:
    """Return how a command ends in a folder, in a process of its own: `check m.yaml` by default."""
    here, there = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_examine, args=(there, str(folder), arguments or CHECK))
    process.start()
    there.close()
    try:
        assert here.poll(HANGS_S), "it hangs"
        found: Mapping[str, Any] = here.recv()
        return found
    finally:
        process.kill()
        process.join()
        here.close()


def _examine(there: Connection, folder: str, arguments: Sequence[str]) -> None:
    os.chdir(folder)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * _PAGE + _ABOVE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    printed, complained = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
        code = invoke(arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    there.send(
        {
            "exit": int(code),
            "printed": printed.getvalue() + complained.getvalue(),
            "seconds": used.ru_utime + used.ru_stime,
            "megabytes": used.ru_maxrss * 1024 / _MEGA,
        }
    )
