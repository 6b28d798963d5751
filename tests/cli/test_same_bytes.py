"""What a plan says does not depend on the machine that says it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli import edits

WORDS = (
    ("plan", "shop.yaml"),
    ("plan", "shop.yaml", "--format", "json"),
    ("ls", "shop.yaml"),
    ("why", "shop.yaml", "tag[A]#1"),
    ("why", "shop.yaml", "spin[A]#1", "--format", "json"),
)
MACHINES: tuple[dict[str, str], ...] = (
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "4711", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
)


@pytest.fixture(scope="module")
def edited(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two copies of an edited campaign, in folders of other names and depths."""
    folder = tmp_path_factory.mktemp("one") / "shop"
    shutil.copytree(finished, folder)
    edits.both(
        edits.swap("Alba,12", "Ålba,13", "cups.csv"),
        edits.retouch_photo,
        edits.swap("  - id: open\n", "  - id: open\n    duration: 10\n"),
        edits.lay_out_at("x/"),
    )(folder)
    other = tmp_path_factory.mktemp("other") / "much" / "deeper" / "workshop"
    shutil.copytree(folder, other)
    return [folder, other]


def printed_on(machine: Mapping[str, str], folder: Path, *words: str) -> bytes:
    """Return what a command prints in a folder, with the variables of a machine."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        env={**os.environ, **machine},
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_the_same_bytes_everywhere(words: tuple[str, ...], edited: list[Path]) -> None:
    """Hash seed, time zone, locale, folder: a plan and its reasons are the same to the byte."""
    printed = {
        printed_on(machine, folder, *words)
        for machine, folder in zip(MACHINES, [*edited, edited[0]], strict=True)
    }

    assert 1 == len(printed)
    assert b"[A]#1" in printed.pop()


def test_the_same_decisions_are_the_same_file_everywhere(edited: list[Path]) -> None:
    """But for when they were made, to the second."""
    takes = ("tag[B]#1", "spin[A]#1", "tag[A]#1")
    written = set()
    for machine, folder in zip(MACHINES, [*edited, edited[0]], strict=True):
        file = folder / "shop.decisions.yaml"
        words = ("approve", "shop.yaml", *takes, "--who", "Åse", "--note", "schön, 好")
        assert b"tag[B]#1: approved" in printed_on(machine, folder, *words)
        written.add(re.sub(rb'"at": "[^"]*"', b"", file.read_bytes()))
        file.unlink()

    assert 1 == len(written)
    assert "schön, 好" in written.pop().decode("utf-8")
