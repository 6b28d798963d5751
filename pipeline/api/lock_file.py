"""The lock file of a campaign on disk: where it is, what it remembers, and what changes it.

A rehearsal's lives in its root, like everything that a rehearsal leaves.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.project_file import display_path
from pipeline.domain.item import place_of, take_of
from pipeline.domain.lock import NOTHING_REMEMBERED, LockedClip, LockMemory
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.ledger.repository import Ledger
from pipeline.plan.address_lines import split_conflicts
from pipeline.plan.lock.lock_addresses import remember
from pipeline.plan.lock.lock_changes import merge_locks, prune_lock, update_lock
from pipeline.plan.lock.lock_text import LOCK_FORMAT, Lock, append_lines, read_lock, write_lock
from pipeline.storage.blobs import Store
from pipeline.storage.shared_file import change_file

SUFFIX = ".lock.yaml"
_PRUNED = ".lock.old"
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedLock:
    """What changing a lock file came to."""

    path: Path
    clips: int
    """How many it holds now."""
    moved: tuple[str, ...] = ()
    """Addresses whose lines were moved: to another take by a merge, out of it by pruning."""
    moved_to: Path | None = None


def lock_path(request: CampaignRequest, campaign: str, suffix: str = SUFFIX) -> Path:
    """Return where the lock file of a campaign is, or will be: `<stem>[.<profile>].lock.yaml`."""
    folder = request.home / campaign if request.rehearse else request.manifest.parent
    profile = f".{request.profile_name}" if request.profile_name else ""
    return folder / f"{request.manifest.stem}{profile}{suffix}"


def load_lock(request: CampaignRequest, campaign: str) -> Mapping[str, LockedClip]:
    """Return the clips of a campaign's lock file; InvalidInput if it cannot be understood."""
    path = lock_path(request, campaign)
    return _parse(read_beside(path, LOCK_FORMAT.slug), path, request)


def memory_of(request: CampaignRequest, campaign: str) -> LockMemory:
    """Return what a campaign's lock file remembers, for its ledger."""
    lock = load_lock(request, campaign)
    # The whole store is listed only where a line asks what is in it.
    return remember(lock, Store(request.home).digests()) if lock else NOTHING_REMEMBERED


def memory_beside(
    ledger: Ledger, request: CampaignRequest, campaign: str, *, whole: bool
) -> LockMemory:
    """Return what a campaign's lock file remembers and its ledger may lack, or the `whole`."""
    if whole:
        return memory_of(request, campaign)
    text = read_beside(lock_path(request, campaign), LOCK_FORMAT.slug)
    if ledger.is_lock_settled(campaign, _digest(text)):
        return NOTHING_REMEMBERED
    return memory_of(request, campaign)


def locked_takes(request: CampaignRequest, campaign: str) -> dict[str, list[int]]:
    """Return which takes of each place a campaign's lock file has."""
    found: dict[str, list[int]] = {}
    for address in load_lock(request, campaign):
        found.setdefault(place_of(address), []).append(take_of(address))
    return {place: sorted(takes) for place, takes in found.items()}


def with_other_locks(memory: LockMemory, request: CampaignRequest) -> LockMemory:
    """Return a memory with the clips of every lock file in the project: none of them is lost."""
    digests = {
        clip.sha256
        for path in _files_below(request.project.folder, (SUFFIX,))
        for clip in _clips_of(path)
    }
    return replace(memory, others=frozenset(digests))


def digests_named(folder: Path, endings: Collection[str]) -> frozenset[str]:
    """Return every SHA-256 that stands in a file of these endings in a project, or in a lock file.

    A file of which nothing else can be understood, such as one with Git's conflict marks, is good
    for that. InvalidInput where one cannot be read.
    """
    files = _files_below(folder, (SUFFIX, _PRUNED, *endings))
    return frozenset(
        digest for file in files for digest in _DIGEST.findall(read_beside(file, LOCK_FORMAT.slug))
    )


