"""Ledgers as earlier versions wrote them: what each migration added is taken away again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pipeline.ledger.migrations import VERSION
from pipeline.ledger.root_lock import LEDGER
from pipeline.storage.fs import STATE_FOLDER

_SCOPES_OF_CAMPAIGNS = """
DELETE FROM budgets WHERE scope LIKE 'campaign:%' OR scope LIKE 'row:%' OR scope LIKE 'item:%';
INSERT INTO budgets (scope, committed_microusd)
  SELECT 'campaign:' || campaigns.id, coalesce(sum(charged_microusd + reserved_microusd
  + possible_microusd), 0) FROM campaigns LEFT JOIN purchases
  ON purchases.campaign_id = campaigns.id GROUP BY campaigns.id;
DROP INDEX ix_campaigns_manifest;
ALTER TABLE campaigns DROP COLUMN manifest;
"""
_PRICES = "DROP TABLE price_confirmations;" + "".join(
    f"ALTER TABLE {table} DROP COLUMN {column};"
    for table in ("items", "purchases")
    for column in ("model", "mode", "kind", "seconds")
)
_KEYS = """
ALTER TABLE items DROP COLUMN own_key;
ALTER TABLE items DROP COLUMN earlier_rule;
ALTER TABLE campaigns DROP COLUMN purchases;
"""
_SIGNATURES = """
ALTER TABLE clips DROP COLUMN signature;
ALTER TABLE outputs DROP COLUMN signature;
ALTER TABLE outputs DROP COLUMN mode;
"""
_STEERED = """
DROP TABLE commands;
DROP INDEX jobs_unsettled;
ALTER TABLE jobs DROP COLUMN owner;
ALTER TABLE jobs DROP COLUMN epoch;
ALTER TABLE jobs DROP COLUMN unwanted;
ALTER TABLE purchases DROP COLUMN account;
CREATE TABLE narrower (item_id INTEGER NOT NULL PRIMARY KEY, path TEXT NOT NULL,
  sha256 TEXT NOT NULL, signature TEXT DEFAULT '' NOT NULL, mode INTEGER);
INSERT INTO narrower SELECT item_id, path, sha256, signature, mode FROM outputs;
DROP TABLE outputs;
ALTER TABLE narrower RENAME TO outputs;
"""
UNDO: tuple[str, ...] = (
    "ALTER TABLE items DROP COLUMN selected",
    "",  # what did not play and was final is asked for again: no table changed
    "DROP TABLE losses; DROP TABLE set_aside; DROP INDEX purchases_by_campaign;",
    _KEYS,
    "DROP TABLE root_identity;",
    _SCOPES_OF_CAMPAIGNS,
    _PRICES,
    "ALTER TABLE purchases DROP COLUMN sends;",
    _SIGNATURES,
    _STEERED,
    "DROP TABLE fallbacks;",
    "",  # a fingerprint in place of an account's name: the request has it
    "ALTER TABLE purchases DROP COLUMN seed; ALTER TABLE purchases DROP COLUMN nsfw;",
    "DROP TABLE price_quotes;",
    "ALTER TABLE items DROP COLUMN stale;",
    "DROP TABLE task_durations; DROP TABLE lane_widths;",
    "DROP INDEX purchases_by_place;",
    "ALTER TABLE purchases DROP COLUMN fetched_at;",
    "DROP TABLE standing_plans;",
    "DROP TABLE settled_locks;",
    "DROP TABLE owners;",
    "ALTER TABLE owners DROP COLUMN process;",
    "DROP TABLE lane_shares;",
    "DROP INDEX purchases_by_row;",
    "DROP TABLE run_plans;",
    "ALTER TABLE events DROP COLUMN campaign;",
)
"""What undoes each migration, in the order of `tables.MIGRATIONS`."""


def make_older(root: Path, version: int) -> None:
    """Turn the root's ledger into one of an earlier version, with what was bought in it."""
    assert VERSION == 1 + len(UNDO)
    with closing(sqlite3.connect(root / STATE_FOLDER / LEDGER)) as ledger:
        for statements in reversed(UNDO[version - 1 :]):
            ledger.executescript(statements)
        ledger.execute("DELETE FROM versions")
        ledger.execute("INSERT INTO versions VALUES (?)", (version,))
        ledger.commit()
