"""Group commit: what many coroutines want to write becomes few transactions, one after another.

What `write` returns has been committed to disk. An operation is a function of the connection; it
may be run twice, so it must do nothing but SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection

from pipeline.ledger.connection import begin_deferred, dialect
from pipeline.ledger.session import LedgerSession

T = TypeVar("T")
Operation = Callable[[Connection], T]
Follow = Callable[[Connection], Callable[[], None]]
"""Looks at what a transaction wrote, at its end; what it returns is called once that is committed,
before anybody is told."""


@dataclass(frozen=True, slots=True)
class _Result:
    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    operation: Operation[Any]
    future: asyncio.Future[Any]


class Writer:
    """The one who writes: everything passes here, whoever asks."""

    def __init__(self, session: LedgerSession, follow: Follow | None = None) -> None:
        self._session = session
        self._follow = follow or (lambda _: lambda: None)
        self._turn = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._waiting: list[_Waiting] = []
        self._draining: asyncio.Task[None] | None = None
        self.drafting = False
        """Whether a draft shadows tables of this connection: what is written now would be lost."""

    @property
    def connection(self) -> Connection:
        """Return the connection of the moment: what is drafted is in its temporary tables."""
        return self._session.connection

    @property
    def is_lost(self) -> bool:
        """Tell whether the connection is lost, and with it what is drafted on it."""
        return dialect(self.connection).is_lost(self.connection)

    @property
    def away_s(self) -> float:
        """Return for how long the server has been waited for, in seconds; 0 while it answers."""
        return self._session.away_s

    def write_now(self, operation: Operation[T], *, once: bool = False) -> T:
        """Run the operation in a transaction of its own, committed on return.

        What reads temporary tables of the connection is done `once` (`LedgerSession.transact`).
        """
        with self._turn:
            self._refuse_while_drafting()
            result, committed = self._session.transact(
                lambda connection: (operation(connection), self._follow(connection)), once=once
            )
            # Still in turn: a later transaction must not write its counter before this one does.
            committed()
            return result

    def draft(self, operation: Operation[T]) -> T:
        """Run an operation that writes to nothing but temporary tables: nobody waits for it."""
        with self._turn:
            connection = self.connection
            with begin_deferred(connection), connection.begin():
                return operation(connection)

    async def write(self, operation: Operation[T]) -> T:
        """Run the operation with those that wait with it; return once it is on disk.

        If it raises, it alone is undone. Being cancelled does not take it back.
        """
        return await self.soon(operation)

    def soon(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Run the operation like `write`, in its turn, without waiting for it."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(operation, future))
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        return future

    def close(self, *, whole: bool) -> None:
        """Finish what is being written, then let go of the database, left `whole` if one may."""
        self._thread.shutdown(wait=True)
        with self._turn:
            if whole:
                dialect(self.connection).checkpoint(self.connection)
            self._session.close()

    async def _drain(self) -> None:
        while self._waiting:
            # Who was just told writes again at once: so few commits serve many.
            await asyncio.sleep(0)
            # What comes while this batch is committed is the next one.
            batch, self._waiting = self._waiting, []
            operations = [waiting.operation for waiting in batch]
            results = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._commit, operations
            )
            for waiting, result in zip(batch, results, strict=True):
                _settle(waiting.future, result)

    def _refuse_while_drafting(self) -> None:
        if self.drafting:
            raise RuntimeError("a plan is being drafted on this ledger: publish it first")

    def _commit(self, operations: list[Operation[Any]]) -> list[_Result]:
        with self._turn:
            try:
                self._refuse_while_drafting()
                results, committed = self._session.transact(
                    lambda connection: (
                        [_Result(operation(connection)) for operation in operations],
                        self._follow(connection),
                    )
                )
            except Exception as error:  # noqa: BLE001 - it belongs to one of them; found out below
                failure = error
            else:
                return _announce(committed, results)
        if len(operations) == 1:
            return [_Result(error=failure)]
        # All were undone together. Alone, only the one that is wrong fails.
        return [result for operation in operations for result in self._commit([operation])]


def _announce(committed: Callable[[], None], results: list[_Result]) -> list[_Result]:
    try:
        committed()
    except Exception as error:  # noqa: BLE001 - they are on disk, but nobody may act on them
        return [_Result(error=error) for _ in results]
    return results


def _settle(future: asyncio.Future[Any], result: _Result) -> None:
    # Its caller was cancelled; what it handed over is on disk all the same.
    if future.done():
        return
    if result.error is not None:
        future.set_exception(result.error)
    else:
        future.set_result(result.value)
