"""A finished task's link becomes a verified clip in the store, or a Fault.

Only bytes that were hashed, play to their end, were judged and made durable are `Fetched`: a clip
that was cut is never final, however often the same bytes come. Only a reply whose validator is the
one we began with continues an unfinished download. What was had survives a crash: the part, and
once it is in the store the receipt for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from pipeline.clock import Clock
from pipeline.domain import Media, Spec
from pipeline.domain.clip_spec import has_ratio
from pipeline.domain.states import FaultKind
from pipeline.errors import Forbidden, MediaFault, TooSlow, TransportFault, WorkerLost
from pipeline.file_content import clip_extension, file_sha256
from pipeline.net.client import Download, Lane, Transport
from pipeline.providers.base import Done, Fault, retry_after_s
from pipeline.storage.blobs import Store
from pipeline.storage.downloads import PartialDownload
from pipeline.storage.fs import signature

_TRIES = 4
"""Times a download that breaks off is taken up again at once; later ones are the policy's."""
_SLOWEST_BYTES_PER_S = 1000
_PACE_S = 60.0
"""How long a download may be slower than the slowest; silence is the transport's to bound."""
_SECONDS_OFF = 0.5
_SHORT_SIDE = 0.95
# Exactly half a second off, or 95 % of a side, is in spec, whatever floats make of it.
_ROUNDING = 1e-6
_BYTES_FOLLOW = frozenset({200, 206})
_BUSY = frozenset({408, 425, 429})
_REFUSED = frozenset({401, 403})
_UNSATISFIABLE = 416
_SERVER_ERRORS = 500
_Ask = Callable[..., AbstractAsyncContextManager[Download]]
"""Asks for a result, from an offset on if it is still the one of a validator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A clip in the store, durable. `off_spec` says why it is not what was asked for, if so."""

    sha256: str
    ext: str
    bytes: int
    media: Media
    signature: str
    """Of its file in the store."""
    off_spec: str = ""


