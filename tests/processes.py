"""Processes of the tests' own: forked from one that has imported everything, so that each is cheap.

Such a process is a real one: it has its own memory, environment, folder and exit code, and can be
killed. What it has not is a start of its own: where the interpreter's start, its standard input,
its hash seed, an installed package or the imports are the subject, a test starts
`python -m pipeline` itself.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

import pytest

from pipeline.clock import RealClock
from tests.clocks import brief_sleep

Main = Callable[[Sequence[str]], int]
_PATIENCE_S = 170
_IMPORTED = (
    "__main__",
    "tests.processes",
    "tests.crash.child",
    "tests.manifests.examination",
    "pipeline.cli",
    "pipeline.cli.watching",
    *(f"pipeline.cli.commands.{name}" for name in ("ledger", "lock", "plan", "reconcile", "run")),
    # What these load when they are used.
    "pipeline.media.posters",
    "pydantic",
    "httpcore",
    "anyio._backends._asyncio",
    "certifi",
    "zoneinfo",
)


def run_callsheet(
    words: Sequence[str],
    variables: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    terminal: int | None = None,
) -> CompletedProcess[str]:
    """Run a command line to its end, in a folder; return its exit code and what it printed.

    `variables` come on top of this process's own. `terminal` is a descriptor of the terminal where
    somebody answers; without one, nobody is at its standard input. What the command waits for takes
    a tenth of its time.
    """
    with TemporaryDirectory(prefix="callsheet-said-") as place:
        streams = Path(place, "stdout"), Path(place, "stderr")
        child = begin_callsheet(
            words, variables or {}, streams=streams, folder=folder, terminal=terminal
        )
        child.join(_PATIENCE_S)
        if child.exitcode is None:
            child.kill()
            child.join()
        said, complained = (stream.read_text("utf-8") for stream in streams)
    assert child.exitcode is not None
    return CompletedProcess(list(words), child.exitcode, said, complained)


def begin_callsheet(
    words: Sequence[str],
    variables: Mapping[str, str],
    *,
    streams: tuple[Path, Path],
    folder: Path | None = None,
    terminal: int | None = None,
) -> ForkServerProcess:
    """Begin a command line that is `run_callsheet`'s, and return its process."""
    return started(
        _brief_command_line, words, variables, streams=streams, folder=folder, terminal=terminal
    )


def started(
    main: Main,
    words: Sequence[str],
    variables: Mapping[str, str],
    *,
    streams: tuple[Path, Path] | None = None,
    folder: Path | None = None,
    terminal: int | None = None,
) -> ForkServerProcess:
    """Call `main` in a fresh process, and return the process.

    What it says is appended to `streams`, its standard output and its standard error.
    """
    arguments = (
        main,
        list(words),
        {**os.environ, **variables},
        streams,
        Path.cwd() if folder is None else folder,
        os.devnull if terminal is None else os.ttyname(terminal),
    )
    child = _server().Process(target=_enter, args=arguments)
    child.start()
    return child


def process(main: Main, words: Sequence[str], variables: Mapping[str, str]) -> int:
    """Call `main` in a fresh process and return its exit code, negative for a signal."""
    child = started(main, words, variables)
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def command_line(words: Sequence[str]) -> int:
    """Run a command of Callsheet as `python -m pipeline` does, which ends this process."""
    module = import_module("pipeline.__main__")
    sys.argv = [str(module.__file__), *words]
    module.main()
    raise AssertionError("it ends the process")


def _brief_command_line(words: Sequence[str]) -> int:
    """Run a command whose waits take a tenth of their time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RealClock, "sleep", brief_sleep)
        return command_line(words)


@cache
def _server() -> ForkServerContext:
    """Return what forks processes that have everything imported, and nothing else in common."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(list(_IMPORTED))
    return server


def _enter(
    main: Main,
    words: Sequence[str],
    environment: Mapping[str, str],
    streams: tuple[Path, Path] | None,
    folder: Path,
    stdin: str,
) -> None:
    # As any process it has the variables of who starts it, and not those of the server.
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with Path(stdin).open("rb") as file:
        os.dup2(file.fileno(), 0)
    sys.stdin = os.fdopen(0, closefd=False)
    for number, path in zip((1, 2), streams or (), strict=False):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
    sys.exit(main(words))
