"""inference.sh: an item becomes a run of the app `klingai/video-o1`, in one of its two schemas.

There is no client id: a doubt is settled by listing tasks and comparing their input. Status is read
by its word, never by its number, which moved between versions. Facts: the SDKs of inference.sh
(0.36.0 and earlier) and the app's own source in github inference-sh/grid (May and August 2026).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pipeline.domain import Cadence, Constraints, Feature, Item, Kind, Media, Offer, Role
from pipeline.models import KLING_O1
from pipeline.providers import assets, inference_replies, prompts
from pipeline.providers.base import (
    Absent,
    Accepted,
    Fault,
    Request,
    Response,
    TaskRef,
    TaskState,
    Uploaded,
)

_APP = "klingai/video-o1"
_UPLOAD_LIFETIME_S = 3600.0
"""Unpublished. An hour of our own, so that a file is uploaded shortly before it is used."""
_PAGE = 100
_PAGES = 3
# The listing's own order is not written down (the sort's form: types of the SDK 0.36.0).
_NEWEST_FIRST = ({"field": "created_at", "dir": "desc"},)
_ANY = frozenset(range(3, 11))
_SHORT = frozenset({5, 10})


def _constraints(**more: Any) -> Constraints:
    return Constraints(**more)


def _kinds(*, keep_audio: bool) -> Mapping[Kind, Constraints]:
    clip = {"max_images": 4, "clip_seconds": (3.0, 10.0), "keep_audio": keep_audio}
    # With references the app takes a missing ratio for 16:9, so the frame's own is stated.
    with_images = _constraints(durations=_ANY, ratio="framed", max_images=7)
    return MappingProxyType(
        {
            # What the model forbids is accepted here and fails minutes later: its rules hold.
            Kind.TEXT: _constraints(durations=_SHORT),
            # Frame, references and a guide go into one list (the app's source, 2026-08-07).
            Kind.FIRST_FRAME: _constraints(
                durations=_SHORT, ratio="frame", max_images=7, with_images=with_images
            ),
            Kind.FRAMES: _constraints(durations=_ANY, ratio="frame"),
            Kind.REFERENCES: _constraints(durations=_ANY, max_images=7),
            Kind.GUIDE: _constraints(
                durations=_ANY,
                first_frame=True,
                with_first=_constraints(durations=_ANY, ratio="framed", first_frame=True, **clip),
                **clip,
            ),
            Kind.EDIT: _constraints(ratio="clip", **clip),
        }
    )


_OLDER = "may-2026"
# The newer schema has no switch for the sound: it cannot be asked for.
_KINDS = _kinds(keep_audio=False)
OFFER = Offer(
    provider="inference",
    title="inference.sh",
    hosts=MappingProxyType({"api": "https://api.inference.sh"}),
    key_env="INFERENCE_API_KEY",
    models=MappingProxyType({KLING_O1.name: _KINDS}),
    features=frozenset({Feature.LISTING, Feature.UPLOAD}),
    reference_syntax="@image_{n}",
    cadence=Cadence(first_s=2.0, every_s=2.0, max_s=10.0),
    upload_lifetime_s=_UPLOAD_LIFETIME_S,
    prompt_field="input.prompt",
    reserved=frozenset(
        {
            *("app", "input", "webhook", "infra", "app_id", "version_id", "workers", "setup"),
            *("stream", "wait", "function", "session", "session_timeout", "run_at", "metadata"),
        }
    ),
    settings=frozenset({"watermark"}),
    options=frozenset({"run_path", "schema", "version"}),
    option_values=MappingProxyType(
        {
            "run_path": frozenset({"/apps/run", "/run"}),
            "schema": frozenset({_OLDER, "aug-2026"}),
        }
    ),
    models_by_option=MappingProxyType(
        {("schema", _OLDER): MappingProxyType({KLING_O1.name: _kinds(keep_audio=True)})}
    ),
)


class Inference:
    """The adapter; without state."""

    offer = OFFER

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the run that buys the item, in the newer schema unless the older is chosen.

        The newer one is deployed: the older needs the short id of an app's version beside it.
        """
        older = options.get("schema") == _OLDER
        path = str(options.get("run_path") or "/apps/run")
        given = _older(item) if older else _newer(item)
        fields = {name: value for name, value in given.items() if value not in (None, [])}
        pin = str(options.get("version") or "")
        app = f"{_APP}@{pin}" if pin else _APP
        return Request(method="POST", path=path, body={"app": app, "input": fields})

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a run; a task can be born `rejected` for want of money."""
        del client_id  # this provider has no place for it
        return inference_replies.parse_submit(response)

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for the whole task: the short form has no output."""
        return Request(method="GET", path=f"/tasks/{quote(task.task, safe='')}")

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the task's state; what was charged is never told."""
        return inference_replies.state(response, task.task)

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Announce a file, put its bytes where the reply says, unsigned, and use its `uri`."""
        part = assets.form_file(media)
        announced = {
            "uri": "",
            "filename": part.filename,
            "content_type": part.content_type,
            "path": "",
            "size": media.bytes,
            "public": False,
        }
        response = yield Request(method="POST", path="/files", body={"files": [announced]})
        place = inference_replies.place(response)
        if isinstance(place, Fault):
            return place
        uri, target = place
        headers = {"content-type": part.content_type}
        put = yield Request(method="PUT", path=target, host="", headers=headers, content=True)
        fault = inference_replies.put(put)
        return fault or Uploaded(uri=uri, lifetime_s=_UPLOAD_LIFETIME_S)

    def find(
        self, client_id: str, request: Request, since: float, known: Collection[str] = ()
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Look through the newest tasks for one with our input that is no other job's."""
        del client_id  # a task here does not know it
        sought = inference_replies.Sought(
            fields=request.body["input"], since=since, known=frozenset(known)
        )
        body: dict[str, Any] = {"limit": _PAGE, "sort": _NEWEST_FIRST}
        for _ in range(_PAGES):
            response = yield Request(method="POST", path="/tasks/list", body=body)
            page = inference_replies.page(response)
            if isinstance(page, Fault):
                return page
            task = inference_replies.match(page.tasks, sought)
            if task:
                return Accepted(task=task)
            if not page.cursor:
                break
            body = {**body, "cursor": page.cursor}
        return Absent()


