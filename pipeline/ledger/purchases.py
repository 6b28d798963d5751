"""Purchases in the ledger: a job's move and its money in one transaction.

The intent is on disk before a request leaves, the task id before the first poll. A reservation
stays until the try's end is known, and then becomes what was charged, or may have been.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlalchemy import Connection, bindparam, func, insert, select, update

from pipeline.domain.states import FINISHED, State
from pipeline.ledger import budgets as money
from pipeline.ledger import run_plans
from pipeline.ledger.budgets import BudgetLimits, Denied, Payer
from pipeline.ledger.commands import answer_all
from pipeline.ledger.fast_sql import Clashed, execute
from pipeline.ledger.jobs import (
    AS_IT_WAS,
    CHARGED,
    Job,
    Moved,
    Purchase,
    check,
    hold_values,
    move,
    move_fault,
)
from pipeline.ledger.owners import claim, leave, owner_of
from pipeline.ledger.price_confirmations import TOLD, SeenPrice, record_price, seen_prices
from pipeline.ledger.sql_schema import campaigns, jobs, purchases, runs, usd

REPORTED = "reported"
"""The source of a charge that the provider named."""
PAID_EARLIER = "paid earlier"
"""The source of a charge that is the estimate of a clip whose purchase nobody knows any more."""
IMPORTED = "imported"
"""The source of a charge that a person told of a clip which no provider here was asked for."""
PAID_ELSEWHERE = "paid elsewhere"
"""The source of a charge that a lock file knows, and that another ledger has booked."""
UNKNOWN = "unknown"
"""The source of a charge that neither the provider nor a price tells."""
NOT_ACCEPTED = "not_accepted"
"""The outcome of a try that was turned away for now; it may be sent again under its client id."""
REFUSED = "refused"
"""The outcome of a try that was refused for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """How a paid try ended, and in money: its reservation becomes this."""

    charged_microusd: int = 0
    possible_microusd: int = 0
    native: str = ""
    unit: str = ""
    source: str = ""
    outcome: str
    """What became of the try: NOT_ACCEPTED, REFUSED, CHARGED, failed, resubmitted, abandoned."""
    at: float
    cause: str = ""
    message: str = ""
    free: bool = False
    """Known to have cost nothing, by a failure that may not come again."""
    evidence: str = ""
    """What it shows of its price, as `price_confirmations.SeenPrice.source`; empty: nothing new."""
    above: bool = False
    """It cost more than can be booked: nothing more is bought in this run."""
    seed: str = ""
    nsfw: bool | None = None
    """What the provider tells of the result: see `providers.base.Done`."""


def begin(connection: Connection, *, campaign: str, at: float, shared: bool = False) -> int:
    """Write that a run begins; return its id. Nothing is committed in it yet.

    In a `shared` ledger LedgerInUse where another process has planned something else meanwhile.
    """
    found = connection.scalar(select(campaigns.c.id).where(campaigns.c.name == campaign))
    row = {"campaign_id": found or 0, "started_at": at}
    (run_id,) = connection.execute(insert(runs).values(row)).inserted_primary_key or (0,)
    money.open_scope(connection, money.run_scope(run_id))
    other = run_plans.begin_run(connection, campaign=campaign) if shared else ""
    # What is commanded while another one is at work is for that, which looks each second.
    if not other:
        answer_all(connection, campaign=campaign, at=at)
    return int(run_id)


def end(connection: Connection, *, run_id: int, exit_code: int, at: float) -> None:
    """Write how a run ended."""
    run_plans.end_run(connection)
    connection.execute(
        update(runs).where(runs.c.id == run_id).values(ended_at=at, exit_code=exit_code)
    )


def spent(connection: Connection, *, run_id: int) -> Decimal:
    """Return what was charged for the purchases of a run."""
    charged = func.coalesce(func.sum(purchases.c.charged_microusd), 0)
    return usd(connection.scalar(select(charged).where(purchases.c.run_id == run_id)) or 0)


def tasks(connection: Connection, *, provider: str, since: float) -> frozenset[str]:
    """Return a provider's tasks that were accepted since then: each is some purchase's."""
    found = connection.scalars(
        select(purchases.c.task).where(
            purchases.c.provider == provider, purchases.c.accepted_at >= since
        )
    )
    return frozenset(task for task in found if task)


