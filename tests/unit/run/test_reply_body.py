"""A reply may be compressed, huge or in crumbs: it costs little memory, and holds up nobody."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pipeline.errors import NoReply, TransportFault, UnreadableReply
from pipeline.net.client import Lane, Limits, Transport
from pipeline.providers.base import Part, Request, Response
from tests.unit.run.rawserver import (
    Behaviour,
    Exchange,
    RawServer,
    answer,
    http,
    public_trust,
    raw_server,
)

TEXT = b'{"data": [{"taskUUID": "7"}]}'
POLL = Request(method="POST", path="/v1", body=[{"taskType": "getResponse"}])
UPLOAD = Request(method="POST", path="/f", part=Part(name="f", filename="a", content_type="b"))
QUICK = Limits(connect_s=5.0, read_s=5.0, total_s=20.0)
MEGA = 1_000_000
MOST_GROWTH = 20 * MEGA
MOST_PAUSE_S = 0.5
"""How long another job may have to wait, in the thread's own time: tests share their machine."""

Ask = Callable[[Transport, Lane], Awaitable[Response]]


async def _submit(transport: Transport, lane: Lane) -> Response:
    return await transport.submit(lane, POLL)


async def _poll(transport: Transport, lane: Lane) -> Response:
    return await transport.send(lane, POLL)


async def _upload(transport: Transport, lane: Lane) -> Response:
    return await transport.send(lane, UPLOAD, content=Path(__file__))


KINDS: dict[str, tuple[Ask, type[TransportFault]]] = {
    "submit": (_submit, NoReply),
    "poll": (_poll, UnreadableReply),
    "upload": (_upload, UnreadableReply),
}


def lane_to(server: RawServer) -> Lane:
    """Return a lane whose only host is the server."""
    return Lane(provider="runware", key="key-1", hosts={"api": server.url})


def coded(coding: str, body: bytes) -> bytes:
    """Return a reply whose body is said to be coded."""
    return http(200, body, f"Content-Encoding: {coding}")


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Give a transport without a proxy, with the limit of size that is usual."""
    async with Transport(limits=QUICK, tls=public_trust(), proxies={}) as opened:
        yield opened


UNDERSTOOD = {
    "as it is": http(200, TEXT),
    "identity": coded("identity", TEXT),
    "gzip": coded("gzip", gzip.compress(TEXT)),
    "x-gzip": coded("X-GZip", gzip.compress(TEXT)),
    "gzip and identity": coded("identity, gzip", gzip.compress(TEXT)),
    "several members": coded("gzip", gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:])),
    "no length": b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + TEXT,
}
REFUSED = {
    "gzip in gzip": coded("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
    "gzip in gzip, two headers": http(
        200,
        gzip.compress(gzip.compress(TEXT)),
        "Content-Encoding: gzip",
        "Content-Encoding: gzip",
    ),
    "deflate": coded("deflate", zlib.compress(TEXT)),
    "br": coded("br", TEXT),
    "zstd": coded("zstd", TEXT),
    "something": coded("aws-chunked", TEXT),
    "no gzip": coded("gzip", TEXT),
    "a gzip that ends early": coded("gzip", gzip.compress(TEXT)[:-1]),
    "a gzip with a wrong sum": coded("gzip", gzip.compress(TEXT)[:-5] + b"\0" * 5),
    "bytes after a gzip": coded("gzip", gzip.compress(TEXT) + b"<html>"),
    "a member that ends early": coded("gzip", gzip.compress(TEXT) + gzip.compress(b"x")[:-9]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reply", UNDERSTOOD.values(), ids=UNDERSTOOD)
async def test_a_reply_as_it_is_or_in_one_gzip_is_read(
    reply: bytes, kind: str, transport: Transport
) -> None:
    """Identity is asked for, and one gzip of a server that compresses all the same is undone."""
    ask, _ = KINDS[kind]
    async with raw_server(answer(reply)) as server:
        response = await ask(transport, lane_to(server))

    assert TEXT == response.body
    assert "identity" == server.seen[0].header("accept-encoding")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED)
async def test_any_other_coding_is_refused_by_name(
    reply: bytes, kind: str, transport: Transport
) -> None:
    """A paid request is in doubt then, never "not sent"; all else is unreadable."""
    ask, fault = KINDS[kind]
    async with raw_server(answer(reply)) as server:
        with pytest.raises(
            fault, match=r"the reply is (no whole gzip|coded in a way nobody)"
        ) as raised:
            await ask(transport, lane_to(server))

    assert fault is type(raised.value)


async def test_an_empty_reply_may_be_called_gzip(transport: Transport) -> None:
    """Nothing at all is nothing, whatever it is said to be."""
    async with raw_server(answer(coded("gzip", b""))) as server:
        response = await transport.send(lane_to(server), POLL)

    assert b"" == response.body


def _bomb(size: int) -> bytes:
    """Return a gzip of so many zeros, made piece by piece."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packing.compress(bytes(MEGA)) for _ in range(size // MEGA)]
    return b"".join([*pieces, packing.flush()])


