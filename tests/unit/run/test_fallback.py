"""A stopped lane's items go to the next provider of each item's list, while the run goes on."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import EMPTY, Budget, Policy, PricedItem
from pipeline.ledger.repository import Ledger
from pipeline.net.lane import Lane
from pipeline.providers.base import Request, Response
from pipeline.run.outcome import Outcome
from pipeline.run.runner import RunHandle, run
from tests.examples import examples
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import LANE, OFFER, Provider, Shop

NAMES = ("shop", "annex", "third")
UNPAID = Response(status=400, headers={}, body=b'{"fault": "unpaid"}')


@dataclass
class Market(Shop):
    """Providers with one till each: who has no credit left takes nothing more."""

    credit: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[str, str]] = field(default_factory=list)
    """Who made which prompt, in order."""

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Take it, if there is credit left."""
        left = self.credit.get(lane.provider, 100)
        if not left:
            return UNPAID
        self.credit[lane.provider] = left - 1
        self.taken.append((lane.provider, json.loads(request.body)["prompt"]))
        return await super().submit(lane, request, headers, may_send=may_send)


def listed(name: str, *providers: str, prices: Mapping[str, str] = EMPTY) -> PricedItem:
    """Return an item that the first provider makes, and to whom it may move on."""
    own = entry(name)
    first, *others = (
        replace(
            entry(name, price=prices.get(provider, "0.56")),
            item=replace(own.item, provider=provider),
        )
        for provider in providers
    )
    return replace(first, fallbacks=tuple(others))


def market(root: Path, credit: Mapping[str, int], **policy: Any) -> tuple[Studio, Market]:
    """Return a studio whose providers have so much credit, with prices that are known."""
    studio = Studio(root, policy=Policy(stop=False, fallback=True, **policy))
    shop = Market(studio.clock, credit=dict(credit))
    studio.shop = shop
    for name in NAMES:
        studio.confirm_price(name)
    return studio, shop


def parts_of(studio: Studio, names: Sequence[str] = NAMES) -> tuple[Any, dict[str, Any]]:
    """Return what a run with these lanes is started with."""
    config, parts = studio.parts()
    parts["providers"] = {
        name: Provider(replace(OFFER, provider=name, title=name)) for name in names
    }
    parts["lanes"] = {
        name: Lane(
            provider=name,
            key=f"key-of-{name}",
            hosts=LANE.hosts,
            concurrency=2,
            submit_per_s=1000,
        )
        for name in names
    }
    return config, parts


async def work(studio: Studio, names: Sequence[str] = NAMES) -> Outcome:
    """Run what was admitted."""
    config, parts = parts_of(studio, names)
    with Ledger.open(studio.root) as ledger:
        return await run(ledger, config, **parts)


async def test_what_a_stopped_lane_leaves_is_made_by_the_next(tmp_path: Path) -> None:
    """In the same run, without a new plan: the report tells who made it, and who did not, why."""
    studio, shop = market(tmp_path, {"shop": 2})
    assert studio.admit([listed(name, "shop", "annex") for name in "abcdef"]).ok

    outcome = await work(studio)

    assert 0 == outcome.exit_code
    assert {"shop": 2, "annex": 4} == Counter(name for name, _ in shop.taken)
    moved = [record for record in studio.records() if record.provider == "annex"]
    assert {(("shop", "it is unpaid"),)} == {record.passed_over for record in moved}
    told = [event for event in studio.events if event.name == "reassigned"]
    assert ["shop was stopped (it is unpaid): what others can make goes to them"] == [
        event.detail["message"] for event in told
    ]


async def test_what_was_not_selected_or_was_left_out_stays(tmp_path: Path) -> None:
    """Another provider makes no more than the first was to make."""
    studio, shop = market(tmp_path, {"shop": 0})
    plan = [listed(name, "shop", "annex") for name in "abc"]
    assert studio.admit(plan, _Only(("spin[a]", "spin[b]"))).ok
    config, parts = parts_of(studio)

    with Ledger.open(studio.root) as ledger:
        handle = RunHandle(ledger, config, **parts)
        await handle.leave_out("spin[b]")
        await handle.work()

    assert [("annex", "a")] == shop.taken


