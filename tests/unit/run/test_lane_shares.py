"""Several processes with one ledger split a lane's limits, and leave one another what they can."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from pipeline.domain import Event, Policy
from pipeline.domain.states import State
from pipeline.engine.dispatch import ShardRef, ShardReport
from pipeline.errors import LedgerInUse
from pipeline.ledger import lane_shares, owners
from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.jobs import claim_unsettled
from pipeline.ledger.lane_shares import LaneDemand, LaneShare, split
from pipeline.ledger.location import database_of
from pipeline.ledger.owners import Owner
from pipeline.ledger.repository import Ledger
from pipeline.ledger.run_plans import find_other_run
from pipeline.ledger.sql_schema import jobs
from pipeline.ledger.sql_schema import lane_shares as share_rows
from pipeline.ledger.sql_schema import owners as owner_rows
from pipeline.run.limiter import ConcurrencyLimiter
from pipeline.run.outcome import Outcome
from pipeline.run.runner import RunHandle, run
from pipeline.run.shard_worker import ShardWorker
from tests.clocks import HastyClock, JumpingClock
from tests.examples import examples
from tests.postgresql import PlaceLedger, PostgresqlServer
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.raw_ledger import connect_as, read
from tests.unit.run.test_accounts import Branches
from tests.unit.run.test_fallback import listed, market, parts_of
from tests.unit.run.test_selected import Only

MOST = 7
LEASE_S = 60.0
_ROUNDS = 8
"""More than it takes until all have given back and got what they may have."""


@dataclass(slots=True)
class Process:
    """A process as the ledger sees it: what it wants, what it has in flight, and its share."""

    connection: Connection
    owner: Owner
    wants: int = 0
    in_flight: int = 0
    share: LaneShare = field(
        default_factory=lambda: LaneShare(places=0, held=0, most=MOST, steered=False, is_alone=True)
    )

    def demand(self, **told: object) -> LaneDemand:
        """Return what it tells of its lane."""
        demand = LaneDemand(
            provider="shop",
            account="",
            fingerprint="f",
            most=MOST,
            wanted=max(self.wants, self.in_flight),
            kept=max(self.share.places, self.in_flight),
        )
        return replace(demand, **told)  # type: ignore[arg-type]

    def renew(self, **told: object) -> LaneShare:
        """Ask for its share, as a run does each second."""
        with self.connection.begin():
            owners.refuse_ended(self.connection, self.owner)
            demands = [self.demand(**told)]
            (self.share,) = lane_shares.renew(self.connection, campaign=CAMPAIGN, demands=demands)
        return self.share

    def submit(self) -> None:
        """Submit all that it wants and may."""
        self.in_flight = max(self.in_flight, min(self.wants, self.share.places))

    def end(self, number: int) -> None:
        """Have so many tasks end."""
        self.in_flight = max(0, self.in_flight - number)

    def die(self, by: Process) -> None:
        """Fall silent for longer than its lease, which another process finds."""
        silent = update(owner_rows).where(owner_rows.c.name == self.owner.name).values(seen_at=0.0)
        with by.connection.begin():
            by.connection.execute(silent)
            owners.end_leases(by.connection)

    def leave(self, **known: int) -> bool:
        """Try to begin nothing more."""
        with self.connection.begin():
            return lane_shares.leave(self.connection, campaign=CAMPAIGN, known=known)

    def is_last(self) -> bool:
        """Tell whether nobody else begins items of the campaign with the provider."""
        with self.connection.begin():
            return lane_shares.do_as_last(
                self.connection,
                campaign=CAMPAIGN,
                provider="shop",
                operation=lambda _: True,
                otherwise=False,
            )


@contextmanager
def processes(root: Path, number: int) -> Iterator[list[Process]]:
    """Yield so many processes that work with a root's ledger."""
    with Ledger.open(root):
        pass
    database = database_of(root)
    with ExitStack() as opened:
        yield [opened.enter_context(_process(database, f"p{n}")) for n in range(number)]


