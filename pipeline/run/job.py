"""One job in the hands of its worker: where it stands, and what is known only while it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pipeline.domain import EMPTY, Event
from pipeline.domain.money import exact_usd
from pipeline.domain.states import LaneAction, Phase, State
from pipeline.ledger.jobs import CHARGED, Job, Purchase
from pipeline.ledger.purchases import Booking, purchase_of
from pipeline.ledger.sql_schema import usd
from pipeline.providers.base import Charge, Done, Fault
from pipeline.run.context import LONGEST_WAIT_S, ProviderQueue, RunContext
from pipeline.run.retry import backoff

STALE_S = 30.0
"""An intent older than this is not sent: the machine may have slept in between."""
UNREACHABLE = "unreachable"
"""The cause of a job that is held since its provider could not be connected to."""


@dataclass(slots=True, kw_only=True)
class ActiveJob:
    """A job being worked on. Its steps change it; the ledger is always changed first."""

    job: Job
    context: RunContext
    queue: ProviderQueue
    tries: Counter[Phase] = field(default_factory=Counter)
    suspended: bool = False
    """Nothing more to do with it in this run."""
    is_stale: bool = False
    """It is planned otherwise than it was read: it is to be read again."""
    intended_at: float = 0.0
    """Monotonic, when its intent was committed."""
    body: bytes = b""
    """What its request was when the intent was written: it is sent as it is."""
    done: Done | None = None
    fresh_links: int = 0
    """Times its status was asked for another link."""
    downloading_s: float = 0.0
    """How long its downloads took in this run, without the waits between them."""
    balance: Charge | None = None
    """What the account had before a purchase that goes alone, if it could be asked."""
    doubted: bool = False
    """The brake knows of its doubt already, before it has ended."""
    words: set[str] = field(default_factory=set)
    """Status words that nobody documented."""
    told: float | None = None
    """How far its provider said last that it is, from 0 to 1."""
    _slot: bool = False

    @property
    def purchase(self) -> Purchase:
        """Return its current paid try."""
        return purchase_of(self.job)

    @property
    def others_go_on(self) -> bool:
        """Tell whether another account of its provider may make what this one cannot."""
        lanes = self.context.lanes[self.job.provider]
        return any(each is not self.queue and not each.stopped for each in lanes.queues)

    @property
    def is_left_planned(self) -> bool:
        """Tell whether what a stopped lane cannot make stays planned, and is not held at once.

        Another account may make it, or another process with the same ledger: of those, the last one
        holds it (`LaneWorker.hold_rest`).
        """
        return self.others_go_on or self.context.ledger.is_shared

    def may_send(self) -> bool:
        """Tell whether what buys it may leave now: by a clock that goes on while a machine sleeps.

        An intent is sent at once, or not at all, and only while nobody else may take the job over.
        What is sent again under its own id is judged by its age (`reconcile`).
        """
        now = self.context.clock.monotonic()
        fresh = self.job.state is not State.SUBMITTING or now - self.intended_at <= STALE_S
        return fresh and self.context.ledger.lease.may_send()

    async def move(self, after: State, *, cause: str = "", message: str = "") -> None:
        """Move it along the table, in the ledger and here."""
        await self.context.ledger.move(self.job, after, cause=cause, message=message)
        self.set_state(after, cause=cause, message=message)

    async def close(self, after: State, booking: Booking) -> None:
        """Move it along the table and book how its paid try ended."""
        exceeded = await self.context.ledger.close_purchase(
            self.job, after, booking, run_id=self.context.run_id
        )
        before, charged_usd = self.purchase, usd(booking.charged_microusd)
        if exceeded or booking.evidence:
            price = (await self.context.ledger.seen_prices()).get(before.price)
            if price is not None:
                self.context.prices.learn(price)
        ended = replace(before, outcome=booking.outcome)
        # Watchers add up what they are told: a clip that is asked for again is charged once.
        sums: dict[str, Decimal] = {}
        if before.outcome != CHARGED:
            known = {"charged": booking.charged_microusd, "possible": booking.possible_microusd}
            sums = {f"{name}_usd": usd(microusd) for name, microusd in known.items() if microusd}
            # What is unknown is no nought.
            sums = sums or {"charged_usd": Decimal(0)}
        cause, message = booking.cause, booking.message
        self.set_state(after, sums=sums, cause=cause, message=message, purchase=ended)
        self.context.budget_guard.came_back()
        if exceeded:
            self.context.budget_guard.closed = True
            most_usd = charged_usd + usd(booking.possible_microusd)
            aside_usd = usd(before.reserved_microusd)
            told = (
                f"{exact_usd(most_usd)} USD charged where {exact_usd(aside_usd)} USD was set aside"
            )
            self.emit("overcharged", charged_usd=charged_usd, message=told)
        if booking.outcome == CHARGED:
            self.leave_price(settled=True)

    def leave_price(self, *, settled: bool) -> None:
        """Let the next purchase of its price go, if this one went alone."""
        job = self.job
        # What an earlier plan bought was claimed at its own price, which may be another now.
        for price in {job.price, self.purchase.price} if job.purchase else {job.price}:
            self.context.prices.leave(price, job.key, settled=settled)

    def set_state(self, state: State, *, sums: Mapping[str, Decimal] = EMPTY, **known: Any) -> None:
        """Take over what the ledger has just been told, and tell the watcher, with its `sums`."""
        job = self.job = replace(self.job, state=state, **known)
        self.emit(state.value, cause=job.cause, message=job.message, **sums)

    async def take_slot(self, *, settling: bool = False) -> bool:
        """Wait until it may be submitted; False if nothing more is.

        `settling` is for a request that is sent again under its own id.
        """
        return await self.queue.wait(self._stand_in_line(), settling=settling)

    async def _stand_in_line(self) -> None:
        """Wait until there is room for its clip, and then for its place and its turn."""
        queue, limiter = self.queue, self.queue.limiter
        # Bought faster than looked into, clips would only pile up.
        await self.context.clips.until_room()
        while True:
            await queue.until_resumed()
            if not self._slot:
                await limiter.enter()
                self._slot = True
            await limiter.turn()
            # The pause may have begun while it waited for its turn.
            if not queue.paused:
                return
            self.leave_slot()

    def count_in(self) -> None:
        """Count among the provider's tasks, for it is one of them: a lane never submits above."""
        if not self._slot:
            self.queue.limiter.count()
            self._slot = True

    def leave_slot(self) -> None:
        """Stop counting among the provider's tasks."""
        if self._slot:
            self._slot = False
            self.queue.limiter.leave()

    def exhausts(self, phase: Phase) -> bool:
        """Count a free try; tell whether there were as many as the policy allows."""
        self.tries[phase] += 1
        return self.tries[phase] > self.context.policy.request_retries

    def is_wait_over(self, fault: Fault) -> bool:
        """Tell whether its provider has taken nothing for longer than it is waited for.

        That is about the provider and not about this item: one that lets a single item through
        per wait goes on, however long the others stand in line. Waiting costs nothing, so one
        that names the time to come back is waited for, unless another may make the items.
        """
        elsewhere = self.others_go_on or self.context.fallback.receivers(self.job.provider)
        told = bool(fault.retry_after_s) and not elsewhere
        longest_s = LONGEST_WAIT_S if told else self.context.policy.deadline_s
        return self.queue.note_busy() > longest_s

    def pause_s(self, phase: Phase, fault: Fault) -> float:
        """Return how long to wait before asking again, as told or by growing steps."""
        return backoff(
            self.tries[phase], chance=self.context.chance, retry_after_s=fault.retry_after_s
        )

    async def rest(self, seconds: float, *, settling: bool = False) -> bool:
        """Wait before submitting again; False if nothing more is submitted."""
        return await self.queue.wait(self.context.clock.sleep(seconds), settling=settling)

    def apply_action(self, signal: LaneAction, fault: Fault) -> None:
        """Tell the lane what a fault means for it."""
        if signal is LaneAction.SLOW:
            news = self.queue.limiter.slow_down(fault.retry_after_s)
            width = self.queue.limiter.width
            if news:
                self._emit_lane("throttled", f"{fault.message}; now {width} at once", width=width)
        elif signal is LaneAction.STOP and self.queue.stop(fault.message):
            self._emit_lane("lane_stopped", fault.message, cause=fault.kind.value)

    def note_success(self) -> None:
        """Tell the lane that its provider took one more at once."""
        limiter = self.queue.limiter
        self.queue.note_accepted()
        if limiter.speed_up():
            self._emit_lane("widened", f"{limiter.width} at once")

    def break_circuit(self, why: str) -> None:
        """Stop the lane if the brake says why; what is in doubt goes on being settled."""
        if why and self.queue.stop(why, settles=True):
            self._emit_lane("lane_stopped", why, cause="brake")

    def _emit_lane(self, name: str, message: str, **detail: Any) -> None:
        """Tell the watcher what is about the lane, and which account's it is."""
        lane = self.queue.lane
        told = f"{lane.name}: {message}" if lane.account else message
        self.emit(name, message=told, **detail)

    def emit(self, name: str, **detail: Any) -> None:
        """Tell the watcher of the run."""
        self.context.observer(self.event(name, **detail))

    def event(self, name: str, **detail: Any) -> Event:
        """Return an event that is about it, now."""
        at, job = self.context.clock.now(), self.job
        return Event(name=name, at=at, provider=job.provider, address=job.address, detail=detail)

    def emit_unread(self, charge: Charge | None) -> None:
        """Tell what a reply has where a sum belongs, if it is none."""
        if charge is not None and charge.unread:
            told = f"the provider tells a charge that is no sum of money: {charge.unread}"
            self.emit("unread_charge", message=told)

    def now(self) -> float:
        """Return unix seconds by the wall clock that all go by who share the ledger."""
        return self.context.clock.now().timestamp() + self.context.ledger.lease.ahead_s
