"""Unifically: an item becomes a task with a `video_mode`; files go to another host beforehand.

There is no client id: a submit whose outcome is unknown is never repeated. A body says more than
its HTTP status (`success`, `code`), so both are read. Facts: docs.unifically.com (v1-tasks,
error-handling, kling-o1-video), as stored in 2026; what only third parties show is marked.
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
    Absent,
    Accepted,
    Charge,
    Done,
    Failed,
    Fault,
    Pending,
    Quote,
    Request,
    Response,
    TaskRef,
    TaskState,
    Unknown,
    Uploaded,
)

_MODEL = "kuaishou/kling-o1-video"
_EDIT_MODEL = "kling-o1-video-edit"
_PATH = "/v1/tasks"
# Docs say @Image1, the marketing page @image_1: the parameter reference wins, an option overrules.
_SYNTAX = "@Image{n}"
_UPLOAD_LIFETIME_S = 3600.0
"""Unpublished. An hour of our own, so that a file is uploaded shortly before it is used."""
_VIDEO_MODES = MappingProxyType(
    {
        Kind.REFERENCES: "elements",
        Kind.FIRST_FRAME: "start_end_frame",
        Kind.FRAMES: "start_end_frame",
        Kind.GUIDE: "video_reference",
        Kind.EDIT: "transform",
    }
)
_ANY = frozenset(range(3, 11))
_SHORT = frozenset({5, 10})


def _constraints(**more: Any) -> Constraints:
    # The upload page's form takes 100 MB; the prompt's length is unpublished: the model's.
    return Constraints(clip_max_bytes=100_000_000, **more)


_SEVEN: Mapping[str, Any] = {"max_images": 7, "max_elements": 7}
_WITH_CLIP: Mapping[str, Any] = {
    "max_images": 4,
    "max_elements": 4,
    "clip_seconds": (3.0, 10.0),
    "keep_audio": True,
}
_KINDS: Mapping[Kind, Constraints] = MappingProxyType(
    {
        # The page states 3 to 10 for all; the model's own rule is narrower for these two.
        Kind.TEXT: _constraints(durations=_SHORT),
        # Without a video a missing ratio is 16:9 by the page, so the frame's own is stated. Beside
        # references it is one of `image_urls`, marked by its place, and takes one of seven.
        Kind.FIRST_FRAME: _constraints(
            durations=_SHORT,
            ratio="framed",
            **_SEVEN,
            with_images=_constraints(durations=_ANY, frame_is_image=True, **_SEVEN),
        ),
        Kind.FRAMES: _constraints(durations=_ANY, ratio="framed"),
        Kind.REFERENCES: _constraints(durations=_ANY, **_SEVEN),
        # With a video only `auto` may be said.
        Kind.GUIDE: _constraints(
            durations=_ANY, ratio="provider", first_frame=True, frame_is_image=True, **_WITH_CLIP
        ),
        Kind.EDIT: _constraints(ratio="clip", **_WITH_CLIP),
    }
)
# The second model for edits: documented, its id and modes seen in one client; it has no elements.
_KINDS_WITH_EDIT_MODEL: Mapping[Kind, Constraints] = MappingProxyType(
    {**_KINDS, Kind.EDIT: _constraints(ratio="clip", **{**_WITH_CLIP, "max_elements": 0})}
)
OFFER = Offer(
    provider="unifically",
    title="Unifically",
    hosts=MappingProxyType(
        {"api": "https://api.unifically.com", "upload": "https://files.storagecdn.online"}
    ),
    key_env="UNIFICALLY_API_KEY",
    models=MappingProxyType({KLING_O1.name: _KINDS}),
    features=frozenset({Feature.UPLOAD, Feature.QUOTE, Feature.COST, Feature.BALANCE}),
    reference_syntax=_SYNTAX,
    cadence=Cadence(first_s=2.0, every_s=2.0, max_s=6.0),
    upload_lifetime_s=_UPLOAD_LIFETIME_S,
    prompt_field="input.prompt",
    reserved=frozenset(
        {
            *("model", "callback_url", "dry_run", "input.prompt", "input.video_mode"),
            *("input.mode", "input.duration", "input.aspect_ratio", "input.image_urls"),
            *("input.start_image_index", "input.elements", "input.start_frame_url"),
            *("input.end_frame_url", "input.video_url", "input.keep_audio", "input.n"),
        }
    ),
    options=frozenset({"reference_syntax", "edit_model"}),
    option_values=MappingProxyType(
        {"edit_model": frozenset({_MODEL.partition("/")[2], _EDIT_MODEL})}
    ),
    models_by_option=MappingProxyType(
        {("edit_model", _EDIT_MODEL): MappingProxyType({KLING_O1.name: _KINDS_WITH_EDIT_MODEL})}
    ),
    # Where a newer client puts its uploads (docs/design/providers.md §7.5).
    hosts_allowed=frozenset({"files.unifically.com"}),
)

_CODES: Mapping[str, FaultKind] = MappingProxyType(
    {
        "authentication_failed": FaultKind.UNAUTHORISED,
        "validation_error": FaultKind.REJECTED,
        "rate_limit_exceeded": FaultKind.THROTTLED,
        "internal_error": FaultKind.UNAVAILABLE,
    }
)


class Unifically:
    """The adapter; without state."""

    offer = OFFER

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the task that buys the item."""
        syntax = str(options.get("reference_syntax", _SYNTAX) or "")
        words = {
            Role.IMAGE: syntax,
            Role.ELEMENT: syntax.replace("Image", "Element").replace("image", "element"),
        }
        edit = item.kind is Kind.EDIT
        # The second model follows its video where it is told no ratio; the first wants `auto`.
        other = edit and options.get("edit_model") == _EDIT_MODEL
        ratio = item.settings.aspect_ratio
        if edit or item.kind is Kind.GUIDE:
            ratio = None if other else "auto"
        elif ratio == "auto":
            ratio = None
        listed = _has_listed_frame(item)
        given = {
            "prompt": prompts.render_prompt(item, words, image_shift=int(listed)),
            "video_mode": "elements" if listed and not _clip(item) else _VIDEO_MODES.get(item.kind),
            "mode": item.settings.mode,
            "duration": None if edit else item.settings.duration,
            "aspect_ratio": ratio,
            **_media(item),
        }
        # A text task is refused with any field of a medium, null included: such keys are left out.
        fields = {name: value for name, value in given.items() if value not in (None, [])}
        model = f"{_MODEL.partition('/')[0]}/{_EDIT_MODEL}" if other else _MODEL
        body = {"model": model, "input": fields, "dry_run": False}
        return Request(method="POST", path=_PATH, body=body)

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit; without an id in it, nobody knows."""
        del client_id  # this provider has no place for it
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        told = replies.as_told(response, body.get("code"))
        found = replies.within(body, "data", "task_id")
        task = replies.task_id(found)
        refused = body.get("success") is False or replies.is_refusal(told)
        if task and not refused:
            return Accepted(task=task, reserved=_charge(body))
        if found is not None and not refused:
            return replies.no_task(found, told)
        fault = _fault(body, told)
        # An id beside a refusal: there may be a task after all.
        return replace(fault, accepted=None) if task else fault

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for the task."""
        return Request(method="GET", path=f"{_PATH}/{quote(task.task, safe='')}")

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the task's state; HTTP 400 `generation_failed` is a failed task, not our mistake."""
        body = replies.mapping(response) or {}
        told = replies.as_told(response, body.get("code"))
        data = body.get("data")
        state = data if isinstance(data, dict) else {}
        named = state.get("task_id")
        # An error may name no task; what names another one must not end ours.
        if named is not None and replies.task_id(named) != task.task:
            return replies.unreadable(response)
        status = replies.text(state.get("status")).lower()
        code, _ = _problem(body)
        if status == "failed" or (
            code == "generation_failed" and not replies.is_inconclusive(told)
        ):
            return _parse_failure(body)
        if replies.missing(told):
            return Absent()
        if not replies.is_success(told) or body.get("success") is False:
            return _fault(body, told)
        return _progress(status, body, response)

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Put a local medium on the file host; inputs name it by the address that comes back."""
        response = yield Request(
            method="PUT", path="/upload", host="upload", part=assets.form_file(media)
        )
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        told = replies.as_told(response, body.get("code"))
        link = replies.clip(body.get("file_url"))
        if link and replies.is_success(told) and body.get("success") is not False:
            return Uploaded(uri=link.path, lifetime_s=_UPLOAD_LIFETIME_S)
        return _fault(body, told)

    def quote_request(self, request: Request) -> Request:
        """Return the dry run: validated and priced, neither made nor charged."""
        return replace(request, body={**request.body, "dry_run": True})

    def read_quote(self, response: Response) -> Quote | Fault:
        """Read the price; that it stands in `data.cost` is seen in third parties' clients."""
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        found, told = replies.quote(_charge(body)), replies.as_told(response, body.get("code"))
        if found and replies.is_success(told) and body.get("success") is not False:
            return found
        return _fault(body, told)

    def balance_request(self) -> Request:
        """Return the request that asks for the account: seen in third parties' clients."""
        return Request(method="GET", path="/v1/account")

    def read_balance(self, response: Response) -> Charge | Fault:
        """Read what the account has left, in USD."""
        body = replies.mapping(response)
        if body is None:
            return replies.unreadable(response)
        told = replies.as_told(response, body.get("code"))
        left = replies.money(replies.within(body, "data", "balance_usd"))
        if left is not None and replies.is_success(told) and body.get("success") is not False:
            return Charge(usd=left)
        return _fault(body, told)


