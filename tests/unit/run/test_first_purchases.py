"""The first purchase of a price goes alone, until what it cost is known."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.api.price_notes import price_lines
from pipeline.domain import Budget, Feature, PricedItem
from pipeline.domain.states import State
from pipeline.ledger.integrity import damage
from pipeline.ledger.price_confirmations import SeenPrice, seen_prices
from pipeline.ledger.repository import Ledger
from pipeline.ledger.run_ledger import RunLedger
from pipeline.providers.base import Accepted, Charge, Done, Fault, Request, Response, TaskRef
from pipeline.providers.base import TaskState as Told
from pipeline.run import lane_worker
from pipeline.run.context import RunContext
from pipeline.storage.blobs import Store
from tests.unit.run.campaign import CAMPAIGN, SPEC, Studio, abandon_item, entry
from tests.unit.run.older import make_older
from tests.unit.run.raw_ledger import read
from tests.unit.run.shop import OFFER, Provider

ESTIMATE = Decimal("1.00")
CHARGED = Decimal("4.80")
NAMES = "abcdefghij"


def _priced(name: str, *, seconds: float = 5.0, price: str | None = "1.00") -> PricedItem:
    found = entry(name, price=price)
    item = replace(found.item, spec=replace(SPEC, seconds=seconds))
    return replace(found, item=item)


def _seen(studio: Studio) -> SeenPrice:
    with Ledger.open(studio.root) as ledger:
        (seen,) = read(ledger, seen_prices).values()
    return seen


async def test_one_assumed_four_eighty_charged(tmp_path: Path) -> None:
    """The clip that went alone is all that a limit of 10 USD is billed, not ten at once."""
    studio = Studio(tmp_path, concurrency=10, budget=Budget(limit_usd=Decimal(10)))
    studio.shop.price = CHARGED
    assert studio.admit(_priced(name) for name in NAMES).ok

    outcome = await studio.run()

    assert (11, True) == (outcome.exit_code, outcome.overcharged)
    assert (1, CHARGED) == (studio.shop.submits, studio.shop.billed)
    assert ["done", *["held"] * 9] == studio.states()


async def test_the_next_run_sets_aside_what_was_charged(tmp_path: Path) -> None:
    """After an overrun the plan has the new price, and the limit holds with it; one goes alone."""
    studio = Studio(tmp_path, concurrency=10, budget=Budget(limit_usd=Decimal(20)))
    studio.shop.price = CHARGED
    entries = [_priced(name) for name in NAMES]
    studio.admit(entries)
    await studio.run()

    admission = studio.admit(entries)
    outcome = await studio.run()

    assert 9 * CHARGED == admission.to_make.high_usd
    assert (4, 4 * CHARGED) == (studio.shop.submits, studio.shop.billed)
    assert (11, False) == (outcome.exit_code, outcome.overcharged)
    assert ("charge", 4_800_000) == (_seen(studio).source, _seen(studio).charged_microusd)


async def test_a_charge_that_was_a_slip_is_forgotten_by_the_next(tmp_path: Path) -> None:
    """Once a clip is charged as estimated again, that is set aside, and no note tells otherwise."""
    studio = Studio(tmp_path, concurrency=10)
    studio.shop.price = CHARGED
    entries = [_priced(name) for name in NAMES]
    studio.admit(entries)
    await studio.run()
    studio.shop.price = ESTIMATE
    assert studio.admit(entries).ok

    assert 0 == (await studio.run()).exit_code

    assert ("charge", 0) == (_seen(studio).source, _seen(studio).charged_microusd)
    assert [] == list(price_lines(studio.admit(entries).prices))


async def test_a_price_that_is_confirmed_lets_the_others_go(tmp_path: Path) -> None:
    """Charged as estimated, the rest goes many at a time; the next run begins so."""
    studio = Studio(tmp_path, concurrency=4)
    studio.shop.price = ESTIMATE
    assert studio.admit(_priced(name) for name in "abcde").ok
    seen: list[int] = []

    outcome = await studio.run(checkpoint=lambda _: seen.append(len(studio.shop.tasks)))

    assert (0, 4) == (outcome.exit_code, studio.shop.most_at_once)
    assert "charge" == _seen(studio).source
    studio.shop.most_at_once = 0
    assert studio.admit(_priced(name) for name in "vwxyz").ok
    await studio.run()
    assert 4 == studio.shop.most_at_once


async def test_a_first_purchase_that_fails_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    """Refused, failed free, not taken: it confirmed nothing, so the next one goes alone."""
    studio = Studio(tmp_path, concurrency=4)
    studio.shop.price = ESTIMATE
    studio.shop.script.append("refused")
    studio.shop.endings.append("refused")
    assert studio.admit(_priced(name) for name in "abcd").ok
    at_once: list[int] = []

    def watch(_: str) -> None:
        done = any(event.name == "done" for event in studio.events)
        if not done:
            at_once.append(studio.shop.most_at_once)

    await studio.run(checkpoint=watch)

    assert ["failed", "failed", "done", "done"] == studio.states()
    assert 1 == max(at_once)


async def test_a_first_purchase_without_a_known_end_shuts_its_price(tmp_path: Path) -> None:
    """Nobody knows what it costs: the others are held with a cause, and go on once it is settled.

    The run ends, with exit 13.
    """
    studio = Studio(tmp_path, provider=Provider(replace(OFFER, features=frozenset())))
    studio.shop.forgets = True
    studio.shop.script.append("drop")
    assert studio.admit(_priced(name) for name in "abc").ok

    outcome = await studio.run()

    assert 13 == outcome.exit_code
    assert [("in_doubt", "doubt"), ("held", "price"), ("held", "price")] == [
        (record.state, record.cause) for record in studio.records()
    ]
    assert 13 == (await studio.run()).exit_code
    assert 1 == studio.shop.submits
    with Ledger.open(studio.root) as ledger:
        abandon_item(ledger, CAMPAIGN, "spin[a]", now=studio.clock.now())
    await studio.run()
    assert ["abandoned", "done", "done"] == studio.states()


async def test_a_shorter_clip_goes_alone_too(tmp_path: Path) -> None:
    """A price by the clip looks like one by the second, until another length is bought."""
    studio = Studio(tmp_path, concurrency=10, budget=Budget(limit_usd=Decimal("4.00")))
    studio.shop.price = Decimal("2.00")
    long = _priced("a", seconds=10.0, price="2.00")
    assert studio.admit([long, *(_priced(name) for name in "bcdefg")]).ok

    outcome = await studio.run()

    assert (11, True) == (outcome.exit_code, outcome.overcharged)
    assert Decimal("4.00") == studio.shop.billed
    assert studio.admit([long, *(_priced(name) for name in "bcdefg")]).ok
    await studio.run()
    assert Decimal("4.00") == studio.shop.billed


async def test_what_has_no_price_goes_alone_as_well(tmp_path: Path) -> None:
    """Without price and limit the first clip's charge is awaited, and confirms it."""
    studio = Studio(tmp_path, concurrency=4)
    assert studio.admit(_priced(name, price=None) for name in "abc").ok
    alone = False

    def watch(_: str) -> None:
        nonlocal alone
        alone = alone or (len(studio.shop.tasks) == 1 and studio.shop.polls > 0)
        assert studio.shop.polls or len(studio.shop.tasks) <= 1

    outcome = await studio.run(checkpoint=watch)

    assert (0, True) == (outcome.exit_code, alone)
    assert "charge" == _seen(studio).source


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_an_older_ledger_has_confirmed_nothing(version: int, tmp_path: Path) -> None:
    """Brought up to date it goes on, with its first purchase alone."""
    studio = Studio(tmp_path)
    await studio.make("a")
    make_older(studio.root, version)

    outcome = await studio.make("a", "b", "c")

    assert (0, 3) == (outcome.exit_code, studio.shop.submits)
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))


