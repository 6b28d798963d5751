"""The ledger's file: its one owner, its rights, its faults, and its group commit."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from pipeline.domain import Event
from pipeline.domain.states import State
from pipeline.errors import LedgerDamaged, LedgerInUse, Unusable
from pipeline.ledger import budgets, event_log, jobs, purchases
from pipeline.ledger.adoptions import adopters
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sql_schema import items, micro, micro_exact, usd
from pipeline.storage.fs import STATE_FOLDER
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.raw_ledger import read, write, write_now

_EACH_DIALECT = pytest.mark.usefixtures("each_dialect")


def test_its_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    """Prompts may be confidential: nobody else may look into the folder or the file."""
    with Ledger.open(tmp_path):
        pass

    folder = tmp_path / STATE_FOLDER
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert 0o600 == stat.S_IMODE((folder / LEDGER).stat().st_mode)


def test_a_new_one_has_every_table_column_and_index(tmp_path: Path) -> None:
    """What is declared is there: a query finds its index, and an upsert its constraint."""

    def look(connection: Connection) -> dict[str, tuple[set[str], set[str]]]:
        found = inspect(connection)
        return {
            name: (
                {each["name"] for each in found.get_columns(name)},
                {str(each["name"]) for each in found.get_indexes(name)},
            )
            for name in found.get_table_names()
        }

    with Ledger.open(tmp_path) as ledger:
        made = read(ledger, look)

    assert made == {
        table.name: ({each.name for each in table.columns}, {str(i.name) for i in table.indexes})
        for table in items.metadata.tables.values()
    }


async def test_a_folder_may_have_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    """A disk takes any bytes for a name: it is written, read beside, and found again."""
    studio = Studio(tmp_path / os.fsdecode(b"caf\xe9"))

    assert 0 == (await studio.make("a")).exit_code
    assert ["done"] == studio.states()
    assert (studio.root / STATE_FOLDER / LEDGER).is_file()


def test_its_folder_says_what_deleting_it_costs(tmp_path: Path) -> None:
    """The notice in the folder names the price of tidying up."""
    with Ledger.open(tmp_path):
        pass

    assert "loses the proof that they were" in (tmp_path / STATE_FOLDER / "README").read_text(
        "utf-8"
    )


def test_a_second_run_is_told_who_holds_the_root(tmp_path: Path) -> None:
    """One owner per root: the other one learns pid, host and since when."""
    held = rf"process {os.getpid()} on .* since 20"
    with Ledger.open(tmp_path), pytest.raises(LedgerInUse, match=held):
        Ledger.open(tmp_path)


@_EACH_DIALECT
def test_a_closed_ledger_lets_the_next_one_in(tmp_path: Path) -> None:
    """After the run its root is free."""
    with Ledger.open(tmp_path):
        pass

    with Ledger.open(tmp_path):
        claim = json.loads((tmp_path / STATE_FOLDER / "lock").read_bytes())
    assert os.getpid() == claim["pid"]


@_EACH_DIALECT
def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    """A crash leaves nothing to clean up."""
    child = os.fork()
    if not child:
        Ledger.open(tmp_path)
        os._exit(9)
    _, status = os.waitpid(child, 0)

    with Ledger.open(tmp_path):
        assert 9 == os.waitstatus_to_exitcode(status)


@_EACH_DIALECT
def test_a_reader_may_look_beside_the_owner(tmp_path: Path) -> None:
    """Status and report do not wait for a run."""
    with Ledger.open(tmp_path):
        reader = Ledger.reader(tmp_path)
        assert reader is not None
        with reader:
            assert [] == list(reader.records(CAMPAIGN))


def test_there_may_be_nothing_to_read(tmp_path: Path) -> None:
    """A root without a ledger is no fault, and gets none by looking."""
    assert Ledger.reader(tmp_path) is None
    assert [] == list(tmp_path.iterdir())


def test_a_file_that_is_no_ledger_is_said_to_be_damaged(tmp_path: Path) -> None:
    """It is never overwritten: it may be the only proof of what was paid."""
    folder = tmp_path / STATE_FOLDER
    folder.mkdir()
    (folder / LEDGER).write_bytes(b"not a database, but long enough to be taken for one" * 20)

    with pytest.raises(LedgerDamaged, match="backup"):
        Ledger.open(tmp_path)


@_EACH_DIALECT
def test_a_newer_ledger_is_not_touched(tmp_path: Path) -> None:
    """A version that knows less must not write into it."""
    with Ledger.open(tmp_path) as ledger:
        write_now(ledger, partial(_run_sql, sql="UPDATE versions SET version = 999"))

    with pytest.raises(LedgerDamaged, match="newer Callsheet"):
        Ledger.open(tmp_path)


def test_a_root_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    """A file where the folder should be: the message names the path and the way out."""
    (tmp_path / STATE_FOLDER).write_text("in the way")

    with pytest.raises(Unusable, match="--root"):
        Ledger.open(tmp_path)


@_EACH_DIALECT
async def test_what_was_written_together_fails_alone(tmp_path: Path) -> None:
    """In one group commit an operation that raises undoes itself and nothing else."""
    with Ledger.open(tmp_path) as ledger:
        results = await asyncio.gather(
            *(write(ledger, partial(_open_scope, scope=str(n), fail=n == 3)) for n in range(8)),
            return_exceptions=True,
        )
        known = read(ledger, partial(_run_sql, sql="SELECT scope FROM budgets ORDER BY scope"))

    assert [3] == [n for n, result in enumerate(results) if isinstance(result, ValueError)]
    assert [(str(n),) for n in range(8) if n != 3] == known


async def test_many_writers_share_few_commits(tmp_path: Path) -> None:
    """Two hundred coroutines that wait at once are one or two transactions."""
    with Ledger.open(tmp_path) as ledger:
        before = _commits(tmp_path)
        await asyncio.gather(
            *(write(ledger, partial(_open_scope, scope=str(n))) for n in range(200))
        )
        frames = _commits(tmp_path) - before

    assert frames < 50


@_EACH_DIALECT
async def test_a_write_whose_caller_left_is_kept(tmp_path: Path) -> None:
    """Being cancelled does not take back what was handed to the ledger."""
    with Ledger.open(tmp_path) as ledger:
        leaving = asyncio.create_task(write(ledger, partial(_open_scope, scope="kept")))
        await asyncio.sleep(0)
        leaving.cancel()
        await write(ledger, partial(_open_scope, scope="after"))
        known = read(ledger, partial(_run_sql, sql="SELECT scope FROM budgets ORDER BY scope"))

    assert [("after",), ("kept",)] == known


@_EACH_DIALECT
def test_a_move_is_made_once(tmp_path: Path) -> None:
    """Of two who move the same job from the same state only the first succeeds."""
    studio = Studio(tmp_path)
    studio.admit([entry("a")])
    key = studio.records()[0].key
    move = partial(jobs.move, key=key, before=State.PLANNED, after=State.STAGING)

    with Ledger.open(tmp_path) as ledger:
        write_now(ledger, move)
        with pytest.raises(jobs.Moved):
            write_now(ledger, move)


def test_a_move_off_the_table_is_refused(tmp_path: Path) -> None:
    """What the table of states does not allow never reaches the ledger."""
    with Ledger.open(tmp_path) as ledger, pytest.raises(ValueError, match="no transition"):
        write_now(ledger, partial(jobs.move, key="k", before=State.DONE, after=State.PLANNED))


@_EACH_DIALECT
def test_a_crash_while_submitting_is_in_doubt(tmp_path: Path) -> None:
    """Opening the ledger settles what a crash left, and sends nothing."""
    studio = Studio(tmp_path)
    studio.admit([entry("a"), entry("b"), entry("c")])
    with Ledger.open(tmp_path) as ledger:
        write_now(ledger, partial(_stand, address="spin[a]", state=State.STAGING))
        write_now(ledger, partial(_stand, address="spin[b]", state=State.SUBMITTING))

    assert ["planned", "in_doubt", "planned"] == studio.states()


@_EACH_DIALECT
async def test_the_states_of_keys_are_known_in_batches(tmp_path: Path) -> None:
    """States are looked up by key; unknown keys are left out."""
    studio = Studio(tmp_path)
    await studio.make("a", "b")
    keys = [record.key for record in studio.records()]

    with Ledger.open(tmp_path) as ledger:
        found = ledger.states([*keys, *(f"unknown-{n}" for n in range(1200))])

    assert dict.fromkeys(keys, State.DONE) == found


@_EACH_DIALECT
async def test_a_record_tells_the_whole_story(tmp_path: Path) -> None:
    """A finished item's record has its clip, its money, its task and its origin."""
    studio = Studio(tmp_path)
    await studio.make("a")

    (record,) = studio.records()
    assert ("done", "t1", "client-0", 1) == (
        record.state,
        record.task,
        record.client_id,
        record.tries,
    )
    assert "spin/a.mp4" == record.path
    assert (Decimal("0.56"), Decimal(0), Decimal(0)) == (
        record.charged_usd,
        record.reserved_usd,
        record.possible_usd,
    )
    assert "reported" == record.charge_source
    assert ("turn a", ("hero",)) == (record.prompt, record.tags)
    assert ("campaign.yaml", 7) == (record.origin_shot.file, record.origin_shot.line)
    assert datetime(2026, 3, 1, 9, 0, tzinfo=UTC).date() == record.submitted_at.date()  # type: ignore[union-attr]


