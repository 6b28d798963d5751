"""What each way of failing proves, per transport: sent, not sent, or nobody knows."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from pipeline.errors import NoReply, NotSent, TransportFault, UnreadableReply
from pipeline.net.client import Lane, Limits, Transport
from pipeline.providers.base import Part, Request
from tests.unit.run.rawserver import (
    Behaviour,
    RawServer,
    answer,
    closed_port,
    drip,
    drop_after_body,
    drop_after_head,
    full_port,
    hang,
    http,
    public_trust,
    raw_server,
    reset_at_once,
    say_nothing,
    speak_first,
)

KEY = "key-that-nobody-may-see"
QUICK = Limits(connect_s=0.5, read_s=0.5, total_s=30.0, reply_bytes=1000)
PAID = Request(method="POST", path="/v1", body=[{"taskType": "videoInference"}])

UNCERTAIN: dict[str, Behaviour] = {
    "reset on accept": reset_at_once,
    "drop after the headers": drop_after_head,
    "drop after the body": drop_after_body,
    "partial reply": answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,"),
    "half a header": answer(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "garbage status line": answer(b"SMTP 220 hello\r\n\r\n"),
    "bad length": answer(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
    "bad gzip": answer(http(200, b"not gzip", "Content-Encoding: gzip")),
    "reply too large": answer(http(200, b"x" * 1001)),
    "hang": hang,
}

TLS_FAILURES: dict[str, Behaviour] = {
    "not TLS": speak_first,
    "silent TLS": say_nothing,
    "dropped TLS": reset_at_once,
}
NEVER_CONNECTED = ["refused", "unknown host", "no handshake", "label too long", *TLS_FAILURES]


def lane_to(base: str) -> Lane:
    """Return a lane whose only host is `base`."""
    return Lane(provider="runware", key=KEY, hosts={"api": base})


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Give a transport with little patience and no proxy."""
    async with Transport(limits=QUICK, tls=public_trust(), proxies={}) as opened:
        yield opened


@contextlib.asynccontextmanager
async def refusing(name: str) -> AsyncGenerator[str, None]:
    """Give a base URL to which no request can be sent."""
    async with contextlib.AsyncExitStack() as stack:
        match name:
            case "refused":
                yield f"http://127.0.0.1:{closed_port()}"
            case "unknown host":
                yield "https://no-such-host.invalid"
            case "no handshake":
                yield f"http://127.0.0.1:{stack.enter_context(full_port())}"
            case "not TLS" | "silent TLS" | "dropped TLS":
                server = await stack.enter_async_context(raw_server(TLS_FAILURES[name]))
                yield server.url.replace("http:", "https:")
            case "label too long":
                yield f"https://{'a' * 70}.example"


@pytest.mark.parametrize("name", NEVER_CONNECTED)
async def test_a_submit_that_never_connected_was_not_sent(name: str, transport: Transport) -> None:
    """No connection, no name and no TLS prove that a paid request was not sent."""
    async with refusing(name) as base:
        with pytest.raises(NotSent, match="runware: ") as caught:
            await transport.submit(lane_to(base), PAID)

    assert caught.value.__context__ is None


@pytest.mark.parametrize("behave", UNCERTAIN.values(), ids=UNCERTAIN)
async def test_a_submit_that_connected_is_in_doubt(behave: Behaviour, transport: Transport) -> None:
    """Once connected, nothing but a whole reply says whether a paid request was accepted."""
    async with raw_server(behave) as server:
        with pytest.raises(NoReply, match="runware: ") as caught:
            await transport.submit(lane_to(server.url), PAID)

    assert 1 == len(server.seen)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("behave", UNCERTAIN.values(), ids=UNCERTAIN)
async def test_any_failure_of_repeatable_traffic_is_a_transport_fault(
    behave: Behaviour, transport: Transport
) -> None:
    """Polls and uploads prove nothing when they fail, aiohttp's own exceptions included."""
    async with raw_server(behave) as server:
        with pytest.raises(TransportFault, match="runware: ") as caught:
            await transport.send(lane_to(server.url), PAID)

    assert type(caught.value) in {TransportFault, UnreadableReply}
    assert caught.value.__context__ is None


