"""A PostgreSQL server of the tests' own: Debian's, on a socket in a folder in memory."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.ledger.location import remember_server
from pipeline.storage.fs import STATE_FOLDER

PlaceLedger = Callable[[Path], object]
"""Lets a root have its ledger in one kind of database."""
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory
_ACCOUNT = "postgres"
"""Who runs it where the tests are root's: the server refuses that."""
_SETTINGS = ("listen_addresses=", "max_connections=60", "shared_buffers=16MB", "fsync=on")
_ATTENDED = """
"$1/pg_ctl" start --wait --pgdata "$2/data" --log "$2/log" -o "$3" >/dev/null && echo started
read -r mode
"$1/pg_ctl" stop --wait --pgdata "$2/data" --mode "${mode:-immediate}" >/dev/null
[ -n "$mode" ] || rm -rf "$2"
"""
"""Runs a server until it is told how to stop; where whoever started it was killed, it is removed.
"""


def is_installed() -> bool:
    """Tell whether a server can be started here."""
    return bool(_BINARIES)


class PostgresqlServer:
    """A running server with as many ledgers as tests want. A context manager."""

    def __init__(self) -> None:
        self._count = count()
        self._shared = ""
        self._attendant: subprocess.Popen[str] | None = None
        self._account = _ACCOUNT if os.geteuid() == 0 else getpass.getuser()
        self._user = self._account if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        # Not below pytest's own folder, which is private: the server may run as somebody else.
        place = _MEMORY if _MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir=place))
        if self._user:
            shutil.chown(self._folder, self._user)
        data = ("--pgdata", str(self._folder / "data"))
        self._call("initdb", *data, "--no-sync", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._attendant is not None:
            self.stop("immediate")
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join((*(f"-c {each}" for each in _SETTINGS), f"-k {self._folder}"))
        self._attendant = subprocess.Popen(
            ["sh", "-c", _ATTENDED, "sh", _BINARIES[0], self._folder, options],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=self._user,
            group=self._user,
        )
        assert self._attendant.stdout is not None
        assert "started\n" == self._attendant.stdout.readline()

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends every connection, `immediate` is as a crash."""
        assert self._attendant is not None
        self._attendant.communicate(f"{mode}\n")
        self._attendant = None

    def database(self, *words: str) -> str:
        """Return the URL of a new database, made with more words to `createdb`."""
        name = f"test{next(self._count)}"
        self._call("createdb", "--host", str(self._folder), "--template=template0", *words, name)
        return f"postgresql://{self._account}@/{name}?host={self._folder}"

    def ledger(self) -> str:
        """Return the URL of a ledger that is not there yet, in a schema of one database."""
        self._shared = self._shared or self.database()
        return f"{self._shared}&schema=ledger{next(self._count)}"

    def adopt(self, root: Path) -> str:
        """Let a root have its ledger here; return the URL of it."""
        url = self.ledger()
        (root / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
        remember_server(root, url)
        return url

    def _call(self, program: str, *words: str) -> None:
        subprocess.run(
            [str(_BINARIES[0] / program), *words],
            check=True,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=self._user,
            group=self._user,
        )
