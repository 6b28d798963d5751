"""The body of a reply, read whole and bounded; at most one gzip is undone, and nothing else.

We ask for `identity`. A server that compresses all the same is understood if it did so once, by
gzip: anything else is refused unread, for 16 kB of gzip in gzip became 6 GB. The limit holds for
what comes and for what it becomes, and other jobs go on between two pieces.
"""

from __future__ import annotations

import asyncio
import zlib

import httpx

from pipeline.errors import UnreadableReply

PLAIN = {"accept-encoding": "identity"}
"""What every request asks for. Of a clip, ranges and hashes are about its own bytes."""
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_GZIP = 16 + zlib.MAX_WBITS
"""How zlib is told that a gzip header and trailer stand around the data."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the body of a reply, at most `limit` bytes; raise UnreadableReply if it cannot be had.

    What the transport raises when the bytes stop coming is not caught.
    """
    gunzip = _Gunzip() if _is_gzip(response) else None
    came, body = 0, bytearray()
    async for chunk in response.aiter_raw():
        came += len(chunk)
        body += chunk if gunzip is None else gunzip.feed(chunk, limit + 1 - len(body))
        if max(came, len(body)) > limit:
            raise UnreadableReply(f"the reply is too large: more than {limit} bytes")
        # A piece that is here already does not suspend: thousands of one byte each would hold up
        # every other job.
        await asyncio.sleep(0)
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