@_EACH_DIALECT
async def test_the_tasks_of_a_provider_are_known_by_their_time(tmp_path: Path) -> None:
    """Those accepted since a time, of one provider: a look-up must not hand them out again."""
    studio = Studio(tmp_path)
    await studio.make("a")
    later = studio.clock.now().timestamp() + 1

    def tasks(provider: str, since: float) -> frozenset[str]:
        with Ledger.open(tmp_path) as ledger:
            return read(ledger, partial(purchases.tasks, provider=provider, since=since))

    assert {"t1"} == tasks("shop", 0)
    assert set() == tasks("shop", later) == tasks("elsewhere", 0)


@_EACH_DIALECT
async def test_records_come_in_plan_order_however_many(tmp_path: Path) -> None:
    """Records are read page by page, and none is lost between two pages."""
    studio = Studio(tmp_path)
    studio.admit(entry(f"i{n}") for n in range(1201))

    assert [f"spin[i{n}]" for n in range(1201)] == [r.address for r in studio.records()]


@pytest.mark.parametrize(("amount", "expected"), [("0.0000001", 1), ("0.56", 560_000), ("0", 0)])
def test_reservations_are_rounded_up(amount: str, expected: int) -> None:
    """Nothing is reserved too low, not even by a millionth."""
    assert expected == micro(Decimal(amount))


