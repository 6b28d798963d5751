"""inference.sh's dialect: runs of an app, tasks to poll, stream, cancel and delete.

What is told of the app itself is in inference_app, the account's files are in inference_files, and
what every reply is put into in inference_envelope.
From the provider's SDKs (0.36.0 and older), its REST overview of 2026-10-11 and the app's own
source of May and August 2026. The platform checks its own fields and the input's schema (both in
inference.schema.json), and that our files are there. What the model itself forbids it takes, and
fails minutes later: combinations, seconds, limits of media. What no page says, and was chosen:

- `/run` and `/apps/run` are one; `wait` and `stream` of a run change nothing, the task is told at
  once; the short ids of the two versions of the input are ours, and without a pin August's counts;
- the range of prices on the app's page is one of tiers, with and without a video;
- to cancel stops nothing upstream, and its money is spent; failed tasks are paid;
- tasks are listed oldest first unless `sort` says otherwise, 20 a page; only an ended task can be
  deleted, and its bill stays; webhooks are taken and never called;
- a task has each status at the same share of its time; it writes one line of log, its failure or
  its clip's length, and no telemetry.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from pipeline.sandbox import kling
from pipeline.sandbox.database import Task
from pipeline.sandbox.dialects.inference_app import (
    APP,
    LIVE,
    VERSIONS,
    get_app,
    list_apps,
    list_versions,
)
from pipeline.sandbox.dialects.inference_envelope import (
    error_reply,
    list_page,
    list_request,
    not_an_object,
    problem,
    time_text,
    wrap,
)
from pipeline.sandbox.dialects.inference_files import (
    announce_files,
    delete_file,
    get_file,
    list_files,
)
from pipeline.sandbox.document_schema import DocumentSchema, dialect_schema
from pipeline.sandbox.http_exchange import (
    Dialect,
    Reply,
    RequestContext,
    endpoints,
    json_object,
)
from pipeline.sandbox.media_store import NamedMedium
from pipeline.sandbox.tasks import Order, TaskService, TaskStatus

_REFUNDS = False
_MODES: Mapping[str, str] = {"720p": "std", "1080p": "pro"}
_RESOLUTIONS: Mapping[str, str] = {mode: resolution for resolution, mode in _MODES.items()}
_DEFAULT_SECONDS = 5
# Mode, and whether there is a video, to the price on the app page of 2026-08-07: "0.084 to 0.126",
# "0.112 to 0.168", "+50 % with video input".
_USD_PER_SECOND: Mapping[tuple[str, bool], Decimal] = {
    ("std", False): Decimal("0.084"),
    ("std", True): Decimal("0.126"),
    ("pro", False): Decimal("0.112"),
    ("pro", True): Decimal("0.168"),
}
_LOOK_S = 0.05
# The official client gives a stream up that says nothing for 30 s.
_HEARTBEAT_S = 1.0
# A status' number is its place.
_STATUSES = (
    *("unknown", "received", "queued", "dispatched", "preparing", "serving", "setting_up"),
    *("running", "cancelling", "uploading", "completed", "failed", "cancelled", "rejected"),
)
# The name of the note that holds an account's rejected tasks.
_REJECTIONS = "rejected {} {}"
_ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
# Percent of its time from which on a task has a status; at the end its clip is there, or it failed.
_BEGINNINGS: Mapping[str, int] = {
    "received": 0,
    "queued": 0,
    "dispatched": 20,
    "running": 30,
    "uploading": 90,
}
# A log's type: of a run.
_RUN_LOG = 1
# The second is the upstream model's own text for what its policy refuses.
_FAILURES: Mapping[TaskStatus, str] = {
    TaskStatus.FAILED: "upstream generation failed",
    TaskStatus.REFUSED: "Failure to pass the risk control system",
}
_SCHEMAS = {
    name: DocumentSchema(dialect_schema("inference"), name) for name in ("run", *VERSIONS.values())
}


async def _run(context: RequestContext) -> Response:
    body = await json_object(context.request)
    given = body.get("input") if body else None
    prompt = given.get("prompt") if isinstance(given, dict) else ""

    async def work() -> Reply:
        if body is None:
            return not_an_object()
        order = _order(context, body)
        if isinstance(order, Reply):
            return order
        if not context.service.can_pay(order):
            # Such a run is a task that is born at its end, under HTTP 200.
            task_id, now = uuid.uuid4().hex, time_text(context.service.database.now())
            rejected = {
                "id": task_id,
                "short_id": task_id[:8],
                "status": _STATUSES.index("rejected"),
                "status_text": "rejected",
                "error": "insufficient balance",
                "output": None,
                **_request_data(body),
                "created_at": now,
                "updated_at": now,
            }
            name = _REJECTIONS.format(context.provider, context.key)
            context.service.database.set_note(name, [*_rejections(context), rejected])
            return wrap(rejected)
        task = context.service.accept(order)
        assert task is not None  # noqa: S101 - its id is new
        return wrap(_summary(context.service, task, "received"))

    return await context.respond("submit", context.subject(prompt), work)


def _order(context: RequestContext, body: Mapping[str, Any]) -> Order | Reply:
    """Return the order in a run, or why it is refused at once."""
    for error in _SCHEMAS["run"].errors(body):
        return problem("invalid_request", f"{error.field} {error.words}")
    given = body["input"]
    name, _, pinned = body["app"].partition("@")
    version = pinned.partition(":")[0] or LIVE
    if name != APP or version not in VERSIONS:
        return problem("not_found", f"no app {body['app']}")
    for error in _SCHEMAS[VERSIONS[version]].errors(given):
        field = f"input.{error.field}".removesuffix(".")
        return problem("validation_error", f"{field} {error.words}")
    store, subject = context.service.media, context.subject(given["prompt"])
    media = store.look_up(subject, _media_fields(given))
    # The platform resolves its own files before the app is started.
    for medium in media:
        if store.is_gone(medium):
            return problem("validation_error", f"input.{medium.field}: no such file")
    mode, seconds = _mode(given), kling.clip_length(media)
    seconds = float(given.get("duration", _DEFAULT_SECONDS)) if seconds is None else seconds
    rate = _USD_PER_SECOND[mode, bool(given.get("reference_video"))]
    ratio = given.get("aspect_ratio")
    return Order(
        subject=subject,
        task=uuid.uuid4().hex,
        model=APP,
        request=body,
        usd=rate * Decimal(str(seconds)),
        size=kling.output_size(
            kling.SIZES[mode],
            media,
            ratio=ratio or "16:9",
            follow=("first",) if ratio else ("first", "guide"),
        ),
        seconds=seconds,
        media=media,
        will_fail=next(_late_failures(context, given, media), ""),
        extra={"short_id": secrets.token_hex(4)},
    )


def _mode(given: Mapping[str, Any]) -> str:
    """Return std or pro, whichever version an input is of; both default to the dearer."""
    return str(given.get("mode") or _MODES[given.get("resolution", "1080p")])


def _media_fields(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for field, role in (("image", "first"), ("end_image", "last")):
        if given.get(field):
            yield field, role, given[field]
    for url in given.get("reference_images") or ():
        yield "reference_images", "reference", url
    if given.get("reference_video"):
        # Anything but `base` means a feature video.
        role = "edit" if given.get("reference_video_type") == "base" else "guide"
        yield "reference_video", role, given["reference_video"]


def _late_failures(
    context: RequestContext, given: Mapping[str, Any], media: Sequence[NamedMedium]
) -> Iterator[str]:
    """Yield why the model will not make this, in its own words where they are known."""
    roles = [medium.role for medium in media]
    has_video = "edit" in roles or "guide" in roles
    if "last" in roles and "first" not in roles:
        yield "End frame requires a first frame image"
    if "last" in roles and ("reference" in roles or has_video):
        yield "an end frame takes no further images and no video"
    # The app has no such limit: the model behind it refuses.
    if has_video and roles.count("reference") > kling.MAX_IMAGES_WITH_CLIP:
        yield "at most 4 reference images with a video"
    if "edit" in roles and "first" in roles:
        yield "a video that is edited takes no frames"
    is_short = not {"reference", "last", "edit", "guide"} & set(roles)
    if is_short and given.get("duration", _DEFAULT_SECONDS) not in kling.SHORT_DURATIONS:
        yield "Duration only supports 5 or 10 seconds when no refer_image is provided"
    for medium in media:
        for wrong in kling.medium_errors(context.service.media, medium):
            yield f"{medium.field}: {wrong}"


def _rejections(context: RequestContext) -> list[dict[str, Any]]:
    """Return the account's tasks that were rejected for want of money: they never run."""
    name = _REJECTIONS.format(context.provider, context.key)
    return context.service.database.note(name) or []


