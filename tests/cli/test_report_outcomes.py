"""One campaign with everything in it: each format of its report tells the ledger's own figures.

Approved, rejected, waiting, off spec, refused, charged for nothing, imported, overdue and in doubt;
at places with `accept` and without. What is expected is read from the ledger by plain SQL,
with the words that people said. Every text that people or providers wrote is hostile.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing, redirect_stderr, redirect_stdout
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from pipeline.cli.command_line import invoke
from pipeline.providers import OFFERS
from pipeline.schemas import schema
from tests.browser.chromium import FOUND, chromium
from tests.crash.kit import addressed
from tests.sandboxes import Sandbox
from tests.unit.media.clips import write_clip, write_image

TAG = "<img src=x onerror=\"document.title='run'\">"
FORMULA = '=HYPERLINK("http://x.example","a")'
SPLIT = "one\ntwo \u202egnp.exe \x1b[2J"
BOX = "=box <img src=x onerror=alert(1)>.png"
CUPS = ("Alba", "Brera", "Cala", "Duna", "Elba", "Fara", "Gela", "Hera")
MANIFEST = f"""\
callsheet: 1
name: mixed
tables: {{cups: {{file: cups.csv, key: sku, as: cup}}}}
defaults: {{provider: runware, duration: 5, aspect_ratio: "9:16"}}
shots:
  - id: still
    for: cups
    accept: {{rounds: [1], takes: 1}}
    prompt: "{{{{ cup.name }}}} stands on a table. {{{{ cup.remark }}}}"
  - id: turn
    for: cups
    prompt: "{{{{ cup.name }}}} turns. {{{{ cup.remark }}}}"
  - id: box
    provider: unifically
    mode: pro
    references: {{frames: {{first: '{BOX}'}}}}
    prompt: "It opens."
budget: {{limit: 20 USD, unpriced: {{assume: 1.00 USD}}}}
"""
WORDS: Mapping[str, tuple[str, ...]] = {
    "still[A]#1": ("approve", "--note", f"{TAG}{SPLIT}"),
    "still[B]#1": ("reject", "--reason", FORMULA, "--note", f"{TAG}{SPLIT}", "--who", TAG),
    "turn[A]#1": ("approve", "--who", FORMULA),
    "turn[B]#1": ("reject", "--reason", TAG, "--note", FORMULA),
    "turn[H]#1": ("approve",),
}
OUTCOMES = {"approve": "approved", "reject": "rejected"}
OF_STATE = {"done": "waiting", "off_spec": "off_spec", "failed": "failed", "abandoned": "failed"}
FIGURES = ("charged_usd", "reserved_usd", "possible_usd")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the campaign, decide, import a clip, report; return the folder of the manifest."""
    home = tmp_path_factory.mktemp("mixed")
    (home / "m.yaml").write_text(MANIFEST, "utf-8")
    write_image(home / BOX, (720, 1280))
    remarks = (TAG, FORMULA, "@SUM(A1)", "+1+1", "-2+3", SPLIT, "\ttab", "plain")
    with (home / "cups.csv").open("w", encoding="utf-8", newline="") as file:
        rows = zip("ABCDEFGH", CUPS, remarks, strict=True)
        csv.writer(file).writerows([("sku", "name", "remark"), *rows])
    with Sandbox(home / "sandbox") as sandbox, pytest.MonkeyPatch.context() as patch:
        for name in ("runware", "unifically"):
            patch.setenv(OFFERS[name].key_env, f"key-of-{home.name}")
        patch.setenv("COLUMNS", "200")
        sandbox.play("wrong-seconds", prompt="Duna", times=2)
        sandbox.play("refused", prompt="Elba", times=2, message=f"{TAG}{FORMULA}")
        sandbox.play("nsfw", prompt="Fara turns")
        sandbox.play("stuck", prompt="Gela turns")
        sandbox.play("drop-after", provider="unifically")
        sends = addressed(sandbox, ["runware", "unifically"])
        _call(home, "run", "--yes", "--exclude", "turn[G] turn[H] box", *sends, code=10)
        # What nobody knows the end of holds back what is bought after it.
        late = ("--select", "turn[G] box", "--set", "policy.deadline=2s")
        _call(home, "run", "--yes", *late, *sends, code=13)
    clip = write_clip(home / "made.mp4", size=(720, 1280), seconds=5, fps=2)
    _call(home, "import", str(clip), "turn[H]", "--cost", "0.30")
    for address, (verb, *more) in WORDS.items():
        _call(home, verb, address, *more)
    (home / "said").write_text(_call(home, "report"), "utf-8")
    return home


