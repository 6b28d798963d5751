"""A manifest that names two providers: each item where it can be made, both lanes side by side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.architecture.source import REPOSITORY
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

SNEAKERS = REPOSITORY / "manifests" / "spring-sneakers" / "campaign.yaml"
KEYS = {"RUNWARE_API_KEY": "key-of-runware-here", "UNIFICALLY_API_KEY": "key-of-unifically"}
BOTH = (
    "defaults.provider=[runware, unifically]",
    "shots.spin.aspect_ratio=1:1",
    "budget.unpriced={assume: 0.50 USD}",
    "budget.limit=40 USD",
    "tables.products.limit=3",
)
"""Runware cannot be told the ratio of a clip from references: the spins go to the other."""
TEXTS = """\
callsheet: 1
name: fallback
tables: {words: {file: words.csv, key: word, as: line}}
shots:
  - id: plain
    for: words
    provider: [runware, unifically]
    duration: 5
    aspect_ratio: "9:16"
    prompt: "The word {{ line.word }}, no text."
policy: {fallback: same_model}
budget: {limit: 20 USD, unpriced: {assume: 1 USD}}
"""


def _callsheet(*words: str, sandbox: Sandbox) -> CompletedProcess[str]:
    urls: list[str] = []
    for name in ("runware", "unifically"):
        told = sandbox.addresses[name]
        urls.append(f"{name}={told['base_url']}")
        urls += [f"{name}.upload={told['upload_url']}"] if "upload_url" in told else []
    at_the_sandbox = [f"--base-url={url}" for url in urls]
    return run_callsheet([*words, *at_the_sandbox], {**KEYS, "COLUMNS": "120"})


def _items(root: Path, campaign: str) -> list[Mapping[str, Any]]:
    report = json.loads((root / campaign / "report" / "report.json").read_text("utf-8"))
    items: list[Mapping[str, Any]] = report["items"]
    return items


def test_each_item_lands_where_it_can_be_made(sandbox: Sandbox, tmp_path: Path) -> None:
    """The plan says who, and why not the first; the run keeps both lanes at work."""
    settings = [word for text in BOTH for word in ("--set", text)]
    root = ["--root", str(tmp_path / "root")]
    # A run writes a lock file beside its manifest: the example keeps none.
    shutil.copytree(SNEAKERS.parent, tmp_path / "sneakers")
    manifest = str(tmp_path / "sneakers" / SNEAKERS.name)

    planned = _callsheet("plan", manifest, *settings, *root, sandbox=sandbox)
    ran = _callsheet("run", manifest, *settings, *root, "--yes", sandbox=sandbox)

    assert 0 == planned.returncode, planned.stderr
    assert "spin: 6 items at unifically, because" in planned.stdout
    reason = "not runware: Runware cannot be told an aspect ratio for reference images"
    assert reason in planned.stdout
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    items = _items(tmp_path / "root", "spring-sneakers")
    assert {"reveal": {"runware"}, "spin": {"unifically"}} == {
        shot: {item["provider"] for item in items if item["shot"] == shot}
        for shot in ("reveal", "spin")
    }
    assert {"done"} == {item["state"] for item in items}
    spans = {
        name: [
            (item["submitted_at"], item["finished_at"])
            for item in items
            if item["provider"] == name
        ]
        for name in ("runware", "unifically")
    }
    first, last = ({name: f(pair) for name, pair in spans.items()} for f in (min, max))
    # Neither waited for the other to end.
    assert first["runware"][0] < last["unifically"][1]
    assert first["unifically"][0] < last["runware"][1]
    for name in spans:
        assert 6 == len(sandbox.tasks(name))


def test_a_stopped_provider_hands_over(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without credit at the first, a fallback makes everything at the second, and says so once."""
    sandbox.set(accounts={KEYS["RUNWARE_API_KEY"]: {"balance_usd": 0.9}})
    (tmp_path / "words.csv").write_text("word\na\nb\nc\nd\ne\nf\n", "utf-8")
    (tmp_path / "m.yaml").write_text(TEXTS, "utf-8")
    root = tmp_path / "root"

    ran = _callsheet("run", str(tmp_path / "m.yaml"), "--root", str(root), "--yes", sandbox=sandbox)

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert 1 == ran.stdout.count("runware was stopped (")
    made = [item["provider"] for item in _items(root, "fallback")]
    assert {"runware": 2, "unifically": 4} == {name: made.count(name) for name in made}
    assert 2 == len(sandbox.tasks("runware"))
    assert 4 == len(sandbox.tasks("unifically"))


