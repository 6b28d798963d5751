"""Several runs of one campaign beside one another: each ends, as one alone would."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import update

from pipeline.domain import EMPTY, Policy
from pipeline.domain.states import State
from pipeline.engine.dispatch import ShardRef, ShardReport
from pipeline.errors import LeaseLost, LedgerInUse, NoReply
from pipeline.ledger import jobs, lane_shares, owners
from pipeline.ledger.commands import TOO_LATE, find_answer, send_command
from pipeline.ledger.lane_shares import LaneDemand
from pipeline.ledger.location import database_of
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import owners as owner_rows
from pipeline.net.lane import Lane
from pipeline.providers.base import Request, Response
from pipeline.run.outcome import Outcome
from pipeline.run.output_check import Found, hide_all, inspect
from pipeline.run.plan_sync import sync_plan
from pipeline.run.runner import DONE, RunHandle, run
from tests.clocks import HastyClock
from tests.postgresql import PostgresqlServer
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.raw_ledger import read, write_now
from tests.unit.run.shop import Provider
from tests.unit.run.test_accounts import NO_IDS, Branches
from tests.unit.run.test_fallback import listed, parts_of
from tests.unit.run.test_selected import Only

T = TypeVar("T")
KNOWS_NO_IDS = Provider(NO_IDS)
"""What is in doubt there only a person can settle."""
PATIENCE_S = 120.0
"""Of real time: far longer than any of these runs lasts."""


@dataclass
class Lossy(Branches):
    """A shop whose first replies to some keys are lost on their way."""

    loses: Counter[str] = field(default_factory=Counter)
    """How many, by key."""

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Take it, and answer, or lose the answer."""
        found = await super().submit(lane, request, headers, may_send=may_send)
        if self.loses[lane.key]:
            self.loses[lane.key] -= 1
            raise NoReply("the connection was lost")
        return found


@pytest.fixture
def studio(tmp_path: Path, postgresql_server: PostgresqlServer) -> Studio:
    """Return a studio whose ledger is on a server, with a known price and no plan yet."""
    postgresql_server.adopt(tmp_path)
    found = Studio(tmp_path, clock=HastyClock(), policy=Policy(stop=False))  # type: ignore[arg-type]
    found.shop = Lossy(found.clock, takes_s=0.3)
    found.confirm_price()
    return found


def _beside(studio: Studio, **changed: object) -> Studio:
    """Return a second process at the same shop, with a key or limits of its own."""
    other = replace(studio, events=[], **changed)  # type: ignore[arg-type]
    other.shop, other._ids = studio.shop, itertools.count(1000)  # noqa: SLF001 - one shop for both
    return other


def _shop(studio: Studio) -> Lossy:
    assert isinstance(studio.shop, Lossy)
    return studio.shop


async def _end(*works: Coroutine[Any, Any, Outcome]) -> list[Outcome]:
    return await asyncio.wait_for(asyncio.gather(*works), PATIENCE_S)


async def test_runs_with_a_doubt_each_do_not_wait_for_one_another(studio: Studio) -> None:
    """A doubt that only a person can settle is nobody's: both end with 13, all else is made."""
    studio.provider = KNOWS_NO_IDS
    _shop(studio).loses.update(("key-1", "key-2"))
    assert studio.admit(entry(f"n{number:02}") for number in range(40)).ok
    other = _beside(studio, key="key-2")

    outcomes = await _end(studio.run(), other.run())

    assert [13, 13] == [outcome.exit_code for outcome in outcomes]
    assert {"done": 38, "in_doubt": 2} == Counter(studio.states())
    # What was lost was taken: nothing was sent a second time.
    assert 40 == len(studio.shop.tasks) == studio.shop.submits