def _newer(item: Item) -> dict[str, Any]:
    """Return the input of August 2026: a resolution, ids for references, no sound."""
    syntax = {Role.IMAGE: "@image_{n}", Role.VIDEO: "@video_{n}"}
    resolution = "1080p" if item.settings.mode == "pro" else "720p"
    return {
        "prompt": prompts.render_prompt(item, syntax),
        "resolution": resolution,
        **_common(item),
    }


def _older(item: Item) -> dict[str, Any]:
    """Return the input of May 2026: a mode, one list of images that the frames begin."""
    syntax = {Role.IMAGE: "<<<image_{n}>>>", Role.VIDEO: "<<<video_{n}>>>"}
    # This schema counts the frames among the images: references are numbered after them.
    frames = [one for one in item.references if one.role in {Role.FIRST, Role.LAST}]
    with_clip = item.kind in {Kind.GUIDE, Kind.EDIT}
    return {
        "prompt": prompts.render_prompt(item, syntax, image_shift=len(frames)),
        "mode": item.settings.mode,
        # Its default is on.
        "keep_original_sound": bool(item.settings.keep_audio) if with_clip else None,
        **_common(item),
    }


def _common(item: Item) -> dict[str, Any]:
    edit, ratio = item.kind is Kind.EDIT, item.settings.aspect_ratio
    clip = assets.one_of(item, Role.VIDEO)
    return {
        "image": assets.one_of(item, Role.FIRST),
        "end_image": assets.one_of(item, Role.LAST),
        "reference_images": assets.all_of(item, Role.IMAGE),
        "reference_video": clip,
        "reference_video_type": ("base" if edit else "feature") if clip else None,
        "aspect_ratio": None if edit or ratio == "auto" else ratio,
        "duration": None if edit else item.settings.duration,
        "watermark": bool(item.settings.watermark),
    }
