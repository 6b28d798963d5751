"""An item that is changed, or leaves the plan, while its task is at the provider."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from pipeline.domain import PricedItem, Spec
from pipeline.errors import Undecidable
from pipeline.ledger.repository import Ledger
from pipeline.run.manual import list_sent
from pipeline.run.plan_sync import sync_plan
from tests.unit.run.campaign import CAMPAIGN, SPEC, Studio, adopt_task, entry, resubmit_item
from tests.unit.run.shop import OFFER, Provider, clip_of
from tests.unit.run.test_selected import Only

pytestmark = pytest.mark.usefixtures("each_dialect")


@pytest.fixture
async def studio(tmp_path: Path) -> Studio:
    """Return a studio where `a` is still at the provider, past its deadline."""
    studio = Studio(tmp_path)
    studio.policy = replace(studio.policy, deadline_s=60.0)
    studio.shop.endings.append("stuck")
    await studio.make("a")
    assert ["overdue"] == studio.states()
    return studio


@pytest.fixture
def doubting(tmp_path: Path) -> Studio:
    """Return a studio whose shop takes what is sent, says nothing, and knows no client ids."""
    studio = Studio(tmp_path, provider=Provider(replace(OFFER, features=frozenset())))
    studio.shop.forgets = True
    studio.shop.script.extend(["drop", "drop"])
    return studio


def _reworded(words: str, spec: Spec = SPEC) -> PricedItem:
    """Return item `a` with another prompt, and so another key."""
    new = entry("a", key=words)
    item = replace(new.item, prompt=(words,), spec=spec)
    body = {"id": "client:id", "prompt": words}
    return replace(new, item=item, request={**new.request, "body": body})


async def test_what_fails_after_its_item_was_reworded_is_not_bought_again(studio: Studio) -> None:
    """The old words are wanted no more, and the new ones are bought once, not under both keys."""
    studio.shop.tasks["t1"].ending = "failed_free"
    assert studio.admit([_reworded("run")]).ok

    await studio.run()

    assert ["a", "run"] == [task.body["prompt"] for task in studio.shop.tasks.values()]
    assert ["done"] == studio.states()


async def test_what_fails_after_its_item_left_the_plan_is_not_bought_again(studio: Studio) -> None:
    """Nobody asks for it any more: a free failure of it costs nothing more."""
    studio.shop.tasks["t1"].ending = "failed_free"
    assert studio.admit([entry("b")]).ok

    await studio.run()

    assert ["a", "b"] == [task.body["prompt"] for task in studio.shop.tasks.values()]


async def test_what_fails_after_its_item_moved_is_not_bought_where_it_was(studio: Studio) -> None:
    """Another provider is to make it by now: its request is none for the one that failed."""
    studio.shop.tasks["t1"].ending = "failed_free"
    elsewhere = entry("a")
    assert studio.admit([replace(elsewhere, item=replace(elsewhere.item, provider="other"))]).ok

    await studio.run()

    assert 1 == studio.shop.submits
    assert ["planned"] == studio.states()


async def test_work_that_two_campaigns_want_is_settled_by_either(doubting: Studio) -> None:
    """A doubt of one is a doubt of the other, and told in both; its money is the first one's."""
    await doubting.make("a")
    with Ledger.open(doubting.root) as ledger:
        assert sync_plan([entry("a")], ledger, campaign="autumn").ok

        (doubt,) = list_sent(ledger, "autumn")
        adopt_task(ledger, "autumn", "spin[a]", task="t1", now=doubting.clock.now())

    assert "client-0" == doubt.client_id
    assert Decimal("0.56") == doubting.records()[0].reserved_usd
    assert ["waiting"] == doubting.states()


async def test_a_clip_is_judged_by_what_was_bought(studio: Studio) -> None:
    """Five seconds were bought and came: that the item is ten seconds long by now is no matter."""
    studio.shop.tasks["t1"].ending = "done"
    assert studio.admit([_reworded("run", replace(SPEC, seconds=10.0))]).ok
    await studio.run()

    await studio.make("a")

    assert ["done"] == studio.states()
    assert clip_of("t1") == studio.clip("a").read_bytes()


async def test_a_doubt_is_told_in_the_words_that_were_sent(doubting: Studio) -> None:
    """Whoever looks for it at the provider must know what it was, not what it became since."""
    await doubting.make("a")
    assert doubting.admit([_reworded("run")]).ok

    with Ledger.open(doubting.root) as ledger:
        (doubt,) = list_sent(ledger, CAMPAIGN)

    assert "turn a" == doubt.prompt


async def test_two_tasks_of_one_address_are_told_apart(doubting: Studio) -> None:
    """Sent, changed and sent again: a word must say which of the two it is about."""
    doubting.confirm_price()
    await doubting.make("a")
    assert doubting.admit([_reworded("run")]).ok
    await doubting.run()
    now = doubting.clock.now()

    with Ledger.open(doubting.root) as ledger:
        old, new = list_sent(ledger, CAMPAIGN)
        assert ("turn a", "run") == (old.prompt, new.prompt)
        for word in (partial(adopt_task, task="t1"), resubmit_item):
            complaint = "spin[a] was sent 2 times: say which, as one of client-0, client-1"
            with pytest.raises(Undecidable, match=re.escape(complaint)):
                word(ledger, CAMPAIGN, "spin[a]", now=now)
        adopt_task(ledger, CAMPAIGN, "client-1", task="t2", now=now)
        adopt_task(ledger, CAMPAIGN, "client-0", task="t1", now=now)
    await doubting.run()

    assert clip_of("t2") == doubting.clip("a").read_bytes()
    await doubting.make("a")
    assert clip_of("t1") == doubting.clip("a").read_bytes()
    assert 2 == doubting.shop.submits


@pytest.mark.parametrize("output", ["spin/a.{ext}", "spin/elsewhere.{ext}"])
async def test_a_path_that_another_item_had_meanwhile_shows_the_right_clip_again(
    tmp_path: Path, output: str
) -> None:
    """`a` gave its path to `b` and takes it back: what stands there is looked at, not remembered.

    Both clips have the same size; `a` had left the plan, or was not selected where it went.
    """
    studio = Studio(tmp_path)
    await studio.make("a")
    taking = [entry("b", output="spin/a.{ext}")]
    others = [entry("a", output=output)] if "elsewhere" in output else []
    assert studio.admit([*taking, *others], choice=Only(("b",))).ok
    await studio.run()
    assert clip_of("t2") == studio.clip("a").read_bytes()

    await studio.make("a")

    assert clip_of("t1") == studio.clip("a").read_bytes()
    assert 2 == studio.shop.submits


async def test_a_doubt_is_decided_by_the_address_its_item_has_now(doubting: Studio) -> None:
    """The row got another key, and its clip is the same: the word may use either address."""
    await doubting.make("a")
    assert doubting.admit([entry("z", key="a")]).ok

    with Ledger.open(doubting.root) as ledger:
        adopt_task(ledger, CAMPAIGN, "spin[z]", task="t1", now=doubting.clock.now())
    await doubting.run()

    assert clip_of("t1") == doubting.clip("z").read_bytes()
    assert 1 == doubting.shop.submits