async def test_what_a_run_has_parked_it_takes_up_in_another_state_only(studio: Studio) -> None:
    """Another run may have found out more of it; all else comes as if it were not there."""
    studio.provider, _shop(studio).loses["key-1"] = KNOWS_NO_IDS, 5
    await studio.make(*"abcde")
    with Ledger.open(studio.root) as ledger:
        free = read(ledger, partial(owners.find_free, campaign=CAMPAIGN))
        window = partial(jobs.claim_unsettled, campaign=CAMPAIGN, provider="shop", after=-1)

        def claim(parked: Iterable[tuple[str, State]], limit: int = 2) -> list[str]:
            """Return whose turn it is, and leave them as they were."""
            found = write_now(ledger, partial(window, limit=limit, without=frozenset(parked)))
            write_now(ledger, partial(owners.leave, keys=[job.key for job in found]))
            return [job.key for job in found]

        keys = claim((), limit=9)
        first = [(key, State.IN_DOUBT) for key in keys[:3]]

        assert {(key, State.IN_DOUBT) for key in keys} == free
        assert keys[3:] == claim(first)
        assert keys[:2] == claim((key, State.WAITING) for key in keys)
        assert [] == claim(free)


async def test_who_has_left_a_lane_does_not_come_back_to_it(studio: Studio) -> None:
    """What a person left out of a run begins nothing there: whoever waits for it is the last."""
    studio.confirm_price("annex")
    _shop(studio).bad = {"key-of-shop"}
    plan = [listed(name, provider) for name, provider in (("a", "shop"), ("b", "annex"))]
    assert studio.admit(plan).ok
    begins = LaneDemand(
        provider="shop", account="b", fingerprint="b", most=4, wanted=0, kept=0, begins=True
    )
    is_last = partial(
        lane_shares.do_as_last,
        campaign=CAMPAIGN,
        provider="annex",
        operation=lambda _: True,
        otherwise=False,
    )

    async def work() -> Outcome:
        config, parts = parts_of(studio, ("shop", "annex"))
        with Ledger.open(studio.root) as ledger:
            handle = RunHandle(ledger, config, **parts)
            await handle.leave_out("spin[b]")
            return await handle.work()

    with Ledger.open(studio.root) as ledger:
        access = ledger.for_run()
        # It waits for this one, which may make what its own lane cannot.
        await access.renew_shares(campaign=CAMPAIGN, demands=[begins])
        running = asyncio.create_task(work())
        async with asyncio.timeout(PATIENCE_S):
            while "lane_stopped" not in {event.name for event in studio.events}:
                await asyncio.wait([running], timeout=0.05)
            while not write_now(ledger, is_last):
                await asyncio.wait([running], timeout=0.001)
        # It tells of its lanes each second.
        seen = []
        for _ in range(25):
            await asyncio.wait([running], timeout=0.1)
            seen.append(write_now(ledger, is_last))
        at_work = not running.done()
        await access.renew_shares(campaign=CAMPAIGN, demands=[replace(begins, begins=False)])
        (outcome,) = await asyncio.wait_for(asyncio.gather(running), PATIENCE_S)

    assert ({True}, True) == (set(seen), at_work)
    assert ["held", "planned"] == studio.states()
    assert 12 == outcome.exit_code


async def test_a_lane_that_stopped_on_a_node_only_is_told(studio: Studio) -> None:
    """The machine that starts a run may have fewer accounts than those that work for it."""
    await studio.make("a")
    stopped = {"shop.b": "it is unauthorised"}
    with Ledger.open(studio.root) as ledger:
        outcome = await _drive(studio, ledger, _Elsewhere(stopped))

    assert stopped == outcome.stopped
    assert 12 == outcome.exit_code


async def test_a_run_hears_commands_again_when_a_fault_has_passed(studio: Studio) -> None:
    """A table that is locked for too long is read again a moment later."""
    assert studio.admit([entry("a")]).ok
    ends = asyncio.Event()
    engine = _Elsewhere({}, until=ends.wait)
    database = database_of(studio.root)
    assert isinstance(database, PostgresqlSchema)
    table = f'LOCK TABLE "{database.schema}".commands IN ACCESS EXCLUSIVE MODE'
    with Ledger.open(studio.root) as ledger, closing(database.connect()) as other:
        running = asyncio.create_task(_drive(studio, ledger, engine))
        await _until(running, lambda: engine.shards)
        with other.begin():
            other.exec_driver_sql(table)
            # Longer than a reader waits for it.
            await asyncio.wait([running], timeout=6.5)
        number = send_command(studio.root, CAMPAIGN, "pause", {"lane": ""}, at=1.0)
        told = await _until(running, lambda: find_answer(studio.root, number))
        ends.set()
        await running

    assert DONE == told


