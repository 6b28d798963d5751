"""EvoLink: frames and edits, each by a model id of its own; files go to another host beforehand.

There is no client id: a submit whose outcome is unknown is never repeated (the official tool does
repeat it). Clips outside an edit's length are billed as if clamped, so `plan` refuses them. Facts:
docs.evolink.ai (kling-o1 pages, get-task-detail) and github EvoLinkAI/evolink-media-mcp, 2026.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pipeline.domain import EMPTY, Cadence, Constraints, Feature, Item, Kind, Media, Offer, Role
from pipeline.domain.states import FaultKind
from pipeline.models import KLING_O1
from pipeline.providers import assets, prompts, replies
from pipeline.providers.base import (
    RETRY_AFTER_MAX_S,
    Absent,
    Accepted,
    Charge,
    Done,
    Failed,
    Fault,
    Pending,
    Request,
    Response,
    TaskRef,
    TaskState,
    Unknown,
    Uploaded,
)

_UPLOAD_LIFETIME_S = 72 * 3600.0
_SUGGESTED_WAIT = re.compile(r"\bafter ([0-9]{1,4}) ?s(?:ec|econds?)?\b", re.ASCII | re.IGNORECASE)
"""How its errors say what others say by Retry-After: "retry after 60 seconds"."""
_MODELS = MappingProxyType(
    {
        Kind.FIRST_FRAME: "kling-o1-image-to-video",
        Kind.FRAMES: "kling-o1-image-to-video",
        Kind.EDIT: "kling-o1-video-edit",
        Kind.FAST_EDIT: "kling-o1-video-edit-fast",
    }
)


def _constraints(**more: Any) -> Constraints:
    # There is no mode to ask for; by its price it is pro, so only that is offered.
    return Constraints(modes=frozenset({"pro"}), **more)


def _from_frames() -> Constraints:
    # One page says 2,000 tokens, another 5,000 characters: the smaller, as characters. Without a
    # ratio the page's default is 16:9, whatever the frame is.
    return _constraints(durations=frozenset({5, 10}), ratio="framed", prompt_max=2000)


_KINDS: Mapping[Kind, Constraints] = MappingProxyType(
    {
        Kind.FIRST_FRAME: _from_frames(),
        Kind.FRAMES: _from_frames(),
        # Both pages take prompts of 5,000 characters; the model behind them takes 2,500.
        Kind.EDIT: _constraints(
            ratio="clip",
            max_images=4,
            clip_seconds=(3.0, 10.0),
            clip_max_bytes=100_000_000,
            keep_audio=True,
        ),
        Kind.FAST_EDIT: _constraints(
            ratio="clip",
            max_images=4,
            clip_seconds=(6.0, 20.0),
            clip_max_bytes=100_000_000,
            keep_audio=True,
        ),
    }
)
OFFER = Offer(
    provider="evolink",
    title="EvoLink",
    hosts=MappingProxyType(
        {"api": "https://api.evolink.ai", "upload": "https://files-api.evolink.ai"}
    ),
    key_env="EVOLINK_API_KEY",
    models=MappingProxyType({KLING_O1.name: _KINDS}),
    features=frozenset({Feature.UPLOAD, Feature.CREDITS, Feature.BALANCE}),
    # The official tool's advice: every 10 to 15 seconds.
    cadence=Cadence(first_s=10.0, every_s=10.0, max_s=15.0),
    upload_lifetime_s=_UPLOAD_LIFETIME_S,
    reserved=frozenset(
        {
            *("model", "prompt", "image_urls", "video_urls", "aspect_ratio", "duration"),
            *("keep_original_sound", "callback_url", "n"),
        }
    ),
    options=frozenset({"reference_syntax"}),
    # No page names pixels: of a clip's size only the ratio is judged.
    pixels=EMPTY,
)

_NO_CREDIT = frozenset({"insufficient_quota", "insufficient_quota_error"})
_REJECTED = (
    "invalid_parameters",
    "image_dimension_mismatch",
    "image_processing_error",
    "resource_not_found",
)
# The official tool's classes of task errors. `quota_exceeded` may be the account's: a further try
# would be a new paid task, so it stops the lane.
_TASK_CODES: Mapping[str, FaultKind] = MappingProxyType(
    {
        "content_policy_violation": FaultKind.REFUSED,
        **dict.fromkeys(_REJECTED, FaultKind.REJECTED),
        "quota_exceeded": FaultKind.UNPAID,
        "resource_exhausted": FaultKind.CAPACITY,
    }
)


class EvoLink:
    """The adapter; without state."""

    offer = OFFER

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the generation that buys the item."""
        syntax = {Role.IMAGE: str(options.get("reference_syntax") or "")}
        edit = item.kind in {Kind.EDIT, Kind.FAST_EDIT}
        ratio = item.settings.aspect_ratio
        frames = [*assets.all_of(item, Role.FIRST), *assets.all_of(item, Role.LAST)]
        given = {
            "model": _MODELS[item.kind],
            "prompt": prompts.render_prompt(item, syntax),
            # The place decides: the first link is the first frame, a second one the last frame.
            "image_urls": frames or assets.all_of(item, Role.IMAGE),
            "video_urls": assets.all_of(item, Role.VIDEO),
            # Whether an edit knows a ratio is unknown: left out.
            "aspect_ratio": None if edit or ratio == "auto" else ratio,
            "duration": None if edit else item.settings.duration,
            # Its default is told nowhere: sent only when sound is asked for.
            "keep_original_sound": item.settings.keep_audio or None,
        }
        body = {name: value for name, value in given.items() if value not in (None, [])}
        return Request(method="POST", path="/v1/videos/generations", body=body)

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit: the task itself, not wrapped in anything."""
        del client_id  # this provider has no place for it
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        found, error = body.get("id"), body.get("error")
        task = replies.task_id(found)
        refused = replies.is_refusal(response) or bool(error)
        if task and not refused:
            # The credits set aside are all that is ever said of money, and an estimate.
            usage = body.get("usage")
            reserved = replies.charge(
                replies.within(usage, "estimated_cost"),
                replies.within(usage, "credits_reserved"),
                "credit",
            )
            return Accepted(task=task, reserved=reserved)
        if not refused:
            return replies.no_task(found, response)
        fault = _fault(body, response)
        # An id beside a refusal: there may be a task after all.
        return replace(fault, accepted=None) if task else fault

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for the task."""
        return Request(method="GET", path=f"/v1/tasks/{quote(task.task, safe='')}")

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the task's state; it never tells what was charged."""
        body = replies.mapping(response)
        if replies.missing(response):
            return Absent()
        if body is None:
            return replies.unreadable(response)
        if not replies.is_success(response):
            fault = _fault(body, response)
            lost = fault.code == "invalid_task_id"
            return replace(fault, kind=FaultKind.LOST) if lost else fault
        if replies.task_id(body.get("id")) != task.task:
            return replies.unreadable(response)
        return _state(body, response)

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Put a local medium on the file host; a failure can come under HTTP 200.

        The page lists images only, the official tool sends video too: a refusal is possible.
        """
        response = yield Request(
            method="POST",
            path="/api/v1/files/upload/stream",
            host="upload",
            part=assets.form_file(media),
        )
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        link = replies.clip(replies.within(body, "data", "file_url"))
        if link and replies.is_success(response) and body.get("success") is not False:
            return Uploaded(uri=link.path, lifetime_s=_UPLOAD_LIFETIME_S)
        if replies.is_success(response) and body.get("success") is False:
            message = replies.text(body.get("msg"))
            return Fault(kind=FaultKind.REJECTED, message=message or "the upload was refused")
        return _fault(body, response)

    def balance_request(self) -> Request:
        """Return the request that asks for the account's credits."""
        return Request(method="GET", path="/v1/credits")

    def read_balance(self, response: Response) -> Charge | Fault:
        """Read what is left, in credits: the user's, from which all its keys spend."""
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        left = replies.money(replies.within(body, "data", "user", "remaining_credits"))
        if left is None or not replies.is_success(response):
            return _fault(body, response)
        return Charge(native=left, unit="credit")


