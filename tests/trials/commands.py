"""The command line as a person types it, with the sandbox in the place of all providers.

It runs in this process: what it prints and how it ends is the same, and it starts at once.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from pipeline.cli.command_line import invoke
from pipeline.providers import OFFERS
from tests.sandboxes import Sandbox

_LIKE_A_PERSONS = {"COLUMNS": "200", "NO_COLOR": "1"}


def callsheet(folder: Path, *words: str) -> CompletedProcess[str]:
    """Return what a command printed in a folder, and how it ended."""
    said, complained = StringIO(), StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        redirect_stdout(said),
        redirect_stderr(complained),
    ):
        # aiohttp warns of uploads of more than a megabyte; a process of its own is not told.
        warnings.simplefilter("ignore", ResourceWarning)
        patch.chdir(folder)
        for name, value in _LIKE_A_PERSONS.items():
            patch.setenv(name, value)
        code = invoke(words)
    return CompletedProcess(words, int(code), said.getvalue(), complained.getvalue())


def make(folder: Path, sandbox: Sandbox, manifest: str) -> list[dict[str, Any]]:
    """Make a whole campaign in the sandbox, and return its items from report.json."""
    urls = [f"--base-url={name}={url}" for name, url in sandbox.base_urls.items()]
    with pytest.MonkeyPatch.context() as patch:
        for offer in OFFERS.values():
            patch.setenv(offer.key_env, f"key-of-{offer.provider}")
        return _items(folder, "outputs", "run", manifest, "--yes", *urls)


def rehearse(folder: Path, manifest: str, *words: str) -> list[dict[str, Any]]:
    """Rehearse a whole campaign, and return its items from report.json."""
    root = "outputs/rehearsal"
    return _items(folder, root, "run", manifest, "--rehearse", "--yes", *words)


def _items(folder: Path, root: str, *words: str) -> list[dict[str, Any]]:
    ran = callsheet(folder, *words)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    (report,) = (folder / root).glob("*/report/report.json")
    items: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["items"]
    return items


def sent_files(folder: Path) -> Sequence[Path]:
    """Return what was uploaded for a campaign that was made, as it was kept."""
    assets = folder / "outputs" / ".callsheet" / "assets"
    return sorted(path for path in assets.iterdir() if not path.suffix)