def _call(home: Path, verb: str, *words: str, code: int = 0) -> str:
    """Run a command on the campaign, hold its exit code against what it is to be; return it."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        ended = invoke([verb, str(home / "m.yaml"), *words, "--root", str(home / "root")])
    assert code == ended, said.getvalue()
    return said.getvalue()


@pytest.fixture
def folder(finished: Path) -> Path:
    """Return the folder of the report."""
    return finished / "root/mixed/report"


def test_every_format_tells_the_figures_of_the_ledger(folder: Path, finished: Path) -> None:
    """Money and clips by outcome, and what an approved clip has cost, are the same everywhere."""
    clips, money = _of_ledger(finished)
    sums = {name: sum((each[name] for each in money.values()), Decimal(0)) for name in FIGURES}
    cost = round(sums["charged_usd"] / clips["approved"], 2)
    assert {"approved", "rejected", "waiting", "off_spec", "failed", "open"} == set(clips)
    assert all(sum(money[name].values(), Decimal(0)) for name in clips)

    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert [] == list(map(str, jsonschema_rs.validator_for(schema("report")).iter_errors(report)))
    told = {each["outcome"]: each for each in report["outcomes"]}
    assert clips == {name: each["clips"] for name, each in told.items()}
    assert money == {name: _exact(each) for name, each in told.items()}
    assert sums == _exact(report["lifetime"])
    assert cost == _decimal(report["cost_per_approved_usd"])

    lines = _table(folder / "report.csv")
    assert clips == Counter(line["outcome"] for line in lines)
    for name in FIGURES:
        assert sums[name] == sum(Decimal(line[name]) for line in lines)
    assert {WORDS[line["address"]][0] for line in lines if line["decision"] == "approved"} == {
        "approve"
    }

    page = (folder / "index.html").read_text("utf-8")
    said = (finished / "said").read_text("utf-8")
    markdown = (folder / "report.md").read_text("utf-8")
    assert f"{cost} USD per approved clip" in said
    assert f"{cost} USD per approved clip" in markdown
    assert f'<dd id="per-approved">{cost} USD</dd>' in page
    assert "| Outcome | clips | charged | reserved | possible |\n" in markdown
    for name, number in (*clips.items(), ("together", sum(clips.values()))):
        figures = [f"{(money.get(name) or sums)[each]:.2f}" for each in FIGURES]
        word = name.replace("_", " ")
        assert f"| {word} | {number} | {' | '.join(figures)} |" in markdown
        assert [word, str(number), *figures] in _rows(page)
        # Of what is nothing the terminal's column is blank, but for what was charged.
        shown = " +".join([figures[0], *(each for each in figures[1:] if each != "0.00")])
        assert re.search(rf"^{word} +{number} +{shown} *$", said, re.MULTILINE), said


def test_places_are_told_in_every_format(folder: Path, finished: Path) -> None:
    """Of a shot with `accept` a place counts: its state, its word, and why it is stuck."""
    states = dict(zip("ABCDEFGH", _PLACES, strict=True))
    report = json.loads((folder / "report.json").read_text("utf-8"))
    each = {place["address"]: place["state"] for place in report["places"]["each"]}
    assert {f"still[{row}]": state for row, state in states.items()} == each
    assert Counter(states.values()) == report["places"]["counts"]

    rows = {row["sku"]: row for row in _table(folder / "results.cups.csv")}
    assert states == {sku: row["still status"] for sku, row in rows.items()}
    assert ("rejected", "1", f"'{FORMULA}") == tuple(
        rows["B"][f"still {name}"] for name in ("outcome", "take", "reason")
    )
    assert "approved" == rows["A"]["still outcome"] == rows["A"]["turn outcome"]

    suite = ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - our own file
    elements = {
        case.attrib["name"]: next((child.tag for child in case), "passed") for case in suite
    }
    assert {f"still[{row}]": _ELEMENTS[state] for row, state in states.items()} == {
        name: element for name, element in elements.items() if name.startswith("still")
    }
    turns = [elements[f"turn[{row}]#1"] for row in "ABCDEFGH"]
    assert ["passed", "failure", "passed", *["failure"] * 3, "error", "passed"] == turns
    assert Counter(elements.values()) == {
        "failure": int(suite.attrib["failures"]),
        "error": int(suite.attrib["errors"]),
        "skipped": int(suite.attrib["skipped"]),
        "passed": len(elements) - sum(int(suite.attrib[name]) for name in _COUNTS),
    }
    (stuck,) = (case for case in suite if case.attrib["name"] == "still[B]")
    assert FORMULA in stuck[0].attrib["message"]
    counts = "8 places: 4 waiting for a decision, 1 approved, 2 stuck, 1 halted"
    assert counts in (folder / "report.md").read_text("utf-8")
    assert counts in (folder / "index.html").read_text("utf-8")
    assert "stuck: still[B]" in (finished / "said").read_text("utf-8")


def test_hostile_text_is_text_in_every_format(folder: Path, finished: Path) -> None:
    """No cell is a formula, no markup is any, no line is broken, and every file is read back."""
    for name in ("report.csv", "results.cups.csv"):
        cells = [cell for row in _table(folder / name) for cell in row.values()]
        assert f"'{FORMULA}" in cells
        begin = [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert [] == [cell for cell in begin if not re.fullmatch(r"-?[0-9.]+", cell)], name
    texts = {
        each.name: each.read_text("utf-8")
        for each in folder.iterdir()
        if each.is_file() and each.suffix != ".jpg"
    }
    for name, text in {**texts, "said": (finished / "said").read_text("utf-8")}.items():
        assert not set("\0\x1b\x7f\x9b\r") & set(text), name
        if not name.endswith(".csv"):
            assert "\u202e" not in text, name
    for name in ("index.html", "junit.xml", "report.md"):
        assert [] == re.findall(r"(?<!\\)<img src=x", texts[name]), name
    ET.fromstring(texts["junit.xml"])  # noqa: S314 - our own file
    items = {item["address"]: item for item in json.loads(texts["report.json"])["items"]}
    assert f"{TAG}{SPLIT}" == items["still[B]#1"]["decisions"][0]["note"]
    assert TAG in items["turn[A]#1"]["prompt"]


@pytest.mark.skipif(FOUND is None, reason="no Chromium on this machine")
def test_the_page_counts_the_same_and_runs_nothing(folder: Path, tmp_path: Path) -> None:
    """Its scripts count what the ledger has; nothing that somebody wrote is a picture of it."""
    report = json.loads((folder / "report.json").read_text("utf-8"))
    clips = {each["outcome"]: each["clips"] for each in report["outcomes"]}
    with chromium(tmp_path / "profile") as browser:
        browser.open(folder / "index.html")
        shown = "document.getElementById('{}').textContent"
        assert f"{report['cost_per_approved_usd']} USD" == browser.value(
            shown.format("per-approved")
        )
        assert f"{clips['approved']} of" in browser.value(shown.format("approved-count"))
        assert str(clips["waiting"]) == browser.value(shown.format("waiting-count"))
        for view in ("overview", "clips", "sitting", "charts"):
            browser.value(f"location.hash = 'view={view}'")
            browser.until(f"document.body.dataset.view === '{view}'")
            assert 0 == browser.value("document.querySelectorAll('[onerror], img[src=x]').length")
        assert "run" != browser.value("document.title")
        assert [] == browser.dialogs
        assert [] == browser.complaints


_PLACES = ("approved", "stuck", "waiting", "stuck", "halted", "waiting", "waiting", "waiting")
_ELEMENTS = {
    "approved": "passed",
    "stuck": "failure",
    "halted": "failure",
    "waiting": "skipped",
}
_COUNTS = ("failures", "errors", "skipped")


def _of_ledger(
    home: Path,
) -> tuple[dict[str, int], dict[str, dict[str, Decimal]]]:
    """Return clips and money by outcome, from the ledger's tables and what people said."""
    clips: Counter[str] = Counter()
    money: defaultdict[str, dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(FIGURES, Decimal(0))
    )
    file = home / "root/.callsheet/ledger.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute(
            "SELECT items.address, jobs.state, total(charged_microusd), total(reserved_microusd),"
            " total(possible_microusd) FROM items JOIN jobs USING (key)"
            " LEFT JOIN purchases ON purchases.key = items.key GROUP BY items.id"
        ).fetchall()
    for address, state, *sums in rows:
        outcome = OF_STATE.get(state, "open")
        if address in WORDS:
            outcome = OUTCOMES[WORDS[address][0]]
        clips[outcome] += 1
        for name, sum_ in zip(FIGURES, sums, strict=True):
            money[outcome][name] += Decimal(round(sum_)) / 1_000_000
    return dict(clips), dict(money)


def _decimal(number: float) -> Decimal:
    return Decimal(str(number))


def _exact(told: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: _decimal(told[name]) for name in FIGURES}


def _table(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))


def _rows(page: str) -> list[list[str]]:
    """Return the cells of each row of the page's tables that has no markup in them."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [list(map(unescape, re.findall(r"<t[dh][^>]*>([^<]*)<", row))) for row in rows]
