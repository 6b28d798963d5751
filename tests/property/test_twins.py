"""Two runs of one campaign over the same shards: whoever is killed, nothing is paid twice."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from pipeline.domain import Policy
from pipeline.errors import Unusable
from pipeline.ledger import lease
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import owners
from pipeline.run.runner import run
from tests.clocks import HastyClock
from tests.examples import examples
from tests.postgresql import PostgresqlServer
from tests.property.test_lifecycle import LINKS, POINTS, SUBMITS, Killed, hold_promises
from tests.unit.run.campaign import Studio, entry

ITEMS = 6
ENDINGS = st.sampled_from(["done", "done", "failed", "failed_free", "refused"])
AT_REST = {"done", "failed", "off_spec", "abandoned"}

_ANYTHING = given(
    submits=st.lists(SUBMITS, max_size=12),
    endings=st.lists(ENDINGS, max_size=8),
    links=st.lists(LINKS, max_size=8),
    kill=st.none() | st.tuples(POINTS, st.integers(0, 3)),
    shard_items=st.sampled_from([0, 1, 2]),
)


@pytest.fixture(autouse=True)
def _brisk_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed often: who has renewed two of its own in time ends those of others."""
    monkeypatch.setattr(lease, "_BEATS", 50)


@examples(4, 60)
def test_twins_never_pay_twice(examples: int, postgresql_server: PostgresqlServer) -> None:
    """Any faults, any shards, and a kill of one of two: one task an item, and the shop's money."""
    settings(
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        max_examples=examples,
    )(_ANYTHING(_keep_their_promises))(postgresql_server)


def _keep_their_promises(
    server: PostgresqlServer,
    submits: list[str],
    endings: list[str],
    links: list[int],
    kill: tuple[str, int] | None,
    shard_items: int,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server.adopt(Path(folder))
        one, other = (
            Studio(
                Path(folder),
                clock=HastyClock(),  # type: ignore[arg-type]
                policy=Policy(stop=False, purchases=2),
            )
            for _ in range(2)
        )
        other.shop, other._ids = one.shop, itertools.count(1000)  # noqa: SLF001 - one shop for both
        one.shop.takes_s = 0.02
        one.shop.script.extend(submits)
        one.shop.endings.extend(endings)
        one.shop.links.extend(links)
        assert one.admit(entry(f"i{number}") for number in range(ITEMS)).ok
        one.confirm_price()
        asyncio.run(_work_both(one, other, kill, shard_items))
        hold_promises(one)


async def _work_both(
    one: Studio, other: Studio, kill: tuple[str, int] | None, shard_items: int
) -> None:
    await asyncio.gather(_work(one, kill, shard_items), _work(other, None, shard_items))
    # What was given back by who was killed when the other had ended is the next run's.
    if not set(one.states()) <= AT_REST:
        await one.run()


async def _work(studio: Studio, kill: tuple[str, int] | None, shard_items: int) -> None:
    """Run in small shards; killed at a checkpoint, it writes no more and lets go of nothing."""
    with Ledger.open(studio.root) as ledger:
        passed = itertools.count()

        def reach(name: str) -> None:
            if kill is not None and name == kill[0] and next(passed) == kill[1]:
                _cut_off(ledger)
                raise Killed

        config, parts = studio.parts(checkpoint=reach)
        in_shards = replace(parts["dependencies"], shard_items=shard_items)
        try:
            await run(ledger, config, **{**parts, "dependencies": in_shards})
        except (Killed, Unusable):
            if kill is None:
                raise


def _cut_off(ledger: Ledger) -> None:
    """Let a ledger be as a dead process leaves it, and its owner silent for longer than a lease."""
    ledger.lease.stop()
    for session in (ledger._writer._session, ledger._reading):  # noqa: SLF001 - as by kill -9
        assert session is not None
        session._fault = Unusable("this process was killed")  # noqa: SLF001 - the same
        session.is_registered = False
    silent = update(owners).where(owners.c.name == ledger.lease.owner.name).values(seen_at=0.0)
    with closing(ledger.database.connect_beside()) as connection, connection.begin():
        connection.execute(silent)
