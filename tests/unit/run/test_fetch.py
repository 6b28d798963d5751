"""From a link to a verified clip in the store, through every way a download can go wrong."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain import Media, Spec
from pipeline.domain.states import FaultKind
from pipeline.errors import LeaseLost, MediaFault, Unusable, WorkerLost
from pipeline.file_content import clip_extension, file_sha256
from pipeline.net.client import Lane, Limits, Transport
from pipeline.providers.base import Done, Fault, Request
from pipeline.run.fetch import ExpectedClip, Fetched, fetch, forget_download, judge
from pipeline.storage.blobs import Store
from tests.clocks import JumpingClock
from tests.unit.run.rawserver import (
    Behaviour,
    Exchange,
    RawServer,
    answer,
    closed_port,
    drip,
    http,
    public_trust,
    raw_server,
    reset_at_once,
)
from tests.unit.run.shop import ProbedClips

CLIP = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 40
SHA = hashlib.sha256(CLIP).hexdigest()
SPEC = Spec(seconds=5.0, ratio=9 / 16, short_side=720)
MEDIA = Media(
    media_type="video",
    source="",
    local=True,
    digest="",
    format="mp4",
    width=720,
    height=1280,
    seconds=5.0,
    fps=24.0,
)
ETAG = 'ETag: "v1"'


def probe(path: Path) -> Media:
    """Say that a clip plays if its bytes are whole."""
    if path.read_bytes() != CLIP:
        raise MediaFault("damaged", "the clip does not play")
    return replace(MEDIA, source=str(path), digest=SHA, bytes=len(CLIP))


class Kit:
    """What a fetch needs, and what it reported."""

    def __init__(self, root: Path, transport: Transport) -> None:
        self.store = Store(root)
        self.transport = transport
        self.checkpoints: list[str] = []
        self.checkpoint: Callable[[str], None] = self.checkpoints.append
        self.clock = JumpingClock()
        self.probe: Callable[[Path], Media] = probe
        self.sure = 1000

    async def fetch(self, url: str, spec: Spec = SPEC, *, until: float = 1800.0) -> Fetched | Fault:
        """Fetch what a link leads to."""
        return await fetch(
            self.transport,
            Lane(provider="runware", key="k-1", hosts={"api": "http://127.0.0.1:1"}),
            Done(output=Request(method="GET", path=url, host="")),
            store=self.store,
            expected=ExpectedClip(name="task-1", spec=spec, until=until),
            clips=ProbedClips(self.probe),
            turn=nullcontext(),
            clock=self.clock,
            until_sure=self.until_sure,
            checkpoint=self.checkpoint,
        )

    async def until_sure(self) -> None:
        """Say that nobody else has the task, so often as is told."""
        self.sure -= 1
        if self.sure < 0:
            raise LeaseLost("another process went on")

    @property
    def part(self) -> bytes:
        """Return the unfinished bytes."""
        path = self.store.part("task-1")
        return path.read_bytes() if path.exists() else b""


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    """Give a fresh store and a transport without a proxy."""
    async with Transport(proxies={}, tls=public_trust()) as transport:
        yield Kit(tmp_path, transport)


def cdn(*, etag: str = ETAG, cut: int = 0, cuts: int = 1) -> Behaviour:
    """Serve the clip with ranges; the first `cuts` replies end after `cut` bytes."""
    left = [cuts if cut else 0]

    async def behave(exchange: Exchange) -> None:
        await exchange.read_head()
        asked = exchange.header("range")
        same = exchange.header("if-range") == etag.partition(": ")[2]
        start = int(asked[6:-1]) if asked and same else 0
        rest = CLIP[start:]
        extra = [etag] if etag else []
        if start:
            extra.append(f"Content-Range: bytes {start}-{len(CLIP) - 1}/{len(CLIP)}")
        reply = http(206 if start else 200, rest, *extra)
        if left[0]:
            left[0] -= 1
            reply = reply[: len(reply) - len(rest) + cut]
        await exchange.reply(reply)

    return behave


def cut_silently(part: bytes) -> bytes:
    """Return a reply without a length: its end is where the connection closes."""
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + part


def ranges(server: RawServer) -> list[str]:
    """Return the range of each request."""
    return [seen.header("range") for seen in server.seen]


async def test_a_clip_is_fetched_verified_and_kept(kit: Kit) -> None:
    """A whole clip in spec ends in the store under its digest, with its measures."""
    async with raw_server(cdn()) as server:
        fetched = await kit.fetch(f"{server.url}/clip.webm")

    assert isinstance(fetched, Fetched)
    assert (SHA, "mp4", len(CLIP), "") == (
        fetched.sha256,
        fetched.ext,
        fetched.bytes,
        fetched.off_spec,
    )
    assert fetched.media is not None
    assert 720 == fetched.media.width
    assert CLIP == kit.store.path(SHA, "mp4").read_bytes()
    assert ["downloading", "downloaded", "renaming", "renamed"] == kit.checkpoints
    assert b"" == kit.part


async def test_a_download_that_breaks_off_goes_on_where_it_was(kit: Kit) -> None:
    """What was had is not asked for again, and the hash is of the whole."""
    async with raw_server(cdn(cut=3000)) as server:
        fetched = await kit.fetch(server.url)

    assert ["", "bytes=3000-"] == ranges(server)
    assert isinstance(fetched, Fetched)
    assert SHA == fetched.sha256


async def test_a_download_goes_on_after_a_crash(kit: Kit, tmp_path: Path) -> None:
    """Another process takes up the part, by another link to the same thing."""
    async with raw_server(cdn(cut=2000, cuts=9)) as server:
        first = await kit.fetch(server.url)
    async with raw_server(cdn()) as server:
        again = Kit(tmp_path, kit.transport)
        second = await again.fetch(f"{server.url}/fresh-link")

    assert isinstance(first, Fault)
    assert ["bytes=8000-"] == ranges(server)
    assert isinstance(second, Fetched)
    assert SHA == second.sha256


async def test_a_part_without_validator_is_not_continued(kit: Kit) -> None:
    """Without a strong ETag or a date nothing says that the rest belongs to what was had."""
    async with raw_server(cdn(etag='ETag: W/"weak"', cut=3000)) as server:
        fetched = await kit.fetch(server.url)

    assert ["", ""] == ranges(server)
    assert isinstance(fetched, Fetched)


async def test_a_result_that_changed_is_fetched_anew(kit: Kit) -> None:
    """A server that has another version sends it whole, and the old bytes are dropped."""
    async with raw_server(cdn(cut=2000, cuts=9)) as server:
        await kit.fetch(server.url)
    async with raw_server(cdn(etag='ETag: "v2"')) as server:
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)
    assert SHA == fetched.sha256


@pytest.mark.parametrize("moment", ["another boot", "no notes", "broken notes"])
async def test_a_part_that_may_have_holes_is_not_continued(moment: str, kit: Kit) -> None:
    """After a loss of power, or without notes, a part is worth nothing."""
    async with raw_server(cdn(cut=2000, cuts=9)) as server:
        await kit.fetch(server.url)
    notes = kit.store.part("task-1").with_suffix(".json")
    match moment:
        case "another boot":
            notes.write_text(json.dumps({**json.loads(notes.read_text()), "boot": "earlier"}))
        case "no notes":
            notes.unlink()
        case "broken notes":
            notes.write_text('{"validator"')

    async with raw_server(cdn()) as server:
        fetched = await kit.fetch(server.url)

    assert [""] == ranges(server)
    assert isinstance(fetched, Fetched)


@pytest.mark.parametrize(
    "rest",
    [
        http(206, CLIP[3001:], f"Content-Range: bytes 3001-10251/{len(CLIP)}"),
        http(206, CLIP[3000:], "Content-Range: bytes 3000-9000/9001"),
        http(206, CLIP[3000:]),
        http(416),
    ],
    ids=["another offset", "another length", "no range", "unsatisfiable"],
)
async def test_a_rest_that_does_not_fit_is_never_appended(rest: bytes, kit: Kit) -> None:
    """Only the very next byte of the same whole continues a part; else it begins anew."""
    replies = [http(200, CLIP, ETAG)[:-7000], rest, http(200, CLIP, ETAG)]

    async def behave(exchange: Exchange) -> None:
        await exchange.read_head()
        await exchange.reply(replies.pop(0))

    async with raw_server(behave) as server:
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)
    assert SHA == fetched.sha256
    assert "" == ranges(server)[2]


async def test_a_rest_that_is_not_all_of_it_is_continued_as_well(kit: Kit) -> None:
    """A reply may be whole and the clip not: the length that was stated first decides."""
    replies = [
        http(200, CLIP, ETAG)[:-7252],
        http(206, CLIP[3000:5000], f"Content-Range: bytes 3000-4999/{len(CLIP)}"),
        http(206, CLIP[5000:], f"Content-Range: bytes 5000-10251/{len(CLIP)}"),
    ]

    async def behave(exchange: Exchange) -> None:
        await exchange.read_head()
        await exchange.reply(replies.pop(0))

    async with raw_server(behave) as server:
        fetched = await kit.fetch(server.url)

    assert ["", "bytes=3000-", "bytes=5000-"] == ranges(server)
    assert isinstance(fetched, Fetched)
    assert SHA == fetched.sha256


async def test_a_clip_that_always_ends_early_is_damaged(kit: Kit) -> None:
    """A truncated clip is never taken for whole, however often it comes."""
    short = http(200, CLIP)[:-1]
    async with raw_server(answer(short)) as server:
        fault = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert FaultKind.DAMAGED == fault.kind
    assert 4 == len(server.seen)
    assert not kit.store.has(SHA, "mp4")


@pytest.mark.parametrize(
    ("reply", "kind", "wait"),
    [
        (http(400), FaultKind.EXPIRED, None),
        (http(401), FaultKind.EXPIRED, None),
        (http(403), FaultKind.EXPIRED, None),
        (http(404), FaultKind.EXPIRED, None),
        (http(410), FaultKind.EXPIRED, None),
        (http(302), FaultKind.EXPIRED, None),
        (http(302, b"", "Location: https://10.0.0.1/"), FaultKind.EXPIRED, None),
        (http(302, b"", "Location: http://cdn.example/"), FaultKind.EXPIRED, None),
        (http(429, b"", "Retry-After: 7"), FaultKind.UNAVAILABLE, 7.0),
        (http(500), FaultKind.UNAVAILABLE, None),
        (http(503, b"", "Retry-After: 9"), FaultKind.UNAVAILABLE, 9.0),
        (b"nonsense\r\n\r\n", FaultKind.UNAVAILABLE, None),
        (http(200, b"<html>sorry</html>"), FaultKind.DAMAGED, None),
        (http(200, b""), FaultKind.DAMAGED, None),
    ],
)
async def test_each_answer_has_its_fault(
    reply: bytes, kind: FaultKind, wait: float | None, kit: Kit
) -> None:
    """A dead link asks for a fresh one, a busy host for patience, a bad file for another try."""
    async with raw_server(answer(reply)) as server:
        fault = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert (kind, wait) == (fault.kind, fault.retry_after_s)
    assert ["downloading"] == [name for name in kit.checkpoints if name != "downloaded"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "the link is refused: its host answers 401"),
        (403, "the link is refused: its host answers 403"),
        (404, "the link is dead: its host answers 404"),
        (410, "the link is dead: its host answers 410"),
    ],
)
async def test_a_link_that_is_refused_is_not_called_dead(status: int, said: str, kit: Kit) -> None:
    """Who reads it looks at the right thing: a signature that is not accepted, or a clip gone."""
    async with raw_server(answer(http(status))) as server:
        fault = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert (FaultKind.EXPIRED, said) == (fault.kind, fault.message)


@pytest.mark.parametrize("case", ["refused", "reset"])
async def test_a_host_that_cannot_be_reached_is_unavailable(case: str, kit: Kit) -> None:
    """No connection says nothing about the clip."""
    async with raw_server(reset_at_once) as server:
        url = server.url if case == "reset" else f"http://127.0.0.1:{closed_port()}"
        fault = await kit.fetch(url)

    assert isinstance(fault, Fault)
    assert FaultKind.UNAVAILABLE == fault.kind


async def test_a_cut_clip_is_never_final_however_often_the_same_bytes_come(kit: Kit) -> None:
    """What does not play is dropped each time, and no byte of it gets into the store."""
    replies = [*[cut_silently(CLIP[:-1])] * 3, http(200, CLIP)]

    async def behave(exchange: Exchange) -> None:
        await exchange.read_head()
        await exchange.reply(replies.pop(0))

    async with raw_server(behave) as server:
        faults = [await kit.fetch(server.url) for _ in range(3)]
        left, stored = kit.part, list(kit.store.root.rglob("store/*"))
        whole = await kit.fetch(server.url)

    damaged = Fault(kind=FaultKind.DAMAGED, message="the clip does not play")
    assert ([damaged] * 3, b"", []) == (faults, left, stored)
    assert isinstance(whole, Fetched)
    assert (SHA, "") == (whole.sha256, whole.off_spec)


async def test_a_damaged_part_does_not_cost_the_next_try_anything(kit: Kit) -> None:
    """The next try begins at the first byte: nothing is built on what does not play."""
    spoilt = CLIP[:-1] + b"?"
    async with raw_server(answer(http(200, spoilt, ETAG))) as server:
        await kit.fetch(server.url)
        await kit.fetch(server.url)

    assert ["", ""] == ranges(server)


@pytest.mark.parametrize("etag", [ETAG, ""], ids=["continued", "anew"])
async def test_who_wakes_with_the_part_open_writes_to_no_clip(etag: str, kit: Kit) -> None:
    """Another process hung in the middle of the download: what it has open is nobody's by now."""
    async with raw_server(cdn(cut=2000, cuts=9, etag=etag)) as server:
        await kit.fetch(server.url)
    assert 2000 <= len(kit.part) < len(CLIP)

    with kit.store.part("task-1").open("ab") as woken:
        async with raw_server(cdn(etag=etag)) as server:
            fetched = await kit.fetch(server.url)
        woken.write(CLIP[:100])

    assert isinstance(fetched, Fetched)
    assert CLIP == kit.store.path(SHA, "mp4").read_bytes()