def bound(connection: Connection, *, run_id: int) -> Decimal:
    """Return what the purchases of a run bind: charged, reserved and possible."""
    figures = ("charged", "reserved", "possible")
    every = sum(purchases.c[f"{figure}_microusd"] for figure in figures)
    total = select(func.coalesce(func.sum(every), 0)).where(purchases.c.run_id == run_id)
    return usd(connection.scalar(total) or 0)


def bound_beside(connection: Connection, *, purchase: Purchase, since: float) -> int:
    """Return what others of the same account bind that had not ended by then."""
    beside = (
        purchases.c.provider == purchase.provider,
        purchases.c.account == purchase.account,
        purchases.c.id != purchase.id,
        purchases.c.ended_at.is_(None) | (purchases.c.ended_at >= since),
    )
    return int(connection.scalar(select(money.bound()).where(*beside)) or 0)


def intend(
    connection: Connection, *, job: Job, purchase: Purchase, run_id: int, limits: BudgetLimits
) -> Purchase | Denied:
    """Write the intent to buy, with its reservation; from then on a POST may leave.

    If a limit denies it the job is held instead, in the same transaction. Moved if the job is
    not staged any more: only the winner of this compare-and-set may send. A purchase with an id is
    one that was not accepted: it is opened again.
    """
    check(job.state, State.SUBMITTING)
    payer = Payer(
        manifest=job.manifest,
        run_id=run_id,
        row_key=job.row_key,
        key=job.key,
        campaign_id=job.campaign_id,
        address=job.address,
    )
    denied = money.reserve(connection, payer, limits, purchase.reserved_microusd)
    if denied is not None:
        why = {"cause": denied.cause, "message": denied.message}
        move(connection, key=job.key, before=job.state, after=State.HELD, **why)
        return denied
    if purchase.id:
        _reopen(connection, job, purchase, payer)
        written = purchase
    else:
        ((new_id,),) = execute(connection, _INSERT, _row(job, purchase, payer)).fetchall()
        written = replace(purchase, id=int(new_id))
    owner = owner_of(connection)
    values = {"b_purchase": written.id, "b_owner": owner.name, "b_epoch": owner.epoch}
    values |= hold_values(connection, job.key, job.state)
    # Last of all: whoever loses here raises, and that undoes his reservation and his line.
    if execute(connection, _INTEND, values).rowcount != 1:
        raise move_fault(connection, job.key, job.state)
    return written


def accept(
    connection: Connection, *, job: Job, task: str, at: float, native: str = "", unit: str = ""
) -> str:
    """Write the provider's task id; Clashed if another purchase already has it.

    It is written once: return the one that the purchase has, if that is another; else nothing.
    `native` is what the provider set aside in its own unit: all that some ever tell.
    """
    move(connection, key=job.key, before=job.state, after=State.WAITING)
    values = {"b_id": purchase_of(job).id, "b_task": task, "b_at": at}
    values |= {"b_native": native, "b_unit": unit}
    if execute(connection, _ACCEPT, values).rowcount == 1:
        return ""
    ((known,),) = execute(connection, _TASK, values).fetchall()
    return str(known)


def close(connection: Connection, *, job: Job, after: State, booking: Booking, run_id: int) -> bool:
    """Move a job and book how its paid try ended; tell whether it cost more than was reserved.

    After such a charge nothing more is bought in this run: its scope is closed.
    """
    why = {"cause": booking.cause, "message": booking.message}
    move(connection, key=job.key, before=job.state, after=after, **why)
    if booking.free:
        connection.execute(update(jobs).where(jobs.c.key == job.key).values(free=1))
    return _book(connection, purchase_of(job), booking, run_id=run_id)


