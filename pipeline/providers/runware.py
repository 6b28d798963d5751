"""Runware: an item becomes one task in a JSON array, under an id that we choose.

Because the id is ours (`taskUUID`), a submit may be repeated and a doubt settles itself. Facts are
from the model pages klingai-video-o1-pro and -standard and the official SDK `runware-sdk` 1.8.0,
as stored in 2026; what neither says is marked. Replies are read in `runware_replies`.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipeline.domain import Cadence, Constraints, Feature, Item, Kind, Media, Offer, Role
from pipeline.models import KLING_O1
from pipeline.providers import assets, prompts, runware_replies
from pipeline.providers.base import (
    ASSET,
    CLIENT_ID,
    Absent,
    Accepted,
    Charge,
    Fault,
    Quote,
    Request,
    Response,
    TaskRef,
    TaskState,
    Uploaded,
)

_PATH = "/v1"
_LINK_LIFETIME_S = 86_400
_MODELS = MappingProxyType({"pro": "klingai:kling@o1", "std": "klingai:kling@o1-standard"})
# Width and height go in pairs, these alone (model pages).
_PIXELS = MappingProxyType(
    {
        "pro": {"16:9": (1920, 1080), "1:1": (1440, 1440), "9:16": (1080, 1920)},
        "std": {"16:9": (1280, 720), "1:1": (960, 960), "9:16": (720, 1280)},
    }
)
_WITH_CLIP = frozenset({Kind.GUIDE, Kind.EDIT, Kind.FAST_EDIT})
_SHORT = frozenset({5, 10})
_ANY = frozenset(range(3, 11))


def _constraints(**more: Any) -> Constraints:
    return Constraints(prompt_min=2, **more)


_SAFETY: Mapping[str, Any] = {"enum": ["none", "fast", "full"]}
_QUALITY: Mapping[str, Any] = {"type": "integer", "minimum": 20, "maximum": 99}
_GUIDED: Mapping[str, Any] = {"clip_seconds": (3.0, 10.0), "keep_audio": True}
_KINDS: Mapping[Kind, Constraints] = MappingProxyType(
    {
        # Which lengths text takes is not on the page: the model's own rule.
        Kind.TEXT: _constraints(durations=_SHORT),
        Kind.FIRST_FRAME: _constraints(durations=_SHORT, ratio="frame"),
        Kind.FRAMES: _constraints(durations=_SHORT, ratio="frame"),
        # Exactly one of frames, reference images, width and height: no ratio beside images.
        Kind.REFERENCES: _constraints(durations=_ANY, ratio="provider", max_images=7),
        # The page allows 7 images beside a guide, the model 4. The official example pairs a
        # guide with width and height, against the rule. A first frame takes the place of that
        # size, and of images, by the page's "exactly one"; frames mean 5 or 10 seconds there.
        Kind.GUIDE: _constraints(
            durations=_ANY,
            first_frame=True,
            max_images=4,
            with_first=_constraints(durations=_SHORT, ratio="frame", first_frame=True, **_GUIDED),
            with_images=_constraints(durations=_ANY, ratio="provider", max_images=4, **_GUIDED),
            **_GUIDED,
        ),
        Kind.EDIT: _constraints(
            ratio="clip", max_images=4, clip_seconds=(3.0, 10.0), keep_audio=True
        ),
        Kind.FAST_EDIT: _constraints(
            ratio="clip", max_images=4, clip_seconds=(6.0, 20.0), keep_audio=True
        ),
    }
)
OFFER = Offer(
    provider="runware",
    title="Runware",
    hosts=MappingProxyType({"api": "https://api.runware.ai"}),
    key_env="RUNWARE_API_KEY",
    models=MappingProxyType({KLING_O1.name: _KINDS}),
    features=frozenset(
        {
            *(Feature.IDEMPOTENT, Feature.FIND, Feature.UPLOAD, Feature.QUOTE, Feature.COST),
            Feature.BALANCE,
        }
    ),
    concurrency=3,
    # Official SDK: first after 1 s, then 0.5 s growing by half up to 10 s.
    cadence=Cadence(first_s=1.0, every_s=0.5, max_s=10.0),
    # An array may hold several tasks; how many is not documented. So few are our own choice.
    status_group=20,
    # Documented for imageUpload (30 days after last use); inferred for mediaStorage.
    upload_lifetime_s=30 * 86_400.0,
    # For how long an id is remembered nobody says; after these ten minutes the archive is asked.
    dedupe_for_s=600.0,
    prompt_field="positivePrompt",
    reserved=frozenset(
        {
            *("taskType", "taskUUID", "model", "positivePrompt", "numberResults"),
            *("width", "height", "duration", "inputs", "outputType", "outputFormat"),
            *("deliveryMethod", "includeCost", "ttl", "webhookURL", "uploadEndpoint"),
            *("providerSettings.klingai.fast", "providerSettings.klingai.keepOriginalSound"),
        }
    ),
    settings=frozenset({"format", "safety", "output_quality", "ttl"}),
    setting_values=MappingProxyType(
        {
            "safety": _SAFETY,
            "output_quality": _QUALITY,
            "ttl": {"type": "integer", "minimum": 60},
        }
    ),
    extra_fields=MappingProxyType(
        {
            "outputQuality": _QUALITY,
            "safety.mode": _SAFETY,
            "safety.checkContent": {"type": "boolean"},
            # Known by the SDK's types alone: an object, whatever it holds.
            "routing": {"type": "object"},
        }
    ),
    options=frozenset({"reference_syntax"}),
)


class Runware:
    """The adapter; without state."""

    offer = OFFER

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the one-task array that buys the item."""
        syntax = {Role.IMAGE: str(options.get("reference_syntax") or "")}
        seconds, safety, more = item.settings.duration, item.settings.safety, item.settings.more
        quality = more.get("output_quality")
        if item.kind in {Kind.EDIT, Kind.FAST_EDIT}:
            seconds = None
        task = {
            "taskType": "videoInference",
            "taskUUID": CLIENT_ID,
            "model": _MODELS[item.settings.mode],
            "positivePrompt": prompts.render_prompt(item, syntax),
            **_size(item),
            **({} if seconds is None else {"duration": seconds}),
            # Each further result would be billed; the manifest expands takes instead.
            "numberResults": 1,
            "outputType": "URL",
            "outputFormat": (item.settings.format or "mp4").upper(),
            "deliveryMethod": "async",
            # Without it no cost ever appears.
            "includeCost": True,
            # How long a link lives without it nobody says.
            "ttl": more.get("ttl", _LINK_LIFETIME_S),
            **({} if quality is None else {"outputQuality": quality}),
            **({"safety": {"checkContent": safety != "none", "mode": safety}} if safety else {}),
            **_inputs(item),
            **_sound(item),
        }
        return Request(method="POST", path=_PATH, body=[task])

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit; `conflictTaskUUID` on our own id means: taken before."""
        return runware_replies.parse_submit(response, client_id)

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for the task; a POST that buys nothing."""
        return self.group_status_request([task])

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the task's state; an empty list means nothing yet and never heard of alike."""
        return runware_replies.state(response, task.task)

    def group_status_request(self, tasks: Sequence[TaskRef]) -> Request:
        """Return the request that asks for several tasks; a POST that buys nothing."""
        body = [{"taskType": "getResponse", "taskUUID": task.task} for task in tasks]
        return Request(method="POST", path=_PATH, body=body)

    def split_status(
        self, tasks: Sequence[TaskRef], response: Response
    ) -> Mapping[str, Response] | None:
        """Return each task's part of the reply; None where a part names no task of these."""
        return runware_replies.split(response, [task.task for task in tasks])

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Put a local medium into media storage; inputs name it by the id that comes back."""
        task = {
            "taskType": "mediaStorage",
            "taskUUID": CLIENT_ID,
            "operation": "upload",
            "media": ASSET + media.digest,
        }
        response = yield Request(method="POST", path=_PATH, body=[task])
        stored = runware_replies.parse_upload(response)
        if isinstance(stored, Fault):
            return stored
        return Uploaded(uri=stored, lifetime_s=OFFER.upload_lifetime_s)

    def find(
        self, client_id: str, request: Request, since: float, known: Collection[str] = ()
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Ask for the archived request: found means accepted, not found proves nothing."""
        del request, since, known  # our own id says it all
        # A look-up of its own, since a status answers alike of a task that runs and of none.
        body = [{"taskType": "getTaskDetails", "taskUUID": client_id}]
        response = yield Request(method="POST", path=_PATH, body=body)
        return runware_replies.parse_archive(response, client_id)

    def quote_request(self, request: Request) -> Request:
        """Return the dry run: validated and priced, not executed."""
        headers = {"X-Runware-Dry-Run": "1"}
        return Request(method="POST", path=_PATH, headers=headers, body=request.body)

    def read_quote(self, response: Response) -> Quote | Fault:
        """Read the price that the dry run names."""
        return runware_replies.parse_quote(response)

    def balance_request(self) -> Request:
        """Return the request for the account's details; a POST that buys nothing."""
        task = {"taskType": "accountManagement", "taskUUID": CLIENT_ID, "operation": "getDetails"}
        return Request(method="POST", path=_PATH, body=[task])

    def read_balance(self, response: Response) -> Charge | Fault:
        """Read what the account has left, in USD."""
        return runware_replies.balance(response)


