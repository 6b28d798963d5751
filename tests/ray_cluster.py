"""A Ray cluster of the tests' own on this machine: a head that does no work, and nodes that do."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_START_S = 90.0
_COMMAND = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block")
_QUIET = ("--disable-usage-stats", "--object-store-memory=80000000")


class RayCluster:
    """A head and so many nodes, each with the environment that it is given. A context manager."""

    def __init__(self, variables: Mapping[str, str], *, nodes: int = 2) -> None:
        self._wanted = nodes
        self._variables = {
            **os.environ,
            **variables,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "token-of-these-tests-and-of-nothing-else",
        }
        self._opened = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        """The head, and each node that was ever started."""
        self._port, self._client_port = _free_port(), _free_port()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(_alone())
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
            self.fill_up()
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

    @property
    def nodes(self) -> list[int]:
        """Return the ids of the nodes' first processes, of those that live."""
        return [process.pid for process in self._processes[1:] if process.poll() is None]

    def grow(self, nodes: int) -> None:
        """Start nodes until there are so many, which is from now on their number."""
        self._wanted = nodes
        self.fill_up()

    def fill_up(self) -> None:
        """Start nodes until there are as many as at first."""
        while len(self.nodes) < self._wanted:
            self._start(f"--address=127.0.0.1:{self._port}", "--num-cpus=1")

    def find_actors(self) -> list[int]:
        """Return the ids of the processes in which the workers are, of this cluster alone."""
        own = {process.pid for process in self._processes}
        return [pid for pid in _named("ray::NodeActor") if own & set(_ancestors(pid))]

    def kill_node(self) -> None:
        """End a node as a power cut does: all of its processes at once."""
        node = self.nodes[0]
        self._signal(node, signal.SIGKILL)
        next(process for process in self._processes if process.pid == node).wait()

    def hang_node(self, seconds: float) -> None:
        """Let all processes of a node stand still for so long, and then go on."""
        node = self.nodes[0]
        self._signal(node, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self._signal(node, signal.SIGCONT)

    def _signal(self, node: int, number: signal.Signals) -> None:
        """Send a signal to each process of a node; some have groups of their own."""
        for pid in [node, *_descendants(node)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

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
        left = [pid for process in self._processes for pid in _descendants(process.pid)]
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in left:
            # By now its parent is gone: whoever has this id and another name is none of these.
            if _is_of(pid, self._folder):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other test has a cluster on this machine: two take each other's ports."""
    with (Path(tempfile.gettempdir()) / "ray-clusters.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _named(beginning: str) -> Iterator[int]:
    for pid in _processes():
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").startswith(beginning):
                yield pid


def _is_of(pid: int, folder: str) -> bool:
    """Tell whether a process has a folder in its environment or its command line."""
    with suppress(OSError):
        told = (Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline"))
        return any(folder.encode() in text for text in told)
    return False


def _descendants(ancestor: int) -> list[int]:
    return [pid for pid in _processes() if pid != ancestor and ancestor in _ancestors(pid)]


def _processes() -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*")]


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
