"""Clips shown at output paths: the store's bytes, linked; somebody else's file is never touched."""

from __future__ import annotations

import asyncio
from functools import partial

from pipeline.errors import MediaFault, Unusable
from pipeline.model import Event
from pipeline.run.files.disk import is_the_path
from pipeline.run.files.views import RealFiles, Standing, inspect
from pipeline.run.ledger import outputs
from pipeline.run.ledger.outputs import View
from pipeline.run.means import Means

_NOT_OURS = frozenset({Standing.FOREIGN, Standing.BLOCKED})


async def show(means: Means, key: str) -> None:
    """Link the clip of a key to each output path that wants it in this campaign."""
    every = partial(outputs.views, campaign=means.campaign, key=key)
    for view in means.ledger.read(every):
        await place(means, view)


async def restore(means: Means) -> int:
    """Put selected clips where they are not, or are not known to be; return how many.

    Nothing is asked of a provider.
    """
    files = RealFiles(means.store.root)
    restored = 0
    for found in inspect(
        means.ledger.read, partial(_known, means), campaign=means.campaign, files=files
    ):
        view = found.view
        if view.clip is None or found.standing in _NOT_OURS or not view.selected:
            continue
        await place(means, view)
        restored += 1
    return restored


async def place(means: Means, view: View) -> None:
    """Link a clip to an output path and write that it stands there; tell if it cannot be done."""
    clip = view.clip
    if clip is None:
        return
    if not means.store.has(clip.sha256, clip.extension):
        _tell(means, view, "not_shown", message="its clip is not in the store", slug="lost-clip")
        return
    target = means.store.root / view.path
    link = partial(means.store.link, known=partial(_known, means))
    try:
        await asyncio.to_thread(link, clip.sha256, clip.extension, target)
    except MediaFault as fault:
        _tell(means, view, "not_shown", message=fault.message, slug=fault.slug)
        return
    except Unusable as fault:
        # A full disk ends the run; a path that this disk does not take concerns one clip alone,
        # and that one is in the store.
        if not (isinstance(fault.__cause__, OSError) and is_the_path(fault.__cause__)):
            raise
        _tell(means, view, "not_shown", message=str(fault), slug="path-too-long")
        return
    placed = partial(outputs.place, item_id=view.item_id, path=view.path, sha256=clip.sha256)
    await means.ledger.write(placed)
    means.checkpoint("linked")
    _tell(means, view, "shown", path=view.path)


def _known(means: Means, digest: str) -> bool:
    return bool(means.ledger.read(partial(outputs.known_clips, digests=[digest])))


def _tell(means: Means, view: View, name: str, **detail: str) -> None:
    at = means.clock.now()
    means.observer(Event(name=name, at=at, address=view.address, detail=detail))
