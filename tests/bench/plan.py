"""What planning costs: rows × 10 cells into a ledger, a list of them, a selection, an edited cell.

Against the sum of the library calls that nobody can leave out: the table is read (pandas), prompt
and path are rendered (Jinja, in its sandbox), the request is checked (jsonschema-rs), what is kept
is dumped and hashed (orjson, SHA-256), and the very rows are inserted into tables of the same form
(SQLite, one transaction, `synchronous=FULL`). And beside a script of the sort that people write
instead: pandas, Jinja and a file of JSON lines.

Each is a process of its own; what counts is the ratio of CPU seconds.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import jinja2.sandbox
import jsonschema_rs
import orjson
import pandas as pd

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.api.roots import open_for_work
from pipeline.schemas import schema
from tests.architecture.source import REPOSITORY
from tests.bench.bare_loop import memory_mb
from tests.bench.bench import Bench, Figure

_PROMPT = (
    "{{ product.name }} in {{ product.color }} turns slowly on a plinth, {{ variant.mood }} mood,"
    " for {{ product.market }}, no text."
)
_PATH = "{{ shot.id }}/{{ product.market }}/{{ row_key }}/{{ cell }}.{{ ext }}"
_RATIOS, _MOODS = ("9:16", "1:1"), ("calm", "bold", "warm", "cold", "dry")
CELLS = len(_RATIOS) * len(_MOODS)
_MANIFEST = f"""\
callsheet: 1
name: bench
tables: {{products: {{file: products.csv, key: sku, as: product, columns: {{price: number}}}}}}
defaults: {{provider: runware, duration: 5}}
shots:
  - id: spin
    for: products
    prompt: "{_PROMPT}"
    output: {{path: "{_PATH}"}}
    variants: {{matrix: {{aspect_ratio: ["9:16", "1:1"], mood: [{", ".join(_MOODS)}]}}}}
budget: {{limit: 9000000 USD}}
"""
_BATCH = 1000
_COPIED = ("items", "payloads", "jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of the clock and of the processor, and the most memory of the process in MB."""

    clock_s: float
    cpu_s: float
    peak_mb: float


class Meter:
    """Sums up seconds while it is entered; what lies between is not counted."""

    def __init__(self) -> None:
        self._clock_s = self._cpu_s = 0.0

    def __enter__(self) -> None:
        self._clock_s -= time.perf_counter()
        self._cpu_s -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self._clock_s += time.perf_counter()
        self._cpu_s += time.process_time()

    def cost(self) -> Cost:
        """Return what was counted."""
        return Cost(clock_s=self._clock_s, cpu_s=self._cpu_s, peak_mb=memory_mb("VmHWM"))