class _Reticent(Provider):
    """Tells no charge; credits at acceptance if it has some, and the balance if it may be asked."""

    def __init__(self, *features: Feature, told: Decimal | None = None) -> None:
        super().__init__(replace(OFFER, features=frozenset(features)))
        self._credits = told

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit."""
        found = super().read_submit(response, client_id)
        if isinstance(found, Accepted) and self._credits is not None:
            return replace(found, reserved=Charge(native=self._credits, unit="credit"))
        return found

    def read_status(self, task: TaskRef, response: Response) -> Told:
        """Read the reply to a status request."""
        found = super().read_status(task, response)
        return replace(found, charge=None) if isinstance(found, Done) else found

    def balance_request(self) -> Request:
        """Return the request that asks what is left."""
        return Request(method="GET", path="/balance")

    def read_balance(self, response: Response) -> Charge | Fault:
        """Read what is left."""
        return Charge(usd=Decimal(response.body.decode()))


def _bank(studio: Studio, *, others: Decimal = Decimal(0)) -> None:
    """Let the shop tell the account's balance; `others` spend so much between two questions."""
    truth, asked = studio.shop.send, 0

    async def send(lane: Any, request: Request, **more: Any) -> Response:
        nonlocal asked
        if request.path != "/balance":
            return await truth(lane, request, **more)
        asked += 1
        left = 100 - studio.shop.billed - (others if asked > 1 else 0)
        return Response(status=200, headers={}, body=str(left).encode())

    studio.shop.send = send  # type: ignore[method-assign]


