"""`reconcile` tells what is true: what it could not find out, and how things stand afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from pipeline.providers import OFFERS
from tests.crash.kit import addressed
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-the-reconcile-test"
AN_HOUR_S = 3600
IN_DOUBT = 13
MANIFEST = """\
callsheet: 1
name: settle
shots:
  - id: plain
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "A red cup turns, no text."
policy: {deadline: 2s}
budget: {limit: 20 USD}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest of one clip."""
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    return tmp_path


def _callsheet(
    folder: Path, sandbox: Sandbox, verb: str, *words: str, provider: str = "runware"
) -> tuple[int, str]:
    command = [verb, str(folder / "m.yaml"), *words, "--root", str(folder / "root")]
    variables = {OFFERS[provider].key_env: KEY, "COLUMNS": "100"}
    done = run_callsheet([*command, *addressed(sandbox, [provider])], variables)
    return done.returncode, done.stdout + done.stderr


def test_what_a_bad_key_leaves_in_flight_is_told(sandbox: Sandbox, folder: Path) -> None:
    """A task that could not even be asked for is not settled: it is listed, exit 13."""
    sandbox.play("bad-key", stage="status", times=2)
    assert 13 == _callsheet(folder, sandbox, "run", "--yes")[0]

    code, said = _callsheet(folder, sandbox, "reconcile")

    assert 13 == code, said
    assert "nothing is in doubt" not in said
    assert "plain#1  waiting at runware" in said
    assert 0 == _callsheet(folder, sandbox, "reconcile")[0]


def test_a_decision_is_in_the_report(sandbox: Sandbox, folder: Path) -> None:
    """The last thing in doubt is given up: the report tells so, and not what was before."""
    sandbox.set(timing={"accept_s": 0, "run_s": AN_HOUR_S})
    assert 13 == _callsheet(folder, sandbox, "run", "--yes")[0]

    code, said = _callsheet(folder, sandbox, "reconcile", "--abandon", "plain#1")

    assert 0 == code, said
    report = json.loads((folder / "root/settle/report/report.json").read_text("utf-8"))
    assert ["abandoned"] == [item["state"] for item in report["items"]]


def test_a_suggested_run_goes_where_this_one_went(sandbox: Sandbox, folder: Path) -> None:
    """Same provider, same address, same file of keys: the money stays where it was meant to be."""
    sandbox.play("refused")
    keys = folder / "keys.env"
    keys.write_text("# the key is in the environment\n", "utf-8")

    words = ("--yes", "--provider", "runware", "--env-file", str(keys))
    code, said = _callsheet(folder, sandbox, "run", *words)

    assert 10 == code, said
    base_url = f"--base-url runware={sandbox.base_urls['runware']}"
    (command,) = (line.strip() for line in said.splitlines() if "--retry refused" in line)
    assert command.endswith(f"--env-file {keys} {base_url} --provider runware --retry refused")


def test_without_a_key_what_was_sent_is_listed_all_the_same(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that is gone answers nothing: the words that decide its tasks are told (13)."""
    sandbox.set(timing={"accept_s": 0, "run_s": AN_HOUR_S})
    assert 13 == _callsheet(folder, sandbox, "run", "--yes")[0]
    monkeypatch.setattr("tests.cli.test_reconcile.KEY", "")

    code, said = _callsheet(folder, sandbox, "reconcile")

    assert 13 == code, said
    assert "nothing is asked of runware: Runware needs a key: set RUNWARE_API_KEY" in said
    assert "--abandon 'plain#1'" in said


@pytest.mark.parametrize("provider", ["evolink", "inference", "unifically"])
def test_a_mistyped_task_changes_nothing(provider: str, sandbox: Sandbox, folder: Path) -> None:
    """The provider is asked for a task that a person names; then the right one is collected."""
    box = folder / "box.png"
    Image.new("RGB", (720, 1280), (180, 120, 60)).save(box)
    frames = "bundles: {opening: {frames: {first: box.png}}}\nshots:"
    text = MANIFEST.replace("runware", f"{provider}\n    mode: pro\n    use: [opening]")
    text = text.replace('    aspect_ratio: "9:16"\n', "").replace("shots:", frames)
    text = text.replace("20 USD}", "20 USD, unpriced: {assume: 1.00 USD}}").replace("2s", "30s")
    (folder / "m.yaml").write_text(text, "utf-8")
    sandbox.play("drop-after")
    code, said = _callsheet(folder, sandbox, "run", "--yes", provider=provider)
    tasks = sandbox.tasks(provider, KEY)
    assert 1 == len(tasks), said
    (task,) = tasks

    if code == IN_DOUBT:
        named = ("reconcile", "--task", "plain#1=no-such-task")
        code, said = _callsheet(folder, sandbox, *named, provider=provider)
        assert 12 == code, said
        assert f"{provider} knows no task 'no-such-task', named for plain#1" in said, said
        named = ("reconcile", "--task", f"plain#1={task['task']}")
        code, said = _callsheet(folder, sandbox, *named, provider=provider)

    assert 0 == code, said
    assert 1 == len(sandbox.tasks(provider, KEY))
