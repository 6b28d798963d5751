"""References at a provider: uploaded once per content and account, and only while they live."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from pipeline.domain import Media
from pipeline.domain.states import FaultKind
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Fault, Request, Response, Uploaded
from pipeline.run.uploads import Uploader
from pipeline.storage.blobs import Store
from tests.clocks import JumpingClock
from tests.unit.run.rawserver import (
    Behaviour,
    Exchange,
    RawServer,
    drop_after_body,
    http,
    public_trust,
    raw_server,
)
from tests.unit.run.shop import Provider

Known = dict[tuple[str, str, str], tuple[str, float | None]]


class UploadCache:
    """A ledger's memory of uploads, as a dictionary."""

    def __init__(self) -> None:
        self.known: Known = {}

    async def find_upload(
        self, digest: str, provider: str, account: str
    ) -> tuple[str, float | None] | None:
        """Return what was recorded."""
        return self.known.get((digest, provider, account))

    async def record_upload(
        self, digest: str, provider: str, account: str, *, uri: str, expires_at: float | None
    ) -> None:
        """Record it."""
        self.known[digest, provider, account] = (uri, expires_at)


class TwoSteps(Provider):
    """A provider whose upload asks for a place first, then puts the bytes there."""

    def __init__(self, lifetime_s: float | None = None) -> None:
        super().__init__()
        self.lifetime_s = lifetime_s

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Yield the two requests."""
        body = {"files": [{"filename": "ref", "size": media.bytes}]}
        reply = yield Request(method="POST", path="/files", body=body)
        if reply.status == 429:
            return Fault(kind=FaultKind.THROTTLED, message="busy", retry_after_s=60)
        if reply.status != 200:
            return Fault(kind=FaultKind.REJECTED, message="no such image")
        place = json.loads(reply.body)
        reply = yield Request(method="PUT", path=place["upload_url"], host="", content=True)
        if reply.status != 200:
            return Fault(kind=FaultKind.UNAVAILABLE, message=f"put: {reply.status}")
        return Uploaded(uri=place["uri"], lifetime_s=self.lifetime_s)


class Bench:
    """A staging with everything it works with."""

    def __init__(self, folder: Path, transport: Transport) -> None:
        self.folder = folder
        self.clock = JumpingClock()
        self.shelf = UploadCache()
        self.store = Store(folder / "outputs")
        self.staging = Uploader(
            transport=transport,
            store=self.store,
            cache=self.shelf,
            clock=self.clock,
            chance=Half(),
            retries=2,
        )

    def image(self, name: str = "front") -> Media:
        """Return a local image whose bytes are its name."""
        path = self.folder / f"{name}.png"
        path.write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        return Media(
            media_type="image", source=str(path), local=True, digest=digest, format="png", bytes=5
        )

    def spoil(self, media: Media, change: str) -> None:
        """Edit a planned file, or remove it."""
        if change == "edited":
            Path(media.source).write_bytes(b"edited")
        else:
            Path(media.source).unlink()


class Half:
    """Chance that always gives the middle."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return the middle."""
        return (a + b) / 2


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a fresh staging."""
    async with Transport(proxies={}, tls=public_trust()) as transport:
        yield Bench(tmp_path, transport)


def lane_to(server: RawServer, key: str = "key-1") -> Lane:
    """Return a lane to the server."""
    return Lane(provider="inference", key=key, hosts={"api": server.url})


def files(*first: bytes) -> Behaviour:
    """Serve uploads; the first replies are these, whatever is asked."""
    replies = list(first)
    made: list[str] = []

    async def behave(exchange: Exchange) -> None:
        await exchange.read_all()
        if replies:
            await exchange.reply(replies.pop(0))
        elif exchange.target == "/files":
            made.append("file")
            base = f"http://{exchange.header('host')}"
            place = {"uri": f"inf://{len(made)}", "upload_url": f"{base}/put/{len(made)}"}
            await exchange.reply(http(200, json.dumps(place).encode()))
        else:
            await exchange.reply(http(200))

    return behave


def calls(server: RawServer) -> list[str]:
    """Return method and path of each request."""
    return [" ".join(seen.head.decode().split(" ")[:2]) for seen in server.seen]


async def test_a_local_file_is_uploaded_and_a_url_stands_for_itself(bench: Bench) -> None:
    """Each placeholder gets the string that the provider's requests use."""
    image = bench.image()
    link = Media(media_type="image", source="https://x.example/a.png", local=False, digest="d" * 64)

    async with raw_server(files()) as server:
        places = await bench.staging.stage(lane_to(server), TwoSteps(), [image, link, image])

    assert {
        f"asset:{image.digest}": "inf://1",
        f"asset:{'d' * 64}": "https://x.example/a.png",
    } == places
    assert ["POST /files", "PUT /put/1"] == calls(server)
    ask, put = server.seen
    assert (b"front", "image/png", "") == (
        put.body,
        put.header("content-type"),
        put.header("authorization"),
    )
    assert "Bearer key-1" == ask.header("authorization")
    assert b"front" == bench.store.asset(image.digest).read_bytes()