class ClipVerifier(Protocol):
    """Looks into clips: every frame is decoded, once."""

    async def verify(self, path: Path, *, sha256: str, poster: Path) -> Media:
        """Return what a clip of this digest measures, with its still written.

        MediaFault if it does not play; WorkerLost if it could not be looked into.
        """
        ...

    async def until_room(self) -> None:
        """Wait until no more clips are in line than can be looked into soon."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedClip:
    """What to fetch: `name` is the task's own (a resumed download goes by it), and what it must be.

    At `until`, by the clock's monotonic time, a download that still runs is left for later.
    """

    name: str
    spec: Spec
    until: float


async def fetch(  # noqa: PLR0913 - all that it acts with is handed in
    transport: Transport,
    lane: Lane,
    done: Done,
    *,
    store: Store,
    expected: ExpectedClip,
    clips: ClipVerifier,
    turn: AbstractAsyncContextManager[object],
    clock: Clock,
    until_sure: Callable[[], Awaitable[None]],
    checkpoint: Callable[[str], None] = lambda _: None,
) -> Fetched | Fault:
    """Return the clip that a finished task links to, in the store, or what is wrong.

    Bytes come while it is its `turn`; a whole clip stands in no other's way while it is looked
    into. EXPIRED: the link is dead or refused, or may not be followed: ask for another.
    UNAVAILABLE: try again later, what was had is kept; so is what comes too slowly. DAMAGED: it
    ends early every time, or does not play to its end; nothing of it is kept. Raises Unusable if
    the disk does not allow it. Call `forget` when the ledger knows the clip. Before anything is
    done to what may be another process's by now, `until_sure` is awaited.
    """
    part = PartialDownload(store.part(expected.name))
    # A new one has no bytes that would have to be read.
    if part.begun:
        await until_sure()
        received = await asyncio.to_thread(_find_receipt, store, part, resume=True)
        if received is not None:
            fetched = await _verify_received(store, received, expected=expected, clips=clips)
            if fetched is not None:
                return fetched
            await until_sure()
            await asyncio.to_thread(part.resume)
    async with turn:
        checkpoint("downloading")
        ask = partial(transport.download, lane, done.output)
        pace = _Pace(clock, expected.until)
        fault = await _download(ask, part, pace=pace, until_sure=until_sure)
    if fault is not None:
        return fault
    checkpoint("downloaded")
    await until_sure()
    try:
        poster = store.poster(part.sha256)
        media = await clips.verify(part.path, sha256=part.sha256, poster=poster)
    except MediaFault as exc:
        await until_sure()
        coded = f" (it was sent as {part.coding})" if part.coding else ""
        await asyncio.to_thread(part.drop)
        return Fault(kind=FaultKind.DAMAGED, message=f"{exc.message}{coded}")
    except WorkerLost as exc:
        # It says nothing of the clip, whose bytes stay.
        return Fault(kind=FaultKind.UNAVAILABLE, message=str(exc))
    off_spec = judge(expected.spec, media)
    await until_sure()
    return await asyncio.to_thread(
        _adopt, store, part, media=media, off_spec=off_spec, checkpoint=checkpoint
    )


async def find_received(
    store: Store, *, expected: ExpectedClip, clips: ClipVerifier
) -> Fetched | None:
    """Return the clip that an earlier process put into the store, but could not write down."""
    part = PartialDownload(store.part(expected.name))
    received = await asyncio.to_thread(_find_receipt, store, part)
    if received is None:
        return None
    return await _verify_received(store, received, expected=expected, clips=clips)


def forget_download(store: Store, name: str) -> None:
    """Drop what is known of a download, once the ledger knows its clip."""
    PartialDownload(store.part(name)).drop()


def judge(spec: Spec, media: Media) -> str:
    """Return why a clip is not in spec, or nothing: seconds ± 0.5, ratio ± 2 %, side ≥ 95 %."""
    off: list[str] = []
    if spec.seconds is None:
        pass
    elif media.seconds is None:
        off.append("its length is not known")
    elif abs(media.seconds - spec.seconds) > _SECONDS_OFF + _ROUNDING:
        off.append(f"{media.seconds:g} s, not {spec.seconds:g} s")
    if spec.ratio is not None and not has_ratio(media.width, media.height, spec.ratio):
        off.append(f"{media.width}×{media.height}, not a ratio of {spec.ratio:.3g}")
    side = min(media.width, media.height)
    if spec.short_side is not None and side < _SHORT_SIDE * spec.short_side - _ROUNDING:
        off.append(f"short side {side} px, not {spec.short_side} px")
    return "; ".join(off)


class _Pace:
    """Whether a download is quick enough to be waited for: 1 kB/s in each minute, and in time."""

    def __init__(self, clock: Clock, until: float) -> None:
        self._clock = clock
        self._until = until
        self._since, self._bytes = clock.monotonic(), 0

    def begin(self) -> None:
        """Begin a minute, with the first of it still to come."""
        self._since, self._bytes = self._clock.monotonic(), 0

    def count(self, size: int) -> None:
        """Count bytes that came; raise TooSlow if they are too few, or come too late."""
        now = self._clock.monotonic()
        self._bytes += size
        passed_s = now - self._since
        if passed_s >= _PACE_S:
            if self._bytes < _SLOWEST_BYTES_PER_S * passed_s:
                raise TooSlow(
                    f"the result comes too slowly: {self._bytes} bytes in {passed_s:.0f} s"
                )
            self.begin()
        if now >= self._until:
            raise TooSlow("the result did not come to its end in the time that it has")


async def _download(
    ask: _Ask, part: PartialDownload, *, pace: _Pace, until_sure: Callable[[], Awaitable[None]]
) -> Fault | None:
    """Have the rest of a part that was looked at; what breaks off is taken up at once."""
    for last in reversed(range(_TRIES)):
        # An earlier try may have had the last byte, and ended before the clip was adopted.
        fault = None if part.whole else await _attempt(ask, part, pace=pace, until_sure=until_sure)
        if fault is None or fault.kind is not FaultKind.DAMAGED or not last:
            return fault
        # It may have hung, and what lies there is then of whoever has begun again.
        await until_sure()
        await asyncio.to_thread(part.resume)
    return None


async def _attempt(
    ask: _Ask, part: PartialDownload, *, pace: _Pace, until_sure: Callable[[], Awaitable[None]]
) -> Fault | None:
    # Until the reply's head is here nothing is cut, and the link is tried again later; a reply that
    # ends early is taken up at once.
    broken = FaultKind.UNAVAILABLE
    try:
        async with ask(offset=part.size, if_range=part.validator) as download:
            broken = FaultKind.DAMAGED
            await until_sure()
            return await _take(download, part, pace)
    except Forbidden as exc:
        return Fault(kind=FaultKind.EXPIRED, message=str(exc), code="forbidden-link")
    except TooSlow as exc:
        return Fault(kind=FaultKind.UNAVAILABLE, message=str(exc))
    except TransportFault as exc:
        return Fault(kind=broken, message=str(exc))


async def _take(download: Download, part: PartialDownload, pace: _Pace) -> Fault | None:
    fault = result_fault(download.status, download.headers)
    # Before the status is judged: 416 would pass for a dead link, where only our part does not fit.
    if download.status == _UNSATISFIABLE or not part.continues(download.status, download.headers):
        part.drop()
        return Fault(kind=FaultKind.DAMAGED, message="the rest does not fit what was fetched")
    if fault is not None:
        return fault
    pace.begin()
    with part.filling(download.status, download.headers) as write:
        async for chunk in download.chunks():
            write(chunk)
            if not part.whole:
                pace.count(len(chunk))
    # Where no length was told, only the decoder can say whether the end is missing.
    if part.length is None or part.whole:
        return None
    return Fault(kind=FaultKind.DAMAGED, message=f"{part.size} of {part.length} bytes")


def result_fault(status: int, headers: Mapping[str, str]) -> Fault | None:
    """Read what the status of a result says; None if its bytes follow."""
    if status in _BYTES_FOLLOW:
        return None
    message = f"the link answers {status}"
    if status in _BUSY or status >= _SERVER_ERRORS:
        wait = retry_after_s(headers)
        return Fault(kind=FaultKind.UNAVAILABLE, message=message, retry_after_s=wait)
    # 403, 404 and 410 by the books; hosts of signed links say 400 and 401 as well.
    what = "refused" if status in _REFUSED else "dead"
    message = f"the link is {what}: its host answers {status}"
    return Fault(kind=FaultKind.EXPIRED, message=message, code=str(status))


def _find_receipt(
    store: Store, part: PartialDownload, *, resume: bool = False
) -> tuple[str, str] | None:
    """Return digest and extension of the clip in the store that a part became; else resume it."""
    receipt = part.receipt()
    if receipt is not None:
        # It is written before the clip is moved: a crash in between leaves one without a clip.
        place = store.path(*receipt)
        # A node drops what it has put elsewhere, also where another item has the same bytes.
        with suppress(FileNotFoundError):
            if place.is_file() and file_sha256(place) == receipt[0]:
                return receipt
    if resume:
        part.resume()
    return None


async def _verify_received(
    store: Store, known: tuple[str, str], *, expected: ExpectedClip, clips: ClipVerifier
) -> Fetched | None:
    sha256, place = known[0], store.path(*known)
    # An earlier version kept what did not play. It may be dropped at this moment (`_find_receipt`).
    with suppress(MediaFault, WorkerLost, FileNotFoundError):
        media = await clips.verify(place, sha256=sha256, poster=store.poster(sha256))
        return _describe(store, known, media, judge(expected.spec, media))
    return None


def _adopt(
    store: Store,
    part: PartialDownload,
    *,
    media: Media,
    off_spec: str,
    checkpoint: Callable[[str], None],
) -> Fetched | Fault:
    known = (part.sha256, clip_extension(part.path))
    # First the receipt: a clip in the store without one would pass for another ledger's.
    part.sign(*known)
    checkpoint("renaming")
    store.adopt(part.path, *known)
    checkpoint("renamed")
    try:
        return _describe(store, known, media, off_spec)
    except FileNotFoundError:
        # Dropped just now (`_find_receipt`).
        message = "its file was removed from the store at once: it is fetched again"
        return Fault(kind=FaultKind.UNAVAILABLE, message=message)


def _describe(store: Store, known: tuple[str, str], media: Media, off_spec: str) -> Fetched:
    sha256, ext = known
    found = store.path(*known).stat()
    return Fetched(
        sha256=sha256,
        ext=ext,
        bytes=found.st_size,
        media=media,
        signature=signature(found),
        off_spec=off_spec,
    )
