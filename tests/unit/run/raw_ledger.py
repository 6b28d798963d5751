"""A ledger's own transactions, for tests of what happens in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.group_commit import Operation
from pipeline.ledger.owners import Owner, register
from pipeline.ledger.repository import Ledger

T = TypeVar("T")


def write_now(ledger: Ledger, operation: Operation[T]) -> T:
    """Run an operation in a transaction of its own."""
    return ledger._write_now(operation)  # noqa: SLF001 - from outside


def read(ledger: Ledger, operation: Operation[T]) -> T:
    """Return what an operation reads."""
    return ledger._read(operation)  # noqa: SLF001 - from outside


async def write(ledger: Ledger, operation: Operation[T]) -> T:
    """Run an operation in the next transaction."""
    return await ledger._writer.soon(operation)  # noqa: SLF001 - from outside


@contextmanager
def connect_as(owner: Owner, database: LedgerDatabase) -> Iterator[Connection]:
    """Give a connection of its own to an owner that the ledger knows."""
    with closing(database.connect()) as connection:
        with connection.begin():
            register(connection, owner)
        yield connection
