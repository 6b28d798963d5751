"""A provider from another package, installed beside this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import pytest

from pipeline.providers.plugins import plugins
from tests.architecture.source import REPOSITORY
from tests.conformance.stage import film as make_film

PACKAGE = REPOSITORY / "tests" / "guest"
KEYS = {"GUESTHOUSE_API_KEY": "a-guests-key"}
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
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200", **KEYS},
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


def test_it_is_checked_planned_run_and_reported(installed: Path, tmp_path: Path) -> None:
    """A provider from a package makes clips like everybody's: bought once, paid, and reported."""
    manifest, root = tmp_path / "visit.yaml", tmp_path / "root"
    manifest.write_text(MANIFEST, "utf-8")
    house = House(tmp_path / "film.mp4")
    words = [str(manifest), "--root", str(root), "--base-url", f"guesthouse={house.address}"]
    with house:
        checked = _callsheet(installed, ["check", str(manifest)])
        planned = _callsheet(installed, ["plan", str(manifest), "--root", str(root)])
        ran = _callsheet(installed, ["run", *words, "--yes", "--quiet"])
        again = _callsheet(installed, ["run", *words, "--yes", "--quiet"])
        reported = _callsheet(installed, ["report", str(manifest), "--root", str(root)])

    assert [0, 0, 0, 0, 0] == [
        done.returncode for done in (checked, planned, ran, again, reported)
    ], ran.stdout + ran.stderr
    assert ["Bearer a-guests-key"] == house.bought
    (item,) = json.loads((root / "visit" / "report" / "report.json").read_text("utf-8"))["items"]
    assert ("done", "guesthouse") == (item["state"], item["provider"])
    (clip,) = root.glob("visit/door*/**/*.mp4")
    assert house.film.read_bytes() == clip.read_bytes()


def test_it_cannot_be_rehearsed(installed: Path, tmp_path: Path) -> None:
    """The sandbox does not play it, which is said before anything is sent."""
    manifest = tmp_path / "visit.yaml"
    manifest.write_text(MANIFEST, "utf-8")

    told = _callsheet(
        installed, ["run", str(manifest), "--root", str(tmp_path / "root"), "--rehearse", "--yes"]
    )

    assert 3 == told.returncode
    assert "guesthouse cannot be rehearsed" in told.stderr


class House:
    """The guest's provider on loopback: one clip, and a list of who bought."""

    def __init__(self, film: Path) -> None:
        self.film = film
        make_film(film, seconds=5)
        self.bought: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Door, self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Door(BaseHTTPRequestHandler):
    def __init__(self, house: House, *words: Any) -> None:
        self._house = house
        super().__init__(*words)

    def do_POST(self) -> None:
        """Sell a clip."""
        self.rfile.read(int(self.headers["content-length"]))
        self._house.bought.append(self.headers["authorization"])
        self._answer(b"{}")

    def do_GET(self) -> None:
        """Say that it is finished, or give it."""
        self._answer(self._house.film.read_bytes() if self.path.endswith(".mp4") else b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_nobody_takes_the_name_of_another(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that calls itself like a provider there is, is left out with a warning."""
    monkeypatch.syspath_prepend(str(installed))
    point = EntryPoint("x", "guest_provider:Guesthouse", "callsheet.providers")

    with pytest.warns(RuntimeWarning, match="there is a provider 'guesthouse' already"):
        assert [] == list(plugins(["guesthouse"], [point]))
