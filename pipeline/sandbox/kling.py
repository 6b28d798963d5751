"""Kling O1 itself, whoever sells it: the pixels it makes, and the media it takes.

From the model's own pages and the resellers' that repeat them (read in 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pipeline.sandbox.records import Upload

Size = tuple[int, int]
SIZES: Mapping[str, Mapping[str, Size]] = MappingProxyType(
    {
        "std": MappingProxyType({"16:9": (1280, 720), "1:1": (960, 960), "9:16": (720, 1280)}),
        "pro": MappingProxyType({"16:9": (1920, 1080), "1:1": (1440, 1440), "9:16": (1080, 1920)}),
    }
)
"""Mode and aspect ratio to pixels."""
CLIP_SECONDS = (3.0, 10.0)
MAX_IMAGES = 7
MAX_IMAGES_WITH_CLIP = 4
SHORT_DURATIONS = (5, 10)
"""What it makes from text alone, or from text and a first frame."""
UNKNOWN_SECONDS = 5.0
"""The length of a video nobody can look into."""
_CLIP_SIDES = (720, 2160)
_CLIP_FPS = (24.0, 60.0)
_CLIP_BYTES = 200_000_000
_IMAGE_SIDE = 300
_IMAGE_RATIO = (0.4, 2.5)
_IMAGE_BYTES = 10_000_000


def nearest(sizes: Sequence[Size], image: Upload | str) -> Size:
    """Return the size whose ratio is nearest to a picture's; the first where it is not ours.

    Which size follows a picture is stated nowhere.
    """
    if isinstance(image, str):
        return sizes[0]
    ratio = image.width / image.height
    return min(sizes, key=lambda size: abs(size[0] / size[1] - ratio))


def edited(sizes: Sequence[Size], clip: Upload | str) -> Size:
    """Return the size of an edited video: its own ratio, the mode's short side."""
    if isinstance(clip, str):
        return sizes[0]
    ratio = clip.width / clip.height
    short = min(sizes[0])
    long = round(short * max(ratio, 1 / ratio) / 2) * 2
    return (long, short) if ratio >= 1 else (short, long)


def seconds_of(clip: Upload | str, *, least: float = 0.0) -> float:
    """Return how long a video lasts, as far as that can be known; `least` is what it must last."""
    return (not isinstance(clip, str) and clip.seconds) or max(UNKNOWN_SECONDS, least)


def misfits(medium: Upload, *, clip_seconds: tuple[float, float] = CLIP_SECONDS) -> Iterator[str]:
    """Yield why the model does not take a picture or a video."""
    is_clip = medium.media_type.startswith("video/")
    limits = _clip_limits(medium, clip_seconds) if is_clip else _image_limits(medium)
    yield from (message for fits, message in limits if not fits)


def _image_limits(image: Upload) -> Iterator[tuple[bool, str]]:
    low, high = _IMAGE_RATIO
    yield min(image.width, image.height) >= _IMAGE_SIDE, "each side must be 300 px or more"
    yield low <= image.width / image.height <= high, "its ratio must be within 1:2.5 and 2.5:1"
    yield image.size <= _IMAGE_BYTES, "at most 10 MB"
    yield image.media_type != "image/gif", "jpeg, png or webp"


def _clip_limits(clip: Upload, seconds: tuple[float, float]) -> Iterator[tuple[bool, str]]:
    low, high = seconds
    smallest, largest = _CLIP_SIDES
    slowest, fastest = _CLIP_FPS
    sides = sorted((clip.width, clip.height))
    yield clip.size <= _CLIP_BYTES, "at most 200 MB"
    yield smallest <= sides[0] and sides[1] <= largest, "each side must be 720 to 2160 px"
    yield clip.seconds is None or low <= clip.seconds <= high, f"must last {low:g} to {high:g} s"
    yield not clip.fps or slowest <= clip.fps <= fastest, "must have 24 to 60 frames per second"
