"""Whether local media can be used: type, bytes, pixels, ratio, seconds and frame rate.

The same checks run against the model's limits and a provider's; of a URL nothing is known, so
nothing is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import PurePath

from pipeline.domain import EMPTY, Constraints, Kind, Media, MediaLimits, Offer, Reference, Shot
from pipeline.findings import Finding, Severity
from pipeline.models import ClipLimits, VideoModel
from pipeline.plan.capability_checks import Violation

_MEGA = 1_000_000
LICENCE_WARNING_DAYS = 30
_TOLERANCE = 0.02
"""How far a frame's ratio may be from the one asked for (docs/design/language.md §4)."""
_CLIP_SLACK_S = 0.05
"""A clip of "10 s" often ends some frames later."""


def near_ratio(width: int, height: int, model: VideoModel) -> str | None:
    """Return the model's ratio that these sides have, within the tolerance."""
    ratios = model.ratios.items()
    return next((name for name, ratio in ratios if is_near_ratio(width, height, ratio)), None)


def is_near_ratio(width: int, height: int, ratio: float) -> bool:
    """Tell whether the sides have a ratio, within the tolerance."""
    return height > 0 and abs(width / height / ratio - 1) <= _TOLERANCE


def unusable(
    references: Iterable[Reference], model: VideoModel, kind: Kind, offer: Offer | None = None
) -> Iterator[tuple[Reference, Violation]]:
    """Yield what is wrong with local media for the model, or for one provider's offer."""
    kinds = offer.models.get(model.name, EMPTY) if offer else model.kinds
    constraints = kinds.get(kind)
    if constraints is None:
        return
    limits = offer.images if offer else model.images
    for reference in references:
        for media in reference.media:
            if not media.local:
                continue
            if media.media_type == "video":
                found = _video_fault(media, model.clips, constraints)
            else:
                found = _image_fault(media, limits)
            if found is None and offer and media.media_type not in offer.uploads:
                found = "no-upload", f"takes {media.media_type}s only as public addresses"
            if found is not None:
                slug, message = found
                advice = _ADVICE.get(slug)
                who = offer.title if offer else model.title
                has = f"{PurePath(media.source).name} {_HAS[slug](media)}"
                yield (
                    reference,
                    Violation(
                        slug=slug,
                        message=f"{who} {message}; {has}",
                        part=reference.role.value,
                        hint=advice(media, constraints) if advice else "",
                    ),
                )


_Fault = tuple[str, str]
"""Slug, and the limit that the file is against."""


def _image_fault(media: Media, limits: MediaLimits) -> _Fault | None:
    if media.format not in limits.formats:
        return "wrong-media", f"takes images as {_format_names(limits.formats)}"
    if media.bytes > limits.max_bytes:
        return "too-large", f"takes images of at most {limits.max_bytes / _MEGA:g} MB"
    if min(media.width, media.height) < limits.min_side:
        return "too-small", f"takes images of at least {limits.min_side} pixels a side"
    if not limits.min_ratio <= media.width / media.height <= limits.max_ratio:
        between = f"{limits.min_ratio:g} and {limits.max_ratio:g}"
        return "extreme-ratio", f"takes images whose width is between {between} of their height"
    return None


def _video_fault(media: Media, clips: ClipLimits, constraints: Constraints) -> _Fault | None:
    if media.format not in clips.formats:
        return "wrong-media", f"takes videos as {_format_names(clips.formats)}"
    if media.bytes > constraints.clip_max_bytes:
        return "too-large", f"takes videos of at most {constraints.clip_max_bytes / _MEGA:g} MB"
    sides = (media.width, media.height)
    if min(sides) < clips.min_side or max(sides) > clips.max_side:
        return "clip-size", f"takes videos of {clips.min_side} to {clips.max_side} pixels a side"
    if constraints.clip_seconds and media.seconds is not None:
        low, high = constraints.clip_seconds
        if not low - _CLIP_SLACK_S <= media.seconds <= high + _CLIP_SLACK_S:
            return "clip-seconds", f"takes videos of {low:g} to {high:g} seconds here"
    if media.fps is not None and not clips.min_fps <= media.fps <= clips.max_fps:
        return "clip-rate", "takes videos of 24 to 60 frames a second"
    return None


def _format_names(formats: Iterable[str]) -> str:
    return " or ".join(sorted(name.upper() for name in formats))


def licence_faults(shot: Shot, today: date) -> Iterator[Finding]:
    """Yield the images of a shot that may not be used any more, or only for some days yet."""
    for bundle in shot.bundles:
        for image in bundle.images:
            until = image.licence_until
            if until is None:
                continue
            try:
                days = (date.fromisoformat(str(until.data)) - today).days
            except ValueError:
                message = f"{until.data} is no day of the calendar"
                yield Finding(slug="bad-value", message=message, span=until.span)
                continue
            if days < 0:
                yield Finding(
                    slug="licence-expired",
                    message=f"'{image.name}' was licensed until {until.data}",
                    span=until.span,
                    hint="renew the licence and write its new date, or use another image",
                )
            elif days <= LICENCE_WARNING_DAYS:
                yield Finding(
                    slug="licence-ends",
                    message=f"'{image.name}' is licensed until {until.data} only",
                    span=until.span,
                    severity=Severity.WARNING,
                )


def _clip_advice(media: Media, constraints: Constraints) -> str:
    low, _ = constraints.clip_seconds or (0.0, 0.0)
    short = media.seconds is not None and media.seconds < low
    return "use a longer one: it cannot be stretched" if short else "cut the video"


def _say(words: str) -> Callable[[Media, Constraints], str]:
    return lambda *_: words


_ADVICE: dict[str, Callable[[Media, Constraints], str]] = {
    "wrong-media": _say("save it as one of these"),
    "extreme-ratio": _say("crop it"),
    "too-small": _say("use a larger picture"),
    "too-large": _say("save it smaller"),
    "clip-size": _say("scale the video"),
    "clip-seconds": _clip_advice,
    "clip-rate": _say("convert it to 24, 25, 30 or 60 frames a second"),
}
"""What to do where the model itself does not take a file."""
_HAS: dict[str, Callable[[Media], str]] = {
    "wrong-media": lambda media: f"is {media.format.upper()}",
    "too-large": lambda media: f"has {media.bytes / _MEGA:.1f} MB",
    **dict.fromkeys(
        ("too-small", "extreme-ratio", "clip-size"),
        lambda media: f"is {media.width} × {media.height}",
    ),
    "clip-seconds": lambda media: f"has {media.seconds:.2f}",
    "clip-rate": lambda media: f"has {media.fps:g}",
    "no-upload": lambda _: "is a local file",
}