def _summary(service: TaskService, task: Task, word: str = "") -> dict[str, Any]:
    """Return a task as a run's reply tells it; a scenario may give another word."""
    # Asked of a cancelled task too: upstream goes on, and its end may be billed by this look.
    progress = service.progress(task, refunds=_REFUNDS)
    if not word and service.database.note(f"cancelled {task.id}"):
        word = "cancelled"
    if not word:
        match progress.status:
            case TaskStatus.QUEUED:
                word = "queued"
            case TaskStatus.RUNNING if progress.percent < _BEGINNINGS["running"]:
                word = "dispatched"
            case TaskStatus.RUNNING:
                word = "running" if progress.percent < _BEGINNINGS["uploading"] else "uploading"
            case TaskStatus.DONE:
                word = "completed"
            case TaskStatus.FAILED | TaskStatus.REFUSED:
                word = "failed"
    error = progress.message or _FAILURES.get(progress.status, "")
    return {
        "id": task.id,
        "short_id": task.extra["short_id"],
        "status": _STATUSES.index(word) if word in _STATUSES else 0,
        "status_text": word,
        "output": _output(service, task) if word == "completed" else None,
        # A text is all that is told of a failure.
        "error": error if word == "failed" else "",
        "session_id": None,
        "created_at": time_text(task.created_at),
        "updated_at": time_text(min(service.database.now(), task.ready_at)),
        "run_at": None,
    }