@pytest.mark.parametrize("sure", [1, 2], ids=["downloaded", "verified"])
async def test_who_has_lost_the_task_leaves_the_part_alone(sure: int, kit: Kit) -> None:
    """Another has taken over meanwhile: nothing is moved into the store, or dropped."""
    kit.sure = sure
    async with raw_server(cdn()) as server:
        with pytest.raises(LeaseLost):
            await kit.fetch(server.url)

    assert CLIP == kit.part
    assert not list(kit.store.clips())


async def test_who_wakes_and_is_cut_off_does_not_go_on_with_anothers_part(kit: Kit) -> None:
    """Another has begun again meanwhile: what lies there is no longer what this one has had."""
    kit.sure = 1
    async with raw_server(cdn(cut=2000, cuts=9)) as server:
        with pytest.raises(LeaseLost):
            await kit.fetch(server.url)

    assert ([""], CLIP[:2000]) == (ranges(server), kit.part)


@pytest.mark.parametrize(
    ("status", "sure"),
    [(200, 0), (200, 1), (206, 1), (416, 1)],
    ids=["looked at", "anew", "continued", "dropped"],
)
async def test_who_has_lost_the_task_neither_goes_on_with_a_part_nor_begins_it_anew(
    status: int, sure: int, kit: Kit
) -> None:
    """Nor does it drop it: whoever has the task now may be in the middle of it."""
    async with raw_server(cdn(cut=2000, cuts=9)) as server:
        await kit.fetch(server.url)
    place, before = kit.store.part("task-1"), kit.part
    kept = place.stat().st_ino
    start = f"Content-Range: bytes {len(before)}-{len(CLIP) - 1}/{len(CLIP)}"
    rest = CLIP[len(before) :] if status == 206 else CLIP

    kit.sure = sure
    async with raw_server(answer(http(status, rest, ETAG, start))) as server:
        with pytest.raises(LeaseLost):
            await kit.fetch(server.url)

    assert before == kit.part
    assert sure or kept == place.stat().st_ino, "it was looked at, and put in another's place"