def test_money_survives_the_ledger() -> None:
    """Micro-USD and back is the same amount, exactly."""
    assert Decimal("123456.789012") == usd(micro_exact(Decimal("123456.789012")))


def test_the_budget_denies_and_undoes_in_every_scope(tmp_path: Path) -> None:
    """A purchase that one scope denies is reserved in none."""
    payer = budgets.Payer(
        manifest="spring", run_id=1, row_key="r", key="a", campaign_id=1, address="spin[r]#1"
    )
    limits = budgets.BudgetLimits(campaign=10, run=10, row=4, item=10)
    with Ledger.open(tmp_path) as ledger:
        for scope in ("campaign:spring", "run:1"):
            write_now(ledger, partial(budgets.open_scope, scope=scope))
        reserve = partial(budgets.reserve, payer=payer, limits=limits)
        allowed = write_now(ledger, partial(reserve, amount=3))
        denied = write_now(ledger, partial(reserve, amount=3))
        committed = read(ledger, partial(_run_sql, sql="SELECT committed_microusd FROM budgets"))

    assert allowed is None
    assert denied is not None
    assert "row" == denied.scope
    assert {(3,)} == set(committed)


def _open_scope(connection: Connection, *, scope: str, fail: bool = False) -> None:
    budgets.open_scope(connection, scope)
    if fail:
        raise ValueError(scope)


def _run_sql(connection: Connection, *, sql: str) -> list[tuple[object, ...]]:
    result = connection.execute(text(sql))
    return [tuple(row) for row in result] if result.returns_rows else []


def _stand(connection: Connection, *, address: str, state: State) -> None:
    sql = text(
        "UPDATE jobs SET state = :state WHERE key ="
        " (SELECT key FROM items WHERE address = :address)"
    )
    connection.execute(sql, {"state": state.value, "address": address})


def _commits(root: Path) -> int:
    """Return the pages in the write-ahead log: each commit adds at least one for each change."""
    return (root / STATE_FOLDER / f"{LEDGER}-wal").stat().st_size // 4096


