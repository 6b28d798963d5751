"""Requests become replies: the only module that sends, and the only one that signs.

Two ways out, on purpose. A paid POST goes over httpx's own transport on a fresh connection, whose
exceptions prove whether bytes left: only there does "could not connect" mean "not sent". All else
may be repeated and goes over httpx-aiohttp, which scales, but calls a dropped reply
`ConnectTimeout` (0.2.0, measured). Nothing here retries. No exception of ours holds a key, nor the
exception it was made from, whose request does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from pipeline.domain import EMPTY
from pipeline.errors import (
    CallsheetError,
    Forbidden,
    NoReply,
    NotInTime,
    NotSent,
    TooSlow,
    TransportFault,
    UnreadableReply,
)
from pipeline.net.connect_errors import explanation
from pipeline.net.connections import Connections, Limits
from pipeline.net.encoding import carries_file, file_request, plain_request
from pipeline.net.lane import Lane, scrub_reply, scrubber, signature, url_of
from pipeline.net.public_addresses import refusal
from pipeline.providers.base import Request, Response

__all__ = ["Download", "Lane", "Limits", "Transport"]

PLAIN = {"accept-encoding": "identity"}
"""What every request asks for. Of a clip, ranges and hashes are about its own bytes."""
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_GZIP = 16 + zlib.MAX_WBITS
"""How zlib is told that a gzip header and trailer stand around the data."""
_AGENT = {"user-agent": "callsheet", "accept": "*/*", **PLAIN}
_UPLOAD_BYTES_PER_S = 100_000
"""The slowest upload that is waited for."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NEVER_SENT = (
    # httpcore raises these only while connecting and in the TLS handshake (httpcore 1.0.9,
    # _async/connection.py: _connect) …
    httpx.ConnectError,
    httpx.ConnectTimeout,
    # … this one only when a proxy refuses to tunnel, before our request is written
    # (_async/http_proxy.py, _async/socks_proxy.py) …
    httpx.ProxyError,
    # … this one before anything is opened …
    httpx.UnsupportedProtocol,
    # … and this one is ours, from before the first header is written.
    NotInTime,
)
_BEFORE_SENDING = "send_request_headers.started"
"""The end of what httpcore tells (`trace`) before it writes; of a proxy's tunnel as well."""


_SAID_ON = (Forbidden, UnreadableReply, TooSlow)
"""Faults whose kind a caller asks for; all others are one."""


