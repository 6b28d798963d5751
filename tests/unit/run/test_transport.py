"""What goes over the wire: who is signed for, which bytes, and where a link may lead."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import respx

from pipeline.errors import Forbidden, NotSent, TransportFault
from pipeline.net.client import Lane, Limits, Transport
from pipeline.net.connections import ExactTransport
from pipeline.net.encoding import encode_body, fill_placeholders
from pipeline.providers.base import Part, Request
from tests.unit.run.rawserver import (
    Exchange,
    answer,
    http,
    public_trust,
    raw_server,
)

KEY = "key-that-nobody-may-see"
POLL = Request(method="POST", path="/v1", body=[{"taskType": "getResponse"}])


def lane_to(base: str = "https://api.example.com") -> Lane:
    """Return a lane whose only host is `base`."""
    return Lane(provider="runware", key=KEY, hosts={"api": base})


def link(url: str) -> Request:
    """Return a request for a result, as a provider's reply would name it."""
    return Request(method="GET", path=url, host="")


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Give a transport without a proxy."""
    async with Transport(proxies={}, tls=public_trust()) as opened:
        yield opened


async def taken(transport: Transport, lane: Lane, request: Request, offset: int = 0) -> bytes:
    """Return a whole download."""
    async with transport.download(lane, request, offset=offset) as download:
        return b"".join([chunk async for chunk in download.chunks()])


@respx.mock
async def test_a_submit_is_signed_for_its_own_host(transport: Transport) -> None:
    """A request that names a host of the lane carries the key, its body and its headers."""
    route = respx.post("https://api.example.com/v1").respond(
        200, json={"data": []}, headers={"X-Request-Id": "7"}
    )

    request = Request(method="POST", path="/v1", body=[{"b": 1, "a": 2}], headers={"X-A": "1"})
    response = await transport.submit(lane_to(), request, headers={"X-B": "2"})

    sent = route.calls.last.request
    assert f"Bearer {KEY}" == sent.headers["authorization"]
    assert ("1", "2") == (sent.headers["x-a"], sent.headers["x-b"])
    assert "application/json" == sent.headers["content-type"]
    assert b'[{"a":2,"b":1}]' == sent.content
    assert (200, "7", b'{"data":[]}') == (
        response.status,
        response.headers["x-request-id"],
        response.body.replace(b" ", b""),
    )


@respx.mock
@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 429, 503])
async def test_a_submit_follows_no_redirect_and_returns_every_status(
    status: int, transport: Transport
) -> None:
    """A paid POST is made once; what its status means is the provider's to read."""
    respx.post("https://api.example.com/v1").respond(
        status, headers={"Location": "https://elsewhere.example/"}
    )

    response = await transport.submit(lane_to(), POLL)

    assert status == response.status
    assert 1 == len(respx.calls)


@respx.mock
async def test_a_request_without_host_is_never_signed(transport: Transport) -> None:
    """A link goes unsigned, even one that leads to the provider's own host."""
    route = respx.get("https://api.example.com/clip.mp4").respond(200)

    await transport.submit(lane_to(), link("https://api.example.com/clip.mp4"))

    assert "authorization" not in route.calls.last.request.headers


@pytest.mark.parametrize(
    "path",
    ["@elsewhere.example/v1", ".elsewhere.example/v1", ":8443/v1", "user@api.example.com"],
)
async def test_a_path_cannot_lead_to_another_host(path: str, transport: Transport) -> None:
    """A path that changes the origin is refused before anything is sent, signed or not."""
    request = Request(method="POST", path=path, body=[])

    with pytest.raises(NotSent):
        await transport.submit(lane_to(), request)
    with pytest.raises(Forbidden):
        await transport.send(lane_to(), request)


async def test_a_host_that_the_lane_does_not_have_is_refused(transport: Transport) -> None:
    """A request that names an unknown host is not sent anywhere."""
    request = Request(method="POST", path="/", host="upload", body=[])

    with pytest.raises(NotSent, match="no host called 'upload'"):
        await transport.submit(lane_to(), request)


