"""The ledger on PostgreSQL: what SQLite has by being a file, and what a server may do to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text

from pipeline.domain import PricedItem
from pipeline.errors import LedgerInUse, LedgerLost, RootRefused, Unusable
from pipeline.ledger.location import LedgerLocation, url_fault
from pipeline.ledger.outputs import vacate
from pipeline.ledger.overlay import begin_draft, end_draft
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import items, outputs
from pipeline.run.plan_sync import sync_plan
from pipeline.storage.fs import STATE_FOLDER
from tests.postgresql import PostgresqlServer
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.raw_ledger import read, write_now

_UNTIL_PREPARED = 8
"""After how many times the driver has a statement prepared, and some."""


@pytest.fixture
def studio(tmp_path: Path, postgresql_server: PostgresqlServer) -> Studio:
    """Return a root whose ledger is on the server."""
    postgresql_server.adopt(tmp_path)
    return Studio(tmp_path)


async def test_what_is_placed_while_a_plan_is_made_stays_known(studio: Studio) -> None:
    """A plan takes seconds, and what another process lays out meanwhile is newer than its copy."""
    await studio.make("a", "b")
    with Ledger.open(studio.root) as ledger, Ledger.open(studio.root) as other:
        first, second = other.views(campaign=CAMPAIGN, limit=2)
        write_now(other, partial(vacate, item_id=second.item_id))

        def entries() -> Iterator[PricedItem]:
            yield entry("a")
            other.place(first, signature="of now", mode=0o600)
            other.place(second, signature="of now", mode=0o600)
            yield entry("b")
            yield entry("c")

        assert sync_plan(entries(), ledger, campaign=CAMPAIGN).changed
        query = select(outputs.c.item_id, outputs.c.signature).order_by(outputs.c.item_id)
        found = read(other, lambda connection: connection.execute(query).all())

    assert [(each.item_id, "of now") for each in (first, second)] == found


def test_several_work_with_a_ledger_and_who_wants_it_alone_is_told_of_them(
    studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two roots may have one ledger on a server, and so may two processes in one root."""
    other = LedgerLocation(tmp_path_factory.mktemp("other"), _url(studio))
    database = PostgresqlSchema(_url(studio))

    with (
        Ledger.open(studio.root),
        Ledger.open(other),
        Ledger.open(studio.root),
        closing(database.connect()) as connection,
        pytest.raises(LedgerInUse, match=r"callsheet process \d+ on "),
    ):
        database.claim(connection)
    with closing(database.connect()) as connection:
        database.claim(connection)
        with pytest.raises(LedgerInUse, match=r"callsheet process \d+ on "):
            Ledger.open(other)


def test_a_root_remembers_its_server(tmp_path: Path, postgresql_server: PostgresqlServer) -> None:
    """Who was told once where the ledger is need not be told again, and takes no other one."""
    url, other = postgresql_server.ledger(), postgresql_server.ledger()
    with Ledger.open(LedgerLocation(tmp_path, url)):
        pass

    with Ledger.open(tmp_path) as ledger:
        assert url == str(ledger.database)
    with pytest.raises(RootRefused, match="ledger move"):
        Ledger.open(LedgerLocation(tmp_path, other))


