"""The command line in a process of its own, as a person has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def callsheet(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what a command printed in a folder, and how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def rehearse(folder: Path, manifest: str, *arguments: str) -> list[dict[str, Any]]:
    """Rehearse a whole campaign, and return its items from report.json."""
    ran = callsheet(folder, "run", manifest, "--rehearse", "--yes", *arguments)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    (report,) = (folder / "outputs" / "rehearsal").glob("*/report/report.json")
    items: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["items"]
    return items


def sent_files(folder: Path) -> list[Path]:
    """Return what a rehearsal uploaded, as it was kept."""
    assets = folder / "outputs" / "rehearsal" / ".callsheet" / "assets"
    return sorted(path for path in assets.iterdir() if not path.suffix)
