"""Whose plan stands where several processes work with a ledger: a run makes what was agreed to.

On a server each process that plans a campaign has a line for it. Who publishes a plan by which
something else is bought writes his name into the lines of those who have not begun: they are
refused as they begin, for what would be bought was never shown to them. Who has begun keeps his
plan: whoever would have something else bought by him is refused until he has ended.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, select, union, update

from pipeline.clock import RealClock
from pipeline.errors import LedgerInUse
from pipeline.ledger.connection import upsert
from pipeline.ledger.owners import find_clock_offset, owner_of, select_living
from pipeline.ledger.sql_schema import lane_shares, owners, run_plans


def note_plan(connection: Connection, *, campaign: str) -> None:
    """Write that this connection's owner plans a campaign: what others planned before is seen."""
    connection.execute(delete(run_plans).where(run_plans.c.owner.not_in(select_living())))
    _write(connection, campaign, overtaken_by="")


def announce_plan(
    connection: Connection,
    *,
    campaign: str,
    changes_work: Callable[[], bool],
    buys_otherwise: Callable[[], bool],
) -> None:
    """Make sure that nobody buys by a plan, about to be published, what was not shown to him.

    LedgerInUse if another one runs the campaign, and the plan `changes_work` that is being made.
    Those who have planned it and not begun are refused then, if the plan `buys_otherwise`.
    """
    running = find_other_run(connection, campaign=campaign)
    if running and changes_work():
        raise LedgerInUse(
            f"{campaign} is being run by {running} with another selection of its items, or with"
            " other work for one of them: wait until that run has ended, or stop it, or run with"
            " the same manifest and selection"
        )
    mine = owner_of(connection).name
    others = (
        run_plans.c.campaign == campaign,
        run_plans.c.owner != mine,
        run_plans.c.running == 0,
    )
    planned = connection.execute(select(run_plans.c.owner).where(*others).limit(1)).first()
    if planned is not None and buys_otherwise():
        connection.execute(update(run_plans).where(*others).values(overtaken_by=mine))


def begin_run(connection: Connection, *, campaign: str) -> str:
    """Let others know that this connection's owner runs a campaign as it has planned it.

    Return the name of another one that runs it, empty where there is none. LedgerInUse where
    another one has published a plan since by which something else is bought.
    """
    mine = (run_plans.c.owner == owner_of(connection).name, run_plans.c.campaign == campaign)
    if overtaken_by := connection.scalar(select(run_plans.c.overtaken_by).where(*mine)):
        raise LedgerInUse(
            f"{campaign} was planned anew by {overtaken_by}, and something else would be bought"
            " than was shown here: nothing was sent. Run again to see what it comes to now"
        )
    other = find_other_run(connection, campaign=campaign)
    _write(connection, campaign, running=1)
    return other


def end_run(connection: Connection) -> None:
    """Let others plan what this connection's owner has run."""
    connection.execute(delete(run_plans).where(run_plans.c.owner == owner_of(connection).name))


def find_other_run(connection: Connection, *, campaign: str) -> str:
    """Return the name of another process that runs a campaign, beside one that does not yet.

    Empty where there is none whose lease goes on, and for who runs it itself.
    """
    running = find_runs(connection, campaign=campaign)
    return "" if owner_of(connection).name in running else min(running, default="")


def find_runs(connection: Connection, *, campaign: str) -> frozenset[str]:
    """Return the names of the processes that run a campaign, and whose leases go on."""
    now = RealClock().now().timestamp() + find_clock_offset(connection)
    living = select_living().where(owners.c.seen_at + owners.c.lease_s >= now)
    # Also the machines that work for a run, which may have been started by one that is gone.
    works = select(lane_shares.c.owner).where(lane_shares.c.campaign == campaign)
    runs = select(run_plans.c.owner).where(
        run_plans.c.campaign == campaign, run_plans.c.running == 1
    )
    every = union(works, runs).subquery()
    query = select(every.c.owner).where(every.c.owner.in_(living))
    return frozenset(connection.scalars(query))


def _write(connection: Connection, campaign: str, **values: object) -> None:
    row = {"owner": owner_of(connection).name, "campaign": campaign}
    written = upsert(run_plans).values({**row, **values})
    connection.execute(written.on_conflict_do_update(index_elements=[*row], set_=values))
