"""A provider from another package, installed beside this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from pathlib import Path
from threading import Thread
from typing import Self

import pytest

from pipeline.providers.plugins import plugins
from tests.architecture.source import REPOSITORY
from tests.conformance.stage import film

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


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Guesthouse]:
    """Yield the guest's service on loopback: every task is a clip of five seconds."""
    clip = tmp_path / "clip.mp4"
    film(clip, seconds=5)
    with Guesthouse(clip.read_bytes()) as service:
        yield service


class Guesthouse:
    """An HTTP server that speaks as the guest's adapter expects, and counts what it sells."""

    def __init__(self, film: bytes) -> None:
        self.sold: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.sold.append(body["id"])
                self._reply(b"{}", "application/json")

            def do_GET(self) -> None:
                if self.path.endswith(".mp4"):
                    self._reply(film, "video/mp4")
                else:
                    self._reply(b"{}", "application/json")

            def _reply(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_it_is_run_and_reported(
    installed: Path, tmp_path: Path, house: Guesthouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sells one clip, which is checked, kept and in the report; a second run buys nothing."""
    manifest = tmp_path / "visit.yaml"
    manifest.write_text(MANIFEST, "utf-8")
    monkeypatch.setenv("GUESTHOUSE_API_KEY", "key-of-a-guest")
    words = [str(manifest), "--root", str(tmp_path / "root")]
    run = ["run", *words, "--yes", "--base-url", f"guesthouse={house.address}"]

    made = _callsheet(installed, run)
    again = _callsheet(installed, run)

    assert 0 == made.returncode, made.stdout + made.stderr
    assert "nothing to do: 1 item is there" in again.stdout
    assert 1 == len(house.sold)
    report = json.loads((tmp_path / "root" / "visit" / "report" / "report.json").read_text("utf-8"))
    assert ["guesthouse"] == [item["provider"] for item in report["items"]]
    assert (tmp_path / "root" / "visit" / "door" / "t1.mp4").is_file()


def test_it_is_not_rehearsed(installed: Path, tmp_path: Path) -> None:
    """The sandbox has no part of it, and says so before anything is sent."""
    manifest = tmp_path / "visit.yaml"
    manifest.write_text(MANIFEST, "utf-8")

    told = _callsheet(installed, ["run", str(manifest), "--rehearse", "--root", str(tmp_path)])

    assert 3 == told.returncode
    assert "Guesthouse cannot be rehearsed: the sandbox has no part of it" in told.stderr


def test_nobody_takes_the_name_of_another(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that calls itself like a provider there is, is left out with a warning."""
    monkeypatch.syspath_prepend(str(installed))
    point = EntryPoint("x", "guest_provider:Guesthouse", "callsheet.providers")

    with pytest.warns(RuntimeWarning, match="there is a provider 'guesthouse' already"):
        assert [] == list(plugins(["guesthouse"], [point]))
