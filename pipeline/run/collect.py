"""From waiting to done: the status asked for, the clip fetched, verified, kept and shown.

A task that was accepted costs money whatever we do, so it is asked for until its deadline, and
what is finished is fetched even when nothing more is bought.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from pipeline.domain import Feature
from pipeline.domain.states import POLICY, TRANSIENT, FaultKind, Phase, State
from pipeline.ledger import payload
from pipeline.ledger.jobs import CHARGED
from pipeline.ledger.outputs import Clip, Landing
from pipeline.ledger.purchases import Booking
from pipeline.providers.base import Done, Failed, Fault, Pending, TaskRef, Unknown
from pipeline.run.charges import book_charge, read_charge
from pipeline.run.fetch import ExpectedClip, Fetched, fetch, find_received
from pipeline.run.grouped_polls import next_tick
from pipeline.run.job import ActiveJob
from pipeline.run.publish import show
from pipeline.run.shared_files import drop_download, push_clip

FRESH_LINKS = 3
"""How often another link is asked for before a paid clip is left for the next run."""
_SPREAD = 0.1


async def handle_waiting(active: ActiveJob) -> None:
    """Ask for the task, as its like took before, until it has ended or its deadline has passed."""
    active.count_in()
    clock, durations = active.context.clock, active.context.durations
    bought = active.purchase
    alike = (bought.provider, bought.model, bought.kind, bought.mode, bought.seconds)
    pace = durations.pace(alike, active.queue.provider.offer.cadence)
    # Its age is known by the wall clock alone, which survives a restart; the wait itself goes by
    # the clock that nobody sets.
    age_s = max(0.0, active.now() - (bought.accepted_at or 0.0))
    accepted_at = clock.monotonic() - age_s
    until = clock.monotonic() + max(0.0, active.context.policy.deadline_s - age_s)
    # For a fresh link there is nothing to wait for: the task has ended.
    pause_s = 0.0 if active.fresh_links else max(0.0, pace.first_s - age_s)
    gap_s, asked_before = pace.gap_s, None
    while True:
        spread = active.context.chance.uniform(1 - _SPREAD, 1 + _SPREAD)
        due = clock.monotonic() + pause_s * spread
        if active.queue.provider.offer.status_group > 1:
            due = next_tick(due, pause_s)
        await clock.sleep(max(0.0, min(due, until) - clock.monotonic()))
        asked_at = clock.monotonic()
        pause_s = await _poll(active, gap_s)
        # What an earlier run sent may have ended long ago, and a fresh link says nothing.
        if active.job.state is State.FETCHING and active.intended_at and not active.fresh_links:
            since_s = None if asked_before is None else asked_at - asked_before
            durations.learn(alike, asked_at - accepted_at, since_s)
        if active.job.state is not State.WAITING or active.suspended:
            return
        # An answer from before the deadline does not count: the machine may have slept since.
        if asked_at >= until:
            await active.move(State.OVERDUE, message="not finished by its deadline")
            active.suspended = True
            return
        asked_before, gap_s = asked_at, pace.next_gap(gap_s, asked_at - accepted_at)


async def handle_overdue(active: ActiveJob) -> None:
    """Ask once more, never buy: it may have finished since."""
    while not active.suspended:
        pause_s = await _poll(active, 0.0)
        if active.job.state is not State.OVERDUE:
            return
        active.suspended = active.suspended or not pause_s or active.exhausts(Phase.POLLING)
        await active.context.clock.sleep(pause_s)


async def handle_fetching(active: ActiveJob) -> None:
    """Fetch the clip and show it; a dead or refused link is asked for again, not bought again."""
    # The task has ended, so it takes no room at the provider while its clip is fetched.
    active.leave_slot()
    if active.done is None:
        # An earlier process learned that it had finished. Its link is in no ledger; its clip may be
        # in the store already.
        kept = await find_received(
            active.context.store, expected=_expected_clip(active), clips=active.context.clips
        )
        if kept is not None:
            await _land(active, kept)
        else:
            await active.move(State.WAITING, message="asked again for its link")
        return
    fetched = await _fetch_clip(active, active.done)
    if isinstance(fetched, Fetched):
        await _land(active, fetched)
        return
    policy = POLICY[Phase.FETCHING][fetched.kind]
    if policy.again and not active.exhausts(Phase.FETCHING) and not _is_download_late(active):
        await active.context.clock.sleep(active.pause_s(Phase.FETCHING, fetched))
        return
    # Another link, a few times; then it is left for the next run. So is a clip that was cut each
    # time: the whole of it may lie at the provider.
    active.done = None
    active.fresh_links += 1
    if active.fresh_links > FRESH_LINKS or _is_download_late(active):
        await active.move(State.OVERDUE, cause=fetched.kind.value, message=fetched.message)
        active.suspended = True
        return
    await active.move(State.WAITING, cause=fetched.kind.value, message=fetched.message)
    await active.context.clock.sleep(active.pause_s(Phase.FETCHING, fetched))


async def _poll(active: ActiveJob, gap_s: float) -> float:
    """Ask for the task once and do as the answer says; return when to ask again."""
    task = TaskRef(task=active.purchase.task, client_id=active.purchase.client_id)
    state = await active.queue.polls.status(task)
    active.context.checkpoint("polled")
    unreadable = isinstance(state, Fault) and state.kind is FaultKind.UNREADABLE
    active.break_circuit(active.queue.circuit_breaker.read(readable=not unreadable))
    match state:
        case Done(charge=charge):
            active.done = state
            active.emit_unread(charge)
            # Booked before the clip is here: it is paid for whatever becomes of the download.
            booking = await read_charge(active, charge)
            booking = replace(booking, seed=state.seed, nsfw=state.nsfw)
            await active.close(State.FETCHING, booking)
        case Failed():
            await _close_failed(active, state)
        case Fault():
            return _handle_unanswered(active, state)
        case Unknown(word=word) if word not in active.words:
            active.words.add(word)
            active.emit("unknown_word", word=word)
        case Pending(progress=float(told)) if told != active.told:
            # For who watches, and for nobody else: a provider's percentage decides nothing.
            active.told = told
            active.emit("progress", progress=told)
    active.tries[Phase.POLLING] = 0
    return gap_s


def _handle_unanswered(active: ActiveJob, fault: Fault) -> float:
    """Return when to ask again after a question that went wrong; park it if a person must act."""
    policy = POLICY[Phase.POLLING][fault.kind]
    active.apply_action(policy.lane, fault)
    active.emit("unanswered", cause=fault.kind.value, message=fault.message)
    if not policy.again:
        active.suspended = True
        return 0.0
    active.tries[Phase.POLLING] += 1
    return active.pause_s(Phase.POLLING, fault)


async def _close_failed(active: ActiveJob, failed: Failed) -> None:
    """Book what the failure cost: as said, else nothing if the offer says so, else perhaps all.

    A clip that was finished before was paid for: no term makes that free.
    """
    fault, purchase = failed.fault, active.purchase
    active.emit_unread(failed.charge)
    free_by_terms = Feature.FREE_FAILURES in active.queue.provider.offer.features
    if failed.charge is not None and (failed.charge.usd is not None or failed.charge.unread):
        booking = book_charge(active, failed.charge)
        free = not (booking.charged_microusd or failed.charge.unread)
    elif free_by_terms and purchase.outcome != CHARGED:
        booking = Booking(source="estimated", outcome="failed", at=active.now())
        free = True
    else:
        booking = Booking(
            possible_microusd=purchase.reserved_microusd, outcome="failed", at=active.now()
        )
        free = False
    # Only what is known to be free may be bought again unasked: else the clip could be paid twice.
    again = free and fault.kind in TRANSIENT
    booking = replace(booking, outcome="failed", free=again)
    booking = replace(booking, cause=fault.kind.value, message=fault.message)
    booking = replace(booking, seed=failed.seed, nsfw=failed.nsfw)
    await active.close(State.FAILED, booking)
    active.leave_slot()
    if again and active.job.tries < active.context.policy.purchases:
        await active.move(State.PLANNED)


async def _fetch_clip(active: ActiveJob, done: Done) -> Fetched | Fault:
    context = active.context
    return await fetch(
        context.transport,
        active.queue.lane,
        done,
        store=context.store,
        expected=_expected_clip(active),
        clips=context.clips,
        turn=_download_turn(active),
        clock=context.clock,
        until_sure=context.ledger.lease.until_sure,
        checkpoint=context.checkpoint,
    )


@asynccontextmanager
async def _download_turn(active: ActiveJob) -> AsyncIterator[None]:
    """Wait until it may download from its provider; the time it takes then is counted."""
    clock = active.context.clock
    async with active.queue.downloads:
        began = clock.monotonic()
        try:
            yield
        finally:
            active.downloading_s += clock.monotonic() - began


def _expected_clip(active: ActiveJob) -> ExpectedClip:
    spec = payload.load_item(active.job.payload).spec
    left_s = active.context.policy.deadline_s - active.downloading_s
    until = active.context.clock.monotonic() + left_s
    return ExpectedClip(name=active.purchase.client_id, spec=spec, until=until)


def _is_download_late(active: ActiveJob) -> bool:
    """Tell whether its downloads took as long in this run as its deadline allows, in all."""
    return active.downloading_s >= active.context.policy.deadline_s


async def _land(active: ActiveJob, fetched: Fetched) -> None:
    """Write that the clip is in the store; then show it at every output path of its key."""
    context, media = active.context, fetched.media
    if context.shared is not None:
        await push_clip(context, fetched)
    clip = Clip(
        sha256=fetched.sha256,
        extension=fetched.ext,
        bytes=fetched.bytes,
        seconds=media.seconds,
        width=media.width,
        height=media.height,
        fps=media.fps,
        # Of a file here whoever lays it out elsewhere knows nothing: they look at their own.
        signature=fetched.signature if context.shared is None else "",
    )
    found = Landing(state=State.DONE)
    if fetched.off_spec:
        cause = FaultKind.OFF_SPEC.value
        found = Landing(state=State.OFF_SPEC, cause=cause, message=fetched.off_spec)
    landed = await context.ledger.land(
        active.job, clip, found, campaign=context.campaign, at=active.now()
    )
    context.checkpoint("committed")
    active.set_state(landed.state, cause=landed.cause, message=landed.message)
    if landed.twin:
        active.emit("same_content", message=f"the very same file as {landed.twin} received")
    # Not earlier: until the ledger knew, the receipt was all that led from the task to its clip.
    forget = partial(drop_download, context, active.purchase.client_id, clip)
    # Last, and no part of the commit: if this is cut off, the next run finds the path empty and
    # puts the clip there.
    await show(context, landed.views, first=forget)
