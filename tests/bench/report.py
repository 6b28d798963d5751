"""What a report of finished clips costs: all its files, read from a ledger and written again.

Every clip was made, a third is approved and a sixth rejected. Posters, sidecars and contact sheets
lie there from a report before: what is measured is what the files with the figures take. Against
one plain SELECT of the same rows, of which each is dumped as a line of JSON and written as one of
CSV. Both are processes of their own; CPU seconds are compared.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pipeline.api.campaign_report import report_selection
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.decision_file import decisions_path
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.plan.decision_text import write_decisions
from pipeline.report.html import poster_path
from tests.bench.bench import Bench, Figure
from tests.bench.plan import (
    Cost,
    Meter,
    in_own_process,
    ledger_file,
    plan_into_ledger,
    write_campaign,
)

_CELLS = 10
_AT = datetime(2026, 11, 1, tzinfo=UTC)
_UNIX = int(_AT.timestamp())
_ROWS = """\
SELECT items.*, jobs.*, clips.*, purchases.*, payloads.data FROM items
JOIN jobs ON jobs.key = items.key JOIN payloads ON payloads.item_id = items.id
JOIN clips ON clips.sha256 = jobs.sha256 JOIN purchases ON purchases.key = items.key
ORDER BY items.position
"""
_MADE = (
    (
        "INSERT INTO purchases (key, provider, campaign_id, address, row_key, client_id, request,"
        " body_sha256, task, reserved_microusd, estimate_microusd, charged_microusd, charge_source,"
        " intent_at, accepted_at, ended_at, outcome, model, mode, kind, seconds)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, '', ?, 0, ?, ?, 'reported', ?, ?, ?, 'charged', ?, ?, ?, 5)"
    ),
    (
        "INSERT INTO clips (sha256, extension, bytes, seconds, width, height, fps)"
        " VALUES (?, 'mp4', 100000, 5.0, 720, 1280, 24.0)"
    ),
    "INSERT INTO outputs (item_id, path, sha256) VALUES (?, ?, ?)",
    "UPDATE jobs SET state = 'done', sha256 = ?, purchase_id = ? WHERE key = ?",
)


def fill_campaign(folder: Path, clips: int) -> None:
    """Plan a campaign with `accept`, write all its clips down as made, and decide on half."""
    write_campaign(folder, clips // _CELLS)
    manifest = folder / "campaign.yaml"
    text = manifest.read_text("utf-8").replace("{{ cell }}", "{{ cell }}_t{{ take }}")
    manifest.write_text(f"{text}accept: {{takes: 6}}\n", "utf-8")
    in_own_process(plan_into_ledger, folder)
    request = request_of(folder)
    name = load_campaign(request).name
    root = request.home
    decided: dict[str, list[TakeDecision]] = {}
    with closing(sqlite3.connect(ledger_file(folder))) as ledger:
        ledger.row_factory = sqlite3.Row
        for n, item in enumerate(ledger.execute("SELECT * FROM items ORDER BY id").fetchall(), 1):
            sha256 = hashlib.sha256(item["key"].encode()).hexdigest()
            path = f"{name}/{item['output'].replace('{ext}', 'mp4')}"
            same = (item["model"], item["mode"], item["kind"])
            cost = item["expected_microusd"]
            times = (_UNIX + n, _UNIX + n + 1, _UNIX + n + 90)
            asked = json.dumps({"body": {}, "item": {}}).encode()
            bought = (item["key"], item["provider"], item["campaign_id"], item["address"])
            ids = (item["row_key"], f"client-{n}", asked, f"task-{n}")
            purchase, clip, output, job = _MADE
            bound = (*bought, *ids, cost, cost, *times, *same)
            purchase_id = ledger.execute(purchase, bound).lastrowid
            ledger.execute(clip, (sha256,))
            ledger.execute(output, (item["id"], path, sha256))
            ledger.execute(job, (sha256, purchase_id, item["key"]))
            for file in (root / path, root / name / "report" / poster_path(sha256)):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(b"")
            verdict = {0: Verdict.APPROVED, 1: Verdict.APPROVED, 2: Verdict.REJECTED}.get(n % 6)
            if verdict:
                place = item["address"].rpartition("#")[0]
                decided[place] = [
                    TakeDecision(
                        take=1,
                        key=item["key"],
                        sha256=sha256,
                        verdict=verdict,
                        who="ada",
                        at=_AT,
                        reason="" if verdict is Verdict.APPROVED else "motion",
                    )
                ]
        ledger.commit()
    decisions_path(request, name).write_text(write_decisions(decided), "utf-8")


def request_of(folder: Path) -> CampaignRequest:
    """Return what a command line asks for that names the campaign of a folder."""
    manifest = folder / "campaign.yaml"
    return CampaignRequest(
        manifest=manifest, project=project_of(manifest), root=folder / "out", rehearse=True
    )


def report_files(folder: Path) -> Cost:
    """Write the report of a campaign that was loaded."""
    campaign, meter = load_campaign(request_of(folder)), Meter()
    with meter:
        report_selection(campaign, write=True)
    return meter.cost()


def dump_rows(folder: Path) -> Cost:
    """Read the same rows once, and write each as a line of JSON and as one of CSV."""
    meter = Meter()
    with (
        meter,
        closing(sqlite3.connect(ledger_file(folder))) as ledger,
        (folder / "floor.json").open("w", encoding="utf-8") as as_json,
        (folder / "floor.csv").open("w", encoding="utf-8", newline="") as as_csv,
    ):
        rows = ledger.execute(_ROWS)
        columns = [each[0] for each in rows.description]
        lines = csv.writer(as_csv)
        for row in rows:
            texts = [each.decode() if isinstance(each, bytes) else each for each in row]
            json.dump(dict(zip(columns, texts, strict=True)), as_json)
            lines.writerow(texts)
    return meter.cost()


def measure(clips: int) -> Iterator[Figure]:
    """Yield what a report of so many clips costs, for each and against the plain rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill_campaign(folder, clips)
        # The first one writes sidecars and draws contact sheets, once for all.
        in_own_process(report_files, folder)
        whole = in_own_process(report_files, folder)
        floor = in_own_process(dump_rows, folder)
    work = f"report, {clips:,} clips"
    yield Figure(
        work=f"plain rows, {clips:,} clips: CPU", value=1e3 * floor.cpu_s / clips, unit="ms/clip"
    )
    yield Figure(work=f"{work}: CPU", value=1e3 * whole.cpu_s / clips, unit="ms/clip", at_most=0.25)
    yield Figure(work=work, value=whole.cpu_s / floor.cpu_s, against="plain rows, CPU")
    yield Figure(work=f"{work}: memory", value=whole.peak_mb, unit="MB")


BENCH = Bench(
    name="report",
    measure=measure,
    size=5_000,
    full=20_000,
    small=1_000,
    usual={"report, 1,000 clips": 4.8},
)
