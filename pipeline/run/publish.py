"""Clips put at output paths, as copies of the store's; somebody else's file is never touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import islice
from typing import TypeVar

from pipeline.domain import Event
from pipeline.errors import MediaFault, Unusable
from pipeline.ledger.outputs import View
from pipeline.run.context import RunContext
from pipeline.run.output_check import (
    RESTORED,
    DamagedClip,
    OutputStatus,
    RealFiles,
    inspect,
    inspect_store,
)
from pipeline.storage.fs import is_the_path

T = TypeVar("T")
_AT_ONCE = 100


async def show(context: RunContext, key: str) -> None:
    """Put the clip of a key at each output path that wants it in this campaign."""
    for view in await context.ledger.views_of(key, campaign=context.campaign):
        await place(context, view)


async def restore(context: RunContext) -> int:
    """Put selected clips where they are not, or are not known to be; return how many.

    Nothing is asked of a provider. Damage in the store is healed first, where it can be.
    """
    files, known = RealFiles(context.store.root), context.ledger.in_threads
    async for found in _in_thread(inspect_store(known, campaign=context.campaign, files=files)):
        if isinstance(found, DamagedClip):
            await _heal(context, found)
    restored = 0
    async for output in _in_thread(inspect(known, campaign=context.campaign, files=files)):
        # Of an unrecorded file the bytes are right: placing it writes down that it is ours.
        missed = output.standing in RESTORED or output.standing is OutputStatus.UNRECORDED
        if missed and output.view.selected:
            restored += await place(context, output.view)
    return restored


async def _in_thread(found: Iterator[T]) -> AsyncIterator[T]:
    """Yield what is found by reading the ledger and the disk, some at a time, in a thread."""
    while some := await asyncio.to_thread(lambda: list(islice(found, _AT_ONCE))):
        for each in some:
            yield each


async def place(context: RunContext, view: View) -> bool:
    """Put a clip at an output path and write that it stands there; tell if it cannot be done."""
    clip, target = view.clip, context.store.root / view.path
    if clip is None:
        return False
    copy_out = partial(context.store.copy_out, known=context.ledger.in_threads.is_known_clip)
    try:
        await asyncio.to_thread(copy_out, clip.sha256, clip.extension, target)
    except MediaFault as fault:
        # A file of ours that somebody changed is theirs now: it stays, and nothing has failed.
        kept = fault.slug == "foreign-file" and view.placed
        name = "left_alone" if kept else _EVENTS.get(fault.slug, "not_shown")
        _tell(context, view.address, name, message=fault.message, slug=fault.slug)
        return False
    except Unusable as fault:
        # A full disk ends the run; a path that this disk does not take concerns one clip alone,
        # and that one is in the store.
        if not (isinstance(fault.__cause__, OSError) and is_the_path(fault.__cause__)):
            raise
        _tell(context, view.address, "not_shown", message=str(fault), slug="path-too-long")
        return False
    # Looked at after the copy: a later look that finds the same signature need not read the file.
    there = RealFiles(context.store.root).stat(view.path)
    signature, mode = ("", None) if there is None else (there.signature, there.mode)
    await context.ledger.place(view, signature=signature, mode=mode)
    context.checkpoint("linked")
    _tell(context, view.address, "shown", path=view.path)
    return True


async def _heal(context: RunContext, damaged: DamagedClip) -> None:
    """Put a damaged clip of the store back from an output path that still has its bytes."""
    clip, store = damaged.clip, context.store
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