async def test_what_an_earlier_version_kept_is_fetched_again(kit: Kit) -> None:
    """A receipt for a file in the store that does not play is worth nothing."""
    spoilt = CLIP[:-1] + b"?"
    sha256 = hashlib.sha256(spoilt).hexdigest()
    part = kit.store.part("task-1")
    part.write_bytes(spoilt)
    kit.store.adopt(part, sha256, "mp4")
    part.with_suffix(".json").write_text(json.dumps({"sha256": sha256, "ext": "mp4"}))

    async with raw_server(cdn()) as server:
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)
    assert SHA == fetched.sha256


@pytest.mark.parametrize(
    ("coding", "body"), [("aws-chunked", CLIP), ("gzip", CLIP), ("identity", CLIP)]
)
async def test_the_bytes_of_a_clip_decide_whatever_coding_is_stated(
    coding: str, body: bytes, kit: Kit
) -> None:
    """Some object stores state a coding that is not there: bytes that play are the clip."""
    async with raw_server(answer(http(200, body, f"Content-Encoding: {coding}"))) as server:
        fetched = await kit.fetch(server.url)

    assert "identity" == server.seen[0].header("accept-encoding")
    assert isinstance(fetched, Fetched)
    assert SHA == fetched.sha256


async def test_a_clip_that_was_compressed_is_refused_by_name(kit: Kit) -> None:
    """Nothing of a result is ever decompressed: hashes and ranges are about its own bytes."""
    packed = gzip.compress(gzip.compress(CLIP))
    async with raw_server(answer(http(200, packed, "Content-Encoding: gzip, gzip"))) as server:
        fault = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert FaultKind.DAMAGED == fault.kind
    assert "the clip does not play (it was sent as gzip, gzip)" == fault.message


