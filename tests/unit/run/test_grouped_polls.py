"""One question for many tasks: what is read of each, and what is asked for alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.net.client import Lane, Transport
from pipeline.providers import PROVIDERS
from pipeline.providers.base import Absent, Fault, Pending, Response, TaskRef, TaskState
from pipeline.run.grouped_polls import GroupedPolls, next_tick
from pipeline.run.provider_client import ProviderClient
from tests.unit.run.rawserver import Exchange, http, raw_server

RUNWARE: Any = PROVIDERS["runware"]
TASKS = [TaskRef(task=f"task-{number}") for number in range(7)]
Answer = Callable[[Sequence[str]], tuple[int, Any]]


def _going(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"taskUUID": name, "status": "processing", "progress": 40} for name in names]


@asynccontextmanager
async def _polls(answers: Answer) -> AsyncIterator[tuple[GroupedPolls, list[list[str]]]]:
    """Give polls to a server that answers questions so, and the tasks of each question."""
    asked: list[list[str]] = []

    async def behave(exchange: Exchange) -> None:
        asked.append([task["taskUUID"] for task in json.loads(await exchange.read_all())])
        status, body = answers(asked[-1])
        await exchange.reply(http(status, json.dumps(body).encode(), "Connection: close"))

    async with raw_server(behave) as server, Transport(proxies={}) as transport:
        lane = Lane(provider="runware", key="key-of-the-polls", hosts={"api": server.url})
        yield GroupedPolls(ProviderClient(RUNWARE, lane, transport)), asked


async def _ask(polls: GroupedPolls) -> list[TaskState]:
    return list(await asyncio.gather(*map(polls.status, TASKS)))


async def test_those_of_one_moment_are_one_question() -> None:
    """Tasks that are asked for in the same moment are asked for at once, each told its own."""
    async with _polls(lambda names: (200, {"data": _going(names)})) as (polls, asked):
        states = await _ask(polls)

    assert ([Pending(progress=0.4)] * len(TASKS), 1) == (states, len(asked))


@pytest.mark.parametrize(
    "refusal",
    [
        (400, {"errors": [{"code": "maxTasks"}]}),
        (200, {"data": [], "errors": [{"code": "maxTasks"}]}),
        (200, {"data": [{"taskUUID": "another", "status": "error"}]}),
        (200, []),
    ],
)
async def test_a_group_that_is_not_taken_is_asked_for_one_by_one(refusal: tuple[int, Any]) -> None:
    """What cannot be told of each is no task's answer, and no group is asked for again."""

    def answer(names: Sequence[str]) -> tuple[int, Any]:
        return refusal if len(names) > 1 else (200, {"data": _going(names)})

    async with _polls(answer) as (polls, asked):
        first, second = await _ask(polls), await _ask(polls)

    assert [Pending(progress=0.4)] * 2 * len(TASKS) == first + second
    assert [1] * 2 * len(TASKS) == [len(names) for names in asked[1:]]


async def test_what_concerns_the_asking_is_told_to_each_at_once() -> None:
    """A lane that is throttled is not asked once more for each task."""
    async with _polls(lambda _: (429, {"errors": [{"code": "rateLimit"}]})) as (polls, asked):
        states = await _ask(polls)

    assert (True, 1) == (all(isinstance(state, Fault) for state in states), len(asked))


async def test_a_task_that_a_reply_lacks_is_asked_for_alone() -> None:
    """A reply that is cut to its first tasks hides no clip that was paid for."""
    async with _polls(lambda names: (200, {"data": _going(names[:3])})) as (polls, _):
        first, second = await _ask(polls), await _ask(polls)

    assert [Pending(progress=0.4)] * 3 + [Absent()] * 4 == first
    assert [Pending(progress=0.4)] * len(TASKS) == second


async def test_who_leads_may_be_cancelled() -> None:
    """The others of its question get their answers all the same."""
    async with _polls(lambda names: (200, {"data": _going(names)})) as (polls, _):
        leads, *others = [asyncio.create_task(polls.status(task)) for task in TASKS]
        await asyncio.sleep(0)
        leads.cancel()

        assert [Pending(progress=0.4)] * len(others) == await asyncio.gather(*others)


NAMES = [task.task for task in TASKS]
PART = st.fixed_dictionaries(
    {"taskUUID": st.sampled_from(NAMES)},
    optional={
        "status": st.sampled_from(["processing", "success", "error", "dreaming"]),
        "code": st.sampled_from(["timeoutProvider", "taskNotFound", "contentPolicyViolation"]),
        "taskType": st.sampled_from(["getResponse", "videoInference"]),
        "videoURL": st.just("https://example.com/a.mp4"),
        "cost": st.just(0.56),
    },
)


@given(data=st.lists(PART, max_size=9), errors=st.lists(PART, max_size=9))
def test_a_part_reads_as_an_answer_of_its_own(
    data: list[dict[str, Any]], errors: list[dict[str, Any]]
) -> None:
    """Each task stands as it would if it had been asked for alone."""
    whole = Response(status=200, headers={}, body=orjson.dumps({"data": data, "errors": errors}))

    parts = RUNWARE.split_status(TASKS, whole)

    for task in TASKS:
        own = {
            name: [part for part in found if part["taskUUID"] == task.task]
            for name, found in (("data", data), ("errors", errors))
        }
        alone = Response(status=200, headers={}, body=orjson.dumps(own))
        assert RUNWARE.read_status(task, alone) == RUNWARE.read_status(task, parts[task.task])


@given(at_s=st.integers(0, 10**10).map(lambda ms: ms / 1000), gap_s=st.floats(0.1, 100))
def test_a_tick_is_never_early(at_s: float, gap_s: float) -> None:
    """A question is sent when it is due or up to a sixteenth of its gap later."""
    due_s = next_tick(at_s, gap_s)

    assert at_s <= due_s <= at_s + gap_s / 16 + 1e-6
