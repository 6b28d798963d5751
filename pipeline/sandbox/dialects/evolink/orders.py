"""Turn a generation into an Order, or into the reply that refuses it.

The model first, then its fields, then the media: the first problem is the one that is told.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.sandbox import kling
from pipeline.sandbox.checks import misfits as misfits_of
from pipeline.sandbox.dialects.evolink import replies
from pipeline.sandbox.dialects.evolink.models import DEFAULT_DURATION, MODELS, usd
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import Order
from pipeline.sandbox.references import Reference, found, misfits
from pipeline.sandbox.visit import Visit

ID_PREFIX = "task-unified-"
_LINK_LIVES_S = 86_400.0
_ALPHABET = string.ascii_lowercase + string.digits
_ANY_SECONDS = (0.0, float("inf"))
"""No clip is refused for its length: it is billed as if it were clamped."""


def order_of(visit: Visit, body: Mapping[str, Any]) -> Order | Reply:
    """Return the order in a generation, or why it is refused."""
    model = MODELS.get(str(body.get("model")))
    if model is None:
        return replies.no_model()
    for field, wrong in misfits_of(body, model.fields, model.required):
        return replies.invalid(field, wrong)
    subject = visit.subject(body["prompt"])
    media = found(visit.desk, subject, _named(body))
    for reference in media:
        for wrong in misfits(visit.desk, reference, clip_seconds=_ANY_SECONDS):
            return replies.invalid(reference.field, wrong)
    width, height = _size(media)
    seconds = _seconds(body, media, least=model.billed_s[0])
    credit = model.price(seconds)
    return Order(
        subject=subject,
        task=_fresh_id(visit.desk.world.now()),
        client_id="",
        model=body["model"],
        request=body,
        usd=usd(credit),
        width=width,
        height=height,
        seconds=seconds,
        media=[reference.shown for reference in media],
        link_ttl_s=_LINK_LIVES_S,
        extra={"credits": float(credit)},
    )


def _fresh_id(now: float) -> str:
    return f"{ID_PREFIX}{int(now)}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def _named(body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for url in body.get("video_urls", ()):
        yield "video_urls", "edit", url
    roles = ("reference",) * 4 if "video_urls" in body else ("first", "last")
    for role, url in zip(roles, body.get("image_urls", ()), strict=False):
        yield "image_urls", role, url


def _size(media: Sequence[Reference]) -> kling.Size:
    # No mode can be asked for; by its price it is pro.
    follow = kling.edited if media[0].role == "edit" else kling.nearest
    return follow(list(kling.SIZES["pro"].values()), media[0].medium)


def _seconds(body: Mapping[str, Any], media: Sequence[Reference], *, least: float) -> float:
    if "video_urls" in body:
        return kling.seconds_of(media[0].medium, least=least)
    return float(body.get("duration", DEFAULT_DURATION))
