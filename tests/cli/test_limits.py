"""Limits over layers, profiles and runs, held against what the sandbox was paid."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-the-limits-test"
PRICE_USD = Decimal("0.42")
MANIFEST = """\
callsheet: 1
name: cups
extends: house.yaml
shots:
  - {id: one, provider: runware, prompt: "A {{ vars.colour }} cup, no text."}
  - {id: two, provider: runware, prompt: "Two {{ vars.colour }} cups, no text."}
vars: {colour: blue}
profiles:
  red: {vars: {colour: red}, budget: {limit: 20 USD}}
  green: {vars: {colour: green}}
  white: {vars: {colour: white}, budget: {limit: ~}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a campaign whose house allows two clips and not three."""
    (tmp_path / "cups.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "house.yaml").write_text("budget: {limit: 1 USD}\n", "utf-8")
    return tmp_path


def _run(folder: Path, sandbox: Sandbox, *words: str) -> tuple[int, str]:
    url = f"--base-url=runware={sandbox.base_urls['runware']}"
    command = ["run", str(folder / "cups.yaml"), "--yes", "--root", str(folder / "root"), url]
    done = run_callsheet([*command, *words], {"RUNWARE_API_KEY": KEY, "COLUMNS": "300"})
    return done.returncode, done.stdout + done.stderr


def _billed(sandbox: Sandbox) -> Decimal:
    return sum((Decimal(task["usd"]) for task in sandbox.tasks("runware", KEY)), Decimal(0))


def test_profiles_share_the_limit_that_the_lowest_layer_states(
    sandbox: Sandbox, folder: Path
) -> None:
    """Four profiles, one of which would have 20 USD and one no limit: two clips are bought."""
    codes = [_run(folder, sandbox)[0]]
    for profile in ("red", "green", "white"):
        code, said = _run(folder, sandbox, "--profile", profile)
        codes.append(code)
        assert "0.16 USD are left of 1.00 USD" in said, said

    assert [0, 11, 11, 11] == codes
    assert 2 * PRICE_USD == _billed(sandbox)


def test_the_cap_of_a_run_raises_the_limit_for_that_run_alone(
    sandbox: Sandbox, folder: Path
) -> None:
    """`--max-cost` above the limit buys what fits into it; the next run has the limit again."""
    assert 0 == _run(folder, sandbox)[0]

    code, said = _run(folder, sandbox, "--profile", "red", "--max-cost", "1.30")
    assert (11, 3 * PRICE_USD) == (code, _billed(sandbox)), said

    code, said = _run(folder, sandbox, "--profile", "red")
    assert (11, 3 * PRICE_USD) == (code, _billed(sandbox)), said
    assert "--max-cost 2" in said

    code, said = _run(folder, sandbox, "--profile", "red", "--max-cost", "2")
    assert (0, 4 * PRICE_USD) == (code, _billed(sandbox)), said
