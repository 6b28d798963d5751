"""Input that is made to hurt is refused with a finding: soon, and within little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.manifests.examination import examined
from tests.manifests.hostile import CASES

MOST_CHECKS = 100
"""Of a plain campaign: the slowest of these takes as long as 50."""
MOST_MB = 500


@pytest.mark.parametrize(("slug", "build"), CASES.values(), ids=CASES.keys())
def test_it_is_refused_soon_and_small(slug: str, build: Any, tmp_path: Path) -> None:
    """`check` tells why, exits with 3, and takes neither long nor much."""
    build(tmp_path)

    told = examined(tmp_path, "check", "m.yaml")

    assert 3 == told.exit, told.printed[-2000:]
    assert f": {slug}: " in told.printed
    assert told.checks < MOST_CHECKS
    assert told.megabytes < MOST_MB


@pytest.mark.parametrize(
    ("selection", "code"),
    [
        (f"shot:{'*a' * 3_000}b", 3),
        (f"row.name:{'*a' * 90}b", 3),
        (f"row.name:{'a*' * 90}", 0),
        (f'"s[{"*" * 5_000}]"', 0),
        ("(" * 3_000 + "tag:a" + ")" * 3_000, 3),
        ("tag:a," * 3_000, 3),
        (f"cost:>{'9' * 5_000}", 3),
    ],
)
def test_a_pattern_is_matched_soon_or_refused(selection: str, code: int, tmp_path: Path) -> None:
    """Stars, brackets and numbers without end in a selection: no text makes them slow."""
    (tmp_path / "t.csv").write_text(f"k,name\nA,{'a' * 5_000}\n", "utf-8")
    spec = "tables: {t: {file: t.csv, key: k}}\nshots: [{id: s, for: t, prompt: A cup.}]\n"
    (tmp_path / "m.yaml").write_text(f"callsheet: 1\nname: x\n{spec}", "utf-8")

    told = examined(tmp_path, "ls", "m.yaml", "--select", selection)

    assert code == told.exit, told.printed[-2000:]
    assert told.checks < MOST_CHECKS
