"""From waiting to done: the status asked for, the clip fetched, verified, kept and shown.

A task that was accepted costs money whatever we do, so it is asked for until its deadline, and
what is finished is fetched even when nothing more is bought.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from pipeline.domain import Feature
from pipeline.domain.states import POLICY, TRANSIENT, FaultKind, Phase, State
from pipeline.errors import TransportFault, UnreadableReply
from pipeline.ledger import payload
from pipeline.ledger.jobs import CHARGED
from pipeline.ledger.outputs import Clip, land
from pipeline.ledger.purchases import Booking
from pipeline.net.client import Transport
from pipeline.net.lane import Lane
from pipeline.providers.base import Done, Failed, Fault, Provider, TaskRef, TaskState, Unknown
from pipeline.run.charges import book_charge, read_charge
from pipeline.run.fetch import Fetched, Wanted, fetch, forget, received
from pipeline.run.job import Life
from pipeline.run.publish import show

FRESH_LINKS = 3
"""How often another link is asked for before a paid clip is left for the next run."""
_SPREAD = 0.1
_GROWTH = 1.5


async def waiting(life: Life) -> None:
    """Ask for the task, in growing steps, until it has ended or its deadline has passed."""
    await life.count_in()
    clock, cadence = life.means.clock, life.station.provider.offer.cadence
    age_s = life.now() - (life.purchase.accepted_at or 0.0)
    until = clock.monotonic() + max(0.0, life.means.policy.deadline_s - max(0.0, age_s))
    pause_s = 0.0 if life.fresh_links else max(0.0, cadence.first_s - max(0.0, age_s))
    gap_s = cadence.every_s
    while True:
        spread = life.means.chance.uniform(1 - _SPREAD, 1 + _SPREAD)
        await clock.sleep(max(0.0, min(pause_s * spread, until - clock.monotonic())))
        asked_at = clock.monotonic()
        pause_s = await _asked(life, gap_s)
        if life.job.state is not State.WAITING or life.parked:
            return
        # An answer from before the deadline does not count: the machine may have slept since.
        if asked_at >= until:
            await life.move(State.OVERDUE, message="not finished by its deadline")
            life.parked = True
            return
        gap_s = min(gap_s * _GROWTH, cadence.max_s)


async def overdue(life: Life) -> None:
    """Ask once more, never buy: it may have finished since."""
    while not life.parked:
        pause_s = await _asked(life, 0.0)
        if life.job.state is not State.OVERDUE:
            return
        life.parked = life.parked or not pause_s or life.used_up(Phase.POLLING)
        await life.means.clock.sleep(pause_s)


async def fetching(life: Life) -> None:
    """Fetch the clip and show it; a link that is dead is asked for again, never bought again."""
    life.leave_slot()
    if life.done is None:
        kept = await received(life.means.store, wanted=_wanted(life), probe=life.means.probe)
        if kept is not None:
            await _landed(life, kept)
        else:
            await life.move(State.WAITING, message="asked again for its link")
        return
    fetched = await _fetched(life, life.done)
    if isinstance(fetched, Fetched):
        await _landed(life, fetched)
        return
    ruling = POLICY[Phase.FETCHING][fetched.kind]
    if ruling.again and not life.used_up(Phase.FETCHING) and not _fetched_too_long(life):
        await life.means.clock.sleep(life.pause_s(Phase.FETCHING, fetched))
        return
    await _another_link(life, fetched)


async def _asked(life: Life, gap_s: float) -> float:
    """Ask for the task once and do as the answer says; return when to ask again."""
    state = await _state(life)
    life.means.checkpoint("polled")
    life.brake(life.station.brake.read(readable=_readable(state)))
    match state:
        case Done():
            await _finished(life, state)
        case Failed():
            await _failed(life, state)
        case Fault():
            return _unanswered(life, state)
        case Unknown(word=word) if word not in life.words:
            life.words.add(word)
            life.tell("unknown_word", word=word)
    life.tries[Phase.POLLING] = 0
    return gap_s


async def _state(life: Life) -> TaskState:
    purchase, station = life.purchase, life.station
    task = TaskRef(task=purchase.task, client_id=purchase.client_id)
    return await state_of(task, station.provider, station.lane, life.means.transport)


async def state_of(
    task: TaskRef, provider: Provider, lane: Lane, transport: Transport
) -> TaskState:
    """Ask a provider for a task, once."""
    try:
        reply = await transport.send(lane, provider.status_request(task))
    except UnreadableReply as garbled:
        return Fault(kind=FaultKind.UNREADABLE, message=str(garbled))
    except TransportFault as lost:
        return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost))
    return provider.read_status(task, reply)


def _readable(state: TaskState) -> bool:
    return not (isinstance(state, Fault) and state.kind is FaultKind.UNREADABLE)


def _unanswered(life: Life, fault: Fault) -> float:
    """Return when to ask again after a question that went wrong; park it if a person must act."""
    ruling = POLICY[Phase.POLLING][fault.kind]
    life.heed(ruling.lane, fault)
    life.tell("unanswered", cause=fault.kind.value, message=fault.message)
    if not ruling.again:
        life.parked = True
        return 0.0
    life.tries[Phase.POLLING] += 1
    return life.pause_s(Phase.POLLING, fault)


async def _finished(life: Life, done: Done) -> None:
    life.done = done
    life.tell_unread(done.charge)
    await life.close(State.FETCHING, await read_charge(life, done.charge))


async def _failed(life: Life, failed: Failed) -> None:
    """Book what the failure cost: as said, else nothing if the offer says so, else perhaps all.

    A clip that was finished before was paid for: no term makes that free.
    """
    fault, purchase = failed.fault, life.purchase
    life.tell_unread(failed.charge)
    free_by_terms = Feature.FREE_FAILURES in life.station.provider.offer.features
    if failed.charge is not None and (failed.charge.usd is not None or failed.charge.unread):
        booking = book_charge(life, failed.charge)
        free = not (booking.charged_microusd or failed.charge.unread)
    elif free_by_terms and purchase.outcome != CHARGED:
        booking = Booking(source="estimated", outcome="failed", at=life.now())
        free = True
    else:
        booking = Booking(
            possible_microusd=purchase.reserved_microusd, outcome="failed", at=life.now()
        )
        free = False
    again = free and fault.kind in TRANSIENT
    booking = replace(booking, outcome="failed", free=again)
    booking = replace(booking, cause=fault.kind.value, message=fault.message)
    await life.close(State.FAILED, booking)
    life.leave_slot()
    if again and life.job.tries < life.means.policy.purchases:
        await life.move(State.PLANNED)


async def _fetched(life: Life, done: Done) -> Fetched | Fault:
    means = life.means
    async with life.station.downloads:
        began = means.clock.monotonic()
        try:
            return await fetch(
                means.transport,
                life.station.lane,
                done,
                store=means.store,
                wanted=_wanted(life),
                probe=means.probe,
                clock=means.clock,
                checkpoint=means.checkpoint,
            )
        finally:
            life.downloading_s += means.clock.monotonic() - began


def _wanted(life: Life) -> Wanted:
    spec = payload.thawed(life.job.payload).spec
    left_s = life.means.policy.deadline_s - life.downloading_s
    until = life.means.clock.monotonic() + left_s
    return Wanted(name=life.purchase.client_id, spec=spec, until=until)


def _fetched_too_long(life: Life) -> bool:
    """Tell whether its downloads took as long in this run as its deadline allows, in all."""
    return life.downloading_s >= life.means.policy.deadline_s


async def _another_link(life: Life, fault: Fault) -> None:
    """Ask the status for another link, a few times; then leave it for the next run.

    That is also for a clip that was cut each time: the whole of it may lie at the provider.
    """
    life.done = None
    life.fresh_links += 1
    if life.fresh_links > FRESH_LINKS or _fetched_too_long(life):
        await life.move(State.OVERDUE, cause=fault.kind.value, message=fault.message)
        life.parked = True
        return
    await life.move(State.WAITING, cause=fault.kind.value, message=fault.message)
    await life.means.clock.sleep(life.pause_s(Phase.FETCHING, fault))


async def _landed(life: Life, fetched: Fetched) -> None:
    """Write that the clip is in the store; then show it at every output path of its key."""
    means, media = life.means, fetched.media
    clip = Clip(
        sha256=fetched.sha256,
        extension=fetched.ext,
        bytes=fetched.bytes,
        seconds=media.seconds,
        width=media.width,
        height=media.height,
        fps=media.fps,
        signature=means.store.signature(fetched.sha256, fetched.ext),
    )
    after = State.OFF_SPEC if fetched.off_spec else State.DONE
    cause = FaultKind.OFF_SPEC.value if fetched.off_spec else ""
    landing = partial(land, job=life.job, after=after, clip=clip)
    landed = await means.ledger.write(partial(landing, cause=cause, message=fetched.off_spec))
    means.checkpoint("committed")
    life.stands(landed.state, cause=landed.cause, message=landed.message)
    if landed.twin:
        life.tell("same_content", message=f"the very same file as {landed.twin} received")
    await asyncio.to_thread(forget, means.store, life.purchase.client_id)
    await show(means, life.job.key)
