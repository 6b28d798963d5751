"""APIMart: an item becomes a generation under an `Idempotency-Key`, which makes a repeat safe.

A repeat with the same key and body is answered with the first reply; its own refusals (409) are
told apart by code, since some of them mean "taken". Facts: apimart-ai/apimart-skills and copies of
docs.apimart.ai of 2026; the key's rules are written down for one image model only.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pipeline.domain import Cadence, Constraints, Feature, Item, Kind, Media, Offer, Role
from pipeline.domain.states import FaultKind
from pipeline.models import KLING_O1
from pipeline.providers import assets, prompts, replies
from pipeline.providers.base import (
    CLIENT_ID,
    Absent,
    Accepted,
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

_MODEL = "kling-video-o1"
_SYNTAX = "<<<image_{n}>>>"
_VERSION_HEADER = "X-APIMart-Response-Version"
_UPLOAD_LIFETIME_S = 72 * 3600.0
_SHORT = frozenset({5, 10})


def _constraints(**more: Any) -> Constraints:
    return Constraints(**more)


_KINDS: Mapping[Kind, Constraints] = MappingProxyType(
    {
        # Frames are documented for a sibling model only: not offered. The page allows 5 and 10
        # seconds alone; how many images it takes is not on it: the model's own rule.
        Kind.TEXT: _constraints(durations=_SHORT),
        Kind.REFERENCES: _constraints(durations=_SHORT, max_images=7),
        Kind.GUIDE: _constraints(
            durations=_SHORT, max_images=4, clip_seconds=(3.0, 10.0), keep_audio=True
        ),
        Kind.EDIT: _constraints(
            ratio="clip", max_images=4, clip_seconds=(3.0, 10.0), keep_audio=True
        ),
    }
)
OFFER = Offer(
    provider="apimart",
    title="APIMart",
    hosts=MappingProxyType({"api": "https://api.apimart.ai"}),
    key_env="APIMART_API_KEY",
    models=MappingProxyType({KLING_O1.name: _KINDS}),
    features=frozenset({Feature.IDEMPOTENT, Feature.UPLOAD, Feature.COST, Feature.FREE_FAILURES}),
    reference_syntax=_SYNTAX,
    concurrency=3,
    cadence=Cadence(first_s=10.0, every_s=5.0, max_s=10.0),
    # Two replies show 24 hours, the official skill says 72; a reply's own `expires_at` comes first.
    upload_lifetime_s=_UPLOAD_LIFETIME_S,
    # For how long a key is remembered nobody says; after these ten minutes a person decides.
    dedupe_for_s=600.0,
    reserved=frozenset(
        {
            *("model", "prompt", "mode", "duration", "aspect_ratio", "image_urls"),
            *("image_with_roles", "video_list", "webhook", "n"),
        }
    ),
    extra_fields=MappingProxyType({"language": {"type": "string", "minLength": 2}}),
    uploads=frozenset({"image"}),
    options=frozenset({"response_version"}),
)

# 409 and 503 of the key itself: some may have been taken; the last was not executed, so the
# provider counts as busy and the request is made again later.
_KEY_CODES: Mapping[str, tuple[FaultKind, bool | None]] = MappingProxyType(
    {
        "idempotency_in_progress": (FaultKind.UNAVAILABLE, None),
        "idempotency_key_reused": (FaultKind.REJECTED, None),
        "idempotency_result_indeterminate": (FaultKind.UNAVAILABLE, None),
        "idempotency_unavailable": (FaultKind.CAPACITY, False),
    }
)


class APIMart:
    """The adapter; without state."""

    offer = OFFER

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the generation that buys the item."""
        edit, ratio = item.kind is Kind.EDIT, item.settings.aspect_ratio
        given = {
            "model": _MODEL,
            "prompt": _prompt(item),
            "mode": item.settings.mode,
            # A quoted number is an error here.
            "duration": None if edit else item.settings.duration,
            "aspect_ratio": None if edit or ratio == "auto" else ratio,
            "image_urls": assets.all_of(item, Role.IMAGE),
            "video_list": [
                {
                    "video_url": clip,
                    # Left out, it would be an edit.
                    "refer_type": "base" if edit else "feature",
                    "keep_original_sound": "yes" if item.settings.keep_audio else "no",
                }
                for clip in assets.all_of(item, Role.VIDEO)
            ],
        }
        version = str(options.get("response_version") or "")
        return Request(
            method="POST",
            path="/v1/videos/generations",
            headers={"Idempotency-Key": CLIENT_ID}
            | ({_VERSION_HEADER: version} if version else {}),
            body={name: value for name, value in given.items() if value not in (None, [])},
        )

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit, in either of its two forms."""
        del client_id  # a repeat is answered with the first reply, id included
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        data = body.get("data")
        # A list by default; an object under the newer response version.
        one = replies.within(data, 0) if isinstance(data, list) else data
        found = [replies.within(one, name) for name in ("task_id", "id")]
        told = next((name for name in found if name is not None), None)
        task, refused = replies.task_id(told), replies.is_refusal(response)
        if task and not refused:
            return Accepted(task=task)
        if told is not None and not refused:
            return replies.no_task(told, response)
        fault = _fault(body, response)
        if task:
            # An id beside a refusal: there may be a task after all.
            return replace(fault, accepted=None)
        return replace(fault, replayed=response.headers.get("idempotency-replayed") == "true")

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for the task, with error texts in English."""
        path = f"/v1/tasks/{quote(task.task, safe='')}?language=en"
        return Request(method="GET", path=path)

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the task's state; a 400 here can only be about the id."""
        body = replies.mapping(response)
        if replies.missing(response):
            return Absent()
        if body is None:
            return replies.unreadable(response)
        if not replies.is_success(response):
            fault = _fault(body, response)
            lost = fault.kind is FaultKind.REJECTED
            return replace(fault, kind=FaultKind.LOST) if lost else fault
        data = body.get("data")
        if not isinstance(data, dict) or replies.task_id(data.get("id")) != task.task:
            return _fault(body, response)
        return _state(data, response)

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Put a local image on the server; there is no such place for video."""
        response = yield Request(
            method="POST", path="/v1/uploads/images", part=assets.form_file(media)
        )
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        link = replies.clip(body.get("url"))
        if link and replies.is_success(response):
            return Uploaded(uri=link.path, lifetime_s=_UPLOAD_LIFETIME_S)
        return _fault(body, response)


def _prompt(item: Item) -> str:
    """Return the prompt, naming the first image where none is named.

    The server would put that token in front by itself: written here, it is seen and counted.
    """
    prompt = prompts.render_prompt(item, {Role.IMAGE: _SYNTAX})
    images = assets.all_of(item, Role.IMAGE)
    if images and not prompts.mentions(item, Role.IMAGE):
        return _SYNTAX.replace("{n}", "1") + prompt
    return prompt


def _fault(body: Mapping[str, Any], response: Response) -> Fault:
    """Return the fault of an answer that is an error, or lacks what was asked for."""
    error = body.get("error")
    if replies.is_success(response) and not error and body.get("success") is not False:
        return replies.unreadable(response)
    words = [replies.error_code(replies.within(error, name)) for name in ("code", "type")]
    # A key's own code may stand in either place.
    code = next((word for word in words if word in _KEY_CODES), "") or next(filter(None, words), "")
    message = replies.text(replies.within(error, "message")) or replies.text(body.get("message"))
    # A measured 401 had an empty `code`: without a known word the HTTP status decides.
    told = replies.as_told(response, replies.within(error, "code"))
    fault = replies.http_fault(told, message=message, code=code)
    if code in _KEY_CODES:
        kind, accepted = _KEY_CODES[code]
        return replace(fault, kind=kind, accepted=accepted)
    if message.startswith("build_request_failed"):
        # A wrong parameter, told as HTTP 500.
        return replace(fault, kind=FaultKind.REJECTED, accepted=False)
    if fault.kind is FaultKind.REJECTED:
        return replace(fault, kind=replies.worded_kind(message) or fault.kind)
    return fault


def _state(data: Mapping[str, Any], response: Response) -> TaskState:
    charge = replies.charge(data.get("cost"), data.get("credits_cost"), "credit")
    # The pages differ in their words for a task that goes on.
    match replies.text(data.get("status")).lower():
        case "submitted" | "pending" | "processing" | "in_progress":
            return Pending(progress=replies.fraction(data.get("progress")))
        case "completed":
            video = replies.within(data, "result", "videos", 0)
            url = replies.within(video, "url")
            # The form for video is inferred from that for images, a list: one link is read too.
            output = replies.clip(replies.within(url, 0)) or replies.clip(url)
            if output is None:
                return replies.unreadable(response)
            expires = replies.number(replies.within(video, "expires_at"))
            expires_at = None if expires is None else float(expires)
            return Done(output=output, charge=charge, expires_at=expires_at)
        case "failed" | "cancelled" | "canceled" as word:
            message = replies.text(replies.within(data, "error", "message"))
            code = replies.error_code(replies.within(data, "error", "code")) or word
            kind = replies.worded_kind(message) or FaultKind.PROVIDER
            return Failed(fault=replies.failure(kind, message, code=code), charge=charge)
        case "":
            return replies.unreadable(response)
        case word:
            return Unknown(word=word)
