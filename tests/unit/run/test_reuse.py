"""What an item takes from the ledger instead of buying it, where its own key is not there."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain import Alternative, PricedItem
from pipeline.ledger.repository import Ledger
from pipeline.run.plan_sync import PlanSummary
from tests.unit.run.campaign import CAMPAIGN, Studio, entry

pytestmark = pytest.mark.usefixtures("each_dialect")

TALL = 9 / 16
"""The ratio of every clip of the shop."""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio where nothing was bought yet."""
    return Studio(tmp_path)


def digest(name: str) -> str:
    """Return the key that a text stands for."""
    return hashlib.sha256(name.encode()).hexdigest()


def wanting(name: str, *others: Alternative, key: str = "") -> PricedItem:
    """Return an item under a new key, for which other keys will do."""
    made = entry(name, key=key or f"new {name}")
    item = replace(made.item, key=replace(made.item.key, alternatives=others))
    return replace(made, item=item)


def earlier(name: str, *, exclusive: bool = False) -> Alternative:
    """Return the key that an earlier rule gave to an item."""
    return Alternative(digest=digest(name), earlier_rule=True, exclusive=exclusive)


def statuses(admission: PlanSummary) -> Mapping[str, int]:
    """Return how many items have each status."""
    found: Counter[str] = Counter()
    for line in admission.lines:
        found[line.status] += line.items
    return found


@pytest.mark.parametrize("ending", ["done", "stuck", "failed", "refused"])
async def test_what_was_bought_under_an_earlier_rule_is_bought_no_more(
    studio: Studio, ending: str
) -> None:
    """Done, at the provider or failed: it stands where it stood, and nothing is sent again."""
    studio.policy = replace(studio.policy, deadline_s=60.0)
    studio.shop.endings.append(ending)
    await studio.make("a")
    before = studio.states()

    admission = studio.admit([wanting("a", earlier("a"))])
    await studio.run()

    assert 0 == admission.to_make.items
    assert before == studio.states()
    assert 1 == studio.shop.submits
    assert {ending == "done"} == {line.earlier_rule for line in admission.lines}


async def test_a_task_that_an_earlier_rule_sent_is_collected(studio: Studio) -> None:
    """It lands under the key it was bought under, and its money counts there."""
    studio.policy = replace(studio.policy, deadline_s=60.0)
    studio.shop.endings.append("stuck")
    await studio.make("a")
    studio.shop.tasks["t1"].ending = "done"
    assert studio.admit([wanting("a", earlier("a"))]).ok

    await studio.run()

    (record,) = studio.records()
    assert ("done", digest("a"), 1) == (record.state, record.key, record.tries)
    assert record.charged_usd == studio.shop.billed


async def test_tries_under_an_earlier_rule_count(studio: Studio) -> None:
    """A key that failed for free twice is not bought a third time because its rule changed."""
    studio.shop.endings.extend(["failed_free"] * 2)
    await studio.make("a")

    admission = studio.admit([wanting("a", earlier("a"))])
    await studio.run()

    assert {"failed": 1} == statuses(admission)
    assert 2 == studio.shop.submits


async def test_what_was_never_bought_takes_the_new_rule(studio: Studio) -> None:
    """A plan that was only written leaves nothing to be kept, and its item is as new as before."""
    assert studio.admit([entry("a")]).ok

    admission = studio.admit([wanting("a", earlier("a"))])
    await studio.run()

    assert {"new": 1} == statuses(admission)
    assert [digest("new a")] == [record.key for record in studio.records()]


async def test_a_written_ratio_is_found_by_the_clip_that_has_it(studio: Studio) -> None:
    """Within 2 %, and only once it is finished; of another ratio it is other work."""
    await studio.make("a")

    found = []
    for ratio in (TALL, TALL * 1.015, 1.0, 16 / 9):
        other = Alternative(digest=digest("a"), ratio=ratio)
        found.append(statuses(studio.admit([wanting("a", other, key=f"in {ratio}")])))

    assert [{"reused": 1}, {"reused": 1}, {"changed": 1}, {"changed": 1}] == found