async def test_every_submit_has_a_connection_of_its_own(transport: Transport) -> None:
    """No stale connection can make a paid request's fate unclear."""
    async with raw_server(answer(http(200, b"[]"))) as server:
        await transport.submit(lane_to(server.url), POLL)
        await transport.submit(lane_to(server.url), POLL)

    assert 2 == len(server.seen)
    assert ["close", "close"] == [seen.header("connection") for seen in server.seen]
    assert [f"Bearer {KEY}"] * 2 == [seen.header("authorization") for seen in server.seen]


async def test_polls_share_a_connection(transport: Transport) -> None:
    """What may be repeated keeps its connection, and is signed."""

    async def twice(exchange: Exchange) -> None:
        for _ in range(2):
            await exchange.read_all()
            await exchange.reply(http(200, b"[]", "Set-Cookie: session=1", "X-Up: y"))

    async with raw_server(twice) as server:
        first = await transport.send(lane_to(server.url), POLL)
        await transport.send(lane_to(server.url), POLL)

    assert 1 == len(server.seen)
    assert (200, b"[]", "y") == (first.status, first.body, first.headers["x-up"])
    assert f"Bearer {KEY}" == server.seen[0].header("authorization")
    assert "" == server.seen[0].header("cookie")


async def test_an_exception_holds_no_key(transport: Transport) -> None:
    """Whatever text a fault repeats, the key is taken out of it."""
    upload = Request(method="PUT", path="/files", content=True)
    with pytest.raises(TransportFault) as caught:
        await transport.send(lane_to(), upload, content=Path(f"/gone/{KEY}"))

    assert "[key]" in str(caught.value)
    assert KEY not in repr(caught.value)
    assert KEY not in repr(lane_to())


async def test_a_form_carries_the_file_and_its_fields(transport: Transport, tmp_path: Path) -> None:
    """A part is sent as multipart, with the name and type that the provider chose."""
    (tmp_path / "a.png").write_bytes(b"pixels")
    upload = Request(
        method="POST",
        path="/files",
        part=Part(name="file", filename="front.png", content_type="image/png"),
        fields={"uploadPath": "refs"},
    )

    async with raw_server(answer(http(200, b"{}"))) as server:
        await transport.send(lane_to(server.url), upload, content=tmp_path / "a.png")

    body = server.seen[0].body
    assert server.seen[0].header("content-type").startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="front.png"\r\nContent-Type: image/png\r\n\r\npixels' in body
    assert b'name="uploadPath"\r\n\r\nrefs' in body


async def test_a_raw_upload_streams_the_file_to_a_link_unsigned(
    transport: Transport, tmp_path: Path
) -> None:
    """Bytes go as they are, with their length, and an upload link gets no key."""
    data = bytes(range(256)) * 3000
    (tmp_path / "a.mp4").write_bytes(data)

    async with raw_server(answer(http(200))) as server:
        request = Request(method="PUT", path=f"{server.url}/put?X-Sig=a%2Fb", host="", content=True)
        await transport.send(
            lane_to(server.url), request, content=tmp_path / "a.mp4", content_type="video/mp4"
        )

    seen = server.seen[0]
    assert data == seen.body
    assert ("PUT", "video/mp4") == (seen.head[:3].decode(), seen.header("content-type"))
    assert "" == seen.header("authorization")
    assert "" == seen.header("transfer-encoding")


async def test_an_upload_may_be_inside_the_json(transport: Transport, tmp_path: Path) -> None:
    """`asset:<digest>` in a body becomes a data URI of the file's bytes."""
    digest = hashlib.sha256(b"pixels").hexdigest()
    (tmp_path / digest).write_bytes(b"pixels")
    upload = Request(
        method="POST", path="/v1", body=[{"taskType": "mediaStorage", "media": f"asset:{digest}"}]
    )

    async with raw_server(answer(http(200))) as server:
        await transport.send(
            lane_to(server.url), upload, content=tmp_path / digest, content_type="image/png"
        )

    expected = f"data:image/png;base64,{base64.b64encode(b'pixels').decode()}"
    assert expected == json.loads(server.seen[0].body)[0]["media"]


