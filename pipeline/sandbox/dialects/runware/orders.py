"""Turn a Runware task into an Order, or say what is wrong with it.

Fields first, then what goes together, then the media themselves; a task is refused with every
problem of the first of these that has any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.sandbox import intake, kling
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialects.runware import models
from pipeline.sandbox.dialects.runware.fields import flattened, is_uuid4, misfits
from pipeline.sandbox.dialects.runware.models import MODELS, Problem
from pipeline.sandbox.dialects.runware.rules import clashes, duration, frame_roles, price
from pipeline.sandbox.director import Subject
from pipeline.sandbox.orders import Order
from pipeline.sandbox.records import Upload

Found = list[tuple[str, str, Upload | str]]
"""Field, role, and the medium: ours, or the address of one that is not."""


async def order_of(desk: Desk, subject: Subject, task: Mapping[str, Any]) -> Order | list[Problem]:
    """Return the order in a task, or everything that is wrong with it."""
    fields = dict(flattened(task))
    wrong = list(misfits(fields)) or list(clashes(fields))
    if wrong:
        return wrong
    media, wrong = await _media(desk, subject, fields)
    wrong += [problem for found in media for problem in _unfit(fields, found)]
    return wrong or _order(subject, task, fields, media)


def _order(
    subject: Subject, task: Mapping[str, Any], fields: Mapping[str, Any], media: Found
) -> Order:
    width, height = _size(fields, media)
    seconds = _seconds(fields, media)
    return Order(
        subject=subject,
        task=fields["taskUUID"],
        client_id=fields["taskUUID"],
        model=fields["model"],
        request=task,
        usd=price(fields, seconds),
        width=width,
        height=height,
        seconds=seconds,
        media=[intake.shown(role, found) for _, role, found in media],
        format=fields.get("outputFormat", "MP4").lower(),
        link_ttl_s=fields.get("ttl"),
        results=fields.get("numberResults", 1),
        extra={"include_cost": fields.get("includeCost", False)},
    )


def _named(fields: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    frames = fields.get("inputs.frameImages", ())
    for role, frame in zip(frame_roles(frames), frames, strict=True):
        told = frame["image"] if isinstance(frame, dict) else frame
        yield "inputs.frameImages", role, told
    for image in fields.get("inputs.referenceImages", ()):
        yield "inputs.referenceImages", "reference", image
    for clip in fields.get("inputs.referenceVideos", ()):
        yield "inputs.referenceVideos", "guide", clip
    if "inputs.video" in fields:
        yield "inputs.video", "edit", fields["inputs.video"]


async def _media(
    desk: Desk, subject: Subject, fields: Mapping[str, Any]
) -> tuple[Found, list[Problem]]:
    media: Found = []
    wrong: list[Problem] = []
    for name, role, told in _named(fields):
        found = await _medium(desk, subject, told)
        if isinstance(found, Problem):
            wrong.append(Problem(code=found.code, message=found.message, parameter=name))
        else:
            media.append((name, role, found))
    return media, wrong


async def _medium(desk: Desk, subject: Subject, told: str) -> Upload | str | Problem:
    if is_uuid4(told):
        kept = desk.world.upload(told)
        if kept is None or kept.account != subject.key:
            return Problem(code="mediaNotFound", message=f"No stored medium has the UUID {told}.")
        if kept.expires_at is not None:  # dropped 30 days after its last use
            desk.world.renew_upload(kept.id, desk.world.now() + models.UPLOAD_LIVES_S)
        return kept
    if told.startswith(("http://", "https://")):
        return intake.at_address(desk, told) or told
    try:
        content = intake.decoded(told)
        return await intake.keep(desk, content, provider=subject.provider, key=subject.key)
    except intake.NotMedia as error:
        return Problem(code="invalidMedia", message=str(error))


def _unfit(fields: Mapping[str, Any], found: tuple[str, str, Upload | str]) -> Iterator[Problem]:
    name, role, medium = found
    if isinstance(medium, str):
        return
    is_clip = medium.media_type.startswith("video/")
    if is_clip != (role in {"guide", "edit"}):
        yield Problem(
            code="invalidMediaType", message=f"{name} cannot be {medium.media_type}", parameter=name
        )
        return
    seconds = _clip_seconds(fields)
    for message in kling.misfits(medium, clip_seconds=seconds):
        yield Problem(code="invalidMedia", message=f"{name}: {message}", parameter=name)


def _size(fields: Mapping[str, Any], media: Found) -> kling.Size:
    sizes = MODELS[fields["model"]].sizes
    if "width" in fields:
        return fields["width"], fields["height"]
    follow = kling.edited if "inputs.video" in fields else kling.nearest
    return follow(sizes, media[0][2])


def _clip_seconds(fields: Mapping[str, Any]) -> tuple[float, float]:
    fast = bool(fields.get("providerSettings.klingai.fast"))
    return models.FAST_CLIP_SECONDS if fast else kling.CLIP_SECONDS


def _seconds(fields: Mapping[str, Any], media: Found) -> float:
    if "inputs.video" not in fields:
        return float(duration(fields))
    clip = next(found for name, _, found in media if name == "inputs.video")
    return kling.seconds_of(clip, least=_clip_seconds(fields)[0])
