"""What brings an older ledger up to date: an append-only list of changes."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, text

from pipeline.errors import LedgerDamaged, LedgerMoved
from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.fast_sql import create_tables
from pipeline.ledger.history_tables import add_history_tables
from pipeline.ledger.move_record import find_arrival, find_departure
from pipeline.ledger.sql_schema import (
    METADATA,
    UNSETTLED_TEXTS,
    losses,
    manifest_of,
    purchases_by_campaign,
    purchases_by_place,
    purchases_by_row,
    root_identity,
    set_aside,
    versions,
)
from pipeline.ledger.sqlite import RESTORE

Migration = Callable[[Connection], None]


def _add_selected(connection: Connection) -> None:
    added = "ALTER TABLE items ADD COLUMN selected INTEGER NOT NULL DEFAULT 1"
    connection.exec_driver_sql(added)


def _ask_again_for_what_does_not_play(connection: Connection) -> None:
    """Make overdue what was final although it does not play: the whole clip may still be had.

    Only such a clip has no width. Its row stays: its bytes are in the store, and at output paths.
    """
    message = "the file that came does not play: it is fetched again"
    connection.exec_driver_sql(
        "UPDATE jobs SET state = 'overdue', cause = 'damaged', message = ?, sha256 = ''"
        " WHERE state = 'off_spec' AND sha256 IN (SELECT sha256 FROM clips WHERE width = 0)",
        (message,),
    )


def _add_losses(connection: Connection) -> None:
    for added in (losses, set_aside, purchases_by_campaign):
        added.create(connection, checkfirst=True)


def _add_own_key(connection: Connection) -> None:
    for added in (
        "ALTER TABLE items ADD COLUMN own_key TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE items ADD COLUMN earlier_rule INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE campaigns ADD COLUMN purchases INTEGER NOT NULL DEFAULT 2",
    ):
        connection.exec_driver_sql(added)


def _add_root_identity(connection: Connection) -> None:
    root_identity.create(connection)


def _share_budgets(connection: Connection) -> None:
    """Let the profiles of a manifest have one budget: each was a campaign of its own before."""
    added = "ALTER TABLE campaigns ADD COLUMN manifest TEXT NOT NULL DEFAULT ''"
    connection.exec_driver_sql(added)
    connection.exec_driver_sql("CREATE INDEX ix_campaigns_manifest ON campaigns (manifest)")
    sum_up_budgets(connection)


def sum_up_budgets(connection: Connection) -> None:
    """Name each campaign's manifest, and count the budgets of manifests afresh."""
    for name in connection.execute(text("SELECT name FROM campaigns")).scalars().all():
        named = {"manifest": manifest_of(name), "name": name}
        connection.execute(
            text("UPDATE campaigns SET manifest = :manifest WHERE name = :name"), named
        )
    # Those of rows and items are summed up when they are needed.
    for kind in ("campaign", "row", "item"):
        connection.execute(
            text("DELETE FROM budgets WHERE scope LIKE :kind"), {"kind": f"{kind}:%"}
        )
    connection.execute(
        text(
            "INSERT INTO budgets (scope, committed_microusd)"
            " SELECT 'campaign:' || campaigns.manifest, coalesce(sum(purchases.charged_microusd"
            " + purchases.reserved_microusd + purchases.possible_microusd), 0)"
            " FROM campaigns LEFT JOIN purchases ON purchases.campaign_id = campaigns.id"
            " GROUP BY campaigns.manifest"
        )
    )


def _confirm_prices(connection: Connection) -> None:
    for table in ("items", "purchases"):
        for column in ("model", "mode", "kind"):
            added = f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"
            connection.exec_driver_sql(added)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN seconds FLOAT")
    connection.exec_driver_sql(
        "CREATE TABLE price_confirmations (provider TEXT NOT NULL, model TEXT NOT NULL,"
        " mode TEXT NOT NULL, kind TEXT NOT NULL, source TEXT DEFAULT '' NOT NULL, seconds FLOAT,"
        " native TEXT DEFAULT '' NOT NULL, native_unit TEXT DEFAULT '' NOT NULL,"
        " native_seconds FLOAT, charged_microusd BIGINT DEFAULT '0' NOT NULL,"
        " charged_seconds FLOAT, estimate_microusd BIGINT DEFAULT '0' NOT NULL,"
        " task TEXT DEFAULT '' NOT NULL, at FLOAT NOT NULL,"
        " PRIMARY KEY (provider, model, mode, kind))"
    )


def _add_sends(connection: Connection) -> None:
    added = "ALTER TABLE purchases ADD COLUMN sends INTEGER NOT NULL DEFAULT 1"
    connection.exec_driver_sql(added)


def _add_file_signatures(connection: Connection) -> None:
    for table in ("clips", "outputs"):
        added = f"ALTER TABLE {table} ADD COLUMN signature TEXT NOT NULL DEFAULT ''"
        connection.exec_driver_sql(added)
    connection.exec_driver_sql("ALTER TABLE outputs ADD COLUMN mode INTEGER")


