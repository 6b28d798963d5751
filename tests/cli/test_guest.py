"""A provider from another package, installed beside this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pipeline.providers.plugins import plugins
from tests.architecture.source import REPOSITORY

PACKAGE = REPOSITORY / "tests" / "guest"
MANIFEST = """\
callsheet: 1
name: visit
shots: [{id: door, prompt: "A door opens, no text.", duration: 5, aspect_ratio: "9:16"}]
defaults: {provider: guesthouse}
budget: {limit: 1 USD}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the package as pip would install it, its metadata included."""
    target = tmp_path_factory.mktemp("site")
    (target / "guest_provider").symlink_to(PACKAGE / "src" / "guest_provider")
    metadata = target / "guest_provider-1.0.dist-info"
    metadata.mkdir()
    text = (PACKAGE / "pyproject.toml").read_text("utf-8")
    points = text.split('"callsheet.providers"]\n')[1].replace('"', "")
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: guest-provider\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text(f"[callsheet.providers]\n{points}")
    return target


def _callsheet(installed: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "default", "-m", "pipeline", *words],
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )


def test_it_is_in_the_table_with_its_own_price(installed: Path) -> None:
    """What it offers and costs is told like everybody's; a broken one beside it is left out."""
    told = _callsheet(installed, ["providers"])

    assert 0 == told.returncode
    head, *lines = told.stdout.splitlines()
    assert head.split()[-1] == "Guesthouse"
    (price,) = (line for line in lines if line.startswith("price, USD/s"))
    assert price.split()[-1] == "0.01"
    assert "provider guest_provider:Missing is left out: AttributeError" in told.stderr


def test_a_manifest_can_name_it(installed: Path, tmp_path: Path) -> None:
    """Its schema checks its requests, its rates price them, and what it lacks is refused."""
    manifest = tmp_path / "visit.yaml"
    manifest.write_text(MANIFEST, "utf-8")
    planned = _callsheet(installed, ["plan", str(manifest), "--root", str(tmp_path)])
    assert 0 == planned.returncode, planned.stderr
    assert "1 to make; 0.05 USD" in planned.stdout

    manifest.write_text(MANIFEST.replace("duration: 5", "duration: 7"), "utf-8")
    refused = _callsheet(installed, ["check", str(manifest)])

    assert 3 == refused.returncode
    assert "Traceback" not in refused.stderr


def test_nobody_takes_the_name_of_another(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that calls itself like a provider there is, is left out with a warning."""
    monkeypatch.syspath_prepend(str(installed))
    point = EntryPoint("x", "guest_provider:Guesthouse", "callsheet.providers")

    with pytest.warns(RuntimeWarning, match="there is a provider 'guesthouse' already"):
        assert [] == list(plugins(["guesthouse"], [point]))
