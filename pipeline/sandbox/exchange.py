"""One exchange over HTTP, with what a scenario does to it: errors, lost, cut and absurd replies.

"After" faults strike when the work is done and on disk: the client cannot tell them from "instead"
faults, and that is their point.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.director import Subject
from pipeline.sandbox.faults import Effect
from pipeline.sandbox.scenario import Fault

ADDRESS_HEADER = "x-callsheet-address"
_WHOLE_REPLY = frozenset({Effect.INSTEAD, Effect.AFTER})
_GARBAGE = b"<html><head><title>502 Bad Gateway</title></head><body>\xff\xfe nginx</body></html>"


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


Costume = Callable[[str, int], Reply]
"""How a dialect words a trouble with an HTTP status: throttled, error, no-credit, bad-key, or any
code of its provider's that a scenario names."""
_STATUS: Mapping[str, int] = MappingProxyType({"throttled": 429, "no-credit": 402, "bad-key": 401})


async def exchange(
    desk: Desk,
    *,
    stage: str,
    subject: Subject,
    costume: Costume,
    work: Callable[[], Awaitable[Reply]],
    turn: AbstractContextManager[Any] | None = None,
) -> Response:
    """Answer a request by doing its work, unless the scenario has other plans.

    `turn` is held from the moment the work begins until its reply leaves.
    """
    fault = desk.director.strike(stage, _WHOLE_REPLY, subject)
    if fault is not None and fault.kind.effect is Effect.INSTEAD:
        return _instead(fault, costume)

    async def carried_out() -> Reply:
        with turn or nullcontext():
            reply = await work()
            if stage == "submit":
                accept_s = desk.director.scenario.accept_s
                await asyncio.sleep(random.uniform(*accept_s))  # noqa: S311 - a drill
            return reply

    if fault is not None and fault.name == "drop-early":
        desk.go_on(carried_out())
        return Dropped()
    reply = await carried_out()
    return reply.response() if fault is None else _after(fault, reply, costume)


def bearer(request: Request) -> str:
    """Return the key of an Authorization header, or nothing."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.casefold() == "bearer" else ""


def address(request: Request) -> str:
    """Return the address that a rehearsal tells with a submit, or nothing."""
    return unquote(request.headers.get(ADDRESS_HEADER, ""))


def spoilt(fault: Fault) -> Response | None:
    """Return the reply that never comes, if that is what the fault does."""
    match fault.name:
        case "drop" | "drop-after":
            return Dropped()
        case "hang" | "hang-after":
            return Hung(fault.options["seconds"])
        case _:
            return None


def _instead(fault: Fault, costume: Costume) -> Response:
    lost = spoilt(fault)
    if lost is not None:
        return lost
    trouble = fault.options["code"] if fault.name == "code" else fault.name
    reply = costume(trouble, fault.options.get("status", _STATUS.get(fault.name, 500)))
    response = reply.response()
    if fault.options.get("retry_after") is not None:
        response.headers["retry-after"] = str(fault.options["retry_after"])
    return response


def _after(fault: Fault, reply: Reply, costume: Costume) -> Response:
    match fault.name:
        case "error-after":
            return costume("error", fault.options["status"]).response()
        case "code-after":
            return costume(fault.options["code"], fault.options["status"]).response()
        case "truncated-reply":
            # A whole HTTP message that holds half of a JSON text, as a proxy would cut it.
            whole = orjson.dumps(reply.body)
            return Response(whole[: len(whole) // 2], media_type="application/json")
        case "garbage-reply":
            return Response(_GARBAGE, media_type="text/html")
        case "gzip-bomb":
            coded = {"content-encoding": "gzip, gzip"}
            return Response(_bomb(fault.options["megabytes"]), headers=coded)
        case _:
            return spoilt(fault) or reply.response()


@lru_cache(maxsize=4)
def _bomb(megabytes: int) -> bytes:
    """Return so many megabytes of zeros, compressed twice: a few kilobytes."""
    packing = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    packed = [packing.compress(bytes(1_000_000)) for _ in range(megabytes)]
    return gzip.compress(b"".join([*packed, packing.flush()]))


class Dropped(Response):
    """The connection is closed without a single byte of reply."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Close the connection and wait until it is."""
        _hang_up(scope)
        await _disconnected(receive)


class Hung(Response):
    """No reply comes; after some seconds the connection is closed."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Wait for the client to give up, or for the time to pass."""
        leaving = asyncio.ensure_future(_disconnected(receive))
        await asyncio.wait({leaving}, timeout=self._seconds)
        _hang_up(scope)
        await leaving


class Cut(Response):
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
        await send({"type": "http.response.body", "body": part, "more_body": True})
        _hang_up(scope)
        await _disconnected(receive)


def _hang_up(scope: Scope) -> None:
    # How its transport comes into the scope: see server.py.
    scope["state"]["transport"].close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
