"""How long the short commands take, against the least that a program like them can take.

And how much longer `check` and `plan` take over a ledger that is full of another campaign's items.

Each round runs every program once, after one another, so that what slows the machine slows all of
them; what counts is the ratio of the medians of CPU seconds: on a machine that is shared they are
what a program costs.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.api.roots import open_for_work
from tests.architecture.source import REPOSITORY
from tests.bench.bench import Bench, Figure

EXAMPLE = REPOSITORY / "manifests" / "spring-sneakers" / "campaign.yaml"
_BARE_TYPER = """\
import typer

app = typer.Typer()

@app.command()
def one(name: str, often: int = 1) -> None:
    "Say hello."

@app.command()
def two() -> None:
    "Say goodbye."

app()
"""
_CALLSHEET = (sys.executable, "-m", "pipeline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A program, what it is compared with, and by how much it may be slower."""

    words: Sequence[str]
    against: str = ""
    at_most: float = 0.0


def programs(root: Path, bare: Path) -> Mapping[str, Measured]:
    """Return what is measured, by name; the campaign in `root` was made before."""
    example, folder = str(EXAMPLE), str(root)
    return {
        "python -c pass": Measured(words=(sys.executable, "-c", "pass")),
        "import pipeline": Measured(
            words=(sys.executable, "-c", "import pipeline"), against="python -c pass", at_most=4
        ),
        "bare typer --help": Measured(words=(sys.executable, str(bare), "--help")),
        "callsheet --help": Measured(
            words=(*_CALLSHEET, "--help"), against="bare typer --help", at_most=2.5
        ),
        "callsheet check": Measured(
            words=(*_CALLSHEET, "check", example, "--root", folder),
            against="bare typer --help",
            at_most=10,
        ),
        "check --rehearse": Measured(
            words=(*_CALLSHEET, "check", example, "--rehearse", "--root", folder),
            against="bare typer --help",
            at_most=10,
        ),
        "callsheet run, no-op": Measured(
            words=(*_CALLSHEET, "run", example, "--rehearse", "--root", folder),
            against="bare typer --help",
            at_most=12,
        ),
    }


def programs_over_a_full_ledger(empty: Path, full: Path) -> Mapping[str, Measured]:
    """Return `check` and `plan` over two ledgers, one of them full of finished items."""
    found = dict[str, Measured]()
    for word in ("check", "plan"):
        command = (*_CALLSHEET, word, str(EXAMPLE), "--rehearse", "--root")
        found[f"{word}, empty ledger"] = Measured(words=(*command, str(empty)))
        found[f"{word}, full ledger"] = Measured(
            words=(*command, str(full)), against=f"{word}, empty ledger", at_most=1.2
        )
    return found


def measure(ledger_items: int) -> Iterator[Figure]:
    """Yield the CPU seconds of each program, and its ratio to what it is compared with."""
    with tempfile.TemporaryDirectory() as folder:
        bare, root, full = (Path(folder) / name for name in ("bare.py", "root", "full"))
        bare.write_text(_BARE_TYPER, "utf-8")
        # What is measured is the second time: the campaign is made, the frames are fitted.
        for folder_of_root in (root, full):
            _cpu_seconds(programs(folder_of_root, bare)["callsheet run, no-op"].words)
        fill_ledger(full / "rehearsal", Path(folder) / "other", ledger_items)
        measured = {**programs(root, bare), **programs_over_a_full_ledger(root, full)}
        times = {name: list[float]() for name in measured}
        for _ in range(_ROUNDS):
            for name, each in measured.items():
                times[name].append(_cpu_seconds(each.words))
    medians = {name: median(found) for name, found in times.items()}
    for name, each in measured.items():
        if each.against:
            ratio = medians[name] / medians[each.against]
            yield Figure(work=name, value=ratio, against=each.against, at_most=each.at_most)
        else:
            yield Figure(work=name, value=medians[name], unit="CPU s")


_OTHER = """\
callsheet: 1
name: other
tables: {lines: {file: lines.csv, key: word, as: line}}
shots: [{id: clip, for: lines, aspect_ratio: "9:16", prompt: "The word {{ line.word }}, no text."}]
"""
_FINISHED = """
insert into purchases (key, provider, campaign_id, address, row_key, client_id, request, \
body_sha256, task, reserved_microusd, estimate_microusd, charged_microusd, charge_source, \
intent_at, accepted_at, ended_at, outcome)
select items.key, items.provider, items.campaign_id, address, row_key, 'client-' || items.key, \
payloads.data, items.key, 'task-' || items.key, high_microusd, high_microusd, high_microusd, \
'told', 1, 2, 3, 'charged' from items join payloads on payloads.item_id = items.id
where items.key in (select key from jobs where state = 'planned');
insert into clips (sha256, extension, bytes, seconds, width, height)
select key, 'mp4', 1000, 5, 720, 1280 from jobs where state = 'planned';
insert into outputs (item_id, path, sha256)
select item_id, 'other/' || key || '.mp4', key from jobs where state = 'planned';
update jobs set state = 'done', sha256 = key where state = 'planned';
"""


def fill_ledger(root: Path, folder: Path, items: int) -> None:
    """Write a campaign of so many finished items into a root's ledger."""
    folder.mkdir()
    manifest = folder / "campaign.yaml"
    manifest.write_text(_OTHER, "utf-8")
    rows = "\n".join(f"word-{number}" for number in range(items))
    (folder / "lines.csv").write_text(f"word\n{rows}\n", "utf-8")
    request = CampaignRequest(
        manifest=manifest,
        project=project_of(manifest),
        root=root.parent,
        rehearse=True,
    )
    campaign = load_campaign(request)
    with open_for_work(request) as ledger:
        summary = sync_campaign(campaign, ledger, files=False)
        if not summary.ok:
            raise SystemExit(summary.findings)
    with closing(sqlite3.connect(root / ".callsheet" / "ledger.db")) as connection:
        connection.executescript(_FINISHED)


def _cpu_seconds(words: Sequence[str]) -> float:
    """Run a program; return the seconds of the processors that it took."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


_ROUNDS = 7
BENCH = Bench(name="startup", measure=measure, size=100_000, full=100_000)
