"""What a lock file remembers and this ledger does not: paid for on another machine.

It counts against every limit of the campaign, as *paid elsewhere*. Where the store has the clip,
its job is done: nothing is sent for it. Where it has not, the job is not bought either, until a
person agrees to (`find_absent`, `set_aside`): the lock file is the second memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, or_, select, update

from pipeline.domain.lock import LockedClip, RememberedClip, plain_locked
from pipeline.domain.states import ADOPTABLE, FINISHED, REPLANNED, FaultKind, State
from pipeline.ledger.budgets import Payer, adjust_all, bound, campaign_scope, open_scope
from pipeline.ledger.connection import upsert
from pipeline.ledger.jobs import CHARGED, move
from pipeline.ledger.plan_totals import current
from pipeline.ledger.purchases import PAID_ELSEWHERE
from pipeline.ledger.sql_schema import (
    campaigns,
    clips,
    items,
    jobs,
    manifest_of,
    micro_exact,
    purchases,
    usd,
)
from pipeline.ledger.standing_plan import forget_standing_plans

SET_ASIDE = "set aside"
"""The outcome of a purchase elsewhere whose clip a person agreed to go on without."""
_AT_ONCE = 400
_OFF_SPEC = "it was off spec where it was made"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentClip:
    """An item whose clip was paid for elsewhere, and is neither here nor in the store."""

    address: str
    key: str
    provider: str
    paid_at: datetime
    price_usd: Decimal
    stale: bool
    """Whether it is there for being approved, and the manifest asks for something else now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A remembered clip that the ledger has not taken in as it is remembered."""

    remembered: RememberedClip
    state: State | None
    """Of its job; None where there is none."""
    purchase_id: int | None
    bought_as: str
    """The key that the ledger has its purchase under; empty where it has none."""
    replaces: bool
    """Whether its job is done, with a clip that is remembered under another address."""

    @property
    def moves(self) -> bool:
        """Tell whether its purchase has another key than its job is to have."""
        return self.bought_as == self.remembered.clip.key != self.remembered.job_key

    @property
    def writes(self) -> bool:
        """Tell whether taking it in changes anything."""
        finishes = self.remembered.here and self.state in ADOPTABLE
        new = self.purchase_id is None or self.state is None
        return new or finishes or self.moves or self.replaces


def find_unsettled(connection: Connection, remembered: Sequence[RememberedClip]) -> list[Unsettled]:
    """Return which clips the ledger does not know as they are remembered, in their order.

    Where it has another clip under the same key, that one stands, unless it is remembered too:
    then two branches bought the same, and each clip has a job of its own.
    """
    digests = {each.clip.sha256 for each in remembered}
    found = []
    for some in _batches(remembered):
        known = {
            row.key: row
            for row in connection.execute(
                select(jobs.c.key, jobs.c.state, jobs.c.sha256).where(
                    jobs.c.key.in_([each.job_key for each in some])
                )
            )
        }
        open_ = [each for each in some if not _is_settled(each, known.get(each.job_key))]
        bought = _purchases_of(connection, [each.clip for each in open_])
        for each in open_:
            job, purchase = known.get(each.job_key), bought.get(_identity(each.clip))
            unsettled = Unsettled(
                remembered=each,
                state=None if job is None else State(job.state),
                purchase_id=None if purchase is None else purchase.id,
                bought_as="" if purchase is None else purchase.key,
                replaces=job is not None and job.state in FINISHED and job.sha256 in digests,
            )
            if unsettled.writes:
                found.append(unsettled)
    return found


def are_settled(connection: Connection, remembered: Sequence[RememberedClip]) -> bool:
    """Tell whether each clip is that of the finished job of its key, whatever the store has."""
    for some in _batches(remembered):
        query = select(jobs.c.key, jobs.c.state, jobs.c.sha256)
        rows = connection.execute(query.where(jobs.c.key.in_([each.job_key for each in some])))
        known = {row.key: row for row in rows}
        if not all(_is_settled(each, known.get(each.job_key)) for each in some):
            return False
    return True


def take_in(connection: Connection, *, campaign: str, unsettled: Iterable[Unsettled]) -> None:
    """Write what is remembered: the purchase and, where the clip is here, its job's end."""
    manifest = manifest_of(campaign)
    named = upsert(campaigns).values({"name": campaign, "manifest": manifest})
    connection.execute(named.on_conflict_do_nothing())
    open_scope(connection, campaign_scope(manifest))
    campaign_id = connection.scalar(select(campaigns.c.id).where(campaigns.c.name == campaign))
    # Purchases get other keys by it, whichever campaign they are of.
    forget_standing_plans(connection)
    for each in unsettled:
        purchase_id = each.purchase_id
        # No run of this ledger ordered it and a lock file names no rows: campaign and item pay.
        payer = Payer(
            manifest=manifest,
            run_id=0,
            row_key="",
            key=each.remembered.job_key,
            campaign_id=campaign_id or 0,
            address=each.remembered.clip.address,
        )
        if purchase_id is None:
            purchase_id = _book(connection, each.remembered, payer, campaign_id or 0)
        elif each.moves:
            _rename(connection, purchase_id, each, manifest)
        _finish(connection, each, purchase_id)


