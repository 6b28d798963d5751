"""Temporary tables over a ledger's own: a plan is drafted there, and published in one go.

Both databases find a temporary table before their own of that name, so the same statements work on
the draft. It begins with what the ledger knows of one campaign, whatever else it knows; jobs of
other campaigns are taken in when an item asks for their key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    CursorResult,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    bindparam,
    insert,
    inspect,
    select,
    text,
)

from pipeline.domain.states import FINISHED, REPLANNED, UNSETTLED
from pipeline.ledger.budgets import campaign_scope
from pipeline.ledger.connection import dialect
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
_ROWS_AT_ONCE, _IDS_AT_ONCE = 5000, 1000
_DRAFTED_ITEMS = (
    "temp.items AS drafted JOIN temp.campaigns AS next ON next.id = drafted.campaign_id"
)
_TAKE_IN: tuple[tuple[Table, str], ...] = (
    (campaigns, "WHERE true"),
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
        dialect(connection).shadow(connection, table.name)
    part_places.create(connection, checkfirst=False)
    _take_in(connection, campaign=campaign, tables=_DRAFTED)


def _take_in(connection: Connection, *, campaign: str, tables: Collection[Table]) -> None:
    values = {"campaign": campaign, "scope": campaign_scope(manifest_of(campaign))}
    unsettled = ", ".join(f"'{state.value}'" for state in UNSETTLED)
    for table, where in (each for each in _TAKE_IN if each[0] in tables):
        wanted = where.format(unsettled=unsettled)
        known = {name: value for name, value in values.items() if f":{name}" in wanted}
        _execute(
            connection,
            # Jobs come by two conditions that overlap.
            f"INSERT INTO temp.{table.name} SELECT * FROM main.{table.name} {wanted}"
            " ON CONFLICT DO NOTHING",
            known,
        )
        dialect(connection).gather_statistics(connection, table.name)


def gather_statistics(connection: Connection) -> None:
    """Let what follows be planned by what the draft of a plan has by now."""
    for table in _DRAFTED:
        dialect(connection).gather_statistics(connection, table.name)


def begin_choice(connection: Connection, *, campaign: str) -> None:
    """Shadow what a selection among the items of a plan changes; the rest is the ledger's own."""
    end_draft(connection)
    # Items refer to their campaign.
    for table in (campaigns, items, jobs):
        dialect(connection).shadow(connection, table.name)
    _take_in(connection, campaign=campaign, tables=(campaigns, items, jobs))


def make_part_places(connection: Connection) -> None:
    """Have the table of places where no plan is drafted, so that changes can be read."""
    if not dialect(connection).is_shadowed(connection, part_places.name):
        part_places.create(connection, checkfirst=False)


def empty_part_places(connection: Connection) -> None:
    """Have the table of places, with nothing in it."""
    make_part_places(connection)
    _execute(connection, f"DELETE FROM temp.{part_places.name}")


def shadow_whole(connection: Connection, table: Table) -> None:
    """Put a temporary copy before a small table of the ledger, unless there is one."""
    if not dialect(connection).is_shadowed(connection, table.name):
        dialect(connection).shadow(connection, table.name)
        _execute(connection, f"INSERT INTO temp.{table.name} SELECT * FROM main.{table.name}")


def take_in_jobs(connection: Connection, keys: Sequence[str]) -> None:
    """Take the jobs of these keys into the draft, whichever campaign they are of.

    Without a draft the ledger's own are there.
    """
    if not dialect(connection).is_shadowed(connection, jobs.name):
        return
    _execute(
        connection,
        "INSERT INTO temp.jobs SELECT * FROM main.jobs WHERE key IN :keys ON CONFLICT DO NOTHING",
        {"keys": list(keys)},
    )


def last_item_id(connection: Connection) -> int:
    """Return the highest id of an item in the ledger, whatever the draft has."""
    return _execute(connection, "SELECT max(id) FROM main.items").scalar() or 0


def any_in_plan(connection: Connection, *, item_ids: Sequence[int], generation: int) -> bool:
    """Tell whether any of these items was in the published plan of that number."""
    query = "SELECT 1 FROM main.items WHERE generation = :generation AND id IN :ids LIMIT 1"
    values = {"generation": generation, "ids": list(item_ids)}
    return _execute(connection, query, values).first() is not None


def changes_work(connection: Connection, *, campaign: str) -> bool:
    """Tell whether a draft takes from those who make the published plan, or gives them other work.

    What only one of the two has counts for nothing, nor does what has its clip.
    """
    asked = ("id", "selected", "own_key")
    query = (
        f"SELECT 1 FROM ({_items_of('drafted', asked)} EXCEPT {_items_of('known', asked)}) AS other"
        " JOIN temp.items AS drafted ON drafted.id = other.id"
        " JOIN main.items AS known ON known.id = other.id"
        " JOIN main.campaigns AS last"
        " ON last.id = known.campaign_id AND last.generation = known.generation"
        f" WHERE drafted.selected <> known.selected AND NOT {_has_clip('known')}"
        " OR drafted.selected = 1 AND drafted.own_key <> known.own_key"
        f" AND NOT {_has_clip('drafted')} LIMIT 1"
    )
    return _execute(connection, query, {"campaign": campaign}).first() is not None