async def test_a_reply_that_never_ends_is_given_up() -> None:
    """A server that always sends a little more holds a job no longer than the limit."""
    limits = Limits(total_s=0.5)
    async with (
        raw_server(drip) as server,
        Transport(limits=limits, tls=public_trust(), proxies={}) as transport,
    ):
        with pytest.raises(NoReply, match="TimeoutError"):
            await transport.submit(lane_to(server.url), PAID)
        with pytest.raises(TransportFault, match="TimeoutError"):
            await transport.send(lane_to(server.url), PAID)


@pytest.mark.parametrize("name", NEVER_CONNECTED)
async def test_not_even_a_refused_poll_is_called_not_sent(name: str, transport: Transport) -> None:
    """Over the transport that scales, "could not connect" is no proof, so none is claimed."""
    async with refusing(name) as base:
        with pytest.raises(TransportFault) as caught:
            await transport.send(lane_to(base), PAID)

    assert type(caught.value) is TransportFault


async def test_a_file_that_is_gone_is_a_fault(tmp_path: Path) -> None:
    """An upload whose file is gone is told without the key."""
    upload = Request(method="POST", path="/f", part=Part(name="f", filename="a", content_type="b"))
    async with Transport(limits=QUICK, tls=public_trust(), proxies={}) as transport:
        with pytest.raises(TransportFault, match="FileNotFoundError") as caught:
            await transport.send(
                lane_to("http://127.0.0.1:9"), upload, content=tmp_path / f"gone-{KEY}"
            )

    assert KEY not in str(caught.value)


async def through(proxy: RawServer) -> None:
    """Submit to a host that is reached through a proxy."""
    proxies = {"https": proxy.url}
    async with Transport(limits=QUICK, tls=public_trust(), proxies=proxies) as transport:
        await transport.submit(lane_to("https://api.example.com"), PAID)


async def test_a_proxy_that_refuses_to_tunnel_proves_that_nothing_was_sent() -> None:
    """The request is written only after the tunnel stands."""
    async with raw_server(answer(http(407))) as proxy:
        with pytest.raises(NotSent, match="407"):
            await through(proxy)

    assert proxy.seen[0].head.startswith(b"CONNECT api.example.com:443 ")
    assert KEY.encode() not in proxy.seen[0].head


async def test_a_proxy_that_drops_the_tunnel_proves_nothing() -> None:
    """A proxy that ends the connection leaves a paid request in doubt: its word is no proof."""
    async with raw_server(drop_after_head) as proxy:
        with pytest.raises(NoReply):
            await through(proxy)


@pytest.mark.parametrize("proxy", ["nonsense://x", "localhost:3128", "socks9://h:1"])
async def test_a_proxy_that_cannot_be_used_is_said_before_anything_is_sent(proxy: str) -> None:
    """A proxy setting that makes no sense is proven not sent."""
    async with Transport(limits=QUICK, tls=public_trust(), proxies={"all": proxy}) as transport:
        with pytest.raises(NotSent):
            await transport.submit(lane_to("https://api.example.com"), PAID)


@pytest.mark.parametrize("no_proxy", ["*", "example.com", "foo, .example.com", "API.example.com"])
async def test_no_proxy_is_respected(no_proxy: str) -> None:
    """A host that `NO_PROXY` names, or whose domain it names, is reached directly."""
    async with raw_server(answer(http(407))) as proxy:
        proxies = {"https": proxy.url, "no": no_proxy}
        async with Transport(limits=QUICK, tls=public_trust(), proxies=proxies) as transport:
            with pytest.raises(TransportFault):
                await transport.send(lane_to("https://api.example.com.invalid"), PAID)
            with pytest.raises(TransportFault):
                await transport.submit(lane_to("https://api.example.com"), PAID)

    heads = [seen.head for seen in proxy.seen]
    assert [] == [head for head in heads if b"CONNECT api.example.com:" in head]
