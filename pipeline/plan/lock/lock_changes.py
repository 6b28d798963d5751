"""A lock file and what happened to it → the next lock file: written, pruned, merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from pipeline.domain.changes import same_but_take
from pipeline.domain.item import place_of
from pipeline.domain.lock import LockedClip
from pipeline.plan.lock.lock_addresses import assign_takes, is_moved, remember
from pipeline.plan.lock.lock_text import Lock

_NOTHING = frozenset[str]()


def update_lock(lock: Lock, made: Iterable[LockedClip]) -> dict[str, LockedClip]:
    """Return a lock file after a run: what it made, or found there, is added or replaced.

    A line whose clip is the item's stays under its key, also if that names another take. It stays
    as well where another branch bought the same, and both clips are in the file.
    """
    new = dict(lock)
    for clip in made:
        known = lock.get(clip.address)
        if known is None or not _satisfies(known, clip, lock):
            new[clip.address] = clip
        elif known.sha256 == clip.sha256:
            # Its price may be known better by now.
            new[clip.address] = replace(
                known, price_usd=clip.price_usd, price_source=clip.price_source
            )
    at_home = {(place_of(a), clip.sha256) for a, clip in new.items() if not is_moved(clip)}
    # What was moved aside, and has its own address now, stands there alone.
    return {
        address: clip
        for address, clip in new.items()
        if not (is_moved(clip) and (place_of(address), clip.sha256) in at_home)
    }


def prune_lock(lock: Lock, planned: Collection[str]) -> tuple[dict[str, LockedClip], Lock]:
    """Return a lock file without orphans, and those; `planned` are the addresses of the plan.

    A further take of an item that is still planned is no orphan: it was paid for, and the next
    take that is asked for is it.
    """
    places = {place_of(address) for address in planned}
    kept = {address: clip for address, clip in lock.items() if place_of(address) in places}
    return kept, {address: clip for address, clip in lock.items() if address not in kept}


def merge_locks(*locks: Lock) -> dict[str, LockedClip]:
    """Return all that these lock files hold, each purchase once, in whatever order they come.

    merge_locks(ours, theirs) == merge_locks(theirs, ours)
    """
    return assign_takes(clip for lock in locks for clip in lock.values())


def job_keys(lock: Lock) -> dict[str, str]:
    """Return the key of the job that each address of a lock file wants."""
    memory = remember(lock, _NOTHING)
    of_purchase = {(each.clip.key, each.clip.purchase): each.job_key for each in memory.clips}
    return {address: of_purchase[clip.key, clip.purchase] for address, clip in lock.items()}


def _satisfies(known: LockedClip, clip: LockedClip, lock: Lock) -> bool:
    """Tell whether a line is about the work that its item asks for now."""
    if known.sha256 == clip.sha256:
        return True
    same_work = known.key == clip.key or (
        is_moved(known) and same_but_take(known.parts, clip.parts)
    )
    return same_work and any(
        other.sha256 == clip.sha256 and other.key == clip.key for other in lock.values()
    )
