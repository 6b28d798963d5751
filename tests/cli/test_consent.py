"""Nobody's money is spent without a word: what a run buys, it asks for first."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.providers import OFFERS
from tests.crash.kit import addressed
from tests.processes import run_callsheet
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
    terminal: int | None = None,
    keyed: tuple[str, ...] = KEYED,
) -> tuple[int, str]:
    urls = addressed(sandbox, KEYED)
    words = ("run", str(folder / "m.yaml"), "--root", str(folder / "root"), *urls, *words)
    variables = {OFFERS[name].key_env: KEY for name in keyed} | {"COLUMNS": "100"}
    if closed:
        done = _begun(words, variables, preexec_fn=partial(os.close, 0))
    else:
        done = run_callsheet(words, variables, terminal=terminal)
    return done.returncode, done.stdout + done.stderr


def _begun(
    words: Sequence[str], variables: Mapping[str, str], **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that is started anew: its descriptors are the subject."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **more,
    )


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
    assert 0 == _run(folder, sandbox, *words, "--set", "policy.deadline=30m")[0]


def test_what_a_person_agreed_to_is_what_may_be_spent(sandbox: Sandbox, folder: Path) -> None:
    """Asked for 0.56 USD and told yes, a run does not go on with a provider that takes 0.59."""
    Image.new("RGB", (720, 1280), (180, 120, 60)).save(folder / "box.png")
    text = MANIFEST.replace("provider: runware", "provider: [runware, evolink]\n    mode: pro")
    text = text.replace('aspect_ratio: "9:16"', "references: {frames: {first: box.png}}")
    (folder / "m.yaml").write_text(f"{text}policy: {{fallback: same_model}}\n", "utf-8")
    sandbox.play("no-credit")
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")

    code, said = _run(folder, sandbox, terminal=theirs)

    os.close(ours)
    os.close(theirs)
    assert "This spends real money: 0.56 USD" in said, said
    assert (11, True) == (code, "the limit of one run is used up" in said), said
    assert [] == [*sandbox.tasks("runware", KEY), *sandbox.tasks("evolink", KEY)]


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """Give a terminal at which somebody has typed an answer already."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_is_asked_about_is_shown_however_quiet(sandbox: Sandbox, folder: Path) -> None:
    """`-q` with a question: the table, the sum and what a limit lacks; nothing afterwards."""
    (folder / "m.yaml").write_text(f"{MANIFEST}budget: {{limit: 0.30 USD}}\n", "utf-8")
    with _answering(b"n\n") as terminal:
        code, said = _run(folder, sandbox, "-q", "--max-cost", "0.20", terminal=terminal)

    assert 12 == code, said
    assert "1 item, 1 to make; 0.42 USD" in said, said
    assert "low  expected  high" in said, said
    assert "budget.limit: 0.30 USD are left of 0.30 USD" in said, said
    assert "--max-cost: 0.20 USD are left of 0.20 USD" in said, said
    assert "This spends real money: 0.42 USD" in said, said
    with _answering(b"y\n") as terminal:
        (folder / "m.yaml").write_text(MANIFEST, "utf-8")
        code, said = _run(folder, sandbox, "-q", terminal=terminal)
    assert (0, True) == (code, "Make it?" in said), said
    assert "done" not in said, said


def test_what_is_missing_is_told_before_anybody_agrees(sandbox: Sandbox, folder: Path) -> None:
    """Two keys and a bad address in one pass, exit 3, and no question; a fallback's key is told."""
    second = MANIFEST.partition("shots:\n")[2].replace("plain", "other").replace("red", "blue")
    two = f"{MANIFEST}{second.replace('runware', 'apimart')}"
    (folder / "m.yaml").write_text(two, "utf-8")
    with _answering(b"y\n") as terminal:
        url = ("--base-url", "runware=http://example.com")
        code, said = _run(folder, sandbox, *url, terminal=terminal, keyed=())

    assert (3, False) == (code, "Make it?" in said), said
    assert "Runware needs a key" in said, said
    assert "APIMart needs a key" in said, said
    assert "http://example.com must be https" in said, said
    keys = folder / "no.env"
    with _answering(b"y\n") as terminal:
        code, said = _run(folder, sandbox, "--env-file", str(keys), terminal=terminal)
    assert (3, False) == (code, "Make it?" in said), said
    assert f"cannot read {keys}" in said, said
    spare = MANIFEST.replace("provider: runware", "provider: [runware, apimart]")
    (folder / "m.yaml").write_text(f"{spare}policy: {{fallback: same_model}}\n", "utf-8")
    with _answering(b"n\n") as terminal:
        code, said = _run(folder, sandbox, terminal=terminal, keyed=("runware",))
    assert 12 == code, said
    before, _, _ = said.partition("Make it?")
    assert "nothing would go to apimart instead: APIMart needs a key" in before, said


def test_keys_may_come_through_a_pipe(sandbox: Sandbox, folder: Path) -> None:
    """`--env-file <(decrypt keys)` is read once, whatever asks for it."""
    reading, writing = os.pipe()
    os.write(writing, f"RUNWARE_API_KEY={KEY}\n".encode())
    os.close(writing)
    words = ["run", str(folder / "m.yaml"), "--yes", "--max-cost", "1"]
    words += ["--root", str(folder / "root"), *addressed(sandbox, ["runware"])]
    words += ["--env-file", f"/dev/fd/{reading}"]
    done = _begun(words, {"COLUMNS": "100"}, pass_fds=[reading])
    os.close(reading)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert 1 == len(sandbox.tasks("runware", KEY))
