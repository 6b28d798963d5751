"""A gateway says 429, 402 or 403 of what the provider took: the provider's bill is the judge."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.pairs import pairs
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEYS = {
    "RUNWARE_API_KEY": "a-key-at-runware",
    "APIMART_API_KEY": "a-key-at-apimart",
    "UNIFICALLY_API_KEY": "a-key-at-unifically",
}
MANIFEST = """\
callsheet: 1
name: gateway
tables: {words: {file: words.csv, key: word, as: line}}
shots:
  - id: plain
    for: words
    provider: %s
    duration: 5
    aspect_ratio: "9:16"
    prompt: "The word {{ line.word }}, no text."
policy: {%s}
budget: {limit: 20 USD, unpriced: {assume: 1 USD}}
"""
ITEMS = 4
TURNED_AWAY = {"throttled": 429, "no-credit": 402, "bad-key": 403}


def _run(folder: Path, sandbox: Sandbox) -> CompletedProcess[str]:
    told = {name: sandbox.addresses[name] for name in ("runware", "apimart", "unifically")}
    urls = [f"--base-url={name}={each['base_url']}" for name, each in told.items()]
    urls.append(f"--base-url=unifically.upload={told['unifically']['upload_url']}")
    words = ["run", "m.yaml", "--yes", *urls]
    return run_callsheet(words, {**KEYS, "COLUMNS": "200"}, folder=folder)


def _write(folder: Path, provider: str, policy: str = "") -> None:
    (folder / "m.yaml").write_text(MANIFEST % (provider, policy), "utf-8")
    words = "".join(f"w{number}\n" for number in range(ITEMS))
    (folder / "words.csv").write_text(f"word\n{words}", "utf-8")


def _report(folder: Path) -> Any:
    return json.loads((folder / "outputs/gateway/report/report.json").read_text("utf-8"))


@pytest.mark.parametrize(("code", "provider"), pairs(TURNED_AWAY, ["runware", "apimart"]))
def test_each_item_is_one_task_however_often_it_was_turned_away(
    sandbox: Sandbox, tmp_path: Path, code: str, provider: str
) -> None:
    """The next try, in this run or a later one, finds what was taken."""
    _write(tmp_path, provider)
    sandbox.play("code-after", provider=provider, code=code, status=TURNED_AWAY[code], times=3)

    codes: list[int] = []
    while 0 not in codes and len(codes) < ITEMS:
        codes.append(_run(tmp_path, sandbox).returncode)

    assert 0 == codes[-1], codes
    tasks = sandbox.tasks(provider)
    assert ITEMS == len(tasks)
    report = _report(tmp_path)
    assert ["done"] * ITEMS == [item["state"] for item in report["items"]]
    billed = sum(Decimal(str(task["usd"])) for task in tasks)
    assert billed == Decimal(str(report["money"]["charged_usd"]))


def test_what_moves_to_another_provider_is_looked_up_at_the_first(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Turned away for want of credit after it was taken: it is collected, and not bought twice."""
    _write(tmp_path, "[runware, unifically]", policy="fallback: same_model")
    sandbox.play("code-after", provider="runware", code="no-credit", status=402, times=3)

    ran = _run(tmp_path, sandbox)

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    made = {name: len(sandbox.tasks(name)) for name in ("runware", "unifically")}
    assert ITEMS == sum(made.values())
    assert made["runware"] >= 1
