"""Several processes with one ledger: whose a job is, who may write, and what is taken over."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, update

from pipeline.domain import Event, Policy
from pipeline.domain.states import OWNED, TRANSITIONS, State
from pipeline.errors import LeaseLost, Undecidable
from pipeline.ledger import jobs as moves
from pipeline.ledger import owners, purchases
from pipeline.ledger.budgets import BudgetLimits
from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.jobs import Job, Purchase, Stale, Taken
from pipeline.ledger.location import database_of
from pipeline.ledger.owners import Owner
from pipeline.ledger.purchases import NOT_ACCEPTED, Booking
from pipeline.ledger.repository import Ledger
from pipeline.ledger.run_ledger import RunLedger
from pipeline.ledger.sql_schema import jobs
from pipeline.ledger.sql_schema import owners as owner_rows
from pipeline.ledger.sql_schema import purchases as purchase_rows
from pipeline.run.runner import run
from tests.clocks import HastyClock
from tests.examples import examples
from tests.postgresql import PlaceLedger, PostgresqlServer
from tests.unit.run.campaign import CAMPAIGN, Studio, abandon_item, entry
from tests.unit.run.ended_process import name_ended_process
from tests.unit.run.raw_ledger import connect_as, read, write_now

LEASE_S = 60.0
UNDER_WAY = sorted(OWNED)
_TRIES = itertools.count()
"""Each try to buy has an id of its own."""


@dataclass(frozen=True, slots=True)
class Process:
    """One of several that work with a ledger, by nothing but what it asks of the database."""

    connection: Connection
    owner: Owner

    def move(self, key: str, before: State, after: State) -> None:
        """Move a job, as a run of this process does."""
        with self.connection.begin():
            owners.refuse_ended(self.connection, self.owner)
            moves.move(self.connection, key=key, before=before, after=after)

    def begin(self, job: Job) -> None:
        """Begin to make a planned job, as it was read."""
        with self.connection.begin():
            moves.move_planned(self.connection, job=job, after=State.STAGING)

    def is_turned_away(self, job: Job) -> None:
        """Try to buy a staged job, and plan it again: it was not accepted for now."""
        tried = _purchase(job, "", number=self.intend(job))
        with self.connection.begin():
            purchases.close(
                self.connection,
                job=moves_to(job, State.SUBMITTING, tried),
                after=State.PLANNED,
                booking=Booking(outcome=NOT_ACCEPTED, at=2.0),
                run_id=0,
            )

    def intend(self, job: Job) -> int:
        """Write the intent to buy it; return the purchase's id."""
        wanted = _purchase(job, f"{self.owner.name}-{next(_TRIES)}-{job.key}")
        with self.connection.begin():
            owners.refuse_ended(self.connection, self.owner)
            run_id = purchases.begin(self.connection, campaign=CAMPAIGN, at=1.0)
            written = purchases.intend(
                self.connection, job=job, purchase=wanted, run_id=run_id, limits=BudgetLimits()
            )
        assert isinstance(written, Purchase)
        return written.id

    def fall_silent(self) -> None:
        """Have said nothing for longer than its lease, by the database's clock."""
        with self.connection.begin():
            mine = update(owner_rows).where(owner_rows.c.name == self.owner.name)
            self.connection.execute(
                mine.values(seen_at=owner_rows.c.seen_at - 2 * self.owner.lease_s)
            )

    def vanish(self) -> None:
        """Have ended, as whoever is on the same machine can see."""
        with self.connection.begin():
            mine = update(owner_rows).where(owner_rows.c.name == self.owner.name)
            self.connection.execute(mine.values(process=name_ended_process()))

    def end_leases(self, *, silent: bool = True) -> frozenset[str]:
        """Take from the others what they have lost."""
        with self.connection.begin():
            owners.refuse_ended(self.connection, self.owner)
            return owners.end_leases(self.connection, silent=silent)

    def claim(self, *keys: str) -> frozenset[str]:
        """Take up what is nobody's."""
        with self.connection.begin():
            owners.refuse_ended(self.connection, self.owner)
            return owners.claim(self.connection, keys=keys)

    def renew(self) -> bool:
        """Say that it is alive."""
        with self.connection.begin():
            return owners.renew(self.connection, self.owner)

    def row(self, key: str) -> tuple[str, str]:
        """Return state and owner of a job."""
        query = select(jobs.c.state, jobs.c.owner).where(jobs.c.key == key)
        with self.connection.begin():
            state, owner = self.connection.execute(query).one()
        return str(state), str(owner)


