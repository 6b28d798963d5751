"""Nobody's money is spent without a word: what a run buys, it asks for first."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from pipeline.providers import OFFERS
from tests.crash.kit import addressed
from tests.sandboxes import Sandbox

KEY = "key-of-the-consent-test"
KEYED = ("runware", "apimart", "evolink")
MANIFEST = """\
callsheet: 1
name: consent
shots:
  - id: plain
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "A red cup turns, no text."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest of one clip, without a budget."""
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    return tmp_path


def _run(
    folder: Path,
    sandbox: Sandbox,
    *words: str,
    closed: bool = False,
    stdin: int = subprocess.DEVNULL,
) -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline", "run", str(folder / "m.yaml")]
    urls = addressed(sandbox, KEYED)
    done = subprocess.run(
        [*command, "--root", str(folder / "root"), *urls, *words],
        env={**os.environ, **{OFFERS[name].key_env: KEY for name in KEYED}, "COLUMNS": "100"},
        stdin=stdin,
        preexec_fn=partial(os.close, 0) if closed else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_failure_is_not_bought_again_unasked(sandbox: Sandbox, folder: Path) -> None:
    """`--retry` spends money like any run: it needs a person, or `--yes` with a limit."""
    sandbox.play("refused")
    assert 10 == _run(folder, sandbox, "--yes", "--max-cost", "1")[0]
    before = len(sandbox.tasks("runware", KEY))

    unasked, why = _run(folder, sandbox, "--retry", "refused")
    unlimited, why_not = _run(folder, sandbox, "--retry", "refused", "--yes")

    assert (3, 3) == (unasked, unlimited)
    assert "nobody is there to ask" in why
    assert "--yes needs a limit" in why_not
    assert before == len(sandbox.tasks("runware", KEY))
    assert 0 == _run(folder, sandbox, "--retry", "refused", "--yes", "--max-cost", "1")[0]


def test_nobody_is_there_where_standard_input_is_closed(sandbox: Sandbox, folder: Path) -> None:
    """Started without any standard input, as services are, a run that would ask is exit 3."""
    code, said = _run(folder, sandbox, closed=True)

    assert 3 == code, said
    assert "nobody is there to ask" in said
    assert 0 == len(sandbox.tasks("runware", KEY))


def test_what_shares_a_failed_clip_is_not_there(sandbox: Sandbox, folder: Path) -> None:
    """Two items want one clip, which was refused: neither is said to be there."""
    text = MANIFEST.replace("shots:", "shots:\n" + MANIFEST.partition("shots:\n")[2]).replace(
        "id: plain", "id: twin", 1
    )
    (folder / "m.yaml").write_text(text, "utf-8")
    sandbox.play("refused")
    words = ("--yes", "--max-cost", "1")
    assert 10 == _run(folder, sandbox, *words)[0]

    code, said = _run(folder, sandbox, *words)

    assert (10, True) == (code, "nothing to do: 0 items are there, 2 failed" in said), said


def test_an_empty_cap_is_no_cap_that_was_meant(sandbox: Sandbox, folder: Path) -> None:
    """`--max-cost "$CAP"` with CAP unset is a fault of the command, not a run without a cap."""
    (folder / "m.yaml").write_text(f"{MANIFEST}budget: {{limit: 20 USD}}\n", "utf-8")

    code, said = _run(folder, sandbox, "--yes", "--max-cost", "")

    assert (3, True) == (code, "--max-cost takes dollars, such as 12.50, not ''" in said), said
    assert 0 == len(sandbox.tasks("runware", KEY))


def test_what_was_only_to_be_collected_is_not_bought_again_unasked(
    sandbox: Sandbox, folder: Path
) -> None:
    """A clip in flight fails at no cost while a run collects it: buying it anew is asked first."""
    slow = f"{MANIFEST}policy: {{deadline: 2s}}\n"
    (folder / "m.yaml").write_text(slow.replace("runware", "apimart"), "utf-8")
    sandbox.set(timing={"accept_s": 0, "run_s": 3600})
    sandbox.play("failed")
    words = ("--yes", "--max-cost", "2")
    assert 13 == _run(folder, sandbox, *words)[0]
    sandbox.advance(7200)

    code, said = _run(folder, sandbox)

    assert 12 == code, said
    assert 1 == len(sandbox.tasks("apimart", KEY))
    assert 3 == _run(folder, sandbox)[0]
    sandbox.set(timing={"accept_s": 0, "run_s": 0})
    assert 0 == _run(folder, sandbox, *words)[0]


def test_what_a_person_agreed_to_is_what_may_be_spent(sandbox: Sandbox, folder: Path) -> None:
    """Asked for 0.56 USD and told yes, a run does not go on with a provider that takes 0.59."""
    Image.new("RGB", (720, 1280), (180, 120, 60)).save(folder / "box.png")
    text = MANIFEST.replace("provider: runware", "provider: [runware, evolink]\n    mode: pro")
    text = text.replace('aspect_ratio: "9:16"', "references: {frames: {first: box.png}}")
    (folder / "m.yaml").write_text(f"{text}policy: {{fallback: same_model}}\n", "utf-8")
    sandbox.play("no-credit")
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")

    code, said = _run(folder, sandbox, stdin=theirs)

    os.close(ours)
    os.close(theirs)
    assert "This spends real money: 0.56 USD" in said, said
    assert (11, True) == (code, "the limit of one run is used up" in said), said
    assert [] == [*sandbox.tasks("runware", KEY), *sandbox.tasks("evolink", KEY)]
