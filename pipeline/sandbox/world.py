"""What the sandbox knows, on disk: tasks, bills, uploads, leaks, and the scenario being played.

Everything is committed before a reply leaves, so that killing the sandbox loses nothing that a
client was told. Money is kept in whole micro-dollars.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from pipeline.sandbox.records import Link, Task, Upload

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


_TASK = tuple(Task.__dataclass_fields__)
_UPLOAD = tuple(Upload.__dataclass_fields__)
_BLOBS = ("request", "fate", "reel", "extra")


class World:
    """The state on disk, and the clock by which it goes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("uploads", "clips"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(root / "sandbox.db", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES)
        self._ahead_s = float(self.note("clock") or 0)

    def now(self) -> float:
        """Return the sandbox's time, in Unix seconds; it can be put forward."""
        return time.time() + self._ahead_s

    def put_forward(self, seconds: float) -> None:
        """Let this many seconds pass at once."""
        self._ahead_s += seconds
        self.keep_note("clock", self._ahead_s)

    def accept(self, task: Task, bill_at: float | None) -> bool:
        """Keep a new task and its bill in one commit; False where its id is taken."""
        values = {name: getattr(task, name) for name in _TASK}
        values |= {name: orjson.dumps(values[name]) for name in _BLOBS}
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._insert("tasks", values)
            if bill_at is not None:
                self._bill(task, task.usd, bill_at)
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK")
            return False
        self._db.execute("COMMIT")
        return True

    def task(self, provider: str, account: str, task_id: str) -> Task | None:
        """Return a task of an account."""
        found = self._db.execute(
            f"SELECT {', '.join(_TASK)} FROM tasks WHERE provider=? AND account=? AND id=?",  # noqa: S608 - our own column names
            (provider, account, task_id),
        ).fetchone()
        return None if found is None else _task(found)

    def tasks(self, where: str = "TRUE", values: Sequence[Any] = ()) -> list[Task]:
        """Return tasks, oldest first; `where` is a condition of ours with `?` for values."""
        found = self._db.execute(
            f"SELECT {', '.join(_TASK)} FROM tasks WHERE {where} ORDER BY created_at, id",  # noqa: S608
            tuple(values),
        )
        return [_task(row) for row in found]

    def keep_clip(self, task: Task, clip: str) -> None:
        """Note which clip a task has got."""
        self._db.execute(
            "UPDATE tasks SET clip=? WHERE provider=? AND account=? AND id=?",
            (clip, task.provider, task.account, task.id),
        )

    def settle(self, task: Task, usd: int) -> None:
        """Book what the end of a task changes, once; a refund is negative."""
        self._db.execute("BEGIN IMMEDIATE")
        changed = self._db.execute(
            "UPDATE tasks SET settled=1 WHERE provider=? AND account=? AND id=? AND settled=0",
            (task.provider, task.account, task.id),
        )
        if changed.rowcount and usd:
            self._bill(task, usd, self.now())
        self._db.execute("COMMIT")

    def billed(self, provider: str, account: str) -> int:
        """Return what an account has been billed so far, in micro-dollars."""
        (found,) = self._db.execute(
            "SELECT coalesce(sum(usd), 0) FROM bills WHERE provider=? AND account=?",
            (provider, account),
        ).fetchone()
        return int(found)

    def bills(self) -> list[tuple[str, str, str, int]]:
        """Return provider, account, task and micro-dollars of every bill, in order."""
        return list(self._db.execute("SELECT provider, account, task, usd FROM bills ORDER BY id"))

    def keep_link(self, link: Link) -> None:
        """Make an address for a result."""
        self._insert("links", {name: getattr(link, name) for name in Link.__dataclass_fields__})

    def link(self, token: str) -> Link | None:
        """Return what an address leads to."""
        found = self._db.execute(
            "SELECT token, provider, account, task, expires_at FROM links WHERE token=?", (token,)
        ).fetchone()
        return None if found is None else _link(found)

    def links(self, task: Task) -> list[Link]:
        """Return the addresses of a task's results."""
        found = self._db.execute(
            "SELECT token, provider, account, task, expires_at FROM links"
            " WHERE provider=? AND account=? AND task=? ORDER BY token",
            (task.provider, task.account, task.id),
        )
        return [_link(row) for row in found]

    def keep_upload(self, upload: Upload, content: bytes) -> None:
        """Keep a medium: its bytes first, then what is known of it."""
        path = self.upload_path(upload.digest)
        if not path.exists():
            path.write_bytes(content)
        self._insert("uploads", {name: getattr(upload, name) for name in _UPLOAD})

    def upload(self, upload_id: str) -> Upload | None:
        """Return a stored medium, unless its time is over."""
        found = self._db.execute(
            f"SELECT {', '.join(_UPLOAD)} FROM uploads WHERE id=?",  # noqa: S608
            (upload_id,),
        ).fetchone()
        upload = None if found is None else Upload(**dict(zip(_UPLOAD, found, strict=True)))
        expired = upload and upload.expires_at is not None and upload.expires_at < self.now()
        return None if expired else upload

    def uploads(self) -> list[Upload]:
        """Return every medium that is stored."""
        found = self._db.execute(f"SELECT {', '.join(_UPLOAD)} FROM uploads ORDER BY digest, id")  # noqa: S608
        return [Upload(**dict(zip(_UPLOAD, row, strict=True))) for row in found]

    def renew_upload(self, upload_id: str, expires_at: float) -> None:
        """Let a stored medium live until then."""
        self._db.execute("UPDATE uploads SET expires_at=? WHERE id=?", (expires_at, upload_id))

    def drop_upload(self, upload_id: str) -> None:
        """Forget a stored medium."""
        self._db.execute("DELETE FROM uploads WHERE id=?", (upload_id,))

    def upload_path(self, digest: str) -> Path:
        """Return where the bytes of an upload are."""
        return self.root / "uploads" / digest

    def keep_leak(self, place: str, path: str) -> None:
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

    def keep_note(self, name: str, value: Any) -> None:
        """Note something across restarts; what is about one thing ("deposit 7") is forgotten."""
        self._db.execute(
            "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=excluded.value",
            (name, orjson.dumps(value)),
        )

    def forget(self) -> None:
        """Drop every task, bill, upload and leak, and set the clock right; rendered clips stay."""
        for table in _CONTENT:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608
        self._db.execute("DELETE FROM notes WHERE name LIKE '% %'")
        for path in (self.root / "uploads").iterdir():
            with suppress(FileNotFoundError):
                path.unlink()
        self._ahead_s = 0.0
        self.keep_note("clock", 0.0)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _bill(self, task: Task, usd: int, at: float) -> None:
        self._insert(
            "bills",
            {
                "provider": task.provider,
                "account": task.account,
                "task": task.id,
                "usd": usd,
                "at": at,
            },
        )

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        marks = ", ".join("?" * len(values))
        self._db.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608
            tuple(values.values()),
        )


def _task(row: Sequence[Any]) -> Task:
    values = dict(zip(_TASK, row, strict=True))
    return Task(**values | {name: orjson.loads(values[name]) for name in _BLOBS})


def _link(row: Sequence[Any]) -> Link:
    return Link(**dict(zip(Link.__dataclass_fields__, row, strict=True)))
