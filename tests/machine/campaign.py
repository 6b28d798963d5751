"""A campaign of two clips in a folder of its own, run as a person runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store
from tests.processes import run_callsheet

KEY = "a-key-of-the-machine-tests"
MANIFEST = """\
callsheet: 1
name: cups
tables: {cups: {file: cups.csv, key: sku, as: cup}}
shots:
  - id: still
    for: cups
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "{{ cup.name }} stands on a table, no text."
policy: {retries: {requests: 0}}
budget: {limit: 20 USD}
"""
TABLE = "sku,name\nA,Alba\nB,Brera\n"
ITEMS = 2
TRACE = "Traceback"
_PATIENCE_S = 60


@dataclass(frozen=True)
class Campaign:
    """The campaign's folder; `address` is where its provider is reached."""

    folder: Path
    address: str

    @classmethod
    def new(cls, folder: Path, address: str) -> Campaign:
        """Return a campaign that was just written."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cups.yaml").write_text(MANIFEST, "utf-8")
        (folder / "cups.csv").write_text(TABLE, "utf-8")
        return cls(folder, address)

    @property
    def root(self) -> Path:
        """Return the output root."""
        return self.folder / "root"

    @property
    def ledger(self) -> Path:
        """Return the ledger's file."""
        return self.root / ".callsheet" / "ledger.db"

    @property
    def clips(self) -> list[Path]:
        """Return the clips at their output paths."""
        return sorted((self.root / "cups" / "still").rglob("*.mp4"))

    def copy(self, folder: Path) -> Campaign:
        """Return the same campaign in another folder, with all that was made, taken over there.

        The folder it was made in must be gone, as after a restore: see `moved`.
        """
        shutil.copytree(self.folder, folder)
        with Ledger.open(folder / "root", adopt=True):
            return Campaign(folder, self.address)

    def moved(self, folder: Path) -> Campaign:
        """Return the campaign after its folder was renamed; nothing knows of that yet."""
        self.folder.rename(folder)
        return Campaign(folder, self.address)

    def words(self, command: str = "run", *more: str) -> list[str]:
        """Return the arguments of a command on this campaign."""
        words = [command, str(self.folder / "cups.yaml"), "--root", str(self.root)]
        if command == "run":
            words += ["--yes", "--base-url", f"runware={self.address}"]
        return [*words, *more]

    def run(
        self,
        *more: str,
        variables: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the campaign in a process of its own; `before` is called there first."""
        words = self.words("run", *more)
        if variables is None and before is None:
            return run_callsheet(words, environment())
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *words],
            env={**os.environ, **environment(), **(variables or {})},
            preexec_fn=before,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )

    def damage(self) -> list[str]:
        """Return what `ledger check` finds."""
        ledger = Ledger.reader(self.root)
        assert ledger is not None
        with ledger:
            return list(damage(ledger, Store(self.root)))


def environment() -> Mapping[str, str]:
    """Return the variables of a run: a key, and a width for what is printed."""
    return {"RUNWARE_API_KEY": KEY, "COLUMNS": "300"}
