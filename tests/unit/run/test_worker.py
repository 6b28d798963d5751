"""The life of a job, whatever the provider does."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Feature, Media, Policy
from pipeline.domain.states import Status
from pipeline.run.outcome import Outcome
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import OFFER, Provider, clip_of


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root, a shop and a clock."""
    return Studio(tmp_path)


async def test_an_item_becomes_a_clip_at_its_output_path(studio: Studio) -> None:
    """A planned item is bought once, polled, fetched, and shown; the ledger has its charge."""
    outcome = await studio.make("a", "b", "c")

    assert 0 == outcome.exit_code
    assert ["done", "done", "done"] == studio.states()
    assert 3 == len(studio.shop.tasks)
    assert {clip_of(task) for task in studio.shop.tasks} == {
        studio.clip(name).read_bytes() for name in "abc"
    }
    assert Decimal("1.68") == outcome.spent_usd == outcome.committed_usd == studio.shop.billed


async def test_the_intent_is_durable_before_the_request_leaves(studio: Studio) -> None:
    """The points of a life come in this order: written down first, then done."""
    await studio.make("a")

    assert [
        "intent",
        "intended",
        "sent",
        "accepted",
        "polled",
        "downloading",
        "downloaded",
        "renaming",
        "renamed",
        "committed",
        "linked",
    ] == list(dict.fromkeys(studio.checkpoints))


async def test_running_again_sends_nothing(studio: Studio) -> None:
    """What is done stays done: no submit, no poll, no download, nothing spent."""
    await studio.make("a", "b")
    before = (studio.shop.submits, studio.shop.polls, studio.shop.downloads)

    outcome = await studio.make("a", "b")

    assert 0 == outcome.exit_code
    assert before == (studio.shop.submits, studio.shop.polls, studio.shop.downloads)
    assert Decimal(0) == outcome.spent_usd


async def test_a_deleted_clip_is_put_back_without_a_request(studio: Studio) -> None:
    """The store has the clip: it is linked again."""
    await studio.make("a", "b")
    studio.clip("a").unlink()

    outcome = await studio.make("a", "b")

    assert 1 == outcome.restored
    assert clip_of("t1") == studio.clip("a").read_bytes()
    assert 2 == studio.shop.downloads


async def test_items_of_one_key_are_bought_once_and_shown_at_each_path(studio: Studio) -> None:
    """The same work is one purchase, linked to all its paths; its money is counted once."""
    plan = [entry("a", key="same"), entry("b", key="same")]
    assert studio.admit(plan).ok

    await studio.run()

    first, second = studio.records()
    assert 1 == len(studio.shop.tasks)
    assert studio.clip("a").read_bytes() == studio.clip("b").read_bytes()
    assert (Decimal("0.56"), Decimal(0)) == (first.charged_usd, second.charged_usd)
    assert "spin[a]" == second.shared_with


async def test_a_dropped_reply_is_settled_with_the_same_client_id(studio: Studio) -> None:
    """When the reply is lost after acceptance, sending again finds the task instead of buying."""
    studio.shop.script.append("drop")

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 2 == studio.shop.submits
    assert 1 == len(studio.shop.tasks)


async def test_a_lost_request_is_bought_once_by_sending_it_again(studio: Studio) -> None:
    """When the request never arrived, the same request under the same id buys it once."""
    studio.shop.script.append("lost")

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert Decimal("0.56") == studio.shop.billed == outcome.committed_usd


async def test_without_a_way_to_settle_a_doubt_waits_for_a_person(tmp_path: Path) -> None:
    """A provider that would bill twice is not asked twice: in doubt, exit 13, money reserved."""
    studio = Studio(tmp_path, provider=Provider(replace(OFFER, features=frozenset())))
    studio.confirm_price()
    studio.shop.forgets = True
    studio.shop.script.append("drop")

    outcome = await studio.make("a", "b")
    again = await studio.run()

    assert 13 == outcome.exit_code == again.exit_code
    assert ["in_doubt", "done"] == studio.states()
    assert 2 == studio.shop.submits
    assert Decimal("0.56") == studio.records()[0].reserved_usd