def find_absent(connection: Connection, *, campaign: str) -> list[AbsentClip]:
    """Return the selected items that were paid for elsewhere and whose clip is not here."""
    # Where nothing was paid, or nothing is to be made, nobody need look through all items.
    unmade = select(jobs.c.key).where(jobs.c.state.in_(REPLANNED)).limit(1)
    if not all(
        connection.execute(each).first() for each in (unmade, select(purchases.c.id).limit(1))
    ):
        return []
    query = (
        select(items.c.address, items.c.key, items.c.stale, *_TOLD)
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .join(purchases, purchases.c.key == items.c.key)
        .where(current(connection, campaign), items.c.selected == 1)
        .where(items.c.shared_with.is_(None), jobs.c.state.in_(REPLANNED), *_STANDING)
        .order_by(items.c.position, purchases.c.id)
    )
    found: dict[str, AbsentClip] = {}
    for row in connection.execute(query):
        absent = AbsentClip(
            address=row.address,
            key=row.key,
            provider=row.provider,
            paid_at=datetime.fromtimestamp(row.intent_at, UTC),
            price_usd=usd(row.charged_microusd),
            stale=bool(row.stale),
        )
        found.setdefault(row.key, absent)
    return list(found.values())


def set_aside(connection: Connection, *, keys: Sequence[str]) -> None:
    """Write that a person agreed to buy again what was paid for elsewhere under these keys."""
    for some in _batches(keys):
        connection.execute(
            # Its charge stays: it was paid, and counts against the limit all the same.
            update(purchases).where(purchases.c.key.in_(some), *_STANDING).values(outcome=SET_ASIDE)
        )


def sum_elsewhere(connection: Connection, *, campaign: str) -> Decimal:
    """Return how much of what counts against the limits of a manifest was paid elsewhere."""
    query = (
        select(bound())
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(
            campaigns.c.manifest == manifest_of(campaign),
            purchases.c.charge_source == PAID_ELSEWHERE,
        )
    )
    return usd(connection.scalar(query) or 0)


def find_elsewhere(connection: Connection, *, key: str, sha256: str) -> int | None:
    """Return the purchase elsewhere that brought this clip of a key; None if there is none."""
    query = select(purchases.c.id, purchases.c.request).where(purchases.c.key == key, *_STANDING)
    rows = connection.execute(query).all()
    return next((row.id for row in rows if find_line(row.request)["sha256"] == sha256), None)