def buys_otherwise(connection: Connection, *, campaign: str) -> bool:
    """Tell whether by a draft something else is bought than by the published plan.

    Also what one of the two has alone; what has its clip counts for nothing.
    """
    work, selected = ("id", "key", "provider"), "item.selected = 1"
    added = (
        f"SELECT 1 FROM ({_items_of('drafted', work, selected)}"
        f" EXCEPT {_items_of('known', work, selected)}) AS other"
        f" WHERE NOT {_has_clip('other')} LIMIT 1"
    )
    gone = (
        f"SELECT 1 FROM ({_items_of('known', ('id',), selected)}"
        f" EXCEPT {_items_of('drafted', ('id',), selected)}) AS other"
        f" JOIN main.items AS known ON known.id = other.id WHERE NOT {_has_clip('known')} LIMIT 1"
    )
    values = {"campaign": campaign}
    return any(_execute(connection, query, values).first() is not None for query in (added, gone))


def _items_of(plan: str, columns: Sequence[str], condition: str = "1 = 1") -> str:
    """Return the query for the items of the plan that is `drafted`, or of the one that is `known`.

    For sets, and not for a join: the server knows little of what was just written, and compares
    each with each then.
    """
    schema = {"drafted": "temp", "known": "main"}[plan]
    listed = ", ".join(f"item.{name}" for name in columns)
    return (
        f"SELECT {listed} FROM {schema}.items AS item JOIN {schema}.campaigns AS its"
        " ON its.id = item.campaign_id AND its.generation = item.generation"
        f" WHERE its.name = :campaign AND {condition}"
    )


def _has_clip(item: str) -> str:
    """Return the condition that the job of an item's key is finished."""
    finished = ", ".join(f"'{state.value}'" for state in sorted(FINISHED))
    return (
        f"EXISTS (SELECT 1 FROM main.jobs AS job WHERE job.key = {item}.key"
        f" AND job.state IN ({finished}))"
    )


def publish_draft(connection: Connection, *, campaign: str, placed: Sequence[int]) -> None:
    """Write a draft into the ledger, whole, and drop it.

    What stands at output paths others have written meanwhile. Of that the draft takes only what is
    told of the items that it has `placed`, and of those that left or go to another path.
    """
    replanned = ", ".join(f"'{state.value}'" for state in sorted(REPLANNED))
    current = (
        "SELECT id FROM temp.items WHERE (campaign_id, generation) ="
        " (SELECT id, generation FROM temp.campaigns WHERE name = :campaign)"
    )
    for statement in (
        _merge(campaigns, "id", "WHERE name = :campaign"),
        # A draft only opens scopes: what is committed in one that is there stays the ledger's.
        _merge(budgets, "scope", "WHERE true", update=()),
        # Told of an item's old path, as long as that is known.
        (
            f"DELETE FROM main.outputs WHERE item_id IN (SELECT drafted.id FROM {_DRAFTED_ITEMS}"
            " JOIN main.items AS known ON known.id = drafted.id WHERE next.name = :campaign"
            " AND (drafted.output <> known.output OR drafted.generation <> next.generation))"
        ),
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
    ):
        known = {"campaign": campaign} if ":campaign" in statement else {}
        _execute(connection, statement, known)
    merging = _merge(outputs, "item_id, role", "WHERE item_id IN :ids")
    for start in range(0, len(placed), _IDS_AT_ONCE):
        _execute(connection, merging, {"ids": list(placed[start : start + _IDS_AT_ONCE])})
    end_draft(connection)


def end_draft(connection: Connection) -> None:
    """Drop what shadows the ledger's tables."""
    for table in (part_places, *reversed(_DRAFTED)):
        if dialect(connection).is_shadowed(connection, table.name):
            _execute(connection, f"DROP TABLE temp.{table.name}")


def ledger_rows(connection: Connection, table: Table, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Return the published lines of a table's items, whatever the draft has."""
    column = "id" if table is items else "item_id"
    query = f"SELECT * FROM main.{table.name} WHERE {column} IN :ids"
    return _execute(connection, query, {"ids": list(ids)}).all()


def _execute(
    connection: Connection, sql: str, values: Mapping[str, Any] = MappingProxyType({})
) -> CursorResult[Any]:
    """Execute a statement that names its tables with `main.` and `temp.`; lists are expanded."""
    lists = [name for name, value in values.items() if isinstance(value, list)]
    statement = text(dialect(connection).name_schemas(connection, sql))
    expanded = statement.bindparams(*(bindparam(name, expanding=True) for name in lists))
    return connection.execute(expanded, values)


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