def dribble(clock: JumpingClock, *, size: int, every_s: float) -> Behaviour:
    """Serve the clip with ranges, so many bytes after so much time each."""

    async def behave(exchange: Exchange) -> None:
        await exchange.read_head()
        asked = exchange.header("range")
        start = int(asked[6:-1]) if asked else 0
        rest = f"Content-Range: bytes {start}-{len(CLIP) - 1}/{len(CLIP)}"
        whole = http(206 if start else 200, CLIP[start:], ETAG, *[rest] * bool(start))
        head, _, body = whole.partition(b"\r\n\r\n")
        await exchange.reply(head + b"\r\n\r\n")
        for at in range(0, len(body), size):
            clock.advance(every_s)
            await exchange.reply(body[at : at + size])
            await asyncio.sleep(0)

    return behave


async def test_a_download_that_dribbles_is_given_up_and_gone_on_with(kit: Kit) -> None:
    """Less than 1 kB/s over a minute is too slow; what was had is not asked for again."""
    async with raw_server(dribble(kit.clock, size=100, every_s=1.0)) as server:
        first = await kit.fetch(server.url)
        had = len(kit.part)
    async with raw_server(cdn()) as server:
        second = await kit.fetch(server.url)

    assert isinstance(first, Fault)
    assert FaultKind.UNAVAILABLE == first.kind
    assert first.message.startswith("the result comes too slowly: ")
    assert 5_000 < had < len(CLIP)
    assert [f"bytes={had}-"] == ranges(server)
    assert isinstance(second, Fetched)