async def test_an_old_doubt_is_looked_up_and_never_sent_again(studio: Studio) -> None:
    """Later than the offer's window only a look-up is tried; found is accepted."""
    studio.shop.script.extend(["drop", "lost"])
    studio.provider = Provider(replace(OFFER, features=frozenset({Feature.IDEMPOTENT})))
    submits = await studio.leave_in_doubt("a")
    studio.clock.advance(3600.0)
    studio.provider = Provider()

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert submits == studio.shop.submits


async def test_a_doubt_is_not_sent_again_with_another_key(studio: Studio) -> None:
    """Another account does not know the client id and would make a second task: a person decides.

    With the first key again it is settled.
    """
    studio.shop.script.extend(["drop", "lost"])
    studio.provider = Provider(replace(OFFER, features=frozenset({Feature.IDEMPOTENT})))
    submits = await studio.leave_in_doubt("a")

    studio.key = "key-2"
    elsewhere = await studio.run()
    assert (13, submits) == (elsewhere.exit_code, studio.shop.submits)

    studio.key = "key-1"
    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 1 == len(studio.shop.tasks)


async def test_a_clock_that_was_turned_back_does_not_make_a_doubt_young(studio: Studio) -> None:
    """An intent from the future is not sent again: nobody knows how old it really is."""
    studio.provider = Provider(replace(OFFER, features=frozenset({Feature.IDEMPOTENT})))
    studio.shop.script.extend(["lost"] * 2)
    submits = await studio.leave_in_doubt("a")
    studio.clock.set_wall(datetime(2020, 1, 1, tzinfo=UTC))

    outcome = await studio.run()

    assert 13 == outcome.exit_code
    assert submits == studio.shop.submits


async def test_what_was_never_sent_is_sent_later(studio: Studio) -> None:
    """A refused connection proves that nothing left: no doubt, and nothing stays reserved."""
    studio.shop.script.extend(["not_sent", "not_sent"])

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert Decimal("0.56") == outcome.committed_usd


async def test_an_unreachable_provider_holds_its_items(studio: Studio) -> None:
    """When it cannot be connected to again and again the item is held, and free."""
    studio.shop.script.extend(["not_sent"] * 5)

    outcome = await studio.make("a")

    assert 12 == outcome.exit_code
    assert ["held"] == studio.states()
    assert Decimal(0) == outcome.committed_usd


async def test_a_busy_provider_is_waited_for(studio: Studio) -> None:
    """Throttled is not accepted: it is sent again after a while, and is bought once."""
    studio.shop.script.extend(["throttled", "capacity"])

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 3 == studio.shop.submits
    assert Decimal("0.56") == outcome.committed_usd


@pytest.mark.parametrize("kind", ["rejected", "refused"])
async def test_a_refusal_is_final_and_free(studio: Studio, kind: str) -> None:
    """What is refused is not tried again, in this run or the next, unless it is asked for."""
    studio.shop.script.append(kind)

    first = await studio.make("a")
    second = await studio.run()
    third = await studio.run(retry=(kind,))

    assert (10, 10, 0) == (first.exit_code, second.exit_code, third.exit_code)
    assert 2 == studio.shop.submits


@pytest.mark.parametrize("kind", ["unauthorised", "unpaid"])
async def test_a_bad_key_or_no_credit_stops_the_lane_once(studio: Studio, kind: str) -> None:
    """Nothing more is submitted, everything left is held with the reason, and it is said once."""
    studio.concurrency = 1
    studio.shop.script.extend([kind] * 10)

    outcome = await studio.make("a", "b", "c")

    assert 12 == outcome.exit_code
    assert ["held"] * 3 == studio.states()
    assert 1 == studio.shop.submits
    assert 1 == [event.name for event in studio.events].count("lane_stopped")


