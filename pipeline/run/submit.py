"""From planned to waiting: references staged, the intent written, the request sent, once.

The intent is on disk before the first byte leaves. What cannot be proven not to have been
accepted is in doubt, and nothing here sends it again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson

from pipeline.clock import boot
from pipeline.domain import Feature
from pipeline.domain.states import LANE, POLICY, FaultKind, LaneAction, Phase, State
from pipeline.errors import CallsheetError, LeaseLost, NotInTime, NotSent
from pipeline.ledger import payload
from pipeline.ledger.budgets import BUDGET, OVERCHARGED, Denied
from pipeline.ledger.fast_sql import Clashed
from pipeline.ledger.jobs import Purchase, Taken
from pipeline.ledger.purchases import (
    NOT_ACCEPTED,
    REFUSED,
    Booking,
)
from pipeline.ledger.sql_schema import usd
from pipeline.net.encoding import encode_body, fill_placeholders
from pipeline.providers.base import (
    CLIENT_ID,
    Absent,
    Accepted,
    Charge,
    Fault,
    Request,
)
from pipeline.run.charges import ask_balance
from pipeline.run.first_purchases import PRICE
from pipeline.run.job import STALE_S, UNREACHABLE, ActiveJob

DOUBT = "doubt"
LOOK_UPS = frozenset({Feature.FIND, Feature.LISTING})
"""What lets a provider be asked for a task without its id."""
_EARLIER_S = 3600.0
"""How far back tasks are looked for that are other purchases': clocks differ."""
_TOO_LATE = "too long between the intent and sending: the machine may have slept"
_UNPRICED = "its price is not known, and there is a budget: add a rate, or say what to assume"
_CLOSED = "a charge was above its reservation: nothing more is bought in this run"


async def handle_planned(active: ActiveJob) -> None:
    """Begin, unless nothing more is submitted: then leave it planned, or hold it and say why.

    While nobody has confirmed its price, it waits until no other of that price is being bought.
    """
    job, prices = active.job, active.context.prices
    if not job.selected or job.key in active.context.left_out:
        active.suspended = True
    elif active.queue.stopped and active.is_left_planned:
        # It goes back to where another account of the provider, or another process, takes it from.
        active.suspended = True
    elif active.queue.stopped:
        await active.move(State.HELD, cause=LANE, message=active.queue.stopped)
    elif active.context.stop.is_set() or active.context.settle_only:
        active.suspended = True
    elif denied := unaffordable(active):
        cause, message = denied
        await active.move(State.HELD, cause=cause, message=message)
    elif shut := prices.shut(job.price, job.seconds):
        await active.move(State.HELD, cause=PRICE, message=shut)
    elif active.queue.paused:
        await active.queue.wait(active.queue.until_resumed())
    elif not prices.passes(job.price, job.seconds, job.key):
        await active.queue.wait(active.context.changes.next())
    else:
        prices.claim(job.price, job.seconds, job.key)
        await active.move(State.STAGING)


async def handle_staging(active: ActiveJob) -> None:
    """Upload what the provider does not have yet, wait for a slot, and write the intent."""
    kept, clock = payload.load_item(active.job.payload), active.context.clock
    staged, staged_at = await _stage(active, kept), clock.monotonic()
    if not isinstance(staged, Fault):
        if not await active.take_slot():
            active.leave_slot()
            await active.move(State.PLANNED)
            return
        if clock.monotonic() - staged_at > STALE_S:
            # An upload may not have outlived the wait, nor a sleep of the machine.
            staged = await _stage(active, kept)
    if isinstance(staged, Fault):
        active.leave_slot()
        await _give_up_staging(active, staged)
    else:
        # Asked only where the purchase goes alone: beside others of its price the account's fall
        # would show nothing.
        if active.context.prices.holds(active.job.price, active.job.key):
            active.balance = await ask_balance(active)
        await _buy(active, kept.request, staged)


async def handle_submitting(active: ActiveJob) -> None:
    """Send the request, and write what is known of it then."""
    context = active.context
    # Another clip's charge was above its reservation since this intent was written: nothing has
    # left, so the reservation can be released.
    if context.budget_guard.closed:
        await _close_unaccepted(active, State.PLANNED, FaultKind.UNPAID, _CLOSED)
    else:
        match await send_purchase(active):
            case Accepted(task=task, reserved=reserved):
                active.note_success()
                await record_task(active, task, reserved)
            case NotInTime():
                await record_doubt(active, _TOO_LATE)
            case NotSent() as never:
                await _back_off_unreachable(active, str(never))
            case Fault() as fault:
                await _handle_refusal(active, fault)