_WIDER_OUTPUTS = """
CREATE TABLE wider (item_id INTEGER NOT NULL, role TEXT DEFAULT 'clip' NOT NULL,
  path TEXT NOT NULL, sha256 TEXT NOT NULL, signature TEXT DEFAULT '' NOT NULL, mode INTEGER,
  PRIMARY KEY (item_id, role))
"""
_COMMANDS = """
CREATE TABLE commands (id INTEGER NOT NULL PRIMARY KEY, campaign TEXT NOT NULL,
  name TEXT NOT NULL, arguments BLOB NOT NULL, sent_at FLOAT NOT NULL, answer TEXT,
  answered_at FLOAT)
"""
_UNSETTLED_IN_ORDER = f"""
CREATE INDEX jobs_unsettled ON jobs (provider, purchase_id) WHERE state IN ({UNSETTLED_TEXTS})
"""


def _let_runs_be_steered(connection: Connection) -> None:
    """Prepare for more than one worker, and more than one file of an item; add commands."""
    for added in (
        "ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE jobs ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE purchases ADD COLUMN account TEXT NOT NULL DEFAULT ''",
        # SQLite cannot widen a primary key.
        _WIDER_OUTPUTS,
        "INSERT INTO wider SELECT item_id, 'clip', path, sha256, signature, mode FROM outputs",
        "DROP TABLE outputs",
        "ALTER TABLE wider RENAME TO outputs",
        _COMMANDS,
        _UNSETTLED_IN_ORDER,
    ):
        connection.exec_driver_sql(added)


_FALLBACKS = """
CREATE TABLE fallbacks (item_id INTEGER NOT NULL REFERENCES items (id), rank INTEGER NOT NULL,
  provider TEXT NOT NULL, model TEXT DEFAULT '' NOT NULL, mode TEXT DEFAULT '' NOT NULL,
  kind TEXT DEFAULT '' NOT NULL, seconds FLOAT, low_microusd BIGINT, expected_microusd BIGINT,
  high_microusd BIGINT, payload_digest TEXT NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (item_id, rank))
"""


def _add_fallbacks(connection: Connection) -> None:
    connection.exec_driver_sql(_FALLBACKS)


def _name_accounts(connection: Connection) -> None:
    """Let the column hold an account's name: the key's fingerprint is in the request as well."""
    connection.exec_driver_sql("UPDATE purchases SET account = ''")


def _keep_what_is_told_of_results(connection: Connection) -> None:
    for added in (
        "ALTER TABLE purchases ADD COLUMN seed TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE purchases ADD COLUMN nsfw INTEGER",
    ):
        connection.exec_driver_sql(added)


_PRICE_QUOTES = """
CREATE TABLE price_quotes (provider TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL,
  mode TEXT NOT NULL, seconds FLOAT NOT NULL, microusd BIGINT NOT NULL, at FLOAT NOT NULL,
  PRIMARY KEY (provider, model, kind, mode, seconds))
"""


def _add_price_quotes(connection: Connection) -> None:
    connection.exec_driver_sql(_PRICE_QUOTES)


def _add_stale(connection: Connection) -> None:
    added = "ALTER TABLE items ADD COLUMN stale INTEGER NOT NULL DEFAULT 0"
    connection.exec_driver_sql(added)


def _sum_up_places(connection: Connection) -> None:
    """Let what a place has cost be found by its address: `accept.spend` is a cap for ever."""
    purchases_by_place.create(connection, checkfirst=True)


def _add_fetched_at(connection: Connection) -> None:
    """Let it be told how long a clip was fetched; of those that are there nobody knows."""
    connection.exec_driver_sql("ALTER TABLE purchases ADD COLUMN fetched_at FLOAT")


_STANDING_PLANS = """
CREATE TABLE standing_plans (campaign_id INTEGER NOT NULL,
  generation BIGINT NOT NULL, purchase_id BIGINT NOT NULL, inputs TEXT NOT NULL,
  rows BLOB NOT NULL, told BLOB NOT NULL, PRIMARY KEY (campaign_id))
"""


def _add_standing_plans(connection: Connection) -> None:
    connection.exec_driver_sql(_STANDING_PLANS)


_SETTLED_LOCKS = """
CREATE TABLE settled_locks (campaign TEXT NOT NULL, text_sha256 TEXT NOT NULL,
  made_sha256 TEXT NOT NULL, PRIMARY KEY (campaign))
"""


def _add_settled_locks(connection: Connection) -> None:
    connection.exec_driver_sql(_SETTLED_LOCKS)


_OWNERS = """
CREATE TABLE owners (name TEXT NOT NULL, epoch BIGINT NOT NULL, seen_at FLOAT NOT NULL,
  lease_s FLOAT NOT NULL, transactions BIGINT DEFAULT '0' NOT NULL,
  ended_by TEXT DEFAULT '' NOT NULL, PRIMARY KEY (name))
"""


def _add_owners(connection: Connection) -> None:
    """Let it be known who works with the ledger."""
    connection.exec_driver_sql(_OWNERS)


