"""Every field of a generation with `kling-video-o1`, and which fields go together.

From the model's page (copies of 2026). Chosen where it is silent: at most 7 images, 4 with a video,
as the model behind it; 2500 characters, with the token that the server puts in front; a token must
have its image; `base` (an edit) has no use for seconds and ratio, and ignores them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipeline.sandbox.checks import Check, address, integer, many, misfits, one_of, record, text
from pipeline.sandbox.kling import MAX_IMAGES, MAX_IMAGES_WITH_CLIP, SHORT_DURATIONS

MODEL = "kling-video-o1"
EDIT = "base"
"""A video is edited unless `refer_type` says otherwise: upstream's default, and a trap."""
_PROMPT_CHARACTERS = 2500
_TOKEN = re.compile(r"<<<image_(\d+)>>>")
_VIDEO: Mapping[str, Check] = MappingProxyType(
    {
        "video_url": address,
        "refer_type": one_of(EDIT, "feature"),
        "keep_original_sound": one_of("yes", "no"),
    }
)
_FIELDS: Mapping[str, Check] = MappingProxyType(
    {
        "model": one_of(MODEL),
        "prompt": text(1, _PROMPT_CHARACTERS),
        "mode": one_of("std", "pro"),
        "duration": integer(*SHORT_DURATIONS),
        "aspect_ratio": one_of("16:9", "9:16", "1:1"),
        "image_urls": many(address, 1, MAX_IMAGES),
        "video_list": many(record(_VIDEO, required=("video_url",)), 1, 1),
        "webhook": address,
        "language": text(2, 10),
    }
)


def complaints(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield field and complaint: what is missing, unknown, out of range, or does not go together.

    What goes together is looked at only where each field is right by itself.
    """
    wrong = list(misfits(body, _FIELDS, required=("model", "prompt")))
    yield from wrong or _clashes(body)


def prepended(body: Mapping[str, Any]) -> str:
    """Return the prompt as the server works with it: images without a token get the first one."""
    prompt = str(body["prompt"])
    return f"<<<image_1>>>{prompt}" if body.get("image_urls") and not _tokens(prompt) else prompt


def _clashes(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    images = body.get("image_urls", ())
    if body.get("duration", SHORT_DURATIONS[0]) not in SHORT_DURATIONS:
        yield "duration", "must be 5 or 10"
    if body.get("video_list") and len(images) > MAX_IMAGES_WITH_CLIP:
        yield "image_urls", f"takes at most {MAX_IMAGES_WITH_CLIP} images with a video"
    if max(_tokens(body["prompt"]), default=0) > len(images):
        yield "prompt", "names an image that is not in image_urls"
    if len(prepended(body)) > _PROMPT_CHARACTERS:
        yield "prompt", "is too long with <<<image_1>>> in front"


def _tokens(prompt: str) -> list[int]:
    return [int(number) for number in _TOKEN.findall(prompt)]
