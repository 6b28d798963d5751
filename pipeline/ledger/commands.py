"""Commands to a running run, in its ledger: another process writes them, the run answers them.

The same on SQLite and PostgreSQL, and no socket. What was commanded while no run was at work is for
none: it is answered when the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import Connection, func, insert, select, update

from pipeline.errors import LedgerDamaged
from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.location import Where, database_of
from pipeline.ledger.migrations import VERSION, read_version
from pipeline.ledger.run_plans import find_runs
from pipeline.ledger.sql_schema import campaigns, commands, runs

TOO_LATE = "no run was there to obey it"
NOT_DONE = "not done: "
"""How the answer begins where the run could not do it."""
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a run is told to do: `name` is a method of its handle, `arguments` are what it takes."""

    id: int
    name: str
    arguments: Mapping[str, Any]


@contextmanager
def _transaction(database: LedgerDatabase, *, readonly: bool = False) -> Iterator[Connection]:
    with (
        database.translate_errors(),
        closing(database.connect(readonly=readonly)) as connection,
        connection.begin(),
    ):
        yield connection


def is_run_at_work(root: Where, campaign: str) -> bool:
    """Tell whether a campaign's run is at work, in a ledger that some process works with."""
    database = database_of(root)
    with _transaction(database, readonly=True) as connection:
        if read_version(database, connection) != VERSION:
            # Whoever works with it is of another version.
            return False
        if database.is_remote:
            return bool(find_runs(connection, campaign=campaign))
        # One process at a time works with a file: if it runs something, that is the last run.
        last = select(campaigns.c.name).join(runs, runs.c.campaign_id == campaigns.c.id)
        last = last.where(runs.c.id == select(func.max(runs.c.id)).scalar_subquery())
        name: str | None = connection.scalar(last.where(runs.c.ended_at.is_(None)))
        return name == campaign


def send_command(
    root: Where,
    campaign: str,
    name: str,
    arguments: Mapping[str, Any] = EMPTY,
    *,
    at: float,
) -> int:
    """Write a command to the run that works in a root; return its id, to ask for the answer.

    It takes no lock of the root's: the run keeps that. LedgerDamaged if the ledger is not of this
    version: then no run of this version is at work.
    """
    database = database_of(root)
    with _transaction(database) as connection:
        if read_version(database, connection) != VERSION:
            raise LedgerDamaged(f"{database}: it is of another version: no run of this one uses it")
        row = {"campaign": campaign, "name": name, "sent_at": at}
        statement = insert(commands).values({**row, "arguments": orjson.dumps(dict(arguments))})
        (command_id,) = connection.execute(statement).inserted_primary_key or (0,)
        return int(command_id)


def find_answer(root: Where, command_id: int) -> str | None:
    """Return what the run answered to a command; None if it has not answered yet."""
    database = database_of(root)
    with _transaction(database, readonly=True) as connection:
        known = select(commands.c.answer).where(commands.c.id == command_id)
        answer: str | None = connection.scalar(known)
        return answer


def unanswered_commands(connection: Connection, *, campaign: str) -> list[Command]:
    """Return the commands to a campaign's run that nobody has answered, oldest first."""
    rows = connection.execute(
        select(commands.c.id, commands.c.name, commands.c.arguments)
        .where(commands.c.campaign == campaign, commands.c.answered_at.is_(None))
        .order_by(commands.c.id)
    )
    return [
        Command(id=row.id, name=row.name, arguments=orjson.loads(row.arguments)) for row in rows
    ]


def answer(connection: Connection, *, command_id: int, text: str, at: float) -> None:
    """Answer a command."""
    connection.execute(
        update(commands).where(commands.c.id == command_id).values(answer=text, answered_at=at)
    )


def answer_all(connection: Connection, *, campaign: str, at: float) -> None:
    """Answer what was commanded when no run was there: it is not for the next one."""
    connection.execute(
        update(commands)
        .where(commands.c.campaign == campaign, commands.c.answered_at.is_(None))
        .values(answer=TOO_LATE, answered_at=at)
    )