def _in_pieces(head: bytes, piece: bytes, times: int) -> Behaviour:
    """Answer with a piece so many times, as it is read: no buffer of the server's counts here."""

    async def behave(exchange: Exchange) -> None:
        await exchange.read_all()
        await exchange.reply(head)
        for _ in range(times):
            await exchange.reply(piece)

    return behave


def _crumbs() -> Behaviour:
    """Answer with a reply of a chunk for each byte, many at a time, without end."""

    async def behave(exchange: Exchange) -> None:
        await exchange.read_all()
        await exchange.reply(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await exchange.reply(b"1\r\nx\r\n" * 5000)

    return behave


BOMBS: dict[str, Behaviour] = {
    "gzip": answer(coded("gzip", _bomb(300 * MEGA))),
    "gzip in gzip": answer(coded("gzip, gzip", gzip.compress(_bomb(300 * MEGA)))),
    "empty members": answer(coded("gzip", gzip.compress(b"") * 20_000 + _bomb(300 * MEGA))),
    "too long": _in_pieces(http(200)[:-2].replace(b": 0", b": 99000000"), bytes(99_000), 1000),
    "too long, of no length": _in_pieces(b"HTTP/1.1 200 X\r\n\r\n", bytes(99_000), 1000),
    "endless headers": _in_pieces(
        b"HTTP/1.1 200 X\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(1000)), 10_000
    ),
    "a huge header": _in_pieces(b"HTTP/1.1 200 X\r\nX-A: ", b"x" * 99_000, 1000),
}


@pytest.mark.parametrize("kind", ["submit", "poll"])
@pytest.mark.parametrize("behave", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_costs_little_memory_and_holds_up_nobody(
    behave: Behaviour, kind: str, transport: Transport
) -> None:
    """A reply may not make the process grow, nor keep the other jobs of its loop waiting."""
    ask, _ = KINDS[kind]
    pauses: list[float] = []

    async def tick() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            pauses.append(time.thread_time() - before)

    async with raw_server(behave) as server:
        tracemalloc.start()
        ticking = asyncio.create_task(tick())
        try:
            with pytest.raises(TransportFault):
                await ask(transport, lane_to(server))
            _, most = tracemalloc.get_traced_memory()
        finally:
            ticking.cancel()
            tracemalloc.stop()

    assert most < MOST_GROWTH
    assert max(pauses, default=0.0) < MOST_PAUSE_S


@pytest.mark.parametrize("kind", ["submit", "poll"])
async def test_a_reply_in_crumbs_holds_up_nobody_and_ends(kind: str) -> None:
    """Chunks of one byte each are read for no longer than a reply may take."""
    ask, _ = KINDS[kind]
    limits = Limits(total_s=0.3)
    pauses: list[float] = []

    async def tick() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            pauses.append(time.thread_time() - before)

    async with (
        raw_server(_crumbs()) as server,
        Transport(limits=limits, tls=public_trust(), proxies={}) as transport,
    ):
        ticking = asyncio.create_task(tick())
        with pytest.raises(TransportFault, match=r"TimeoutError|too large"):
            await ask(transport, lane_to(server))
        ticking.cancel()

    assert max(pauses, default=0.0) < MOST_PAUSE_S


def _drip_body(gzipped: bytes) -> Behaviour:
    """Answer with a head at once, and a body that never comes to its end."""

    async def behave(exchange: Exchange) -> None:
        await exchange.read_all()
        await exchange.reply(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n" + gzipped + b"\r\n")
        while True:
            await exchange.reply(b"x")
            await asyncio.sleep(0.02)

    return behave


async def _reads_slowly(exchange: Exchange) -> None:
    """Take the request a few bytes at a time, without end."""
    await exchange.read_head()
    while True:
        await exchange.reader.read(1)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_dribbles_is_given_up(kind: str) -> None:
    """The limit in time is for the whole reply, over both ways out: not only for its silences."""
    ask, fault = KINDS[kind]
    limits = Limits(total_s=0.5, read_s=0.3)
    async with (
        raw_server(_drip_body(b"")) as server,
        Transport(limits=limits, tls=public_trust(), proxies={}) as transport,
    ):
        with pytest.raises(TransportFault, match="TimeoutError") as raised:
            await ask(transport, lane_to(server))

    assert (fault is NoReply) == (type(raised.value) is NoReply)


async def test_an_upload_that_dribbles_is_given_up(tmp_path: Path) -> None:
    """A host that takes the bytes too slowly is waited for by their number, and no longer."""
    picture = tmp_path / "picture"
    picture.write_bytes(bytes(16 * MEGA))
    request = Request(method="PUT", path="/f", content=True)
    # So many bytes, more than sockets hold, are given 160 s beside the time for the reply.
    limits = Limits(total_s=-159.5)
    async with (
        raw_server(_reads_slowly) as server,
        Transport(limits=limits, tls=public_trust(), proxies={}) as transport,
    ):
        with pytest.raises(TransportFault, match="TimeoutError"):
            await transport.send(lane_to(server), request, content=picture)