def _whole(service: TaskService, task: Task, word: str = "") -> dict[str, Any]:
    """Return all that is told of a task: what was asked for, what was used, no money."""
    told = {**_summary(service, task, word), **_request_data(task.request)}
    if told["status_text"] == "completed":
        usage = {
            "type": "video",
            "model": "kling-o1",
            "quantity": int(task.reel["seconds"]),
            "unit": "second",
            "tier": _RESOLUTIONS[_mode(task.request["input"])],
        }
        told["usage_events"] = [usage]
    return told


def _request_data(body: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name: body.get(name) for name in ("input", "webhook", "infra")}
    return asked | {"function": "run", "run_at": None, "events": [], "logs": [], "usage_events": []}


def _output(service: TaskService, task: Task) -> dict[str, Any]:
    given = task.request["input"]
    mode = _mode(given)
    # Computed from the ratio asked for, not measured: wrong where a picture or a video leads.
    width, height = kling.SIZES[mode][given.get("aspect_ratio") or "16:9"]
    meta = {
        "type": "video",
        "width": width,
        "height": height,
        "resolution": _RESOLUTIONS[mode],
        "seconds": task.reel["seconds"],
        "fps": task.reel["fps"],
        "extra": {"mode": _way_of_making(given), "model": "kling-o1"},
    }
    return {"video": service.result_url(task), "output_meta": {"outputs": [meta]}}


def _way_of_making(given: Mapping[str, Any]) -> str:
    """Return the app's own name for what an input asks for (its source, 2026-08-07)."""
    video, images = given.get("reference_video"), given.get("reference_images")
    if video and given.get("reference_video_type") == "base":
        return "video-editing"
    if video or images:
        return "reference-generation"
    if given.get("image") and given.get("end_image"):
        return "start-end-frame"
    return "image-to-video" if given.get("image") else "text-to-video"


async def _poll(context: RequestContext, *, names: Sequence[str] = ()) -> Response:
    """Tell a task, or these of its fields alone."""

    def reply(_task: Task | None) -> Reply:
        task = _find(context)
        if isinstance(task, Task):
            word = context.status_word(task)
            told = None if word == "" else _whole(context.service, task, word or "")
        else:
            told = task
        if told is None:
            return _no_task()
        return wrap({name: told[name] for name in names or told})

    return await context.respond_status(context.request.path_params["task"], reply)


def _find(context: RequestContext) -> Task | dict[str, Any] | None:
    """Return the task of a path that is there, or all that is told of a rejected one."""
    task_id = context.request.path_params["task"]
    task = context.task(task_id)
    if task is not None:
        return None if _is_deleted(context, task) else task
    return next((told for told in _rejections(context) if told["id"] == task_id), None)


def _is_deleted(context: RequestContext, task: Task) -> bool:
    return bool(context.service.database.note(f"deleted {task.id}"))


