"""A command in a forked process of its own, with what it takes of the processor and of memory.

What forks has imported this module, and so checked a manifest: each process begins warm. How much
of the processor's time is much depends on the machine and on what else it does, so that it is told
in checks of a plain campaign, made by the same process just before.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.cli.command_line import invoke

_SHOTS = "".join(f"  - {{id: s{n}, prompt: 'A cup {{{{ vars.turns }}}}.'}}\n" for n in range(12))
_PLAIN = f"callsheet: 1\nname: plain\nvars: {{turns: turns}}\nshots:\n{_SHOTS}"
_HANGS_S = 60
"""Seconds of the processor's time after which the kernel ends a process."""
_PAGE = resource.getpagesize()
_MEGA = 1_000_000
_ABOVE = 800 * _MEGA
"""Address space that a command may take beyond what it starts with, before it is refused any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How a command ended, and what it took."""

    exit: int
    printed: str
    checks: float
    """The processor's time, in checks of a plain campaign of 12 clips."""
    megabytes: float


def examined(folder: Path, *words: str) -> Examination:
    """Return how a command ends in a folder; EOFError if it hangs, and is ended for that."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    here, there = server.Pipe(duplex=False)
    process = server.Process(target=_examine, args=(there, str(folder), words))
    process.start()
    there.close()
    try:
        found: Examination = here.recv()
        return found
    finally:
        process.kill()
        process.join()
        here.close()


def _examine(there: Connection, folder: str, words: Sequence[str]) -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * _PAGE + _ABOVE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (_HANGS_S, _HANGS_S))
    printed = io.StringIO()
    plain_s = _seconds(_check_a_plain_campaign)
    os.chdir(folder)
    codes: list[int] = []
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        took_s = _seconds(lambda: codes.append(int(invoke(words))))
    there.send(
        Examination(
            exit=codes[0],
            printed=printed.getvalue(),
            checks=took_s / plain_s,
            megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MEGA,
        )
    )


def _seconds(do: Callable[[], object]) -> float:
    """Return the processor's seconds that something takes in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    do()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _check_a_plain_campaign() -> None:
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        manifest = Path(folder, "plain.yaml")
        manifest.write_text(_PLAIN, "utf-8")
        assert 0 == invoke(["check", str(manifest)]), printed.getvalue()


_check_a_plain_campaign()
