"""What inference.sh's routes do with tasks once the key is good: run, tell, cancel, stream.

Chosen where no page says it: `wait` and `stream` of a run change nothing, the task is told at once;
to cancel stops nothing upstream, and its money is spent.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pipeline.sandbox.dialects.inference import replies
from pipeline.sandbox.dialects.inference.orders import Wrong, order_of
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import about
from pipeline.sandbox.records import Task
from pipeline.sandbox.visit import Visit, document

_LOOK_S = 0.05
_HEARTBEAT_S = 1.0


async def run(visit: Visit, request: Request, *, older: bool = False) -> Response:
    """Take a run."""
    body = await document(request)
    given = body.get("input") if body else None
    prompt = given.get("prompt") if isinstance(given, dict) else ""

    async def work() -> Reply:
        if body is None:
            return replies.problem("invalid_request", "send a JSON object", older=older)
        try:
            return _taken(visit, body, older=older)
        except Wrong as wrong:
            return replies.problem(wrong.code, str(wrong), older=older)

    return await visit.answer("submit", visit.subject(prompt), work)


def _taken(visit: Visit, body: Mapping[str, Any], *, older: bool) -> Reply:
    order = order_of(visit, body, older=older)
    if not visit.desk.can_pay(visit.provider, visit.key, order.usd):
        # Today such a run is a task, under HTTP 200; the older path knew no such status.
        return visit.costume("no-credit", 402) if older else _turned_away(visit, body)
    task = visit.desk.accept(order)
    assert task is not None  # noqa: S101 - its id is new
    return replies.about(task, replies.brief(visit.desk, task, "received"))


def turned_away(visit: Visit) -> list[dict[str, Any]]:
    """Return the account's tasks that were rejected for want of money."""
    found: list[dict[str, Any]] | None = visit.desk.world.note(_away(visit))
    return found or []


def _turned_away(visit: Visit, body: Mapping[str, Any]) -> Reply:
    told = replies.rejected(uuid.uuid4().hex, body, visit.desk.world.now())
    visit.desk.world.keep_note(_away(visit), [*turned_away(visit), told])
    return replies.wrapped(told)


def _away(visit: Visit) -> str:
    return f"rejected {visit.provider} {visit.key}"


async def get(visit: Visit, request: Request) -> Response:
    """Tell all of a task, also of one that was rejected."""
    lost = [told for told in turned_away(visit) if told["id"] == request.path_params["task"]]
    if lost:
        return replies.wrapped(lost[0]).response()
    return await _polled(visit, request, lambda told: told)


async def get_status(visit: Visit, request: Request) -> Response:
    """Tell a task's status alone."""
    named = ("id", "status", "updated_at")
    return await _polled(visit, request, lambda told: {name: told[name] for name in named})


async def _polled(
    visit: Visit, request: Request, form: Callable[[dict[str, Any]], dict[str, Any]]
) -> Response:
    known = _known(visit, request)

    async def work() -> Reply:
        word = None if known is None else visit.word(known)
        if known is None or word == "":
            return _no_task()
        return replies.about(known, form(replies.full(visit.desk, known, word or "")))

    return await visit.answer("status", about(known) if known else visit.subject(), work)


async def cancel(visit: Visit, request: Request) -> Response:
    """Call a task cancelled."""
    known = _known(visit, request)
    if known is None:
        return _no_task().response()
    if replies.brief(visit.desk, known)["status_text"] in replies.ENDED:
        return replies.problem("invalid_transition", "the task has ended").response()
    visit.desk.world.keep_note(replies.cancelled(known), value=True)
    return replies.about(known, replies.brief(visit.desk, known)).response()


def _known(visit: Visit, request: Request) -> Task | None:
    return visit.known(str(request.path_params["task"]))


def _no_task() -> Reply:
    return replies.problem("not_found", "no such task")


async def stream(visit: Visit, request: Request) -> Response:
    """Tell each change of a task as a line of JSON until it ends, and heartbeats between."""
    known = _known(visit, request)
    if known is None:
        return _no_task().response()
    return StreamingResponse(_lines(visit, known), media_type="application/x-ndjson")


async def _lines(visit: Visit, task: Task) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    last, spoke_at = "", loop.time()
    while last not in replies.ENDED:
        known = visit.known(task.id) or task
        told = replies.full(visit.desk, known)
        if told["status_text"] != last:
            last, spoke_at = told["status_text"], loop.time()
            yield orjson.dumps(told) + b"\n"
        elif loop.time() - spoke_at > _HEARTBEAT_S:
            spoke_at = loop.time()
            yield b'{"type":"heartbeat"}\n'
        await asyncio.sleep(_LOOK_S)
