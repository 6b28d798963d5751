"""What the sandbox knows, on disk: tasks, bills, uploads, links, leaks, and the scenario's counts.

Everything is committed before a reply leaves, so that killing the sandbox loses nothing that a
client was told. Money is kept in whole micro-dollars.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

_TABLES = """
CREATE TABLE IF NOT EXISTS tasks (
  provider TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL, client_id TEXT NOT NULL,
  address TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL, request BLOB NOT NULL,
  usd INTEGER NOT NULL, created_at REAL NOT NULL, ready_at REAL NOT NULL, fate BLOB NOT NULL,
  reel BLOB NOT NULL, extra BLOB NOT NULL, clip TEXT, settled INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (provider, account, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (
  token TEXT PRIMARY KEY, provider TEXT NOT NULL, account TEXT NOT NULL, task TEXT NOT NULL,
  expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_task ON links (provider, account, task);
CREATE TABLE IF NOT EXISTS bills (
  id INTEGER PRIMARY KEY, provider TEXT NOT NULL, account TEXT NOT NULL, task TEXT NOT NULL,
  usd INTEGER NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, provider TEXT NOT NULL, account TEXT NOT NULL, digest TEXT NOT NULL,
  media_type TEXT NOT NULL, name TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  size INTEGER NOT NULL, seconds REAL, fps REAL, expires_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leaks (id INTEGER PRIMARY KEY, at REAL, place TEXT, path TEXT);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_CONTENT = ("tasks", "links", "bills", "uploads", "leaks")
_BLOBS = frozenset({"request", "fate", "reel", "extra"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One accepted task. `reel` says what its clip shows, `fate` what a scenario does to it.

    A rehearsal's folder outlives the version that wrote it: these two are names on disk.
    """

    provider: str
    account: str
    id: str
    client_id: str
    address: str
    model: str
    prompt: str
    request: Any
    usd: int
    """Micro-dollars."""
    created_at: float
    ready_at: float
    fate: Mapping[str, Any]
    reel: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What its dialect wants to remember."""
    clip: str | None = None
    """The rendered clip by content; None: not rendered yet."""
    settled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A medium somebody stored; its bytes are kept by digest."""

    id: str
    provider: str
    account: str
    digest: str
    media_type: str
    name: str
    width: int
    height: int
    size: int
    seconds: float | None = None
    fps: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The address of a result; dead after `expires_at`."""

    token: str
    provider: str
    account: str
    task: str
    expires_at: float


_Record = TypeVar("_Record", Task, Upload, Link)
_NAMES: Mapping[type[Any], str] = {Task: "tasks", Upload: "uploads", Link: "links"}


class Database:
    """The state on disk, and the clock by which it goes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("uploads", "clips"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        # No transactions that begin by themselves: each statement is a commit, unless we say BEGIN.
        self._db = sqlite3.connect(root / "sandbox.db", isolation_level=None)
        # NORMAL: with a WAL a killed process loses no commit; only a power cut may take some.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES)
        self._ahead_s = float(self.note("clock") or 0)

    def now(self) -> float:
        """Return the sandbox's time, in Unix seconds; it can be put forward."""
        return time.time() + self._ahead_s

    def advance_clock(self, seconds: float) -> None:
        """Let this many seconds pass at once."""
        self._ahead_s += seconds
        self.set_note("clock", self._ahead_s)

    def add_task(self, task: Task, bill_at: float | None) -> bool:
        """Keep a new task and its bill in one commit; False where its id is taken."""
        # A task without its bill, or a bill without its task, would make this a false witness.
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._insert("tasks", _row(task))
            if bill_at is not None:
                self._bill(task, task.usd, bill_at)
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK")
            return False
        self._db.execute("COMMIT")
        return True

    def task(self, provider: str, account: str, task_id: str) -> Task | None:
        """Return a task of an account."""
        where = "provider=? AND account=? AND id=?"
        return next(iter(self._select(Task, where, provider, account, task_id)), None)

    def tasks(self, where: str = "TRUE", *values: Any) -> list[Task]:
        """Return tasks, oldest first; `where` is a condition of ours with `?` for values."""
        return self._select(Task, f"{where} ORDER BY created_at, id", *values)

    def set_clip(self, task: Task, clip: str) -> None:
        """Note which clip a task has got."""
        self._change(task, "UPDATE tasks SET clip=?", clip)

    def settle(self, task: Task, usd: int) -> None:
        """Bill what the end of a task changes, once; a refund is negative."""
        self._db.execute("BEGIN IMMEDIATE")
        # Whoever looks first settles; polls come in any number.
        changed = self._change(task, "UPDATE tasks SET settled=settled+1", only="AND settled=0")
        if changed and usd:
            self._bill(task, usd, self.now())
        self._db.execute("COMMIT")

    def bill_total(self, provider: str, account: str) -> int:
        """Return what an account has been billed so far, in micro-dollars."""
        (found,) = self._db.execute(
            "SELECT coalesce(sum(usd), 0) FROM bills WHERE provider=? AND account=?",
            (provider, account),
        ).fetchone()
        return int(found)

    def bills(self) -> list[tuple[str, str, str, int]]:
        """Return provider, account, task and micro-dollars of every bill, in order."""
        return list(self._db.execute("SELECT provider, account, task, usd FROM bills ORDER BY id"))

    def add_link(self, link: Link) -> None:
        """Make an address for a result."""
        self._insert("links", _row(link))

    def link(self, token: str) -> Link | None:
        """Return what an address leads to."""
        return next(iter(self._select(Link, "token=?", token)), None)

    def links(self, task: Task) -> list[Link]:
        """Return the addresses of a task's results."""
        where = "provider=? AND account=? AND task=? ORDER BY token"
        return self._select(Link, where, task.provider, task.account, task.id)

    def expire_links(self, task: Task) -> None:
        """Let the addresses of a task's results be dead from now on."""
        self._db.execute(
            "UPDATE links SET expires_at=0 WHERE provider=? AND account=? AND task=?",
            (task.provider, task.account, task.id),
        )

    def add_upload(self, upload: Upload, content: bytes) -> None:
        """Keep a medium: its bytes first, then what is known of it."""
        # The row last: a killed sandbox may know too little, and never too much.
        path = self.upload_path(upload.digest)
        if not path.exists():
            path.write_bytes(content)
        self._insert("uploads", _row(upload))

    def upload(self, upload_id: str) -> Upload | None:
        """Return a stored medium, unless its time is over."""
        alive = "id=? AND coalesce(expires_at >= ?, TRUE)"
        return next(iter(self._select(Upload, alive, upload_id, self.now())), None)

    def uploads(self, where: str = "TRUE", *values: Any) -> list[Upload]:
        """Return stored media, those whose time is over too; `where` as for tasks."""
        return self._select(Upload, f"{where} ORDER BY digest, id", *values)

    def renew_upload(self, upload_id: str, expires_at: float) -> None:
        """Let a stored medium live until then."""
        self._db.execute("UPDATE uploads SET expires_at=? WHERE id=?", (expires_at, upload_id))

    def delete_upload(self, upload_id: str) -> None:
        """Forget a stored medium."""
        self._db.execute("DELETE FROM uploads WHERE id=?", (upload_id,))

    def upload_path(self, digest: str) -> Path:
        """Return where the bytes of an upload are."""
        return self.root / "uploads" / digest

    def add_leak(self, place: str, path: str) -> None:
        """Note that a key was seen where none belongs."""
        self._insert("leaks", {"at": self.now(), "place": place, "path": path})

    def leaks(self) -> list[dict[str, Any]]:
        """Return every key that was seen where none belongs."""
        found = self._db.execute("SELECT at, place, path FROM leaks ORDER BY id")
        return [{"at": at, "place": place, "path": path} for at, place, path in found]

    def accounts(self) -> set[str]:
        """Return every key that has been used to buy or store something."""
        found = self._db.execute("SELECT account FROM tasks UNION SELECT account FROM uploads")
        return {account for (account,) in found}

    def note(self, name: str) -> Any:
        """Return something noted across restarts, or None."""
        found = self._db.execute("SELECT value FROM notes WHERE name=?", (name,)).fetchone()
        return None if found is None else orjson.loads(found[0])

    def set_note(self, name: str, value: Any) -> None:
        """Note something across restarts; a reset keeps names of one word only."""
        self._db.execute(
            "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
            (name, orjson.dumps(value)),
        )

    def clear(self) -> None:
        """Drop every task, bill, upload and leak, and set the clock right; rendered clips stay."""
        for table in _CONTENT:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
        # What is about one thing has its id behind a space ("deposit 7").
        self._db.execute("DELETE FROM notes WHERE name LIKE '% %'")
        for path in (self.root / "uploads").iterdir():
            with suppress(FileNotFoundError):
                path.unlink()
        self._ahead_s = 0.0
        self.set_note("clock", 0.0)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _bill(self, task: Task, usd: int, at: float) -> None:
        whose = {"provider": task.provider, "account": task.account, "task": task.id}
        self._insert("bills", {**whose, "usd": usd, "at": at})

    def _change(self, task: Task, statement: str, *values: Any, only: str = "") -> int:
        """Return how many rows a statement of ours changes: the task's, or none."""
        where = f" WHERE provider=? AND account=? AND id=? {only}"
        whose = (task.provider, task.account, task.id)
        return self._db.execute(statement + where, (*values, *whose)).rowcount

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        marks = ", ".join("?" * len(values))
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - our own names
            tuple(values.values()),
        )

    def _select(self, record: type[_Record], where: str, *values: Any) -> list[_Record]:
        names = tuple(record.__dataclass_fields__)
        found = self._db.execute(
            f"SELECT {', '.join(names)} FROM {_NAMES[record]} WHERE {where}",  # noqa: S608 - our own names
            values,
        )
        return [
            record(
                **{
                    name: orjson.loads(value) if name in _BLOBS else value
                    for name, value in zip(names, row, strict=True)
                }
            )
            for row in found
        ]


def _row(record: Task | Upload | Link) -> dict[str, Any]:
    """Return a record's fields as its table holds them."""
    values = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return values | {name: orjson.dumps(values[name]) for name in _BLOBS & values.keys()}