@pytest.fixture
def studio(tmp_path: Path, place_ledger: PlaceLedger) -> Studio:
    """Return a studio whose ledger is in each of the databases."""
    place_ledger(tmp_path)
    return Studio(tmp_path)


@pytest.fixture
def two(studio: Studio) -> Iterator[tuple[Process, Process]]:
    """Return two processes that work with the ledger of two planned items."""
    studio.admit([entry("a"), entry("b")])
    with ExitStack() as opened:
        database = database_of(studio.root)
        first, second = (opened.enter_context(_process(database, name)) for name in ("one", "two"))
        yield first, second


def test_of_two_who_take_a_planned_job_one_has_it(two: tuple[Process, Process]) -> None:
    """The other is told that it is taken, and may send nothing for it."""
    one, other = two
    (key, _) = _keys(one)
    one.move(key, State.PLANNED, State.STAGING)

    with pytest.raises(Taken, match="taken up by one"):
        other.move(key, State.PLANNED, State.STAGING)
    assert ("staging", "one") == one.row(key)


def test_a_job_that_was_tried_since_it_was_read_is_not_begun(
    two: tuple[Process, Process],
) -> None:
    """Who does not know of the try would send it under another id than the provider may know."""
    one, other = two
    job = _job(one)
    other.begin(job)
    other.is_turned_away(moves_to(job, State.STAGING))

    with pytest.raises(Stale):
        one.begin(job)
    assert ("planned", "") == one.row(job.key)
    one.begin(_job(one))
    assert ("staging", "one") == one.row(job.key)


def test_a_job_that_was_planned_for_another_provider_is_not_begun(
    two: tuple[Process, Process],
) -> None:
    """It would be bought where the ledger says that it is not."""
    one, other = two
    job = _job(one)
    with other.connection.begin():
        moved = update(jobs).where(jobs.c.key == job.key).values(provider="annex")
        other.connection.execute(moved)

    with pytest.raises(Stale):
        one.begin(job)


def test_a_try_that_has_ended_otherwise_since_it_was_read_is_another_one(
    two: tuple[Process, Process],
) -> None:
    """It was opened again, accepted, and failed free: it cannot be opened once more."""
    one, other = two
    first = _job(other)
    other.begin(first)
    other.is_turned_away(moves_to(first, State.STAGING))
    job = _job(one)
    with other.connection.begin():
        other.connection.execute(update(purchase_rows).values(outcome="failed"))

    with pytest.raises(Stale):
        one.begin(job)


@pytest.mark.parametrize("state", UNDER_WAY)
def test_what_a_living_owner_works_on_is_left_alone(
    state: State, two: tuple[Process, Process]
) -> None:
    """Nobody else moves it or takes it up, in whatever state it is."""
    one, other = two
    (key, _) = _keys(one)
    _stand(one, key, state)

    assert frozenset() == other.end_leases() == other.claim(key)
    with pytest.raises(Taken):
        other.move(key, state, next(iter(TRANSITIONS[state])))
    assert (state.value, "one") == other.row(key)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (state, {"staging": "planned", "submitting": "in_doubt"}.get(state.value, state.value))
        for state in UNDER_WAY
    ],
)
def test_who_fell_silent_loses_its_jobs_and_writes_no_more(
    state: State, after: str, two: tuple[Process, Process]
) -> None:
    """They are where a crash would leave them, for another to go on; it cannot even renew."""
    one, other = two
    (key, second) = _keys(one)
    _stand(one, key, state)
    one.fall_silent()

    assert frozenset({"one"}) == other.end_leases()
    assert (after, "") == other.row(key)
    assert (after != "planned") == (key in other.claim(key))
    assert not one.renew()
    for wrong in (key, second):
        with pytest.raises(LeaseLost, match="another one went on"):
            one.move(wrong, State.PLANNED, State.STAGING)
    # And were that not asked, the job itself is another's.
    with pytest.raises(Taken), one.connection.begin():
        moves.move(one.connection, key=key, before=state, after=next(iter(TRANSITIONS[state])))
    assert frozenset() == other.end_leases()


