"""Clips have the right size and length, and show what was asked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.sandbox.render.drawing import tag_lines, tags
from pipeline.sandbox.render.encode import probe, render

Frames = list[NDArray[np.uint8]]
RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """Return a folder for uploads."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


def _picture(uploads: Path, colour: tuple[int, int, int], role: str) -> dict[str, str]:
    path = uploads / "picture.png"
    Image.new("RGB", (320, 480), colour).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(uploads / digest)
    return {"role": role, "digest": digest, "media_type": "image/png", "name": "p.png"}


def _reel(*media: dict[str, str], **options: Any) -> dict[str, Any]:
    return {
        "style": "full",
        "width": 216,
        "height": 384,
        "seconds": 1,
        "fps": 24,
        "format": "mp4",
        "prompt": "The shoe turns.",
        "label": "spin[A1]",
        "media": list(media),
        **options,
    }


def _frames(reel: dict[str, Any], uploads: Path) -> Frames:
    path = uploads / f"clip.{reel['format']}"
    render(reel, uploads=uploads, path=path)
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)
        ]


def _middle(frame: NDArray[np.uint8]) -> list[int]:
    tall, wide = frame.shape[:2]
    spot = frame[tall // 3 : tall // 3 + 8, wide // 2 : wide // 2 + 8]
    return [int(part) for part in spot.mean(axis=(0, 1))]


def _near(colour: tuple[int, int, int], found: list[int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(colour, found, strict=True))


@pytest.mark.parametrize("style", ["plain", "full"])
@pytest.mark.parametrize("clip_format", ["mp4", "mov", "webm"])
def test_a_clip_has_the_size_and_length_asked_for(
    uploads: Path, style: str, clip_format: str
) -> None:
    """Whatever the format, size, frames and rate are those of the reel."""
    reel = _reel(_picture(uploads, RED, "reference"), style=style, format=clip_format)

    frames = _frames(reel, uploads)

    assert (24, (384, 216, 3)) == (len(frames), frames[0].shape)
    found = probe(uploads / f"clip.{clip_format}")
    assert (216, 384, 24.0) == (found["width"], found["height"], found["fps"])
    assert 1.0 == pytest.approx(found["seconds"], abs=0.1)


def test_a_clip_travels_from_its_first_frame_to_its_last(uploads: Path) -> None:
    """It begins with the one and ends with the other."""
    first, last = _picture(uploads, RED, "first"), _picture(uploads, BLUE, "last")

    frames = _frames(_reel(first, last), uploads)

    assert _near(RED, _middle(frames[0]))
    assert _near(BLUE, _middle(frames[-1]))


def test_every_reference_is_seen(uploads: Path) -> None:
    """Several references come one after another."""
    media = [_picture(uploads, RED, "reference"), _picture(uploads, BLUE, "reference")]

    frames = _frames(_reel(*media), uploads)

    assert _near(RED, _middle(frames[3]))
    assert _near(BLUE, _middle(frames[20]))


def test_an_edited_video_is_played(uploads: Path) -> None:
    """The clip shows the video that was uploaded."""
    source = _reel(_picture(uploads, RED, "first"))
    render(source, uploads=uploads, path=uploads / "source.mp4")
    clip = {"role": "edit", "digest": "source.mp4", "media_type": "video/mp4", "name": "s.mp4"}

    assert _near(RED, _middle(_frames(_reel(clip), uploads)[12]))


def test_a_guide_is_seen_in_a_corner(uploads: Path) -> None:
    """The clip shows its references, and the guiding video beside them."""
    source = _reel(_picture(uploads, BLUE, "first"), width=384, height=216)
    render(source, uploads=uploads, path=uploads / "guide.mp4")
    clip = {"role": "guide", "digest": "guide.mp4", "media_type": "video/mp4", "name": "g.mp4"}

    frame = _frames(_reel(_picture(uploads, RED, "first"), clip), uploads)[12]

    assert _near(RED, _middle(frame))
    assert _near(BLUE, [int(part) for part in frame[30:34, 170:174].mean(axis=(0, 1))])


def test_an_edited_video_keeps_its_shape(uploads: Path) -> None:
    """A wide video in a tall frame is seen whole, with a ground above and below it."""
    source = _reel(_picture(uploads, BLUE, "first"), width=384, height=216, prompt="", label="")
    render(source, uploads=uploads, path=uploads / "source.mp4")
    clip = {"role": "edit", "digest": "source.mp4", "media_type": "video/mp4", "name": "s.mp4"}

    frame = _frames(_reel(clip), uploads)[12]

    column = frame[:, 108].astype(int)
    blue = (column[:, 2] > 170) & (column[:, 0] < 80)
    assert 60 < blue.sum() < 122  # 216 pixels wide, it is 121.5 pixels high
    assert not blue[:120].any()


def test_the_references_of_an_edit_are_seen_small(uploads: Path) -> None:
    """The corner shows what the video is to be changed to."""
    source = _reel(_picture(uploads, BLUE, "first"))
    render(source, uploads=uploads, path=uploads / "source.mp4")
    clip = {"role": "edit", "digest": "source.mp4", "media_type": "video/mp4", "name": "s.mp4"}

    frame = _frames(_reel(clip, _picture(uploads, RED, "reference")), uploads)[12]

    assert _near(BLUE, _middle(frame))
    assert _near(RED, [int(part) for part in frame[20:30, 185:195].mean(axis=(0, 1))])


def test_what_is_not_held_becomes_a_card(uploads: Path) -> None:
    """A medium of which only the name is known can still be shown."""
    for role in ("first", "reference", "guide", "edit"):
        card = {"role": role, "digest": "", "media_type": "", "name": "winter look.jpg"}
        assert 24 == len(_frames(_reel(card), uploads))


def test_the_timecode_runs(uploads: Path) -> None:
    """Two frames of a standing picture differ where the timecode is."""
    frames = _frames(_reel(_picture(uploads, RED, "first"), prompt=""), uploads)
    foot = [frame[-40:, -70:].astype(int) for frame in (frames[2], frames[3])]

    assert np.abs(foot[0] - foot[1]).max() > 60


def test_what_cannot_be_drawn_is_said_in_the_corner() -> None:
    """The plate below the kind of clip counts the characters, and names the first of them."""
    tangut = [chr(0x17000 + number) for number in range(5)]

    assert ["rehearsal | text"] == tag_lines([], "a red shoe")
    assert "1 character not drawn: U+17000" == tag_lines([], f"a {tangut[0]} {tangut[0]}")[1]
    assert "5 characters not drawn: U+17000 U+17001 U+17002 …" == tag_lines([], "".join(tangut))[1]

    plain, told = (tags([], text, (720, 1280)) for text in ("a red shoe", f"a {tangut[0]}"))
    assert told.height > plain.height
    assert told.width > plain.width


def test_a_clip_shows_that_corner(uploads: Path) -> None:
    """A clip whose prompt has such a character differs in its corner from one without."""
    clean, told = (
        _frames(_reel(_picture(uploads, RED, "first"), prompt=text), uploads)[12][:60, :150]
        for text in ("a b", "a \U00017000")
    )

    assert np.abs(clean.astype(int) - told.astype(int)).max() > 60


def test_the_same_reel_is_the_same_clip(uploads: Path) -> None:
    """Rendered twice, a clip has the same bytes."""
    reel = _reel(_picture(uploads, RED, "reference"), _picture(uploads, BLUE, "reference"))
    first, second = uploads / "one.mp4", uploads / "two.mp4"

    render(reel, uploads=uploads, path=first)
    render(reel, uploads=uploads, path=second)

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("prompt", ["", "x" * 2500, "Größe 日本 😀\nЖ", "word " * 500])
def test_any_prompt_can_be_set(uploads: Path, prompt: str) -> None:
    """Empty, endless, and in any script: a clip comes out."""
    assert 24 == len(_frames(_reel(prompt=prompt), uploads))
    picture = _picture(uploads, RED, "reference")
    assert 24 == len(_frames(_reel(picture, prompt=prompt, label=prompt), uploads))