async def test_a_clip_that_cost_nothing_confirms_no_price(tmp_path: Path) -> None:
    """Two are free, the third is dear: it went alone like those before it."""
    studio = Studio(tmp_path, concurrency=10, budget=Budget(limit_usd=Decimal(20)))
    studio.shop.price = Decimal(0)
    assert studio.admit(_priced(name) for name in NAMES).ok

    def watch(_: str) -> None:
        studio.shop.price = Decimal(0) if len(studio.shop.tasks) < 2 else CHARGED

    outcome = await studio.run(checkpoint=watch)

    assert (11, 3, CHARGED) == (outcome.exit_code, studio.shop.submits, studio.shop.billed)


async def test_where_nothing_is_told_one_ended_purchase_opens_the_lane(tmp_path: Path) -> None:
    """It goes alone, and is remembered as untold: what it cost nobody knows."""
    studio = Studio(tmp_path, provider=_Reticent())
    assert studio.admit(_priced(name) for name in "abc").ok

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert "untold" == _seen(studio).source


async def test_the_balance_confirms_a_price_that_is_not_told(tmp_path: Path) -> None:
    """The account fell by no more than was set aside."""
    studio = Studio(tmp_path, provider=_Reticent(Feature.BALANCE))
    studio.shop.price = ESTIMATE
    _bank(studio)
    assert studio.admit(_priced(name) for name in "abc").ok

    assert 0 == (await studio.run()).exit_code
    assert "balance" == _seen(studio).source


@pytest.mark.parametrize("others", [Decimal(0), Decimal("3.80")])
async def test_a_balance_that_fell_too_far_is_possible_money(
    others: Decimal, tmp_path: Path
) -> None:
    """The account fell by more than was set aside: nothing more is bought.

    Others may have spent it, so it is booked as possible; the estimate as charged.
    """
    studio = Studio(tmp_path, concurrency=10, provider=_Reticent(Feature.BALANCE))
    studio.shop.price = CHARGED - others
    _bank(studio, others=others)
    assert studio.admit(_priced(name) for name in NAMES).ok

    outcome = await studio.run()

    record = studio.records()[0]
    assert (11, 1) == (outcome.exit_code, studio.shop.submits)
    assert (ESTIMATE, CHARGED - ESTIMATE) == (record.charged_usd, record.possible_usd)
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))


async def test_credits_above_their_like_are_said_and_stop_the_run(tmp_path: Path) -> None:
    """40.32 told where 13.44 are usual: three times the estimate is booked, and that is said."""
    studio = Studio(tmp_path, provider=_Reticent(Feature.CREDITS, told=Decimal("13.44")))
    assert studio.admit([_priced("a")]).ok
    await studio.run()
    studio.provider = _Reticent(Feature.CREDITS, told=Decimal("40.32"))
    assert studio.admit(_priced(name) for name in "abcd").ok

    outcome = await studio.run()

    assert (11, True) == (outcome.exit_code, outcome.overcharged)
    assert 3 * ESTIMATE == studio.records()[1].charged_usd
    with Ledger.open(studio.root) as ledger:
        notable = {each.name: each.message for each in ledger.notable(CAMPAIGN)}
    assert "40.32 credits told where 13.44 are usual" == notable["unusual_credits"]
    assert "3.00 USD charged where 1.00 USD was set aside" == notable["overcharged"]