def write_campaign(folder: Path, rows: int) -> None:
    """Write a manifest, and its table of so many rows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.yaml").write_text(_MANIFEST, "utf-8")
    colors, markets = ("red", "blue", "green"), ("de", "fr", "it")
    with (folder / "products.csv").open("w", encoding="utf-8") as table:
        table.write("sku,name,color,market,price\n")
        for n in range(rows):
            own = (f"SKU-{n:07}", f"Sneaker {n:07}", colors[n % 3], markets[n % 3], f"{n % 90}.5")
            table.write(f"{','.join(own)}\n")


def edit_cell(folder: Path) -> None:
    """Change one cell in the middle of the table to another of the same length."""
    table = folder / "products.csv"
    lines = table.read_bytes().split(b"\n")
    middle = len(lines) // 2
    lines[middle] = lines[middle].replace(b"Sneaker", b"Trainer")
    table.write_bytes(b"\n".join(lines))


def plan_into_ledger(folder: Path) -> Cost:
    """Read the campaign, and write its plan into the ledger of a rehearsal."""
    meter = Meter()
    with meter:
        manifest = folder / "campaign.yaml"
        request = CampaignRequest(
            manifest=manifest, project=project_of(manifest), root=folder / "out", rehearse=True
        )
        campaign = load_campaign(request)
        with open_for_work(request) as ledger:
            summary = sync_campaign(campaign, ledger)
    assert summary.ok, summary.findings
    return meter.cost()


def call_libraries(folder: Path) -> Cost:
    """Make the calls alone that a plan is made of, with what the plan in the ledger has."""
    meter = Meter()
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    validator = jsonschema_rs.Draft202012Validator(schema("providers/runware"))
    with meter:
        frame = pd.read_csv(folder / "products.csv", dtype=str, keep_default_na=False)
        products: list[Any] = frame.to_dict("records")
        prompt, path = map(environment.from_string, (_PROMPT, _PATH))
    source = f"file:{ledger_file(folder)}?mode=ro"
    with (
        closing(sqlite3.connect(source, uri=True)) as plan,
        closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as floor,
    ):
        begin_floor(plan, floor)
        inserts = {table: insert_statement(plan, table) for table in _COPIED}
        items = plan.execute("SELECT * FROM items ORDER BY id")
        kept = plan.execute("SELECT * FROM payloads ORDER BY item_id")
        jobs = plan.execute("SELECT * FROM jobs ORDER BY item_id")
        done = 0
        while batch := items.fetchmany(_BATCH):
            lines, work = kept.fetchmany(_BATCH), jobs.fetchmany(_BATCH)
            data = [orjson.loads(each[1]) for each in lines]
            contexts = [context_of(products[n // CELLS], n) for n in range(done, done + len(batch))]
            with meter:
                for context in contexts:
                    prompt.render(context)
                    path.render(context)
                for each in data:
                    validator.is_valid(each["request"]["body"])
                    # What is kept has a digest, and so has the work.
                    hashlib.sha256(orjson.dumps(each)).hexdigest()
                    hashlib.sha256(orjson.dumps(each["values"])).hexdigest()
                for table, rows in zip(_COPIED, (batch, lines, work), strict=True):
                    floor.executemany(inserts[table], rows)
            done += len(batch)
        with meter:
            floor.execute("COMMIT")
    (folder / "floor.db").unlink()
    return meter.cost()


def context_of(product: Any, number: int) -> dict[str, object]:
    """Return what the templates see at an item, by its number in the plan."""
    ratio, mood = divmod(number % CELLS, len(_MOODS))
    return {
        "product": product,
        "variant": {"mood": _MOODS[mood]},
        "shot": {"id": "spin"},
        "row_key": product["sku"],
        "cell": f"{_RATIOS[ratio].replace(':', 'x')}-{_MOODS[mood]}",
        "ext": "{ext}",
    }


def begin_floor(plan: sqlite3.Connection, floor: sqlite3.Connection) -> None:
    """Make the tables that are filled, as the plan's ledger has them, and begin."""
    floor.execute("PRAGMA journal_mode=WAL")
    floor.execute("PRAGMA synchronous=FULL")
    for (definition,) in plan.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name IN (?, ?, ?) AND sql IS NOT NULL"
        " ORDER BY type DESC",
        _COPIED,
    ):
        floor.execute(definition)
    floor.execute("BEGIN")


def insert_statement(plan: sqlite3.Connection, table: str) -> str:
    """Return the statement that inserts a whole row."""
    query = "SELECT count(*) FROM pragma_table_info(?)"
    (columns,) = plan.execute(query, (table,)).fetchone()
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - our own tables


def write_like_a_script(folder: Path) -> Cost:
    """Do what a script does that somebody writes in an afternoon: no checks, no ledger."""
    meter = Meter()
    with meter:
        prompt, path = map(jinja2.Template, (_PROMPT, _PATH))
        frame = pd.read_csv(folder / "products.csv", dtype=str)
        with (folder / "script.jsonl").open("w", encoding="utf-8") as file:
            for _, row in frame.iterrows():
                for number in range(CELLS):
                    context = context_of(row, number)
                    body = {"positivePrompt": prompt.render(context), "duration": 5}
                    key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
                    line = {"key": key, "path": path.render(context), "request": body}
                    file.write(json.dumps(line) + "\n")
    (folder / "script.jsonl").unlink()
    return meter.cost()


