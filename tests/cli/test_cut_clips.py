"""What comes cut, in crumbs or as a bomb: nothing paid for is lost, nothing is bought twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.media.video import probe
from pipeline.providers import OFFERS
from tests.crash.kit import addressed
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

KEY = "key-of-the-cut-clips"
MANIFEST = """\
callsheet: 1
name: cut
shots:
  - id: still
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "A cup stands on a table, no text."
policy: {retries: {requests: 0}, stop: off}
budget: {limit: 40 USD}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest of one clip."""
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    return tmp_path


def _callsheet(folder: Path, sandbox: Sandbox, verb: str, *words: str) -> tuple[int, str]:
    command = [verb, str(folder / "m.yaml"), *words, "--root", str(folder / "root")]
    variables = {OFFERS["runware"].key_env: KEY, "COLUMNS": "200"}
    done = run_callsheet([*command, *addressed(sandbox, ["runware"])], variables)
    return done.returncode, done.stdout + done.stderr


def _clips(folder: Path) -> list[Path]:
    return sorted((folder / "root" / "cut").rglob("*.mp4"))


def _stored(folder: Path) -> list[Path]:
    return [
        path for path in (folder / "root" / ".callsheet" / "store").rglob("*") if path.is_file()
    ]


def _billed(sandbox: Sandbox) -> list[str]:
    return [task["usd"] for task in sandbox.tasks("runware", KEY)]


@pytest.mark.parametrize(("then", "share"), [("run", 0.3), ("reconcile", 0.9)])
def test_a_clip_that_comes_cut_is_fetched_whole_later(
    sandbox: Sandbox, folder: Path, share: float, then: str
) -> None:
    """The same cut bytes, however often, are never final; the whole clip is, and is paid once."""
    sandbox.play("cut-download", share=share, times="always")

    first, told = _callsheet(folder, sandbox, "run", "--yes")
    kept = _stored(folder) + _clips(folder)
    sandbox.set(faults=[])
    last, _ = _callsheet(folder, sandbox, then, *["--yes"] * (then == "run"))

    assert (13, [], 0) == (first, kept, last), told
    assert "what comes is cut or does not play; the clip is paid for" in told
    (clip,) = _clips(folder)
    assert 5.0 == pytest.approx(probe(clip).seconds, abs=0.1)
    assert 1 == len(_billed(sandbox))


@pytest.mark.parametrize("stage", ["submit", "status"])
def test_a_reply_that_is_a_bomb_buys_nothing_twice(
    sandbox: Sandbox, folder: Path, stage: str
) -> None:
    """A submit whose reply cannot be read is in doubt, and settled; a poll is asked again."""
    sandbox.play("gzip-bomb", stage=stage, megabytes=1000)

    code, told = _callsheet(folder, sandbox, "run", "--yes")

    assert 0 == code, told
    assert 1 == len(_clips(folder))
    assert 1 == len(_billed(sandbox))