async def test_credits_are_held_against_the_price_list(tmp_path: Path) -> None:
    """Where a credit's price is known, the first purchase that goes alone shows what is dear."""
    studio = Studio(tmp_path, provider=_Reticent(Feature.CREDITS, told=Decimal(480)))
    cheap = [_priced(name) for name in NAMES]
    rated = [
        replace(each, price=replace(each.price, native_usd=Decimal("0.01")))  # type: ignore[type-var]
        for each in cheap
    ]
    assert studio.admit(rated).ok

    outcome = await studio.run()

    assert (11, 1) == (outcome.exit_code, studio.shop.submits)
    assert CHARGED == studio.records()[0].charged_usd


async def test_other_prices_go_on_beside_one_that_is_awaited(tmp_path: Path) -> None:
    """More jobs than there are seats wait for one price: those of another are made meanwhile."""
    studio = Studio(tmp_path, concurrency=2)
    studio.shop.endings.append("stuck")
    studio.policy = replace(studio.policy, deadline_s=600.0)
    many = [_priced(f"s{n}") for n in range(60)]
    other = _priced("p")
    pro = replace(other.item, settings=replace(other.item.settings, mode="pro"))
    assert studio.admit([*many, replace(other, item=pro)]).ok

    outcome = await studio.run()

    assert 13 == outcome.exit_code
    assert ["overdue", *["held"] * 59, "done"] == studio.states()


async def test_rows_over_their_limit_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """What a limit denies lets the next one go: nothing waits for what is never bought."""
    budget = Budget(limit_usd=Decimal("1.50"))
    studio = Studio(tmp_path, budget=budget)
    studio.shop.price = ESTIMATE
    assert studio.admit(_priced(f"s{n}") for n in range(300)).ok

    outcome = await studio.run()

    assert (11, 1) == (outcome.exit_code, studio.shop.submits)
    held = partial(filter, lambda state: state == "held")
    assert 299 == len(list(held(studio.states())))


async def test_what_was_held_since_the_plan_was_read_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is read while three are begun, and looked at once the budget has held them."""
    contexts: list[RunContext] = []
    held: list[str] = []
    reads, is_read, all_held = 0, asyncio.Event(), asyncio.Event()
    work, read_plan, move_job = lane_worker.run_job, RunLedger.planned_jobs, RunLedger.move

    async def work_and_note(active: Any) -> None:
        contexts.append(active.context)
        await work(active)
        held.extend([active.job.address] if active.job.state is State.HELD else [])
        if len(held) == 3:
            all_held.set()

    async def read_and_wait(ledger: RunLedger, **asked: Any) -> Any:
        nonlocal reads
        page = await read_plan(ledger, **asked)
        reads += 1
        if reads == 2:
            # The price is confirmed and the others begin: something changes meanwhile.
            contexts[0].changes.notify()
        elif reads == 3:
            is_read.set()
            await all_held.wait()
        return page

    async def move_once_read(ledger: RunLedger, job: Any, after: State, **told: Any) -> None:
        if len(contexts) > 1:
            await is_read.wait()
        await move_job(ledger, job, after, **told)

    monkeypatch.setattr(lane_worker, "run_job", work_and_note)
    monkeypatch.setattr(RunLedger, "planned_jobs", read_and_wait)
    monkeypatch.setattr(RunLedger, "move", move_once_read)
    studio = Studio(tmp_path, concurrency=10, budget=Budget(limit_usd=Decimal("1.50")))
    studio.shop.price = ESTIMATE
    assert studio.admit(_priced(name) for name in "abcd").ok

    outcome = await studio.run()

    assert (11, 1) == (outcome.exit_code, studio.shop.submits)
    assert ["done", "held", "held", "held"] == studio.states()
    assert 3 == len(held)
