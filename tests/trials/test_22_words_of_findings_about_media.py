"""Findings about media say what is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trials.commands import callsheet
from tests.unit.media.clips import write_clip, write_image

TINY = """\
callsheet: 1
name: tiny
bundles: {f: {frames: {first: tiny.jpg, fit: pad}}}
shots: [{id: a, use: [f], aspect_ratio: "9:16", prompt: "@first begins to move, no text."}]
"""
CLIP = """\
callsheet: 1
name: clip
bundles: {c: {video: {file: clip.mp4, role: edit}}}
shots: [{id: a, use: [c], prompt: "@video becomes a drawing, no text."}]
"""


def test_a_frame_is_padded(tmp_path: Path) -> None:
    """The word for what `pad` does is padded, that for `crop` is cropped."""
    write_image(tmp_path / "tiny.jpg", (100, 100))
    for way in ("pad", "crop"):
        (tmp_path / f"{way}.yaml").write_text(TINY.replace("pad", way), "utf-8")

    padded, cropped = (
        callsheet(tmp_path, "check", f"{way}.yaml").stdout for way in ("pad", "crop")
    )

    assert "too-small: tiny.jpg padded to 9:16 is only" in padded
    assert "too-small: tiny.jpg cropped to 9:16 is only" in cropped


@pytest.mark.parametrize(
    ("form", "codec", "said"),
    [
        ("avi", "mpeg4", "clip.mp4 is an AVI video, which nobody takes"),
        ("matroska", "libx264", "takes videos as MOV or MP4; clip.mp4 is Matroska"),
        ("webm", "libvpx", "takes videos as MOV or MP4; clip.mp4 is WebM"),
    ],
)
def test_a_video_that_nobody_takes_is_called_a_video(
    tmp_path: Path, form: str, codec: str, said: str
) -> None:
    """What a file is called by is its content, in the words that people use."""
    ending = {"matroska": "mkv"}.get(form, form)
    made = write_clip(tmp_path / f"clip.{ending}", codec=codec)
    made.rename(tmp_path / "clip.mp4")
    (tmp_path / "m.yaml").write_text(CLIP, "utf-8")

    checked = callsheet(tmp_path, "check", "m.yaml").stdout

    assert "wrong-media: " in checked
    assert said in checked
