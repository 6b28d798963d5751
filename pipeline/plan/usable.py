"""Whether local media can be used: type, bytes, pixels, ratio, seconds and frame rate.

The same checks run against the model's limits and a provider's; of a URL nothing is known, so
nothing is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePath

from pipeline.domain import Kind, Media, MediaLimits, Offer, Reference, Terms
from pipeline.plan.compatible import Misfit
from pipeline.plan.rules import (
    CLIP_SLACK_S,
    MODEL_CLIPS,
    MODEL_IMAGES,
    MODEL_TERMS,
    MODEL_TITLE,
    RATIOS,
    TOLERANCE,
)

_MEGA = 1_000_000


def near_ratio(width: int, height: int) -> str | None:
    """Return the model's ratio that these sides have, within the tolerance."""
    return next((name for name in RATIOS if has_ratio(width, height, name)), None)


def has_ratio(width: int, height: int, ratio: str) -> bool:
    """Tell whether the sides have a ratio, within the tolerance."""
    return height > 0 and abs(width / height / RATIOS[ratio] - 1) <= TOLERANCE


def unusable(
    references: Iterable[Reference], kind: Kind, offer: Offer | None = None
) -> Iterator[tuple[Reference, Misfit]]:
    """Yield what is wrong with local media for the model, or for one provider's offer."""
    terms = offer.kinds.get(kind) if offer else MODEL_TERMS[kind]
    if terms is None:
        return
    limits = offer.images if offer else MODEL_IMAGES
    for reference in references:
        for media in reference.media:
            if media.local:
                found = (
                    _video(media, terms) if media.media_type == "video" else _image(media, limits)
                )
                found = found or (_not_taken(media, offer) if offer else None)
                if found:
                    yield reference, _misfit(found, media, reference, offer)


Found = tuple[str, str]
"""Slug, and what the file has that the limit is against."""


def _misfit(found: Found, media: Media, reference: Reference, offer: Offer | None) -> Misfit:
    slug, message = found
    who = offer.title if offer else MODEL_TITLE
    name = PurePath(media.source).name
    return Misfit(
        slug=slug, message=f"{who} {message}; {name} {_HAS[slug](media)}", part=reference.role.value
    )


def _not_taken(media: Media, offer: Offer) -> Found | None:
    if media.media_type in offer.uploads:
        return None
    return "no-upload", f"takes {media.media_type}s only as public addresses"


def _image(media: Media, limits: MediaLimits) -> Found | None:
    if media.format not in limits.formats:
        return "wrong-media", f"takes images as {_listed(limits.formats)}"
    if media.bytes > limits.max_bytes:
        return "too-large", f"takes images of at most {limits.max_bytes / _MEGA:g} MB"
    if min(media.width, media.height) < limits.min_side:
        return "too-small", f"takes images of at least {limits.min_side} pixels a side"
    if not limits.min_ratio <= media.width / media.height <= limits.max_ratio:
        between = f"{limits.min_ratio:g} and {limits.max_ratio:g}"
        return "extreme-ratio", f"takes images whose width is between {between} of their height"
    return None


def _video(media: Media, terms: Terms) -> Found | None:
    clips = MODEL_CLIPS
    if media.format not in clips.formats:
        return "wrong-media", f"takes videos as {_listed(clips.formats)}"
    if media.bytes > terms.clip_max_bytes:
        return "too-large", f"takes videos of at most {terms.clip_max_bytes / _MEGA:g} MB"
    sides = (media.width, media.height)
    if min(sides) < clips.min_side or max(sides) > clips.max_side:
        return "clip-size", f"takes videos of {clips.min_side} to {clips.max_side} pixels a side"
    if terms.clip_seconds and not _within(media.seconds, terms.clip_seconds):
        low, high = terms.clip_seconds
        return "clip-seconds", f"takes videos of {low:g} to {high:g} seconds here"
    if media.fps is not None and not clips.min_fps <= media.fps <= clips.max_fps:
        return "clip-rate", "takes videos of 24 to 60 frames a second"
    return None


def _within(seconds: float | None, bounds: tuple[float, float]) -> bool:
    if seconds is None:
        return True
    return bounds[0] - CLIP_SLACK_S <= seconds <= bounds[1] + CLIP_SLACK_S


def _listed(words: Iterable[str]) -> str:
    return " or ".join(sorted(word.upper() for word in words))


def _pixels(media: Media) -> str:
    return f"is {media.width} × {media.height}"


ADVICE: dict[str, str] = {
    "wrong-media": "save it as one of these",
    "extreme-ratio": "crop it",
    "too-small": "use a larger picture",
    "clip-size": "scale the video",
    "clip-seconds": "cut the video",
    "clip-rate": "convert it to 24, 25, 30 or 60 frames a second",
}
"""What to do where the model itself does not take a file."""
_HAS: dict[str, Callable[[Media], str]] = {
    "wrong-media": lambda media: f"is {media.format.upper()}",
    "too-large": lambda media: f"has {media.bytes / _MEGA:.1f} MB",
    "too-small": _pixels,
    "extreme-ratio": _pixels,
    "clip-size": _pixels,
    "clip-seconds": lambda media: f"has {media.seconds:.2f}",
    "clip-rate": lambda media: f"has {media.fps:g}",
    "no-upload": lambda _: "is a local file",
}
