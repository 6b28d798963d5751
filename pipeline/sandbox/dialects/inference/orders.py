"""Turn a run into an Order, or say what is wrong with it.

The platform checks its own fields and the input's schema, and that our files are there. What the
model itself forbids it takes, and fails minutes later: combinations, seconds, limits of media.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pipeline.sandbox import kling
from pipeline.sandbox.checks import Check, address, flag, misfits, one_of, optional, text
from pipeline.sandbox.dialects.inference.schemas import APP, MODES, generation_of
from pipeline.sandbox.orders import Order
from pipeline.sandbox.references import Reference, found
from pipeline.sandbox.references import misfits as unfit
from pipeline.sandbox.visit import Visit

# The range on the app's page, half as much again with a video; that the tiers stand for its ends
# is inferred from the other resellers' price lists.
_USD_PER_SECOND: Mapping[str, Decimal] = MappingProxyType(
    {"std": Decimal("0.084"), "pro": Decimal("0.112")}
)
_WITH_VIDEO = Decimal("1.5")


def _anything(_value: Any) -> str:
    return ""


def _nothing(value: Any) -> str:
    return "" if value is None else "is not spoken by the sandbox"


_RUN: Mapping[str, Check] = MappingProxyType(
    {
        "app": text(1, 200),
        "input": _anything,
        "webhook": optional(address),
        "infra": optional(one_of("cloud", "private", "private_first")),
        "function": optional(one_of("run")),
        "wait": flag,
        "stream": flag,
        **dict.fromkeys(("app_id", "version_id", "workers", "setup", "metadata"), _nothing),
        **dict.fromkeys(("session", "session_timeout", "run_at"), _nothing),
    }
)


class Wrong(Exception):  # noqa: N818 - named for what it says, as the whole tree is
    """Why a run is refused: a code of the platform's, and its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def order_of(visit: Visit, body: Mapping[str, Any], *, older: bool) -> Order:
    """Return the order in a run; raises Wrong."""
    for name, wrong in misfits(body, _RUN, required=("app", "input")):
        raise Wrong("invalid_request", f"{name} {wrong}")
    given, version = body["input"], _version(body["app"])
    generation = generation_of(version, given)
    if generation is None:
        raise Wrong("not_found", f"{APP} has no version {version}")
    if complaint := generation.complaint(given):
        raise Wrong("validation_error", complaint)
    subject = visit.subject(given["prompt"])
    media = found(visit.desk, subject, _named(given))
    for reference in media:
        if reference.medium == reference.url and visit.desk.serves(reference.url):
            raise Wrong("validation_error", f"input.{reference.field}: no such file")
    width, height = _size(given, media)
    seconds = _seconds(given, media)
    task = uuid.uuid4().hex
    return Order(
        subject=subject,
        task=task,
        client_id="",
        model=APP,
        request=body,
        usd=_price(given, seconds),
        width=width,
        height=height,
        seconds=seconds,
        media=[reference.shown for reference in media],
        doomed=next(_dooms(visit, given, media), ""),
        extra={"older": older, "short_id": secrets.token_hex(4), "function": "run"},
    )


def mode_of(given: Mapping[str, Any]) -> str:
    """Return std or pro, whichever generation an input is of; both default to the dearer."""
    return str(given.get("mode") or MODES[given.get("resolution", "1080p")])


def _version(app: str) -> str:
    name, _, version = app.partition("@")
    if name != APP:
        raise Wrong("not_found", f"no app {name}")
    return version.partition(":")[0]


def _named(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for field, role in (("image", "first"), ("end_image", "last")):
        if given.get(field):
            yield field, role, given[field]
    for url in given.get("reference_images") or ():
        yield "reference_images", "reference", url
    if given.get("reference_video"):
        yield "reference_video", "edit" if _edits(given) else "guide", given["reference_video"]


def _edits(given: Mapping[str, Any]) -> bool:
    # Anything but `base` means a feature video.
    return bool(given.get("reference_video")) and given.get("reference_video_type") == "base"


def _dooms(visit: Visit, given: Mapping[str, Any], media: Sequence[Reference]) -> Iterator[str]:
    """Yield why the model will not make this."""
    images = given.get("reference_images") or ()
    video = given.get("reference_video")
    if given.get("end_image") and not given.get("image"):
        yield "end_image requires image"
    if given.get("end_image") and (images or video):
        yield "an end frame takes no further images and no video"
    if video and len(images) > kling.MAX_IMAGES_WITH_CLIP:
        yield "at most 4 reference images with a video"
    if _edits(given) and given.get("image"):
        yield "a video that is edited takes no frames"
    short = not (images or video or given.get("end_image"))
    if short and given.get("duration", 5) not in kling.SHORT_DURATIONS:
        yield "Duration only supports 5 or 10 seconds when no refer_image is provided"
    for reference in media:
        for wrong in unfit(visit.desk, reference):
            yield f"{reference.field}: {wrong}"


def _size(given: Mapping[str, Any], media: Sequence[Reference]) -> kling.Size:
    by_ratio = kling.SIZES[mode_of(given)]
    sizes = list(by_ratio.values())
    if _edits(given):
        return kling.edited(sizes, media[-1].medium)
    if given.get("image"):
        return kling.nearest(sizes, media[0].medium)
    if given.get("reference_video") and not given.get("aspect_ratio"):
        return kling.nearest(sizes, media[-1].medium)
    return by_ratio[given.get("aspect_ratio") or "16:9"]


def _seconds(given: Mapping[str, Any], media: Sequence[Reference]) -> float:
    return kling.seconds_of(media[-1].medium) if _edits(given) else float(given.get("duration", 5))


def _price(given: Mapping[str, Any], seconds: float) -> Decimal:
    rate = _USD_PER_SECOND[mode_of(given)]
    return rate * (_WITH_VIDEO if given.get("reference_video") else 1) * Decimal(str(seconds))
