"""One exchange over HTTP: whose it is, its reply, and what a scenario does to that reply.

"After" faults strike when the work is done and on disk: the client cannot tell them from "instead"
faults, and that is their point.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from pipeline.sandbox.database import Task, Upload
from pipeline.sandbox.faults import Effect, InjectedFault, Subject
from pipeline.sandbox.tasks import TaskService, subject_of

_ADDRESS_HEADER = "x-callsheet-address"
_WHOLE_REPLY = frozenset({Effect.INSTEAD, Effect.AFTER})
_WORD = frozenset({Effect.WORD})
# Not UTF-8, so that nobody reads it by accident.
_GARBAGE = b"<html><head><title>502 Bad Gateway</title></head><body>\xff\xfe nginx</body></html>"
_STATUS: Mapping[str, int] = {"throttled": 429, "no-credit": 402, "bad-key": 401}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a dialect answers: a status and JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def response(self) -> Response:
        """Return it as it goes out."""
        return Response(
            orjson.dumps(self.body),
            status_code=self.status,
            headers=self.headers,
            media_type=self.media_type,
        )


# How a dialect words an error with an HTTP status: throttled, error, no-credit, bad-key, or any
# code of its provider's that a scenario names.
ErrorReply = Callable[[Request, str, int], Reply]
# How a dialect adds to an error for how long a client should wait.
SayWait = Callable[[Reply, str], Reply]


def retry_after(reply: Reply, seconds: str) -> Reply:
    """Return an error that says by its header how long to wait."""
    return replace(reply, headers={**reply.headers, "retry-after": seconds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the sandbox needs to know of a provider to speak as it does.

    The machinery of tasks, money and files is shared; a dialect checks requests and gives replies
    their shape.
    """

    name: str
    routes: Callable[[TaskService], list[BaseRoute]]
    """Its routes, below the path of its name."""
    addresses: Mapping[str, str]
    """Name of an address (`base_url`, `upload_url`) to its path; `ws_…` is one of a WebSocket."""
    refunds: bool = False
    """Whether it gives the money of failed tasks back, unless the scenario says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """A request with a key that is good."""

    service: TaskService
    request: Request
    provider: str
    key: str
    error_reply: ErrorReply
    say_wait: SayWait = retry_after

    def subject(self, prompt: Any = "") -> Subject:
        """Return whom the scenario sees; a rehearsal tells an item's address with its submit."""
        return Subject(
            provider=self.provider,
            key=self.key,
            # It is quoted, since a header has no room for all letters of an address.
            address=unquote(self.request.headers.get(_ADDRESS_HEADER, "")),
            prompt=prompt if isinstance(prompt, str) else "",
        )

    def error(self, trouble: str, status: int) -> Reply:
        """Return a trouble in the provider's words."""
        return self.error_reply(self.request, trouble, status)

    def task(self, task_id: Any) -> Task | None:
        """Return the account's task of that id."""
        return self.service.database.task(self.provider, self.key, str(task_id))

    def status_word(self, task: Task) -> str | None:
        """Return what the scenario has a poll say instead of the truth, if anything.

        An empty word stands for "no such task (yet)".
        """
        fault = self.service.injector.pick("status", _WORD, subject_of(task))
        if fault is None:
            return None
        return "" if fault.name == "empty" else str(fault.options["word"])

    def uploads(self) -> list[Upload]:
        """Return the account's stored media whose time is not over."""
        whose = "provider=? AND account=? AND coalesce(expires_at > ?, TRUE)"
        now = self.service.database.now()
        return self.service.database.uploads(whose, self.provider, self.key, now)

    async def store(self, content: bytes, lifetime_s: float) -> Upload:
        """Keep a medium of the account's for so long; raises NotMedia."""
        return await self.service.media.store(content, self.subject(), lifetime_s=lifetime_s)

    async def respond(
        self,
        stage: str,
        subject: Subject,
        work: Callable[[], Awaitable[Reply]],
        *,
        in_flight: tuple[str, ...] = (),
    ) -> Response:
        """Answer by doing the work, unless the scenario has other plans.

        `in_flight` is held from the moment the work begins until its reply leaves.
        """
        # One question for both: a fault of either sort uses up a turn of the scenario.
        fault = self.service.injector.pick(stage, _WHOLE_REPLY, subject)
        if fault is not None and fault.effect is Effect.INSTEAD:
            return self._instead(fault)

        async def carry_out() -> Reply:
            self.service.in_flight.add(in_flight)
            try:
                reply = await work()
                # After the work: who gives up before the reply has bought all the same.
                if stage == "submit":
                    accept_s = self.service.injector.scenario.accept_s
                    await asyncio.sleep(random.uniform(*accept_s))  # noqa: S311 - a drill
            finally:
                self.service.in_flight.discard(in_flight)
            return reply

        # A repeat may arrive while this one is still at work, and must find it in flight.
        if fault is not None and fault.name == "drop-early":
            self.service.run_in_background(carry_out())
            return DroppedConnection()
        reply = await carry_out()
        return reply.response() if fault is None else self._after(fault, reply)

    async def respond_status(self, task_id: Any, reply: Callable[[Task | None], Reply]) -> Response:
        """Answer a question about a task: `reply` gets the account's task of that id, if any."""
        task = self.task(task_id)

        async def work() -> Reply:
            return reply(task)

        # A poll has neither prompt nor address: its task lends it both, for faults that name them.
        return await self.respond("status", subject_of(task) if task else self.subject(), work)

    def _instead(self, fault: InjectedFault) -> Response:
        lost = missing_reply(fault)
        if lost is not None:
            return lost
        trouble = fault.options["code"] if fault.name == "code" else fault.name
        status = fault.options.get("status", _STATUS.get(fault.name, 500))
        reply, wait = self.error(trouble, status), fault.options.get("retry_after")
        return (reply if wait is None else self.say_wait(reply, str(wait))).response()

    def _after(self, fault: InjectedFault, reply: Reply) -> Response:
        match fault.name:
            case "error-after":
                return self.error("error", fault.options["status"]).response()
            case "code-after":
                return self.error(fault.options["code"], fault.options["status"]).response()
            case "truncated-reply":
                # A whole HTTP message that holds half of a JSON text, as a proxy would cut it.
                whole = orjson.dumps(reply.body)
                return Response(whole[: len(whole) // 2], media_type="application/json")
            case "garbage-reply":
                return Response(_GARBAGE, media_type="text/html")
            case "gzip-bomb":
                headers = {"content-encoding": "gzip, gzip"}
                return Response(_gzip_bomb(fault.options["megabytes"]), headers=headers)
            case _:
                return missing_reply(fault) or reply.response()


Handler = Callable[[RequestContext], Awaitable[Response]]


def endpoints(
    service: TaskService,
    provider: str,
    error_reply: ErrorReply,
    table: Iterable[tuple[str, str, Handler]],
    *,
    say_wait: SayWait = retry_after,
) -> list[BaseRoute]:
    """Return the routes of a table: path, method, and what answers there to a good key."""

    def route(path: str, method: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            key = bearer(request)
            # Before the scenario is asked: a request of nobody's uses up no fault.
            if not key or service.is_bad(key):
                return error_reply(request, "bad-key", 401).response()
            # From now on it is a leak wherever else it turns up.
            service.remember_key(key)
            context = RequestContext(
                service=service,
                request=request,
                provider=provider,
                key=key,
                error_reply=error_reply,
                say_wait=say_wait,
            )
            return await handler(context)

        return Route(path, endpoint, methods=[method])

    return [route(*line) for line in table]


def bearer(request: Request) -> str:
    """Return the key of an Authorization header, or nothing."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.casefold() == "bearer" else ""


async def json_object(request: Request) -> dict[str, Any] | None:
    """Return the JSON object a request holds, or None where it holds something else."""
    try:
        found = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


async def form_fields(request: Request) -> dict[str, str | bytes]:
    """Return the fields of a request's form, files as their bytes; nothing where it has none."""
    async with request.form() as fields:
        return {
            name: value if isinstance(value, str) else await value.read()
            for name, value in fields.items()
        }


def missing_reply(fault: InjectedFault) -> Response | None:
    """Return the reply that never comes, if that is what the fault does."""
    match fault.name:
        case "drop" | "drop-after":
            return DroppedConnection()
        case "hang" | "hang-after":
            return HangingConnection(fault.options["seconds"])
        case _:
            return None


@lru_cache(maxsize=4)
def _gzip_bomb(megabytes: int) -> bytes:
    """Return so many megabytes of zeros, compressed twice: a few kilobytes."""
    # Once by streaming: a hundred megabytes are never held at once.
    packing = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    packed = [packing.compress(bytes(1_000_000)) for _ in range(megabytes)]
    # Once more: one pass of DEFLATE leaves a thousandth at best.
    return gzip.compress(b"".join([*packed, packing.flush()]))


class DroppedConnection(Response):
    """The connection is closed without a single byte of reply."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Close the connection and wait until it is."""
        await _hang_up(scope, receive)


class HangingConnection(Response):
    """No reply comes; after some seconds the connection is closed."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Wait for the client to give up, or for the time to pass."""
        leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
        await asyncio.wait({leaving}, timeout=self._seconds)
        scope["state"]["transport"].close()
        await leaving


class TruncatedBody(Response):
    """The head and a part of the body, then the connection is closed."""

    def __init__(self, whole: Response, share: float) -> None:
        super().__init__()
        self._whole = whole
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a head that promises more than comes."""
        body = bytes(self._whole.body)
        head: Message = {
            "type": "http.response.start",
            "status": self._whole.status_code,
            "headers": self._whole.raw_headers,
        }
        await send(head)
        part = body[: int(len(body) * self._share)]
        # `more_body`, though nothing more comes: at an end h11 would raise, as the length is wrong.
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await _hang_up(scope, receive)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    # How its transport comes into the scope: see server.py.
    scope["state"]["transport"].close()
    # Not back before the connection is known to be lost: where an application returns without an
    # answer, uvicorn writes one of its own (500).
    await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
