"""A person's word on what no machine can find out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from pipeline.domain.states import State
from pipeline.errors import Undecidable
from pipeline.ledger.repository import Ledger
from pipeline.run.manual import list_sent
from tests.unit.run.campaign import CAMPAIGN, Studio, abandon_item, adopt_task, entry, resubmit_item
from tests.unit.run.shop import OFFER, Provider

PRICE = Decimal("0.56")


@pytest.fixture
async def doubting(tmp_path: Path) -> Studio:
    """Return a studio where `a` was taken and `b` never arrived, and nobody can tell; `c` is done.

    Its shop knows no client ids, so that nothing may be sent again.
    """
    studio = Studio(tmp_path, provider=Provider(replace(OFFER, features=frozenset())))
    studio.confirm_price()
    studio.concurrency = 1
    studio.shop.forgets = True
    studio.shop.script.extend(["drop", "lost"])
    await studio.make("a", "b", "c")
    assert ["in_doubt", "in_doubt", "done"] == studio.states()
    return studio


def _decide(studio: Studio, word: Callable[[Ledger], None]) -> None:
    with Ledger.open(studio.root, clock=studio.clock) as ledger:
        word(ledger)


async def test_what_is_known_of_a_doubt_is_told(doubting: Studio) -> None:
    """Address, provider, prompt, money, the id it was sent under and when; what is done is not."""
    with Ledger.open(doubting.root) as ledger:
        first, second = list_sent(ledger, CAMPAIGN)

    assert ("spin[a]", "spin[b]") == (first.address, second.address)
    assert (State.IN_DOUBT, "shop", "turn a") == (first.state, first.provider, first.prompt)
    assert (PRICE, "client-0") == (first.reserved_usd, first.client_id)
    assert first.sent_at <= second.sent_at <= doubting.clock.now()


async def test_a_task_that_a_person_found_is_collected_and_not_bought(doubting: Studio) -> None:
    """Given the task's id the clip is fetched; the charge takes the place of the reservation."""
    (found,) = (task.id for task in doubting.shop.tasks.values() if task.client_id == "client-0")
    now = doubting.clock.now()
    _decide(doubting, lambda ledger: adopt_task(ledger, CAMPAIGN, "spin[a]", task=found, now=now))

    outcome = await doubting.run(settle_only=True)

    assert ["done", "in_doubt", "done"] == doubting.states()
    assert (3, 13) == (doubting.shop.submits, outcome.exit_code)
    (record, *_) = doubting.records()
    assert (PRICE, Decimal(0)) == (record.charged_usd, record.reserved_usd)


async def test_what_a_person_has_bought_again_is_made_by_the_next_run(doubting: Studio) -> None:
    """Settling buys nothing; the next run does, and the first try stays counted as possible."""
    now = doubting.clock.now()
    _decide(doubting, lambda ledger: resubmit_item(ledger, CAMPAIGN, "spin[b]", now=now))
    await doubting.run(settle_only=True)
    assert (3, "planned") == (doubting.shop.submits, doubting.states()[1])

    await doubting.run()

    record = doubting.records()[1]
    assert (4, "done") == (doubting.shop.submits, record.state)
    assert (PRICE, PRICE, Decimal(0)) == (
        record.charged_usd,
        record.possible_usd,
        record.reserved_usd,
    )


async def test_what_is_given_up_is_left_alone_and_its_money_stays_counted(doubting: Studio) -> None:
    """An abandoned item is neither asked for nor bought; it may have cost its reservation."""
    now = doubting.clock.now()
    with Ledger.open(doubting.root) as ledger:
        for address in ("spin[a]", "spin[b]"):
            abandon_item(ledger, CAMPAIGN, address, now=now)

    outcome = await doubting.run()

    assert ["abandoned", "abandoned", "done"] == doubting.states()
    assert (3, 10) == (doubting.shop.submits, outcome.exit_code)
    assert 3 * PRICE == outcome.committed_usd


async def test_a_word_that_does_not_fit_changes_nothing(doubting: Studio) -> None:
    """What is done, unknown, or another item's task cannot be decided; all stays as it was."""
    now = doubting.clock.now()
    (taken,) = (record.task for record in doubting.records() if record.state == "done")
    words = {
        "2 items are in doubt: say which one": partial(adopt_task, address="", task="x"),
        "spin[c] is not in doubt": partial(resubmit_item, address="spin[c]"),
        "no task is named": partial(adopt_task, address="spin[a]", task=" "),
        "spin[nobody] is not in doubt": partial(abandon_item, address="spin[nobody]"),
        f"task {taken} belongs to another item": partial(adopt_task, address="spin[b]", task=taken),
    }

    for complaint, word in words.items():
        with (
            Ledger.open(doubting.root) as ledger,
            pytest.raises(Undecidable, match=re.escape(complaint)),
        ):
            word(ledger, CAMPAIGN, now=now)

    assert ["in_doubt", "in_doubt", "done"] == doubting.states()


async def test_a_doubt_of_an_earlier_plan_is_still_there_to_decide(doubting: Studio) -> None:
    """What left the plan was sent all the same: it is listed, and can be given up."""
    assert doubting.admit([entry("c")]).ok

    with Ledger.open(doubting.root) as ledger:
        assert ["spin[a]", "spin[b]"] == [task.address for task in list_sent(ledger, CAMPAIGN)]
        abandon_item(ledger, CAMPAIGN, "spin[a]", now=doubting.clock.now())
        assert ["spin[b]"] == [task.address for task in list_sent(ledger, CAMPAIGN)]