async def test_a_download_at_the_slowest_pace_is_waited_for(kit: Kit) -> None:
    """1 kB/s is enough, if there is time for it."""
    async with raw_server(dribble(kit.clock, size=1000, every_s=1.0)) as server:
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)


async def test_a_download_has_only_the_time_that_it_is_given(kit: Kit) -> None:
    """Quick enough each minute, and still not done: the rest of it is for later."""
    async with raw_server(dribble(kit.clock, size=1000, every_s=0.5)) as server:
        fault = await kit.fetch(server.url, until=3.0)

    assert isinstance(fault, Fault)
    assert FaultKind.UNAVAILABLE == fault.kind
    assert "did not come to its end in the time that it has" in fault.message
    assert 0 < len(kit.part) < len(CLIP)


async def test_the_last_bytes_are_never_too_late(kit: Kit) -> None:
    """A clip that is whole is whole, however long it took."""
    async with raw_server(dribble(kit.clock, size=len(CLIP), every_s=4000.0)) as server:
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)


async def test_a_result_that_stops_coming_is_unavailable(tmp_path: Path) -> None:
    """Silence is no sign of a cut clip: try again later, from where it was."""
    limits = Limits(read_s=0.2)

    async def behave(exchange: Exchange) -> None:
        await exchange.read_head()
        await exchange.reply(http(200, CLIP, ETAG)[:-3000])
        await asyncio.Event().wait()

    async with (
        raw_server(behave) as server,
        Transport(limits=limits, proxies={}, tls=public_trust()) as transport,
    ):
        kit = Kit(tmp_path, transport)
        fault = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert (FaultKind.UNAVAILABLE, 1) == (fault.kind, len(server.seen))
    assert "the result stopped coming" in fault.message
    assert len(CLIP) - 3000 == len(kit.part)


