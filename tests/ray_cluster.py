"""A Ray cluster of the tests' own on this machine: a head that does no work, and nodes that do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_START_S = 90.0
_COMMAND = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block")
_QUIET = ("--disable-usage-stats", "--object-store-memory=80000000")


class RayCluster:
    """A head and so many nodes, each with the environment that it is given. A context manager."""

    def __init__(self, variables: Mapping[str, str], *, nodes: int = 2) -> None:
        self._nodes = nodes
        self._variables = {
            **os.environ,
            **variables,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "token-of-these-tests-and-of-nothing-else",
        }
        self._opened = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._port, self._client_port = _free_port(), _free_port()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            # Short: the paths of its sockets must not be longer than 107 bytes.
            self._folder = opened.enter_context(
                tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
            )
            opened.callback(self._stop)
            self._start(
                "--head",
                f"--port={self._port}",
                f"--ray-client-server-port={self._client_port}",
                f"--temp-dir={self._folder}",
                "--num-cpus=0",
                "--include-dashboard=false",
            )
            for _ in range(self._nodes):
                self._start(f"--address=127.0.0.1:{self._port}", "--num-cpus=1")
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    @property
    def address(self) -> str:
        """Return the address that `--engine` takes."""
        return f"ray://127.0.0.1:{self._client_port}"

    @property
    def variables(self) -> Mapping[str, str]:
        """Return what a driver needs in its environment."""
        return {name: value for name, value in self._variables.items() if name.startswith("RAY_")}

    def find_actors(self) -> list[int]:
        """Return the ids of the processes in which the workers are, of this cluster alone."""
        own = {process.pid for process in self._processes}
        return [pid for pid in _named("ray::NodeActor") if own & set(_ancestors(pid))]

    def _start(self, *words: str) -> None:
        file = Path(self._folder) / f"start-{len(self._processes)}.log"
        with file.open("wb") as log:
            process = subprocess.Popen(
                [*_COMMAND, *_QUIET, *words],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own: what it has started ends with it.
                start_new_session=True,
            )
        self._processes.append(process)
        # One after another: two that start at once take each other's files for their own.
        _await_words("Ray runtime started", file)

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _named(beginning: str) -> Iterator[int]:
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (each / "cmdline").read_text("utf-8", "replace").startswith(beginning):
                yield int(each.name)


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        with suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text("utf-8")
            pid = int(status.partition("PPid:\t")[2].split("\n")[0] or 0)
            yield pid
            continue
        return


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _await_words(words: str, file: Path) -> None:
    ends_at = time.monotonic() + _START_S
    while words not in (said := file.read_text("utf-8")):
        if time.monotonic() > ends_at:
            raise TimeoutError(f"a part of the Ray cluster did not come up: {said}")
        time.sleep(0.2)