def test_without_a_fallback_the_rest_is_held(sandbox: Sandbox, tmp_path: Path) -> None:
    """A stopped lane holds its items (exit 12): nobody else is paid unless the manifest says so."""
    sandbox.set(accounts={KEYS["RUNWARE_API_KEY"]: {"balance_usd": 0.9}})
    (tmp_path / "words.csv").write_text("word\na\nb\nc\n", "utf-8")
    (tmp_path / "m.yaml").write_text(TEXTS.replace("policy: {fallback: same_model}\n", ""), "utf-8")
    root = tmp_path / "root"

    ran = _callsheet("run", str(tmp_path / "m.yaml"), "--root", str(root), "--yes", sandbox=sandbox)

    assert 12 == ran.returncode
    assert ["done", "done", "held"] == sorted(item["state"] for item in _items(root, "fallback"))
    assert 0 == len(sandbox.tasks("unifically"))


def test_a_charge_above_its_reservation_ends_a_run_with_a_fallback_too(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """After such a charge nothing more is bought in the run (exit 11): not at the next provider."""
    sandbox.play("overcharged", provider="runware", prompt="word a")
    (tmp_path / "words.csv").write_text("word\na\nb\n", "utf-8")
    (tmp_path / "m.yaml").write_text(TEXTS, "utf-8")
    root = tmp_path / "root"

    ran = _callsheet("run", str(tmp_path / "m.yaml"), "--root", str(root), "--yes", sandbox=sandbox)

    assert 11 == ran.returncode, ran.stdout + ran.stderr
    assert "1 held · overcharged · runware" in ran.stdout
    assert "--max-cost" not in ran.stdout
    assert 1 == len(sandbox.tasks("runware"))
    assert 0 == len(sandbox.tasks("unifically"))


def test_a_failure_is_retried_once_in_a_run_with_a_fallback_too(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """`--retry` buys again once: what fails alike is not bought a third time at the next."""
    sandbox.play("refused", prompt="word a", times=3)
    (tmp_path / "words.csv").write_text("word\na\n", "utf-8")
    (tmp_path / "m.yaml").write_text(TEXTS, "utf-8")
    words = ("run", str(tmp_path / "m.yaml"), "--root", str(tmp_path / "root"), "--yes")
    assert 10 == _callsheet(*words, sandbox=sandbox).returncode
    (tmp_path / "words.csv").write_text("word\na\nb\n", "utf-8")
    sandbox.play("no-credit", provider="runware", prompt="word b", stage="submit")

    ran = _callsheet(*words, "--retry", "refused", sandbox=sandbox)

    assert 10 == ran.returncode, ran.stdout + ran.stderr
    both = ("runware", "unifically")
    made = [(task["prompt"], name) for name in both for task in sandbox.tasks(name)]
    refused = [name for prompt, name in made if "word a" in prompt]
    assert ["runware", "runware"] == refused
    assert ["unifically"] == [name for prompt, name in made if "word b" in prompt]


def test_what_no_fallback_can_make_stays_held_with_its_reason(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """An item that only the stopped provider makes is held (exit 12), and the report says why."""
    sandbox.play("no-credit", provider="runware", stage="submit")
    (tmp_path / "words.csv").write_text("word\na\n", "utf-8")
    only = '  - {id: only, provider: runware, duration: 5, aspect_ratio: "9:16", prompt: "Dots."}\n'
    (tmp_path / "m.yaml").write_text(TEXTS.replace("policy:", f"{only}policy:"), "utf-8")
    root = tmp_path / "root"

    ran = _callsheet("run", str(tmp_path / "m.yaml"), "--root", str(root), "--yes", sandbox=sandbox)

    assert 12 == ran.returncode, ran.stdout + ran.stderr
    items = {item["shot"]: item for item in _items(root, "fallback")}
    assert {"plain": "done", "only": "held"} == {name: i["state"] for name, i in items.items()}
    assert "lane" == items["only"]["cause"]
    assert "Insufficient credits" in items["only"]["message"]


def test_a_fallback_without_a_key_is_told_after_what_was_made(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips were bought before the first provider stopped: they are reported, the rest is held."""
    monkeypatch.setitem(KEYS, "UNIFICALLY_API_KEY", "")
    sandbox.set(accounts={KEYS["RUNWARE_API_KEY"]: {"balance_usd": 0.5}})
    (tmp_path / "words.csv").write_text("word\na\nb\n", "utf-8")
    (tmp_path / "m.yaml").write_text(TEXTS, "utf-8")
    root = tmp_path / "root"

    ran = _callsheet("run", str(tmp_path / "m.yaml"), "--root", str(root), "--yes", sandbox=sandbox)

    assert "nothing was sent" not in ran.stdout + ran.stderr
    assert "UNIFICALLY_API_KEY" in ran.stdout
    assert 12 == ran.returncode, ran.stdout + ran.stderr
    assert ["done", "held"] == sorted(item["state"] for item in _items(root, "fallback"))