def write_lock_file(ledger: Ledger, request: CampaignRequest, campaign: str) -> bool:
    """Write what the last run was asked for and is there; tell whether the file changed."""
    path = lock_path(request, campaign)
    digest = _digest(read_beside(path, LOCK_FORMAT.slug))
    if ledger.is_lock_settled(campaign, digest, whole=True):
        return False
    made = list(ledger.locked_clips(campaign))
    updated: Lock = {}
    written = ""

    def change(text: str) -> str:
        nonlocal updated, written
        lock = _parse(text, path, request)
        updated = update_lock(lock, made)
        # A text that stays the same is not written, so that a read-only checkout will do.
        written = write_lock(updated) if updated != lock else text
        return written

    changed = change_file(path, change)
    every = frozenset(clip.sha256 for clip in updated.values())
    ledger.record_lock(campaign, _digest(written), remember(updated, every))
    return changed


def prune_lock_file(request: CampaignRequest, campaign: str, planned: Iterator[str]) -> ChangedLock:
    """Move the lines of items that the plan has no more to `<stem>.lock.old`."""
    path, old = lock_path(request, campaign), lock_path(request, campaign, _PRUNED)
    _require(path)
    kept, orphans = prune_lock(load_lock(request, campaign), frozenset(planned))
    if not orphans:
        return ChangedLock(path=path, clips=len(kept))
    # First they are kept there: a line that stands in both files is not lost.
    change_file(old, lambda text: append_lines(text, orphans.values()))

    def change(text: str) -> str:
        lock = _parse(text, path, request)
        # By the whole line: one that another process wrote meanwhile was not moved.
        return write_lock({a: clip for a, clip in lock.items() if orphans.get(a) != clip})

    change_file(path, change)
    return ChangedLock(path=path, clips=len(kept), moved=tuple(orphans), moved_to=old)


def merge_lock_file(request: CampaignRequest, campaign: str) -> ChangedLock:
    """Merge the two sides that Git's conflict markers keep apart in a campaign's lock file."""
    path = lock_path(request, campaign)
    _require(path)
    return _merge(path, lambda text: [_parse(side, path, None) for side in split_conflicts(text)])


def merge_two_files(ours: Path, theirs: Path) -> ChangedLock:
    """Merge another lock file into ours, as a merge driver of Git does."""
    for path in (ours, theirs):
        _require(path)
    other = _parse(read_beside(theirs, LOCK_FORMAT.slug), theirs, None)
    return _merge(ours, lambda text: [_parse(text, ours, None), other])


def _merge(path: Path, sides: Callable[[str], Sequence[Mapping[str, LockedClip]]]) -> ChangedLock:
    merged: dict[str, LockedClip] = {}
    before: dict[tuple[str, str, str], str] = {}

    def change(text: str) -> str:
        locks = sides(text)
        merged.update(merge_locks(*locks))
        before.update({clip.purchase: a for lock in locks for a, clip in lock.items()})
        return write_lock(merged)

    change_file(path, change)
    moved = sorted(a for a, clip in merged.items() if before[clip.purchase] != a)
    return ChangedLock(path=path, clips=len(merged), moved=tuple(moved))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _require(path: Path) -> None:
    if not path.is_file():
        raise usage(f"there is no {path}: `callsheet run` writes it")


def read_beside(path: Path, slug: str) -> str:
    """Return the text of a file beside the manifest, empty where there is none.

    InvalidInput with a finding of that slug where it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "it is not UTF-8"
        span = Span(file=str(path))
        finding = Finding(slug=slug, message=f"it cannot be read: {reason}", span=span)
        raise InvalidInput([finding]) from fault


def _parse(text: str, path: Path, request: CampaignRequest | None) -> Mapping[str, LockedClip]:
    advice = "" if request is None else f"to have both sides: {request.command('lock merge')}"
    return read_lock(text, str(path), advice)


def _files_below(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (Path(place, name) for name in names if name.endswith(endings))


def _clips_of(path: Path) -> Iterator[LockedClip]:
    """Yield the clips of some lock file; of one that cannot be understood nothing is known."""
    try:
        lock: Lock = read_lock(read_beside(path, LOCK_FORMAT.slug), str(display_path(path)))
    except InvalidInput:
        return
    yield from lock.values()