async def test_a_file_that_is_not_the_named_medium_is_not_uploaded(
    transport: Transport, tmp_path: Path
) -> None:
    """Bytes that do not have the placeholder's digest never leave."""
    (tmp_path / "a").write_bytes(b"other pixels")
    upload = Request(method="POST", path="/v1", body={"media": f"asset:{'0' * 64}"})

    async with raw_server(answer(http(200))) as server:
        with pytest.raises(Forbidden, match="not the medium"):
            await transport.send(lane_to(server.url), upload, content=tmp_path / "a")

    assert [] == server.seen


@pytest.mark.parametrize(
    "target", ["/a%2Fb.mp4?sig=%2B%2f%7E&e=1", "/x?Credential=AK%2F20&p=a%3Ab", "/%e4%bd%a0?q=[1]"]
)
async def test_a_signed_link_goes_out_exactly_as_it_came(target: str, transport: Transport) -> None:
    """A link's own signature covers its escapes: they are not rewritten."""
    async with raw_server(answer(http(200, b"clip"))) as server:
        assert b"clip" == await taken(transport, lane_to(server.url), link(server.url + target))

    assert target == server.seen[0].target
    assert "" == server.seen[0].header("authorization")
    assert "identity" == server.seen[0].header("accept-encoding")


async def test_a_download_can_begin_in_the_middle(transport: Transport) -> None:
    """Range and If-Range ask for the rest of the same thing."""
    async with raw_server(answer(http(206, b"rest"))) as server:
        lane = lane_to(server.url)
        async with transport.download(
            lane, link(server.url), offset=100, if_range='"v1"'
        ) as download:
            assert (206, [b"rest"]) == (download.status, [c async for c in download.chunks()])

    assert ("bytes=100-", '"v1"') == (
        server.seen[0].header("range"),
        server.seen[0].header("if-range"),
    )


async def test_an_output_that_needs_the_key_is_signed_until_it_redirects(
    transport: Transport,
) -> None:
    """A result on the API's own host is signed; the host it redirects to is told nothing."""
    async with (
        raw_server(answer(http(200, b"clip"))) as cdn,
        raw_server(answer(http(302, b"", f"Location: {cdn.url}/c"))) as api,
    ):
        lane = lane_to(api.url)
        assert b"clip" == await taken(transport, lane, Request(method="GET", path="/c"))

    assert f"Bearer {KEY}" == api.seen[0].header("authorization")
    assert "" == cdn.seen[0].header("authorization")


async def test_redirects_end(transport: Transport) -> None:
    """Five redirects are followed, not six."""

    async def redirect(exchange: Exchange) -> None:
        await exchange.read_all()
        left = int(exchange.target[1:])
        await exchange.reply(http(302, b"", f"Location: /{left - 1}") if left else http(200, b"ok"))

    async with raw_server(redirect) as server:
        lane = lane_to(server.url)
        assert b"ok" == await taken(transport, lane, link(f"{server.url}/5"))
        with pytest.raises(Forbidden, match="more than 5 redirects"):
            await taken(transport, lane, link(f"{server.url}/6"))


async def test_a_result_beyond_the_size_limit_is_not_fetched() -> None:
    """The limit counts what was had before, and the bytes, not the promise."""
    limits = Limits(clip_bytes=10)
    async with raw_server(answer(http(200, b"x" * 11))) as server:
        lane = lane_to(server.url)
        async with Transport(limits=limits, proxies={}, tls=public_trust()) as transport:
            with pytest.raises(Forbidden, match="size"):
                await taken(transport, lane, link(server.url))
    async with raw_server(answer(http(206, b"x" * 5))) as server:
        lane = lane_to(server.url)
        async with Transport(limits=limits, proxies={}, tls=public_trust()) as transport:
            assert b"x" * 5 == await taken(transport, lane, link(server.url), offset=5)
            with pytest.raises(Forbidden, match="size"):
                await taken(transport, lane, link(server.url), offset=6)


async def test_a_download_that_breaks_off_is_a_fault(transport: Transport) -> None:
    """A result that is shorter than it said is never taken for whole."""
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1234"
    async with raw_server(answer(short)) as server:
        with pytest.raises(TransportFault):
            await taken(transport, lane_to(server.url), link(server.url))


