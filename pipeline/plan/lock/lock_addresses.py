"""Which clip stands under which address of a lock file, where several want one.

A *place* is an item without its take. The take that a clip was bought for is in its key, so that
all of this follows from the set of purchases alone: whoever merges what with what, and in which
order, comes to the same.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.domain import Alternative, PricedItem
from pipeline.domain.changes import same_but_take
from pipeline.domain.item import place_of, take_of
from pipeline.domain.lock import LockedClip, LockMemory, RememberedClip, plain_locked
from pipeline.findings import Finding
from pipeline.plan.keys import part_digest
from pipeline.plan.lock.lock_text import Lock

_MOST_TAKES = 200
_TAKES = {part_digest(b"%d" % take): take for take in range(1, _MOST_TAKES + 1)}
"""The take that a clip was bought for, by that part of its key."""


def is_moved(clip: LockedClip) -> bool:
    """Tell whether a clip stands under another take than the one it was bought for."""
    return clip.parts.get("take") not in {None, part_digest(b"%d" % take_of(clip.address))}


def assign_takes(clips: Iterable[LockedClip]) -> dict[str, LockedClip]:
    """Return the clips by address, each purchase of a place once.

    The older purchase keeps the take that it was bought for; the others satisfy the next takes
    that are free.
    """
    places: dict[str, dict[tuple[str, str, str], LockedClip]] = defaultdict(dict)
    for clip in clips:
        known = places[place_of(clip.address)].get(clip.purchase)
        # Two branches may hold a line about the same purchase: it was paid once, and is one clip.
        same = [each for each in (known, clip) if each is not None]
        places[place_of(clip.address)][clip.purchase] = max(same, key=_certainty)
    return {clip.address: clip for place, found in places.items() for clip in _assign(place, found)}


def remember(lock: Lock, here: frozenset[str], others: frozenset[str] = frozenset()) -> LockMemory:
    """Return what a ledger takes in of a lock file; `here` are the digests that the store has.

    Of several clips under one key the first has the job of that key: one that stands where it was
    bought for before one that was moved, then the older. Each other one has a job of its own.
    """
    of_key: dict[str, list[LockedClip]] = defaultdict(list)
    for clip in lock.values():
        of_key[clip.key].append(clip)
    found: dict[str, RememberedClip] = {}
    for key, clips in of_key.items():
        clips.sort(key=lambda clip: (is_moved(clip), *_age(clip)))
        for clip in clips:
            first = clip.purchase == clips[0].purchase
            # Derived and not drawn: each machine that reads the file comes to the same job.
            own = f"{key}:{':'.join(clip.purchase)}"
            job_key = key if first else hashlib.sha256(own.encode()).hexdigest()
            known = RememberedClip(job_key=job_key, clip=clip, here=clip.sha256 in here)
            found[clip.address] = known
    # One clip may stand under several addresses, and was paid for once.
    unique = {(each.job_key, each.clip.purchase): each for each in found.values()}
    return LockMemory(
        clips=tuple(unique.values()),
        others=others,
        at=found,
        moved={address: each for address, each in found.items() if is_moved(each.clip)},
    )


def offer_moved(
    entries: Iterable[PricedItem | Finding], memory: LockMemory
) -> Iterator[PricedItem | Finding]:
    """Yield a plan in which a clip that was moved to another take satisfies that take's item."""
    for entry in entries:
        if not isinstance(entry, PricedItem):
            yield entry
            continue
        known = memory.moved.get(entry.item.address)
        if known is None or not same_but_take(known.clip.parts, entry.item.key.parts):
            yield entry
            continue
        # Under its own key it is the clip of that key's items first.
        shared = known.job_key == known.clip.key
        moved = Alternative(digest=known.job_key, exclusive=shared)
        key = replace(entry.item.key, alternatives=(moved, *entry.item.key.alternatives))
        yield replace(entry, item=replace(entry.item, key=key))


def _assign(place: str, found: Mapping[tuple[str, str, str], LockedClip]) -> Iterator[LockedClip]:
    """Yield the clips of a place, each under its address."""
    taken: set[int] = set()
    homeless: list[LockedClip] = []
    # By age, so that both branches of a merge come to the same, whichever is merged into which.
    for clip in sorted(found.values(), key=_age):
        take = _TAKES.get(clip.parts.get("take", ""), take_of(clip.address))
        if take in taken:
            homeless.append(clip)
            continue
        taken.add(take)
        yield replace(clip, address=f"{place}#{take}")
    free = (take for take in range(1, len(found) + 1 + max(taken)) if take not in taken)
    for clip, take in zip(homeless, free, strict=False):
        yield replace(clip, address=f"{place}#{take}")


def _age(clip: LockedClip) -> tuple[object, ...]:
    """Return what sorts purchases by age, and by something where that is the same."""
    # Two purchases may be of one second; the rest only has to be the same on every machine.
    return (clip.paid_at, clip.provider, clip.task, clip.sha256)


def _certainty(clip: LockedClip) -> tuple[bool, Sequence[object]]:
    """Return what sorts two lines about one purchase: a price that was told is known later."""
    return (clip.price_source == "reported", str(plain_locked(clip)))