async def send_purchase(active: ActiveJob) -> Accepted | Fault | NotSent:
    """Send the frozen request and read the reply; one that is lost or unreadable is a Fault."""
    purchase, context = active.purchase, active.context
    told = context.address_header
    headers = {"X-Callsheet-Address": quote(active.job.address)} if told else {}
    request = request_of(purchase)
    # A doubt of an earlier process has no such bytes: they are encoded anew from the ledger.
    if hashlib.sha256(active.body).hexdigest() == purchase.body_sha256:
        request = replace(request, body=active.body)
    return await active.queue.client.submit(
        request,
        purchase.client_id,
        headers=headers,
        may_send=active.may_send,
        arrived=lambda: context.checkpoint("sent"),
    )


async def record_task(active: ActiveJob, task: str, reserved: Charge | None = None) -> None:
    """Make the task id durable: nothing is asked of the provider before.

    `reserved` is what the provider says it set aside, in its own unit.
    """
    at = active.now()
    active.emit_unread(reserved)
    native = "" if reserved is None or reserved.native is None else str(reserved.native)
    unit = reserved.unit if reserved is not None and native else ""
    writing = active.context.ledger.accept(active.job, task=task, at=at, native=native, unit=unit)
    try:
        other = await _until_written(active, task, writing)
    except Clashed:
        # Two purchases would be one task: a reply was mixed up, there or here.
        await record_doubt(active, f"the provider named task {task}, which is another purchase's")
        return
    if other:
        told = f"the provider named task {task} for what it named {other} for before: look at both"
        active.emit("second_task", task=task, other=other, message=told)
        task = other
    active.context.checkpoint("accepted")
    # The request is in the ledger; thousands in flight need not hold it.
    active.body = b""
    bought = replace(active.purchase, task=task, accepted_at=at, request=b"")
    bought = replace(bought, charged_native=native, native_unit=unit)
    tries = active.job.tries + 1
    active.set_state(State.WAITING, purchase=bought, tries=tries, cause="", message="")


async def _until_written(active: ActiveJob, task: str, writing: Coroutine[None, None, str]) -> str:
    """Return what writing a task id returns; where it fails, tell the id.

    It is what a person needs to find the money: whoever has the job now may not know it. So one
    that is cancelled meanwhile waits for the end of it as well.
    """
    written = asyncio.ensure_future(writing)
    try:
        return await asyncio.shield(written)
    except asyncio.CancelledError:
        await asyncio.wait([written])
        raise
    finally:
        fault = written.exception() if written.done() else None
        if fault is not None and not isinstance(fault, Clashed):
            job, taken = active.job, isinstance(fault, LeaseLost | Taken)
            why = "another process had taken it over" if taken else "the ledger may not know it"
            told = (
                f"{job.address}: {job.provider} named its task {task}, but {why}: keep this id, for"
                f" `callsheet reconcile --task '{job.address}={task}'`"
            )
            stray = active.event("stray_task", task=task, message=told)
            # First whoever watches: the ledger may fail again.
            active.context.observer(stray)
            with suppress(CallsheetError):
                campaign = active.context.campaign
                await active.context.ledger.note_anyway(stray, campaign=campaign)


async def record_doubt(active: ActiveJob, why: str) -> None:
    """Write that nobody knows whether it was accepted; its money stays reserved."""
    # A doubt that is settled in vain stays as it is, with the reason that it began with.
    if active.job.state is not State.IN_DOUBT:
        await active.move(State.IN_DOUBT, cause=DOUBT, message=why)


def request_of(purchase: Purchase) -> Request:
    """Return the very request of a purchase: the same body and client id, however often."""
    kept = orjson.loads(purchase.request)
    values = {**kept["values"], CLIENT_ID: purchase.client_id}
    return fill_placeholders(payload.request(kept["request"]), values)


def unaffordable(active: ActiveJob) -> tuple[str, str] | None:
    """Return cause and message where reserving its price would be in vain."""
    price, context = active.job.high_microusd, active.context
    if context.budget_guard.closed:
        return OVERCHARGED, _CLOSED
    if price is None:
        return (BUDGET, _UNPRICED) if context.limits.any else None
    denied = context.budget_guard.refuses(price)
    return (denied.cause, denied.message) if denied else None