def ledger_file(folder: Path) -> Path:
    """Return the ledger into which the campaign was planned."""
    return folder / "out" / "rehearsal" / ".callsheet" / "ledger.db"


def in_own_process(work: Callable[[Path], Cost], folder: Path) -> Cost:
    """Return what work costs in a new process: its memory is its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as processes:
        return processes.submit(work, folder).result()


def cost_of_command(folder: Path, *words: str) -> float:
    """Return the CPU seconds of a command of callsheet on the campaign.

    Its modules are compiled once, as an installation's are, whatever the shell says.
    """
    name, *options = words
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = (sys.executable, "-m", "pipeline", name, str(folder / "campaign.yaml"), *options)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        (*command, "--rehearse", "--root", str(folder / "out")),
        stdout=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=variables,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(items: int) -> Iterator[Figure]:
    """Yield what planning so many items costs, in the order in which it is done."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_campaign(folder, items // CELLS)
        whole = in_own_process(plan_into_ledger, folder)
        floor = in_own_process(call_libraries, folder)
        script = in_own_process(write_like_a_script, folder)
        size, calls = f"{items:,} items", "library calls"
        yield Figure(work=f"{calls}, {size}: CPU", value=1e6 * floor.cpu_s / items, unit="µs/item")
        yield Figure(
            work=f"plan, {size}: CPU",
            value=whole.cpu_s / floor.cpu_s,
            against=calls,
            at_most=2.0,
        )
        yield Figure(
            work=f"plan, {size}: clock",
            value=whole.clock_s / floor.clock_s,
            against=calls,
        )
        yield Figure(work=f"plan, {size}: memory", value=whole.peak_mb, unit="MB", at_most=_MOST_MB)
        yield Figure(
            work=f"plan beside a script, {size}: CPU",
            value=whole.cpu_s / script.cpu_s,
            against="pandas + Jinja",
        )
        if items > _SMALLER:
            write_campaign(folder / "smaller", _SMALLER // CELLS)
            smaller = in_own_process(plan_into_ledger, folder / "smaller")
            yield Figure(
                work=f"plan, an item of {size}: CPU",
                value=whole.cpu_s / items / (smaller.cpu_s / _SMALLER),
                against=f"one of {_SMALLER:,}",
                at_most=1.2,
            )
        # Before it counts: the first command compiles modules.
        cost_of_command(folder, "check")
        for title, words in _COMMANDS.items():
            yield Figure(
                work=f"{title}, {size}: CPU",
                value=cost_of_command(folder, *words) / floor.cpu_s,
                against=calls,
                at_most=2.4,
            )
        kept = in_own_process(plan_into_ledger, folder)
        yield Figure(
            work=f"plan with nothing changed, {size}: CPU",
            value=kept.cpu_s / whole.cpu_s,
            against="the whole plan",
        )
        edit_cell(folder)
        again = in_own_process(plan_into_ledger, folder)
        yield Figure(
            work=f"plan after one edited cell, {size}: CPU",
            value=again.cpu_s / whole.cpu_s,
            against="the whole plan",
            at_most=0.05,
        )


_MOST_MB = 400
_SMALLER = 10_000
"""What a plan costs has to grow no faster than its items, from this size on."""
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "ls": ("ls",),
    "ls of a selection": ("ls", "--select", "row.market:de"),
}
BENCH = Bench(
    name="plan",
    measure=measure,
    size=100_000,
    full=1_000_000,
    full_runs=1,
    small=2_000,
    # Start-up is most of it at this size.
    usual={
        "plan, 2,000 items: CPU": 4.5,
        "ls, 2,000 items: CPU": 11.0,
        "plan after one edited cell, 2,000 items: CPU": 0.33,
    },
)