def _clip(item: Item) -> str | None:
    return assets.one_of(item, Role.VIDEO)


def _has_listed_frame(item: Item) -> bool:
    """Tell whether the first frame stands in `image_urls`, since references or a guide do too."""
    roles = {reference.role for reference in item.references}
    return Role.FIRST in roles and bool(roles & {Role.IMAGE, Role.ELEMENT, Role.VIDEO})


def _media(item: Item) -> Mapping[str, Any]:
    listed = _has_listed_frame(item)
    first, images = assets.all_of(item, Role.FIRST), assets.all_of(item, Role.IMAGE)
    return {
        "image_urls": [*first, *images] if listed else images,
        "start_image_index": 1 if listed else None,
        "elements": [
            # The object's form is seen in a third party's client; the page names images only.
            {
                "description": found.say or found.name,
                "type": "image",
                "image_urls": [assets.placeholder(media) for media in found.media],
            }
            for found in item.references
            if found.role is Role.ELEMENT
        ],
        "start_frame_url": None if listed or not first else first[0],
        "end_frame_url": assets.one_of(item, Role.LAST),
        "video_url": _clip(item),
        # Off by default, by the page of the second model: said only where it is wanted.
        "keep_audio": True if _clip(item) and item.settings.keep_audio else None,
    }


