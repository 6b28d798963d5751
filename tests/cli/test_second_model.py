"""A second video model from another package, sold beside Kling O1: no product file knows it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import av
import numpy as np
import pytest

from tests.architecture.source import REPOSITORY

PACKAGE = REPOSITORY / "tests" / "second_model"
SIDES = {"16:9": (1280, 720), "21:9": (840, 360)}
MANIFEST = """\
callsheet: 1
name: coast
defaults: {provider: harbour, duration: 5}
shots:
  - id: wave
    prompt: "A wave breaks, no text."
    variants:
      matrix: {model: [kling-o1, tide-2]}
      extend:
        - {match: {model: tide-2}, set: {duration: 15, aspect_ratio: "21:9", swell: wild}}
        - {match: {model: kling-o1}, set: {aspect_ratio: "16:9"}}
budget: {limit: 1 USD}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the package as pip would install it, its metadata included."""
    target = tmp_path_factory.mktemp("site")
    (target / "second_model").symlink_to(PACKAGE / "src" / "second_model")
    metadata = target / "second_model-1.0.dist-info"
    metadata.mkdir()
    _, _, points = (PACKAGE / "pyproject.toml").read_text("utf-8").partition("[project.entry-")
    text = f"[project.entry-{points}".replace("[project.entry-points.", "[").replace('"', "")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: second-model\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(text)
    return target


class Harbour:
    """The provider's service on loopback; each clip is as long and as wide as it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.sold: dict[str, Mapping[str, Any]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.sold[body["id"]] = body
                self._reply(b"{}", "application/json")

            def do_GET(self) -> None:
                if not self.path.endswith(".mp4"):
                    self._reply(b"{}", "application/json")
                    return
                asked = service.sold[self.path.rpartition("/")[2].removesuffix(".mp4")]
                clip = folder / f"{asked['model']}.mp4"
                _film(clip, asked["seconds"], SIDES[asked["ratio"]])
                self._reply(clip.read_bytes(), "video/mp4")

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


def _film(path: Path, seconds: int, sides: tuple[int, int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *sides, "yuv420p"
        picture = np.full((sides[1], sides[0], 3), (40, 90, 160), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        for _ in range(24 * seconds):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    """Yield the service."""
    with Harbour(tmp_path) as service:
        yield service


class CommandLine:
    """The command line with the package installed, at one manifest and one root."""

    def __init__(self, site: Path, folder: Path) -> None:
        self._site, self.folder = site, folder
        self.manifest, self.root = folder / "coast.yaml", folder / "root"
        self.manifest.write_text(MANIFEST, "utf-8")

    def __call__(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what a command says of the manifest."""
        rooted = ["--root", str(self.root)]
        variables = {"PYTHONPATH": str(self._site), "HARBOUR_API_KEY": "key", "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "pipeline", command, str(self.manifest), *words, *rooted],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
        )

    def changed(self, old: str, new: str) -> str:
        """Return what a check says of the manifest with one change."""
        assert old in MANIFEST
        self.manifest.write_text(MANIFEST.replace(old, new), "utf-8")
        told = self("check")
        assert "Traceback" not in told.stderr
        return f"{told.returncode} {told.stdout}"


@pytest.fixture
def callsheet(site: Path, tmp_path: Path) -> CommandLine:
    """Return the command line at the manifest."""
    return CommandLine(site, tmp_path)


def test_it_is_planned_and_priced_beside_the_first(callsheet: CommandLine) -> None:
    """The axis makes an item of each model, at that model's own price: 5 × 0.01 and 15 × 0.02."""
    told = callsheet("ls", "--format", "json")
    assert 0 == told.returncode, told.stderr
    items = [json.loads(line) for line in told.stdout.splitlines()]

    assert [("kling-o1", 0.05), ("tide-2", 0.3)] == [
        (item["model"], item["price_usd"]) for item in items
    ]
    assert "model second_model:MISSING is left out: AttributeError" in told.stderr


def test_it_is_selected_by_its_name(callsheet: CommandLine) -> None:
    """`model:` selects by the model, and a misspelt one is told the nearest name."""
    one = callsheet("ls", "--select", "model:tide-2")
    assert ["wave[tide-2]#1"] == [line.split()[0] for line in one.stdout.splitlines()[1:]]

    wrong = callsheet("ls", "--select", "model:tide-3")
    assert 3 == wrong.returncode
    assert "did you mean 'model:tide-2'?" in wrong.stdout + wrong.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[kling-o1, tide-2]", "[kling-o1, tide-3]", "there is no model 'tide-3'"),
        ("[kling-o1, tide-2]", "[kling-o1, tide-3]", "there are: kling-o1, tide-2"),
        ("swell: wild", "swell: loud", "'swell' must be calm or wild, not 'loud'"),
        ("duration: 15,", "duration: 10,", "Tide 2 makes clips of 5 or 15 seconds"),
        ('aspect_ratio: "16:9"', 'aspect_ratio: "21:9"', "Kling O1 makes 16:9, 1:1 or 9:16"),
        ('aspect_ratio: "16:9"', "swell: calm", "Kling O1 has no setting 'swell'"),
        ("provider: harbour", "provider: runware", "Runware does not sell Tide 2"),
    ],
)
def test_each_model_is_held_to_its_own_limits(
    callsheet: CommandLine, old: str, new: str, said: str
) -> None:
    """What one model takes is refused for the other, before any money."""
    told = callsheet.changed(old, new)

    assert told.startswith("3 ")
    assert said in told


def test_it_is_made_and_reported(callsheet: CommandLine, harbour: Harbour) -> None:
    """Both clips are bought once, in spec, and the report tells them apart by model."""
    run = ["--yes", "--base-url", f"harbour={harbour.address}"]
    made = callsheet("run", *run)
    again = callsheet("run", *run)

    assert 0 == made.returncode, made.stdout + made.stderr
    assert "nothing to do" in again.stdout
    asked = {body["model"]: body for body in harbour.sold.values()}
    assert 2 == len(harbour.sold)
    assert (15, "21:9", "wild") == tuple(
        asked["tide-2"][name] for name in ("seconds", "ratio", "swell")
    )
    assert "swell" not in asked["kling-o1"]
    folder = callsheet.root / "coast" / "report"
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert {"kling-o1": 1, "tide-2": 1} == {
        share["name"]: share["done"] for share in report["by_model"]
    }
    assert {"swell": "wild"}.items() <= report["items"][1]["settings"].items()
    with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as lines:
        assert ["kling-o1", "tide-2"] == [line["model"] for line in csv.DictReader(lines)]
    assert "| Model |" in (folder / "report.md").read_text("utf-8")