def test_who_speaks_in_time_keeps_its_lease(two: tuple[Process, Process]) -> None:
    """Also if it was silent for longer, as long as nobody has taken anything from it."""
    one, other = two
    one.fall_silent()

    assert one.renew()
    assert frozenset() == other.end_leases()


def test_of_a_process_that_is_seen_to_have_ended_no_lease_is_waited_for(
    two: tuple[Process, Process],
) -> None:
    """What it had is taken up at once; of who is only silent, not before its lease has ended."""
    one, other = two
    (key, _) = _keys(one)
    _stand(one, key, State.SUBMITTING)
    one.fall_silent()
    assert frozenset() == other.end_leases(silent=False)
    assert one.renew()

    one.vanish()

    assert frozenset({"one"}) == other.end_leases(silent=False)
    assert ("in_doubt", "") == other.row(key)
    assert not one.renew()


def test_whoever_opens_the_ledger_has_what_a_dead_process_left(
    studio: Studio, two: tuple[Process, Process]
) -> None:
    """Run again after kill -9, nobody waits; a living process keeps what it has."""
    dead, living = two
    gone, kept = _keys(dead)
    _stand(dead, gone, State.WAITING)
    _stand(living, kept, State.WAITING)
    dead.vanish()

    with Ledger.open(studio.root) as ledger:
        assert ("waiting", "") == dead.row(gone)
        # Who has a file's lock knows that there is nobody else.
        owner = "two" if ledger.database.is_remote else ""
        assert ("waiting", owner) == living.row(kept)


def test_a_process_that_ends_leaves_its_jobs_at_once(two: tuple[Process, Process]) -> None:
    """Nobody waits for the end of a lease that was given back."""
    one, other = two
    (key, _) = _keys(one)
    _stand(one, key, State.WAITING)
    with one.connection.begin():
        owners.release(one.connection)

    assert frozenset({key}) == other.claim(key)


def test_an_intent_of_who_lost_the_job_leaves_nothing(two: tuple[Process, Process]) -> None:
    """No purchase, and no reservation: whoever loses is undone whole."""
    one, other = two
    job = _job(one)
    one.move(job.key, State.PLANNED, State.STAGING)

    with pytest.raises(Taken):
        other.intend(moves_to(job, State.STAGING))
    with other.connection.begin():
        assert 0 == other.connection.scalar(select(func.count()).select_from(purchase_rows))
    assert one.intend(moves_to(job, State.STAGING))


def test_a_task_is_written_once(two: tuple[Process, Process]) -> None:
    """A second, different one for the same purchase changes nothing: the first one is returned."""
    one, _ = two
    job = moves_to(_job(one), State.STAGING)
    one.move(job.key, State.PLANNED, State.STAGING)
    bought = _purchase(job, "client", number=one.intend(job))
    accept = partial(purchases.accept, one.connection, at=1.0)
    with one.connection.begin():
        assert not accept(job=moves_to(job, State.SUBMITTING, bought), task="t-1")
        _stand_in(one.connection, job.key, State.IN_DOUBT)
        assert "t-1" == accept(job=moves_to(job, State.IN_DOUBT, bought), task="t-2")
        assert "t-1" == one.connection.scalar(select(purchase_rows.c.task))


async def test_a_word_on_what_another_run_works_on_is_refused(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """A person may decide what is parked, and not what somebody is about to settle."""
    postgresql_server.adopt(tmp_path)
    studio = Studio(tmp_path)
    studio.shop.script.extend(["lost", "lost"])
    await studio.leave_in_doubt("a")
    now = studio.clock.now()
    with Ledger.open(tmp_path) as run_, Ledger.open(tmp_path) as person:
        key = read(person, lambda connection: str(connection.scalar(select(jobs.c.key))))
        write_now(run_, partial(owners.claim, keys=[key]))
        with pytest.raises(Undecidable, match="another run works on it"):
            abandon_item(person, CAMPAIGN, "spin[a]", now=now)
        write_now(run_, partial(owners.leave, keys=[key]))
        abandon_item(person, CAMPAIGN, "spin[a]", now=now)

    assert ["abandoned"] == studio.states()


@examples(10, 200)
def test_whatever_two_processes_do_no_job_is_bought_while_it_is_anothers(
    examples: int, place_ledger: PlaceLedger
) -> None:
    """Any order of taking up, falling silent, coming back and taking over keeps the promises."""
    steps = st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 1)), max_size=24)
    checked = settings(
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        max_examples=examples,
    )(given(steps=steps)(_keeps_its_promises))
    checked(place_ledger)


