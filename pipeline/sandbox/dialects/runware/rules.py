"""Which fields of a Runware task go together, and what the task costs.

Where the pages contradict themselves or are silent, the comment says what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.sandbox.dialects.runware.models import MODELS, Problem

_MAX_REFERENCES_WITH_VIDEO = 4
"""The page says 7 with `referenceVideos`, the model behind it 4: the smaller."""
_SHORT_DURATIONS = (5, 10)
_DEFAULT_DURATION = 5


def clashes(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield which fields do not go together."""
    rules = _edit_rules if "inputs.video" in fields else _make_rules
    for parameter, message in (*_size_rules(fields), *rules(fields)):
        yield Problem(code="invalidParameterCombination", message=message, parameter=parameter)


def duration(fields: Mapping[str, Any]) -> int:
    """Return the seconds asked for."""
    return int(fields.get("duration", _DEFAULT_DURATION))


def frame_roles(frames: Sequence[Any]) -> list[str]:
    """Return "first" or "last" for each frame; those without a label go by their place."""
    words = {"first": "first", 0: "first", "last": "last", -1: "last"}
    return [
        words[frame["frame"]]
        if isinstance(frame, dict) and "frame" in frame
        else ("first", "last")[place]
        for place, frame in enumerate(frames)
    ]


def price(fields: Mapping[str, Any], seconds: float) -> Decimal:
    """Return the price in USD: by the second, more with a video, times the results."""
    model = MODELS[fields["model"]]
    with_video = "inputs.video" in fields or "inputs.referenceVideos" in fields
    rate = model.usd_with_video if with_video else model.usd
    return rate * Decimal(str(seconds)) * int(fields.get("numberResults", 1))


def _size_rules(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    width, height = fields.get("width"), fields.get("height")
    if (width is None) != (height is None):
        yield "width", "width and height come as a pair"
    elif width is not None and (width, height) not in MODELS[fields["model"]].sizes:
        yield "width", f"{width}x{height} is not a size of this model"


def _edit_rules(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("inputs.frameImages", "inputs.referenceVideos", "width", "duration"):
        if name in fields:
            yield name, f"{name} cannot be combined with inputs.video: size and length follow it"
    if len(fields.get("inputs.referenceImages", ())) > _MAX_REFERENCES_WITH_VIDEO:
        yield "inputs.referenceImages", "at most 4 reference images with inputs.video"


def _make_rules(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    frames = fields.get("inputs.frameImages", ())
    references = fields.get("inputs.referenceImages", ())
    guided = "inputs.referenceVideos" in fields
    if fields.get("providerSettings.klingai.fast"):
        yield "providerSettings.klingai.fast", "fast applies to inputs.video only"
    yield from _source_rules(fields, guided=guided)
    roles = frame_roles(frames)
    if sorted(roles) not in ([], ["first"], ["first", "last"]):
        yield "inputs.frameImages", "a last frame needs a first frame, and each comes once"
    if guided and "last" in roles:
        yield "inputs.frameImages", "a last frame cannot be combined with inputs.referenceVideos"
    if guided and len(references) > _MAX_REFERENCES_WITH_VIDEO:
        yield "inputs.referenceImages", "at most 4 reference images with inputs.referenceVideos"
    free = not frames and (guided or references)
    if not free and duration(fields) not in _SHORT_DURATIONS:
        yield "duration", "duration must be 5 or 10 without references"


def _source_rules(fields: Mapping[str, Any], *, guided: bool) -> Iterator[tuple[str, str]]:
    sources = [
        name for name in ("inputs.frameImages", "inputs.referenceImages", "width") if name in fields
    ]
    # The page's rule is "exactly one"; its own example with a reference video sends a size too.
    if guided and sorted(sources) == ["inputs.referenceImages", "width"]:
        return
    if len(sources) != 1:
        told = " and ".join(sources) or "none of them"
        message = "give one of inputs.frameImages, inputs.referenceImages and width+height"
        yield (sources[0] if sources else "width"), f"{message}, not {told}"
