"""A task id that the ledger cannot take down: whoever watches is told it, or it would be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from pipeline.domain import Event, Feature
from pipeline.errors import LeaseLost, Unusable
from pipeline.ledger import repository
from pipeline.ledger.owners import end_leases
from pipeline.ledger.repository import Ledger
from pipeline.ledger.run_ledger import RunLedger
from pipeline.ledger.session import LedgerSession, owning_session, reading_session
from pipeline.ledger.sql_schema import events, owners
from tests.machine.disks import small_files
from tests.postgresql import PostgresqlServer
from tests.unit.run.campaign import CAMPAIGN, Studio, adopt_task, entry
from tests.unit.run.raw_ledger import read, write_now
from tests.unit.run.shop import OFFER, Provider

UNASKED = Provider(replace(OFFER, features=frozenset({Feature.COST})))
"""It can be asked for no task without its id, as EvoLink and Unifically."""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio whose provider can be asked for no task without its id."""
    return Studio(tmp_path / "root", provider=UNASKED)


def _at(point: str, do: Callable[[], object]) -> Callable[[str], None]:
    """Return checkpoints of a run of which the first of a name does something."""
    reached: list[str] = []

    def pass_by(name: str) -> None:
        if name == point and not reached:
            reached.append(name)
            do()

    return pass_by


def _stray(studio: Studio) -> Event:
    (event,) = (event for event in studio.events if event.name == "stray_task")
    return event


def _take_over(studio: Studio) -> None:
    """Have what a process has in hand taken from it, as if it had been silent for its lease."""
    with Ledger.open(studio.root) as another:
        others = update(owners).where(owners.c.name != another.lease.owner.name)
        write_now(another, lambda connection: connection.execute(others.values(seen_at=0.0)))
        write_now(another, end_leases)


async def _collect_by_hand(studio: Studio, task: str) -> None:
    """Name the task of the one doubt, as the message says, and make the clip from it."""
    assert ["in_doubt"] == studio.states()
    with Ledger.open(studio.root) as ledger:
        adopt_task(ledger, CAMPAIGN, "spin[a]", task=task, now=studio.clock.now())
    outcome = await studio.run()
    assert (0, 1) == (outcome.exit_code, studio.shop.submits)
    assert studio.shop.billed == outcome.committed_usd


async def test_a_full_disk_loses_no_task_id(studio: Studio) -> None:
    """It is full as the reply comes: the id is told, with the word that collects its clip."""
    assert studio.admit([entry("a")]).ok
    with ExitStack() as full, pytest.raises(Unusable, match="disk"):
        await studio.run(checkpoint=_at("sent", lambda: full.enter_context(small_files(1))))

    stray = _stray(studio)
    assert ("t1", "spin[a]") == (stray.detail["task"], stray.address)
    assert "callsheet reconcile --task 'spin[a]=t1'" in stray.detail["message"]
    await _collect_by_hand(studio, "t1")


async def test_a_server_that_stays_away_loses_no_task_id(
    studio: Studio, postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It went while the request was on its way, and the run's patience ended."""

    def impatient(make: Callable[..., LedgerSession], *words: Any) -> LedgerSession:
        session = make(*words)
        session.patience_s = 0.5
        return session

    postgresql_server.adopt(studio.root)
    assert studio.admit([entry("a")]).ok
    monkeypatch.setattr(repository, "owning_session", partial(impatient, owning_session))
    monkeypatch.setattr(repository, "reading_session", partial(impatient, reading_session))
    try:
        with pytest.raises(Unusable, match="cannot be reached"):
            await studio.run(checkpoint=_at("sent", lambda: postgresql_server.stop("fast")))
    finally:
        postgresql_server.start()

    _take_over(studio)
    await _collect_by_hand(studio, str(_stray(studio).detail["task"]))


async def test_who_is_cancelled_while_it_is_written_tells_it_all_the_same(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another item's fault ends the run in that moment, or a second Ctrl-C."""
    accept, loop = RunLedger.accept, asyncio.get_running_loop()
    assert studio.admit([entry("a")]).ok

    def interrupted(*words: Any, **named: Any) -> Coroutine[Any, Any, str]:
        loop.call_soon(running.cancel)
        return accept(*words, **named)

    monkeypatch.setattr(RunLedger, "accept", interrupted)
    with ExitStack() as full:
        checkpoint = _at("sent", lambda: full.enter_context(small_files(1)))
        running = asyncio.create_task(studio.run(checkpoint=checkpoint))
        with pytest.raises((asyncio.CancelledError, Unusable)):
            await running

    assert "t1" == _stray(studio).detail["task"]


async def test_who_has_lost_its_lease_tells_the_id_and_writes_it_down_once(
    studio: Studio, postgresql_server: PostgresqlServer
) -> None:
    """Another process has gone on with the job, and does not know what it was named."""
    postgresql_server.adopt(studio.root)
    assert studio.admit([entry("a")]).ok

    with pytest.raises(LeaseLost):
        await studio.run(checkpoint=_at("sent", partial(_take_over, studio)))

    assert "another process had taken it over" in _stray(studio).detail["message"]
    with Ledger.open(studio.root) as ledger:
        assert ["stray_task"] == read(ledger, _strays)


def _strays(connection: Connection) -> list[str]:
    return list(connection.scalars(select(events.c.name).where(events.c.name == "stray_task")))
