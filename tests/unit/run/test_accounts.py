"""Several accounts of one provider: each a lane of its own, one budget over all."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain import EMPTY, Budget, Feature, Policy
from pipeline.errors import Undecidable
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sqlite import SqliteFile
from pipeline.net.lane import Lane
from pipeline.providers.base import Request, Response
from pipeline.run.manual import find_claim, verify_claims
from pipeline.run.outcome import Outcome
from pipeline.run.runner import RunHandle, run
from pipeline.storage.fs import STATE_FOLDER
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.older import make_older
from tests.unit.run.shop import LANE, OFFER, Provider, Shop

ACCOUNTS = ("", "b", "c")
KEYS = {"": "key-1", "b": "key-2", "c": "key-3"}
UNAUTHORISED = Response(status=400, headers={}, body=b'{"fault": "unauthorised"}')
NO_IDS = replace(OFFER, features=frozenset({Feature.COST}))


@dataclass
class Branches(Shop):
    """A shop whose accounts know nothing of each other's tasks."""

    bad: set[str] = field(default_factory=set)
    """Keys that are refused."""
    owner: dict[str, str] = field(default_factory=dict)
    """The key each task was ordered with."""
    asked_with: list[tuple[str, str]] = field(default_factory=list)
    """Every task that was asked for, and with which key."""
    sent_with: list[tuple[str, str]] = field(default_factory=list)
    """Every prompt that was sent, and with which key."""
    most_by_key: Counter[str] = field(default_factory=Counter)
    """The most tasks that ran at once, by key."""

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Take it under the key that it is ordered with."""
        assert isinstance(request.body, bytes)
        self.sent_with.append((json.loads(request.body)["prompt"], lane.key))
        if lane.key in self.bad:
            return UNAUTHORISED
        known = set(self.tasks)
        try:
            return await super().submit(lane, request, headers, may_send=may_send)
        finally:
            self.owner |= dict.fromkeys(self.tasks.keys() - known, lane.key)
            now = self.clock.monotonic()
            running = sum(
                task.ready_at > now and self.owner[name] == lane.key
                for name, task in self.tasks.items()
            )
            self.most_by_key[lane.key] = max(self.most_by_key[lane.key], running)

    async def send(
        self,
        lane: Lane,
        request: Request,
        *,
        content: Path | None = None,
        content_type: str = "",
        headers: Mapping[str, str] = EMPTY,
    ) -> Response:
        """Answer for the key's own tasks; of others' it knows nothing."""
        kind, _, name = request.path.strip("/").partition("/")
        if kind == "tasks":
            self.asked_with.append((name, lane.key))
            if self.owner.get(name) != lane.key:
                return Response(status=200, headers={}, body=b'{"state": "absent"}')
        return await super().send(
            lane, request, content=content, content_type=content_type, headers=headers
        )


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio whose shop has several accounts, with a known price."""
    found = Studio(tmp_path, policy=Policy())
    found.shop = Branches(found.clock)
    found.confirm_price()
    return found


def _lanes(accounts: Sequence[str], keys: Mapping[str, str], at_once: int) -> dict[str, Lane]:
    lanes = [
        Lane(
            provider="shop",
            account=account,
            key=keys[account],
            hosts=LANE.hosts,
            concurrency=at_once,
            submit_per_s=1000.0,
        )
        for account in accounts
    ]
    return {lane.name: lane for lane in lanes}


def _parts(
    studio: Studio,
    accounts: Sequence[str] = ACCOUNTS,
    *,
    keys: Mapping[str, str] = KEYS,
    at_once: int = 2,
) -> tuple[Any, dict[str, Any]]:
    config, parts = studio.parts()
    return config, {**parts, "lanes": _lanes(accounts, keys, at_once)}


async def _work(studio: Studio, *given: Any, **more: Any) -> Outcome:
    config, parts = _parts(studio, *given, **more)
    with Ledger.open(studio.root) as ledger:
        return await run(ledger, config, **parts)


def _shop(studio: Studio) -> Branches:
    assert isinstance(studio.shop, Branches)
    return studio.shop


def _written_accounts(studio: Studio) -> Counter[str]:
    with closing(SqliteFile(studio.root / STATE_FOLDER / LEDGER).connect(readonly=True)) as ledger:
        rows = ledger.exec_driver_sql("SELECT account FROM purchases").all()
    return Counter(account for (account,) in rows)


def _admit(studio: Studio, number: int) -> None:
    assert studio.admit(entry(f"n{each}") for each in range(number)).ok


