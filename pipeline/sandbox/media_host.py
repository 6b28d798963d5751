"""The media host: clips and stored media, served unsigned from a second origin.

It serves ranges, lets links die, and takes the bytes of announced files. A key belongs to the API
and to nobody else: the server notes every one that turns up here.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from pipeline.sandbox.database import Task
from pipeline.sandbox.faults import Effect, InjectedFault
from pipeline.sandbox.http_exchange import TruncatedBody, missing_reply
from pipeline.sandbox.media_store import NotMedia, WrongUpload
from pipeline.sandbox.tasks import TaskService, clip_texts, subject_of

_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}
_EFFECTS = frozenset({Effect.INSTEAD, Effect.BYTES})
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_HALF = 0.5
_SCRAMBLED_SHARE = 4
_PAGE = b"<!doctype html><title>Sign in</title><h1>Please sign in to continue</h1>"


class MediaHost:
    """The application that listens at the media socket."""

    def __init__(self, service: TaskService) -> None:
        self._service = service
        self.app = Starlette(
            routes=[
                Route("/{provider}/uploads/{name}", self.receive, methods=["PUT"]),
                Route("/{provider}/uploads/{name}", self.upload),
                Route("/{provider}/video/{name}", self.video),
            ]
        )

    async def receive(self, request: Request) -> Response:
        """Take the bytes of an announced file."""
        try:
            await self._service.media.receive(
                _file_id(request),
                signature=request.query_params.get("signature", ""),
                content_type=request.headers.get("content-type", ""),
                content=await request.body(),
            )
        except WrongUpload as refused:
            return PlainTextResponse(str(refused), 403)
        except NotMedia as wrong:
            return PlainTextResponse(str(wrong), 400)
        return Response(b"", 200)

    async def upload(self, request: Request) -> Response:
        """Serve a stored medium."""
        found = self._service.database.upload(_file_id(request))
        if found is None:
            return _dead_link(404)
        return _range_response(request, self._service.media.content(found), found.media_type)

    async def video(self, request: Request) -> Response:
        """Serve a task's clip, unless the scenario has other plans."""
        service = self._service
        link = service.database.link(_file_id(request))
        task = link and service.database.task(link.provider, link.account, link.task)
        if not link or not task:
            return _dead_link(404)
        fault = service.injector.pick("download", _EFFECTS, subject_of(task))
        instead = None if fault is None else _instead(fault, request)
        if instead is not None:
            return instead
        # Only now: what a scenario plays instead does not depend on whether the link is alive.
        if link.expires_at < service.database.now():
            return _dead_link(403)
        content = self._clip(task)
        if fault is not None and fault.name == "corrupt-download":
            # The end of the file, where its index is: a clip that still plays would prove nothing.
            start = len(content) - len(content) // _SCRAMBLED_SHARE
            content = content[:start] + bytes(byte ^ 0x55 for byte in content[start:])
        whole = _range_response(request, content, _TYPES[task.reel["format"]])
        return whole if fault is None else _spoil(whole, fault)

    def _clip(self, task: Task) -> bytes:
        """Return a task's clip, with texts that say whose it is."""
        assert task.clip is not None  # noqa: S101 - links are made for finished tasks only
        content = self._service.pool.path(task.clip).read_bytes()
        if task.reel["format"] == "webm":
            return content
        size = self._service.injector.scenario.clip_bytes
        return tag_mp4(content, **clip_texts(task.id, task.prompt), size=size)


def _file_id(request: Request) -> str:
    name: str = request.path_params["name"]
    return name.partition(".")[0]


def _instead(fault: InjectedFault, request: Request) -> Response | None:
    match fault.name:
        case "throttled":
            seconds = fault.options["retry_after"]
            headers = {} if seconds is None else {"retry-after": str(seconds)}
            return PlainTextResponse("too many requests", 429, headers)
        case "error":
            return PlainTextResponse("unavailable", fault.options["status"])
        case "expired-link":
            return _dead_link(fault.options["status"])
        # `self` leads back here: behind its redirect the clip is served, however often it plays.
        case "redirect" if "direct" not in request.query_params:
            to = fault.options["to"]
            return RedirectResponse(f"{request.url.path}?direct" if to == "self" else to, 302)
        case _:
            return missing_reply(fault)


