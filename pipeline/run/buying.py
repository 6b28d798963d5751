"""From planned to waiting: references staged, the intent written, the request sent, once.

The intent is on disk before the first byte leaves. What cannot be proven not to have been
accepted is in doubt, and nothing here sends it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import cast
from urllib.parse import quote

import orjson

from pipeline.errors import NotSent, TransportFault
from pipeline.model import Feature
from pipeline.providers.base import (
    CLIENT_ID,
    Absent,
    Accepted,
    Charge,
    Fault,
    FaultKind,
    Finds,
    Request,
    Uploads,
)
from pipeline.run.charges import ask_balance
from pipeline.run.clock import boot
from pipeline.run.ledger import payload
from pipeline.run.ledger.budgets import BUDGET, OVERCHARGED, Denied
from pipeline.run.ledger.jobs import Purchase
from pipeline.run.ledger.prepared import Clashed
from pipeline.run.ledger.purchases import (
    NOT_ACCEPTED,
    REFUSED,
    Booking,
    accept,
    intend,
    tasks,
)
from pipeline.run.life import UNREACHABLE, Life
from pipeline.run.lifecycle import LANE, POLICY, Phase, Signal, State
from pipeline.run.price_gate import PRICE
from pipeline.run.transport.wire import encoded, filled

STALE_S = 30.0
"""An intent older than this is not sent: the machine may have slept in between."""
DOUBT = "doubt"
LOOK_UPS = frozenset({Feature.FIND, Feature.LISTING})
"""What lets a provider be asked for a task without its id."""
_EARLIER_S = 3600.0
"""How far back tasks are looked for that are other purchases': clocks differ."""
_UNPRICED = "its price is not known, and there is a budget: add a rate, or say what to assume"
_CLOSED = "a charge was above its reservation: nothing more is bought in this run"


async def planned(life: Life) -> None:
    """Begin, unless nothing more is submitted: then leave it planned, or hold it and say why.

    While nobody has confirmed its price, it waits until no other of that price is being bought.
    """
    job, prices = life.job, life.means.prices
    if not life.job.selected:
        life.parked = True
    elif life.station.stopped:
        await life.move(State.HELD, cause=LANE, message=life.station.stopped)
    elif life.means.stop.is_set() or life.means.settle_only:
        life.parked = True
    elif why := unaffordable(life) or _shut(life):
        cause, message = why
        await life.move(State.HELD, cause=cause, message=message)
    elif not prices.passes(job.price, job.seconds, job.key):
        await life.station.wait(prices.changed())
    else:
        prices.claim(job.price, job.seconds, job.key)
        await life.move(State.STAGING)


async def staging(life: Life) -> None:
    """Upload what the provider does not have yet, wait for a slot, and write the intent."""
    kept, clock = payload.thawed(life.job.payload), life.means.clock
    staged, staged_at = await _staged(life, kept), clock.monotonic()
    if not isinstance(staged, Fault):
        if not await life.take_slot():
            life.leave_slot()
            await life.move(State.PLANNED)
            return
        if clock.monotonic() - staged_at > STALE_S:
            # An upload may not have outlived the wait, nor a sleep of the machine.
            staged = await _staged(life, kept)
    if isinstance(staged, Fault):
        life.leave_slot()
        await _unstaged(life, staged)
    else:
        if life.means.prices.holds(life.job.price, life.job.key):
            life.balance = await ask_balance(life)
        await _buy(life, kept.request, staged)


async def submitting(life: Life) -> None:
    """Send the request, and write what is known of it then."""
    means = life.means
    if means.till.closed:
        await _release(life, State.PLANNED, FaultKind.UNPAID, _CLOSED)
    elif means.clock.monotonic() - life.intended_at > STALE_S:
        await doubt(life, "too long between the intent and sending: the machine may have slept")
    else:
        match await post(life):
            case Accepted(task=task, reserved=reserved):
                life.went_well()
                await accepted(life, task, reserved)
            case NotSent() as never:
                await _unreachable(life, str(never))
            case Fault() as fault:
                await _refused(life, fault)


async def post(life: Life) -> Accepted | Fault | NotSent:
    """Send the frozen request and read the reply; one that is lost or unreadable is a Fault."""
    purchase, station = life.purchase, life.station
    headers = {"X-Callsheet-Address": quote(life.job.address)} if life.means.address_header else {}
    try:
        reply = await life.means.transport.submit(station.lane, request_of(purchase), headers)
    except NotSent as never:
        return never
    except TransportFault as lost:
        return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost), accepted=None)
    life.means.checkpoint("sent")
    return station.provider.read_submit(reply, purchase.client_id)


