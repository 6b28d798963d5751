"""A clip can be told whose it is without touching a frame."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import av
import pytest

from pipeline.sandbox.media_host import tag_mp4
from pipeline.sandbox.render.encode import render

PLAIN = {"style": "plain", "width": 64, "height": 96, "seconds": 0.5, "fps": 24, "format": "mp4"}


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    """Return a short plain clip."""
    path = tmp_path / "clip.mp4"
    render(PLAIN, uploads=tmp_path, path=path)
    return path.read_bytes()


def test_a_stamped_clip_says_whose_it_is_and_still_plays(clip: bytes) -> None:
    """Comment and title are read by FFmpeg, and every frame is there."""
    told = tag_mp4(clip, comment="callsheet-task:7", title="Größe – „ja“")

    with av.open(BytesIO(told), "r") as container:
        assert "callsheet-task:7" == container.metadata["comment"]
        assert "Größe – „ja“" == container.metadata["title"]
        assert 12 == sum(1 for _ in container.decode(video=0))


def test_a_stamp_replaces_the_one_before(clip: bytes) -> None:
    """Stamping twice leaves one text, not two."""
    once = tag_mp4(clip, comment="a", title="b")

    assert once == tag_mp4(tag_mp4(clip, comment="x" * 99, title="y"), comment="a", title="b")


def test_a_stamped_clip_can_be_padded(clip: bytes) -> None:
    """A load test asks for clips of a size; what is larger already stays as it is."""
    assert 50_000 == len(tag_mp4(clip, comment="a", title="b", size=50_000))
    assert len(tag_mp4(clip, comment="a", title="b")) == len(
        tag_mp4(clip, comment="a", title="b", size=10)
    )


def test_what_is_no_clip_is_refused() -> None:
    """Boxes that do not add up are an error, not a damaged clip."""
    with pytest.raises(ValueError, match="box"):
        tag_mp4(b"\0\0\0\xffftypisom", comment="a", title="b")