async def test_what_the_reader_raises_is_not_taken_for_a_network_fault(
    transport: Transport,
) -> None:
    """A full disk while downloading stays a full disk."""
    async with raw_server(answer(http(200, b"clip"))) as server:
        with pytest.raises(OSError, match="disk"):
            async with transport.download(lane_to(server.url), link(server.url)):
                raise OSError("disk")


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/c.mp4",
        "ftp://cdn.example/c.mp4",
        "file:///etc/passwd",
        "https://10.0.0.1/c",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/c",
        "https://[::ffff:10.0.0.1]/c",
        "https://[64:ff9b::a00:1]/c",
        "https://[fe80::1]/c",
        "https://2130706433/c",
        "https://127.1/c",
        "https://0x7f.1/c",
        "https://localhost/c",
        "https://user@cdn.example/c",
        "https:///c",
        "",
    ],
)
async def test_a_link_to_a_private_address_or_without_tls_is_not_followed(
    url: str, transport: Transport
) -> None:
    """Links from replies lead to public hosts over https, or nowhere; uploads as well."""
    with pytest.raises(Forbidden):
        await taken(transport, lane_to(), link(url))
    with pytest.raises(Forbidden):
        await transport.send(lane_to(), Request(method="PUT", path=url, host=""))


@pytest.mark.parametrize("loopback", [False, True])
async def test_a_name_is_judged_by_the_addresses_it_resolves_to(*, loopback: bool) -> None:
    """Where the connection takes its address from, private ones are refused."""
    async with raw_server(answer(http(200))) as server:
        url = f"http://localhost:{server.port}/"
        guarded = ExactTransport(tls=public_trust(), proxy="", guard=loopback, connections=1)
        async with guarded:
            with contextlib.nullcontext() if loopback else pytest.raises(Forbidden):
                await (await guarded.handle_async_request(httpx.Request("GET", url))).aclose()

    assert loopback == bool(server.seen)


@pytest.mark.parametrize("named", [True, False])
async def test_a_redirect_to_a_private_address_is_not_followed(
    *, named: bool, transport: Transport
) -> None:
    """After a redirect the same rules hold, from our own provider and in a rehearsal too."""
    async with raw_server(answer(http(302, b"", "Location: https://10.0.0.1/"))) as server:
        request = Request(method="GET", path="/c") if named else link(server.url)
        with pytest.raises(Forbidden, match="private address"):
            await taken(transport, lane_to(server.url), request)


async def test_only_a_rehearsal_fetches_from_this_machine(transport: Transport) -> None:
    """A lane with a host elsewhere may not be led to loopback."""
    async with raw_server(answer(http(200, b"clip"))) as server:
        mixed = Lane(
            provider="x", key=KEY, hosts={"api": server.url, "upload": "https://up.example.com"}
        )
        assert b"clip" == await taken(transport, lane_to(server.url), link(server.url))
        with pytest.raises(Forbidden):
            await taken(transport, mixed, link(server.url))


async def test_bytes_are_a_function_of_the_body() -> None:
    """The order in which a body was made does not show in the bytes that are sent."""
    assert encode_body({"b": (1, 2), "a": "ü"}) == encode_body({"a": "ü", "b": [1, 2]})


async def test_placeholders_are_filled_where_they_stand_alone() -> None:
    """Placeholders become values in path, headers and body; text around one is left alone."""
    request = Request(
        method="POST",
        path="/tasks/client:id",
        headers={"Idempotency-Key": "client:id"},
        body=[{"taskUUID": "client:id", "prompt": "say client:id", "refs": ("asset:1", "asset:2")}],
    )

    done = fill_placeholders(request, {"client:id": "u-1", "asset:1": "https://x/1"})

    assert "/tasks/u-1" == done.path
    assert {"Idempotency-Key": "u-1"} == done.headers
    assert [
        {"taskUUID": "u-1", "prompt": "say client:id", "refs": ["https://x/1", "asset:2"]}
    ] == done.body
