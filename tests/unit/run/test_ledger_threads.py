"""Where SQL runs, and what a dry run and a plan cost the ledger that others wait for."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain import PricedItem
from pipeline.domain.states import State
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_lock import LEDGER
from pipeline.run.plan_sync import sync_plan
from pipeline.run.runner import run
from pipeline.storage.fs import STATE_FOLDER
from tests.unit.run.campaign import CAMPAIGN, Studio, entry


class Traced:
    """Writes down which thread ran how many statements."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: dict[str, int] = defaultdict(int)
        self._connect: Callable[..., sqlite3.Connection] = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", self._open)

    def _open(self, *words: Any, **options: Any) -> sqlite3.Connection:
        opened = self._connect(*words, **options)
        opened.set_trace_callback(self._note)
        return opened

    def _note(self, _: str) -> None:
        self.statements[threading.current_thread().name] += 1


async def test_no_sql_runs_in_the_event_loops_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run works, statements run in the ledger's own threads, or in a worker thread."""
    studio = Studio(tmp_path)
    assert studio.admit(entry(name) for name in "abc").ok
    traced = Traced(monkeypatch)
    with Ledger.open(tmp_path) as ledger:
        traced.statements.clear()
        config, parts = studio.parts()
        outcome = await run(ledger, config, **parts)
        at_work = set(traced.statements)

    assert 3 == outcome.count(State.DONE)
    assert {"ledger_0", "ledger-read_0"} <= at_work
    assert threading.current_thread().name not in at_work


def test_entries_are_pulled_outside_of_a_write_transaction(tmp_path: Path) -> None:
    """While a plan is rendered, and its files looked at, somebody else may write to the ledger."""
    studio = Studio(tmp_path)

    def pulled() -> Iterator[PricedItem]:
        for name in ("a", "b"):
            _write_from_outside(tmp_path)
            yield entry(name)

    with Ledger.open(tmp_path) as ledger:
        assert sync_plan(pulled(), ledger, campaign=CAMPAIGN, files=Watched(tmp_path)).ok  # type: ignore[arg-type]

    assert ["planned", "planned"] == studio.states()


def test_nothing_else_is_written_while_a_plan_is_drafted(tmp_path: Path) -> None:
    """What would be written beside a draft would be lost with it: that is a bug, and said so."""
    studio = Studio(tmp_path)
    with (
        Ledger.open(tmp_path) as ledger,
        ledger.draft_plan(CAMPAIGN),
        pytest.raises(RuntimeError, match="drafted"),
    ):
        ledger.record_price(studio.seen())


def test_a_dry_run_copies_nothing_of_other_campaigns(tmp_path: Path) -> None:
    """What is planned dry stands in temporary tables: with the items of its own campaign alone."""
    studio = Studio(tmp_path)
    assert studio.admit((entry(f"i{n}") for n in range(50)), profile="other").ok
    assert studio.admit([entry("mine")]).ok
    before = (tmp_path / STATE_FOLDER / LEDGER).read_bytes()

    with Ledger.memory(tmp_path) as dry:
        assert sync_plan([entry("mine"), entry("new")], dry, campaign=CAMPAIGN).ok
        planned = [record.address for record in dry.records(CAMPAIGN)]
        elsewhere = list(dry.records(f"{CAMPAIGN}@other"))

    assert ["spin[mine]", "spin[new]"] == planned
    assert [] == elsewhere
    assert before == (tmp_path / STATE_FOLDER / LEDGER).read_bytes()


class Watched:
    """The files of a root; whoever looks at one finds that the ledger can be written to."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def stat(self, _: str) -> None:
        """Find nothing, and write to the ledger from outside."""
        _write_from_outside(self._root)

    def too_long(self, _: str) -> str:
        """Find every path short enough."""
        return ""

    def in_the_way(self, _: str) -> str:
        """Find nothing in the way."""
        return ""


def _write_from_outside(root: Path) -> None:
    """Write to the ledger as another program would; it does not wait for a lock."""
    with sqlite3.connect(root / STATE_FOLDER / LEDGER, timeout=0) as outside:
        outside.execute("UPDATE versions SET version = version")
