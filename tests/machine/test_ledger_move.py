"""A ledger that moves to a server and back: whole, checked, and never two that buy."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from pipeline.api.ledger_copies import move_ledger_between
from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from pipeline.errors import CallsheetError, LedgerInUse, LedgerMoved, RootRefused, Unusable
from pipeline.ledger.location import LedgerLocation, database_of, read_server
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sql_schema import events, items, purchases
from pipeline.ledger.table_copy import COPIED, Digests, read_digests
from pipeline.storage.fs import STATE_FOLDER
from tests.postgresql import PostgresqlServer
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.raw_ledger import read, write_now

STEPS = ("copied", "compared", "retired", "published", "told")
ITEMS = 800
KILLS = 4
_PATIENCE_S = 120


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a root with a ledger of its own."""
    (tmp_path / "root").mkdir()
    return Studio(tmp_path / "root")


async def test_what_moved_is_what_there_was_and_nothing_is_bought_again(
    studio: Studio, postgresql_server: PostgresqlServer
) -> None:
    """To a server, to another one, and back; what is new after each is numbered after the rest."""
    one, two = postgresql_server.ledger(), postgresql_server.ledger()
    bought = ["a"]
    await studio.make(*bought)

    for place in (one, two, str(studio.root)):
        before = _digests(studio.root)
        move_ledger_between(str(studio.root), place)
        assert before == _digests(studio.root)
        assert ("" if place == str(studio.root) else place) == read_server(studio.root)
        bought.append(f"after-{len(bought)}")
        await studio.make(*bought)

    assert len(bought) == studio.shop.submits
    with Ledger.open(studio.root) as ledger:
        numbers = read(ledger, lambda connection: list(connection.scalars(select(purchases.c.id))))
    assert [1, 2, 3, 4] == sorted(numbers)


