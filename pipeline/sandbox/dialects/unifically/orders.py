"""Turn the body of a Unifically task into an Order, or say what is wrong with it.

Fields first, then what goes together, then the media: the first problem is the one that is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.sandbox import kling
from pipeline.sandbox.dialects.unifically.fields import (
    DEFAULT_DURATION,
    DEFAULT_RATIO,
    clashes,
    misfit,
)
from pipeline.sandbox.orders import Order
from pipeline.sandbox.references import Reference, found, misfits
from pipeline.sandbox.visit import Visit

# The older O1 endpoints' price; what the present model costs is published nowhere.
_USD_PER_SECOND = Decimal("0.048")
_ID_BYTES = 6


def order_of(visit: Visit, body: Mapping[str, Any]) -> Order | str:
    """Return the order in a task, or what is wrong with it."""
    wrong = misfit(body) or next(clashes(body["input"]), "")
    if wrong:
        return wrong
    given = body["input"]
    subject = visit.subject(given["prompt"])
    media = found(visit.desk, subject, _named(given))
    for reference in media:
        for complaint in misfits(visit.desk, reference):
            return f"{reference.field}: {complaint}"
    width, height = _size(given, media)
    seconds = _seconds(given, media)
    return Order(
        subject=subject,
        task=secrets.token_hex(_ID_BYTES),
        client_id="",
        model=body["model"],
        request=body,
        usd=_USD_PER_SECOND * Decimal(str(seconds)),
        width=width,
        height=height,
        seconds=seconds,
        media=[reference.shown for reference in media],
    )


def _named(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if "start_frame_url" in given:
        yield "input.start_frame_url", "first", given["start_frame_url"]
    if "end_frame_url" in given:
        yield "input.end_frame_url", "last", given["end_frame_url"]
    for place, url in enumerate(given.get("image_urls", ()), start=1):
        is_start = place == given.get("start_image_index")
        yield "input.image_urls", "first" if is_start else "reference", url
    for element in given.get("elements", ()):
        for url in element["image_urls"]:
            yield "input.elements", "reference", url
    if "video_url" in given:
        role = "edit" if given["video_mode"] == "transform" else "guide"
        yield "input.video_url", role, given["video_url"]


def _size(given: Mapping[str, Any], media: Sequence[Reference]) -> kling.Size:
    by_ratio = kling.SIZES[given.get("mode", "pro")]
    sizes = list(by_ratio.values())
    match given.get("video_mode"):
        case "transform":
            return kling.edited(sizes, media[-1].medium)
        case "video_reference":
            return kling.nearest(sizes, media[-1].medium)
        case "start_end_frame":
            return kling.nearest(sizes, media[0].medium)
        case _:
            return by_ratio[given.get("aspect_ratio", DEFAULT_RATIO)]


def _seconds(given: Mapping[str, Any], media: Sequence[Reference]) -> float:
    if given.get("video_mode") == "transform":
        return kling.seconds_of(media[-1].medium)
    return float(given.get("duration", DEFAULT_DURATION))
