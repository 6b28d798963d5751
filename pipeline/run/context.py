"""What a run works with, and what it knows of itself while it lasts."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from pipeline.clock import Clock
from pipeline.domain import Event, Policy
from pipeline.domain.states import State
from pipeline.ledger.budgets import BudgetLimits, Denied
from pipeline.ledger.jobs import Purchase
from pipeline.ledger.lane_shares import LaneDemand, LaneShare
from pipeline.ledger.run_ledger import RunLedger
from pipeline.net.client import Transport
from pipeline.net.lane import find_account
from pipeline.providers.base import RETRY_AFTER_MAX_S
from pipeline.run.circuit_breaker import CircuitBreaker
from pipeline.run.fetch import ClipVerifier
from pipeline.run.first_purchases import FirstPurchases
from pipeline.run.grouped_polls import GroupedPolls
from pipeline.run.limiter import ConcurrencyLimiter
from pipeline.run.output_check import Hides, hide_nothing
from pipeline.run.provider_client import ProviderClient
from pipeline.run.shards_in_sight import ShardsInSight
from pipeline.run.task_durations import TaskDurations
from pipeline.run.uploads import Uploader
from pipeline.storage.blobs import Store
from pipeline.storage.object_store import SharedStore

_AHEAD = 16
"""Jobs whose references are staged while others hold the slots."""
_AHEAD_OF_SEVERAL = 2
"""The same for each account where there are several: who stands in one line cannot be made by
another, and at a campaign's end that is time lost."""
_DOWNLOADS_AT_ONCE = 8
"""From one provider: a slow result host stops nobody else's clips."""
LONGEST_WAIT_S = 86_400.0
"""A provider that names the time to come back is waited for a day at most: a daily quota is new
by then."""
_SILENT_S = 2 * RETRY_AFTER_MAX_S
"""Between two tries at a busy provider passes less: no wait is longer than half of it."""


class BudgetGuard:
    """What this run knows of its money without asking the ledger."""

    def __init__(self) -> None:
        self.closed = False
        """A charge was above its reservation: nothing more is bought in this run."""
        self._denied: tuple[int, Denied] | None = None

    def deny(self, microusd: int, denied: Denied) -> None:
        """Remember what a limit of the whole run denied, so that no more is tried in vain."""
        if denied.scope in {"campaign", "run"}:
            self._denied = (microusd, denied)

    def refuses(self, microusd: int) -> Denied | None:
        """Return why trying to reserve so much would be in vain; None if it may not be."""
        if self._denied is not None and microusd >= self._denied[0]:
            return self._denied[1]
        return None

    def came_back(self) -> None:
        """Let what was denied be tried again: something was released."""
        self._denied = None


