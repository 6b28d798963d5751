"""A run that is watched and steered while it lasts, by its handle or by another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pipeline.ledger.commands import TOO_LATE, find_answer, send_command
from pipeline.ledger.repository import Ledger
from pipeline.run.runner import DONE, RunHandle
from tests.unit.run.campaign import CAMPAIGN, Studio, entry


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a root in which three items are planned, to be made one at a time."""
    studio = Studio(tmp_path, concurrency=1)
    studio.confirm_price()
    assert studio.admit(entry(name) for name in "abc").ok
    return studio


@asynccontextmanager
async def started(studio: Studio) -> AsyncIterator[RunHandle]:
    """Start a run of what was admitted, and end with it."""
    config, parts = studio.parts()
    with Ledger.open(studio.root) as ledger:
        async with RunHandle(ledger, config, **parts) as handle:
            yield handle


async def test_its_events_come_until_it_ends(studio: Studio) -> None:
    """Whoever listens hears each state of each item, and then the end."""
    async with started(studio) as handle:
        heard = [event.name async for event in handle.iter_events()]
        outcome = await handle.wait()

    assert 0 == outcome.exit_code
    assert [3, 3, 3] == [heard.count(name) for name in ("submitting", "waiting", "done")]
    assert heard == [event.name for event in studio.events]


async def test_a_snapshot_tells_how_its_lanes_stand(studio: Studio) -> None:
    """In the middle of it: what is in flight, how many may be, and what was told so far."""
    async with started(studio) as handle:
        seen = [
            handle.snapshot() async for event in handle.iter_events() if event.name == "waiting"
        ]

    assert [(1, 1, False, "")] * 3 == [
        (lane.in_flight, lane.concurrency, lane.paused, lane.stopped)
        for lane in (snapshot.lanes["shop"] for snapshot in seen)
    ]
    assert [1, 2, 3] == [snapshot.events["waiting"] for snapshot in seen]


async def test_a_paused_lane_collects_and_submits_nothing(studio: Studio) -> None:
    """What is in flight is finished; the rest waits until somebody lets it go on."""
    submits: list[int] = []
    async with started(studio) as handle:
        async for event in handle.iter_events():
            if event.name == "waiting" and not submits:
                handle.pause("shop")
            if event.name == "shown" and not submits:
                submits.append(studio.shop.submits)
                assert handle.snapshot().lanes["shop"].paused
                handle.resume("shop")

    assert [1] == submits
    assert ["done", "done", "done"] == studio.states()


async def test_a_paused_run_can_be_stopped(studio: Studio) -> None:
    """Nobody waits for a pause that is never ended."""
    async with started(studio) as handle:
        handle.pause()
        handle.stop()
        outcome = await handle.wait()

    assert 0 == studio.shop.submits
    assert outcome.interrupted
    assert ["planned", "planned", "planned"] == studio.states()


async def test_the_concurrency_of_a_lane_is_set_while_it_works(studio: Studio) -> None:
    """From one at once to three; less than one is refused, for that is a pause."""
    studio.admit(entry(f"i{n}") for n in range(12))
    studio.shop.takes_s = 1000
    async with started(studio) as handle:
        with pytest.raises(ValueError, match="pause"):
            handle.set_concurrency("shop", 0)
        async for event in handle.iter_events():
            if event.name == "waiting":
                handle.set_concurrency("shop", 3)

    assert 3 == studio.shop.most_at_once
    assert ["done"] * 12 == studio.states()


async def test_what_is_left_out_before_its_submit_is_made_by_the_next_run(studio: Studio) -> None:
    """The run at hand does not make it, and is none the worse for it."""
    told: list[str] = []
    async with started(studio) as handle:
        async for event in handle.iter_events():
            if event.name == "waiting" and not told:
                told.append(await handle.leave_out("spin[c]"))
        outcome = await handle.wait()

    assert ["1 not made in this run"] == told
    assert (0, 1) == (outcome.exit_code, outcome.left_out)
    assert ["done", "done", "planned"] == studio.states()
    assert 0 == (await studio.run()).exit_code
    assert ["done", "done", "done"] == studio.states()