async def _buy(active: ActiveJob, request: Mapping[str, object], values: Mapping[str, str]) -> None:
    """Write the intent: under a new client id, or under the one that was turned away before.

    A gateway may turn away (429, 402, 403) what the provider behind it has taken. Under the same
    id and with the same body such a task is found by sending again; under a new one it is bought
    twice. Where the provider may have forgotten the id, or the body has changed since, it is asked
    for the task first, if it can be asked. Until then the id is as old as its first send.
    """
    before = _unaccepted_purchase(active)
    if before is None:
        await _intend(active, _freeze(active, request, values, active.context.new_client_id()))
        return
    # With the id of its row that purchase is opened again, and no second one is counted.
    again = replace(_freeze(active, request, values, before.client_id), id=before.id)
    alike = request_of(again) == request_of(before)
    if alike and is_remembered(active, before):
        kept = {**orjson.loads(again.request), "uptime": _first_send(before)}
        await _intend(active, replace(again, request=orjson.dumps(kept)))
        return
    if Feature.FIND in active.queue.provider.offer.features:
        found = await look_up(active, before)
        if isinstance(found, Accepted):
            # It was taken although it was turned away: what it costs is set aside, and it is
            # collected.
            # The ledger keeps the request that the task was made from, not today's.
            await _intend(active, replace(again, request=before.request))
            if active.job.state is State.SUBMITTING:
                await record_task(active, found.task)
            return
        if isinstance(found, Fault):
            active.leave_slot()
            await _give_up_staging(active, found)
            return
    if not alike:
        # Under a used id another body is refused (APIMart) or taken for the earlier task (Runware).
        again = _freeze(active, request, values, active.context.new_client_id())
    await _intend(active, again)


def _unaccepted_purchase(active: ActiveJob) -> Purchase | None:
    """Return the job's last try if it was not accepted here, and its id can be sent again."""
    job, before, queue = active.job, active.job.purchase, active.queue
    # The purchases of a campaign are counted beside its clips: none may become another's.
    if before is None or before.outcome != NOT_ACCEPTED or before.campaign_id != job.campaign_id:
        return None
    account = orjson.loads(before.request).get("account")
    here = (before.provider, account) == (job.provider, queue.lane.fingerprint)
    return before if here and Feature.IDEMPOTENT in queue.provider.offer.features else None


def is_remembered(active: ActiveJob, purchase: Purchase) -> bool:
    """Tell whether the provider still knows the client id; not if the clock was turned back.

    Another account than the one it was sent from never did.
    """
    offer, fingerprint = active.queue.provider.offer, active.queue.lane.fingerprint
    began = _first_send(purchase)
    age_s = active.now() - began["at"]
    # By the clock that nobody sets; that one begins anew with each boot.
    same_boot = began.get("boot") == boot() != ""
    passed_s = active.context.clock.monotonic() - began["s"] if same_boot else 0.0
    young = 0 <= age_s < offer.dedupe_for_s and passed_s < offer.dedupe_for_s
    same = orjson.loads(purchase.request).get("account", fingerprint) == fingerprint
    return Feature.IDEMPOTENT in offer.features and young and same


def _first_send(purchase: Purchase) -> dict[str, Any]:
    """Return since when the provider may know the client id, by each of our clocks."""
    kept = orjson.loads(purchase.request).get("uptime") or {}
    # What an earlier version wrote tells it by the intent alone.
    return {"at": purchase.intent_at, **kept}


async def look_up(active: ActiveJob, purchase: Purchase) -> Accepted | Absent | Fault:
    """Ask the provider, once, for the task of a purchase that was sent; absence proves nothing."""
    since = _first_send(purchase)["at"]
    known = await active.context.ledger.tasks(provider=purchase.provider, since=since - _EARLIER_S)
    return await active.queue.client.find(
        purchase.client_id, request_of(purchase), since=since, known=known
    )


def _freeze(
    active: ActiveJob, request: Mapping[str, object], values: Mapping[str, str], client_id: str
) -> Purchase:
    job, at, uptime_s = active.job, active.now(), active.context.clock.monotonic()
    purchase = Purchase(
        provider=job.provider,
        campaign_id=job.campaign_id,
        client_id=client_id,
        request=orjson.dumps(
            {
                "request": request,
                "values": dict(values),
                # The key's, by its fingerprint: a name may get another key.
                "account": active.queue.lane.fingerprint,
                "account_name": active.queue.lane.account,
                "item": payload.take_snapshot(orjson.loads(job.payload)),
                # Of its first send. The wall clock may be set; the other one tells a doubt's age
                # whatever happens to that.
                "uptime": {"at": at, "boot": boot(), "s": uptime_s},
            }
        ),
        body_sha256="",
        reserved_microusd=job.high_microusd or 0,
        estimate_microusd=job.expected_microusd,
        intent_at=at,
        account=active.queue.lane.account,
        **{name: getattr(job, name) for name in ("model", "mode", "kind", "seconds")},
    )
    active.body = encode_body(request_of(purchase).body)
    return replace(purchase, body_sha256=hashlib.sha256(active.body).hexdigest())