async def test_a_run_that_finds_its_lease_ended_by_a_command_ends(studio: Studio) -> None:
    """Also while others work for it, and it has nothing to write itself."""
    assert studio.admit([entry("a")]).ok
    ends = asyncio.Event()
    engine = _Elsewhere({}, until=ends.wait)
    with Ledger.open(studio.root) as ledger, Ledger.open(studio.root) as another:
        running = asyncio.create_task(_drive(studio, ledger, engine))
        await _until(running, lambda: engine.shards)
        gone = update(owner_rows).where(owner_rows.c.name == ledger.lease.owner.name)
        write_now(another, lambda connection: connection.execute(gone.values(seen_at=0.0)))
        write_now(another, owners.end_leases)
        send_command(studio.root, CAMPAIGN, "pause", {"lane": ""}, at=1.0)
        ended = await _until(running, running.done)
        ends.set()
        with pytest.raises(LeaseLost, match="Run again"):
            await running

    assert ended


async def test_what_is_commanded_is_for_the_run_that_is_at_work(studio: Studio) -> None:
    """Whoever begins beside it does not answer in its place; after the last of them it is late."""
    assert studio.admit([entry("a")]).ok

    def stop() -> int:
        return send_command(studio.root, CAMPAIGN, "stop", at=1.0)

    with Ledger.open(studio.root) as one, Ledger.open(studio.root) as other:
        first, second = one.for_run(), other.for_run()
        run_id = await first.begin_run(campaign=CAMPAIGN, at=1.0)
        number = stop()
        await second.begin_run(campaign=CAMPAIGN, at=2.0)
        open_ = [each.id for each in await first.open_commands(campaign=CAMPAIGN)]
        await first.end_run(run_id=run_id, exit_code=0, at=3.0)
    with Ledger.open(studio.root) as third:
        late = stop()
        await third.for_run().begin_run(campaign=CAMPAIGN, at=4.0)

    assert [number] == open_
    assert [TOO_LATE, TOO_LATE] == [find_answer(studio.root, each) for each in (number, late)]


async def test_from_its_beginning_a_run_keeps_its_plan(studio: Studio) -> None:
    """Also before any lane of it works, as where machines of a cluster are still starting."""
    plan = [entry(name) for name in "ab"]
    assert studio.admit(plan).ok
    ends = asyncio.Event()
    engine = _Elsewhere({}, until=ends.wait)
    with Ledger.open(studio.root) as ledger:
        running = asyncio.create_task(_drive(studio, ledger, engine))
        await _until(running, lambda: engine.shards)
        for other in (partial(studio.admit, plan, Only(("a",))), partial(_admit_other, studio)):
            with pytest.raises(LedgerInUse, match="wait until that run has ended"):
                other()
        assert studio.admit(plan).ok, "it is the same"
        ends.set()
        await running

        assert studio.admit(plan, Only(("a",))).ok, "it has ended"


async def test_runs_plan_their_own_rounds_beside_one_another(studio: Studio) -> None:
    """What a run adds to its plan refuses neither itself nor one that has begun as well."""
    with Ledger.open(studio.root) as one, Ledger.open(studio.root) as other:

        def plan(ledger: Ledger, names: str) -> bool:
            entries = [entry(name) for name in names]
            syncing = partial(sync_plan, entries, ledger, campaign=CAMPAIGN)
            return ledger.plan_in_turn(syncing, CAMPAIGN).ok

        assert plan(one, "ab")
        assert plan(other, "ab")
        await one.for_run().begin_run(campaign=CAMPAIGN, at=1.0)
        await other.for_run().begin_run(campaign=CAMPAIGN, at=1.0)
        assert plan(one, "abc")
        assert plan(other, "abcd")
        for ledger in (one, other):
            # Still not refused.
            await ledger.for_run().begin_run(campaign=CAMPAIGN, at=2.0)


