"""What every provider must survive, each a function that plays it and says what must hold after.

What must hold ends on disk, in the ledger and in the sandbox's own books. The same functions are
held against adapters that are wrong on purpose, and must fail there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from pipeline.domain import Feature, Kind, Policy
from tests.conformance.stage import (
    Colour,
    Played,
    Stage,
    colour,
    ends,
    plays,
    task_ids,
    task_of,
)

Scenario = Callable[[Stage], Awaitable[None]]
# Time is hurried: half a day leaves a slow machine minutes to render, five minutes are two seconds.
_ONCE_MORE = Policy(purchases=1, stop=False, deadline_s=43_200)
_SOON_S = 300
_TOLERANCE = 16
"""How far the colours of an encoded picture may be from its original's."""
_LOOK_UPS = frozenset({Feature.FIND, Feature.LISTING})


def _all_right(played: Played, *, count: int) -> None:
    """Every item is done, every clip is the right one, money and tasks agree, no key leaked."""
    assert ["done"] == played.states, [(r.state, r.cause, r.message) for r in played.records]
    assert 0 == played.outcome.exit_code
    assert count == len(played.tasks)
    assert task_ids(played.tasks) == {record.task for record in played.records}
    assert [] == list(played.leaks)
    for record in played.records:
        clip = played.clip(record)
        assert plays(clip)
        assert record.task == task_of(clip)


def _settled(stage: Stage, played: Played, *, accepted: bool) -> None:
    """A lost outcome is settled by the same id, or found; where neither can be, it is in doubt."""
    features = stage.provider.offer.features
    if Feature.IDEMPOTENT in features or (accepted and features & _LOOK_UPS):
        _all_right(played, count=len(played.records))
        return
    in_doubt = [record for record in played.records if record.state == "in_doubt"]
    assert 1 == len(in_doubt)
    assert 13 == played.outcome.exit_code
    # Nothing was sent again by itself: the sandbox has no more tasks than items.
    assert len(played.records) - (not accepted) == len(played.tasks)
    assert in_doubt[0].reserved_usd > 0


async def happy(stage: Stage) -> None:
    """All goes well: clips on disk, ids and charges in the ledger as the sandbox has them."""
    played = await stage.play(*stage.items(3))

    _all_right(played, count=3)
    by_task = {task["task"]: task for task in played.tasks}
    for record in played.records:
        task = by_task[record.task]
        if Feature.COST in stage.provider.offer.features:
            assert "reported" == record.charge_source
        if task.get("client_id"):
            assert task["client_id"] == record.client_id
        assert task["address"] == record.address
    if Feature.COST in stage.provider.offer.features:
        assert played.billed_usd == played.charged_usd


async def frames(stage: Stage) -> None:
    """A clip between two frames begins with the first and ends with the last."""
    if Kind.FRAMES not in stage.provider.offer.models["kling-o1"]:
        return
    stage.sandbox.set(render="full")
    item = stage.item(1, Kind.FRAMES)

    played = await stage.play(item)

    _all_right(played, count=1)
    begins, ends_with = ends(played.clip(played.records[0]))
    first, last = (colour(reference.media[0]) for reference in item.references)
    assert _alike(first, begins)
    assert _alike(last, ends_with)


def _alike(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(one, other, strict=True))


async def again(stage: Stage) -> None:
    """A second run of what is finished sends nothing and buys nothing."""
    items = stage.items(2)
    await stage.play(*items)

    played = await stage.play(*items)

    _all_right(played, count=2)
    assert [] == played.named("submitting")


async def slow(stage: Stage) -> None:
    """The first polls tell nothing, or that it runs: the clip is fetched when it is there."""
    stage.sandbox.play("slow", seconds=0.5)
    stage.sandbox.play("empty", times=2)

    played = await stage.play(*stage.items(1))

    _all_right(played, count=1)


async def throttled(stage: Stage) -> None:
    """A 429 is waited out, with and without Retry-After, and costs nothing."""
    stage.sandbox.play({"fault": "throttled", "retry_after": 2}, "throttled")

    played = await stage.play(*stage.items(3))

    _all_right(played, count=3)


async def unavailable_before(stage: Stage) -> None:
    """A 503 to a submit proves nothing: settled by the same id, or in doubt."""
    stage.sandbox.play({"fault": "error", "status": 503})

    played = await stage.play(*stage.items(2))

    _settled(stage, played, accepted=False)


async def error_after(stage: Stage) -> None:
    """A 500 after the task was accepted never buys it a second time."""
    stage.sandbox.play({"fault": "error-after", "status": 500})

    played = await stage.play(*stage.items(2))

    _settled(stage, played, accepted=True)


async def drop_after(stage: Stage) -> None:
    """A reply that is lost after the task was accepted never buys it a second time."""
    stage.sandbox.play("drop-after")

    played = await stage.play(*stage.items(2))

    _settled(stage, played, accepted=True)