def _problem(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and message of an error, from wherever clients have seen them."""
    places = ("data", "error"), ("error",), ("data",), ()
    found = [replies.within(body, *place) for place in places]
    codes = [replies.error_code(replies.within(one, "code")) for one in found]
    named = ("message", "error_message", "error")
    messages = [replies.text(replies.within(one, name)) for one in found for name in named]
    code = next(filter(None, codes), "")
    return code, next(filter(None, messages), code)


def _fault(body: Mapping[str, Any], told: Response) -> Fault:
    """Return the fault of an answer that is an error, or lacks what was asked for."""
    if replies.is_success(told) and body.get("success") is not False:
        return replies.unreadable(told)
    code, message = _problem(body)
    fault = replies.http_fault(told, message=message, code=code)
    if fault.accepted is None:
        return fault
    kind = _CODES.get(code) or fault.kind
    if kind is FaultKind.REJECTED:
        kind = replies.worded_kind(message) or kind
    # Under HTTP 2xx the provider's own trouble does not prove that nothing was taken.
    unclear = replies.is_success(told) and kind is FaultKind.UNAVAILABLE
    return replace(fault, kind=kind, accepted=None if unclear else False)


def _progress(status: str, body: Mapping[str, Any], response: Response) -> TaskState:
    match status:
        case "pending" | "processing":
            return Pending()
        case "completed":
            url = replies.within(body, "data", "output", "video_url")
            output = replies.clip(url) or replies.clip(replies.within(body, "data", "video_url"))
            charge = _charge(body)
            return Done(output=output, charge=charge) if output else replies.unreadable(response)
        case "":
            return replies.unreadable(response)
        case word:
            return Unknown(word=word)


def _parse_failure(body: Mapping[str, Any]) -> Failed:
    code, message = _problem(body)
    kind = replies.worded_kind(message) or FaultKind.PROVIDER
    return Failed(fault=replies.failure(kind, message, code=code), charge=_charge(body))


def _charge(body: Mapping[str, Any]) -> Charge | None:
    """Return the cost where it is told: seen in third parties' clients, in no page."""
    return replies.charge(replies.within(body, "data", "cost"))
