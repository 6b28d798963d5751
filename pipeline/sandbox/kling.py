"""Kling O1 itself, whoever sells it: the pixels it makes, and the media it takes.

From the model's own pages and the resellers' that repeat them (read in 2026).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.sandbox.media_store import MediaStore, NamedMedium

Size = tuple[int, int]
# Mode and aspect ratio to pixels.
SIZES: Mapping[str, Mapping[str, Size]] = {
    "std": {"16:9": (1280, 720), "1:1": (960, 960), "9:16": (720, 1280)},
    "pro": {"16:9": (1920, 1080), "1:1": (1440, 1440), "9:16": (1080, 1920)},
}
# The model's own page; its resellers repeat it.
CLIP_SECONDS = (3.0, 10.0)
ANY_SECONDS = (0.0, float("inf"))
MAX_IMAGES = 7
MAX_IMAGES_WITH_CLIP = 4
# What it makes from text alone, or from text and a first frame.
SHORT_DURATIONS = (5, 10)
# The length of a video nobody can look into.
_UNKNOWN_SECONDS = 5.0
_CLIP_ROLES = frozenset({"guide", "edit"})
# 700 in the newest copy, 720 in the others: the stricter.
_CLIP_SIDES = (720, 2160)
# 24 to 60, as people count: film has 23.976, and a short clip a frame more than its length says.
_CLIP_FPS = (23.9, 60.6)
# Lengths are kept in thousandths; the model's own clip of 10 s lasts 10.04.
_EARLY_S, _LATE_S = 0.001, 0.05
_CLIP_BYTES = 200_000_000
_IMAGE_SIDE = 300
_IMAGE_RATIO = (0.4, 2.5)
_IMAGE_BYTES = 10_000_000


def output_size(
    sizes: Mapping[str, Size],
    media: Sequence[NamedMedium],
    *,
    ratio: str = "16:9",
    follow: Sequence[str] = (),
) -> Size:
    """Return the pixels of a clip: of its mode's sizes, or after a medium that leads.

    An edit has its video's own ratio and the mode's short side, whatever else is referred to. A
    medium with a role to `follow` leads to the size that is nearest; which one the providers take
    is stated nowhere. One that nobody can look into leads to the first.
    """
    first = next(iter(sizes.values()))
    leader = next((each for role in ("edit", *follow) for each in media if each.role == role), None)
    if leader is None:
        return sizes[ratio]
    if leader.stored is None:
        return first
    led = leader.stored.width / leader.stored.height
    if leader.role != "edit":
        return min(sizes.values(), key=lambda size: abs(size[0] / size[1] - led))
    short = min(first)
    long = round(short * max(led, 1 / led) / 2) * 2
    return (long, short) if led >= 1 else (short, long)


def clip_length(
    media: Sequence[NamedMedium], *, roles: Sequence[str] = ("edit",), least: float = 0.0
) -> float | None:
    """Return how long the video lasts that a clip's length follows; None where none leads.

    `least` is what it must last; one that nobody can look into lasts that, or five seconds.
    """
    clips = [each.stored for each in media if each.role in roles]
    if not clips:
        return None
    return (clips[0] and clips[0].seconds) or max(_UNKNOWN_SECONDS, least)


def medium_errors(
    store: MediaStore,
    medium: NamedMedium,
    *,
    clip_seconds: tuple[float, float] = CLIP_SECONDS,
    clip_bytes: int = _CLIP_BYTES,
) -> Iterator[str]:
    """Yield why a medium cannot be used: not there, of the wrong kind, or beyond the limits."""
    stored = medium.stored
    if stored is None:
        if store.is_gone(medium):
            yield "cannot be fetched"
        return
    is_clip = stored.media_type.startswith("video/")
    if is_clip != (medium.role in _CLIP_ROLES):
        yield f"cannot be {stored.media_type}"
        return
    ratio, sides = stored.width / stored.height, sorted((stored.width, stored.height))
    if is_clip:
        low, high = clip_seconds
        seconds, fps = stored.seconds, stored.fps
        limits = [
            (stored.size <= clip_bytes, f"at most {clip_bytes // 1_000_000} MB"),
            (
                _CLIP_SIDES[0] <= sides[0] and sides[1] <= _CLIP_SIDES[1],
                "each side must be 720 to 2160 px",
            ),
            (
                seconds is None or low - _EARLY_S <= seconds <= high + _LATE_S,
                f"must last {low:g} to {high:g} s",
            ),
            # Some files do not say how many they have.
            (
                not fps or _CLIP_FPS[0] <= fps <= _CLIP_FPS[1],
                "must have 24 to 60 frames per second",
            ),
        ]
    else:
        limits = [
            (sides[0] >= _IMAGE_SIDE, "each side must be 300 px or more"),
            (
                _IMAGE_RATIO[0] <= ratio <= _IMAGE_RATIO[1],
                "its ratio must be within 1:2.5 and 2.5:1",
            ),
            # One page says 50 MB, the older ones 10: the smaller.
            (stored.size <= _IMAGE_BYTES, "at most 10 MB"),
            (stored.media_type != "image/gif", "jpeg, png or webp"),
        ]
    yield from (message for fits, message in limits if not fits)