async def _cancel(context: RequestContext) -> Response:
    task = _find(context)
    if task is None:
        return _no_task().response()
    if isinstance(task, dict) or _has_ended(context, task):
        return problem("invalid_transition", "the task has ended").response()
    # A note, and nothing is stopped: upstream goes on, and the money is spent.
    context.service.database.set_note(f"cancelled {task.id}", context.service.database.now())
    return wrap(_summary(context.service, task)).response()


def _has_ended(context: RequestContext, task: Task) -> bool:
    return _summary(context.service, task)["status_text"] in _ENDED


async def _stream(context: RequestContext) -> Response:
    """Tell each change of a task until it ends, as lines of JSON or, if asked for, as events."""
    task = _find(context)
    if task is None:
        return _no_task().response()
    if "text/event-stream" in context.request.headers.get("accept", ""):
        media_type, line, heartbeat = "text/event-stream", b"data: %s\n\n", b": heartbeat\n\n"
    else:
        media_type, line, heartbeat = "application/x-ndjson", b"%s\n", b'{"type":"heartbeat"}\n'

    async def lines() -> AsyncIterator[bytes]:
        if isinstance(task, dict):
            yield line % orjson.dumps(task)
            return
        loop = asyncio.get_running_loop()
        last, spoke_at = "", loop.time()
        while last not in _ENDED:
            # Read anew: its clip may have been rendered meanwhile.
            told = _whole(context.service, context.task(task.id) or task)
            if told["status_text"] != last:
                last, spoke_at = told["status_text"], loop.time()
                yield line % orjson.dumps(told)
            elif loop.time() - spoke_at > _HEARTBEAT_S:
                spoke_at = loop.time()
                yield heartbeat
            await asyncio.sleep(_LOOK_S)

    return StreamingResponse(lines(), media_type=media_type)


async def _get_logs(context: RequestContext) -> Response:
    """Tell when a task had each status, and what it wrote."""

    def tell(task: Task, told: Mapping[str, Any]) -> dict[str, Any]:
        common = {"task_id": task.id, "created_at": told["updated_at"]}
        events = [
            {"id": f"{task.id}-{word}", **common, "event_time": time_text(at), "status": number}
            for word, number, at in _history(context.service, task, told)
        ]
        line = told["error"] or (told["output"] and f"{task.reel['seconds']:g} s of video")
        logs = [{**common, "id": f"{task.id}-log", "log_type": _RUN_LOG, "content": line}]
        return {"events": events, "logs": logs if line else []}

    return _tell_of(context, tell)


async def _get_timings(context: RequestContext) -> Response:
    """Tell how long a task had each status."""

    def tell(task: Task, told: Mapping[str, Any]) -> dict[str, Any]:
        history = _history(context.service, task, told)
        events: list[dict[str, Any]] = []
        for (word, _, at), after in zip(history, [*history[1:], None], strict=True):
            event = {"status": word, "timestamp": time_text(at)}
            events.append(event if after is None else event | _duration(after[2] - at))
        total = _duration(history[-1][2] - task.created_at)
        return {f"total_{name}": value for name, value in total.items()} | {
            "groups": [],
            "events": events,
        }

    return _tell_of(context, tell)


async def _get_telemetry(context: RequestContext) -> Response:
    return (_no_task() if _find(context) is None else wrap([])).response()


def _tell_of(
    context: RequestContext, tell: Callable[[Task, Mapping[str, Any]], dict[str, Any]]
) -> Response:
    """Return what a page of a task's own tells, with the task's id and status."""
    task = _find(context)
    if not isinstance(task, Task):
        return _no_task().response()
    told = _whole(context.service, task)
    return wrap({"task_id": task.id, "status": told["status"], **tell(task, told)}).response()


def _history(
    service: TaskService, task: Task, told: Mapping[str, Any]
) -> list[tuple[str, int, float]]:
    """Return each status a task has had, its number and its time, up to the present one."""
    lasts = task.ready_at - task.created_at
    ends_at = float(service.database.note(f"cancelled {task.id}") or task.ready_at)
    history: list[tuple[str, int, float]] = []
    for word, percent in _BEGINNINGS.items():
        at = task.created_at + percent * lasts / 100
        if at <= ends_at:
            history.append((word, _STATUSES.index(word), at))
        if word == told["status_text"]:
            return history
    return [*history, (told["status_text"], told["status"], ends_at)]


def _duration(seconds: float) -> dict[str, Any]:
    return {"duration": f"{seconds:.3f}s", "duration_ms": round(seconds * 1000)}