async def test_each_account_has_its_own_limits_and_the_ledger_its_name(studio: Studio) -> None:
    """Thirty items over three accounts: never more than two at once of one; names, no keys."""
    _admit(studio, 30)

    outcome = await _work(studio)

    shop = _shop(studio)
    assert 0 == outcome.exit_code
    assert 30 == len(shop.tasks)
    assert {"key-1": 2, "key-2": 2, "key-3": 2} == dict(shop.most_by_key)
    assert {"", "b", "c"} == _written_accounts(studio).keys()
    assert 9 <= min(Counter(shop.owner.values()).values())
    assert b"key-" not in (studio.root / STATE_FOLDER / LEDGER).read_bytes()


def test_three_accounts_make_it_in_a_third_of_the_time(tmp_path: Path) -> None:
    """By the clock of the test, on which nothing but the provider takes time."""
    took = []
    for accounts in (ACCOUNTS[:1], ACCOUNTS):
        studio = Studio(tmp_path / f"{len(accounts)}", policy=Policy())
        studio.shop = Branches(studio.clock)
        studio.confirm_price()
        _admit(studio, 60)
        # In a loop of its own: a loop has one jumping clock, which waits for its threads.
        assert 0 == asyncio.run(_work(studio, accounts)).exit_code
        took.append(studio.clock.monotonic())

    one, three = took
    assert one / three > 2.7


async def test_one_budget_is_over_all_accounts(studio: Studio) -> None:
    """No account has a limit of its own: five of ten are bought, whoever makes them."""
    studio.budget = Budget(limit_usd=Decimal("2.80"))
    _admit(studio, 10)

    outcome = await _work(studio)

    assert 11 == outcome.exit_code
    assert 5 == len(_shop(studio).tasks)


async def test_a_bad_key_stops_its_own_lane_only(studio: Studio) -> None:
    """What its account could not buy the others buy: all is made, and it is said once."""
    _shop(studio).bad = {"key-2"}
    _admit(studio, 12)

    outcome = await _work(studio)

    told = [event for event in studio.events if event.name == "lane_stopped"]
    assert 0 == outcome.exit_code
    assert {} == dict(outcome.stopped)
    assert ["done"] * 12 == studio.states()
    assert 12 == len(_shop(studio).tasks)
    assert ["shop.b: it is unauthorised"] == [event.detail["message"] for event in told]


async def test_with_every_key_bad_everything_is_held(studio: Studio) -> None:
    """Once no account is left the items wait for a person, as with one account."""
    _shop(studio).bad = set(KEYS.values())
    _admit(studio, 12)

    outcome = await _work(studio)

    assert 12 == outcome.exit_code
    assert {"shop", "shop.b", "shop.c"} == outcome.stopped.keys()
    assert ["held"] * 12 == studio.states()


async def test_a_task_is_asked_for_with_the_key_it_was_ordered_with(studio: Studio) -> None:
    """Also by the next run: another account knows nothing of it."""
    _shop(studio).endings.extend(["stuck"] * 12)
    studio.policy = Policy(deadline_s=60.0, stop=False)
    _admit(studio, 12)
    assert 13 == (await _work(studio)).exit_code
    for task in _shop(studio).tasks.values():
        task.ending = "done"

    outcome = await _work(studio)

    shop = _shop(studio)
    assert 0 == outcome.exit_code
    assert 12 == len(shop.tasks)
    assert all(shop.owner[task] == key for task, key in shop.asked_with)


async def test_a_doubt_stays_with_its_account(studio: Studio) -> None:
    """A lost reply is settled by the same id at the same account, however many others there are."""
    shop = _shop(studio)
    shop.script.extend(["drop", "lost", "drop", "lost"])
    _admit(studio, 9)

    outcome = await _work(studio)

    keys_of = Counter(prompt for prompt, _ in set(shop.sent_with))
    assert 0 == outcome.exit_code
    assert 9 == len(shop.tasks)
    assert {1} == set(keys_of.values())


async def test_an_account_whose_key_is_not_here_is_left_alone(studio: Studio) -> None:
    """Its tasks are neither asked for with another key nor bought again; it is told."""
    studio.provider = Provider(NO_IDS)
    _shop(studio).endings.extend(["stuck"] * 6)
    studio.policy = Policy(deadline_s=60.0, stop=False)
    _admit(studio, 6)
    assert 13 == (await _work(studio)).exit_code
    for task in _shop(studio).tasks.values():
        task.ending = "done"
    asked = len(_shop(studio).asked_with)

    outcome = await _work(studio, ("", "b"))

    shop = _shop(studio)
    told = [event.detail["message"] for event in studio.events if event.name == "account_missing"]
    assert 13 == outcome.exit_code
    assert {"done": 4, "overdue": 2} == Counter(studio.states())
    assert ["2 were sent from its account c, whose key is not here: they are left"] == told
    assert "key-3" not in {key for _, key in shop.asked_with[asked:]}
    assert 6 == len(shop.tasks)
    assert 0 == (await _work(studio)).exit_code


