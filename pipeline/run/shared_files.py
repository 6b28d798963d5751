"""Files of a run whose machines have no disk in common: they go through a store that all reach.

Whoever began the run puts references there before anything is handed out. A node puts each clip
there before the ledger says that it has landed, and keeps none; whoever began the run brings the
clips into its own store as they land, and lays them out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.ledger.outputs import Clip
from pipeline.run.context import RunContext
from pipeline.run.fetch import Fetched, forget_download
from pipeline.run.publish import bring_clip, show
from pipeline.storage.object_store import SharedStore

_AT_ONCE = 8
"""How many files go each way at a time."""


@asynccontextmanager
async def exchange_files(context: RunContext, landed: asyncio.Queue[str]) -> AsyncIterator[None]:
    """Have references in the shared store, and bring what has `landed` meanwhile, by address.

    Nothing where nothing is shared. What could not be brought is left to `restore`, which looks at
    all clips.
    """
    shared = context.shared
    if shared is None:
        yield
        return
    if not context.settle_only:
        await _push_references(context, shared)
    tasks = [asyncio.create_task(_bring_landed(context, landed)) for _ in range(_AT_ONCE)]
    try:
        yield
        tasks.append(asyncio.create_task(landed.join()))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            ended.result()
    finally:
        for task in tasks:
            task.cancel()


async def push_clip(context: RunContext, fetched: Fetched) -> None:
    """Have a clip that was verified in the shared store: here it may be gone in the next moment."""
    assert context.shared is not None  # noqa: S101 - the caller sees to it
    take, store = context.shared.take_clip, context.store
    await asyncio.to_thread(take, store, fetched.sha256, fetched.ext)
    context.checkpoint("shared")


def drop_download(context: RunContext, name: str, clip: Clip) -> None:
    """Drop what is known of a download that the ledger knows; its clip too, if it is elsewhere."""
    forget_download(context.store, name)
    if context.shared is not None:
        context.store.delete(context.store.path(clip.sha256, clip.extension))


async def _push_references(context: RunContext, shared: SharedStore) -> None:
    """Put each local reference of what is still to be made into the shared store."""

    def push(media: Media) -> None:
        # Of one that is not as it was planned, each item that wants it is told by its worker.
        with suppress(MediaFault):
            shared.push_reference(context.store.keep_asset(media), media.digest)

    wanted = context.ledger.in_threads.open_references(context.campaign)
    while some := await asyncio.to_thread(lambda: list(islice(wanted, _AT_ONCE))):
        await asyncio.gather(*(asyncio.to_thread(push, media) for media in some))


async def _bring_landed(context: RunContext, landed: asyncio.Queue[str]) -> None:
    while True:
        address = await landed.get()
        # A full disk, or a store that is away, ends the run when `restore` comes upon it as well.
        with suppress(Unusable):
            await _bring(context, address)
        landed.task_done()


async def _bring(context: RunContext, address: str) -> None:
    """Bring the clip of an item, and lay it out; nothing where it came another way."""
    read = context.ledger.in_threads.views
    views = await asyncio.to_thread(
        read, campaign=context.campaign, landed=True, addresses=[address]
    )
    for view in views:
        if view.clip is not None and await bring_clip(context, view.clip):
            await show(context, [view])