async def accepted(life: Life, task: str, reserved: Charge | None = None) -> None:
    """Make the task id durable: nothing is asked of the provider before.

    `reserved` is what the provider says it set aside, in its own unit.
    """
    at = life.now()
    life.tell_unread(reserved)
    native = "" if reserved is None or reserved.native is None else str(reserved.native)
    unit = reserved.unit if reserved is not None and native else ""
    writing = partial(accept, job=life.job, task=task, at=at, native=native, unit=unit)
    try:
        await life.means.ledger.write(writing)
    except Clashed:
        # Two purchases would be one task: a reply was mixed up, there or here.
        await doubt(life, f"the provider named task {task}, which is another purchase's")
        return
    life.means.checkpoint("accepted")
    # The request is in the ledger; thousands in flight need not hold it.
    bought = replace(life.purchase, task=task, accepted_at=at, request=b"")
    bought = replace(bought, charged_native=native, native_unit=unit)
    known = {"purchase": bought, "tries": life.job.tries + 1}
    life.stands(State.WAITING, **known, cause="", message="")


async def doubt(life: Life, why: str) -> None:
    """Write that nobody knows whether it was accepted; its money stays reserved."""
    if life.job.state is not State.IN_DOUBT:
        await life.move(State.IN_DOUBT, cause=DOUBT, message=why)


def request_of(purchase: Purchase) -> Request:
    """Return the very request of a purchase: the same body and client id, however often."""
    kept = orjson.loads(purchase.request)
    values = {**kept["values"], CLIENT_ID: purchase.client_id}
    return filled(payload.request(kept["request"]), values)


def _shut(life: Life) -> tuple[str, str] | None:
    why = life.means.prices.shut(life.job.price)
    open_ = life.means.prices.seen(life.job.price).confirmed(life.job.seconds)
    return None if open_ or not why else (PRICE, why)


def unaffordable(life: Life) -> tuple[str, str] | None:
    """Return cause and message where reserving its price would be in vain."""
    price, means = life.job.high_microusd, life.means
    if means.till.closed:
        return OVERCHARGED, _CLOSED
    if price is None:
        return (BUDGET, _UNPRICED) if means.limits.any else None
    denied = means.till.refuses(price)
    return (denied.cause, denied.message) if denied else None


async def _buy(life: Life, request: Mapping[str, object], values: Mapping[str, str]) -> None:
    """Write the intent: under a new client id, or under the one that was turned away before.

    A gateway may turn away (429, 402, 403) what the provider behind it has taken. Under the same
    id and with the same body such a task is found by sending again; under a new one it is bought
    twice. Where the provider may have forgotten the id, or the body has changed since, it is asked
    for the task first, if it can be asked.
    """
    before = _turned_away(life)
    if before is None:
        await _intend(life, _frozen(life, request, values, life.means.new_client_id()))
        return
    again = replace(_frozen(life, request, values, before.client_id), id=before.id)
    alike = request_of(again) == request_of(before)
    offer = life.station.provider.offer
    known = 0 <= life.now() - before.intent_at < offer.dedupe_for_s
    if not (alike and known) and Feature.FIND in offer.features:
        found = await look_up(life, before)
        if isinstance(found, Accepted):
            await _intend_found(life, replace(again, request=before.request), found.task)
            return
        if isinstance(found, Fault):
            life.leave_slot()
            await _unstaged(life, found)
            return
    if not alike:
        again = _frozen(life, request, values, life.means.new_client_id())
    await _intend(life, again)


def _turned_away(life: Life) -> Purchase | None:
    """Return the job's last try if it was not accepted here, and its id can be sent again."""
    job, before, station = life.job, life.job.purchase, life.station
    # The purchases of a campaign are counted beside its clips: none may become another's.
    if before is None or before.outcome != NOT_ACCEPTED or before.campaign_id != job.campaign_id:
        return None
    account = orjson.loads(before.request).get("account")
    here = (before.provider, account) == (job.provider, station.lane.account)
    return before if here and Feature.IDEMPOTENT in station.provider.offer.features else None


async def _intend_found(life: Life, purchase: Purchase, task: str) -> None:
    """Reserve what a try costs that was taken although it was turned away, and collect it."""
    await _intend(life, purchase)
    if life.job.state is State.SUBMITTING:
        await accepted(life, task)


async def look_up(life: Life, purchase: Purchase) -> Accepted | Absent | Fault:
    """Ask the provider, once, for the task of a purchase that was sent; absence proves nothing."""
    lane, provider = life.station.lane, cast("Finds", life.station.provider)
    since = purchase.intent_at
    query = partial(tasks, provider=purchase.provider, since=since - _EARLIER_S)
    known = life.means.ledger.read(query)
    steps = provider.find(purchase.client_id, request_of(purchase), since, known)
    try:
        request = next(steps)
        while True:
            request = steps.send(await life.means.transport.send(lane, request))
    except StopIteration as end:
        found: Accepted | Absent | Fault = end.value
        return found
    except TransportFault as lost:
        return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost), accepted=None)