async def twins(stage: Stage) -> None:
    """Two takes with one prompt, both replies lost: each task is found by one of them."""
    first, second = stage.items(2)
    stage.sandbox.play("drop-after", times=2)

    played = await stage.play(first, replace(second, prompt=first.prompt))

    if Feature.LISTING in stage.provider.offer.features:
        _all_right(played, count=2)
    assert 2 == len(played.tasks)


async def drop_early(stage: Stage) -> None:
    """A reply that is lost while its request is still in hand never buys it a second time."""
    stage.sandbox.set(timing={"accept_s": 0.3, "run_s": 0})
    stage.sandbox.play("drop-early")
    stage = replace(stage, policy=replace(stage.policy, request_retries=200))

    played = await stage.play(*stage.items(2))

    _settled(stage, played, accepted=True)


async def truncated_reply(stage: Stage) -> None:
    """A reply that ends in the middle is a doubt, not a refusal."""
    stage.sandbox.play("truncated-reply")

    played = await stage.play(*stage.items(2))

    _settled(stage, played, accepted=True)


async def garbage_reply(stage: Stage) -> None:
    """A reply that is no JSON is a doubt, not a refusal."""
    stage.sandbox.play("garbage-reply")

    played = await stage.play(*stage.items(2))

    _settled(stage, played, accepted=True)


async def unknown_status(stage: Stage) -> None:
    """A status word nobody documented is told once, and polling goes on to the clip."""
    stage.sandbox.play("unknown-status", word="percolating", times=3)

    played = await stage.play(*stage.items(1))

    _all_right(played, count=1)
    assert ["percolating"] == [event.detail["word"] for event in played.named("unknown_word")]


async def stuck(stage: Stage) -> None:
    """A task that never ends is overdue at its deadline; it is never bought again."""
    stage.sandbox.play("stuck")
    stage = replace(stage, policy=replace(stage.policy, deadline_s=_SOON_S))

    played = await stage.play(*stage.items(1))

    assert ["overdue"] == played.states
    assert 13 == played.outcome.exit_code
    assert 1 == len(played.tasks)


async def refused(stage: Stage) -> None:
    """What the provider refuses by its policy is failed by that cause and not bought again."""
    stage.sandbox.play("refused")

    played = await stage.play(*stage.items(2))

    assert ["done", "failed"] == played.states
    assert ["refused"] == [r.cause for r in played.records if r.state == "failed"]
    assert 10 == played.outcome.exit_code
    assert 2 == len(played.tasks)


async def poll_faults(stage: Stage) -> None:
    """Polls that are dropped, throttled, refused or garbled are asked again."""
    faults = ("drop", "throttled", "error", "truncated-reply", "garbage-reply")
    stage.sandbox.play(*({"fault": fault, "stage": "status"} for fault in faults))

    played = await stage.play(*stage.items(2))

    _all_right(played, count=2)


async def expired_link(stage: Stage) -> None:
    """A link that has died is asked for again, not bought again."""
    stage.sandbox.play("expired-link")

    played = await stage.play(*stage.items(1))

    _all_right(played, count=1)


async def spoilt_downloads(stage: Stage) -> None:
    """A download that is cut short or has flipped bytes is fetched again until it is right."""
    stage.sandbox.play("truncated-download", "corrupt-download", "wrong-type")

    played = await stage.play(*stage.items(3))

    _all_right(played, count=3)


async def off_spec(stage: Stage) -> None:
    """A clip of the wrong size is kept and shown, is no success, and is not bought again."""
    stage.sandbox.play("wrong-pixels", width=320, height=568)

    played = await stage.play(*stage.items(1))

    assert ["off_spec"] == played.states
    assert 10 == played.outcome.exit_code
    assert 1 == len(played.tasks)
    assert plays(played.clip(played.records[0]))


async def no_credit(stage: Stage) -> None:
    """Without credit the lane stops at once, says so once, and nothing is bought or failed."""
    stage.sandbox.set(accounts={stage.key: {"balance_usd": 0}})

    played = await stage.play(*stage.items(6))

    assert ["held"] == played.states
    assert 12 == played.outcome.exit_code
    assert 0 == len(played.tasks)
    assert 1 == len(played.named("lane_stopped"))


async def bad_key(stage: Stage) -> None:
    """With a key that is not valid the lane stops at once, says so once, and nothing is bought."""
    stage.sandbox.set(accounts={stage.key: "bad"})

    played = await stage.play(*stage.items(6))

    assert ["held"] == played.states
    assert 12 == played.outcome.exit_code
    assert 0 == len(played.tasks)
    assert 1 == len(played.named("lane_stopped"))
    assert all(stage.key not in record.message for record in played.records)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        play.__name__: play
        for play in (
            happy,
            frames,
            again,
            slow,
            throttled,
            unavailable_before,
            error_after,
            drop_after,
            drop_early,
            twins,
            truncated_reply,
            garbage_reply,
            unknown_status,
            stuck,
            refused,
            poll_faults,
            expired_link,
            spoilt_downloads,
            off_spec,
            no_credit,
            bad_key,
        )
    }
)


def patient(stage: Stage) -> Stage:
    """Return the stage with the policy a scenario is played under: no brake, no second purchase."""
    return replace(stage, policy=_ONCE_MORE)
