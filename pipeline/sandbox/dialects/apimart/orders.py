"""Turn a generation into an Order, or say what is wrong with it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pipeline.sandbox import kling
from pipeline.sandbox.dialects.apimart.fields import EDIT, complaints, prepended
from pipeline.sandbox.dialects.apimart.keys import Asked
from pipeline.sandbox.orders import Order
from pipeline.sandbox.references import Reference, found, misfits
from pipeline.sandbox.visit import Visit

# No page read has its price; a sibling model's is 0.8 of the model's own list, and so are these.
_USD_PER_SECOND: Mapping[str, Decimal] = MappingProxyType(
    {"std": Decimal("0.0672"), "pro": Decimal("0.0896")}
)
_WITH_VIDEO = Decimal("1.5")
_LINK_LIVES_S = 86_400.0
"""Both samples of a reply show a day; the official skill says three."""
_ID_BYTES = 12
_DEFAULT_SECONDS = 5.0


def order_of(visit: Visit, asked: Asked) -> Order | tuple[str, str]:
    """Return the order in a generation, or the field that is wrong and why."""
    body = asked.body
    for complaint in complaints(body):
        return complaint
    subject = visit.subject(prepended(body))
    media = found(visit.desk, subject, _named(body))
    for reference in media:
        for wrong in misfits(visit.desk, reference):
            return reference.field, wrong
    width, height = _size(body, media)
    seconds = _seconds(body, media)
    return Order(
        subject=subject,
        task=f"task_01{secrets.token_hex(_ID_BYTES).upper()}",
        client_id=asked.key,
        model=body["model"],
        request=body,
        usd=_price(body, seconds),
        width=width,
        height=height,
        seconds=seconds,
        media=[reference.shown for reference in media],
        link_ttl_s=_LINK_LIVES_S,
        extra={"version": asked.version, "request_id": f"req_{secrets.token_hex(_ID_BYTES)}"},
    )


def _named(body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for url in body.get("image_urls", ()):
        yield "image_urls", "reference", url
    for video in body.get("video_list", ()):
        yield "video_list", "edit" if _edits(body) else "guide", video["video_url"]


def _edits(body: Mapping[str, Any]) -> bool:
    videos = body.get("video_list", ())
    return any(video.get("refer_type", EDIT) == EDIT for video in videos)


def _size(body: Mapping[str, Any], media: Sequence[Reference]) -> kling.Size:
    by_ratio = kling.SIZES[body.get("mode", "std")]
    if _edits(body):
        return kling.edited(list(by_ratio.values()), media[-1].medium)
    return by_ratio[body.get("aspect_ratio", "16:9")]


def _seconds(body: Mapping[str, Any], media: Sequence[Reference]) -> float:
    if _edits(body):
        return kling.seconds_of(media[-1].medium)
    return float(body.get("duration", _DEFAULT_SECONDS))


def _price(body: Mapping[str, Any], seconds: float) -> Decimal:
    rate = _USD_PER_SECOND[body.get("mode", "std")]
    return rate * (_WITH_VIDEO if "video_list" in body else 1) * Decimal(str(seconds))