async def test_a_free_failure_is_bought_again_within_its_purchases(studio: Studio) -> None:
    """A failure known to be free and transient is tried again; two tries are all there are."""
    studio.shop.endings.extend(["failed_free", "failed_free", "done"])

    outcome = await studio.make("a")

    assert 10 == outcome.exit_code
    assert 2 == studio.shop.submits
    assert Decimal(0) == outcome.committed_usd


async def test_what_failed_as_often_as_is_allowed_is_not_promised_again(studio: Studio) -> None:
    """The plan neither prices it nor counts it among what is to be made, until more is allowed."""
    studio.shop.endings.extend(["failed_free"] * studio.policy.purchases)
    await studio.make("a")

    used_up = studio.admit([entry("a")])
    studio.policy = replace(studio.policy, purchases=studio.policy.purchases + 1)
    allowed = studio.admit([entry("a")])

    assert (0, 1) == (used_up.to_make.items, used_up.count(Status.FAILED))
    assert 1 == allowed.to_make.items
    assert 0 == (await studio.run()).exit_code


async def test_a_failure_of_unknown_cost_may_have_cost_all(studio: Studio) -> None:
    """Without a figure the reservation becomes possible, and nothing is bought again."""
    studio.shop.endings.append("failed")

    outcome = await studio.make("a")

    assert 10 == outcome.exit_code
    assert Decimal("0.56") == studio.records()[0].possible_usd == outcome.committed_usd


async def test_an_unknown_charge_is_not_told_as_nought(studio: Studio) -> None:
    """Whoever reads along sees what a failure may have cost, and a 0 only where it was free."""
    studio.shop.endings.extend(["failed", "failed_free", "failed_free"])

    await studio.make("a", "b")

    told = [event.detail for event in studio.events if event.name in {"failed", "planned"}]
    sums = {name: detail[name] for detail in told for name in detail if name.endswith("_usd")}
    assert {"possible_usd": Decimal("0.56"), "charged_usd": Decimal(0)} == sums


async def test_an_unknown_word_keeps_polling_until_the_deadline(studio: Studio) -> None:
    """A status nobody documented is no success and no failure: overdue, said once."""
    studio.shop.endings.append("baking")

    outcome = await studio.make("a")

    assert 13 == outcome.exit_code
    assert ["overdue"] == studio.states()
    assert 1 == [event.name for event in studio.events].count("unknown_word")


async def test_an_overdue_task_is_asked_for_and_never_bought_again(studio: Studio) -> None:
    """The next run asks once; what has finished meanwhile is fetched."""
    studio.shop.takes_s = 4000.0
    await studio.make("a")
    studio.clock.advance(4000.0)

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 1 == studio.shop.submits


async def test_a_dead_link_is_asked_for_again(studio: Studio) -> None:
    """An expired link brings another status request, never another purchase."""
    studio.shop.links.extend([403, 404])

    outcome = await studio.make("a")

    assert 0 == outcome.exit_code
    assert 1 == studio.shop.submits
    assert Decimal("0.56") == outcome.committed_usd


async def test_a_link_that_stays_dead_is_left_for_the_next_run(studio: Studio) -> None:
    """A paid clip that cannot be fetched is overdue, not failed: the next run fetches it."""
    studio.shop.links.extend([404] * 4)

    outcome = await studio.make("a")
    again = await studio.run()

    assert (13, 0) == (outcome.exit_code, again.exit_code)
    assert 1 == studio.shop.submits


async def test_an_intent_that_slept_is_not_sent(studio: Studio) -> None:
    """When the machine slept between the intent and sending, the first POST never leaves."""
    studio.provider = Provider(replace(OFFER, features=frozenset()))

    def sleep(name: str) -> None:
        if name == "intended":
            studio.clock.advance(31.0)

    assert studio.admit([entry("a")]).ok
    outcome = await studio.run(checkpoint=sleep)

    assert 13 == outcome.exit_code
    assert 0 == studio.shop.submits