async def test_money_is_reserved_at_the_price_of_who_makes_it(tmp_path: Path) -> None:
    """The limit holds at the next provider too, and what it does not allow is held."""
    studio, shop = market(tmp_path, {"shop": 0})
    studio.budget = Budget(limit_usd=Decimal("2.00"))
    assert studio.admit([listed(n, "shop", "annex", prices={"annex": "0.90"}) for n in "abc"]).ok
    shop.price = Decimal("0.90")

    outcome = await work(studio)

    assert 11 == outcome.exit_code
    assert Decimal("1.80") == shop.billed
    assert ["done", "done", "held"] == sorted(studio.states())


async def test_the_next_run_asks_the_first_provider_again(tmp_path: Path) -> None:
    """What was made elsewhere stays made; what is new goes where the manifest says."""
    studio, shop = market(tmp_path, {"shop": 0})
    assert studio.admit([listed("a", "shop", "annex")]).ok
    await work(studio)
    shop.credit["shop"] = 5

    assert studio.admit([listed(name, "shop", "annex") for name in "ab"]).ok
    outcome = await work(studio)

    assert 0 == outcome.exit_code
    assert [("annex", "a"), ("shop", "b")] == shop.taken


async def test_nothing_moves_where_the_manifest_does_not_say_so(tmp_path: Path) -> None:
    """Without `fallback: same_model` a stopped lane holds its items."""
    studio, shop = market(tmp_path, {"shop": 0})
    studio.policy = replace(studio.policy, fallback=False)
    assert studio.admit([listed("a", "shop", "annex")]).ok

    outcome = await work(studio)

    assert 12 == outcome.exit_code
    assert [] == shop.taken
    assert ["held"] == studio.states()


LISTS = st.lists(
    st.permutations(NAMES).flatmap(lambda names: st.sampled_from([names[:n] for n in (1, 2, 3)])),
    min_size=1,
    max_size=6,
)
CREDITS = st.fixed_dictionaries({name: st.integers(0, 4) for name in NAMES})


@examples(15, 200)
def test_whoever_can_pay_makes_each_item_once(examples: int) -> None:
    """Whichever lanes stop when: each is made once by one of its list, or all of those stopped."""
    settings(deadline=None, max_examples=examples)(_each_is_made_once)()


@given(lists=LISTS, credit=CREDITS, free_failures=st.sampled_from([0, 2]))
def _each_is_made_once(lists: list[list[str]], credit: dict[str, int], free_failures: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        studio, shop = market(Path(folder), credit)
        shop.endings.extend(["failed_free"] * free_failures)
        names = "abcdefgh"[: len(lists)]
        plan = [listed(name, *chosen) for name, chosen in zip(names, lists, strict=True)]
        assert studio.admit(plan).ok

        outcome = asyncio.run(work(studio))

        records = dict(zip(names, studio.records(), strict=True))
    for name, chosen in zip(names, lists, strict=True):
        makers = [who for who, prompt in shop.taken if prompt == name]
        assert set(makers) <= set(chosen)
        if records[name].state == "done":
            finished = [task for task in shop.tasks.values() if task.body["prompt"] == name]
            assert ["done"] == [task.ending for task in finished if task.billed]
        elif records[name].state == "held":
            assert {0} == {shop.credit[who] for who in chosen}
        else:
            # It was free, and is bought again by the next run.
            assert "failed" == records[name].state
            assert free_failures
    assert (outcome.exit_code == 0) == all(each.state == "done" for each in records.values())


class _Only:
    """A choice of some addresses."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    def __call__(self, record: Any) -> bool:
        """Tell whether an item is chosen."""
        return record.address in self._addresses

    def findings(self) -> tuple[()]:
        """Return nothing: every choice is right."""
        return ()