def find_finished(connection: Connection, *, client_ids: Collection[str]) -> frozenset[str]:
    """Return those of these ids whose clip is known."""
    query = (
        select(purchases.c.client_id)
        .join(jobs, jobs.c.purchase_id == purchases.c.id)
        .where(purchases.c.client_id.in_(client_ids), jobs.c.state.in_(FINISHED))
    )
    return frozenset(connection.scalars(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person says of one purchase: which task it is, or how it is closed."""

    job: Job
    task: str = ""
    after: State = State.WAITING
    booking: Booking | None = None
    """How it is closed; None where it is a task, which is collected."""


def record_words(connection: Connection, *, words: Sequence[Word], at: float) -> None:
    """Write what a person says of many purchases, all of it or nothing.

    Clashed, with the task, where a task is another purchase's.
    """
    for word in words:
        _take_up(connection, word.job)
        if word.booking is not None:
            close(connection, job=word.job, after=word.after, booking=word.booking, run_id=0)
            continue
        try:
            # A person may name another task than was written: it was a wrong one.
            execute(connection, _FORGET_TASK, {"b_id": purchase_of(word.job).id, "b_task": None})
            accept(connection, job=word.job, task=word.task, at=at)
        except Clashed as clash:
            raise Clashed(word.task) from clash
    # Whoever collects takes them up.
    leave(connection, keys=[word.job.key for word in words])


def _take_up(connection: Connection, job: Job) -> None:
    """Have a job that was sent for this connection's owner; Taken if another one works on it."""
    if job.key not in claim(connection, keys=[job.key]):
        raise move_fault(connection, job.key, job.state)


def purchase_of(job: Job) -> Purchase:
    """Return the job's paid try, which it must have in the state it is in."""
    if job.purchase is None:
        raise ValueError(f"{job.address} is {job.state}, but was never bought")
    return job.purchase


def _reopen(connection: Connection, job: Job, purchase: Purchase, payer: Payer) -> None:
    """Make a purchase that was not accepted one that is being sent; Moved if it is not that."""
    row = {f"b_{name}": value for name, value in _row(job, purchase, payer).items()}
    if execute(connection, _REOPEN, {**row, "b_id": purchase.id}).rowcount != 1:
        raise Moved(f"purchase {purchase.client_id}: not {NOT_ACCEPTED}")


def _row(job: Job, purchase: Purchase, payer: Payer) -> dict[str, object]:
    return {
        "key": job.key,
        "campaign_id": job.campaign_id,
        "run_id": payer.run_id,
        "address": job.address,
        "row_key": payer.row_key,
        **{name: getattr(purchase, name) for name in _OWN},
    }


def _book(connection: Connection, purchase: Purchase, booking: Booking, *, run_id: int) -> bool:
    """Replace what the purchase binds; a charge told twice is booked once.

    What a finished clip was charged stands, until the provider itself names another sum.
    """
    (known,) = execute(connection, _BOUND, {"b_id": purchase.id}).fetchall()
    *whose, bound, estimate, charged, possible, outcome = known
    if outcome == CHARGED and booking.source != REPORTED:
        kept = {"charged_microusd": charged, "possible_microusd": possible}
        booking = replace(booking, **kept, source="")
    payer = Payer(**dict(zip(_WHOSE, whose, strict=True)))
    now = booking.charged_microusd + booking.possible_microusd
    money.adjust_all(connection, payer, now - bound)
    values = {
        "b_id": purchase.id,
        "b_charged": booking.charged_microusd,
        "b_possible": booking.possible_microusd,
        "b_native": booking.native,
        "b_unit": booking.unit,
        "b_source": booking.source,
        "b_outcome": booking.outcome,
        "b_at": booking.at,
        "b_seed": booking.seed,
        "b_nsfw": None if booking.nsfw is None else int(booking.nsfw),
    }
    execute(connection, _BOOK, values)
    # Without a known price nothing was promised, so nothing can be exceeded.
    # What was booked as estimated first is less than what was reserved.
    over = estimate is not None and now > max(bound, purchase.reserved_microusd)
    exceeded = booking.above or over
    if exceeded:
        money.close_scope(connection, money.run_scope(run_id))
    if purchase.kind and (exceeded or booking.evidence):
        _learn_price(connection, purchase, booking, exceeded=exceeded)
    return exceeded


def _learn_price(
    connection: Connection, purchase: Purchase, booking: Booking, *, exceeded: bool
) -> None:
    """Remember what a purchase shows of its price.

    After a charge that was too high the next one says what is set aside: it may have been a slip,
    and was one if that cost no more than had been estimated.
    """
    now = booking.charged_microusd + booking.possible_microusd
    seen = seen_prices(connection).get(purchase.price) or SeenPrice(price_class=purchase.price)
    seconds = purchase.seconds
    if exceeded or (seen.charged_microusd and booking.evidence in TOLD):
        was_slip = not exceeded and seen.is_as_estimated(now, seconds)
        seen = replace(seen, charged_microusd=0 if was_slip else now, charged_seconds=seconds)
    if exceeded:
        estimate = purchase.estimate_microusd or 0
        seen = replace(seen, source="", seconds=None, estimate_microusd=estimate)
    # The first charge that is told begins anew: lengths for which nothing was told prove nothing.
    elif booking.evidence in TOLD and seen.source not in TOLD:
        seen = replace(seen, source=booking.evidence, seconds=seconds)
    else:
        both = [each for each in (seen.seconds, seconds) if each is not None]
        shortest = min(both, default=None) if seen.source else seconds
        seen = replace(seen, source=booking.evidence, seconds=shortest)
    if booking.native:
        seen = replace(
            seen,
            native=Decimal(booking.native),
            native_unit=booking.unit,
            native_seconds=seconds,
        )
    seen = replace(seen, at=booking.at)
    record_price(connection, seen)


_PAYING = ("key", "campaign_id", "run_id", "address", "row_key")
_OWN = (
    "provider",
    "client_id",
    "request",
    "body_sha256",
    "reserved_microusd",
    "estimate_microusd",
    "intent_at",
    "account",
    *("model", "mode", "kind", "seconds"),
)
_INSERT = (
    insert(purchases)
    .values({name: bindparam(name) for name in (*_OWN, *_PAYING)})
    .returning(purchases.c.id)
)
_REOPEN = (
    update(purchases)
    .where(
        purchases.c.id == bindparam("b_id"),
        # Moved to another campaign it would be missing from its own, whose counter has counted it.
        purchases.c.campaign_id == bindparam("b_campaign_id"),
        purchases.c.outcome == NOT_ACCEPTED,
    )
    # It binds nothing while it is closed, so it may be booked on another run than before.
    .values(
        outcome="",
        charge_source="",
        ended_at=None,
        sends=purchases.c.sends + 1,
        **{name: bindparam(f"b_{name}") for name in (*_OWN, *_PAYING)},
    )
)
_INTEND = (
    update(jobs)
    .where(*AS_IT_WAS)
    .values(
        state=State.SUBMITTING.value,
        owner=bindparam("b_owner"),
        epoch=bindparam("b_epoch"),
        cause="",
        message="",
        free=0,
        unwanted=0,
        purchase_id=bindparam("b_purchase"),
    )
)
_TASK = select(purchases.c.task).where(purchases.c.id == bindparam("b_id"))
_FORGET_TASK = (
    update(purchases).where(purchases.c.id == bindparam("b_id")).values(task=bindparam("b_task"))
)
_ACCEPT = (
    update(purchases)
    .where(
        purchases.c.id == bindparam("b_id"),
        purchases.c.task.is_(None) | (purchases.c.task == bindparam("b_task")),
    )
    .values(
        task=bindparam("b_task"),
        accepted_at=bindparam("b_at"),
        charged_native=bindparam("b_native"),
        native_unit=bindparam("b_unit"),
    )
)
_BOOKED = ("estimate_microusd", "charged_microusd", "possible_microusd", "outcome")
_WHOSE = ("manifest", "run_id", "row_key", "key", "campaign_id", "address")
_BOUND = (
    select(
        campaigns.c.manifest,
        *(purchases.c[name] for name in _WHOSE[1:]),
        purchases.c.charged_microusd
        + purchases.c.reserved_microusd
        + purchases.c.possible_microusd,
        *(purchases.c[name] for name in _BOOKED),
    )
    .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
    .where(purchases.c.id == bindparam("b_id"))
)
_BOOK = (
    update(purchases)
    .where(purchases.c.id == bindparam("b_id"))
    .values(
        charged_microusd=bindparam("b_charged"),
        possible_microusd=bindparam("b_possible"),
        reserved_microusd=0,
        # What was told at acceptance stands where the end says nothing.
        charged_native=func.coalesce(
            func.nullif(bindparam("b_native"), ""), purchases.c.charged_native
        ),
        native_unit=func.coalesce(func.nullif(bindparam("b_unit"), ""), purchases.c.native_unit),
        charge_source=func.coalesce(
            func.nullif(bindparam("b_source"), ""), purchases.c.charge_source
        ),
        outcome=bindparam("b_outcome"),
        ended_at=bindparam("b_at"),
        seed=func.coalesce(func.nullif(bindparam("b_seed"), ""), purchases.c.seed),
        nsfw=func.coalesce(bindparam("b_nsfw"), purchases.c.nsfw),
    )
)
