"""Runware's dialect: arrays of tasks in, arrays of data and errors out, one address for all.

From the provider's pages and its official Python client (read in 2026).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.runware import replies
from pipeline.sandbox.dialects.runware.models import Problem
from pipeline.sandbox.dialects.runware.tasks import TASKS, Visit, unsupported
from pipeline.sandbox.director import Subject
from pipeline.sandbox.exchange import Reply, address, bearer, exchange
from pipeline.sandbox.orders import about

__all__ = ["RUNWARE"]


def _routes(desk: Desk) -> list[BaseRoute]:
    async def post(request: Request) -> Response:
        return await _answer(desk, request)

    return [Route("/v1", post, methods=["POST"])]


RUNWARE = Dialect(
    name="runware",
    routes=_routes,
    addresses=MappingProxyType({"base_url": "/runware"}),
    refunds=replies.REFUNDS,
)


async def _answer(desk: Desk, request: Request) -> Response:
    tasks = _tasks(await request.body())
    if isinstance(tasks, Problem):
        return replies.refusal([tasks], {}).response()
    key, tasks = _credentials(request, tasks)
    if not key or desk.is_bad(key):
        return replies.costume("bad-key", 401).response()
    desk.meet(key)
    dry = request.headers.get("x-runware-dry-run") == "1"
    visit = Visit(desk=desk, key=key, address=address(request), dry=dry)
    return await exchange(
        desk,
        stage=_stage(tasks, dry=dry),
        subject=_subject(visit, tasks),
        costume=replies.costume,
        work=lambda: _work(visit, tasks),
    )


def _tasks(body: bytes) -> list[dict[str, Any]] | Problem:
    try:
        tasks = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Problem(code="invalidJSON", message="The body is not JSON.")
    if not isinstance(tasks, list) or not tasks or not all(isinstance(t, dict) for t in tasks):
        return Problem(code="invalidRequest", message="The body must be an array of tasks.")
    return tasks


def _credentials(request: Request, tasks: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    if tasks[0].get("taskType") != "authentication":
        return bearer(request), tasks
    return str(tasks[0].get("apiKey") or "") or bearer(request), tasks[1:]


def _stage(tasks: Sequence[dict[str, Any]], *, dry: bool) -> str:
    # What an array is to a scenario, its first task decides; a dry run buys nothing.
    stage = TASKS.get(str(tasks[0].get("taskType")), ("",))[0] if tasks else ""
    return "quote" if dry and stage == "submit" else stage


def _subject(visit: Visit, tasks: Sequence[dict[str, Any]]) -> Subject:
    told = tasks[0] if tasks else {}
    prompt = told.get("positivePrompt")
    if isinstance(prompt, str):
        return visit.subject(prompt)
    known = visit.known(told)
    return visit.subject() if known is None else about(known)


async def _work(visit: Visit, tasks: Sequence[dict[str, Any]]) -> Reply:
    data: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    refused: list[Problem] = []
    for task in tasks:
        _, does = TASKS.get(str(task.get("taskType")), ("", unsupported))
        found = await does(visit, task)
        if isinstance(found, list):
            refused += found
            errors += [replies.error(problem, task) for problem in found]
        else:
            data += found.get("data", ())
            errors += found.get("errors", ())
    if refused and not data:
        return Reply(status=refused[0].status, body={"errors": errors})
    if not tasks:
        session = str(uuid.uuid4())
        data = [{"taskType": "authentication", "connectionSessionUUID": session}]
    return Reply(body={"data": data, "errors": errors} if errors else {"data": data})