async def test_a_result_whose_headers_never_end_is_unavailable(tmp_path: Path) -> None:
    """The time for an answer to begin is bounded too, through all redirects."""
    limits = Limits(total_s=0.3)
    async with (
        raw_server(drip) as server,
        Transport(limits=limits, proxies={}, tls=public_trust()) as transport,
    ):
        fault = await Kit(tmp_path, transport).fetch(server.url)

    assert isinstance(fault, Fault)
    assert FaultKind.UNAVAILABLE == fault.kind


async def test_a_clip_out_of_spec_is_kept_with_the_reason(kit: Kit) -> None:
    """What was paid for is kept and shown, and is not called a success."""
    async with raw_server(cdn()) as server:
        fetched = await kit.fetch(server.url, replace(SPEC, seconds=10.0))

    assert isinstance(fetched, Fetched)
    assert "5 s, not 10 s" == fetched.off_spec
    assert kit.store.has(SHA, "mp4")


async def test_a_clip_in_the_store_is_not_lost_when_nobody_wrote_it_down(
    kit: Kit, tmp_path: Path
) -> None:
    """After a crash between rename and commit, the receipt finds the clip: the link may be dead."""
    async with raw_server(cdn()) as server:
        await kit.fetch(server.url)
    again = Kit(tmp_path, kit.transport)
    found = await again.fetch(f"http://127.0.0.1:{closed_port()}")
    forget_download(kit.store, "task-1")
    lost = await again.fetch(f"http://127.0.0.1:{closed_port()}")

    assert isinstance(found, Fetched)
    assert (SHA, "") == (found.sha256, found.off_spec)
    assert isinstance(lost, Fault)
    assert [] == list((tmp_path / ".callsheet" / "parts").iterdir())


async def test_a_receipt_for_a_clip_that_was_damaged_since_is_worth_nothing(kit: Kit) -> None:
    """The bytes in the store are read before they count."""
    async with raw_server(cdn()) as server:
        await kit.fetch(server.url)
        place = kit.store.path(SHA, "mp4")
        place.chmod(0o644)
        place.write_bytes(CLIP[:-1] + b"?")
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)
    assert 2 == len(server.seen)
    assert CLIP == place.read_bytes()


async def test_a_clip_that_is_dropped_at_once_is_fetched_again(kit: Kit) -> None:
    """A node drops what it has put elsewhere, and another item may have the same bytes."""

    def drop(name: str) -> None:
        if name == "renamed":
            kit.store.delete(kit.store.path(SHA, "mp4"))

    async with raw_server(cdn()) as server:
        kit.checkpoint = drop
        fault = await kit.fetch(server.url)
        kit.checkpoint = kit.checkpoints.append
        fetched = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert FaultKind.UNAVAILABLE == fault.kind
    assert isinstance(fetched, Fetched)
    assert CLIP == kit.store.path(SHA, "mp4").read_bytes()


