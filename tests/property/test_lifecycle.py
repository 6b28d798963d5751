"""Whatever the provider does, in whatever order: one task per item, and money that adds up."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from pipeline.domain import Policy
from pipeline.domain.states import TRANSITIONS, State
from pipeline.ledger.budgets import bound
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import budgets
from tests.examples import examples
from tests.postgresql import PlaceLedger
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.raw_ledger import read

SUBMITS = st.sampled_from(
    ["ok", "ok", "ok", "drop", "lost", "not_sent", "throttled", "capacity", "refused", "garbage"]
)
ENDINGS = st.sampled_from(["done", "done", "failed", "failed_free", "refused", "baking", "stuck"])
LINKS = st.sampled_from([200, 200, 404, 503])
POINTS = st.sampled_from(
    ["intent", "intended", "sent", "accepted", "polled", "downloading", "renaming", "committed"]
)

_ANYTHING = given(
    submits=st.lists(SUBMITS, max_size=12),
    endings=st.lists(ENDINGS, max_size=8),
    links=st.lists(LINKS, max_size=8),
    kills=st.lists(st.tuples(POINTS, st.integers(0, 4)), max_size=3),
)


class Killed(BaseException):
    """The process ends here."""


@examples(8, 100)
def test_any_sequence_of_events_and_restarts_keeps_the_promises(
    examples: int, place_ledger: PlaceLedger
) -> None:
    """After any faults and kills: no double purchase, and the ledger's money is the shop's."""
    settings(
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        max_examples=examples,
    )(_ANYTHING(_keeps_its_promises))(place_ledger)


def _keeps_its_promises(
    place_ledger: PlaceLedger,
    submits: list[str],
    endings: list[str],
    links: list[int],
    kills: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place_ledger(Path(folder))
        studio = Studio(Path(folder), policy=Policy(stop=False, purchases=2))
        studio.shop.script.extend(submits)
        studio.shop.endings.extend(endings)
        studio.shop.links.extend(links)
        asyncio.run(_runs(studio, kills))
        hold_promises(studio)


async def _runs(studio: Studio, kills: list[tuple[str, int]]) -> None:
    studio.admit(entry(f"i{n}") for n in range(4))
    for point, after in kills:
        left = iter(range(after))

        def kill(name: str, *, at: str = point, left: object = left) -> None:
            if name == at and next(left, None) is None:  # type: ignore[call-overload]
                raise Killed

        with suppress(Killed):
            await studio.run(checkpoint=kill)
    await studio.run()


def hold_promises(studio: Studio) -> None:
    """Hold what the shop took and billed against the ledger, now that nothing is under way."""
    by_key: dict[str, list[str]] = {}
    for task in studio.shop.tasks.values():
        if task.ending != "failed_free":
            by_key.setdefault(task.body["prompt"], []).append(task.id)
    assert all(len(tasks) == 1 for tasks in by_key.values()), by_key

    records = studio.records()
    doubtful = sum((record.reserved_usd + record.possible_usd for record in records), Decimal(0))
    charged = sum((record.charged_usd for record in records), Decimal(0))
    assert charged <= studio.shop.billed <= charged + doubtful
    assert {r.state for r in records} <= {s.value for s in State} - {"staging", "submitting"}
    with Ledger.open(studio.root) as ledger:
        assert read(ledger, _committed) == read(ledger, _bound)


def _committed(connection: Connection) -> int:
    scope = budgets.c.scope == "campaign:spring"
    return connection.scalar(select(budgets.c.committed_microusd).where(scope)) or 0


def _bound(connection: Connection) -> int:
    return connection.scalar(select(bound())) or 0


@given(path=st.lists(st.integers(0, 5), max_size=30))
def test_every_walk_along_the_table_can_still_end(path: list[int]) -> None:
    """From wherever a walk along the table leads there is a way to an end."""
    state = State.PLANNED
    for choice in path:
        line = list(TRANSITIONS[state])
        if not line:
            return
        state = line[choice % len(line)]

    assert TRANSITIONS[state] or state in {State.DONE, State.OFF_SPEC, State.ABANDONED}
