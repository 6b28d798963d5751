"""The result host: clips and stored media, served unsigned from a second origin.

It serves ranges, lets links die, and notes every key that turns up here: a key belongs to the API
and to nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from pipeline.sandbox import deposits
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.exchange import Cut, spoilt
from pipeline.sandbox.faults import Effect
from pipeline.sandbox.intake import NotMedia
from pipeline.sandbox.orders import about
from pipeline.sandbox.records import Task
from pipeline.sandbox.reels import stamp
from pipeline.sandbox.scenario import Fault
from pipeline.sandbox.stamp import stamped

_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}
_EFFECTS = frozenset({Effect.INSTEAD, Effect.BYTES})
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_HALF = 0.5
_SCRAMBLED_SHARE = 4
_PAGE = b"<!doctype html><title>Sign in</title><h1>Please sign in to continue</h1>"


def media_host(desk: Desk) -> Starlette:
    """Return the application that listens at the media socket."""

    async def video(request: Request) -> Response:
        return _video(desk, request)

    async def stored(request: Request) -> Response:
        upload = desk.world.upload(request.path_params["name"].partition(".")[0])
        if upload is None:
            return _gone(404)
        content = desk.world.upload_path(upload.digest).read_bytes()
        return _served(request, content, upload.media_type)

    async def deposit(request: Request) -> Response:
        return await _deposit(desk, request)

    return Starlette(
        routes=[
            Route("/{provider}/uploads/{name}", deposit, methods=["PUT"]),
            Route("/{provider}/video/{name}", video),
            Route("/{provider}/uploads/{name}", stored),
        ]
    )


def clip_bytes(desk: Desk, task: Task) -> bytes:
    """Return a task's clip, stamped with whose it is."""
    assert task.clip is not None  # noqa: S101 - links are made for finished tasks only
    content = desk.studio.path(task.clip).read_bytes()
    if task.reel["format"] == "webm":
        return content
    told = stamp(task.id, task.prompt)
    return stamped(content, **told, size=desk.director.scenario.clip_bytes)


async def _deposit(desk: Desk, request: Request) -> Response:
    try:
        await deposits.deliver(
            desk,
            request.path_params["name"].partition(".")[0],
            signature=request.query_params.get("signature", ""),
            content_type=request.headers.get("content-type", ""),
            content=await request.body(),
        )
    except deposits.Refused as refused:
        return PlainTextResponse(str(refused), 403)
    except NotMedia as wrong:
        return PlainTextResponse(str(wrong), 400)
    return Response(b"", 200)


def _video(desk: Desk, request: Request) -> Response:
    link = desk.world.link(request.path_params["name"].partition(".")[0])
    task = link and desk.world.task(link.provider, link.account, link.task)
    if not link or not task:
        return _gone(404)
    fault = desk.director.strike("download", _EFFECTS, about(task))
    instead = None if fault is None else _instead(fault, request)
    if instead is not None:
        return instead
    if link.expires_at < desk.world.now():
        return _gone(403)
    content = clip_bytes(desk, task)
    if fault is not None and fault.name == "corrupt-download":
        content = _scrambled(content)
    whole = _served(request, content, _TYPES[task.reel["format"]])
    return whole if fault is None else _marred(whole, fault)


def _marred(whole: Response, fault: Fault) -> Response:
    match fault.name:
        case "truncated-download":
            return Cut(whole, _HALF)
        case "cut-download":
            # A whole HTTP message that says nothing of its length and holds a part of the clip, as
            # a result host would serve what it got itself.
            part = bytes(whole.body)[: int(len(whole.body) * fault.options["share"])]
            return StreamingResponse(iter([part]), media_type=whole.media_type)
        case "dribble":
            return StreamingResponse(_drops(whole, fault), whole.status_code, whole.headers)
        case "wrong-type":
            return _page(whole, fault)
        case _:
            return whole


async def _drops(whole: Response, fault: Fault) -> AsyncIterator[bytes]:
    body, size = bytes(whole.body), fault.options["bytes"]
    for at in range(0, len(body), size):
        yield body[at : at + size]
        await asyncio.sleep(fault.options["every_s"])


def _instead(fault: Fault, request: Request) -> Response | None:
    match fault.name:
        case "throttled":
            seconds = fault.options["retry_after"]
            headers = {} if seconds is None else {"retry-after": str(seconds)}
            return PlainTextResponse("too many requests", 429, headers)
        case "error":
            return PlainTextResponse("unavailable", fault.options["status"])
        case "expired-link":
            return _gone(fault.options["status"])
        case "redirect" if "direct" not in request.query_params:
            to = fault.options["to"]
            return RedirectResponse(f"{request.url.path}?direct" if to == "self" else to, 302)
        case _:
            return spoilt(fault)


def _page(whole: Response, fault: Fault) -> Response:
    content = _PAGE if fault.options["type"] == "text/html" else bytes(whole.body)
    return Response(content, media_type=fault.options["type"])


def _scrambled(content: bytes) -> bytes:
    # The end of the file, where its index is: a clip that still plays would prove nothing.
    start = len(content) - len(content) // _SCRAMBLED_SHARE
    return content[:start] + bytes(byte ^ 0x55 for byte in content[start:])


def _served(request: Request, content: bytes, media_type: str) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"accept-ranges": "bytes", "etag": etag}
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", etag) != etag:
        return Response(content, 200, headers, media_type)
    found = _RANGE.fullmatch(wanted)
    first, last = _span(found, len(content)) if found else (0, -1)
    if first > last:
        return Response(b"", 416, headers | {"content-range": f"bytes */{len(content)}"})
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, media_type)


def _span(found: re.Match[str], size: int) -> tuple[int, int]:
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size - 1) if last else (0, -1)
    return int(first), min(int(last), size - 1) if last else size - 1


def _gone(status: int) -> Response:
    return PlainTextResponse("this link is not valid (any more)", status)
