"""Each medium of an item becomes the string that requests use for it at a provider.

A local file is uploaded once per content, provider and account, however many items want it at the
same time, and again only when more than half of the upload's life is over: a link that is alive
now must still be alive when the provider looks. Uploads cost nothing and may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from uuid import uuid4
from weakref import WeakValueDictionary

from pipeline.clock import Clock
from pipeline.domain import Media
from pipeline.domain.states import POLICY, FaultKind, Phase
from pipeline.errors import MediaFault
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import ASSET, Fault, Provider, Uploaded
from pipeline.run.provider_client import ProviderClient
from pipeline.run.retry import RandomSource, retry
from pipeline.storage.blobs import Store

_UNSTATED_LIFE_S = 3600.0
"""What an upload is trusted to live where neither reply nor offer says (Unifically)."""
_AT_ONCE = 4
"""Uploads of one account at a time."""
_CONTENT_TYPES: Mapping[str, str] = MappingProxyType({"mov": "video/quicktime"})
_Place = tuple[str, str, str]


class UploadCache(Protocol):
    """Where uploads are remembered: the ledger."""

    async def find_upload(
        self, digest: str, provider: str, account: str
    ) -> tuple[str, float | None] | None:
        """Return where a medium is at a provider, and until when (unix seconds) it is used."""
        ...

    async def record_upload(
        self, digest: str, provider: str, account: str, *, uri: str, expires_at: float | None
    ) -> None:
        """Remember where a medium is at a provider."""
        ...


class Uploader:
    """Uploads what items need; one for a whole run, shared by all its jobs."""

    def __init__(
        self,
        *,
        transport: Transport,
        store: Store,
        cache: UploadCache,
        clock: Clock,
        chance: RandomSource,
        retries: int = 4,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.transport = transport
        self._store = store
        self._cache = cache
        self._clock = clock
        self._chance = chance
        self._retries = retries
        self._new_id = new_id
        self._locks: WeakValueDictionary[_Place, asyncio.Lock] = WeakValueDictionary()
        self._keeping: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._widths: dict[str, asyncio.Semaphore] = {}
        self._refused: dict[_Place, Fault] = {}
        self._fresh: dict[_Place, float] = {}

    async def stage(
        self,
        lane: Lane,
        provider: Provider,
        media: Sequence[Media],
        *,
        lifetime_s: float | None = None,
    ) -> Mapping[str, str] | Fault:
        """Return the string for each medium by its placeholder `asset:<digest>`, or a Fault.

        URLs stand for themselves. `lifetime_s` is the offer's, where a reply states none. A medium
        that a provider refused once is not sent to it again by this object.
        """
        local = {medium.digest: medium for medium in media if medium.local}
        places = {ASSET + m.digest: m.source for m in media if not m.local}
        found = await asyncio.gather(
            *(self._place(lane, provider, medium, lifetime_s) for medium in local.values())
        )
        for digest, uri in zip(local, found, strict=True):
            if isinstance(uri, Fault):
                return uri
            places[ASSET + digest] = uri
        return places

    async def _place(
        self, lane: Lane, provider: Provider, medium: Media, lifetime_s: float | None
    ) -> str | Fault:
        """Return where one medium is, uploading it unless it is there."""
        place = (medium.digest, lane.provider, lane.fingerprint)
        # Kept in a local name as well: the dictionary forgets a lock that nobody holds.
        lock = self._locks.setdefault(place, asyncio.Lock())
        async with lock:
            known = await self._cached_place(place, lifetime_s)
            if known is not None:
                return known
            width = self._widths.setdefault(lane.fingerprint, asyncio.Semaphore(_AT_ONCE))
            async with width:
                uploaded = await self._upload(lane, provider, medium)
            if isinstance(uploaded, Fault):
                if not _again(uploaded):
                    self._refused[place] = uploaded
                return uploaded
            life_s = uploaded.lifetime_s or lifetime_s or _UNSTATED_LIFE_S
            until = self._clock.now().timestamp() + life_s / 2
            # Beside the ledger's wall clock: setting that back must draw no upload's life out.
            self._fresh[place] = self._clock.monotonic() + life_s / 2
            await self._cache.record_upload(*place, uri=uploaded.uri, expires_at=until)
            return uploaded.uri

    async def _cached_place(self, place: _Place, lifetime_s: float | None) -> str | Fault | None:
        if place in self._refused:
            return self._refused[place]
        known = await self._cache.find_upload(*place)
        if known is None:
            return None
        uri, until = known
        left_s = (until or 0.0) - self._clock.now().timestamp()
        # With more life left than it ever had, the clock was set back: nobody knows its age.
        turned_back = lifetime_s is not None and left_s > lifetime_s / 2
        fresh = self._clock.monotonic() < self._fresh.get(place, inf)
        return uri if left_s > 0 and fresh and not turned_back else None

    async def _upload(self, lane: Lane, provider: Provider, medium: Media) -> Uploaded | Fault:
        # Two providers, or two accounts of one, may want the same file at the same time.
        keeping = self._keeping.setdefault(medium.digest, asyncio.Lock())
        try:
            async with keeping:
                kept = await asyncio.to_thread(self._store.keep_asset, medium)
        except MediaFault as exc:
            return Fault(kind=FaultKind.REJECTED, message=f"{exc.message}; {exc.hint}")
        return await retry(
            partial(self._attempt, lane, provider, medium, kept),
            again=lambda fault, tries: _again(fault) and tries < self._retries,
            clock=self._clock,
            chance=self._chance,
        )

    async def _attempt(
        self, lane: Lane, provider: Provider, medium: Media, kept: Path
    ) -> Uploaded | Fault:
        """Go through a provider's upload from its first step."""
        client = ProviderClient(provider, lane, self.transport)
        return await client.upload(
            medium,
            kept,
            _CONTENT_TYPES.get(medium.format, f"{medium.media_type}/{medium.format}"),
            new_id=self._new_id,
        )


def _again(fault: Fault) -> bool:
    return POLICY[Phase.STAGING][fault.kind].again
