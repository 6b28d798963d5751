"""Jobs in the ledger: which there are, where they stand, and moving one along the table.

A move is a compare-and-set: it happens only if the job still stands where its worker left it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    not_,
    or_,
    select,
    update,
)

from pipeline.domain.states import ENDED, IN_FLIGHT, OWNED, SENT, TRANSITIONS, UNKNOWN_STATES, State
from pipeline.ledger.fast_sql import execute
from pipeline.ledger.lane_shares import add_claimed
from pipeline.ledger.owners import NOBODY, claim, holder, owner_of
from pipeline.ledger.payload import apply_snapshot
from pipeline.ledger.price_confirmations import PriceClass
from pipeline.ledger.sql_schema import (
    campaigns,
    is_take_of,
    items,
    jobs,
    payloads,
    purchases,
    still_unsettled,
)

CHARGED = "charged"
"""What became of a paid try whose clip was finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One paid try, as far as the worker needs it; times are unix seconds."""

    id: int = 0
    provider: str
    client_id: str
    request: bytes
    body_sha256: str
    task: str = ""
    reserved_microusd: int
    estimate_microusd: int | None
    intent_at: float
    accepted_at: float | None = None
    outcome: str = ""
    """What became of it so far; CHARGED once its clip was finished."""
    campaign_id: int = 0
    """For which campaign it was bought: another one may make the same work."""
    model: str = ""
    mode: str = ""
    kind: str = ""
    seconds: float | None = None
    charged_native: str = ""
    account: str = ""
    """The name of the account it was sent from; empty for the one without a name."""
    native_unit: str = ""
    """What the provider told in a unit of its own, at acceptance or later."""

    @property
    def price(self) -> PriceClass:
        """Return the class of its price; an earlier version's purchase has none."""
        return PriceClass(provider=self.provider, model=self.model, mode=self.mode, kind=self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An item being made. `purchase` is its current paid try, None before the first intent."""

    key: str
    state: State
    provider: str
    campaign_id: int
    manifest: str
    """The manifest of its campaign: whose budget it is booked on."""
    address: str
    row_key: str
    cursor: int
    expected_microusd: int | None
    high_microusd: int | None
    tries: int
    payload: bytes
    model: str = ""
    mode: str = ""
    kind: str = ""
    seconds: float | None = None
    cause: str = ""
    message: str = ""
    purchase: Purchase | None = None
    selected: bool = True
    """Whether it may be bought in this run, as its item is now; what was sent is settled anyway."""

    @property
    def price(self) -> PriceClass:
        """Return the class of the price at which it would be bought now."""
        return PriceClass(provider=self.provider, model=self.model, mode=self.mode, kind=self.kind)


class Moved(Exception):  # noqa: N818 - said from the worker's side
    """The job was not where its worker left it, which is a bug."""


class Taken(Moved):
    """The job is another owner's by now: nothing was written, and nothing may be sent for it."""


class Stale(Taken):
    """The job is planned, but not as it was read: nothing was written, and it is to be read again.

    Another owner has tried it meanwhile, or planned it for another provider.
    """


AS_IT_WAS = (
    jobs.c.key == bindparam("b_key"),
    jobs.c.state == bindparam("b_before"),
    jobs.c.owner == bindparam("b_held_by"),
    jobs.c.epoch == bindparam("b_held_since"),
)
"""The condition that a job stands where its worker left it, and is still his (`hold_values`)."""
_MOVE = (
    update(jobs)
    .where(*AS_IT_WAS)
    .values(
        state=bindparam("b_after"),
        cause=bindparam("b_cause"),
        message=bindparam("b_message"),
        owner=bindparam("b_owner"),
        epoch=bindparam("b_epoch"),
    )
)
_OUTCOME = select(purchases.c.outcome).where(purchases.c.id == jobs.c.purchase_id).correlate(jobs)
_MOVE_AS_READ = _MOVE.where(
    jobs.c.provider == bindparam("b_provider"),
    func.coalesce(jobs.c.purchase_id, 0) == bindparam("b_purchase"),
    func.coalesce(_OUTCOME.scalar_subquery(), "") == bindparam("b_outcome"),
)
_HELD_BY = select(jobs.c.state, jobs.c.owner).where(jobs.c.key == bindparam("b_key"))


def move(
    connection: Connection,
    *,
    key: str,
    before: State,
    after: State,
    cause: str = "",
    message: str = "",
) -> None:
    """Move a job along the table; Taken if another owner was faster, or took it over.

    From then on it is this connection's owner's, as long as it is under way.
    """
    values = _move_values(connection, key, before, after)
    values |= {"b_cause": cause, "b_message": message}
    if execute(connection, _MOVE, values).rowcount != 1:
        raise move_fault(connection, key, before)


def move_planned(
    connection: Connection, *, job: Job, after: State, cause: str = "", message: str = ""
) -> None:
    """Move a planned job as `move` does, but only as its worker read it, else Stale.

    Who does not know of its last try would send under a new id what the provider may have taken
    under the one before. Once it is under way it is planned, and tried, by nobody else.
    """
    tried = job.purchase
    values = _move_values(connection, job.key, job.state, after) | {
        "b_cause": cause,
        "b_message": message,
        "b_provider": job.provider,
        "b_purchase": tried.id if tried else 0,
        "b_outcome": tried.outcome if tried else "",
    }
    if execute(connection, _MOVE_AS_READ, values).rowcount != 1:
        raise move_fault(connection, job.key, job.state)


def _move_values(
    connection: Connection, key: str, before: State, after: State
) -> dict[str, object]:
    """Return who has a job before and after a move that the table allows."""
    check(before, after)
    owner = holder(connection, after)
    values = {"b_owner": owner.name, "b_epoch": owner.epoch, "b_after": after.value}
    return values | hold_values(connection, key, before)


def hold_values(connection: Connection, key: str, before: State) -> dict[str, object]:
    """Return the values of `AS_IT_WAS`."""
    by = holder(connection, before)
    state = {"b_key": key, "b_before": before.value}
    return {**state, "b_held_by": by.name, "b_held_since": by.epoch}


def move_fault(connection: Connection, key: str, before: State) -> Moved:
    """Return why a job could not be moved out of a state."""
    row = execute(connection, _HELD_BY, {"b_key": key}).fetchone()
    state, owner = row or ("unknown", "")
    if state == before == State.PLANNED:
        return Stale(f"{key}: it was tried, or planned for another provider, since it was read")
    if before not in OWNED or owner != owner_of(connection).name:
        who = f"by {owner}" if owner else "by another process"
        return Taken(f"{key}: it was taken up {who}, and is {state}, not {before}")
    return Moved(f"{key}: it is {state}, not {before}")


def check(before: State, after: State) -> None:
    """Refuse what the table does not allow: a bug, caught before it costs money."""
    if after not in TRANSITIONS[before]:
        raise ValueError(f"no transition from {before} to {after}")


def revive(
    connection: Connection,
    *,
    campaign: str,
    providers: Iterable[str],
    purchases_allowed: int,
    causes: Iterable[str] = (),
) -> None:
    """Plan again what is selected and may be tried again with one of these providers.

    That is what is held, what failed free and transient, and what failed for one of the causes.
    """
    again = or_(
        jobs.c.state == State.HELD.value,
        (jobs.c.state == State.FAILED.value)
        & or_(
            free_again(purchases_allowed),
            jobs.c.cause.in_(list(causes)),
        ),
    )
    connection.execute(
        update(jobs)
        .where(again, jobs.c.provider.in_(list(providers)))
        .where(jobs.c.key.in_(_selection_keys(campaign)))
        .values(state=State.PLANNED.value, cause="", message="", free=0)
    )


def states(connection: Connection, *, keys: Sequence[str]) -> dict[str, State]:
    """Return the state of each of these keys that is known."""
    rows = connection.execute(select(jobs.c.key, jobs.c.state).where(jobs.c.key.in_(keys)))
    return {row.key: State(row.state) for row in rows}


def counts(connection: Connection, *, campaign: str) -> dict[tuple[State, str], int]:
    """Count the jobs of the campaign's selected items by state and cause."""
    rows = connection.execute(
        select(jobs.c.state, jobs.c.cause, func.count().label("n"))
        .where(jobs.c.key.in_(_selection_keys(campaign)))
        .group_by(jobs.c.state, jobs.c.cause)
    )
    return {(State(row.state), row.cause): row.n for row in rows}


def planned_jobs(
    connection: Connection,
    *,
    campaign: str,
    provider: str,
    after: int,
    limit: int,
    upto: int | None = None,
    without: Iterable[PriceClass] = (),
) -> list[Job]:
    """Return a provider's next selected jobs to be made, in plan order, from after a cursor on.

    None comes that is behind the position `upto`, if there is one. `without` are prices of which
    nothing may be begun now.
    """
    query = _loading(items.c.position, jobs.c.key == items.c.key, campaign).where(
        campaigns.c.name == campaign,
        campaigns.c.generation == items.c.generation,
        # Items of one key are one job: it must be handed out once.
        items.c.shared_with.is_(None),
        items.c.selected == 1,
        jobs.c.provider == provider,
        jobs.c.state == State.PLANNED.value,
        *(() if upto is None else (items.c.position <= upto,)),
        *(not_(_of_price(price)) for price in without),
    )
    return _page(connection, query.where(items.c.position > after), items.c.position, limit)


def claim_unsettled(
    connection: Connection,
    *,
    campaign: str,
    provider: str,
    after: int,
    limit: int,
    without: Collection[tuple[str, State]] = (),
) -> list[Job]:
    """Take up a provider's next jobs that were sent and have not ended, from after a cursor on.

    Those of the plan, and those of earlier plans of the campaign: they were paid for. What somebody
    works on already is left alone; `without` are keys that are not wanted, each as long as its job
    is in the state that is named with it.
    """
    free = jobs.c.owner == NOBODY.name
    query = _in_flight_query(campaign).where(jobs.c.provider == provider, free)
    found: list[Job] = []
    while len(found) < limit:
        next_ = query.where(jobs.c.purchase_id > after)
        page = _page(connection, next_, jobs.c.purchase_id, limit - len(found))
        if not page:
            break
        # Here, and not by the database: they may be more than a statement takes.
        found += [job for job in page if (job.key, job.state) not in without]
        after = page[-1].cursor
    taken = claim(connection, keys=[job.key for job in found])
    add_claimed(
        connection,
        provider=provider,
        accounts=Counter(
            job.purchase.account
            for job in found
            if job.purchase is not None and job.key in taken and job.state in IN_FLIGHT
        ),
    )
    return _apply_snapshots(found)


def sent_jobs(connection: Connection, *, campaign: str, address: str = "") -> list[Job]:
    """Return the campaign's jobs that were sent and have not ended, oldest first.

    Those of earlier plans too: they were paid for. `address` leaves only the jobs of one item, as
    it was sent or as it is now, or the one that was sent under that client id.
    """
    query = _in_flight_query(campaign)
    if address:
        # The row may have another key by now, so that the item was sent under another address.
        its_own = _plan_keys(campaign).where(items.c.address == address)
        named = (items.c.address == address) | (purchases.c.client_id == address)
        query = query.where(named | jobs.c.key.in_(its_own))
    return _apply_snapshots(_page(connection, query, jobs.c.purchase_id, None))


def _of_price(price: PriceClass) -> Any:
    return and_(*(items.c[name] == getattr(price, name) for name in ("model", "mode", "kind")))


def hold(
    connection: Connection,
    *,
    campaign: str,
    provider: str,
    cause: str,
    message: str,
    price: PriceClass | None = None,
) -> None:
    """Hold what is selected and still planned for a provider whose lane has stopped.

    With a `price`, only what is bought at that one.
    """
    check(State.PLANNED, State.HELD)
    keys = _selection_keys(campaign)
    connection.execute(
        update(jobs)
        .where(
            jobs.c.state == State.PLANNED.value,
            jobs.c.provider == provider,
            jobs.c.key.in_(keys if price is None else keys.where(_of_price(price))),
        )
        .values(state=State.HELD.value, cause=cause, message=message)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedItem:
    """An item of the latest plan, as far as leaving it out needs it."""

    address: str
    key: str
    provider: str
    shared: bool
    """Whether another selected item wants the same clip."""
    ended: bool
    """Whether its job has ended already, well or not."""


def wanted_items(connection: Connection, *, campaign: str, address: str) -> list[WantedItem]:
    """Return the selected items of an address, whose take may be left out."""
    current = (
        select(items.c.address, items.c.key, items.c.provider, jobs.c.state)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .join(jobs, jobs.c.key == items.c.key)
        .where(campaigns.c.name == campaign, campaigns.c.generation == items.c.generation)
        .where(items.c.selected == 1)
    )
    is_named = (items.c.address == address) | is_take_of(items.c.address, address)
    named = connection.execute(current.where(is_named).order_by(items.c.position)).all()
    keys, addresses = [row.key for row in named], [row.address for row in named]
    others = connection.execute(
        current.where(items.c.key.in_(keys), items.c.address.not_in(addresses))
    )
    shared = {row.key for row in others}
    return [
        WantedItem(
            address=row.address,
            key=row.key,
            provider=row.provider,
            shared=row.key in shared,
            ended=State(row.state) in ENDED,
        )
        for row in named
    ]


def mark_unwanted(connection: Connection, *, keys: Iterable[str]) -> frozenset[str]:
    """Mark those of these jobs that were submitted and have not ended; return their keys."""
    marked = update(jobs).where(jobs.c.key.in_(list(keys)), jobs.c.state.in_(UNKNOWN_STATES))
    return frozenset(connection.scalars(marked.values(unwanted=1).returning(jobs.c.key)))


def _in_flight_query(campaign: str) -> Any:
    """Return the query of a campaign's unsettled jobs, with the items they were sent for."""
    return _loading(jobs.c.purchase_id, jobs.c.item_id == items.c.id, campaign).where(
        # Another campaign may have sent what this plan wants as well: either of them settles it.
        (campaigns.c.name == campaign) | jobs.c.key.in_(_plan_keys(campaign)),
        still_unsettled,
    )


def _loading(cursor: Any, of_item: Any, campaign: str) -> Any:
    # An item may have been changed, or have left the plan, since its job was sent.
    as_planned = and_(
        campaigns.c.name == campaign,
        campaigns.c.generation == items.c.generation,
        items.c.key == jobs.c.key,
        items.c.provider == jobs.c.provider,
        items.c.selected == 1,
    )
    return select(
        *(jobs.c[name] for name in ("key", "state", "provider", "cause", "message")),
        *(items.c[name] for name in ("campaign_id", "address", "row_key")),
        campaigns.c.manifest,
        *(items.c[name] for name in ("expected_microusd", "high_microusd")),
        *(items.c[name] for name in ("model", "mode", "kind", "seconds")),
        cursor.label("cursor"),
        as_planned.label("selected"),
        payloads.c.data.label("payload"),
        tries().label("tries"),
        *(column.label(f"purchase_{column.name}") for column in _PURCHASE),
    ).select_from(
        items.join(jobs, of_item)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .join(payloads, payloads.c.item_id == items.c.id)
        .outerjoin(purchases, purchases.c.id == jobs.c.purchase_id)
    )


def _apply_snapshots(found: list[Job]) -> list[Job]:
    return [
        # Judged and told as what was bought: its item may ask for something else by now.
        replace(job, payload=apply_snapshot(job.payload, job.purchase.request))
        if job.purchase
        else job
        for job in found
    ]


def tries() -> Any:
    """Return the expression of how often a job was bought: tries that were accepted."""
    tried = purchases.alias("tried")
    accepted = (tried.c.key == jobs.c.key) & tried.c.accepted_at.is_not(None)
    return select(func.count()).where(accepted).correlate(jobs).scalar_subquery()


def is_bought() -> ColumnElement[bool]:
    """Return the condition that a provider was paid for a job, or may have been."""
    return or_(jobs.c.state.in_(SENT), tries() > 0)


def free_again(purchases_allowed: int) -> Any:
    """Return the condition that a failed job is bought again without a word: it was free.

    What was bought as often as is allowed is not bought again by itself, free or not.
    """
    return (jobs.c.state == State.FAILED.value) & (jobs.c.free == 1) & (tries() < purchases_allowed)


def _page(connection: Connection, query: Any, cursor: Any, limit: int | None) -> list[Job]:
    found = connection.execute(query.order_by(cursor).limit(limit))
    # A look at a column of a row by its name costs ten times one in a dictionary, and there are 40.
    names = tuple(found.keys())
    return [_job(dict(zip(names, row, strict=True))) for row in found]


_PURCHASE = tuple(purchases.c[name] for name in Purchase.__dataclass_fields__)


def _job(row: Mapping[str, Any]) -> Job:
    own = {
        name: row[name]
        for name in Job.__dataclass_fields__
        if name not in {"state", "purchase", "selected"}
    }
    return Job(
        state=State(row["state"]),
        selected=bool(row["selected"]),
        purchase=_purchase(row),
        **own,
    )


def _purchase(row: Mapping[str, Any]) -> Purchase | None:
    if row["purchase_id"] is None:
        return None
    values = {name: row[f"purchase_{name}"] for name in Purchase.__dataclass_fields__}
    return Purchase(**{**values, "task": values["task"] or ""})


def _plan_keys(campaign: str) -> Any:
    return (
        select(items.c.key)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .where(campaigns.c.name == campaign, campaigns.c.generation == items.c.generation)
        # It stands for itself, also inside a query over the same tables.
        .correlate(None)
    )


def _selection_keys(campaign: str) -> Any:
    return _plan_keys(campaign).where(items.c.selected == 1)
