"""A backup of a ledger on a server: a file that needs no program beside this one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from pipeline.errors import LedgerLost
from pipeline.ledger.location import database_of, read_server
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sqlite import SqliteFile
from pipeline.ledger.table_copy import Digests, read_digests
from pipeline.storage.fs import STATE_FOLDER
from tests.postgresql import PostgresqlServer
from tests.unit.run.campaign import Studio

Said = pytest.CaptureFixture[str]


@pytest.fixture
def studio(tmp_path: Path, postgresql_server: PostgresqlServer) -> Studio:
    """Return a root whose ledger is on the server."""
    root = tmp_path / "root"
    root.mkdir()
    postgresql_server.adopt(root)
    return Studio(root)


async def test_a_backup_is_the_ledger_and_comes_back(
    studio: Studio, tmp_path: Path, capsys: Said
) -> None:
    """Made while somebody works, one file, whole; put back, the replaced ledger is kept."""
    backup, root = tmp_path / "backup.db", ["--root", str(studio.root)]
    await studio.make("a")
    with Ledger.open(studio.root):
        assert Exit.OK == invoke(["ledger", "backup", str(backup), *root])
        before = _digests(database_of(studio.root))
        assert before == _digests(SqliteFile(backup))
        assert ["backup.db", "root"] == _names(tmp_path)
        assert Exit.STOPPED == invoke(["ledger", "restore", str(backup), *root])
    assert Exit.INVALID == invoke(["ledger", "backup", str(backup), *root])
    await studio.make("a", "b")
    capsys.readouterr()

    assert Exit.OK == invoke(["ledger", "restore", str(backup), *root])
    said = capsys.readouterr().out
    assert before == _digests(database_of(studio.root))
    # What the backup does not know is told: the second clip was bought after it.
    assert "still lost: 1 purchase" in said
    kept = said.partition("the one that was there: ")[2].splitlines()[0]
    assert kept in _schemas(read_server(studio.root))
    assert ["backup.db", "root"] == _names(tmp_path)
    assert not [name for name in _names(studio.root / STATE_FOLDER) if LEDGER in name]


async def test_a_ledger_that_is_lost_is_restored_to_the_server(
    studio: Studio, tmp_path: Path
) -> None:
    """The root still knows where it was: there it is again, and nothing is bought twice."""
    backup, root = tmp_path / "backup.db", ["--root", str(studio.root)]
    await studio.make("a")
    assert Exit.OK == invoke(["ledger", "backup", str(backup), *root])
    database = PostgresqlSchema(read_server(studio.root))
    with closing(database.connect()) as connection, connection.begin():
        connection.exec_driver_sql(f"DROP SCHEMA {database.schema} CASCADE")
    with pytest.raises(LedgerLost):
        Ledger.open(studio.root)

    assert Exit.OK == invoke(["ledger", "restore", str(backup), *root])
    await studio.make("a", "b")

    assert 2 == studio.shop.submits


async def test_a_file_that_is_no_ledger_replaces_none(studio: Studio, tmp_path: Path) -> None:
    """Nothing on the server is renamed for it."""
    wrong = tmp_path / "wrong.db"
    wrong.write_bytes(b"no ledger")
    await studio.make("a")
    before = _digests(database_of(studio.root))

    assert Exit.STOPPED == invoke(["ledger", "restore", str(wrong), "--root", str(studio.root)])

    assert before == _digests(database_of(studio.root))


def _digests(database: PostgresqlSchema | SqliteFile | object) -> Digests:
    assert isinstance(database, PostgresqlSchema | SqliteFile)
    with closing(database.connect(readonly=True)) as connection, connection.begin():
        found = dict(read_digests(connection))
    # Each who opens it for work leaves a line there.
    found.pop("events")
    return found


def _names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def _schemas(url: str) -> list[str]:
    names = text("SELECT nspname FROM pg_catalog.pg_namespace")
    with closing(PostgresqlSchema(url).connect(readonly=True)) as connection:
        return list(connection.scalars(names))