def _fault(body: Mapping[str, Any], response: Response) -> Fault:
    """Return the fault of an answer that is an error, or lacks what was asked for."""
    error = body.get("error")
    if replies.is_success(response) and not error:
        return replies.unreadable(response)
    # `code` is the HTTP status in most answers and a word in some; `type` is always a word.
    kind_word = replies.text(replies.within(error, "type"))
    code = replies.error_code(replies.within(error, "code")) or kind_word
    message = replies.text(replies.within(error, "message")) or replies.text(error)
    told = replies.as_told(response, replies.within(error, "code"))
    fault = replies.http_fault(told, message=message, code=code)
    if fault.retry_after_s is None:
        advice = replies.text(replies.within(error, "fallback_suggestion"))
        wait = _SUGGESTED_WAIT.search(advice)
        fault = replace(
            fault, retry_after_s=min(float(wait[1]), RETRY_AFTER_MAX_S) if wait else None
        )
    # One copy of the pages has the first of these words, the official client the second.
    if kind_word in _NO_CREDIT and fault.accepted is False:
        return replace(fault, kind=FaultKind.UNPAID)
    if fault.kind is not FaultKind.REJECTED:
        return fault
    return replace(fault, kind=replies.worded_kind(message) or fault.kind)


def _state(body: Mapping[str, Any], response: Response) -> TaskState:
    match replies.text(body.get("status")).lower():
        case "pending" | "processing":
            return Pending(progress=replies.fraction(body.get("progress")))
        case "completed":
            # Some models put the link into `result_data` instead.
            first = replies.within(body, "results", 0)
            other = replies.within(body, "result_data", 0, "video_url")
            output = replies.clip(first) or replies.clip(other)
            return Done(output=output) if output else replies.unreadable(response)
        case "failed" | "cancelled" | "canceled" as word:
            code = replies.error_code(replies.within(body, "error", "code")) or word
            message = replies.text(replies.within(body, "error", "message"))
            kind = _TASK_CODES.get(code) or replies.worded_kind(message) or FaultKind.PROVIDER
            return Failed(fault=replies.failure(kind, message, code=code))
        case "":
            return replies.unreadable(response)
        case word:
            return Unknown(word=word)