def _name_processes(connection: Connection) -> None:
    """Let those on one machine see whose process has ended."""
    connection.exec_driver_sql("ALTER TABLE owners ADD COLUMN process TEXT DEFAULT '' NOT NULL")


_LANE_SHARES = """
CREATE TABLE lane_shares (owner TEXT NOT NULL, provider TEXT NOT NULL, account TEXT NOT NULL,
  fingerprint TEXT NOT NULL, campaign TEXT NOT NULL, most BIGINT NOT NULL, said BIGINT NOT NULL,
  wanted BIGINT NOT NULL, held BIGINT NOT NULL, begins INTEGER NOT NULL,
  PRIMARY KEY (owner, provider, account))
"""


def _add_lane_shares(connection: Connection) -> None:
    """Let owners split the limits of a lane."""
    connection.exec_driver_sql(_LANE_SHARES)


def _sum_up_rows(connection: Connection) -> None:
    """Let what a row has cost be found by its key: its cap is asked for at its first purchase."""
    purchases_by_row.create(connection, checkfirst=True)


_RUN_PLANS = """
CREATE TABLE run_plans (owner TEXT NOT NULL, campaign TEXT NOT NULL,
  running INTEGER DEFAULT '0' NOT NULL, overtaken_by TEXT DEFAULT '' NOT NULL,
  PRIMARY KEY (owner, campaign))
"""


def _add_run_plans(connection: Connection) -> None:
    """Let owners know whether what they have planned still stands."""
    connection.exec_driver_sql(_RUN_PLANS)


def _name_campaigns_of_events(connection: Connection) -> None:
    """Let events be one campaign's: two may have items of the same address."""
    connection.exec_driver_sql("ALTER TABLE events ADD COLUMN campaign TEXT DEFAULT '' NOT NULL")


MIGRATIONS: tuple[Migration, ...] = (
    _add_selected,
    _ask_again_for_what_does_not_play,
    _add_losses,
    _add_own_key,
    _add_root_identity,
    _share_budgets,
    _confirm_prices,
    _add_sends,
    _add_file_signatures,
    _let_runs_be_steered,
    _add_fallbacks,
    _name_accounts,
    _keep_what_is_told_of_results,
    _add_price_quotes,
    _add_stale,
    add_history_tables,
    _sum_up_places,
    _add_fetched_at,
    _add_standing_plans,
    _add_settled_locks,
    _add_owners,
    _name_processes,
    _add_lane_shares,
    _sum_up_rows,
    _add_run_plans,
    _name_campaigns_of_events,
)
"""What changed since version 1, in order; only ever appended to."""
VERSION = 1 + len(MIGRATIONS)


class Newer(Exception):  # noqa: N818 - said in the ledger's own words by its caller
    """The ledger was written by a later version than this one."""


class Foreign(Exception):  # noqa: N818 - the same
    """The database has tables, but it is not a ledger."""


def version(connection: Connection) -> int:
    """Return the version of a ledger, 0 for an empty database; raise Newer or Foreign."""
    names = inspect(connection).get_table_names()
    if not names:
        return 0
    if versions.name not in names:
        raise Foreign
    found = connection.scalar(select(versions.c.version).order_by(versions.c.version.desc()))
    if found is None or found > VERSION:
        raise Newer
    return int(found)


def read_version(database: LedgerDatabase, connection: Connection) -> int:
    """Return the version of a ledger, 0 for an empty one; LedgerDamaged if it is none of ours."""
    try:
        return version(connection)
    except Newer as newer:
        _refuse_moved(database, connection)
        raise LedgerDamaged(
            f"{database}: it was written by a newer Callsheet: update Callsheet, then run again"
        ) from newer
    except Foreign as foreign:
        raise LedgerDamaged(
            f"{database}: it is another program's database, and is left as it is: {RESTORE}"
        ) from foreign


def _refuse_moved(database: LedgerDatabase, connection: Connection) -> None:
    """Raise LedgerMoved if a ledger without a version of ours is on its way, or has gone."""
    gone, coming = find_departure(connection), find_arrival(connection)
    if gone is not None:
        option = "--ledger" if "://" in gone.place else "--root"
        raise LedgerMoved(
            f"{database}: this ledger has moved, and nothing is bought by it any more: say"
            f" {option} {gone.place}. If the move did not come to its end, type it again:"
            " `callsheet ledger move SOURCE TARGET`"
        )
    if coming is not None:
        raise LedgerMoved(
            f"{database}: the move of a ledger to here, from {coming.place}, did not come to its"
            " end: type it again (`callsheet ledger move SOURCE TARGET`)"
        )


def migrate(connection: Connection) -> None:
    """Create the tables, or bring those of an older version up to date."""
    found = version(connection)
    if not found:
        create_tables(connection, METADATA)
        connection.execute(insert(versions).values(version=VERSION))
        return
    for older in range(found, VERSION):
        MIGRATIONS[older - 1](connection)
        connection.execute(insert(versions).values(version=older + 1))