class ChangeSignal:
    """Wakes those who wait until there may be something new to buy: a price, or more items."""

    def __init__(self) -> None:
        self.count = 0
        """How often something changed: who reads the ledger meanwhile compares."""
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake whoever waits now."""
        self.count += 1
        # Who waits holds this event; who comes later waits for the next change, and for no old one.
        self._event.set()
        self._event = asyncio.Event()

    def next(self) -> Coroutine[Any, Any, Any]:
        """Return what to await until something is different from now."""
        return self._event.wait()


class ProviderQueue:
    """One provider's lane in this run: who waits there, and why it stopped, if it did."""

    def __init__(
        self, client: ProviderClient, *, clock: Clock, policy: Policy, is_one_of_several: bool
    ) -> None:
        self.provider, self.lane = client.provider, client.lane
        lane, self.client = client.lane, client
        self.polls = client if self.provider.offer.status_group == 1 else GroupedPolls(client)
        """Ask for a task by its `status`."""
        self.limiter = ConcurrencyLimiter(
            concurrency=lane.concurrency, most=lane.most, per_s=lane.submit_per_s, clock=clock
        )
        self.circuit_breaker = CircuitBreaker(policy)
        self.downloads = asyncio.Semaphore(_DOWNLOADS_AT_ONCE)
        self.free_seats = 0
        """For the jobs that are worked on before they are submitted; negative: some stand."""
        self._seats = 0
        self._ahead = _AHEAD_OF_SEVERAL if is_one_of_several else _AHEAD
        self.on_seat: Callable[[], None] = lambda: None
        """Called when there is a seat again."""
        self.on_close: Callable[[], None] = lambda: None
        """Called when nothing more is submitted here."""
        self._offer_seats(lane.most or lane.concurrency)
        self._going = asyncio.Event()
        self._going.set()
        self.stopped = ""
        """Why nothing more is submitted until a person acted; empty while it goes on."""
        self._waiting: dict[asyncio.Future[None], bool] = {}
        """Who waits here, and whether to settle what was sent."""
        self._closed = False
        """Nothing new is submitted."""
        self._shut = False
        """Nothing at all is sent that may buy, not even again what is in doubt."""
        self._clock = clock
        self._busy_since = self._refused_at = -math.inf
        """When the provider was too busy first and last, since it took something."""
        self._unshared_word: int | None = None
        """How many at once a person said, as long as no other process can know it."""

    async def wait(self, something: Coroutine[None, None, None], *, settling: bool = False) -> bool:
        """Wait for something, unless nothing more is submitted here; tell whether it came.

        `settling` is for what was sent already: it goes on where only the brake stopped the lane.
        """
        if self._is_closed(settling=settling):
            # A coroutine that nobody awaits would warn when it is collected.
            something.close()
            return False
        waiting = asyncio.ensure_future(something)
        self._waiting[waiting] = settling
        try:
            await waiting
        except asyncio.CancelledError:
            # `close` cancels what is waited for, which is an answer; a cancelled run cancels the
            # task itself, and must be obeyed.
            task = asyncio.current_task()
            closed = self._is_closed(settling=settling)
            if not closed or (task is not None and task.cancelling()):
                raise
            return False
        finally:
            self._waiting.pop(waiting, None)
        return True

    def _is_closed(self, *, settling: bool) -> bool:
        return self._shut if settling else self._closed

    def note_busy(self) -> float:
        """Hear that the provider was too busy; return for how long it has taken nothing.

        Time in which nothing was asked of it, as the machine slept, is not counted.
        """
        now = self._clock.monotonic()
        if now - self._refused_at > _SILENT_S:
            self._busy_since = now
        self._refused_at = now
        return now - self._busy_since

    def note_accepted(self) -> None:
        """Hear that the provider took something: it is not too busy."""
        self._refused_at = -math.inf

    @property
    def paused(self) -> bool:
        """Tell whether a person wants nothing submitted for now."""
        return not self._going.is_set()

    def pause(self) -> None:
        """Submit nothing more until `resume`; what is in flight is collected."""
        self._going.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._refused_at = -math.inf
        self._going.set()

    async def until_resumed(self) -> None:
        """Wait for the end of a pause, if there is one."""
        await self._going.wait()

    def set_concurrency(self, most: int) -> None:
        """Have so many at once from now on, and no more: over all processes, where it is shared."""
        self.limiter.resize(most)
        self._offer_seats(most)
        self._unshared_word = most

    def demand(self, *, begins: bool) -> LaneDemand:
        """Return what this lane wants of what all processes have together."""
        return LaneDemand(
            provider=self.lane.provider,
            account=self.lane.account,
            fingerprint=self.lane.fingerprint,
            most=self.limiter.most,
            steered=self._unshared_word is not None,
            wanted=self.limiter.wanted,
            kept=self.limiter.kept,
            begins=begins and not self._closed,
        )

    def take_share(self, demand: LaneDemand, share: LaneShare) -> bool:
        """Use what was granted to a demand; tell whether a person said a number elsewhere."""
        if demand.steered and self._unshared_word == demand.most:
            self._unshared_word = None
        # What was said here meanwhile is the later word.
        adopts = share.steered and self._unshared_word is None and share.most != self.limiter.most
        if adopts:
            self.limiter.resize(share.most)
            self._offer_seats(share.most)
        self.limiter.take_share(share.places, of=share.most, is_alone=share.is_alone)
        return adopts

    def _offer_seats(self, most: int) -> None:
        more = max(0, 2 * most + self._ahead - self._seats)
        self._seats += more
        self.free_seats += more
        self.on_seat()

    def leave_seat(self) -> None:
        """Leave a seat to another job."""
        self.free_seats += 1
        self.on_seat()

    def stop(self, why: str, *, settles: bool = False) -> bool:
        """Submit nothing more until a person acted; tell whether this is the first reason.

        Where it `settles`, what is in doubt may still be sent again under its own id: the brake
        says that buying is blind, and asking about what was bought is the opposite of that.
        """
        first = not self.stopped
        self.stopped = self.stopped or why
        self.close(settles=settles)
        return first

    def close(self, *, settles: bool = False) -> None:
        """Submit nothing more in this run, and tell those who wait for it."""
        self._closed = True
        self._shut = self._shut or not settles
        for waiting, settling in list(self._waiting.items()):
            if self._is_closed(settling=settling):
                waiting.cancel()
        self.on_close()


