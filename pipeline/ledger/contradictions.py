"""Whether a ledger holds together: its file, and what its tables promise each other.

Only reads, and may do so beside a run: what the tables say is read at one moment. Each piece of
damage is a line for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import (
    Connection,
    func,
    or_,
    select,
)

from pipeline.domain.money import exact_usd
from pipeline.domain.states import BOUGHT, FINISHED, HAVING_TASKS, State
from pipeline.ledger.budgets import ALWAYS_KEPT, SCOPES_IN_SQL, bound
from pipeline.ledger.sql_schema import budgets, campaigns, clips, items, jobs, purchases, usd

_PURCHASED = purchases.outerjoin(campaigns, campaigns.c.id == purchases.c.campaign_id)


def contradictions(connection: Connection) -> list[str]:
    """Return what the tables promise each other and do not keep, a line each."""
    every: tuple[Callable[[Connection], Iterator[str]], ...] = (
        _sums,
        _budgets_gone,
        _states,
        _unbought,
        _purchases_gone,
        _taskless,
        _jobless,
        _clipless,
    )
    return [line for find in every for line in find(connection)]


def _sums(connection: Connection) -> Iterator[str]:
    """Say where what a scope has committed is not what its purchases come to."""
    for kind, scope in SCOPES_IN_SQL.items():
        sums = select(scope.label("scope"), bound().label("bound")).select_from(_PURCHASED)
        spent = sums.group_by(scope).subquery()
        # Only of scopes that there are: a row's or an item's is summed up when a limit needs it.
        known, came_to = budgets.c.committed_microusd, func.coalesce(spent.c.bound, 0)
        query = (
            select(budgets.c.scope, known, came_to)
            .outerjoin(spent, spent.c.scope == budgets.c.scope)
            .where(budgets.c.scope.startswith(f"{kind}:"), known != came_to)
        )
        for name, committed, paid in connection.execute(query):
            yield (
                f"the budget {name}: {exact_usd(usd(committed))} USD are committed,"
                f" but its purchases come to {exact_usd(usd(paid))} USD"
            )


def _budgets_gone(connection: Connection) -> Iterator[str]:
    """Say which scopes have purchases and no budget: their limit would begin at nothing."""
    known = select(budgets.c.scope)
    for kind in sorted(ALWAYS_KEPT):
        scope = SCOPES_IN_SQL[kind]
        # What no run ordered (adopted, paid elsewhere) has no run's scope: `not_in` drops NULL.
        paid = select(scope).select_from(_PURCHASED).where(scope.not_in(known))
        for name in connection.scalars(paid.distinct()):
            yield f"the budget {name} is gone, but it has purchases"


def _states(connection: Connection) -> Iterator[str]:
    known = [state.value for state in State]
    for key, state in connection.execute(_jobs().where(jobs.c.state.not_in(known))):
        yield f"{_job(connection, key=key)}: there is no state {state!r}"


def _unbought(connection: Connection) -> Iterator[str]:
    """Say which jobs were sent, or made, without a purchase."""
    query = _jobs().where(jobs.c.state.in_(BOUGHT), jobs.c.purchase_id.is_(None))
    for key, state in connection.execute(query):
        yield f"{_job(connection, key=key)} is {_words(state)}, but was never bought"


def _purchases_gone(connection: Connection) -> Iterator[str]:
    theirs = (purchases.c.id == jobs.c.purchase_id) & (purchases.c.key == jobs.c.key)
    query = (
        _jobs()
        .outerjoin(purchases, theirs)
        .where(jobs.c.purchase_id.is_not(None), purchases.c.id.is_(None))
    )
    for key, state in connection.execute(query):
        yield f"{_job(connection, key=key)} is {_words(state)}, but its purchase is gone"


def _taskless(connection: Connection) -> Iterator[str]:
    query = (
        _jobs()
        .join(purchases, purchases.c.id == jobs.c.purchase_id)
        .where(jobs.c.state.in_(HAVING_TASKS), func.coalesce(purchases.c.task, "") == "")
    )
    for key, state in connection.execute(query):
        yield f"{_job(connection, key=key)} is {_words(state)}, but no task is known to ask for"


def _jobless(connection: Connection) -> Iterator[str]:
    """Say which items of a latest plan have no job."""
    query = (
        select(items.c.address)
        .join(campaigns, campaigns.c.id == items.c.campaign_id)
        .outerjoin(jobs, jobs.c.key == items.c.key)
        .where(campaigns.c.generation == items.c.generation, jobs.c.key.is_(None))
    )
    for address in connection.scalars(query):
        yield f"{address} is planned, but has no job"


def _clipless(connection: Connection) -> Iterator[str]:
    query = (
        _jobs()
        .outerjoin(clips, clips.c.sha256 == jobs.c.sha256)
        .where(jobs.c.state.in_(FINISHED), or_(jobs.c.sha256 == "", clips.c.sha256.is_(None)))
    )
    for key, state in connection.execute(query):
        yield f"{_job(connection, key=key)} is {_words(state)}, but its clip is not known"


def finished_jobs(connection: Connection) -> list[tuple[str, str, str]]:
    """Return one job for each clip: what a person knows it by, digest, and extension."""
    query = (
        select(func.min(jobs.c.key), clips.c.sha256, clips.c.extension)
        .join(clips, clips.c.sha256 == jobs.c.sha256)
        .where(jobs.c.state.in_(FINISHED))
        .group_by(clips.c.sha256, clips.c.extension)
        .order_by(func.min(jobs.c.item_id))
    )
    rows = connection.execute(query).all()
    return [(_job(connection, key=row[0]), row[1], row[2]) for row in rows]


def _jobs() -> Any:
    return select(jobs.c.key, jobs.c.state).select_from(jobs).order_by(jobs.c.item_id)


def _job(connection: Connection, *, key: str) -> str:
    """Return what a person knows a job by: the address of its item, else its key."""
    query = select(items.c.address).join(jobs, jobs.c.item_id == items.c.id)
    return connection.scalar(query.where(jobs.c.key == key)) or f"the job {key[:12]}"


def _words(state: str) -> str:
    return state.replace("_", " ")
