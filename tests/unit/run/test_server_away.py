"""A server that goes away for a moment: what is written is written once, and a run goes on."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Connection, insert, select, text, update

from pipeline.domain import PricedItem
from pipeline.errors import LeaseLost, Unusable
from pipeline.ledger.group_commit import Operation
from pipeline.ledger.location import LedgerLocation, read_server
from pipeline.ledger.owners import end_leases
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.repository import Ledger
from pipeline.ledger.session import reading_session
from pipeline.ledger.sql_schema import events, owners
from pipeline.run.plan_sync import sync_plan
from tests.postgresql import PostgresqlServer
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.raw_ledger import read, write, write_now

AWAY_S = 2.0
ITEMS = 8
Pump = Callable[[socket.socket, socket.socket, threading.Event], None]
_COMMIT = b"COMMIT"
_MUCH = 65536
_PORT = ".s.PGSQL.5432"
_END = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


class LosingLine:
    """A socket before a server's, which loses one commit or the answer to it. A context manager."""

    def __init__(self, url: str, folder: Path) -> None:
        (self._server,) = parse_qs(urlsplit(url).query)["host"]
        self.url = url.replace(self._server, str(folder))
        self.loses = ""
        """`request` or `answer`: of the next commit."""
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / _PORT))
        self._listening.listen()

    def __enter__(self) -> Self:
        _aside(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(f"{self._server}/{_PORT}")
                silent = threading.Event()
                _aside(self._pump_there, near, far, silent)
                _aside(_pump_back, far, near, silent)

    def _pump_there(self, near: socket.socket, far: socket.socket, silent: threading.Event) -> None:
        with suppress(OSError):
            while data := near.recv(_MUCH):
                if self.loses and _COMMIT in data:
                    lost, self.loses = self.loses, ""
                    if lost == "request":
                        break
                    silent.set()
                far.sendall(data)
        _hang_up(near, far)
        near.close()


def _pump_back(far: socket.socket, near: socket.socket, silent: threading.Event) -> None:
    with suppress(OSError):
        # What comes when it is to be silent is the answer: then the server has committed.
        while (data := far.recv(_MUCH)) and not silent.is_set():
            near.sendall(data)
    _hang_up(near, far)
    far.close()


def _hang_up(*ends: socket.socket) -> None:
    for each in ends:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _aside(work: Callable[..., None], *words: Any) -> None:
    threading.Thread(target=work, args=words, daemon=True).start()


@pytest.fixture
def line(tmp_path: Path, postgresql_server: PostgresqlServer) -> Iterator[LosingLine]:
    """Return a line to a ledger of its own."""
    with LosingLine(postgresql_server.ledger(), tmp_path) as losing:
        yield losing


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_commit_that_nobody_knows_of_is_settled(
    lost: str, line: LosingLine, tmp_path: Path
) -> None:
    """It is run again where it did not take place, and only there."""
    with Ledger.open(LedgerLocation(tmp_path / "root", line.url)) as ledger:
        write_now(ledger, _write("before"))
        line.loses = lost
        write_now(ledger, _write("lost"))
        write_now(ledger, _write("after"))

        assert not line.loses
        assert ["before", "lost", "after"] == read(ledger, _names)


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_of_many_that_are_committed_together_none_is_lost_or_doubled(
    lost: str, line: LosingLine, tmp_path: Path
) -> None:
    """A group commit is settled as one."""
    names = [f"e{number}" for number in range(ITEMS)]
    with Ledger.open(LedgerLocation(tmp_path / "root", line.url)) as ledger:
        line.loses = lost
        await asyncio.gather(*(write(ledger, _write(name)) for name in names))

        assert not line.loses
        assert names == read(ledger, _names)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("step", ["intended", "sent", "downloaded"])
async def test_a_run_goes_on_when_the_server_is_back(
    step: str, mode: str, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """Stopped in order or as by a crash, for some seconds: each clip is bought once."""
    postgresql_server.adopt(tmp_path)
    studio = Studio(tmp_path)
    assert studio.admit(entry(f"item-{number}") for number in range(ITEMS)).ok
    studio.confirm_price()
    back = threading.Timer(AWAY_S, postgresql_server.start)
    reached: list[str] = []

    def stop_server(name: str) -> None:
        if name == step and not reached:
            reached.append(name)
            postgresql_server.stop(mode)
            back.start()

    outcome = await studio.run(checkpoint=stop_server)
    back.join()

    assert ([step], 0) == (reached, outcome.exit_code)
    assert ITEMS == studio.shop.submits
    assert ["done"] * ITEMS == studio.states()


def test_whoever_was_cut_off_until_another_took_over_stops(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """A process that was cut off does not go on where somebody else went on in its place."""
    url = postgresql_server.ledger()
    with Ledger.open(LedgerLocation(tmp_path / "one", url)) as ledger:
        write_now(ledger, _write("mine"))
        _end_connections(url)
        with Ledger.open(LedgerLocation(tmp_path / "two", url)) as another:
            mine = update(owners).where(owners.c.name == ledger.lease.owner.name)
            write_now(another, lambda connection: connection.execute(mine.values(seen_at=0.0)))
            write_now(another, end_leases)
        for _ in range(2):
            with pytest.raises(LeaseLost, match="another one went on"):
                write_now(ledger, _write("too late"))

    with Ledger.open(LedgerLocation(tmp_path / "two", url)) as ledger:
        assert ["mine"] == read(ledger, _names)


def test_whoever_is_cut_off_alone_goes_on(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """It joins again, and reading goes on as well; also beside others."""
    url = postgresql_server.ledger()
    with Ledger.open(LedgerLocation(tmp_path / "one", url)) as ledger:
        _end_connections(url)
        write_now(ledger, _write("mine"))
        assert ["mine"] == read(ledger, _names)
        with Ledger.open(LedgerLocation(tmp_path / "two", url)):
            write_now(ledger, _write("also mine"))


def test_a_server_that_stays_away_is_told(postgresql_server: PostgresqlServer) -> None:
    """Patience ends, and what comes after it does not wait once more."""
    database = PostgresqlSchema(postgresql_server.ledger())
    session = reading_session(database, database.connect(readonly=True))
    session.patience_s = 0.5
    _end_connections(database.url)
    postgresql_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(Unusable, match="cannot be reached"):
                session.transact(_names)
    finally:
        postgresql_server.start()


def test_what_needs_the_lost_connection_is_not_run_again(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """A draft stands in temporary tables, which went with it: planning begins anew."""
    postgresql_server.adopt(tmp_path)
    studio = Studio(tmp_path)

    def entries() -> Iterator[PricedItem]:
        yield entry("a")
        _end_connections(read_server(tmp_path))
        yield entry("b")

    with pytest.raises(Unusable, match="run again"):
        studio.admit(entries())
    assert studio.admit([entry("a")]).ok


@pytest.mark.parametrize("losses", [1, 2, 3])
def test_a_plan_whose_draft_was_lost_is_made_again(
    losses: int, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """Nothing of it was written. Whom that befalls again and again is told to run again."""
    postgresql_server.adopt(tmp_path)
    tries = itertools.count(1)

    def entries(own: int) -> Iterator[PricedItem]:
        yield entry("a")
        if own <= losses:
            _end_connections(read_server(tmp_path))
        yield entry("b")

    with Ledger.open(tmp_path) as ledger:
        planning = partial(
            ledger.plan_in_turn,
            lambda: sync_plan(entries(next(tries)), ledger, campaign=CAMPAIGN),
            CAMPAIGN,
        )
        if losses < 3:
            assert (True, 2) == (planning().ok, len(list(ledger.records(CAMPAIGN))))
        else:
            with pytest.raises(Unusable, match="run again"):
                planning()

    assert min(losses, 2) + 2 == next(tries)


def _write(name: str) -> Operation[object]:
    row = {"at": 0.0, "name": name, "provider": "", "address": "", "detail": b"{}"}
    return lambda connection: connection.execute(insert(events).values(row))


def _names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(events.c.name).order_by(events.c.id)))


def _end_connections(url: str) -> None:
    with closing(PostgresqlSchema(url).connect()) as connection, connection.begin():
        connection.execute(_END)