async def test_a_reference_is_uploaded_once_for_all_items(studio: Studio) -> None:
    """Two items with one picture share one upload, and their requests name it."""
    picture = studio.root / "front.png"
    picture.write_bytes(b"a picture")
    media = Media(
        media_type="image",
        source=str(picture),
        local=True,
        digest=hashlib.sha256(b"a picture").hexdigest(),
        format="png",
    )
    assert studio.admit([entry("a", images=[media]), entry("b", images=[media])]).ok

    await studio.run()

    assert 1 == studio.shop.uploads
    assert [[f"shop://{media.digest}"]] * 2 == [
        task.body["images"] for task in studio.shop.tasks.values()
    ]


async def test_the_slots_of_a_lane_are_never_exceeded(studio: Studio) -> None:
    """No more tasks run at the provider than the lane allows."""
    studio.concurrency = 3

    await studio.make(*(f"i{n}" for n in range(20)))

    assert 3 == studio.shop.most_at_once


async def test_the_brake_stops_a_lane_that_fails_alike(studio: Studio) -> None:
    """Five items in a row with one cause stop the lane; the others are held."""
    studio.policy = Policy()
    studio.concurrency = 1
    studio.shop.script.extend(["rejected"] * 20)

    outcome = await studio.make(*(f"i{n}" for n in range(20)))

    assert 12 == outcome.exit_code
    assert 5 == studio.shop.submits
    assert 15 == studio.states().count("held")


async def test_asked_to_stop_it_collects_what_is_in_flight(studio: Studio) -> None:
    """After the first Ctrl-C nothing more is submitted, and what was sent is fetched."""
    stop = asyncio.Event()
    studio.concurrency = 2
    assert studio.admit(entry(f"i{n}") for n in range(10)).ok

    outcome = await studio.run(
        stop=stop, checkpoint=lambda name: stop.set() if name == "accepted" else None
    )

    done = studio.states().count("done")
    assert 130 == outcome.exit_code
    assert done == studio.shop.submits < 10
    assert 10 - done == studio.states().count("planned")


async def test_cancelled_it_loses_nothing(studio: Studio) -> None:
    """The second Ctrl-C leaves at once; the next run finishes with one task per item."""
    assert studio.admit(entry(f"i{n}") for n in range(6)).ok
    running = asyncio.create_task(studio.run(checkpoint=lambda name: _leave(running, name)))
    with pytest.raises(asyncio.CancelledError):
        await running

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 6 == len(studio.shop.tasks)


def _leave(running: asyncio.Task[Outcome], name: str) -> None:
    if name == "polled":
        running.cancel()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "point",
    ["intent", "intended", "sent", "accepted", "polled", "downloading", "downloaded", "renaming"],
)
async def test_killed_at_any_point_each_item_is_bought_once(studio: Studio, point: str) -> None:
    """Whatever the moment, the next run finishes with one task per item and the right clips."""
    assert studio.admit(entry(f"i{n}") for n in range(5)).ok
    left = iter(range(3))

    def kill(name: str) -> None:
        if name == point and next(left, None) is None:
            raise Killed

    with pytest.raises(Killed):
        await studio.run(checkpoint=kill)
    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert 5 == len(studio.shop.tasks)
    assert studio.shop.billed == outcome.committed_usd


async def test_a_clip_in_the_store_is_landed_whatever_the_provider_still_knows(
    studio: Studio,
) -> None:
    """Killed between store and ledger, it is paid for and here: nobody need be asked for it."""
    assert studio.admit([entry("a")]).ok

    def kill(name: str) -> None:
        if name == "renamed":
            raise Killed

    with pytest.raises(Killed):
        await studio.run(checkpoint=kill)
    studio.shop.tasks.clear()
    polls = studio.shop.polls
    outcome = await studio.run()

    assert (0, ["done"]) == (outcome.exit_code, studio.states())
    assert polls == studio.shop.polls
    assert clip_of("t1") == studio.clip("a").read_bytes()