@pytest.mark.parametrize("when", ["read", "looked into"])
async def test_a_received_clip_that_is_dropped_meanwhile_is_fetched_again(
    when: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is dropped while it is looked at whether an earlier process had it already."""
    place = kit.store.path(SHA, "mp4")

    def drop(path: Path) -> str:
        if when == "read":
            place.unlink(missing_ok=True)
        return file_sha256(path)

    def look(path: Path) -> Media:
        media = probe(path)
        if path == place:
            place.unlink()
        return media

    async with raw_server(cdn()) as server:
        await kit.fetch(server.url)
        monkeypatch.setattr("pipeline.run.fetch.file_sha256", drop)
        kit.probe = look
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)
    assert 2 == len(server.seen)
    assert CLIP == place.read_bytes()


async def test_a_crash_before_the_rename_costs_no_second_download(kit: Kit) -> None:
    """A whole part is verified and adopted without a request."""

    class Crashed(BaseException):
        """The process ended."""

    def crash(name: str) -> None:
        if name == "downloaded":
            raise Crashed

    async with raw_server(cdn()) as server:
        kit.checkpoint = crash
        with pytest.raises(Crashed):
            await kit.fetch(server.url)
        kit.checkpoint = kit.checkpoints.append
        fetched = await kit.fetch(server.url)

    assert isinstance(fetched, Fetched)
    assert 1 == len(server.seen)


async def test_a_clip_that_nobody_could_look_into_is_kept_and_looked_into_later(kit: Kit) -> None:
    """That worker processes die says nothing of the clip: what was downloaded is had already."""

    def lost(_: Path) -> Media:
        raise WorkerLost("the process that looks into clips ended 3 times")

    async with raw_server(cdn()) as server:
        kit.probe = lost
        fault = await kit.fetch(server.url)
        kit.probe = probe
        fetched = await kit.fetch(server.url)

    assert isinstance(fault, Fault)
    assert FaultKind.UNAVAILABLE == fault.kind
    assert isinstance(fetched, Fetched)
    assert 1 == len(server.seen)


async def test_a_disk_that_takes_no_more_says_what_to_do(kit: Kit) -> None:
    """A full disk is the machine's fault, not the provider's; what was written is kept."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with raw_server(cdn()) as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
        try:
            with pytest.raises(Unusable, match="make room"):
                await kit.fetch(server.url)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        fetched = await kit.fetch(server.url)

    assert ["", "bytes=5000-"] == ranges(server)
    assert isinstance(fetched, Fetched)


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (MEDIA, ""),
        (replace(MEDIA, seconds=5.5), ""),
        (replace(MEDIA, seconds=4.5), ""),
        (replace(MEDIA, seconds=5.51), "5.51 s, not 5 s"),
        (replace(MEDIA, seconds=4.49), "4.49 s, not 5 s"),
        (replace(MEDIA, seconds=None), "its length is not known"),
        (replace(MEDIA, width=684, height=1216), ""),
        (replace(MEDIA, width=683, height=1214), "short side 683 px, not 720 px"),
        (replace(MEDIA, width=734), ""),
        (replace(MEDIA, width=735), "735×1280, not a ratio of 0.562"),
        (replace(MEDIA, width=1080, height=1920), ""),
        (
            replace(MEDIA, width=640, height=640, seconds=9.0),
            "9 s, not 5 s; 640×640, not a ratio of 0.562; short side 640 px, not 720 px",
        ),
    ],
)
def test_a_clip_is_judged_by_length_ratio_and_short_side(media: Media, expected: str) -> None:
    """Seconds ± 0.5, ratio ± 2 %, short side at least 95 %: the edges are in spec."""
    assert expected == judge(SPEC, media)


def test_what_is_not_specified_is_not_judged() -> None:
    """An edit follows its input, and where pixels are unknown only the ratio is judged."""
    odd = replace(MEDIA, width=3, height=1000, seconds=None)

    assert "" == judge(Spec(seconds=None, ratio=None, short_side=None), odd)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x00\x00\x00\x18ftypisom", "mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "mov"),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", "webm"),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x88matroska", "mkv"),
        (b"<html>", "bin"),
        (b"", "bin"),
    ],
)
def test_the_extension_follows_the_content(head: bytes, expected: str, tmp_path: Path) -> None:
    """What a file is called or said to be does not matter."""
    (tmp_path / "clip").write_bytes(head)

    assert expected == clip_extension(tmp_path / "clip")