async def test_a_ratio_is_not_known_before_the_clip(studio: Studio) -> None:
    """What is still at the provider may come out in any shape."""
    studio.policy = replace(studio.policy, deadline_s=60.0)
    studio.shop.endings.append("stuck")
    await studio.make("a")

    admission = studio.admit([wanting("a", Alternative(digest=digest("a"), ratio=TALL))])

    assert 1 == admission.to_make.items


async def test_one_clip_satisfies_no_second_work(studio: Studio) -> None:
    """Two items that differ by a written ratio alone are two clips, in whichever order they are."""
    await studio.make("a")
    other = Alternative(digest=digest("a"), ratio=TALL)

    for plan in (
        [entry("a"), wanting("tall", other)],
        [wanting("tall", other), entry("a")],
        [wanting("tall", other), wanting("high", other)],
    ):
        admission = studio.admit(plan)
        assert {"reused": 1, "new": 1} == statuses(admission)


async def test_one_work_at_two_places_takes_one_clip(studio: Studio) -> None:
    """Items of one key share what satisfies it, as they would share a purchase."""
    await studio.make("a")
    other = Alternative(digest=digest("a"), ratio=TALL)

    admission = studio.admit([wanting(name, other, key="same") for name in ("x", "y")])

    assert {"reused": 1, "shared": 1} == statuses(admission)
    assert 0 == admission.to_make.items


async def test_what_was_one_work_by_an_earlier_rule_stays_one(studio: Studio) -> None:
    """Two items that shared a clip under one key share it under two: nothing is bought for it."""
    shared = [entry(name, key="same") for name in ("a", "b")]
    assert studio.admit(shared).ok
    await studio.run()

    admission = studio.admit([wanting(name, earlier("same")) for name in ("a", "b")])
    renamed = studio.admit([wanting(name, earlier("same")) for name in ("x", "y")])

    assert {"reused": 1, "shared": 1} == statuses(admission) == statuses(renamed)


async def test_what_an_item_took_stays_with_it(studio: Studio) -> None:
    """Also where nothing leads to the older key any more: the item is asked for as before."""
    await studio.make("a")
    assert studio.admit([wanting("a", earlier("a"))]).ok

    again = studio.admit([wanting("a", earlier("unknown"))])
    reworded = studio.admit([wanting("a", key="other words")])

    assert {"reused": 1} == statuses(again)
    assert {True} == {line.earlier_rule for line in again.lines}
    assert {"changed": 1} == statuses(reworded)


async def test_its_own_key_comes_first(studio: Studio) -> None:
    """Where something was bought under both, what stands under its own key is meant."""
    await studio.make("a", "b")

    admission = studio.admit([wanting("x", earlier("a"), key="b")])

    assert [digest("b")] == [record.key for record in studio.records()]
    assert {False} == {line.earlier_rule for line in admission.lines}


async def test_a_limit_per_item_counts_what_an_earlier_rule_bought(studio: Studio) -> None:
    """The scope of a budget goes by the key that money was spent under."""
    price = entry("a").price
    assert price is not None
    studio.budget = replace(studio.budget, per_item_usd=price.high_usd)
    studio.shop.endings.append("failed")
    await studio.make("a")
    assert studio.admit([wanting("a", earlier("a"))]).ok

    outcome = await studio.run(retry=("provider",))

    assert ["held"] == studio.states()
    assert 11 == outcome.exit_code
    assert 1 == studio.shop.submits


async def test_a_free_failure_stands_alike_in_plans_and_lists(studio: Studio) -> None:
    """Bought as often as is allowed, it has failed: no list says that it is bought again."""
    studio.shop.endings.append("failed_free")
    studio.policy = replace(studio.policy, purchases=1)
    plan = [entry("a")]
    assert studio.admit(plan).ok
    await studio.run()

    found = []
    for purchases in (1, 2):
        studio.policy = replace(studio.policy, purchases=purchases)
        told = statuses(studio.admit(plan))
        with Ledger.open(studio.root) as ledger:
            listed = [record.status for record in ledger.records(CAMPAIGN)]
        found.append((told, listed))

    assert [({"failed": 1}, ["failed"]), ({"again": 1}, ["again"])] == found