def test_a_root_with_a_ledger_of_its_own_takes_no_server(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """What its own ledger knows would be bought again."""
    with Ledger.open(tmp_path):
        pass

    with pytest.raises(RootRefused, match="ledger move"):
        Ledger.open(LedgerLocation(tmp_path, postgresql_server.ledger()))


async def test_a_schema_that_is_gone_is_a_ledger_that_is_lost(studio: Studio) -> None:
    """What was bought is not bought again because somebody dropped the tables."""
    await studio.make("a")
    database = PostgresqlSchema(_url(studio))
    with closing(database.connect()) as connection, connection.begin():
        connection.exec_driver_sql(f"DROP SCHEMA {database.schema} CASCADE")

    with pytest.raises(LedgerLost, match="postgresql://"):
        Ledger.open(studio.root)


def test_what_was_asked_before_a_draft_is_asked_of_the_draft(studio: Studio) -> None:
    """The server has prepared the query by then: it goes to what stands before its table now."""
    studio.admit([entry("known")])
    known = select(func.count()).select_from(items)
    database = PostgresqlSchema(_url(studio))
    with closing(database.connect()) as connection, connection.begin():
        begin_draft(connection, campaign=CAMPAIGN)
        end_draft(connection)
        counted = [connection.scalar(known) for _ in range(_UNTIL_PREPARED)]
        begin_draft(connection, campaign="another")
        counted.append(connection.scalar(known))

    assert [*([1] * _UNTIL_PREPARED), 0] == counted


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_prompt_is_refused(
    encoding: str, tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """A prompt in Chinese would be refused in the middle of a run."""
    url = postgresql_server.database("--encoding", encoding, "--locale=C")

    with pytest.raises(Unusable, match="createdb -E UTF8"):
        Ledger.open(LedgerLocation(tmp_path, url))


def test_a_commit_is_on_disk_whatever_the_database_is_set_to(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """An intent that is lost when the server's power fails would be paid twice."""
    url = postgresql_server.database()
    name = url.partition("@/")[2].partition("?")[0]
    with closing(PostgresqlSchema(url).connect()) as connection, connection.begin():
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")

    with Ledger.open(LedgerLocation(tmp_path, url)) as ledger:
        assert "on" == write_now(ledger, _synchronous_commit)


def test_texts_are_in_the_order_of_their_code_points_in_every_language(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    """Pages go on after an address: Python and both databases must agree on what comes next."""
    url = postgresql_server.database(
        "--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"
    )
    names = ["b", "C", "a-b", "a", "ä", "Z", "a_b"]
    with Ledger.open(LedgerLocation(tmp_path, url)):
        pass
    studio = Studio(tmp_path)
    assert studio.admit(entry(name) for name in names).ok

    with Ledger.open(tmp_path) as ledger:
        addresses = read(
            ledger,
            lambda connection: list(
                connection.scalars(text("SELECT address FROM items ORDER BY address"))
            ),
        )
    assert sorted(f"spin[{name}]" for name in names) == addresses


def test_a_server_that_is_gone_is_told_with_what_to_do(
    tmp_path: Path,
) -> None:
    """Nothing is sent, and the message names the server and no password."""
    url = f"postgresql:///clips?host={tmp_path}/nowhere"

    with pytest.raises(Unusable, match="Check that it runs"):
        Ledger.open(LedgerLocation(tmp_path, url))


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("postgresql://anna:secret@db.example/clips", "password-in-url"),
        ("postgresql://db.example/clips?password=secret", "password-in-url"),
        ("postgresql://anna:@db.example/clips", "password-in-url"),
        ("mysql://db.example/clips", "bad-value"),
        ("postgresql://db.example:port/clips", "bad-value"),
        ("postgresql://db.example/clips?schema=a;b", "bad-value"),
    ],
)
def test_a_url_that_is_no_ledger_or_tells_a_secret_is_a_finding(url: str, slug: str) -> None:
    """It never quotes what may be the password."""
    fault = url_fault(url)

    assert fault is not None
    assert slug == fault.slug
    assert "secret" not in fault.message + fault.hint


def test_a_url_with_an_option_that_there_is_not_is_told(tmp_path: Path) -> None:
    """The driver knows its options: what it does not is no crash."""
    with pytest.raises(Unusable, match="does not understand the URL"):
        Ledger.open(LedgerLocation(tmp_path, "postgresql:///clips?colour=red"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///clips",
        "postgres://anna@db.example:5433/clips?schema=spring&sslmode=verify-full",
        "postgresql:///?service=clips",
    ],
)
def test_a_url_that_libpq_understands_is_taken(url: str) -> None:
    """Host, port, role, service and its options are the driver's own."""
    assert url_fault(url) is None


def _synchronous_commit(connection: Connection) -> str:
    return str(connection.scalar(text("SHOW synchronous_commit")))


def _url(studio: Studio) -> str:
    return (studio.root / STATE_FOLDER / "ledger-url").read_text("utf-8").strip()
