"""Clips put at output paths, as copies of the store's; somebody else's file is never touched.

Nor is another process's, by one that hung while that went on with its work: before a file is put
there, or taken away, a process makes sure of its lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from pipeline.domain import Event
from pipeline.errors import MediaFault, Unusable
from pipeline.ledger.outputs import Clip, View
from pipeline.run.context import RunContext
from pipeline.run.fetch import forget_download
from pipeline.run.output_check import (
    RESTORED,
    DamagedClip,
    OutputStatus,
    RealFiles,
    inspect,
    inspect_store,
    stat_of,
)
from pipeline.storage.fs import is_the_path

T = TypeVar("T")
_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copied:
    """What became of a copy: the file's signature and mode, or why there is none."""

    signature: str = ""
    mode: int | None = None
    fault: MediaFault | Unusable | None = None


async def show(
    context: RunContext, views: Iterable[View], *, first: Callable[[], None] = lambda: None
) -> None:
    """Put a clip that has landed at each output path that wants it.

    `first` is done before, in the same thread: each change of thread costs more than it does.
    """

    def copy_all() -> list[tuple[View, _Copied]]:
        first()
        wanted = [view for view in views if view.clip is not None and not context.hides(view)]
        return [(view, _copy_out(context, view)) for view in wanted]

    await context.ledger.lease.until_sure()
    for view, copied in await asyncio.to_thread(copy_all):
        await _record(context, view, copied)


async def restore(context: RunContext) -> int:
    """Put selected clips where they are not, or are not known to be; return how many.

    Nothing is asked of a provider. Damage in the store is healed first, where it can be.
    """
    files, known = RealFiles(context.store.root), context.ledger.in_threads
    async for found in _in_thread(inspect_store(known, campaign=context.campaign, files=files)):
        if isinstance(found, DamagedClip):
            await _heal(context, found)
    restored = 0
    outputs = inspect(known, campaign=context.campaign, files=files, hides=context.hides)
    async for output in _in_thread(outputs):
        # Of an unrecorded file the bytes are right: placing it writes down that it is ours.
        missed = output.standing in RESTORED or output.standing is OutputStatus.UNRECORDED
        if missed and output.view.selected:
            restored += await place(context, output.view)
        if output.standing is OutputStatus.SURPLUS and output.view.selected:
            await _hide(context, output.view)
    await _drop_receipts(context)
    return restored


async def _drop_receipts(context: RunContext) -> None:
    """Drop the receipts of whoever died after a commit, and before that was done."""
    names = await asyncio.to_thread(context.store.downloads)
    for first in range(0, len(names), _AT_ONCE):
        for name in await context.ledger.find_finished(names[first : first + _AT_ONCE]):
            await asyncio.to_thread(forget_download, context.store, name)


async def _in_thread(found: Iterator[T]) -> AsyncIterator[T]:
    """Yield what is found by reading the ledger and the disk, some at a time, in a thread."""
    while some := await asyncio.to_thread(lambda: list(islice(found, _AT_ONCE))):
        for each in some:
            yield each


async def place(context: RunContext, view: View) -> bool:
    """Put a clip at an output path and write that it stands there; tell if it cannot be done."""
    if view.clip is None:
        return False
    await context.ledger.lease.until_sure()
    return await _record(context, view, await asyncio.to_thread(_copy_out, context, view))


def _copy_out(context: RunContext, view: View) -> _Copied:
    """Copy a clip to its output path; in a thread of its own."""
    clip, store = view.clip, context.store
    assert clip is not None  # noqa: S101 - the callers see to it
    known = context.ledger.in_threads.is_known_clip
    try:
        store.copy_out(clip.sha256, clip.extension, store.root / view.path, known=known)
    except (MediaFault, Unusable) as fault:
        return _Copied(fault=fault)
    # Looked at after the copy: a later look that finds the same signature need not read the file.
    there = stat_of(f"{store.root}/{view.path}")
    return _Copied() if there is None else _Copied(signature=there.signature, mode=there.mode)


async def _record(context: RunContext, view: View, copied: _Copied) -> bool:
    """Write and tell what became of a copy; tell whether the clip is there."""
    fault = copied.fault
    if isinstance(fault, MediaFault):
        # A file of ours that somebody changed is theirs now: it stays, and nothing has failed.
        kept = fault.slug == "foreign-file" and view.placed
        name = "left_alone" if kept else _EVENTS.get(fault.slug, "not_shown")
        _tell(context, view.address, name, message=fault.message, slug=fault.slug)
        return False
    if fault is not None:
        # A full disk ends the run; a path that this disk does not take concerns one clip alone,
        # and that one is in the store.
        if not (isinstance(fault.__cause__, OSError) and is_the_path(fault.__cause__)):
            raise fault
        _tell(context, view.address, "not_shown", message=str(fault), slug="path-too-long")
        return False
    await context.ledger.place(view, signature=copied.signature, mode=copied.mode)
    context.checkpoint("linked")
    _tell(context, view.address, "shown", path=view.path)
    return True


async def bring_clip(context: RunContext, clip: Clip) -> bool:
    """Put a clip into the store out of the one that is shared with others; tell if it was there."""
    shared, store = context.shared, context.store
    if shared is None or not await asyncio.to_thread(
        shared.give_clip, store, clip.sha256, clip.extension
    ):
        return False
    # Whoever has made it knows nothing of the file that is here.
    await context.ledger.sign(clip.sha256, store.signature(clip.sha256, clip.extension))
    return True


async def _hide(context: RunContext, view: View) -> None:
    """Take a clip out of its output path, and write that; a file of somebody else's stays."""
    target = context.store.root / view.path
    await context.ledger.lease.until_sure()
    if not await asyncio.to_thread(context.store.take_out, target, view.placed):
        message = f"{target} was changed since its clip was put there, and stays"
        _tell(context, view.address, "left_alone", message=message, slug="foreign-file")
        return
    # After the file: a run that dies between finds nothing there, and writes it down then.
    context.checkpoint("taken out")
    await context.ledger.vacate(view)
    _tell(context, view.address, "hidden", path=view.path)


async def _heal(context: RunContext, damaged: DamagedClip) -> None:
    """Put a damaged clip of the store back from an output path that still has its bytes.

    One that others have made is not here yet: it comes out of the store that is shared with them.
    """
    clip, store = damaged.clip, context.store
    if damaged.gone and not damaged.intact and await bring_clip(context, clip):
        return
    wrong = "is gone" if damaged.gone else "is not what was received"
    message = f"the clip {damaged.path} {wrong}"
    if damaged.intact:
        keep = partial(store.keep_clip, store.root / damaged.intact, clip.sha256, clip.extension)
        if await asyncio.to_thread(keep):
            signature = store.signature(clip.sha256, clip.extension)
            await context.ledger.sign(clip.sha256, signature)
            message += f"; it was put back from {damaged.intact}"
    _tell(context, "", "damaged_clip", message=message)


_EVENTS = {"lost-clip": "damaged_clip"}
"""What is told of a clip that could not be put at its output path, by the fault's slug."""


def _tell(context: RunContext, address: str, name: str, **detail: str) -> None:
    at = context.clock.now()
    context.observer(Event(name=name, at=at, address=address, detail=detail))
