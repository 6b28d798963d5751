"""One request of a client that has shown its key: whose it is, and what a scenario does to it.

For providers that read one key from the Authorization header and have one task in a request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.director import Subject
from pipeline.sandbox.exchange import Costume, Reply, address, bearer, exchange
from pipeline.sandbox.faults import Effect
from pipeline.sandbox.orders import about
from pipeline.sandbox.records import Task

_WORD = frozenset({Effect.WORD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request with a key that is good."""

    desk: Desk
    provider: str
    costume: Costume
    key: str
    address: str

    def subject(self, prompt: Any = "") -> Subject:
        """Return whom the scenario sees."""
        told = prompt if isinstance(prompt, str) else ""
        return Subject(provider=self.provider, key=self.key, address=self.address, prompt=told)

    def known(self, task_id: str) -> Task | None:
        """Return the account's task of that id."""
        return self.desk.world.task(self.provider, self.key, task_id)

    def word(self, task: Task) -> str | None:
        """Return what the scenario has a poll say instead of the truth, if anything.

        An empty word stands for "no such task (yet)".
        """
        fault = self.desk.director.strike("status", _WORD, about(task))
        if fault is None:
            return None
        return "" if fault.name == "empty" else str(fault.options["word"])

    async def answer(
        self,
        stage: str,
        subject: Subject,
        work: Callable[[], Awaitable[Reply]],
        turn: AbstractContextManager[Any] | None = None,
    ) -> Response:
        """Answer by doing the work, unless the scenario has other plans."""
        return await exchange(
            self.desk, stage=stage, subject=subject, costume=self.costume, work=work, turn=turn
        )

    async def asked(self, task_id: str, reply: Callable[[Task | None], Reply]) -> Response:
        """Answer a question about a task: `reply` gets the account's task of that id, if any."""
        known = self.known(task_id)

        async def work() -> Reply:
            return reply(known)

        return await self.answer("status", about(known) if known else self.subject(), work)


Serve = Callable[[Visit, Request], Awaitable[Response]]


def admitted(desk: Desk, request: Request, *, provider: str, costume: Costume) -> Visit | Response:
    """Return the visit of a client with a good key, or how the provider turns it away."""
    key = bearer(request)
    if not key or desk.is_bad(key):
        return costume("bad-key", 401).response()
    desk.meet(key)
    told = address(request)
    return Visit(desk=desk, provider=provider, costume=costume, key=key, address=told)


def guarded(
    desk: Desk,
    serve: Serve,
    *,
    provider: str,
    costume: Callable[[Request], Costume],
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that serves visits, and turns away who has no good key."""

    async def endpoint(request: Request) -> Response:
        visit = admitted(desk, request, provider=provider, costume=costume(request))
        return await serve(visit, request) if isinstance(visit, Visit) else visit

    return endpoint


def endpoints(
    desk: Desk, table: Iterable[tuple[str, str, Serve]], *, provider: str, costume: Costume
) -> list[BaseRoute]:
    """Return the routes of a table: path, method, and what serves visits there."""
    return [
        Route(
            path,
            guarded(desk, serve, provider=provider, costume=lambda _: costume),
            methods=[method],
        )
        for path, method, serve in table
    ]


async def document(request: Request) -> dict[str, Any] | None:
    """Return the JSON object a request holds, or None where it holds something else."""
    try:
        told = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


async def form(request: Request) -> dict[str, str | bytes]:
    """Return the fields of a request's form, files as their bytes; nothing where it has none."""
    async with request.form() as fields:
        return {
            name: value if isinstance(value, str) else await value.read()
            for name, value in fields.items()
        }
