"""Clips of a campaign, to and from a store that several machines share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.api.campaign_request import CampaignRequest, store_asked, usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import load_lock, lock_path
from pipeline.domain.lock import LockedClip
from pipeline.file_content import file_sha256
from pipeline.ledger.outputs import Clip
from pipeline.ledger.root_identity import RootKind, kind_of
from pipeline.run.output_check import DamagedClip
from pipeline.storage.blobs import Store
from pipeline.storage.object_store import SharedStore

_AT_ONCE = 8
"""How many clips come out of a shared store at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedClips:
    """What a push or a pull came to; a clip that several items share counts once."""

    moved: int
    """How many were copied."""
    there: int
    """How many were at their destination already."""
    missing: tuple[str, ...]
    """Addresses whose clip the other side has not."""
    damaged: tuple[str, ...] = ()
    """Addresses whose clip in this root is not what was received: those are not pushed."""


def push_clips(campaign: LoadedCampaign, address: str) -> SharedClips:
    """Copy the clips of a campaign's lock file to a shared store; nothing there is overwritten.

    InvalidInput of a rehearsal, or where there is no lock file; Unusable where the store is.
    """
    clips = list(_locked_clips(campaign))
    shared, store = SharedStore(address, make=True), Store(campaign.request.home)
    moved, there, missing, damaged = 0, 0, [], []
    for clip in clips:
        path = store.path(clip.sha256, clip.extension)
        if not path.is_file():
            missing.append(clip.address)
        elif file_sha256(path) != clip.sha256:
            damaged.append(clip.address)
        elif shared.push(path, clip.sha256):
            moved += 1
        else:
            there += 1
    return SharedClips(moved=moved, there=there, missing=tuple(missing), damaged=tuple(damaged))


def pull_clips(campaign: LoadedCampaign, address: str) -> SharedClips:
    """Copy what a campaign's lock file has and this root has not out of a shared store.

    Each is verified by its digest before it has a name here. InvalidInput of a rehearsal, or where
    there is no lock file; Unusable where the store is, or a clip in it is damaged.
    """
    clips = list(_locked_clips(campaign))
    shared, store = SharedStore(address), Store(campaign.request.home)
    moved, there, missing = 0, 0, []
    for clip in clips:
        if store.has(clip.sha256, clip.extension):
            there += 1
        elif shared.give_clip(store, clip.sha256, clip.extension):
            moved += 1
        else:
            missing.append(clip.address)
    return SharedClips(moved=moved, there=there, missing=tuple(missing))


def fetch_gone(request: CampaignRequest, damaged: Sequence[DamagedClip]) -> int:
    """Put clips that are gone from the root back out of the store that a run shares; count them.

    Those that still stand at an output path need no store. Nothing where a run shares none;
    Unusable where that cannot be used, or a clip in it is damaged.
    """
    gone = [each.clip for each in damaged if each.gone and not each.intact]
    address = store_asked(request)
    if not gone or not address:
        return 0
    shared, store = SharedStore(address, make=True), Store(request.home)

    def fetch(clip: Clip) -> bool:
        return shared.give_clip(store, clip.sha256, clip.extension)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return sum(threads.map(fetch, gone))


def _locked_clips(campaign: LoadedCampaign) -> Iterator[LockedClip]:
    """Yield each clip of the lock file once."""
    request = campaign.request
    if request.rehearse or kind_of(request.home) is RootKind.REHEARSAL:
        raise usage("these are a rehearsal's clips: they are no campaign's, and are not shared")
    if not lock_path(request, campaign.name).is_file():
        raise usage(
            f"there is no {lock_path(request, campaign.name)}, which says what the clips are:"
            " `callsheet run` writes it, and it belongs in Git"
        )
    clips = load_lock(request, campaign.name).values()
    yield from {clip.sha256: clip for clip in clips}.values()
