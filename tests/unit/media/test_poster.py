"""One still stands for a clip."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageStat

from pipeline.errors import MediaFault
from pipeline.media.video import probe_with_poster
from tests.unit.media.clips import write_clip


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.webp", "WEBP")])
def test_a_poster_is_small_and_keeps_the_shape(tmp_path: Path, name: str, kind: str) -> None:
    """At most 480 pixels on the long side, in the format its name says."""
    clip = write_clip(tmp_path / "a.mp4", size=(360, 640))

    probe_with_poster(clip, tmp_path / "posters" / name)

    with Image.open(tmp_path / "posters" / name) as picture:
        assert (kind, (270, 480)) == (picture.format, picture.size)


def test_a_small_clip_is_not_blown_up(tmp_path: Path) -> None:
    """Pixels are not invented."""
    probe_with_poster(write_clip(tmp_path / "a.mp4"), tmp_path / "a.jpg")

    with Image.open(tmp_path / "a.jpg") as picture:
        assert (96, 160) == picture.size


def test_a_black_opening_is_passed_over(tmp_path: Path) -> None:
    """A fade from black that lasts half the clip is not what stands for it."""
    probe_with_poster(write_clip(tmp_path / "a.mp4", seconds=2, black_s=1), tmp_path / "a.jpg")

    with Image.open(tmp_path / "a.jpg") as picture:
        assert ImageStat.Stat(picture.convert("L")).stddev[0] > 20


def test_a_clip_that_is_black_throughout_has_a_poster(tmp_path: Path) -> None:
    """Where there is nothing to see, the first choice is taken."""
    probe_with_poster(write_clip(tmp_path / "a.mp4", black_s=9), tmp_path / "a.jpg")

    assert (tmp_path / "a.jpg").is_file()


def test_a_clip_that_does_not_play_leaves_no_poster(tmp_path: Path) -> None:
    """A fault, and no half-written file."""
    (tmp_path / "a.mp4").write_bytes(b"no clip")

    with pytest.raises(MediaFault):
        probe_with_poster(tmp_path / "a.mp4", tmp_path / "a.jpg")

    assert not (tmp_path / "a.jpg").exists()