def _size(item: Item) -> Mapping[str, int]:
    """Return width and height where they may stand: never beside frames, images or an edit."""
    pictures = any(each.role in {Role.FIRST, Role.IMAGE} for each in item.references)
    if item.kind not in {Kind.TEXT, Kind.GUIDE} or pictures:
        return {}
    pair = _PIXELS[item.settings.mode].get(item.settings.aspect_ratio or "")
    return {"width": pair[0], "height": pair[1]} if pair else {}


def _inputs(item: Item) -> Mapping[str, Any]:
    frames = [
        {"image": found, "frame": role.value}
        for role in (Role.FIRST, Role.LAST)
        for found in assets.all_of(item, role)
    ]
    images, clip = assets.all_of(item, Role.IMAGE), assets.one_of(item, Role.VIDEO)
    inputs: dict[str, Any] = {"frameImages": frames} if frames else {}
    if images:
        inputs["referenceImages"] = images
    if clip and item.kind is Kind.GUIDE:
        inputs["referenceVideos"] = [clip]
    elif clip:
        inputs["video"] = clip
    return {"inputs": inputs} if inputs else {}


def _sound(item: Item) -> Mapping[str, Any]:
    if item.kind not in _WITH_CLIP:
        return {}
    klingai: dict[str, bool] = {"keepOriginalSound": bool(item.settings.keep_audio)}
    if item.kind is not Kind.GUIDE:
        klingai["fast"] = item.kind is Kind.FAST_EDIT
    return {"providerSettings": {"klingai": klingai}}