def test_what_it_left_buys_nothing_and_says_where_it_went(
    studio: Studio, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    """Neither the file, put back under its name, nor a server, nor a root that still names it."""
    one, two = postgresql_server.ledger(), postgresql_server.ledger()
    studio.admit([entry("a")])
    move_ledger_between(str(studio.root), one)
    (kept,) = (studio.root / STATE_FOLDER).glob(f"{LEDGER}.*Z")
    other = LedgerLocation(tmp_path / "other", one)
    with Ledger.open(other):
        pass
    move_ledger_between(one, two)
    kept.rename(kept.with_name(LEDGER))
    (studio.root / STATE_FOLDER / "ledger-url").unlink()

    with pytest.raises(LedgerMoved, match=one.replace("?", r"\?")):
        Ledger.open(studio.root)
    with pytest.raises(LedgerMoved, match=two.replace("?", r"\?")):
        Ledger.open(other)
    with pytest.raises(LedgerMoved):
        Ledger.reader(other)
    # Who is told where it went goes there from then on.
    with Ledger.open(LedgerLocation(other.root, two)):
        pass
    assert two == read_server(other.root)


def test_a_move_that_is_over_is_not_made_again(
    studio: Studio, postgresql_server: PostgresqlServer
) -> None:
    """Typed again it says so; where the new ledger went on, an old copy never takes its place."""
    one, two = postgresql_server.ledger(), postgresql_server.ledger()
    studio.admit([entry("a")])
    with Ledger.open(LedgerLocation(studio.root)):
        pass
    move_ledger_between(str(studio.root), one)
    assert 0 == move_ledger_between(str(studio.root), one).rows
    move_ledger_between(one, two)

    assert 0 == move_ledger_between(one, two).rows
    _drop(two)
    with pytest.raises(RootRefused, match="is there no more"):
        move_ledger_between(one, two)


@pytest.mark.parametrize("way", ["to-the-server", "from-the-server"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_after_each_step_it_comes_to_its_end(
    step: str, way: str, studio: Studio, postgresql_server: PostgresqlServer
) -> None:
    """There is one ledger or none that buys, and typed again, one that has everything."""
    url, root = postgresql_server.ledger(), str(studio.root)
    studio.admit([entry("a"), entry("b")])
    before = _digests(studio.root)
    if way == "from-the-server":
        move_ledger_between(root, url)
    source, target = (root, url) if way == "to-the-server" else (url, root)

    killed = _run_killed(lambda: move_ledger_between(source, target, checkpoint=_kill_at(step)))

    assert ("told" == step and way == "from-the-server") != (-signal.SIGKILL == killed)
    assert len(_living(studio.root, url)) <= 1
    move_ledger_between(source, target)
    assert [target] == _living(studio.root, url)
    assert before == _digests(studio.root)


def test_killed_at_any_instant_it_comes_to_its_end(
    studio: Studio, postgresql_server: PostgresqlServer
) -> None:
    """The command itself, killed at random, with thousands of rows."""
    url, root = postgresql_server.ledger(), str(studio.root)
    studio.admit(entry(f"item-{number}") for number in range(ITEMS))
    before = _digests(studio.root)
    chance = random.Random(11)  # noqa: S311 - the same instants in each run
    began = time.monotonic()
    assert 0 == _type_move(root, url).wait(_PATIENCE_S)
    took_s = time.monotonic() - began
    ways = [(url, root), (root, url)]

    for number in range(KILLS):
        source, target = ways[number % 2]
        process = _type_move(source, target)
        try:
            # The interpreter's start is the first part of it.
            process.wait(took_s * chance.uniform(0.3, 1.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert len(_living(studio.root, url)) <= 1
        assert 0 == _type_move(source, target).wait(_PATIENCE_S)
        assert [target] == _living(studio.root, url)
        assert before == _digests(studio.root)
        if target == root:
            _drop(url)


def test_what_cannot_move_stays_as_it_is(
    studio: Studio, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    """A ledger in use, a root to a root, one that is there already, and what no server can hold."""
    url, other = postgresql_server.ledger(), tmp_path / "other"
    studio.admit([entry("a")])
    with Ledger.open(other):
        pass

    with Ledger.open(studio.root), pytest.raises(LedgerInUse):
        move_ledger_between(str(studio.root), url)
    with pytest.raises(RootRefused, match="adopt-root"):
        move_ledger_between(str(studio.root), str(other))
    move_ledger_between(str(other), url)
    with pytest.raises(RootRefused, match="already"):
        move_ledger_between(str(studio.root), url)
    event = {"at": 0.0, "name": "n", "provider": "", "address": "\0", "detail": b""}
    with Ledger.open(studio.root) as ledger:
        write_now(ledger, lambda connection: connection.execute(insert(events).values(event)))
    with pytest.raises(Unusable, match="table events"):
        move_ledger_between(str(studio.root), postgresql_server.ledger())
    assert studio.admit([entry("a")]).ok


def test_a_digest_tells_any_value_that_differs(studio: Studio) -> None:
    """What the comparison goes by sees a row more, and a number that is another."""
    studio.admit([entry("a"), entry("b")])
    before = _digests(studio.root)

    def change(connection: Connection) -> None:
        first = select(func.min(items.c.id)).scalar_subquery()
        connection.execute(items.update().where(items.c.id == first).values(seconds=5.25))

    with Ledger.open(studio.root) as ledger:
        write_now(ledger, change)
    after = _digests(studio.root)

    assert ["items"] == [name for name in before if before[name] != after[name]]
    assert {table.name for table in COPIED} == {*before, "root_identity"}


def test_the_command_tells_what_it_did(
    studio: Studio, postgresql_server: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """How much was copied, and where things are now; what is no ledger is a finding."""
    url = postgresql_server.ledger()
    studio.admit([entry("a")])

    assert Exit.OK == invoke(["ledger", "move", str(studio.root), url])
    said = capsys.readouterr().out
    assert "copied, and read again" in said
    assert f"is at {url} now" in said
    assert Exit.INVALID == invoke(["ledger", "move", url, "postgresql://a:secret@b/c"])
    assert "secret" not in capsys.readouterr().err


def _type_move(source: str, target: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "pipeline", "ledger", "move", source, target]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def _kill_at(step: str) -> Callable[[str], None]:
    return lambda reached: os.kill(os.getpid(), signal.SIGKILL) if reached == step else None


def _run_killed(act: Callable[[], object]) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=act)
    process.start()
    process.join(_PATIENCE_S)
    return process.exitcode


def _living(root: Path, url: str) -> list[str]:
    """Return which of a root's own ledger and that of a server would buy something."""
    living = []
    hidden = root / STATE_FOLDER / "hidden"
    told = root / STATE_FOLDER / "ledger-url"
    if told.exists():
        told.rename(hidden)
    try:
        if (root / STATE_FOLDER / LEDGER).exists() and _opens(LedgerLocation(root)):
            living.append(str(root))
    finally:
        if hidden.exists():
            hidden.rename(told)
    other = root.parent / f"asking-{time.monotonic_ns()}"
    if not LedgerLocation(other, url).database.is_empty() and _opens(LedgerLocation(other, url)):
        living.append(url)
    return living


def _opens(where: LedgerLocation) -> bool:
    try:
        ledger = Ledger.reader(where)
    except CallsheetError:
        return False
    assert ledger is not None
    ledger.close()
    return True


def _digests(root: Path) -> Digests:
    with closing(database_of(root).connect(readonly=True)) as connection, connection.begin():
        found = dict(read_digests(connection))
    # Where a root is, and whose line it is, is said anew where it arrives.
    found.pop("root_identity")
    return found


def _drop(url: str) -> None:
    database = LedgerLocation(Path("nowhere"), url).database
    schema = url.partition("schema=")[2]
    with closing(database.connect()) as connection, connection.begin():
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
