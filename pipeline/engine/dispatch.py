"""Hand a plan to an engine, shard by shard, until each shard was reported once.

Only integers are handed out: what they mean stands in the ledger. A shard whose worker was lost is
handed out again, for the ledger refuses a second payment. However long the plan, only what is in
sight is held.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.errors import Unusable

SHARD_ITEMS = 100
"""How many items are handed out at once where several workers share a plan."""
LOOK_AHEAD = 1.5
"""How many items are in sight for each slot: while some end late, others have begun."""
_LOSSES = 20
"""A shard that has lost so many workers is what ends them."""


@dataclass(frozen=True, slots=True)
class ShardRef:
    """A part of a campaign's plan: the items from one position to another, both included."""

    campaign: int
    """The campaign's id in the ledger."""
    first: int
    last: int

    @property
    def items(self) -> int:
        """Return how many positions it has."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What a worker tells of a shard of which it has nothing more to do."""

    begun: int
    """How many of its items the worker began to make."""
    closed: bool = False
    """Whether the worker begins nothing more: it was stopped, or each of its lanes was."""


@dataclass(frozen=True, slots=True)
class LostWorker:
    """A shard's worker is gone, and what became of the shard is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOutcome:
    """What handing out a plan came to."""

    shards: int
    """Each was reported once."""
    begun: int
    lost: int
    """How often a worker was lost with a shard."""


class Engine(Protocol):
    """Has shards worked on by one worker or several."""

    @property
    def slots(self) -> int:
        """Return how many items all its workers make at once, by now."""
        ...

    @property
    def stopped(self) -> Mapping[str, str]:
        """Return why lanes submit nothing more, by lane: those that no worker goes on with."""
        ...

    async def open(self) -> None:
        """Get the workers ready."""
        ...

    async def submit(self, ref: ShardRef) -> None:
        """Have a shard worked on, beside those that are in sight."""
        ...

    async def next_done(self) -> tuple[ShardRef, ShardReport | LostWorker] | None:
        """Wait for the next shard that has ended; raise what ends the run.

        None where there are other workers now, and so other slots.
        """
        ...

    def steer(self, name: str, *words: Any) -> None:
        """Have all workers do what a person commands, unless they share what it changes here."""
        ...

    async def stop(self, *, hard: bool) -> None:
        """End the workers: once what they have in hand has ended, or, if `hard`, at once."""
        ...


def plan_shards(campaign: int, last: int, *, items: int = SHARD_ITEMS) -> Iterator[ShardRef]:
    """Yield the shards of a plan of the positions from 0 to `last`, in plan order."""
    for first in range(0, last + 1, items):
        yield ShardRef(campaign, first, min(first + items - 1, last))


async def dispatch(
    engine: Engine, shards: Iterable[ShardRef], *, look_ahead: float = LOOK_AHEAD
) -> DispatchOutcome:
    """Have all shards worked on, `look_ahead` items for each slot at a time.

    It ends early once a worker begins nothing more. Raises what the engine raises, and Unusable
    where a shard loses each worker that it is given to.
    """
    source, in_sight = iter(shards), set[ShardRef]()
    lost, losses = deque[ShardRef](), Counter[ShardRef]()
    done, begun, closed, hard = 0, 0, False, True
    await engine.open()
    try:
        while True:
            while not closed and _has_room(in_sight, look_ahead * engine.slots):
                ref = lost.popleft() if lost else next(source, None)
                if ref is None:
                    break
                in_sight.add(ref)
                await engine.submit(ref)
            if not in_sight:
                hard = False
                break
            ended = await engine.next_done()
            if ended is None or ended[0] not in in_sight:
                # A worker has come; or one that counted as lost has ended its shard after all.
                continue
            ref, report = ended
            in_sight.remove(ref)
            if isinstance(report, LostWorker):
                losses[ref] += 1
                _refuse_endless(ref, losses[ref])
                lost.append(ref)
                continue
            done, begun, closed = done + 1, begun + report.begun, closed or report.closed
    finally:
        await engine.stop(hard=hard)
    return DispatchOutcome(shards=done, begun=begun, lost=losses.total())


def _has_room(in_sight: Iterable[ShardRef], items: float) -> bool:
    seen = sum(ref.items for ref in in_sight)
    return not seen or seen < items


def _refuse_endless(ref: ShardRef, losses: int) -> None:
    if losses == _LOSSES:
        raise Unusable(
            f"the items {ref.first} to {ref.last} of the plan have ended {losses} workers: look"
            " into the workers' logs, and whether their machines have memory and disk left"
        )
