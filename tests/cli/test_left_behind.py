"""A task at the provider whose item left the manifest: paid for, so it is told and collected."""

from __future__ import annotations

from pathlib import Path

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-what-is-left-behind"
MANIFEST = """\
callsheet: 1
name: left
tables: {cups: {file: cups.csv, key: sku, as: cup}}
shots:
  - id: plain
    for: cups
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "A {{ cup.colour }} cup turns, no text."
policy: {deadline: 2s}
budget: {limit: 20 USD}
"""
AN_HOUR_S = 3600


def _callsheet(verb: str, folder: Path, *words: str, key: str = KEY) -> tuple[int, str]:
    command = [verb, str(folder / "left.yaml"), "--root", str(folder / "root"), *words]
    done = run_callsheet(command, {"RUNWARE_API_KEY": key, "COLUMNS": "100"})
    return done.returncode, done.stdout + done.stderr


def test_what_left_the_manifest_is_collected_by_the_next_run(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The plan tells of it, and a run asks for it though nothing else is to be done."""
    base_url = ("--base-url", f"runware={sandbox.base_urls['runware']}")
    run = ("--yes", *base_url)
    table = tmp_path / "cups.csv"
    (tmp_path / "left.yaml").write_text(MANIFEST, "utf-8")
    table.write_text("sku,colour\nA,red\n", "utf-8")
    assert 0 == _callsheet("run", tmp_path, *run)[0]
    sandbox.set(timing={"accept_s": 0, "run_s": AN_HOUR_S})
    table.write_text("sku,colour\nA,red\nB,blue\n", "utf-8")
    assert 13 == _callsheet("run", tmp_path, *run)[0]

    table.write_text("sku,colour\nA,red\n", "utf-8")
    _, planned = _callsheet("plan", tmp_path)
    keyless = _callsheet("run", tmp_path, *run, key="")
    early = _callsheet("run", tmp_path, *run)
    status = _callsheet("status", tmp_path)
    sandbox.advance(AN_HOUR_S)
    code, said = _callsheet("run", tmp_path, *run)

    told = "left behind: plain[B]#1 was sent to runware for an earlier plan, and is overdue"
    assert told in planned
    for left, words in (keyless, early, status):
        # What may cost money is no success, though the plan has it no more; nor is it a fault of
        # the command that its provider's key is gone.
        assert (13, True) == (left, f"{told}; to settle it: callsheet reconcile" in words), words
    assert (0, False) == (code, "nothing to do" in said), said
    assert 2 == len(sandbox.tasks("runware", KEY))
    # Wanted again, it is there.
    table.write_text("sku,colour\nA,red\nB,blue\n", "utf-8")
    code, said = _callsheet("run", tmp_path, "--yes", "--base-url=runware=http://127.0.0.1:9")
    assert (0, True) == (code, "1 to restore from the store" in said), said
