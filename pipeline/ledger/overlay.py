"""Temporary tables over a ledger's own: a plan is drafted there, and published in one go.

SQLite finds a temporary table before the database's own of that name, so the same statements work
on the draft. It begins with what the ledger knows of one campaign, whatever else it knows; jobs of
other campaigns are taken in when an item asks for their key.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    inspect,
    select,
    text,
)

from pipeline.domain.states import REPLANNED, UNSETTLED
from pipeline.ledger.budgets import campaign_scope
from pipeline.ledger.migrations import sum_up_budgets
from pipeline.ledger.sql_schema import (
    budgets,
    campaigns,
    clips,
    fallbacks,
    items,
    jobs,
    lane_widths,
    losses,
    manifest_of,
    outputs,
    payloads,
    price_confirmations,
    price_quotes,
    purchases,
    set_aside,
    task_durations,
)

_DRAFTED: tuple[Table, ...] = (campaigns, budgets, items, payloads, fallbacks, jobs, outputs)
"""In the order in which they refer to each other."""
part_places = Table(
    "part_places",
    MetaData(),
    Column("item_id", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Where the parts of items are written that are other work than before; it dies with the draft."""
_ROWS_AT_ONCE = 5000
_TAKE_IN: tuple[tuple[Table, str], ...] = (
    (campaigns, ""),
    (budgets, "WHERE scope = :scope"),
    (
        items,
        "WHERE campaign_id = (SELECT id FROM main.campaigns WHERE name = :campaign)",
    ),
    (payloads, "WHERE item_id IN (SELECT id FROM temp.items)"),
    (outputs, "WHERE item_id IN (SELECT id FROM temp.items)"),
    (jobs, "WHERE key IN (SELECT key FROM temp.items)"),
    # What earlier plans sent, and this one may not want: it was paid for.
    (jobs, "WHERE state IN ({unsettled}) AND item_id IN (SELECT id FROM temp.items)"),
)


def begin_draft(connection: Connection, *, campaign: str) -> None:
    """Shadow what a plan changes, with what the ledger knows of the campaign."""
    end_draft(connection)
    for table in _DRAFTED:
        shadow(connection, table)
    part_places.create(connection, checkfirst=False)
    values = {"campaign": campaign, "scope": campaign_scope(manifest_of(campaign))}
    unsettled = ", ".join(f"'{state.value}'" for state in UNSETTLED)
    for table, where in _TAKE_IN:
        wanted = where.format(unsettled=unsettled)
        known = {name: value for name, value in values.items() if f":{name}" in wanted}
        connection.execute(
            text(
                # Jobs come by two conditions that overlap.
                f"INSERT OR IGNORE INTO temp.{table.name} SELECT * FROM main.{table.name} {wanted}"
            ),
            known,
        )


def make_part_places(connection: Connection) -> None:
    """Have the table of places where no plan is drafted, so that changes can be read."""
    if not _is_shadowed(connection, part_places):
        part_places.create(connection, checkfirst=False)


def empty_part_places(connection: Connection) -> None:
    """Have the table of places, with nothing in it."""
    make_part_places(connection)
    connection.exec_driver_sql(f"DELETE FROM temp.{part_places.name}")


def shadow(connection: Connection, table: Table) -> None:
    """Put an empty temporary table, with its indexes, before a table of the ledger."""
    # By the file's own words, not by `sql_schema`: ALTER TABLE has put a migrated column last, and
    # `SELECT *` is by position. In descending order tables come before their indexes.
    found = connection.execute(
        text(
            "SELECT type, name, sql FROM main.sqlite_master WHERE tbl_name = :table"
            " AND sql IS NOT NULL ORDER BY type DESC"
        ),
        {"table": table.name},
    )
    for kind, name, sql in found.all():
        own = {"table": ("CREATE TABLE", "CREATE TEMP TABLE"), "index": (name, f"temp.{name}")}
        connection.exec_driver_sql(sql.replace(*own[kind], 1))


def shadow_whole(connection: Connection, table: Table) -> None:
    """Put a temporary copy before a small table of the ledger, unless there is one."""
    if not _is_shadowed(connection, table):
        shadow(connection, table)
        connection.exec_driver_sql(f"INSERT INTO temp.{table.name} SELECT * FROM main.{table.name}")


def take_in_jobs(connection: Connection, keys: Sequence[str]) -> None:
    """Take the jobs of these keys into the draft, whichever campaign they are of.

    Without a draft the ledger's own are there.
    """
    if not _is_shadowed(connection, jobs):
        return
    marks = ", ".join("?" * len(keys))
    connection.exec_driver_sql(
        f"INSERT OR IGNORE INTO temp.jobs SELECT * FROM main.jobs WHERE key IN ({marks})",
        tuple(keys),
    )


