"""The pictures of README and guide, made from a rehearsal: `python -m tests.docs.pictures`.

The campaign of README is rehearsed with one refusal, watched, and reviewed in a browser, as a
person would. Whoever changes what is to be seen makes the pictures anew, and looks at them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import av
from PIL import Image
from rich.console import Console

from pipeline.domain import Event
from pipeline.report.progress_panel import draw_progress
from pipeline.report.run_progress import RunProgress, RunStart, RunTally
from tests.architecture.source import REPOSITORY
from tests.browser.chromium import Page, chromium
from tests.browser.page_checks import show
from tests.browser.serving import serving

FOLDER = REPOSITORY / "docs" / "pictures"
_CAMPAIGN = "spring-sneakers"
_MANIFEST = f"{_CAMPAIGN}/campaign.yaml"
_SCENARIO = {
    "timing": {"accept_s": [0.1, 0.4], "run_s": [4, 9]},
    "faults": [{"fault": "refused", "address": "*SKU-1002*"}],
}
_WIDTH, _HEIGHT = 1280, 860
_QUALITY = 80
_FRAMES, _FRAME_HEIGHT = 4, 420
_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)
_SEEN = """[...document.querySelectorAll('.poster')]
  .filter((poster) => poster.getBoundingClientRect().top < innerHeight)
  .every((poster) => 'drawn' in poster.dataset)"""
_VERDICTS = (*("a" * 7), ("r", "2"), *("a" * 4), "l", *("a" * 3))
"""What the reviewer presses, one clip after the other."""


def main() -> None:
    """Write every picture into `docs/pictures`."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copytree(REPOSITORY / "manifests" / _CAMPAIGN, folder / _CAMPAIGN)
        (folder / "callsheet.toml").write_text('root = "outputs"\n', "utf-8")
        (folder / "scenario.json").write_text(json.dumps(_SCENARIO), "utf-8")
        progress = _rehearse(folder)
        _save_frames(min(folder.rglob("outputs/**/*.mp4")), FOLDER / "clip.webp")
        os.environ["LOGNAME"] = "ann"
        with chromium(folder / "profile") as browser:
            _save_panel(browser, progress, folder)
            with serving("pipeline", "review", _MANIFEST, "--rehearse", folder=folder) as (_, page):
                _review(browser, page, folder)


def _rehearse(folder: Path) -> RunProgress:
    """Make the clips; return how the run stood when there was most to be seen."""
    words = ["run", _MANIFEST, "--rehearse", "--scenario", "scenario.json", "--format", "ndjson"]
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    first, *events = [json.loads(line) for line in ran.stdout.splitlines()]
    names = RunStart.__dataclass_fields__
    known = {name: value for name, value in _plain(first["detail"]).items() if name in names}
    # All that is left is to be bought: nothing was sent before.
    tally = RunTally(RunStart(at=_time(first), to_make=known["left"], **known))
    return max(_moments(tally, events), key=_how_much)


def _moments(tally: RunTally, events: list[Mapping[str, Any]]) -> Iterator[RunProgress]:
    for told in events:
        detail = _plain(told["detail"])
        named = {name: told[name] for name in ("provider", "address")}
        tally.take(Event(name=told["event"], at=_time(told), detail=detail, **named))
        yield tally.snapshot(_time(told))


def _how_much(progress: RunProgress) -> tuple[bool, bool, int, int]:
    rate, trouble = progress.per_minute is not None, progress.trouble is not None
    told = sum(len(lane.told) for lane in progress.lanes)
    return rate, trouble, min(told, 4) + min(progress.waiting, 4), progress.done


def _plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {n: Decimal(str(v)) if n.endswith("_usd") else v for n, v in detail.items()}


def _time(told: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(told["at"])


def _save_panel(browser: Page, progress: RunProgress, folder: Path) -> None:
    console = Console(file=StringIO(), record=True, width=80, force_terminal=True)
    console.print(draw_progress(progress, 80, UTC))
    title = f"callsheet run {_MANIFEST} --rehearse"
    # Drawn with a font of this machine: nothing is loaded.
    drawing = _FONT.sub("", console.export_svg(title=title))
    drawing = drawing.replace("Fira Code", "DejaVu Sans Mono")
    (folder / "panel.svg").write_text(drawing, "utf-8")
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    assert found
    width, height = (round(float(side)) for side in found.groups())
    browser.open(folder / "panel.svg", width=width, height=height)
    _save(browser, "panel", folder)


def _review(browser: Page, address: str, folder: Path) -> None:
    """Decide on some clips, and take a picture of each view."""
    browser.open(f"{address}#view=sitting", width=_WIDTH, height=_HEIGHT)
    for keys in _VERDICTS:
        browser.until("document.querySelector('#stage video')?.readyState >= 2")
        browser.press(*keys)
        browser.until("Decisions.isSettled()")
    browser.until("document.querySelector('#stage video').currentTime > 1")
    browser.value("document.querySelector('#stage video').pause()")
    browser.until("[...document.querySelectorAll('#references img')].every((i) => i.complete)")
    _save(browser, "sitting", folder)
    # Loaded anew: the tables of the first screen are the server's, a moment after a decision.
    browser.open(address, width=_WIDTH, height=_HEIGHT)
    browser.until("[...document.querySelectorAll('#waiting-strip img')].every((i) => i.complete)")
    _save(browser, "overview", folder)
    show(browser, "clips")
    browser.until(_SEEN)
    browser.value("document.activeElement.blur()")
    _save(browser, "clips", folder)
    assert [] == browser.complaints


def _save(browser: Page, name: str, folder: Path) -> None:
    browser.screenshot(folder / "screen.png")
    with Image.open(folder / "screen.png") as picture:
        picture.convert("RGB").save(FOLDER / f"{name}.webp", quality=_QUALITY, method=6)


def _save_frames(clip: Path, target: Path) -> None:
    """Save frames of a clip side by side, at even distances."""
    with av.open(str(clip)) as file:
        frames = [
            frame.to_image()  # type: ignore[no-untyped-call]  # PyAV's stubs
            for frame in file.decode(video=0)
        ]
    step = len(frames) // _FRAMES
    chosen = [frames[step // 2 + n * step] for n in range(_FRAMES)]
    width = round(chosen[0].width * _FRAME_HEIGHT / chosen[0].height)
    strip = Image.new("RGB", (_FRAMES * (width + 8) - 8, _FRAME_HEIGHT), "white")
    for n, frame in enumerate(chosen):
        strip.paste(frame.resize((width, _FRAME_HEIGHT)), (n * (width + 8), 0))
    strip.save(target, quality=_QUALITY, method=6)


if __name__ == "__main__":
    main()