async def test_what_is_left_out_after_its_submit_is_collected_and_marked(studio: Studio) -> None:
    """No provider takes a charge back: it is never cancelled, and its clip is there."""
    told: list[str] = []
    async with started(studio) as handle:
        async for event in handle.iter_events():
            if event.name == "waiting" and not told:
                told.append(await handle.leave_out("spin[a]"))

    assert ["1 submitted before: collected, and marked unwanted"] == told
    assert ["done", "done", "done"] == studio.states()
    assert 3 == len(studio.shop.tasks)
    assert [True, False, False] == [record.unwanted for record in studio.records()]


async def test_what_another_item_wants_is_made_all_the_same(studio: Studio) -> None:
    """Two items of one key are one clip: leaving out one of them leaves it to the other."""
    assert studio.admit([entry("a", key="one"), entry("b", key="one")]).ok
    async with started(studio) as handle:
        told = await handle.leave_out("spin[a]")

    assert "1 made all the same: another item wants its clip" == told
    assert ["done", "done"] == studio.states()


async def test_who_is_not_there_cannot_be_steered(studio: Studio) -> None:
    """An unknown lane or item is a fault of the caller, and the run goes on."""
    async with started(studio) as handle:
        with pytest.raises(ValueError, match="no lane elsewhere in this run: it has shop"):
            handle.pause("elsewhere")
        with pytest.raises(ValueError, match="no item"):
            await handle.leave_out("spin[z]")

    assert ["done", "done", "done"] == studio.states()


async def test_another_process_commands_and_is_answered(studio: Studio) -> None:
    """Through the ledger, beside the run: what it asks is done, or said why not."""
    config, parts = studio.parts(commands_every_s=0.001)
    asked: tuple[tuple[str, dict[str, object]], ...] = (
        ("concurrency", {"lane": "shop", "most": 3}),
        ("pause", {"lane": "elsewhere"}),
        ("leave-out", {"address": "spin[c]"}),
        ("dance", {}),
        ("resume", {}),
    )
    with Ledger.open(studio.root) as ledger:
        async with RunHandle(ledger, config, **parts) as handle:
            async for event in handle.iter_events():
                if event.name == "waiting":
                    break
            handle.pause()
            ids = [
                await asyncio.to_thread(send_command, studio.root, CAMPAIGN, *command, at=1.0)
                for command in asked
            ]
            await handle.wait()
            assert 3 == handle.snapshot().lanes["shop"].concurrency

    assert [
        DONE,
        "not done: there is no lane elsewhere in this run: it has shop",
        "1 not made in this run",
        "this run knows no command dance",
        DONE,
    ] == [find_answer(studio.root, number) for number in ids]
    assert ["done", "done", "planned"] == studio.states()


async def test_a_command_is_not_for_the_next_run(studio: Studio) -> None:
    """What nobody was there to obey is answered as such when a run begins."""
    number = send_command(studio.root, CAMPAIGN, "stop", at=1.0)
    assert find_answer(studio.root, number) is None

    outcome = await studio.run()

    assert not outcome.interrupted
    assert TOO_LATE == find_answer(studio.root, number)


async def test_leaving_the_handle_by_a_fault_ends_the_run(studio: Studio) -> None:
    """What is in flight then is collected by the next run, and nothing is bought twice."""
    with suppress(KeyError):
        async with started(studio) as handle:
            async for event in handle.iter_events():
                if event.name == "waiting":
                    raise KeyError("mine")

    assert ["waiting", "planned", "planned"] == studio.states()
    await studio.run()
    assert 3 == len(studio.shop.tasks)


async def test_resumed_tasks_count_against_the_width(studio: Studio) -> None:
    """With more in flight than the lane is wide, nothing new is submitted until there is room."""
    studio.concurrency = 6
    assert studio.admit(entry(f"i{n}") for n in range(6)).ok

    def kill(name: str) -> None:
        if name == "polled" and len(studio.shop.tasks) == 6:
            raise Killed

    studio.shop.takes_s = 300
    with suppress(Killed):
        await studio.run(checkpoint=kill)
    assert 6 == len(studio.shop.tasks)
    for number, task in enumerate(studio.shop.tasks.values()):
        task.ready_at += 60 * number
    assert studio.admit(entry(f"i{n}") for n in range(10)).ok
    studio.concurrency, studio.shop.most_at_once = 2, 0

    await studio.run()

    assert ["done"] * 10 == studio.states()
    assert 2 == studio.shop.most_at_once
