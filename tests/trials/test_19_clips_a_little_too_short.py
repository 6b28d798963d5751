"""check and the sandbox say the same of a clip's length and frame rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.sandboxes import Sandbox
from tests.trials.commands import callsheet, make
from tests.unit.media.clips import write_clip

MANIFEST = """\
callsheet: 1
name: short
bundles: {walk: {video: {file: walk.mp4, role: edit}}}
shots: [{id: a, use: [walk], prompt: "@video becomes a drawing, no text."}]
budget: {limit: 40 USD}
"""


@pytest.mark.parametrize("rate", [24_000, 30_000, 60_000])
def test_the_rates_of_film_and_television_are_taken(
    tmp_path: Path, sandbox: Sandbox, rate: int
) -> None:
    """23.976, 29.97 and 59.94 are what people mean by 24, 30 and 60."""
    fps = Fraction(rate, 1001)
    write_clip(tmp_path / "walk.mp4", size=(1280, 720), fps=fps, seconds=3.1, black_s=9)
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")

    assert "no findings" in callsheet(tmp_path, "check", "m.yaml").stdout
    assert ["done"] == [item["state"] for item in make(tmp_path, sandbox, "m.yaml")]


def test_a_clip_that_is_a_frame_too_short_is_a_finding(tmp_path: Path) -> None:
    """A clip must last 3 s: 2.986 is told before anything is sent."""
    fps = Fraction(60_000, 1001)
    write_clip(tmp_path / "walk.mp4", size=(1280, 720), fps=fps, seconds=2.986, black_s=9)
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")

    checked = callsheet(tmp_path, "check", "m.yaml")

    assert 3 == checked.returncode
    assert "clip-seconds: Kling O1 takes videos of 3 to 10 seconds here" in checked.stdout
    assert "walk.mp4 has 2.986" in checked.stdout
