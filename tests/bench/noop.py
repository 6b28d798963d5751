"""What `run` costs over finished items, where nothing is left to do: no request is sent.

Against reading the table and the ledger, each line of it once (pandas, sqlite3). The clips are a
few bytes each, in the store and at their output paths: what counts is that each is looked at.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd

from pipeline.storage.blobs import clip_path
from pipeline.storage.fs import signature
from tests.bench.bench import Bench, Figure
from tests.bench.plan import (
    CELLS,
    Cost,
    Meter,
    cost_of_command,
    in_own_process,
    ledger_file,
    plan_into_ledger,
    write_campaign,
)

_TABLES = ("items", "payloads", "jobs", "purchases", "clips", "outputs")
_BATCH = 1000


def finish_items(folder: Path) -> None:
    """Write a clip for each planned item, as if it had been bought."""
    root = ledger_file(folder).parent.parent
    with closing(sqlite3.connect(ledger_file(folder))) as ledger:
        items = ledger.execute(
            "SELECT items.id, key, provider, address, row_key, output, items.model, mode, kind"
            " FROM items ORDER BY id"
        ).fetchall()
        for item_id, key, provider, address, row_key, output, *priced in items:
            content = key.encode()
            sha256 = hashlib.sha256(content).hexdigest()
            path = f"bench/{output.replace('{ext}', 'mp4')}"
            stored = root / clip_path(sha256, "mp4")
            for file in (stored, root / path):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            placed = (root / path).stat()
            bought = (item_id, key, provider, address, row_key, key, *priced)
            ledger.execute(
                "INSERT INTO purchases (id, key, provider, campaign_id, address, row_key,"
                " client_id, task, request, body_sha256, reserved_microusd, charged_microusd,"
                " intent_at, accepted_at, ended_at, outcome, model, mode, kind) VALUES (?1, ?2,"
                " ?3, 1, ?4, ?5, ?6, ?6, '{}', '', 0, 420000, 1, 1, 2, 'charged', ?7, ?8, ?9)",
                bought,
            )
            ledger.execute(
                "INSERT INTO clips VALUES (?, 'mp4', ?, 5, 720, 1280, 24, ?)",
                (sha256, len(content), signature(stored.stat())),
            )
            ledger.execute(
                "INSERT INTO outputs VALUES (?, 'clip', ?, ?, ?, ?)",
                (item_id, path, sha256, signature(placed), placed.st_mode & 0o7777),
            )
            ledger.execute(
                "UPDATE jobs SET state = 'done', sha256 = ?, purchase_id = ? WHERE key = ?",
                (sha256, item_id, key),
            )
        ledger.commit()


def read_table_and_ledger(folder: Path) -> Cost:
    """Read each line of the table, and of the ledger's tables of items."""
    meter = Meter()
    with meter:
        frame = pd.read_csv(folder / "products.csv", dtype=str, keep_default_na=False)
        assert len(frame.to_dict("records"))
        source = f"file:{ledger_file(folder)}?mode=ro"
        with closing(sqlite3.connect(source, uri=True)) as ledger:
            for table in _TABLES:
                lines = ledger.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own tables
                while lines.fetchmany(_BATCH):
                    pass
    return meter.cost()


def count_purchases(folder: Path) -> int:
    """Return how many purchases the ledger has."""
    with closing(sqlite3.connect(ledger_file(folder))) as ledger:
        return int(ledger.execute("SELECT count(*) FROM purchases").fetchone()[0])


def measure(items: int) -> Iterator[Figure]:
    """Yield what a run costs that has nothing to do, and the same as seen by its plan alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_campaign(folder, items // CELLS)
        in_own_process(plan_into_ledger, folder)
        finish_items(folder)
        # The first run writes report and lock file.
        cost_of_command(folder, "run", "--yes")
        floor = in_own_process(read_table_and_ledger, folder)
        size, read = f"{items:,} finished items", "reading table and ledger"
        planned = in_own_process(plan_into_ledger, folder)
        run_s = cost_of_command(folder, "run", "--yes")
        assert count_purchases(folder) == items // CELLS * CELLS, "something was bought"
        yield Figure(work=f"{read}, {size}: CPU", value=1e6 * floor.cpu_s / items, unit="µs/item")
        yield Figure(
            work=f"plan kept, {size}: CPU", value=planned.cpu_s / floor.cpu_s, against=read
        )
        yield Figure(
            work=f"run again, {size}: CPU", value=run_s / floor.cpu_s, against=read, at_most=3.0
        )


BENCH = Bench(
    name="noop",
    measure=measure,
    size=100_000,
    full=100_000,
    full_runs=1,
    small=2_000,
    usual={"plan kept, 2,000 finished items: CPU": 5.5},
)
