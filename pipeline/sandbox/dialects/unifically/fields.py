"""Every field of a task for Kling O1, what its value may be, and which fields go together.

A closed set, from the model's page (copy of 2026): any other field is refused, and so is a field of
a medium that the `video_mode` does not take, be it null or empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.checks import Check, address, flag, integer, many, one_of, record, text
from pipeline.sandbox.kling import MAX_IMAGES, MAX_IMAGES_WITH_CLIP, SHORT_DURATIONS

MODEL = "kuaishou/kling-o1-video"
DEFAULT_DURATION = 5
DEFAULT_RATIO = "16:9"
_ELEMENT: Mapping[str, Check] = MappingProxyType(
    # The shape is a third party's; its four images are too.
    {"description": text(1, 2500), "type": one_of("image"), "image_urls": many(address, 1, 4)}
)
_INPUT: Mapping[str, Check] = MappingProxyType(
    {
        "prompt": text(1, 2500),
        "video_mode": one_of("elements", "start_end_frame", "transform", "video_reference"),
        "mode": one_of("std", "pro"),
        "duration": integer(3, 10),
        "aspect_ratio": one_of("1:1", "9:16", "16:9", "auto"),
        "image_urls": many(address, 1, MAX_IMAGES),
        "start_image_index": integer(1, MAX_IMAGES),
        "elements": many(record(_ELEMENT, required=("image_urls",)), 1, MAX_IMAGES),
        "start_frame_url": address,
        "end_frame_url": address,
        "video_url": address,
        "keep_audio": flag,
    }
)
_TASK: Check = record(
    {
        "model": one_of(MODEL),
        "input": record(_INPUT, required=("prompt",)),
        "callback_url": address,
        "dry_run": flag,
    },
    required=("model", "input"),
)
_FRAMES = frozenset({"start_frame_url", "end_frame_url"})
_IMAGES = frozenset({"image_urls", "start_image_index", "elements"})
_VIDEO = frozenset({"video_url", "keep_audio"})
_MEDIA = _FRAMES | _IMAGES | _VIDEO
_TAKES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "": frozenset(),
        "elements": _IMAGES,
        "start_end_frame": _FRAMES,
        "transform": _IMAGES - {"start_image_index"} | _VIDEO,
        "video_reference": _IMAGES | _VIDEO,
    }
)
_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": (),
        "elements": ("image_urls", "elements"),
        "start_end_frame": ("start_frame_url",),
        "transform": ("video_url",),
        "video_reference": ("video_url",),
    }
)
"""Of these, a mode needs one at least."""


def misfit(body: Any) -> str:
    """Return which field is missing, unknown or out of range, or nothing."""
    return _TASK(body).replace(" .", ".").removeprefix(".")


def clashes(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield which fields of an input do not go together."""
    mode = given.get("video_mode", "")
    for name in sorted(_MEDIA & given.keys() - _TAKES[mode]):
        yield f"input.{name} cannot be used {_with(mode)}"
    if _NEEDS[mode] and not given.keys() & set(_NEEDS[mode]):
        yield f"input.{' or input.'.join(_NEEDS[mode])} is required {_with(mode)}"
    yield from _ratio(given)
    yield from _images(given)
    yield from _duration(given, mode)


def _with(mode: str) -> str:
    return f"with video_mode {mode}" if mode else "without a video_mode"


def _ratio(given: Mapping[str, Any]) -> Iterator[str]:
    has_video = "video_url" in given
    ratio = given.get("aspect_ratio", "auto" if has_video else DEFAULT_RATIO)
    if (ratio == "auto") != has_video:
        yield "input.aspect_ratio must be auto with a video_url, and cannot be without"


def _images(given: Mapping[str, Any]) -> Iterator[str]:
    images = given.get("image_urls", ())
    most = MAX_IMAGES_WITH_CLIP if "video_url" in given else MAX_IMAGES
    if len(images) + len(given.get("elements", ())) > most:
        yield f"input.image_urls and input.elements are at most {most} together"
    if given.get("start_image_index", 0) > len(images):
        yield "input.start_image_index is beyond input.image_urls"


def _duration(given: Mapping[str, Any], mode: str) -> Iterator[str]:
    if mode == "transform":
        if "duration" in given:
            yield "input.duration follows the video with video_mode transform"
        return
    short = not mode or (mode == "start_end_frame" and "end_frame_url" not in given)
    if short and given.get("duration", DEFAULT_DURATION) not in SHORT_DURATIONS:
        yield "input.duration must be 5 or 10 here"