_STEPS = ("take", "intend", "wait", "silent", "end", "vanish", "look", "claim", "renew")
_NEXT = {
    "take": (State.PLANNED, State.STAGING),
    "wait": (State.SUBMITTING, State.WAITING),
}


def _keeps_its_promises(place_ledger: PlaceLedger, steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        place_ledger(Path(folder))
        studio = Studio(Path(folder), policy=Policy(stop=False))
        studio.admit([entry("a")])
        database = database_of(studio.root)
        two = [opened.enter_context(_process(database, name)) for name in ("one", "two")]
        job = _job(two[0])
        ended: set[str] = set()
        for step, who in steps:
            mine = two[who]
            before = mine.row(job.key)
            try:
                ended |= _do(step, mine, job)
            except (LeaseLost, Taken, moves.Moved):
                assert before == mine.row(job.key)
            else:
                changed = before != mine.row(job.key)
                assert not (changed and mine.owner.name in ended)
                ends = step in {"end", "look"}
                assert not changed or before[1] in {"", mine.owner.name} or ends
            state, owner = mine.row(job.key)
            assert owner in {"", "one", "two"} - ended
            assert not owner or State(state) in OWNED
        with two[0].connection.begin():
            bought = select(func.count()).select_from(purchase_rows)
            assert (two[0].connection.scalar(bought) or 0) <= 1


def _do(step: str, mine: Process, job: Job) -> frozenset[str]:
    """Do one thing as a process; return whose lease that ended."""
    match step:
        case "intend":
            mine.intend(moves_to(job, State.STAGING))
        case "silent":
            mine.fall_silent()
        case "end":
            return mine.end_leases()
        case "vanish":
            mine.vanish()
        case "look":
            return mine.end_leases(silent=False)
        case "claim":
            mine.claim(job.key)
        case "renew":
            mine.renew()
        case _:
            mine.move(job.key, *_NEXT[step])
    return frozenset()


class ShiftedClock(HastyClock):
    """A machine's clock that is wrong by some time."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        """Return what this machine takes for the time."""
        return super().now() + self._by


async def test_two_runs_with_clocks_five_minutes_apart_buy_each_item_once(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """Each takes what is planned and nobody's; both end when all is done."""
    postgresql_server.adopt(tmp_path)
    one, other = (
        Studio(tmp_path, clock=ShiftedClock(by))  # type: ignore[arg-type]
        for by in (timedelta(0), timedelta(minutes=5))
    )
    one.shop.takes_s = 0.3
    other.shop, other._ids = one.shop, itertools.count(1000)  # noqa: SLF001 - one shop for both
    one.confirm_price()
    assert one.admit(entry(f"n{number}") for number in range(80)).ok

    outcomes = await asyncio.gather(one.run(), other.run())

    taken = Counter(task.body["prompt"] for task in one.shop.tasks.values())
    assert dict.fromkeys((f"n{number}" for number in range(80)), 1) == taken
    assert [0, 0] == [outcome.exit_code for outcome in outcomes]
    assert all(any(event.name == "done" for event in studio.events) for studio in (one, other)), (
        "one of them made nothing"
    )


async def test_what_was_turned_away_since_it_was_read_is_sent_again_under_its_id(
    tmp_path: Path, postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider had taken it all the same: under another id it would be paid for twice."""
    postgresql_server.adopt(tmp_path)
    one, other = (Studio(tmp_path, clock=HastyClock()) for _ in range(2))  # type: ignore[arg-type]
    other.shop, other._ids = one.shop, itertools.count(1000)  # noqa: SLF001 - one shop for both
    one.shop.takes_s = 0.05
    one.shop.script.append("took:throttled:1")
    one.confirm_price()
    assert one.admit([entry("a")]).ok
    is_read, is_turned_away, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    read_plan = RunLedger.planned_jobs

    async def read_and_wait(ledger: RunLedger, **asked: Any) -> list[Job]:
        page = await read_plan(ledger, **asked)
        if not is_read.is_set():
            is_read.set()
            await is_turned_away.wait()
        return page

    def stop_once_turned_away(event: Event) -> None:
        if event.name == State.PLANNED:
            stop.set()

    monkeypatch.setattr(RunLedger, "planned_jobs", read_and_wait)
    config, parts = one.parts(stop=stop)
    watched = replace(parts["dependencies"], observer=stop_once_turned_away)
    late = asyncio.create_task(other.run())
    await is_read.wait()
    with Ledger.open(tmp_path) as ledger:
        await run(ledger, config, **{**parts, "dependencies": watched})
    is_turned_away.set()
    outcome = await late

    assert (0, 1, 2) == (outcome.exit_code, len(one.shop.tasks), one.shop.submits)
    assert ["done"] == one.states()


async def test_what_was_stale_is_read_again_by_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else it does: nothing is left planned for a later one."""
    studio, read_plan, reads = Studio(tmp_path), RunLedger.planned_jobs, itertools.count()
    studio.confirm_price()
    assert studio.admit([entry("a"), entry("b")]).ok

    async def read_late(ledger: RunLedger, **asked: Any) -> list[Job]:
        page = await read_plan(ledger, **asked)
        if next(reads):
            return page
        return [replace(job, purchase=_purchase(job, "another", number=9)) for job in page]

    monkeypatch.setattr(RunLedger, "planned_jobs", read_late)
    outcome = await studio.run()

    assert (0, ["done", "done"]) == (outcome.exit_code, studio.states())
    assert 2 == studio.shop.submits


async def test_a_run_without_a_fresh_lease_sends_nothing(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """Its intent may be another's by now: it is in doubt, and settled once the lease is renewed."""
    postgresql_server.adopt(tmp_path)
    studio = Studio(tmp_path)
    studio.admit([entry("a")])
    config, parts = studio.parts()
    with Ledger.open(tmp_path) as ledger:
        ledger.lease.stop()
        ledger.lease._renewed_at -= ledger.lease.owner.lease_s  # noqa: SLF001 - as if it had slept
        outcome = await run(ledger, config, **parts)

    assert 0 == studio.shop.submits
    assert 13 == outcome.exit_code
    assert ["in_doubt"] == studio.states()


async def test_a_run_whose_lease_was_ended_stops(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """It finds its epoch raised, writes nothing more, and says so."""
    postgresql_server.adopt(tmp_path)
    studio = Studio(tmp_path)
    studio.admit([entry("a")])
    config, parts = studio.parts()
    with Ledger.open(tmp_path) as ledger, Ledger.open(tmp_path) as another:
        gone = update(owner_rows).where(owner_rows.c.name == ledger.lease.owner.name)
        write_now(another, lambda connection: connection.execute(gone.values(seen_at=0.0)))
        write_now(another, owners.end_leases)
        with pytest.raises(LeaseLost, match="Run again"):
            await run(ledger, config, **parts)

    assert 0 == studio.shop.submits


@contextmanager
def _process(database: LedgerDatabase, name: str) -> Iterator[Process]:
    with connect_as(Owner(name=name, epoch=1, lease_s=LEASE_S), database) as connection:
        yield Process(connection, owners.owner_of(connection))


def _keys(process: Process) -> list[str]:
    with process.connection.begin():
        return list(process.connection.scalars(select(jobs.c.key).order_by(jobs.c.item_id)))


def _job(process: Process) -> Job:
    window = partial(moves.planned_jobs, campaign=CAMPAIGN, provider="shop", after=-1, limit=1)
    with process.connection.begin():
        (job,) = window(process.connection)
    return job


def moves_to(job: Job, state: State, purchase: Purchase | None = None) -> Job:
    """Return a job as its worker knows it once it stands there."""
    return replace(job, state=state, purchase=purchase)


def _purchase(job: Job, client_id: str, *, number: int = 0) -> Purchase:
    return Purchase(
        id=number,
        provider=job.provider,
        client_id=client_id,
        request=b"{}",
        body_sha256="0" * 64,
        reserved_microusd=10,
        estimate_microusd=10,
        intent_at=1.0,
        campaign_id=job.campaign_id,
    )


def _stand(process: Process, key: str, state: State) -> None:
    with process.connection.begin():
        _stand_in(process.connection, key, state)


def _stand_in(connection: Connection, key: str, state: State) -> None:
    """Put a job where the owner of a connection would have it."""
    owner = owners.owner_of(connection)
    known = {"state": state.value, "owner": owner.name, "epoch": owner.epoch}
    connection.execute(update(jobs).where(jobs.c.key == key).values(**known))