def promised_clips(connection: Connection, *, keys: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of the clip that was paid elsewhere under each of these keys.

    None of those that a person agreed to go on without.
    """
    query = select(purchases.c.key, purchases.c.request).where(purchases.c.key.in_(keys))
    rows = connection.execute(query.where(*_STANDING).order_by(purchases.c.id))
    return {row.key: find_line(row.request)["sha256"] for row in rows}


def find_line(request: bytes) -> Any:
    """Return the line of the lock file that a purchase elsewhere was booked from, and its address.

    None of a purchase of this ledger's own.
    """
    return orjson.loads(request).get("lock")


def _is_settled(each: RememberedClip, job: Any) -> bool:
    return job is not None and job.state in FINISHED and job.sha256 == each.clip.sha256


def _purchases_of(
    connection: Connection, wanted: Sequence[LockedClip]
) -> dict[tuple[str, str], Any]:
    """Return the purchases that the ledger has, by `_identity`."""
    query = select(
        *(purchases.c[name] for name in ("id", "key", "provider", "task", "client_id"))
    ).where(
        or_(
            purchases.c.task.in_([clip.task for clip in wanted if clip.task]),
            purchases.c.client_id.in_([_client_id(clip) for clip in wanted]),
        )
    )
    rows = connection.execute(query).all() if wanted else ()
    own = {(row.provider, row.task): row for row in rows if row.task}
    return own | {("", row.client_id): row for row in rows if not row.task}


def _identity(clip: LockedClip) -> tuple[str, str]:
    return (clip.provider, clip.task) if clip.task else ("", _client_id(clip))


def _client_id(clip: LockedClip) -> str:
    """Return the client id of a purchase elsewhere: the same wherever it is booked."""
    return "elsewhere-" + "-".join(filter(None, (clip.provider, clip.task or clip.sha256)))


def _book(
    connection: Connection, remembered: RememberedClip, payer: Payer, campaign_id: int
) -> int:
    clip, at = remembered.clip, remembered.clip.paid_at.timestamp()
    amount = micro_exact(clip.price_usd)
    kept = {
        "item": {"parts": dict(clip.parts)},
        "lock": {"address": clip.address, **plain_locked(clip)},
    }
    row = {
        "key": remembered.job_key,
        "provider": clip.provider,
        "campaign_id": campaign_id,
        "address": clip.address,
        "row_key": payer.row_key,
        "client_id": _client_id(clip),
        "request": orjson.dumps(kept),
        "body_sha256": "",
        "task": clip.task or None,
        "reserved_microusd": 0,
        "estimate_microusd": amount,
        "charged_microusd": amount,
        "charge_source": PAID_ELSEWHERE,
        "intent_at": at,
        "accepted_at": at,
        "ended_at": at,
        "outcome": CHARGED,
        "model": clip.model,
    }
    (purchase_id,) = connection.execute(insert(purchases).values(row)).inserted_primary_key or (0,)
    adjust_all(connection, payer, amount)
    return int(purchase_id)


def _rename(connection: Connection, purchase_id: int, each: Unsettled, manifest: str) -> None:
    """Put a purchase under the key of the job that it has now, with what it binds."""
    mine = purchases.c.id == purchase_id
    whose = ("row_key", "campaign_id", "address")
    told = (func.max(purchases.c[name]).label(name) for name in whose)
    row = connection.execute(select(bound().label("bound"), *told).where(mine)).one()
    # Campaign, row and place get back what they give: only the item's scope is another one.
    for key, amount in ((each.bought_as, -row.bound), (each.remembered.job_key, row.bound)):
        payer = Payer(
            manifest=manifest,
            run_id=0,
            row_key=row.row_key or "",
            key=key,
            campaign_id=row.campaign_id or 0,
            address=row.address or "",
        )
        adjust_all(connection, payer, int(amount))
    renamed = update(purchases).where(mine).values(key=each.remembered.job_key)
    connection.execute(renamed)


def _finish(connection: Connection, each: Unsettled, purchase_id: int) -> None:
    """Let a job have the clip that is remembered, if it is here or was made before."""
    key, clip, state = each.remembered.job_key, each.remembered.clip, each.state
    after = State.OFF_SPEC if clip.off_spec else State.DONE
    why = {"cause": FaultKind.OFF_SPEC.value, "message": _OFF_SPEC} if clip.off_spec else {}
    has = {"purchase_id": purchase_id, "sha256": clip.sha256}
    if state is None:
        ends = {"state": after.value, **why, **has} if each.remembered.here else {}
        # 0 is no item: if the job is still to be made, the plan drafted next gives it one.
        row = {"key": key, "item_id": 0, "provider": clip.provider, "state": State.PLANNED.value}
        connection.execute(insert(jobs).values(row | ends))
    elif state in ADOPTABLE and each.remembered.here:
        if state is not State.PLANNED:
            move(connection, key=key, before=state, after=State.PLANNED)
        move(connection, key=key, before=State.PLANNED, after=after, **why)
        connection.execute(
            update(jobs).where(jobs.c.key == key).values(free=0, provider=clip.provider, **has)
        )
    # No move, for nothing leads out of what is finished: two branches bought the same, and the
    # older clip keeps the place. The job's own clip is remembered at another address.
    elif each.replaces:
        connection.execute(
            update(jobs)
            .where(jobs.c.key == key)
            .values(state=after.value, provider=clip.provider, **has)
        )
    if each.remembered.here or each.replaces:
        measures = ("sha256", "extension", "bytes", "seconds", "width", "height", "fps")
        row = {name: getattr(clip, name) for name in measures}
        connection.execute(upsert(clips).values(row).on_conflict_do_nothing())


def _batches(every: Sequence[Any]) -> Iterator[list[Any]]:
    left = iter(every)
    while some := list(islice(left, _AT_ONCE)):
        yield some


_TOLD = tuple(purchases.c[name] for name in ("provider", "intent_at", "charged_microusd"))
_STANDING = (purchases.c.charge_source == PAID_ELSEWHERE, purchases.c.outcome == CHARGED)