async def test_accounts_that_changed_names_are_known_by_their_keys(studio: Studio) -> None:
    """Somebody swapped two variables: each task is asked for with the key that ordered it."""
    _shop(studio).endings.extend(["stuck"] * 4)
    studio.policy = Policy(deadline_s=60.0, stop=False)
    _admit(studio, 4)
    await _work(studio, ("", "b"))
    for task in _shop(studio).tasks.values():
        task.ending = "done"

    outcome = await _work(studio, ("", "b"), keys={"": "key-2", "b": "key-1"})

    shop = _shop(studio)
    assert 0 == outcome.exit_code
    assert all(shop.owner[task] == key for task, key in shop.asked_with)


async def test_a_single_account_goes_on_with_a_key_that_was_renewed(studio: Studio) -> None:
    """It is the same account: what the old key bought the new one collects, as before."""
    _shop(studio).endings.append("stuck")
    studio.policy = Policy(deadline_s=60.0, stop=False)
    _admit(studio, 1)
    await _work(studio, ("b",))
    shop = _shop(studio)
    shop.owner = dict.fromkeys(shop.owner, "key-9")
    for task in shop.tasks.values():
        task.ending = "done"

    assert 0 == (await _work(studio, ("b",), keys={"b": "key-9"})).exit_code


async def test_what_is_turned_away_stays_with_its_account(studio: Studio) -> None:
    """A full queue says nothing of the others: it is sent again there, under its own id."""
    shop = _shop(studio)
    shop.script.extend(["took:throttled:5"] * 3)
    _admit(studio, 9)

    outcome = await _work(studio)

    assert 0 == outcome.exit_code
    assert 9 == len(shop.tasks)
    assert {1} == set(Counter(prompt for prompt, _ in set(shop.sent_with)).values())


async def test_lanes_are_steered_together_or_one_by_one(studio: Studio) -> None:
    """`shop` is all its accounts, `shop.b` one, `shop.default` the one without a name."""
    _admit(studio, 1)
    config, parts = _parts(studio)
    with Ledger.open(studio.root) as ledger:
        handle = RunHandle(ledger, config, **parts)
        handle.pause("shop.b")
        one = {name for name, lane in handle.snapshot().lanes.items() if lane.paused}
        handle.pause("shop.default")
        two = {name for name, lane in handle.snapshot().lanes.items() if lane.paused}
        handle.resume("shop")
        none = {name for name, lane in handle.snapshot().lanes.items() if lane.paused}
        with pytest.raises(ValueError, match=r"it has shop, shop\.b, shop\.c"):
            handle.pause("shop.d")

    assert ({"shop.b"}, {"shop", "shop.b"}, set()) == (one, two, none)


async def test_a_named_task_is_asked_for_at_its_own_account(studio: Studio) -> None:
    """A person names the task of a doubt: the account that was sent from is asked, or nobody."""
    studio.provider = Provider(NO_IDS)
    shop = _shop(studio)
    shop.forgets = True
    shop.script.append("drop")
    _admit(studio, 1)
    await _work(studio, ("b",))
    assert ["in_doubt"] == studio.states()

    with Ledger.open(studio.root) as ledger:
        claim = find_claim(ledger, CAMPAIGN, "spin[n0]", "t1")
    lanes = _lanes(("", "c"), KEYS, 2)

    assert "b" == claim.account
    with pytest.raises(Undecidable, match="sent from another account"):
        await verify_claims([claim], providers={"shop": studio.provider}, lanes=lanes)


async def test_an_older_ledger_s_tasks_are_known_by_their_keys(studio: Studio) -> None:
    """It wrote the key's fingerprint and no name: whatever the account is called now, it is it."""
    _shop(studio).endings.append("stuck")
    studio.policy = Policy(deadline_s=60.0, stop=False)
    _admit(studio, 1)
    await _work(studio, ("",))
    make_older(studio.root, 12)
    for task in _shop(studio).tasks.values():
        task.ending = "done"

    outcome = await _work(studio, ("b", "c"), keys={"b": "key-1", "c": "key-3"})

    assert 0 == outcome.exit_code
    assert {"": 1} == _written_accounts(studio)
