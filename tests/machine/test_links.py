"""Links from a provider's reply lead to public hosts over https, and replies have an end."""

from __future__ import annotations

import gzip
import ipaddress
import traceback

import pytest

from pipeline.errors import Forbidden, TransportFault
from pipeline.net.client import Lane, Limits, Transport
from pipeline.net.public_addresses import is_public
from pipeline.providers.base import Request
from tests.unit.run.rawserver import (
    Exchange,
    answer,
    closed_port,
    http,
    public_trust,
    raw_server,
)

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - nothing is bound here
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::10.0.0.1",
    "::ffff:192.168.1.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
    "2001:0:a00:1::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
POLL = Request(method="GET", path="/status")


def _lane(base: str) -> Lane:
    return Lane(provider="runware", key="a-key-for-links", hosts={"api": base})


def _link(url: str) -> Request:
    return Request(method="GET", path=url, host="")


async def _fetched(transport: Transport, lane: Lane, url: str) -> bytes:
    async with transport.download(lane, _link(url)) as download:
        return b"".join([chunk async for chunk in download.chunks()])


@pytest.mark.parametrize("text", PRIVATE)
def test_an_address_that_is_not_public_is_private(text: str) -> None:
    """Whatever it is wrapped in, and by whichever document it was set aside."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.4.4", "2606:4700::1111", "64:ff9b::101:101"])
def test_an_address_of_the_internet_is_public(text: str) -> None:
    """An IPv4 host that an IPv6-only network reaches through NAT64 included."""
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("location", "why"),
    [
        *((f"https://{f'[{text}]' if ':' in text else text}/c.mp4", "private") for text in PRIVATE),
        ("http://cdn.example/c.mp4", "not https"),
        ("ftp://cdn.example/c.mp4", "not https"),
        ("//10.0.0.1/c.mp4", "not https|private"),
        ("https://user:word@cdn.example/c.mp4", "names a user"),
        ("https://2130706433/c.mp4", "private"),
        ("https://0x7f000001/c.mp4", "private"),
        ("https://127.1./c.mp4", "private"),
    ],
)
async def test_no_redirect_leads_into_a_private_network(location: str, why: str) -> None:
    """A result host that redirects there is not followed; loopback is for rehearsals alone."""
    if location.startswith(("https://127.", "https://[::1]", "https://2130", "https://0x7f")):
        # In a rehearsal these are the sandbox: a lane that is elsewhere may not go there.
        with pytest.raises(Forbidden, match="private"):
            async with Transport(proxies={}, tls=public_trust()) as transport:
                await _fetched(transport, _lane("https://api.example.com"), location)
        return
    async with (
        raw_server(answer(http(302, b"", f"Location: {location}"))) as server,
        Transport(proxies={}, tls=public_trust()) as transport,
    ):
        with pytest.raises(Forbidden, match=why) as refused:
            await _fetched(transport, _lane(server.url), f"{server.url}/c.mp4")
    assert "a link of runware is not followed: " in str(refused.value)


@pytest.mark.parametrize("name", ["localhost", "localhost.", "LOCALHOST", "a.localhost"])
async def test_a_name_of_this_machine_is_this_machine(name: str) -> None:
    """A real provider's link may not lead here under any of its names."""
    elsewhere = _lane("https://api.example.com")
    async with (
        raw_server(answer(http(200, b"secret"))) as server,
        Transport(proxies={}, tls=public_trust()) as transport,
    ):
        with pytest.raises(Forbidden, match="private address"):
            await _fetched(transport, elsewhere, f"https://{name}:{server.port}/c.mp4")

    assert [] == server.seen


async def test_a_clip_that_says_it_is_too_large_is_not_begun() -> None:
    """Its stated length is enough: not a byte is read."""

    async def huge(exchange: Exchange) -> None:
        await exchange.read_head()
        await exchange.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000000\r\n\r\n")
        await exchange.reader.read()

    async with raw_server(huge) as server, Transport(proxies={}, tls=public_trust()) as transport:
        with pytest.raises(Forbidden, match="size"):
            await _fetched(transport, _lane(server.url), f"{server.url}/c.mp4")


async def test_a_reply_that_unpacks_to_too_much_is_given_up() -> None:
    """A small reply that is 50 MB once unpacked ends at the limit, as a fault and not a crash."""
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    async with (
        raw_server(answer(http(200, bomb, "Content-Encoding: gzip"))) as server,
        Transport(limits=Limits(), proxies={}, tls=public_trust()) as transport,
    ):
        with pytest.raises(TransportFault, match="the reply is too large: more than 5000000"):
            await transport.send(_lane(server.url), POLL)


@pytest.mark.parametrize("form", ["{}", '"{}"', "Bearer {}", "https://x.example/?key={}"])
async def test_a_reply_that_quotes_the_key_is_read_without_it(form: str) -> None:
    """What a provider says of a key it refuses is kept; the key itself is not."""
    key = "sk+of/links-7f3a"
    for told in (key, "sk%2Bof%2Flinks-7f3a", "sk+of\\/links-7f3a"):
        body = form.format(told).encode()
        async with raw_server(answer(http(401, body, f"X-Key: {told}"))) as server:
            lane = Lane(provider="runware", key=key, hosts={"api": server.url})
            async with Transport(proxies={}, tls=public_trust()) as transport:
                for reply in (
                    await transport.submit(lane, Request(method="POST", path="/", body=[])),
                    await transport.send(lane, POLL),
                ):
                    assert form.format("[key]").encode() == reply.body
                    assert "[key]" == reply.headers["x-key"]


async def test_a_fault_shows_no_key_even_with_its_traceback() -> None:
    """Nothing that led to the fault is attached to it: a traceback prints what it holds."""
    lane = _lane(f"http://127.0.0.1:{closed_port()}")
    async with Transport(proxies={}, tls=public_trust()) as transport:
        with pytest.raises(TransportFault) as caught:
            await transport.send(lane, POLL, headers={"x-extra": f"bad\r\n{lane.key}"})

    assert lane.key not in "".join(traceback.format_exception(caught.value))