@contextmanager
def _process(database: LedgerDatabase, name: str) -> Iterator[Process]:
    with connect_as(Owner(name=name, epoch=1, lease_s=LEASE_S), database) as connection:
        yield Process(connection, owners.owner_of(connection))


@pytest.fixture
def root(tmp_path: Path, place_ledger: PlaceLedger) -> Path:
    """Return a root whose ledger is in each of the databases."""
    place_ledger(tmp_path)
    return tmp_path


@given(st.integers(0, 40), st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_a_split_gives_each_what_it_wants_or_an_even_part(most: int, wanted: list[int]) -> None:
    """All is given away, and who has less than it wants has no less than anybody else but one."""
    wants = {f"p{number}": each for number, each in enumerate(wanted)}
    shares = split(most, wants)

    assert most == sum(shares.values())
    for name, share in shares.items():
        assert share >= min(wants[name], most // len(wants))
        if share < min(wants[name], most):
            assert all(other <= share + 1 for other in shares.values())


def test_where_there_are_fewer_places_than_takers_each_has_its_turn() -> None:
    """Three want two places: nobody is without one twice."""
    wants, had = dict.fromkeys("abc", 5), list[set[str]]()
    having: set[str] = set()
    for _ in range(6):
        having = {name for name, share in split(2, wants, having).items() if share}
        had.append(having)

    assert all(set("abc") == first | then for first, then in itertools.pairwise(had))


def test_who_is_alone_has_all_and_a_second_one_its_half_as_tasks_end(root: Path) -> None:
    """Nothing is taken from what is in flight; what ended is the other's at the next look."""
    with processes(root, 2) as (one, other):
        one.wants = other.wants = 20
        assert MOST == one.renew().places
        one.submit()
        assert 0 == other.renew().places
        assert (3, MOST) == (one.renew().places, one.share.held)
        one.end(2)
        one.renew()
        assert 2 == other.renew().places
        one.end(5)
        one.submit()
        one.renew()

        assert [3, 4] == [one.share.places, other.renew().places]


def test_who_wants_little_leaves_the_rest_to_others(root: Path) -> None:
    """Where all want less than the most, each has what it wants, and some to spare."""
    with processes(root, 2) as (one, other):
        one.wants, other.wants = 1, 5
        _settle(one, other)

        assert (1, 6) == (one.share.places, other.share.places) or (2, 5) == (
            one.share.places,
            other.share.places,
        )


def test_a_dead_process_leaves_its_share_when_its_lease_has_ended(root: Path) -> None:
    """Not before; and it cannot renew it any more."""
    with processes(root, 2) as (one, other):
        one.wants = other.wants = 20
        _settle(one, other)
        assert MOST == one.share.held + other.share.held
        other.renew()
        assert MOST > other.share.places
        one.die(by=other)
        assert MOST == other.renew().places

        assert other.share.is_alone


async def _leave_three_tasks(root: Path) -> None:
    """Have a run submit three and end at once, as a dead process does."""
    studio = Studio(root, concurrency=MOST)
    studio.confirm_price()
    assert studio.admit(entry(name) for name in "abc").ok
    stop = asyncio.Event()
    config, parts = studio.parts(stop=stop)
    with Ledger.open(root) as ledger:
        handle = RunHandle(ledger, config, **parts)
        async with handle:
            async for event in handle.iter_events():
                if event.name == State.WAITING and len(studio.shop.tasks) == 3:
                    break
            assert handle._task is not None  # noqa: SLF001 - as a second Ctrl-C does
            handle._task.cancel()  # noqa: SLF001
            await asyncio.wait([handle._task])  # noqa: SLF001
            handle._task = None  # noqa: SLF001


async def test_what_a_dead_process_had_in_flight_counts_until_it_is_settled(
    root: Path,
) -> None:
    """Its tasks are still the provider's: nobody submits in their place."""
    await _leave_three_tasks(root)
    with processes(root, 1) as (one,):
        one.wants = 20
        before = one.renew().places
        with one.connection.begin():
            keys = list(one.connection.scalars(jobs.select().with_only_columns(jobs.c.key)))
            owners.claim(one.connection, keys=keys)
        one.in_flight = 3

        assert [MOST - 3, MOST] == [before, one.renew().places]


@pytest.mark.parametrize("state", [State.WAITING, State.IN_DOUBT])
@pytest.mark.parametrize("rounds", [_ROUNDS, 0], ids=["at work", "just begun"])
async def test_what_a_dead_process_had_is_held_by_whoever_takes_it_up(
    rounds: int, state: State, root: Path
) -> None:
    """From that moment on, and not from his next word on: nobody gets their places meanwhile."""
    await _leave_three_tasks(root)
    with processes(root, 2) as (one, other):
        with one.connection.begin():
            one.connection.execute(update(jobs).values(state=state.value, cause=""))
        one.wants, other.wants = min(1, rounds), 20
        for process in (one, other) * rounds or (other,):
            process.renew()
            process.submit()
        assert MOST - 3 == one.in_flight + other.in_flight
        with one.connection.begin():
            claim_unsettled(one.connection, campaign=CAMPAIGN, provider="shop", after=-1, limit=9)

        assert MOST - 3 - one.in_flight == other.renew().places
        if state is State.WAITING:
            # What it says was true before it had taken them up.
            one.renew()
            assert MOST - 3 >= other.renew().places


def test_the_latest_word_of_a_person_counts_for_all(root: Path) -> None:
    """Whichever process was told; without one the least of what they are set to."""
    with processes(root, 3) as (one, other, third):
        for each in (one, other, third):
            each.wants = 20
        one.renew(most=9)
        assert (6, False) == (other.renew(most=6).most, other.share.steered)
        other.renew(most=12, steered=True)
        one.renew(most=9)
        assert (12, True) == (one.share.most, one.share.steered)
        one.renew(most=3, steered=True)
        other.renew(most=12)

        assert [3, 3] == [other.share.most, third.renew().most]


@pytest.mark.parametrize(
    ("account", "fingerprint", "shared"),
    [("", "other", True), ("b", "f", True), ("b", "other", False)],
)
def test_one_account_is_one_lane(
    root: Path, account: str, fingerprint: str, *, shared: bool
) -> None:
    """By its key, or by its name where keys differ from machine to machine."""
    with processes(root, 2) as (one, other):
        one.wants = other.wants = 20
        one.renew()
        other.renew(account=account, fingerprint=fingerprint)

        assert (0 if shared else MOST) == other.share.places
        assert shared != other.share.is_alone


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [(None, Only(("b",))), (Only(("b",)), None), (Only(("a",)), Only(("b",)))],
    ids=["a part of all", "all of a part", "another part"],
)
def test_another_selection_is_refused_while_another_run_goes_on(
    theirs: Only | None, mine: Only | None, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """That one would leave what it was asked for, or buy what it was not; once it is gone: fine."""
    postgresql_server.adopt(tmp_path)
    studio, plan = Studio(tmp_path), [entry(name) for name in "ab"]
    assert studio.admit(plan, theirs).ok
    before = [record.selected for record in studio.records()]

    with processes(tmp_path, 1) as (running,):
        running.renew()
        with pytest.raises(LedgerInUse, match=r"with another selection of its items, or .* wait"):
            studio.admit(plan, mine)
        reworked = [entry(name, key=f"other {name}") for name in "ab"]
        with pytest.raises(LedgerInUse, match="or with other work for one of them: wait"):
            studio.admit(reworked, theirs)
        assert before == [record.selected for record in studio.records()]
        assert studio.admit([*plan, entry("c")], theirs).ok, "the same selection of a longer plan"
        with running.connection.begin():
            known = find_other_run(running.connection, campaign=CAMPAIGN)
            assert not known, "it would stop itself as it plans its next round"
            running.connection.execute(update(owner_rows).values(seen_at=0.0))
        assert studio.admit(plan, mine).ok, "its lease has ended"


def test_what_has_its_clip_is_no_part_of_a_selection(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """Whoever goes on with the rest takes nothing from another run."""
    postgresql_server.adopt(tmp_path)
    studio, plan = Studio(tmp_path), [entry(name) for name in "ab"]
    asyncio.run(studio.make("a"))
    assert studio.admit(plan).ok

    with processes(tmp_path, 1) as (running,):
        running.renew()
        assert studio.admit(plan, Only(("b",))).ok


def test_who_gives_something_back_finds_the_others_before_they_leave(root: Path) -> None:
    """An item that is planned again is begun by who has not left, or held by the last one."""
    studio = Studio(root)
    assert studio.admit([entry("a")]).ok
    with processes(root, 2) as (one, other):
        one.renew()
        other.renew()
        assert not one.is_last()
        assert not other.leave(shop=0)
        assert other.leave(shop=1)

        assert one.is_last()
        assert not other.is_last()


@examples(12, 300)
def test_whatever_processes_do_all_have_no_more_than_the_most(
    examples: int, place_ledger: PlaceLedger
) -> None:
    """Whoever comes, wants more or less, or dies; and once all is calm each has its fair share."""
    steps = st.lists(
        st.tuples(st.sampled_from(_STEPS), st.integers(0, 2), st.integers(0, 12)),
        min_size=8,
        max_size=30,
    )
    checked = settings(
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        # Each example has a ledger of its own: to look for a shorter one takes minutes.
        phases=[Phase.generate],
        max_examples=examples,
    )(given(steps=steps)(_keeps_within_the_most))
    checked(place_ledger)


_STEPS = ("want", "look", "look", "look", "end", "end", "die")


def _keeps_within_the_most(place_ledger: PlaceLedger, steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place_ledger(Path(folder))
        with processes(Path(folder), 3) as all_:
            living = list(all_)
            for each in living:
                each.wants = 20
            for step, who, number in steps:
                process = living[who % len(living)]
                match step:
                    case "want":
                        process.wants = number
                    case "end":
                        process.end(number)
                    case "die" if len(living) > 1:
                        living.remove(process)
                        process.die(by=living[0])
                    case "look":
                        process.renew()
                        process.submit()
                assert sum(each.in_flight for each in living) <= MOST
                assert sum(_rows(living[0]).values()) <= MOST
            for each in living:
                each.in_flight = 0
            _settle(*living)
            wants = {each.owner.name: each.wants for each in living}
            assert split(MOST, wants) == {each.owner.name: each.share.places for each in living}


def _settle(*processes: Process) -> None:
    for _ in range(_ROUNDS):
        for each in processes:
            each.renew()


def _rows(process: Process) -> Counter[str]:
    """Return what the owners hold that are alive."""
    living = owner_rows.c.ended_by == ""
    query = share_rows.join(owner_rows, owner_rows.c.name == share_rows.c.owner).select()
    with process.connection.begin():
        rows = process.connection.execute(query.where(living)).all()
    return Counter({row.owner: row.held for row in rows})


async def test_a_share_bounds_a_width_and_is_no_refusal() -> None:
    """Fewer get in; the width stays what its provider takes, and none of it is remembered."""
    gate = ConcurrencyLimiter(concurrency=3, per_s=0, clock=JumpingClock(), most=8)
    gate.take_share(0, of=8, is_alone=True)
    waiting = [asyncio.ensure_future(gate.enter()) for _ in range(6)]
    await asyncio.sleep(0)
    assert (0, 6, 0) == (gate.in_flight, gate.wanted, gate.width)

    gate.take_share(2, of=8, is_alone=False)
    await asyncio.sleep(0)
    assert (2, 2) == (gate.in_flight, gate.kept)
    assert not gate.speed_up()
    gate.take_share(8, of=8, is_alone=True)
    await asyncio.sleep(0)
    assert (3, 3) == (gate.in_flight, gate.width)
    assert gate.speed_up()
    assert gate.learnt is None
    gate.take_share(1, of=8, is_alone=False)
    assert (4, 4) == (gate.in_flight, gate.kept)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_who_was_alone_all_the_time_learns() -> None:
    """That its ledger is on a server changes nothing then."""
    gate = ConcurrencyLimiter(concurrency=3, per_s=0, clock=JumpingClock(), most=8)
    gate.take_share(8, of=8, is_alone=True)
    for _ in range(2):
        await gate.enter()
        gate.speed_up()

    assert (2, False) == gate.learnt


@pytest.mark.parametrize(("places", "gap_s"), [(8, 0.5), (4, 1.0), (2, 2.0), (0, 4.0)])
async def test_a_share_is_one_of_the_pace_as_well(places: int, gap_s: float) -> None:
    """A fourth of the places has a fourth of the submits."""
    clock = JumpingClock()
    gate = ConcurrencyLimiter(concurrency=8, per_s=2.0, clock=clock)
    gate.take_share(places, of=8, is_alone=False)
    for _ in range(4):
        await gate.turn()

    assert pytest.approx(3 * gap_s) == clock.monotonic()


async def test_who_gets_all_of_the_pace_does_not_wait_for_its_share_of_it() -> None:
    """An eighth of the places waits four seconds for the next submit, until it has all of them."""
    clock = JumpingClock()
    gate = ConcurrencyLimiter(concurrency=8, per_s=2.0, clock=clock)
    gate.take_share(1, of=8, is_alone=False)
    await gate.turn()
    waiting = asyncio.ensure_future(gate.turn())
    await clock.sleep(1.5)
    assert not waiting.done()
    gate.take_share(8, of=8, is_alone=True)
    await waiting

    assert pytest.approx(2.0) == clock.monotonic()


@pytest.fixture
def studio(tmp_path: Path, postgresql_server: PostgresqlServer) -> Studio:
    """Return a studio whose ledger is on a server, with a known price and 40 items."""
    postgresql_server.adopt(tmp_path)
    found = Studio(tmp_path, clock=HastyClock(), policy=Policy())  # type: ignore[arg-type]
    found.shop = Branches(found.clock, takes_s=0.3)
    found.confirm_price()
    assert found.admit(entry(f"n{number:02}") for number in range(40)).ok
    return found


def _beside(studio: Studio, **changed: object) -> Studio:
    """Return a second process at the same shop, with a key or limits of its own."""
    other = replace(studio, events=[], **changed)  # type: ignore[arg-type]
    other.shop, other._ids = studio.shop, itertools.count(1000)  # noqa: SLF001 - one shop for both
    return other


async def test_two_runs_have_no_more_at_once_than_the_lane(studio: Studio) -> None:
    """Each works, and both together submit as one of them would."""
    other = _beside(studio)

    outcomes = await asyncio.gather(studio.run(), other.run())

    assert [0, 0] == [outcome.exit_code for outcome in outcomes]
    assert all(_names(each)["done"] for each in (studio, other))
    assert 40 == len(studio.shop.tasks)
    assert studio.shop.most_at_once <= studio.concurrency


async def test_a_persons_word_to_one_of_two_runs_holds_for_both(studio: Studio) -> None:
    """The other one hears of it by the ledger, and says so."""
    other = _beside(studio)
    config, parts = studio.parts()
    with Ledger.open(studio.root) as ledger:
        async with RunHandle(ledger, config, **parts) as run:
            beside = asyncio.create_task(other.run())
            async for event in run.iter_events():
                if event.name == "done":
                    # What is begun from now on lasts until the other one has looked.
                    studio.shop.takes_s = 3.0
                    run.set_concurrency("shop", 9)
                    break
            await run.wait()
        await beside

    assert ["9 at once"] == [
        event.detail["message"] for event in other.events if event.name == "concurrency"
    ]
    assert studio.shop.most_at_once <= 9


async def test_a_run_with_a_bad_key_leaves_all_to_one_with_a_good_one(studio: Studio) -> None:
    """Its lane stops, and nothing is held: the other one makes every item."""
    other = _beside(studio, key="key-bad")
    _shop(studio).bad = {"key-bad"}

    outcomes = await asyncio.gather(studio.run(), other.run())

    assert 1 == _names(other)["lane_stopped"]
    assert ["done"] * 40 == studio.states()
    assert {"key-1"} == {_shop(studio).owner[task] for task in studio.shop.tasks}
    assert 0 == outcomes[0].exit_code


async def test_what_no_run_can_make_is_held_by_the_last(studio: Studio) -> None:
    """Two whose keys are refused: nothing stays planned, and the reason is told."""
    other = _beside(studio, key="key-bad")
    _shop(studio).bad = {"key-bad", studio.key}

    outcomes = await asyncio.gather(studio.run(), other.run())

    assert [12, 12] == [outcome.exit_code for outcome in outcomes]
    assert ["held"] * 40 == studio.states()
    with Ledger.open(studio.root) as ledger:
        told = read(ledger, lambda c: c.execute(select(jobs.c.cause, jobs.c.message)).all())
    assert {("lane", "it is unauthorised")} == {tuple(row) for row in told}


async def test_where_the_good_one_is_told_to_stop_the_other_holds_the_rest(studio: Studio) -> None:
    """It waits for what the good one has in flight, and knows that nothing more is begun there."""
    other = _beside(studio, key="key-bad")
    _shop(studio).bad = {"key-bad"}
    stop = asyncio.Event()
    studio.events = _Signals("done", stop.set)

    await asyncio.gather(studio.run(stop=stop), other.run())

    states = Counter(studio.states())
    assert {"done", "held"} == states.keys()
    assert states["done"] == len(studio.shop.tasks)


async def test_who_cannot_go_on_waits_until_nobody_else_does(studio: Studio) -> None:
    """While another process says that it begins items, a run whose key is bad stays, and holds."""
    bad = _beside(studio, key="key-bad")
    _shop(studio).bad = {"key-bad"}
    # With another account of the provider: it takes nothing of the lane's places.
    idle = LaneDemand(
        provider="shop", account="b", fingerprint="b", most=MOST, wanted=0, kept=0, begins=True
    )
    with Ledger.open(studio.root) as ledger:
        access = ledger.for_run()
        await access.renew_shares(campaign=CAMPAIGN, demands=[idle])
        running = asyncio.create_task(bad.run())
        # It would have ended after two looks of a second each.
        done, _ = await asyncio.wait([running], timeout=6.0)
        stays, states = not done, set(studio.states())
        gone = replace(idle, begins=False)
        await access.renew_shares(campaign=CAMPAIGN, demands=[gone])
        outcome = await running

    assert (True, {"planned"}) == (stays, states)
    assert 12 == outcome.exit_code
    assert ["held"] * 40 == studio.states()


@pytest.mark.parametrize("both", [False, True])
async def test_a_stopped_lane_hands_over_once_no_other_process_goes_on(
    tmp_path: Path, postgresql_server: PostgresqlServer, *, both: bool
) -> None:
    """What a run with a bad key leaves stays with the provider while another run has a good one."""
    postgresql_server.adopt(tmp_path)
    studio, _ = market(tmp_path, {})
    studio.clock = HastyClock()  # type: ignore[assignment]
    shop = Branches(
        studio.clock, takes_s=0.3, bad={"key-bad", "key-of-shop"} if both else {"key-bad"}
    )
    studio.shop = shop
    assert studio.admit([listed(f"n{number:02}", "shop", "annex") for number in range(12)]).ok
    other = _beside(studio)

    async def work(each: Studio, key: str = "") -> Outcome:
        config, parts = parts_of(each, ("shop", "annex"))
        own = parts["lanes"]["shop"]
        parts["lanes"]["shop"] = replace(own, key=key or own.key)
        with Ledger.open(each.root) as ledger:
            return await run(ledger, config, **parts)

    outcomes = await asyncio.gather(work(studio), work(other, "key-bad"))

    assert {"done"} == set(studio.states())
    assert {"key-of-annex" if both else "key-of-shop"} == set(shop.owner.values())
    assert 0 == outcomes[0].exit_code


class _Nodes:
    """An engine whose workers are runs of their own, as those of nodes are, in this process."""

    slots = 8

    def __init__(self, studios: Sequence[Studio], run_id: int) -> None:
        self._studios, self._run_id = studios, run_id
        self._opened = AsyncExitStack()
        self._works: dict[ShardWorker, asyncio.Task[None]] = {}
        self._shards: dict[asyncio.Task[ShardReport], ShardRef] = {}
        self._turns: Iterator[ShardWorker] = iter(())

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return the lanes that each of them has stopped."""
        first, *others = (worker.stopped for worker in self._works)
        return {lane: why for lane, why in first.items() if all(lane in each for each in others)}

    async def open(self) -> None:
        for each in self._studios:
            config, parts = each.parts()
            ledger = self._opened.enter_context(Ledger.open(each.root))
            handle = RunHandle(ledger, config, **parts)
            worker = await self._opened.enter_async_context(handle.open_worker(self._run_id))
            self._works[worker] = asyncio.create_task(worker.work())
        self._turns = itertools.cycle(self._works)

    async def submit(self, ref: ShardRef) -> None:
        self._shards[asyncio.create_task(next(self._turns).run_shard(ref))] = ref

    async def next_done(self) -> tuple[ShardRef, ShardReport]:
        done, _ = await asyncio.wait(self._shards, return_when=asyncio.FIRST_COMPLETED)
        shard = done.pop()
        return self._shards.pop(shard), shard.result()

    def steer(self, name: str, *words: object) -> None:
        """Do nothing: nobody steers them."""

    async def stop(self, *, hard: bool) -> None:
        assert not hard
        for worker in self._works:
            worker.close()
        await asyncio.gather(*self._works.values())
        await self._opened.aclose()


async def test_shards_of_a_node_with_a_bad_key_are_made_by_the_others(studio: Studio) -> None:
    """What was handed out to it is left planned, and begun by a node whose lane goes on."""
    _shop(studio).bad = {"key-bad"}
    nodes = [_beside(studio), _beside(studio, key="key-bad")]
    # Two that make ids of their own.
    nodes[1]._ids = itertools.count(2000)  # noqa: SLF001
    config, parts = studio.parts()
    parts["dependencies"] = replace(
        parts["dependencies"], shard_items=5, engine=lambda run_id, _: _Nodes(nodes, run_id)
    )
    with Ledger.open(studio.root) as ledger:
        outcome = await run(ledger, config, **parts)

    assert 1 == _names(nodes[1])["lane_stopped"]
    assert ["done"] * 40 == studio.states()
    assert 0 == outcome.exit_code


class _Signals(list[Event]):
    """Events that are listened to: the first of a name is told."""

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        super().__init__()
        self._name, self._call = name, call

    def append(self, event: Event) -> None:
        super().append(event)
        if event.name == self._name:
            self._call()


def _shop(studio: Studio) -> Branches:
    assert isinstance(studio.shop, Branches)
    return studio.shop


def _names(studio: Studio) -> Counter[str]:
    return Counter(event.name for event in studio.events)