def _admit_other(studio: Studio) -> None:
    studio.admit([entry("a"), entry("b", key="other work")])


@pytest.mark.parametrize("at", ["landed", "restored", "hidden"])
async def test_who_wakes_after_its_lease_touches_no_clip(
    at: str, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a path and the copy another process has put its newer clip there."""
    await studio.make("newer", *(() if at == "landed" else ("a",)))
    assert studio.admit([entry("a"), entry("newer")]).ok
    newer, target = studio.clip("newer").read_bytes(), studio.clip("a")
    before = target.read_bytes() if at == "hidden" else b""
    if at == "restored":
        target.unlink()
    config, parts = studio.parts(checkpoint=lambda name: hang() if name == "committed" else None)

    def hang() -> None:
        _end_lease(studio, ledger)
        if at != "hidden":
            target.write_bytes(newer)

    def look(*words: Any, **named: Any) -> Iterator[Found]:
        if at == "hidden":
            named["hides"] = hide_all
        if found := list(inspect(*words, **named)):
            hang()
        yield from found

    monkeypatch.setattr("pipeline.run.publish.inspect", look)
    # What has begun in a thread is not cancelled: it begins in any case.
    asyncio.get_running_loop().set_default_executor(_AtOnce())
    with Ledger.open(studio.root) as ledger, pytest.raises(LeaseLost, match="Run again"):
        await run(ledger, config, **parts)

    assert (before or newer) == target.read_bytes()


class _AtOnce(ThreadPoolExecutor):
    """Threads whose work has ended before anything else happens."""

    def submit(self, *work: Any, **named: Any) -> Future[Any]:
        future = super().submit(*work, **named)
        wait([future])
        return future


def _end_lease(studio: Studio, ledger: Ledger) -> None:
    """Have another process end the lease of one that says nothing, which then hears of it."""
    gone = update(owner_rows).where(owner_rows.c.name == ledger.lease.owner.name)
    with Ledger.open(studio.root) as another:
        write_now(another, lambda connection: connection.execute(gone.values(seen_at=0.0)))
        write_now(another, owners.end_leases)
    (renewing,) = (each for each in threading.enumerate() if each.name == "ledger-lease")
    renewing.join(PATIENCE_S)


async def _until(running: asyncio.Task[Outcome], look: Callable[[], T]) -> T:
    """Return what a look finds as soon as it is anything; after ten seconds what it is then."""
    for _ in range(200):
        if found := look():
            return found
        await asyncio.wait([running], timeout=0.05)
    return look()


async def _drive(studio: Studio, ledger: Ledger, engine: _Elsewhere) -> Outcome:
    """Run what another does the work of."""
    config, parts = studio.parts(commands_every_s=0.05)
    parts["dependencies"] = replace(
        parts["dependencies"],
        engine=lambda run_id, observer: engine,  # noqa: ARG005
    )
    return await run(ledger, config, **parts)


async def _at_once() -> None:
    """Wait for nothing."""


@dataclass
class _Elsewhere:
    """An engine of one node, which has worked on its shard as far as its lanes went."""

    stopped: Mapping[str, str]
    until: Callable[[], Awaitable[object]] = _at_once
    """Until when it works."""
    slots: int = 1
    shards: list[ShardRef] = field(default_factory=list)

    async def open(self) -> None:
        """Have no processes to start."""

    async def submit(self, ref: ShardRef) -> None:
        self.shards.append(ref)

    async def next_done(self) -> tuple[ShardRef, ShardReport]:
        await self.until()
        return self.shards.pop(), ShardReport(begun=0)

    def steer(self, name: str, *words: object) -> None:
        """Do nothing: nobody steers it."""

    async def stop(self, *, hard: bool) -> None:
        """Have no processes to end."""