async def test_a_file_that_several_accounts_want_at_once_is_kept_once(bench: Bench) -> None:
    """Two lanes with one product image do not write over each other, and each uploads it."""
    content = b"front" * 2_000_000
    path = bench.folder / "front.png"
    path.write_bytes(content)
    image = Media(
        media_type="image",
        source=str(path),
        local=True,
        digest=hashlib.sha256(content).hexdigest(),
        format="png",
        bytes=len(content),
    )

    async with raw_server(files()) as server:
        lanes = [lane_to(server, f"key-{number}") for number in range(4)]
        found = await asyncio.gather(
            *(bench.staging.stage(lane, TwoSteps(), [image]) for lane in lanes)
        )

    assert [dict] * 4 == [type(places) for places in found]
    assert [content] * 4 == [seen.body for seen in server.seen if seen.head.startswith(b"PUT")]
    assert content == bench.store.asset(image.digest).read_bytes()


async def test_a_content_is_uploaded_once_however_many_want_it_at_once(bench: Bench) -> None:
    """Three hundred items with one product image make one upload."""
    image = bench.image()

    async with raw_server(files()) as server:
        lane = lane_to(server)
        found = await asyncio.gather(
            *(bench.staging.stage(lane, TwoSteps(), [image]) for _ in range(300))
        )

    assert [{f"asset:{image.digest}": "inf://1"}] * 300 == found
    assert ["POST /files", "PUT /put/1"] == calls(server)


async def test_each_account_has_its_own_uploads(bench: Bench) -> None:
    """What one key uploaded, another may not see; the ledger learns no key."""
    image = bench.image()

    async with raw_server(files()) as server:
        await bench.staging.stage(lane_to(server), TwoSteps(), [image])
        await bench.staging.stage(lane_to(server, "key-2"), TwoSteps(), [image])

    assert 2 == calls(server).count("POST /files")
    assert "key-" not in str(bench.shelf.known)


@pytest.mark.parametrize(
    ("stated", "offered", "later_s", "uploads"),
    [
        (1000.0, None, 499.0, 1),
        (1000.0, None, 501.0, 2),
        (1000.0, 9000.0, 501.0, 2),
        (None, 9000.0, 4499.0, 1),
        (None, 9000.0, 4501.0, 2),
        (None, None, 1799.0, 1),
        (None, None, 1801.0, 2),
    ],
)
async def test_an_upload_is_used_for_half_its_life(
    bench: Bench, stated: float | None, offered: float | None, *, later_s: float, uploads: int
) -> None:
    """Stated in the reply, else in the offer, else an hour: past its half it is made anew."""
    image = bench.image()

    async with raw_server(files()) as server:
        lane, provider = lane_to(server), TwoSteps(stated)
        await bench.staging.stage(lane, provider, [image], lifetime_s=offered)
        bench.clock.advance(later_s)
        await bench.staging.stage(lane, provider, [image], lifetime_s=offered)

    assert uploads == calls(server).count("POST /files")


async def test_an_upload_begins_again_after_a_passing_fault(bench: Bench) -> None:
    """A busy provider is waited for as it asks, and a failed second step begins with the first."""
    image = bench.image()
    place = b'{"uri": "inf://lost", "upload_url": "http://127.0.0.1:1/"}'

    async with raw_server(files(http(429), http(200, place))) as server:
        places = await bench.staging.stage(lane_to(server), TwoSteps(), [image])

    assert {f"asset:{image.digest}": "inf://1"} == places
    assert 3 == calls(server).count("POST /files")
    # 60 s as the provider asked, then the middle of 0 and 2 s.
    assert 61.0 == bench.clock.monotonic()


async def test_an_upload_that_never_gets_through_is_a_fault(bench: Bench) -> None:
    """After the free repeats the item learns why, and the next item tries again."""
    image = bench.image()

    async with raw_server(drop_after_body) as server:
        lane = lane_to(server)
        first = await bench.staging.stage(lane, TwoSteps(), [image])
        tried = len(server.seen)
        await bench.staging.stage(lane, TwoSteps(), [image])

    assert isinstance(first, Fault)
    assert FaultKind.UNAVAILABLE == first.kind
    assert (3, 6) == (tried, len(server.seen))


async def test_a_refused_medium_is_not_sent_again(bench: Bench) -> None:
    """A refusal holds for every item that wants the same content, in this run."""
    image, other = bench.image(), bench.image("side")

    async with raw_server(files(http(400))) as server:
        lane = lane_to(server)
        first = await bench.staging.stage(lane, TwoSteps(), [image])
        second = await bench.staging.stage(lane, TwoSteps(), [other, image])

    assert isinstance(first, Fault)
    assert FaultKind.REJECTED == first.kind
    assert first == second
    assert ["POST /files", "POST /files", "PUT /put/1"] == calls(server)


async def test_an_upload_link_may_not_lead_into_a_private_network(bench: Bench) -> None:
    """A provider's reply cannot make us send a reference to an address of our own network."""
    place = b'{"uri": "inf://1", "upload_url": "https://10.0.0.1/put"}'

    async with raw_server(files(http(200, place))) as server:
        fault = await bench.staging.stage(lane_to(server), TwoSteps(), [bench.image()])

    assert isinstance(fault, Fault)
    assert (FaultKind.REJECTED, "forbidden-link") == (fault.kind, fault.code)


@pytest.mark.parametrize(("change", "told"), [("edited", "changed after"), ("gone", "cannot be")])
async def test_a_file_that_is_not_as_planned_is_not_uploaded(
    change: str, told: str, bench: Bench
) -> None:
    """What was checked and priced is what is sent, or nothing."""
    image = bench.image()
    bench.spoil(image, change)

    async with raw_server(files()) as server:
        fault = await bench.staging.stage(lane_to(server), TwoSteps(), [image])

    assert isinstance(fault, Fault)
    assert FaultKind.REJECTED == fault.kind
    assert told in fault.message
    assert [] == server.seen