def test_a_place_has_its_own_budget_for_ever(tmp_path: Path) -> None:
    """Takes of one place count together, whatever work they are; another place, or profile, not."""
    limits = budgets.BudgetLimits(places={"spin": 7})

    def payer(address: str, campaign_id: int = 1) -> budgets.Payer:
        return budgets.Payer(
            manifest="spring",
            run_id=1,
            row_key="r",
            key=f"the work of {address}",
            campaign_id=campaign_id,
            address=address,
        )

    with Ledger.open(tmp_path) as ledger:
        for scope in ("campaign:spring", "run:1"):
            write_now(ledger, partial(budgets.open_scope, scope=scope))
        reserve = partial(budgets.reserve, limits=limits, amount=3)

        def bought(address: str, campaign_id: int = 1) -> bool:
            whose = payer(address, campaign_id)
            return write_now(ledger, partial(reserve, payer=whose)) is None

        assert [bought(f"spin[r,wide]#{take}") for take in (1, 2, 3)] == [True, True, False]
        assert bought("spin[r,wider]#1")
        assert bought("spin[r,wide]#1", 2)
        # A shot without a cap, and one whose name begins like it.
        assert all(bought(f"spinning[r]#{take}") for take in (1, 2, 3))


def test_what_a_scope_has_cost_is_found_by_an_index(tmp_path: Path) -> None:
    """A row may be one of 50,000: its first purchase is not compared with those of all others."""
    steps: list[str] = []

    def reserve(connection: Connection) -> None:
        @event.listens_for(connection, "before_cursor_execute")
        def explain(*told: Any) -> None:
            _, _, statement, parameters, *_ = told
            if "FROM purchases" in statement:
                cursor = connection.connection.cursor()
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                steps.extend(row[-1] for row in cursor.fetchall())

        own = {"row_key": "r", "key": "k", "campaign_id": 1, "address": "wall[r]#1"}
        limits = budgets.BudgetLimits(row=2, item=2, places={"wall": 2})
        payer = budgets.Payer(manifest="m", run_id=1, **own)  # type: ignore[arg-type]
        assert None is budgets.reserve(connection, payer, limits, 1)

    with Ledger.open(tmp_path) as ledger:
        for scope in (budgets.campaign_scope("m"), budgets.run_scope(1)):
            write_now(ledger, partial(budgets.open_scope, scope=scope))
        write_now(ledger, reserve)

    used = [re.findall(r"purchases USING INDEX (\w+)", step) for step in steps]
    found = [name for names in used for name in names]
    assert ["purchases_by_row", "ix_purchases_key", "purchases_by_place"] == found, steps


@_EACH_DIALECT
def test_a_place_is_another_in_other_case(tmp_path: Path) -> None:
    """Rows `sku` and `SKU` are two products: what is left out, or imported, is of the one named."""
    studio = Studio(tmp_path)
    takes = []
    for name, output in (("sku", "one.mp4"), ("SKU", "two.mp4")):
        one = entry(name, output=output)
        takes.append(replace(one, item=replace(one.item, address=f"{one.item.address}#1")))
    assert studio.admit(takes).ok

    with Ledger.open(studio.root) as ledger:
        out = read(ledger, partial(jobs.wanted_items, campaign=CAMPAIGN, address="spin[sku]"))
        taken_in = read(ledger, partial(adopters, campaign=CAMPAIGN, address="spin[sku]"))

    assert ["spin[sku]#1"] == [each.address for each in out]
    assert ["spin[sku]#1"] == [each.address for each in taken_in]


@_EACH_DIALECT
async def test_how_a_lane_fared_is_told_of_the_campaign_s_last_run(tmp_path: Path) -> None:
    """Not of another campaign whose items have the same addresses, and not for ever."""
    studio = Studio(tmp_path)
    studio.shop.script.append("unpaid")
    await studio.make("a")
    at = studio.clock.now()
    elsewhere = Event(name="overcharged", at=at, provider="shop", address="spin[a]", detail={})

    with Ledger.open(studio.root) as ledger:
        write_now(ledger, partial(event_log.note, event=elsewhere, campaign="other"))
        told = [each.name for each in ledger.notable(CAMPAIGN)]
    studio.clock.advance(1)
    await studio.run()
    with Ledger.open(studio.root) as ledger:
        told_then = [each.name for each in ledger.notable(CAMPAIGN)]

    assert (["lane_stopped"], []) == (told, told_then)