async def _intend(active: ActiveJob, purchase: Purchase) -> None:
    context = active.context
    if active.queue.paused or active.job.key in context.left_out:
        # Said while its account was asked: nothing of it has left yet.
        active.leave_slot()
        await active.move(State.PLANNED)
        return
    context.checkpoint("intent")
    written = await context.ledger.intend(
        active.job, purchase, run_id=context.run_id, limits=context.limits
    )
    if isinstance(written, Denied):
        context.budget_guard.deny(purchase.reserved_microusd, written)
        active.set_state(State.HELD, cause=written.cause, message=written.message)
        return
    active.intended_at = context.clock.monotonic()
    context.checkpoint("intended")
    sums = {"reserved_usd": usd(written.reserved_microusd)}
    active.set_state(State.SUBMITTING, sums=sums, purchase=written, cause="", message="")


async def _stage(active: ActiveJob, kept: payload.Kept) -> Mapping[str, str] | Fault:
    provider = active.queue.provider
    return await active.context.staging.stage(
        active.queue.lane,
        provider,
        kept.assets,
        lifetime_s=provider.offer.upload_lifetime_s,
    )


async def _give_up_staging(active: ActiveJob, fault: Fault) -> None:
    policy = POLICY[Phase.STAGING][fault.kind]
    active.apply_action(policy.lane, fault)
    # A bad key or an empty account is this lane's alone: the item is no worse for it, and is not
    # held while another account, or another process, may make it.
    returns = policy.lane is LaneAction.STOP and active.is_left_planned
    after = State.PLANNED if returns else policy.then
    await active.move(after, cause=fault.kind.value, message=fault.message)
    if after is State.PLANNED:
        await _wait_busy(active, fault)


async def _wait_busy(active: ActiveJob, fault: Fault) -> None:
    """Wait until a busy provider may have room; hold the item where it has had none for too long.

    The lane stops then, and says so once: thousands more would find the same.
    """
    if active.queue.stopped:
        return
    if active.is_wait_over(fault):
        active.apply_action(LaneAction.STOP, fault)
        if not active.is_left_planned:
            await active.move(State.HELD, cause=fault.kind.value, message=fault.message)
    else:
        # Counted for the pause: no item is held for standing in line, however often.
        active.tries[Phase.SUBMITTING] += 1
        await active.rest(active.pause_s(Phase.SUBMITTING, fault))


async def _back_off_unreachable(active: ActiveJob, message: str) -> None:
    """Try again after a while: nothing left this machine. Hold it when that is used up."""
    fault = Fault(kind=FaultKind.UNAVAILABLE, message=message)
    await _close_unaccepted(active, State.PLANNED, fault.kind, message)
    if active.exhausts(Phase.SUBMITTING):
        # Thousands more would find the same: the lane is stopped, and says so once.
        active.apply_action(LaneAction.STOP, fault)
        if not active.is_left_planned:
            await active.move(State.HELD, cause=UNREACHABLE, message=message)
    else:
        await active.rest(active.pause_s(Phase.SUBMITTING, fault))


async def _handle_refusal(active: ActiveJob, fault: Fault) -> None:
    """Do as the policy says, if it is proven that the provider did not take it."""
    policy = POLICY[Phase.SUBMITTING][fault.kind]
    active.apply_action(policy.lane, fault)
    if fault.accepted is not False or policy.then is State.IN_DOUBT:
        await record_doubt(active, fault.message)
        return
    if policy.lane is LaneAction.STOP and LOOK_UPS & active.queue.provider.offer.features:
        # Another provider may be given the item now, where this client id means nothing.
        found = await look_up(active, active.purchase)
        if isinstance(found, Accepted):
            await record_task(active, found.task)
            return
    # A recorded refusal comes again for as long as the id is used: the next try needs a new one.
    for_now = policy.then is State.PLANNED and not fault.replayed
    outcome = NOT_ACCEPTED if for_now else REFUSED
    await _close_unaccepted(active, policy.then, fault.kind, fault.message, outcome=outcome)
    if policy.then is State.PLANNED:
        await _wait_busy(active, fault)


async def _close_unaccepted(
    active: ActiveJob, after: State, kind: FaultKind, message: str, *, outcome: str = NOT_ACCEPTED
) -> None:
    """Write that the provider did not take it: nothing is bound any more."""
    never = Booking(outcome=outcome, at=active.now(), cause=kind.value, message=message)
    await active.close(after, never)
    active.leave_slot()