def _spoil(whole: Response, fault: InjectedFault) -> Response:
    body, options = bytes(whole.body), fault.options
    match fault.name:
        case "truncated-download":
            return TruncatedBody(whole, _HALF)
        case "cut-download":
            # A whole HTTP message that says nothing of its length and holds a part of the clip, as
            # a result host would serve what it got itself.
            part = body[: int(len(body) * options["share"])]
            return StreamingResponse(iter([part]), media_type=whole.media_type)
        case "dribble":

            async def drops() -> AsyncIterator[bytes]:
                for at in range(0, len(body), options["bytes"]):
                    yield body[at : at + options["bytes"]]
                    await asyncio.sleep(options["every_s"])

            return StreamingResponse(drops(), whole.status_code, whole.headers)
        case "wrong-type":
            content = _PAGE if options["type"] == "text/html" else body
            return Response(content, media_type=options["type"])
        case _:
            return whole


def _range_response(request: Request, content: bytes, media_type: str) -> Response:
    """Return a file, or the part of it that is asked for and has not changed since."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"accept-ranges": "bytes", "etag": etag}
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", etag) != etag:
        return Response(content, 200, headers, media_type)
    size = len(content)
    match (found := _RANGE.fullmatch(wanted)) and found.groups():
        case (str(first), str(last)) if first:
            span = (int(first), min(int(last), size - 1) if last else size - 1)
        # `bytes=-500` are the last 500 (RFC 9110, 14.1.2).
        case (_, str(last)) if last:
            span = (max(0, size - int(last)), size - 1)
        case _:
            span = (0, -1)
    if span[0] > span[1]:
        return Response(b"", 416, headers | {"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {span[0]}-{span[1]}/{size}"
    return Response(content[span[0] : span[1] + 1], 206, headers, media_type)


def _dead_link(status: int) -> Response:
    return PlainTextResponse("this link is not valid (any more)", status)


_HEADER = 8
# A `data` box's type (UTF-8) and locale.
_TEXT = b"\0\0\0\x01\0\0\0\0"
_HANDLER = b"\0\0\0\0\0\0\0\0mdirappl" + b"\0" * 9


def tag_mp4(clip: bytes, *, comment: str, title: str, size: int = 0) -> bytes:
    """Return the clip with this comment and title, padded with a `free` box up to `size` bytes.

    No frame is touched: only the `udta` box inside `moov` is replaced. `moov` must be the last box,
    as FFmpeg's muxer leaves it, so that no sample moves and one rendering can serve many tasks.
    """
    *_, (name, start, end) = _boxes(clip, 0, len(clip))
    if name != b"moov":
        raise ValueError("the clip's moov box must be its last")
    rest = b"".join(
        clip[first:last]
        for name, first, last in _boxes(clip, start + _HEADER, end)
        if name != b"udta"
    )
    texts = ((b"\xa9nam", title), (b"\xa9cmt", comment))
    items = [_box(name, _box(b"data", _TEXT, text.encode())) for name, text in texts]
    meta = _box(b"meta", b"\0\0\0\0", _box(b"hdlr", _HANDLER), _box(b"ilst", *items))
    tagged = clip[:start] + _box(b"moov", rest, _box(b"udta", meta))
    # A box has 8 bytes at least: where fewer are missing, it stays as it is.
    room = size - len(tagged) - _HEADER
    return tagged + _box(b"free", b"\0" * room) if room >= 0 else tagged


def _boxes(clip: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each box between two offsets."""
    while start + _HEADER <= end:
        size = int.from_bytes(clip[start : start + 4])
        if size == 1:  # a 64-bit size follows the name
            size = int.from_bytes(clip[start + 8 : start + 16])
        if size < _HEADER or start + size > end:
            raise ValueError("a box ends outside its parent")
        yield clip[start + 4 : start + 8], start, start + size
        start += size


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return (len(content) + _HEADER).to_bytes(4) + name + content