def _frozen(
    life: Life, request: Mapping[str, object], values: Mapping[str, str], client_id: str
) -> Purchase:
    job = life.job
    purchase = Purchase(
        provider=job.provider,
        campaign_id=job.campaign_id,
        client_id=client_id,
        request=orjson.dumps(
            {
                "request": request,
                "values": dict(values),
                "account": life.station.lane.account,
                "item": payload.bought_as(orjson.loads(job.payload)),
                # The wall clock may be set; this one tells a doubt's age whatever happens to that.
                "uptime": {"boot": boot(), "s": life.means.clock.monotonic()},
            }
        ),
        body_sha256="",
        reserved_microusd=job.high_microusd or 0,
        estimate_microusd=job.expected_microusd,
        intent_at=life.now(),
        **{name: getattr(job, name) for name in ("model", "mode", "kind", "seconds")},
    )
    sent = encoded(request_of(purchase).body)
    return replace(purchase, body_sha256=hashlib.sha256(sent).hexdigest())


async def _intend(life: Life, purchase: Purchase) -> None:
    means = life.means
    means.checkpoint("intent")
    operation = partial(
        intend, job=life.job, purchase=purchase, run_id=means.run_id, limits=means.limits
    )
    written = await means.ledger.write(operation)
    if isinstance(written, Denied):
        means.till.deny(purchase.reserved_microusd, written)
        life.stands(State.HELD, cause=written.cause, message=written.message)
        return
    life.intended_at = means.clock.monotonic()
    means.checkpoint("intended")
    life.stands(State.SUBMITTING, purchase=written, cause="", message="")


async def _staged(life: Life, kept: payload.Kept) -> Mapping[str, str] | Fault:
    provider = life.station.provider
    return await life.means.staging.stage(
        life.station.lane,
        cast("Uploads", provider),
        kept.assets,
        lifetime_s=provider.offer.upload_lifetime_s,
    )


async def _unstaged(life: Life, fault: Fault) -> None:
    ruling = POLICY[Phase.STAGING][fault.kind]
    life.heed(ruling.lane, fault)
    await life.move(ruling.then, cause=fault.kind.value, message=fault.message)


async def _unreachable(life: Life, message: str) -> None:
    """Try again after a while: nothing left this machine. Hold it when that is used up."""
    fault = Fault(kind=FaultKind.UNAVAILABLE, message=message)
    await _release(life, State.PLANNED, fault.kind, message)
    if life.used_up(Phase.SUBMITTING):
        # Thousands more would find the same: the lane is stopped, and says so once.
        life.heed(Signal.STOP, fault)
        await life.move(State.HELD, cause=UNREACHABLE, message=message)
    else:
        await life.rest(life.pause_s(Phase.SUBMITTING, fault))


async def _refused(life: Life, fault: Fault) -> None:
    """Do as the policy says, if it is proven that the provider did not take it."""
    ruling = POLICY[Phase.SUBMITTING][fault.kind]
    life.heed(ruling.lane, fault)
    if fault.accepted is not False or ruling.then is State.IN_DOUBT:
        await doubt(life, fault.message)
        return
    if ruling.lane is Signal.STOP and LOOK_UPS & life.station.provider.offer.features:
        # Another provider may be given the item now, where this client id means nothing.
        found = await look_up(life, life.purchase)
        if isinstance(found, Accepted):
            await accepted(life, found.task)
            return
    for_now = ruling.then is State.PLANNED and not fault.replayed
    outcome = NOT_ACCEPTED if for_now else REFUSED
    await _release(life, ruling.then, fault.kind, fault.message, outcome=outcome)
    if ruling.then is State.PLANNED and not life.station.stopped:
        await _come_back(life, fault)


async def _come_back(life: Life, fault: Fault) -> None:
    """Wait before submitting again; a busy provider is waited for, but not for ever."""
    if life.waited_out():
        await life.move(State.HELD, cause=fault.kind.value, message=fault.message)
    else:
        life.tries[Phase.SUBMITTING] += 1
        await life.rest(life.pause_s(Phase.SUBMITTING, fault))


async def _release(
    life: Life, after: State, kind: FaultKind, message: str, *, outcome: str = NOT_ACCEPTED
) -> None:
    """Write that the provider did not take it: nothing is bound any more."""
    never = Booking(outcome=outcome, at=life.now(), cause=kind.value, message=message)
    await life.close(after, never)
    life.leave_slot()
