"""Whether local media can be used: type, bytes, pixels, ratio, seconds and frame rate.

The same checks run against the model's limits and a provider's; of a URL nothing is known, so
nothing is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import PurePath

from pipeline.domain import EMPTY, Constraints, Kind, Media, MediaLimits, Offer, Reference, Shot
from pipeline.domain.clip_spec import has_ratio
from pipeline.file_content import format_title
from pipeline.findings import Finding, Severity
from pipeline.models import ClipLimits, VideoModel
from pipeline.plan.capability_checks import Violation
from pipeline.web_addresses import named_format, page_behind

_MEGA = 1_000_000
_CONVERTED = frozenset({"webp", "avif", "gif", "bmp", "tiff", "heic"})
"""Images that are made fit to send where they are local files."""
LICENCE_WARNING_DAYS = 30
_EARLY_S, _LATE_S = 0.001, 0.05
"""Lengths are kept in thousandths, and the model's own clip of 10 s lasts 10.04."""


def near_ratio(width: int, height: int, model: VideoModel) -> str | None:
    """Return the model's ratio that these sides have, within 2 %."""
    ratios = model.ratios.items()
    return next((name for name, ratio in ratios if has_ratio(width, height, ratio)), None)


def unusable(
    references: Iterable[Reference],
    model: VideoModel,
    kind: Kind,
    offer: Offer | None = None,
    *,
    declared_s: float | None = None,
) -> Iterator[tuple[Reference, Violation]]:
    """Yield what is wrong with local media for the model, or for one provider's offer.

    Of an address nothing is known but the length that is declared for a video.
    """
    kinds = offer.models.get(model.name, EMPTY) if offer else model.kinds
    constraints = kinds.get(kind)
    if constraints is None:
        return
    limits = offer.images if offer else model.images
    who = offer.title if offer else model.title
    for reference in references:
        for media in reference.media:
            # An address stays unread until a provider fetches it; only what the author declares can
            # be judged.
            if not media.local:
                if media.media_type == "video" and declared_s is not None:
                    wrong = wrong_seconds(declared_s, constraints)
                    message = f"{who} {wrong}; 'seconds' says {declared_s:g}"
                    hint = "write the video's own length, or use another one"
                    found_here = Violation(
                        slug="clip-seconds", message=message, part="seconds", hint=hint
                    )
                    yield from [(reference, found_here)] if wrong else ()
                continue
            if media.media_type == "video":
                found = _video_fault(media, model.clips, constraints)
            else:
                found = _image_fault(media, limits)
            # Last: that a file has no way to a provider is no news where it cannot be used at all.
            if found is None and offer and media.media_type not in offer.uploads:
                found = "no-upload", f"takes {media.media_type}s only as public addresses"
            if found is not None:
                slug, message = found
                advice = _ADVICE.get(slug)
                # What was made of a picture is named by its digest, which says nothing to whoever
                # reads this.
                has = f"{PurePath(media.made_from or media.source).name} {_HAS[slug](media)}"
                yield (
                    reference,
                    Violation(
                        slug=slug,
                        message=f"{who} {message}; {has}",
                        part=reference.role.value,
                        hint=advice(media, constraints) if advice else "",
                    ),
                )


def doubtful(
    references: Iterable[Reference], model: VideoModel
) -> Iterator[tuple[Reference, Violation, str]]:
    """Yield the addresses that show a page, or end like no file the model takes; with a hint.

    Nobody fetches them before a provider does, so it is a warning: a server may well send a
    picture under any name.
    """
    for reference in references:
        for media in reference.media:
            page = None if media.local else page_behind(media.source)
            named = "" if media.local else named_format(media.source)
            of_video = media.media_type == "video"
            takes = model.clips.formats if of_video else model.images.formats
            message, hint = "", ""
            if page is not None:
                whose, hint = page
                message = f"a link to share from {whose} shows a page, not the file itself"
            elif named and named not in takes:
                message = (
                    f"{model.title} takes {media.media_type}s as {_format_names(takes)};"
                    f" this address ends like {format_title(named)}"
                )
                hint = "give the address of the file in one of these, or save it beside the table"
                if named in _CONVERTED:
                    hint = "download it, and name the file: it is sent as PNG or JPEG"
            if message:
                part = reference.role.value
                yield (
                    reference,
                    Violation(slug="doubtful-address", message=message, part=part),
                    hint,
                )


_Fault = tuple[str, str]
"""Slug, and the limit that the file is against."""


def wrong_seconds(seconds: float, constraints: Constraints) -> str | None:
    """Return the limit in words that a video's length is beyond, or None."""
    if constraints.clip_seconds is None:
        return None
    low, high = constraints.clip_seconds
    if low - _EARLY_S <= seconds <= high + _LATE_S:
        return None
    return f"takes videos of {low:g} to {high:g} seconds here"


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
    seconds = _length(media)
    wrong = None if seconds is None else wrong_seconds(seconds, constraints)
    if wrong is not None:
        return "clip-seconds", wrong
    if media.fps is not None and not clips.min_fps <= media.fps <= clips.max_fps:
        return "clip-rate", "takes videos of 24 to 60 frames a second"
    return None


def _length(media: Media) -> float | None:
    """Return a clip's length as a provider reads it: that of the file, its sound included."""
    return media.file_seconds or media.seconds


def _format_names(formats: Iterable[str]) -> str:
    return " or ".join(sorted(map(format_title, formats)))


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
    seconds = _length(media)
    short = seconds is not None and seconds < low
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
    "wrong-media": lambda media: f"is {format_title(media.format)}",
    "too-large": lambda media: f"has {media.bytes / _MEGA:.1f} MB",
    **dict.fromkeys(
        ("too-small", "extreme-ratio", "clip-size"),
        lambda media: f"is {media.width} × {media.height}",
    ),
    "clip-seconds": lambda media: f"has {round(_length(media) or 0, 3):g}",
    "clip-rate": lambda media: f"has {media.fps:g}",
    "no-upload": lambda _: "is a local file",
}
