"""Which part of the plan a run's lanes may take up now, and which shards of it have ended.

A shard has ended once each lane has looked through it since anything changed, and nothing of it is
in hand.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.engine.dispatch import ShardRef, ShardReport

if TYPE_CHECKING:
    from pipeline.run.context import ChangeSignal

_WHOLE = ShardRef(campaign=0, first=0, last=2**62)


@dataclass(slots=True)
class _Shard:
    report: asyncio.Future[ShardReport]
    begun: int = 0
    in_hand: int = 0


class ShardsInSight:
    """The shards in sight of a run, whose planned items its lanes may begin."""

    def __init__(self, lanes: Iterable[str], changes: ChangeSignal) -> None:
        self._changes = changes
        self._looked_at: dict[str, float] = dict.fromkeys(lanes, -1)
        """Of how many changes each lane's last look at all in sight knows."""
        self._ended: set[str] = set()
        self._shards: dict[ShardRef, _Shard] = {}
        self._news = asyncio.Event()
        self.is_open = True
        """Whether more may come in sight."""

    @property
    def refs(self) -> tuple[ShardRef, ...]:
        """Return what may be begun now, in plan order.

        After the last shard that is the whole plan: what came back late, from another lane or out
        of doubt, is begun by whoever finds it first.
        """
        if not self.is_open:
            return (_WHOLE,)
        return tuple(sorted(self._shards, key=lambda ref: ref.first))

    def add(self, ref: ShardRef) -> asyncio.Future[ShardReport]:
        """Bring a shard in sight; return what has its report once it has ended."""
        if ref in self._shards:
            # Handed out again while it is worked on.
            return self._shards[ref].report
        shard = _Shard(asyncio.get_running_loop().create_future())
        self._shards[ref] = shard
        self._looked_at |= dict.fromkeys(self._looked_at.keys() - self._ended, -1)
        self._tell_news()
        self._report()
        return shard.report

    def close(self) -> None:
        """Hear that no shard comes any more."""
        self.is_open = False
        self._tell_news()

    def next(self) -> Coroutine[Any, Any, Any]:
        """Return what to await until another shard is in sight, or none comes any more."""
        return self._news.wait()

    def _tell_news(self) -> None:
        self._changes.notify()
        # As `ChangeSignal.notify`: who waits holds this event.
        self._news.set()
        self._news = asyncio.Event()

    def begin(self, position: int) -> None:
        """Count an item as in hand."""
        for shard in self._at(position):
            shard.begun += 1
            shard.in_hand += 1

    def leave(self, position: int) -> None:
        """Count an item as in hand no more."""
        for shard in self._at(position):
            shard.in_hand -= 1
        self._report()

    def note_look(self, lane: str, changes: float = math.inf) -> None:
        """Hear that a lane has begun all that it may, as of so many changes.

        Without a number, no change brings it more: only another shard does.
        """
        self._looked_at[lane] = changes
        self._report()

    def note_end(self, lane: str) -> None:
        """Hear that a lane begins nothing more."""
        self._ended.add(lane)
        self.note_look(lane)

    def _at(self, position: int) -> list[_Shard]:
        return [own for ref, own in self._shards.items() if ref.first <= position <= ref.last]

    def _report(self) -> None:
        """Report what has ended, if each lane has looked through all in sight."""
        if any(looked < self._changes.count for looked in self._looked_at.values()):
            return
        closed = self._ended == self._looked_at.keys()
        for ref, shard in list(self._shards.items()):
            if not shard.in_hand:
                del self._shards[ref]
                if not shard.report.done():
                    shard.report.set_result(ShardReport(begun=shard.begun, closed=closed))
