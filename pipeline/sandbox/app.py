"""The API side: every dialect below its name, and the sandbox's own controls below `/_sandbox`.

A request comes to one of two sockets; which one decides what it can see, as if they were two hosts.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.sandbox.books import ledger
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialects import DIALECTS
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.intake import PUBLIC, keep
from pipeline.sandbox.intake import address as public_address
from pipeline.sandbox.mediahost import media_host
from pipeline.sandbox.scenario import BadScenario


class Front:
    """Hands each request to the API or to the media host, and notes keys where none belongs."""

    def __init__(self, desk: Desk, media_port: int) -> None:
        self._desk = desk
        self._media_port = media_port
        self._api = api(desk)
        self._media = media_host(desk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        target: ASGIApp = self._api
        address = scope["path"] + "?" + scope["query_string"].decode("latin-1")
        if self._desk.leaked(address):
            self._desk.world.keep_leak("address", scope["path"])
        if scope["server"][1] == self._media_port:
            target = self._media
            self._look_for_keys(scope)
        await target(scope, receive, send)

    def _look_for_keys(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"authorization" or self._desk.leaked(value.decode("latin-1")):
                self._desk.world.keep_leak(f"header {name.decode('latin-1')}", scope["path"])


def api(desk: Desk) -> Starlette:
    """Return the application that listens at the API socket."""
    dialects = [
        Mount(f"/{dialect.name}", routes=dialect.routes(desk)) for dialect in DIALECTS.values()
    ]
    return Starlette(routes=[*dialects, Mount("/_sandbox", routes=_controls(desk))])


def _controls(desk: Desk) -> list[Route]:
    async def health(_request: Request) -> Response:
        return Reply(body={"ok": True}).response()

    async def books(_request: Request) -> Response:
        return Reply(body=ledger(desk)).response()

    async def scenario(request: Request) -> Response:
        return await _scenario(desk, request)

    async def reset(_request: Request) -> Response:
        desk.forget()
        desk.director.start_over()
        return Reply(body={"ok": True}).response()

    async def clock(request: Request) -> Response:
        told = await _document(request)
        desk.world.put_forward(float(told["advance_s"]))
        return Reply(body={"now": desk.world.now()}).response()

    async def publish(request: Request) -> Response:
        provider, key = PUBLIC
        kept = await keep(desk, await request.body(), provider=provider, key=key)
        return Reply(body={"url": public_address(desk, kept)}).response()

    return [
        Route("/health", health),
        Route("/web", publish, methods=["POST"]),
        Route("/ledger", books),
        Route("/scenario", scenario, methods=["GET", "POST"]),
        Route("/reset", reset, methods=["POST"]),
        Route("/clock", clock, methods=["POST"]),
    ]


async def _scenario(desk: Desk, request: Request) -> Response:
    try:
        if request.method == "POST":
            told = await _document(request)
            if told.pop("append", False):
                desk.director.append(told.get("faults", []))
            else:
                desk.director.replace(told)
    except BadScenario as error:
        return Reply(status=400, body={"error": str(error)}).response()
    return Reply(body=desk.director.as_data()).response()


async def _document(request: Request) -> dict[str, Any]:
    told = orjson.loads(await request.body())
    if not isinstance(told, dict):
        raise BadScenario("a mapping is needed")
    return told