class ProviderLanes:
    """The lanes of one provider, one for each account: what is new goes to whichever has room.

    What was sent stays with its account.
    """

    def __init__(self, queues: Iterable[ProviderQueue], notify: Callable[[], None]) -> None:
        self.queues = tuple(queues)
        self._notify = notify
        self._changed = asyncio.Event()
        for queue in self.queues:
            queue.on_seat, queue.on_close = self._changed.set, self._hear_closing

    @property
    def stopped(self) -> str:
        """Return why none of them submits anything more; empty while one goes on."""
        reasons = [queue.stopped for queue in self.queues]
        return reasons[0] if all(reasons) else ""

    @property
    def several(self) -> bool:
        """Tell whether there is more than one account."""
        return len(self.queues) > 1

    def find_queue(self, purchase: Purchase | None) -> ProviderQueue | None:
        """Return the lane of the account that a purchase was sent from; None if it is not here."""
        if purchase is None:
            return None
        (first, *others) = self.queues
        if not others and first.lane.account == purchase.account:
            # As it always was: a key that was renewed asks for what the old one bought.
            return first
        kept = orjson.loads(purchase.request) if purchase.request else {}
        lanes = [queue.lane for queue in self.queues]
        found = find_account(lanes, purchase.account, kept.get("account"))
        return self.queues[lanes.index(found)] if found is not None else None

    async def take_seat(self, before: Purchase | None, stop: asyncio.Event) -> ProviderQueue | None:
        """Wait for a seat and return the lane it is in; None once nothing more is submitted.

        A job that was sent `before` has a seat with its account, while that goes on.
        """
        own = self.find_queue(before) if self.several else None
        if own is not None and not own.stopped and not stop.is_set():
            # Even where none is free: under its id only its own account may send it again.
            own.free_seats -= 1
            return own
        while not (stop.is_set() or self.stopped):
            open_ = [queue for queue in self.queues if not queue.stopped]
            queue = max(open_, key=lambda each: each.free_seats)
            if queue.free_seats > 0:
                queue.free_seats -= 1
                return queue
            # Nothing is awaited between the look at the seats and this, so no seat goes unnoticed.
            self._changed.clear()
            await self._changed.wait()
        return None

    def _hear_closing(self) -> None:
        """Wake who waits for a seat, or for something to buy: there may be nobody left to buy."""
        self._changed.set()
        self._notify()


class Fallback:
    """Who may get what a stopped lane leaves, if the manifest lets items move on.

    A lane rests while it works on nothing. Until all others rest, it may get something yet.
    """

    def __init__(
        self, lanes: Mapping[str, ProviderLanes], notify: Callable[[], None], *, allowed: bool
    ) -> None:
        self._lanes = lanes if allowed else {}
        self._notify = notify
        self._at_work = set(self._lanes)
        self.gave: set[str] = set()
        """The lanes that gave items away: others make them."""

    def receivers(self, name: str) -> list[str]:
        """Return to whom a lane may give."""
        lanes = self._lanes.items() if name in self._lanes else ()
        return [other for other, its in lanes if other != name and not its.stopped]

    def may_bring(self, name: str) -> bool:
        """Tell whether a lane may get something yet."""
        return bool(self._at_work - {name})

    def bring(self, name: str, moved: Iterable[str]) -> bool:
        """Hear that a lane gave items to others; tell whether it is the first time."""
        first = name not in self.gave
        self.gave.add(name)
        self._at_work.update(moved)
        self._notify()
        return first

    def wake(self) -> None:
        """Hear that there is something new, which any lane may work on."""
        self._at_work.update(self._lanes)

    def rest(self, name: str) -> None:
        """Hear that a lane works on nothing."""
        if name in self._at_work:
            self._at_work.discard(name)
            self._notify()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What every worker of one run shares."""

    ledger: RunLedger
    transport: Transport
    store: Store
    staging: Uploader
    clock: Clock
    campaign: str
    run_id: int
    policy: Policy
    limits: BudgetLimits
    clips: ClipVerifier
    observer: Callable[[Event], None]
    checkpoint: Callable[[str], None]
    stop: asyncio.Event
    chance: Random
    new_client_id: Callable[[], str]
    lanes: Mapping[str, ProviderLanes]
    """By provider."""
    changes: ChangeSignal
    shards: ShardsInSight
    prices: FirstPurchases
    fallback: Fallback
    left_out: Collection[str]
    """Keys of what a person left out of this run before it was submitted."""
    parked: set[tuple[str, State]] = field(default_factory=set)
    """What this run could not settle in that state, by its key: it is not taken up again."""
    hides: Hides = hide_nothing
    """Tells which clips are not laid out at their output paths for now."""
    shared: SharedStore | None = None
    """Where clips go that are made here for a run elsewhere, or come from that are made there."""
    address_header: bool = False
    """Whether a submit tells the item's address: to the sandbox only."""
    settle_only: bool = False
    """Whether nothing is bought: what was sent is collected and settled."""
    budget_guard: BudgetGuard = field(default_factory=BudgetGuard)
    durations: TaskDurations = field(default_factory=TaskDurations)
