"""What a plan says does not depend on the machine that says it."""

from __future__ import annotations

import json
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
    ("diff", "shop.lock.yaml", "shop.yaml"),
    ("why", "shop.yaml", "tag[A]#1"),
    ("why", "shop.yaml", "spin[A]#1", "--format", "json"),
    # Last, for it changes what the others say.
    ("approve", "shop.yaml", "tag[B]#1", "spin[A]#1", "tag[A]#1", "--who", "Åse", "--note", "好"),
)
MACHINES: tuple[dict[str, str], ...] = (
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "4711", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
)

_ALL = """
import json, os, sys
from pipeline.cli.command_line import invoke
from pipeline.cli.console import open_standard_streams
open_standard_streams()
for words in json.loads(sys.argv[1]):
    assert invoke(words) == 0, words
    sys.stdout.flush()
    os.write(1, bytes(1))
"""
"""Every command in one process, with a zero byte behind what each prints."""


@pytest.fixture(scope="module")
def edited(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return copies of an edited campaign, in folders of other names and depths."""
    folder = tmp_path_factory.mktemp("one") / "shop"
    shutil.copytree(finished, folder)
    edits.both(
        edits.swap("Alba,12", "Ålba,13", "cups.csv"),
        edits.retouch_photo,
        edits.swap("  - id: open\n", "  - id: open\n    duration: 10\n"),
        edits.lay_out_at("x/"),
    )(folder)
    other = tmp_path_factory.mktemp("other") / "much" / "deeper" / "workshop"
    third = folder.with_name("a shop")
    for copy in (other, third):
        shutil.copytree(folder, copy)
    return [folder, other, third]


@pytest.fixture(scope="module")
def printed(edited: list[Path]) -> list[Mapping[tuple[str, ...], bytes]]:
    """Return what each of the machines prints, by the command."""
    told = [
        subprocess.run(
            [sys.executable, "-c", _ALL, json.dumps(WORDS)],
            env={**os.environ, **machine},
            cwd=folder,
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout.split(b"\0")
        for machine, folder in zip(MACHINES, edited, strict=True)
    ]
    return [dict(zip(WORDS, each, strict=False)) for each in told]


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_the_same_bytes_everywhere(
    words: tuple[str, ...], printed: list[Mapping[tuple[str, ...], bytes]]
) -> None:
    """Hash seed, time zone, locale, folder: a plan and its reasons are the same to the byte."""
    told = {each[words] for each in printed}

    assert 1 == len(told)
    assert b"[A]#1" in told.pop()


@pytest.mark.usefixtures("printed")
def test_the_same_decisions_are_the_same_file_everywhere(edited: list[Path]) -> None:
    """But for when they were made, to the second."""
    files = [(folder / "shop.decisions.yaml").read_text("utf-8") for folder in edited]
    (written,) = {re.sub(r'"at": "[^"]*"', "", text) for text in files}

    assert 3 == written.count('"who": "Åse"')