class Download:
    """A result being read: status, headers (lower case) and, once, its bytes."""

    def __init__(self, response: httpx.Response, *, lane: Lane, limit: int) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)
        self._stream = response.aiter_raw()
        self._lane = lane
        self._left = limit

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come, undecoded.

        Raises TooSlow if nothing comes for too long, TransportFault if they end early, Forbidden
        if they are too many.
        """
        stated = self.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > self._left:
            raise Forbidden(
                f"{self._lane.provider}: a result of that size ({stated} bytes) is not fetched"
            )
        while chunk := await self._chunk():
            self._left -= len(chunk)
            if self._left < 0:
                raise Forbidden(f"{self._lane.provider}: a result of that size is not fetched")
            yield chunk

    async def _chunk(self) -> bytes:
        """Return the next bytes, none at the end."""
        try:
            return await anext(self._stream, b"")
        except httpx.TimeoutException:
            fault: TransportFault = TooSlow(f"{self._lane.provider}: the result stopped coming")
        except Exception as exc:  # noqa: BLE001 - aiohttp's own exceptions leak through httpx
            fault = _fault(self._lane, exc)
        raise fault


class Transport:
    """Sends requests and opens results; used as an async context manager.

    `proxies` and `tls` are those of `connections.Connections`.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        proxies: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._connections = Connections(self.limits, proxies=proxies, tls=tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connections.close()

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Send a request that costs money, once, and return the reply whatever its status.

        `may_send` is asked when the connection stands, right before the first byte leaves: if it
        says no, nothing is sent, which is NotInTime. Raises NotSent if provably no byte of it left;
        NoReply if anything else went wrong, when it may have been accepted. No redirect is
        followed. Being cancelled proves nothing either way.
        """
        try:
            url = url_of(lane, request)
            wire = plain_request(request, url, _headers(lane, request, url, headers))
            # Tells the server too that nothing will be asked again on this connection.
            wire.headers["connection"] = "close"
            wire.extensions["trace"] = partial(_send_in_time, may_send)
            transport = self._connections.one_shot(url)
        except (TransportFault, httpx.InvalidURL, ImportError, ValueError) as exc:
            # Nothing was opened yet, so whatever is wrong is proven not sent.
            fault: TransportFault = NotSent(_message(lane, exc, request))
        else:
            try:
                return scrub_reply(lane, await self._exchange(transport, wire, self.limits.total_s))
            except Exception as exc:  # noqa: BLE001 - whatever it is, the request may have arrived
                proven = isinstance(exc, _NEVER_SENT)
                kind = NotInTime if isinstance(exc, NotInTime) else NotSent
                fault = (kind if proven else NoReply)(
                    _message(lane, exc, request, reached=not proven)
                )
            finally:
                await _close(transport)
        # Raised outside of the handlers: there the library's exception would be its context, and
        # that holds the request with the key.
        raise fault

    async def send(
        self,
        lane: Lane,
        request: Request,
        *,
        content: Path | None = None,
        content_type: str = "application/octet-stream",
        headers: Mapping[str, str] = EMPTY,
    ) -> Response:
        """Send a request that may be repeated (poll, upload, look-up) and return the reply.

        `content` is the file that the request's `part`, `content` or `asset:<digest>` stands for;
        a request with none of these carries nothing.
        Raises TransportFault if there is no reply, UnreadableReply if there is one that cannot be
        had, Forbidden if it may not be sent at all. A request without a host (an upload link from
        a reply) goes unsigned, to public hosts only.
        """
        try:
            url = url_of(lane, request)
            _check_link(lane, url, guarded=not request.host)
            signed = _headers(lane, request, url, headers)
            if content is None or not carries_file(request):
                wire = plain_request(request, url, signed)
            else:
                wire = await file_request(
                    request, url, file=content, content_type=content_type, headers=signed
                )
            transport = self._connections.pool(url, guard=None if request.host else lane.loopback)
            upload_s = int(wire.headers.get("content-length", 0)) / _UPLOAD_BYTES_PER_S
            total_s = self.limits.total_s + upload_s
            return scrub_reply(lane, await self._exchange(transport, wire, total_s))
        except Exception as exc:  # noqa: BLE001 - aiohttp's own exceptions leak through httpx
            fault = _fault(lane, exc, request)
        raise fault

    @contextlib.asynccontextmanager
    async def download(
        self, lane: Lane, request: Request, *, offset: int = 0, if_range: str = ""
    ) -> AsyncGenerator[Download, None]:
        """Open a result, from `offset` on if it is still what `if_range` (its ETag) says.

        Redirects are followed, by https to public hosts only (a rehearsal's may be on this
        machine). Unsigned, unless the request names a host of the lane; after a redirect always.
        Raises TransportFault if there is no reply in time, Forbidden if a link may not be followed.
        """
        wanted = {"range": f"bytes={offset}-"} if offset else {}
        if offset and if_range:
            wanted["if-range"] = if_range
        response = await self._open(lane, request, wanted)
        try:
            # What earlier tries had counts too, else a result could pass the limit bit by bit.
            yield Download(response, lane=lane, limit=self.limits.clip_bytes - offset)
        finally:
            await _close(response)

    async def _open(
        self, lane: Lane, request: Request, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Return the reply at the end of all redirects, its body unread."""
        try:
            async with asyncio.timeout(self.limits.total_s):
                url, guarded = url_of(lane, request), not request.host
                for _ in range(self.limits.redirects + 1):
                    _check_link(lane, url, guarded=guarded)
                    signed = {} if guarded else signature(lane, request, url)
                    wire = httpx.Request("GET", url, headers={**_AGENT, **headers, **signed})
                    wire.extensions["timeout"] = self.limits.timeouts()
                    guard = lane.loopback if guarded else None
                    transport = self._connections.pool(url, guard=guard)
                    response = await transport.handle_async_request(wire)
                    location = response.headers.get("location", "")
                    if response.status_code not in _REDIRECTS or not location:
                        return response
                    await _close(response)
                    # Where a reply leads is nobody's word but the reply's: guarded from here on.
                    url, guarded = url.join(location), True
                many = Forbidden(f"more than {self.limits.redirects} redirects")
                fault = _fault(lane, many, request)
        except Exception as exc:  # noqa: BLE001 - aiohttp's own exceptions leak through httpx
            fault = _fault(lane, exc, request)
        raise fault

    async def _exchange(
        self, transport: httpx.AsyncBaseTransport, wire: httpx.Request, total_s: float
    ) -> Response:
        wire.extensions["timeout"] = self.limits.timeouts()
        # The transports bound each silence only: a host that always sends a little would never end.
        async with asyncio.timeout(total_s):
            response = await transport.handle_async_request(wire)
            try:
                body = await read_body(response, self.limits.reply_bytes)
            finally:
                await _close(response)
        return Response(status=response.status_code, headers=dict(response.headers), body=body)


async def _send_in_time(may_send: Callable[[], bool], name: str, _: Mapping[str, object]) -> None:
    """Raise NotInTime where the first byte is about to leave, and may not."""
    if name.endswith(_BEFORE_SENDING) and not may_send():
        raise NotInTime("it would have left too late")


def _headers(
    lane: Lane, request: Request, url: httpx.URL, further: Mapping[str, str]
) -> dict[str, str]:
    return {**_AGENT, **request.headers, **further, **signature(lane, request, url)}


def _check_link(lane: Lane, url: httpx.URL, *, guarded: bool) -> None:
    """Raise Forbidden for a link that a reply named, unless it is safe to follow."""
    why = refusal(url, loopback=lane.loopback) if guarded else ""
    if why:
        raise Forbidden(f"a link of {lane.provider} is not followed: {why}")


async def _close(thing: httpx.Response | httpx.AsyncBaseTransport) -> None:
    # What was read is read: a connection that does not close well changes nothing about it.
    with contextlib.suppress(Exception):
        await thing.aclose()


def _fault(lane: Lane, exc: Exception, request: Request | None = None) -> TransportFault:
    kind = next((kind for kind in _SAID_ON if isinstance(exc, kind)), TransportFault)
    return kind(_message(lane, exc, request))


def _message(
    lane: Lane, exc: Exception, request: Request | None = None, *, reached: bool = False
) -> str:
    """Return what went wrong as text without a key (h11 quotes the headers it refuses)."""
    text = str(exc) if isinstance(exc, CallsheetError) else f"{type(exc).__name__}: {exc}"
    text = text if request is None or reached else explanation(text, lane, request)
    return scrubber([lane])(f"{lane.provider}: {text}".rstrip(": "))


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the body of a reply, at most `limit` bytes; raise UnreadableReply if it cannot be had.

    We ask for `identity`. A server that compresses all the same is understood if it did so once, by
    gzip: anything else is refused unread, for 16 kB of gzip in gzip became 6 GB. The limit holds
    for what comes and for what it becomes, and other jobs go on between two pieces.

    What the transport raises when the bytes stop coming is not caught.
    """
    gunzip = _Gunzip() if _is_gzip(response) else None
    came, body = 0, bytearray()
    async for chunk in response.aiter_raw():
        came += len(chunk)
        # One byte beyond the limit shows that it is exceeded: a bomb is unpacked no further.
        body += chunk if gunzip is None else gunzip.feed(chunk, limit + 1 - len(body))
        if max(came, len(body)) > limit:
            raise UnreadableReply(f"the reply is too large: more than {limit} bytes")
        # A piece that is here already does not suspend: thousands of one byte each would hold up
        # every other job.
        await asyncio.sleep(0)
    # An empty reply may be called gzip as well, and has no trailer that could be missing.
    if gunzip is not None and came:
        gunzip.finish()
    return bytes(body)


def _is_gzip(response: httpx.Response) -> bool:
    """Tell whether a reply is one gzip, or as it is; raise UnreadableReply for anything else."""
    stated = response.headers.get_list("content-encoding", split_commas=True)
    named = (coding.strip().lower() for coding in stated)
    codings = [coding for coding in named if coding not in {"", "identity"}]
    if len(codings) > 1 or not _GZIP_NAMES.issuperset(codings):
        told = ", ".join(codings)[:100]
        raise UnreadableReply(f"the reply is coded in a way nobody asked for: {told}")
    return bool(codings)


class _Gunzip:
    """One gzip being undone; members after one another are one text (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, data: bytes, most: int) -> bytes:
        """Return what the next bytes become, at most so much of it."""
        text = bytearray()
        try:
            while data and len(text) < most:
                if self._member.eof:
                    self._member = zlib.decompressobj(_GZIP)
                text += self._member.decompress(data, most - len(text))
                data = self._member.unused_data
        except zlib.error as error:
            raise UnreadableReply(f"the reply is no whole gzip: {error}") from None
        return bytes(text)

    def finish(self) -> None:
        """Raise UnreadableReply if the last member has no end."""
        if not self._member.eof:
            raise UnreadableReply("the reply is no whole gzip: it ends early")