def last_item_id(connection: Connection) -> int:
    """Return the highest id of an item in the ledger, whatever the draft has."""
    return connection.exec_driver_sql("SELECT max(id) FROM main.items").scalar() or 0


def any_in_plan(connection: Connection, *, item_ids: Sequence[int], generation: int) -> bool:
    """Tell whether any of these items was in the published plan of that number."""
    marks = ", ".join("?" * len(item_ids))
    query = f"SELECT 1 FROM main.items WHERE generation = ? AND id IN ({marks}) LIMIT 1"
    return connection.exec_driver_sql(query, (generation, *item_ids)).first() is not None


def publish_draft(connection: Connection, *, campaign: str) -> None:
    """Write a draft into the ledger, whole, and drop it."""
    replanned = ", ".join(f"'{state.value}'" for state in sorted(REPLANNED))
    current = (
        "SELECT id FROM temp.items WHERE (campaign_id, generation) ="
        " (SELECT id, generation FROM temp.campaigns WHERE name = :campaign)"
    )
    for statement in (
        _merge(campaigns, "id", "WHERE name = :campaign"),
        # A draft only opens scopes: what is committed in one that is there stays the ledger's.
        _merge(budgets, "scope", "WHERE true", update=()),
        _merge(items, "id", f"WHERE id IN ({current})"),
        _merge(
            payloads,
            "item_id",
            f"WHERE item_id IN ({current}) AND NOT EXISTS (SELECT 1 FROM main.payloads AS known"
            " WHERE known.item_id = temp.payloads.item_id AND known.data = temp.payloads.data)",
        ),
        # They are only of the latest plan: what it wants may go to them, and nothing else.
        "DELETE FROM main.fallbacks WHERE item_id IN (SELECT id FROM temp.items)",
        _merge(fallbacks, "item_id, rank", "WHERE true"),
        _merge(
            jobs,
            "key",
            "WHERE NOT EXISTS (SELECT 1 FROM main.jobs AS known WHERE known.key = temp.jobs.key"
            " AND known.item_id = temp.jobs.item_id AND known.provider = temp.jobs.provider)",
            update=("item_id", "provider"),
            # A job that was sent keeps item and provider: its task is asked for there.
            only_if=f"jobs.state IN ({replanned})",
        ),
        (
            "DELETE FROM main.outputs WHERE item_id IN (SELECT id FROM temp.items)"
            " AND item_id NOT IN (SELECT item_id FROM temp.outputs)"
        ),
        _merge(outputs, "item_id, role", "WHERE true"),
    ):
        known = {"campaign": campaign} if ":campaign" in statement else {}
        connection.execute(text(statement), known)
    end_draft(connection)


def end_draft(connection: Connection) -> None:
    """Drop what shadows the ledger's tables."""
    for table in (part_places, *reversed(_DRAFTED)):
        if _is_shadowed(connection, table):
            connection.exec_driver_sql(f"DROP TABLE temp.{table.name}")


def _is_shadowed(connection: Connection, table: Table) -> bool:
    known = "SELECT 1 FROM sqlite_temp_master WHERE type = 'table' AND name = ?"
    return connection.exec_driver_sql(known, (table.name,)).first() is not None


def _merge(
    table: Table,
    key: str,
    where: str,
    *,
    update: Sequence[str] | None = None,
    only_if: str = "",
) -> str:
    """Return the statement that writes a draft's rows over the ledger's own."""
    names = [column.name for column in table.c]
    changing = [name for name in names if name not in key.split(", ")] if update is None else update
    changes = ", ".join(f"{name} = excluded.{name}" for name in changing)
    action = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
    listed = ", ".join(names)
    return (
        f"INSERT INTO main.{table.name} ({listed}) SELECT {listed} FROM temp.{table.name} {where}"
        f" ON CONFLICT ({key}) {action}{f' WHERE {only_if}' if only_if else ''}"
    )


_COPIED: tuple[Table, ...] = (
    *(campaigns, items, payloads, jobs, purchases, budgets, clips, outputs),
    *(losses, set_aside, price_confirmations, price_quotes, task_durations, lane_widths),
)


def copy_older(source: Connection, target: Connection) -> None:
    """Copy what decides what a plan comes to, out of a ledger of an earlier version.

    Only who works in a root brings its ledger up to date, so looking at such a one costs a copy.
    """
    known = inspect(source)
    names = known.get_table_names()
    for table in (each for each in _COPIED if each.name in names):
        there = {column["name"] for column in known.get_columns(table.name)}
        columns = [column for column in table.c if column.name in there]
        rows = source.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(*columns))
        for part in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in part])
    # So old a ledger has a budget for each profile, not for the manifest.
    if "manifest" not in {column["name"] for column in known.get_columns(campaigns.name)}:
        sum_up_budgets(target)
