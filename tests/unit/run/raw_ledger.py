"""A ledger's own transactions, for tests of what happens in them."""

from __future__ import annotations

from typing import TypeVar

from pipeline.ledger.group_commit import Operation
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