async def _list_tasks(context: RequestContext) -> Response:
    body = await list_request(context.request)

    async def work() -> Reply:
        tasks = context.service.database.tasks(
            "provider=? AND account=?", context.provider, context.key
        )
        told = [_whole(context.service, t) for t in tasks if not _is_deleted(context, t)]
        return list_page(told + _rejections(context), body)

    return await context.respond("status", context.subject(), work)


async def _delete_task(context: RequestContext) -> Response:
    task, database = _find(context), context.service.database
    if isinstance(task, dict):
        left = [told for told in _rejections(context) if told["id"] != task["id"]]
        database.set_note(_REJECTIONS.format(context.provider, context.key), left)
        return wrap(None).response()
    if task is None:
        return _no_task().response()
    if not _has_ended(context, task):
        return problem("invalid_transition", "the task has not ended").response()
    # Even what something else still uses is deleted (SDK).
    if context.request.query_params.get("files") == "true":
        _delete(context, task, _files(context, task))
    # Only hidden from its account: its bill stays.
    database.set_note(f"deleted {task.id}", value=True)
    return wrap(None).response()


async def _task_files(context: RequestContext) -> Response:
    """List, or delete, the files that a task consumed and produced."""
    task = _find(context)
    if not isinstance(task, Task):
        return _no_task().response()
    role = context.request.query_params.get("role", "")
    found = [each for each in _files(context, task) if role in {"", each["role"]}]
    if context.request.method == "GET":
        return wrap(found).response()
    if not _has_ended(context, task):
        return problem("invalid_transition", "the task has not ended").response()
    _delete(context, task, found)
    return wrap({"deleted": [each["id"] for each in found], "skipped": []}).response()


def _files(context: RequestContext, task: Task) -> list[dict[str, str]]:
    service = context.service
    named = service.media.look_up(context.subject(), _media_fields(task.request["input"]))
    # What is on the web for all is nobody's to list or to delete.
    uploads = {
        each.stored.id: each.name
        for each in named
        if each.stored and each.stored.provider == context.provider
    }
    found = [{"id": name, "uri": uri, "role": "input"} for name, uri in uploads.items()]
    # Links are made for a task that has a clip, and for no other.
    ended = service.progress(task, refunds=_REFUNDS).status is TaskStatus.DONE
    for link in service.links(task) if ended else ():
        if link.expires_at > service.database.now():
            uri = service.link_url(task, link)
            found.append({"id": link.token, "uri": uri, "role": "output"})
    return found


def _delete(context: RequestContext, task: Task, files: Sequence[Mapping[str, str]]) -> None:
    for each in files:
        if each["role"] == "output":
            context.service.database.expire_links(task)
        else:
            context.service.database.delete_upload(each["id"])


def _no_task() -> Reply:
    return problem("not_found", "no such task")


def _routes(service: TaskService) -> list[BaseRoute]:
    table = (
        ("/apps/run", "POST", _run),
        ("/run", "POST", _run),
        ("/apps/list", "POST", list_apps),
        ("/apps/{app}", "GET", get_app),
        ("/apps/{app}/versions/list", "POST", list_versions),
        ("/apps/{app}/versions/{version}", "GET", get_app),
        ("/apps/{namespace}/{name}", "GET", get_app),
        ("/tasks/list", "POST", _list_tasks),
        ("/tasks/{task}", "GET", _poll),
        ("/tasks/{task}", "DELETE", _delete_task),
        ("/tasks/{task}/status", "GET", partial(_poll, names=("id", "status", "updated_at"))),
        ("/tasks/{task}/stream", "GET", _stream),
        ("/tasks/{task}/cancel", "POST", _cancel),
        ("/tasks/{task}/files", "GET", _task_files),
        ("/tasks/{task}/files", "DELETE", _task_files),
        ("/tasks/{task}/logs", "GET", _get_logs),
        ("/tasks/{task}/timings", "GET", _get_timings),
        ("/tasks/{task}/telemetry", "GET", _get_telemetry),
        ("/files", "POST", announce_files),
        ("/files/list", "POST", list_files),
        ("/files/{file}", "GET", get_file),
        ("/files/{file}", "DELETE", delete_file),
    )
    return endpoints(service, INFERENCE.name, error_reply, table)


INFERENCE = Dialect(
    name="inference",
    routes=_routes,
    addresses={"base_url": "/inference"},
    refunds=_REFUNDS,
)
