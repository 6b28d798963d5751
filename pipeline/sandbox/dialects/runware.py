"""Runware's dialect: arrays of tasks in, arrays of data and errors out, one address for all.

From the provider's pages, its official clients and their types (read in 2026). What a task's fields
may be, and which go together, stands in runware.schema.json. Over a WebSocket the arrays are the
same, a message each, and so are the replies and what a scenario does to them. Chosen where the
pages are silent: the reply to a dry run is `{taskType, taskUUID, cost}`; a queued task answers
nothing, as an unknown one does; the details of an unknown task are a 404; failed tasks are paid
(the dearer reading); a search for models finds the two that are sold here, by any part of their
name or AIR, and orders them by name alone.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import takewhile
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipeline.sandbox import kling
from pipeline.sandbox.database import Task
from pipeline.sandbox.document_schema import DocumentSchema, dialect_schema
from pipeline.sandbox.http_exchange import Dialect, Reply, RequestContext, bearer
from pipeline.sandbox.media_store import NamedMedium, NotMedia, decode_base64
from pipeline.sandbox.tasks import (
    Order,
    TaskService,
    TaskStatus,
    cost_in_reply,
    subject_of,
)

# Whether failed tasks are paid stands on none of its pages: the dearer reading.
_REFUNDS = False
# Stored media are dropped 30 days after their last use.
_UPLOAD_LIFETIME_S = 30 * 86_400.0
# With providerSettings.klingai.fast (model page).
_FAST_CLIP_SECONDS = (6.0, 20.0)
_DEFAULT_DURATION = 5
_MODES: Mapping[str, str] = {"klingai:kling@o1": "pro", "klingai:kling@o1-standard": "std"}
# By the addresses of their pages.
_MODEL_NAMES: Mapping[str, str] = {
    "klingai:kling@o1": "KlingAI Video O1 Pro",
    "klingai:kling@o1-standard": "KlingAI Video O1 Standard",
}
_PAGE = 20
# Mode, and whether there is a video, to the price on the model pages.
_USD_PER_SECOND: Mapping[tuple[str, bool], Decimal] = {
    ("pro", False): Decimal("0.112"),
    ("pro", True): Decimal("0.168"),
    ("std", False): Decimal("0.084"),
    ("std", True): Decimal("0.126"),
}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Every error points to the page of the model; ours is always the same one.
_DOCUMENTATION = "https://runware.ai/docs/models/klingai-video-o1-pro"
# Raw codes are called unstable: these are of the classes that the official client tells apart.
_TROUBLES: Mapping[str, tuple[str, str]] = {
    "throttled": ("rateLimitExceeded", "Too many requests. Please slow down."),
    "error": ("serviceUnavailable", "The service is temporarily unavailable."),
    "no-credit": ("insufficientCredits", "Insufficient credits. Please top up your account."),
    "bad-key": ("invalidApiKey", "Invalid API key. Get one at https://my.runware.ai/signup"),
    "failed": ("providerError", "The provider could not generate this video."),
    "refused": ("providerContentPolicyViolation", "Refused by the provider's content policy."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a task is refused, in Runware's words."""

    code: str
    message: str
    parameter: str = ""
    status: int = 400

    def as_data(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return one item of `errors`."""
        told = {
            "code": self.code,
            "message": self.message,
            "parameter": self.parameter,
            "taskType": task.get("taskType"),
            "taskUUID": task.get("taskUUID"),
            "documentation": _DOCUMENTATION,
        }
        return {name: value for name, value in told.items() if value}


# The data and errors that one task of an array adds to the reply, or why it is refused.
Answer = dict[str, Any] | list[Problem]


def _routes(service: TaskService) -> list[BaseRoute]:
    async def post(request: Request) -> Response:
        return await _post(service, request)

    async def connect(socket: WebSocket) -> None:
        await _Connection(service, socket).serve()

    return [Route("/v1", post, methods=["POST"]), WebSocketRoute("/v1", connect)]


class _Connection:
    """A WebSocket, which its first message authenticates; each further message is a request."""

    def __init__(self, service: TaskService, socket: WebSocket) -> None:
        self._service = service
        self._socket = socket
        self._key = ""
        self._lost = asyncio.Event()

    async def serve(self) -> None:
        """Answer messages until the client leaves, each as soon as it can be."""
        await self._socket.accept()
        try:
            while True:
                message = await self._receive()
                self._key = self._key or _key_in(_tasks_in(message))
                # On, even if the client leaves: what was sent has been ordered.
                self._service.run_in_background(self._answer(message, self._key))
        except WebSocketDisconnect:
            self._lost.set()

    async def _receive(self) -> bytes:
        """Return the next message, whether it came as text or as bytes."""
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame["code"])
        text = frame.get("text")
        return (frame.get("bytes") or b"") if text is None else text.encode()

    async def _answer(self, message: bytes, key: str) -> None:
        """Send what a POST of this message would be answered with; faults hang up as there."""

        async def body() -> Message:
            return {"type": "http.request", "body": message}

        async def wait_for_loss() -> Message:
            await self._lost.wait()
            return {"type": "http.disconnect"}

        async def send(part: Message) -> None:
            reply = part.get("body", b"").decode("utf-8", "replace")
            if reply and not self._lost.is_set():
                with suppress(WebSocketDisconnect):
                    await self._socket.send_text(reply)

        headers = [(b"authorization", f"Bearer {key}".encode())]
        scope = {"type": "http", "method": "POST", "headers": headers, "query_string": b""}
        scope["state"] = self._socket.scope["state"]
        response = await _post(self._service, Request(scope, body))
        await response(scope, wait_for_loss, send)


def _tasks_in(content: bytes | str) -> list[dict[str, Any]]:
    """Return the tasks of a request; none where it is no array of objects."""
    try:
        tasks = orjson.loads(content)
    except orjson.JSONDecodeError:
        return []
    is_array = isinstance(tasks, list) and all(isinstance(task, dict) for task in tasks)
    return tasks if is_array else []


def _key_in(tasks: Sequence[Mapping[str, Any]]) -> str:
    """Return the key that an array has in itself, as its first task, or nothing."""
    first = next(iter(tasks), {})
    return str(first.get("apiKey") or "") if first.get("taskType") == "authentication" else ""


async def _post(service: TaskService, request: Request) -> Response:
    tasks = _tasks_in(await request.body())
    if not tasks:
        message = "The body must be a JSON array of tasks."
        problem = Problem(code="invalidRequest", message=message)
        return Reply(status=400, body={"errors": [problem.as_data({})]}).response()
    key = _key_in(tasks) or bearer(request)
    session = ""
    if tasks[0].get("taskType") == "authentication":
        session = str(tasks[0].get("connectionSessionUUID") or uuid.uuid4())
        tasks = tasks[1:]
    if not key or service.is_bad(key):
        return _error_reply(request, "bad-key", 401).response()
    service.remember_key(key)
    context = RequestContext(
        service=service,
        request=request,
        provider=RUNWARE.name,
        key=key,
        error_reply=_error_reply,
    )
    # What an array is to a scenario, its first task decides; a dry run buys nothing.
    first = tasks[0] if tasks else {}
    stage = _TASK_TYPES.get(str(first.get("taskType")), ("", None))[0]
    stage = "quote" if stage == "submit" and _is_dry(context) else stage
    # A poll has no prompt of its own: a fault that names one means what was ordered.
    known = context.task(first.get("taskUUID")) if "positivePrompt" not in first else None
    subject = subject_of(known) if known else context.subject(first.get("positivePrompt"))
    return await context.respond(stage, subject, partial(_answer_all, context, tasks, session))


def _is_dry(context: RequestContext) -> bool:
    return context.request.headers.get("x-runware-dry-run") == "1"


async def _answer_all(
    context: RequestContext, tasks: Sequence[dict[str, Any]], session: str
) -> Reply:
    data: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    refused: list[Problem] = []
    for task in tasks:
        answer = await _answer(context, task)
        if isinstance(answer, list):
            refused += answer
            errors += [problem.as_data(task) for problem in answer]
        else:
            data += answer.get("data", ())
            errors += answer.get("errors", ())
    # One good task makes the whole a 200: its data must not be lost behind an error.
    if refused and not data:
        return Reply(status=refused[0].status, body={"errors": errors})
    # Nothing but the authentication: that is answered.
    if not tasks:
        data = [{"taskType": "authentication", "connectionSessionUUID": session}]
    return Reply(body={"data": data, "errors": errors} if errors else {"data": data})


async def _answer(context: RequestContext, task: dict[str, Any]) -> Answer:
    name = str(task.get("taskType"))
    if name not in _TASK_TYPES:
        message = f"{task.get('taskType')!r} is not a task type here"
        return [Problem(code="invalidTaskType", message=message, parameter="taskType")]
    problems = []
    what = "this model" if name == "videoInference" else name
    for error in _SCHEMAS[name].errors(task):
        # An array is one parameter, whatever is wrong inside.
        parameter = ".".join(takewhile(lambda step: isinstance(step, str), error.path))  # type: ignore[arg-type]
        code, message = {
            "missing": ("missingParameter", f"{parameter} is required"),
            "unknown": ("unsupportedParameter", f"{parameter} is not a parameter of {what}"),
            "wrong": ("invalidParameter", f"{parameter} {error.words}"),
            "rule": ("invalidParameterCombination", error.words),
        }[error.problem]
        if parameter == "taskUUID" and name != "videoInference":
            code = "invalidTaskUUID"
        problems.append(Problem(code=code, message=message, parameter=parameter))
    return problems or await _TASK_TYPES[name][1](context, task)


def _error_reply(_request: Request, trouble: str, status: int) -> Reply:
    code, message = _TROUBLES.get(trouble, (trouble, trouble))
    if trouble == "bad-key":
        told = {"parameter": "apiKey", "taskType": "authentication"}
        return Reply(status=status, body={"errors": [{"code": code, "message": message, **told}]})
    problem = Problem(code=code, message=message)
    return Reply(status=status, body={"errors": [problem.as_data({})]})


async def _submit(context: RequestContext, task: dict[str, Any]) -> Answer:
    conflict = Problem(
        code="conflictTaskUUID",
        message="A task with this taskUUID exists already.",
        parameter="taskUUID",
    )
    named = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
    # Before its fields are looked at: a repeat is a conflict even if it differs.
    if context.task(task["taskUUID"]) is not None and not _is_dry(context):
        return [conflict]
    order = await _order(context, task)
    if isinstance(order, list):
        return order
    if _is_dry(context):
        return {"data": [named | {"cost": float(order.usd)}]}
    if not context.service.can_pay(order):
        code, message = _TROUBLES["no-credit"]
        return [Problem(code=code, message=message, status=402)]
    # The id is taken in the same commit: of two requests at once, one loses here.
    return [conflict] if context.service.accept(order) is None else {"data": [named]}


async def _order(context: RequestContext, task: Mapping[str, Any]) -> Order | list[Problem]:
    """Return the order in a task whose fields are right, or what is wrong with its media."""
    subject = context.subject(task["positivePrompt"])
    inputs = task.get("inputs", {})
    fast = task.get("providerSettings", {}).get("klingai", {}).get("fast", False)
    clip_seconds = _FAST_CLIP_SECONDS if fast else kling.CLIP_SECONDS
    media: list[NamedMedium] = []
    problems: list[Problem] = []
    for field, role, name in _media_fields(inputs):
        try:
            medium = await _find_medium(context, field, role, name)
        except LookupError as error:
            problems.append(Problem(code="mediaNotFound", message=str(error), parameter=field))
            continue
        except NotMedia as error:
            problems.append(Problem(code="invalidMedia", message=str(error), parameter=field))
            continue
        media.append(medium)
        for wrong in kling.medium_errors(context.service.media, medium, clip_seconds=clip_seconds):
            # A medium of the wrong kind is one thing, one beyond the limits another.
            is_kind = wrong.startswith("cannot be")
            code = "invalidMediaType" if is_kind else "invalidMedia"
            message = f"{field}{'' if is_kind else ':'} {wrong}"
            problems.append(Problem(code=code, message=message, parameter=field))
    if problems:
        return problems
    mode = _MODES[task["model"]]
    size = (task["width"], task["height"]) if "width" in task else None
    seconds = kling.clip_length(media, least=clip_seconds[0])
    seconds = float(task.get("duration", _DEFAULT_DURATION)) if seconds is None else seconds
    rate = _USD_PER_SECOND[mode, bool({"video", "referenceVideos"} & inputs.keys())]
    results = task.get("numberResults", 1)
    return Order(
        subject=subject,
        task=task["taskUUID"],
        client_id=task["taskUUID"],
        model=task["model"],
        request=task,
        usd=rate * Decimal(str(seconds)) * results,
        size=size
        or kling.output_size(kling.SIZES[mode], media, follow=("first", "reference", "guide")),
        seconds=seconds,
        media=media,
        format=task.get("outputFormat", "MP4").lower(),
        link_ttl_s=task.get("ttl"),
        results=results,
        extra={"include_cost": task.get("includeCost", False)},
    )


def _media_fields(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    words = {"first": "first", 0: "first", "last": "last", -1: "last"}
    for place, frame in enumerate(inputs.get("frameImages", ())):
        labelled = isinstance(frame, dict)
        # Those without a label go by their place.
        role = words[frame["frame"]] if labelled and "frame" in frame else ("first", "last")[place]
        yield "inputs.frameImages", role, frame["image"] if labelled else frame
    for image in inputs.get("referenceImages", ()):
        yield "inputs.referenceImages", "reference", image
    for clip in inputs.get("referenceVideos", ()):
        yield "inputs.referenceVideos", "guide", clip
    if "video" in inputs:
        yield "inputs.video", "edit", inputs["video"]


async def _find_medium(context: RequestContext, field: str, role: str, name: str) -> NamedMedium:
    """Return a medium by UUID, by address, or kept from its own bytes.

    Raises LookupError or NotMedia.
    """
    database, media = context.service.database, context.service.media
    if _UUID.fullmatch(name):
        stored = database.upload(name)
        if stored is None or (stored.provider, stored.account) != (context.provider, context.key):
            raise LookupError(f"No stored medium has the UUID {name}.")
        if stored.expires_at is not None:  # dropped 30 days after its last use
            database.renew_upload(stored.id, database.now() + _UPLOAD_LIFETIME_S)
    elif name.startswith(("http://", "https://")):
        stored = media.at_url(name, owner=None)
    else:
        stored = await media.store(decode_base64(name), context.subject())
    return NamedMedium(field=field, role=role, name=name, stored=stored)


async def _response(context: RequestContext, task: dict[str, Any]) -> Answer:
    known = context.task(task["taskUUID"])
    # A UUID that nobody knows answers as one that waits does (measured by third parties).
    if known is None:
        return {}
    word = context.status_word(known)
    if word is None:
        return _state(context.service, known)
    return {"data": [_names(known) | {"status": word}]} if word else {}


async def _details(context: RequestContext, task: dict[str, Any]) -> Answer:
    known = context.task(task["taskUUID"])
    if known is None:
        return [Problem(code="taskNotFound", message="No such task.", status=404)]
    # An array, as it was sent: the types of runware-sdk 1.8.0.
    told = {"taskType": "getTaskDetails", "taskUUID": known.id, "request": [known.request]}
    return {"data": [told | {"response": {"data": [], **_state(context.service, known)}}]}


async def _media_storage(context: RequestContext, task: dict[str, Any]) -> Answer:
    named = {name: task[name] for name in ("taskType", "taskUUID", "operation")}
    if task["operation"] == "delete":
        media_uuid = task["mediaUUID"]
        if media_uuid not in {upload.id for upload in context.uploads()}:
            message = f"No stored medium has the UUID {media_uuid}."
            return [Problem(code="mediaNotFound", message=message, parameter="mediaUUID")]
        context.service.database.delete_upload(media_uuid)
        return {"data": [named | {"mediaUUID": media_uuid}]}
    return await _keep(context, task, "media", named)


async def _image_upload(context: RequestContext, task: dict[str, Any]) -> Answer:
    named = {name: task[name] for name in ("taskType", "taskUUID")}
    return await _keep(context, task, "image", named)


async def _keep(
    context: RequestContext, task: Mapping[str, Any], field: str, named: Mapping[str, Any]
) -> Answer:
    """Keep what a field holds, by address or as bytes, and name it by the field's own name."""
    media = context.service.media
    try:
        upload = media.at_url(task[field], owner=None)
        if upload is None:
            upload = await context.store(decode_base64(task[field]), _UPLOAD_LIFETIME_S)
        elif (upload.provider, upload.account) != (context.provider, context.key):
            # A copy of what is another's: only what is its own can an account use by id.
            upload = await context.store(media.content(upload), _UPLOAD_LIFETIME_S)
    except NotMedia as error:
        return [Problem(code="invalidMedia", message=str(error), parameter=field)]
    return {"data": [{**named, f"{field}UUID": upload.id, f"{field}URL": media.url(upload)}]}


async def _account(context: RequestContext, task: dict[str, Any]) -> Answer:
    left = float(context.service.visible_balance(context.subject()))
    return {"data": [{**task, "balance": {"amount": left, "currency": "USD"}}]}


async def _search_models(_context: RequestContext, task: dict[str, Any]) -> Answer:
    words = task.get("search", "").casefold()
    found = [
        {
            "name": name,
            "air": air,
            "version": "o1",
            "category": "checkpoint",
            "type": "base",
            "tags": [],
            "private": False,
            "comment": "",
        }
        for air, name in _MODEL_NAMES.items()
        if words in f"{name} {air}".casefold()
    ]
    # Both are the platform's own, public, and nobody's favourites.
    usual = {"source": "official", "category": "checkpoint", "visibility": "public"}
    if any(task.get(name, value) != value for name, value in usual.items()):
        found = []
    found.sort(key=lambda model: str(model["name"]), reverse=task.get("sort") == "-name")
    start = task.get("offset", 0)
    results = found[start : start + task.get("limit", _PAGE)]
    named = {name: task[name] for name in ("taskType", "taskUUID")}
    return {"data": [named | {"totalResults": len(found), "results": results}]}


async def _ping(_context: RequestContext, task: dict[str, Any]) -> Answer:
    return {"data": [{"taskType": task["taskType"], "pong": True}]}


# Task type to its stage and to what it does.
_TASK_TYPES: Mapping[
    str, tuple[str, Callable[[RequestContext, dict[str, Any]], Awaitable[Answer]]]
] = {
    "videoInference": ("submit", _submit),
    "getResponse": ("status", _response),
    "getTaskDetails": ("status", _details),
    "mediaStorage": ("upload", _media_storage),
    "imageUpload": ("upload", _image_upload),
    "accountManagement": ("account", _account),
    "modelSearch": ("search", _search_models),
    "ping": ("ping", _ping),
}
_SCHEMAS = {name: DocumentSchema(dialect_schema("runware"), name) for name in _TASK_TYPES}


def _names(task: Task) -> dict[str, Any]:
    return {"taskType": "videoInference", "taskUUID": task.id}


def _state(service: TaskService, task: Task) -> dict[str, Any]:
    """Return data and errors that tell where a task stands; nothing while it is queued."""
    progress = service.progress(task, refunds=_REFUNDS)
    match progress.status:
        case TaskStatus.QUEUED:
            return {}
        case TaskStatus.RUNNING:
            told = {"status": "processing", "progress": progress.percent}
            return {"data": [_names(task) | told]}
        case TaskStatus.DONE:
            count, cost = task.extra["results"], cost_in_reply(task)
            results = []
            for index, link in enumerate(service.links(task)):
                result = {
                    **_names(task),
                    "status": "success",
                    # Made of the link's token, so that each poll tells the same.
                    "videoUUID": str(uuid.UUID(link.token)),
                    "videoURL": service.link_url(task, link),
                    # Not a parameter of this model, and told all the same.
                    "seed": int(link.token[:8], 16),
                    "NSFWContent": task.fate.get("name") == "nsfw",
                }
                if count > 1:
                    result["resultIndex"] = index
                # The bill is one; each result tells its part of it.
                if task.extra["include_cost"] and cost is not None:
                    result["cost"] = cost / count if count > 1 else cost
                results.append(result)
            return {"data": results}
        case TaskStatus.FAILED | TaskStatus.REFUSED:
            code, message = _TROUBLES[progress.status.value]
            code, message = progress.code or code, progress.message or message
            if progress.form == "item":
                error = {"code": code, "message": message}
                # Flat as on the pages, and as an object, which the types of runware-sdk name.
                told = {"status": "error", **error, "error": error}
                return {"data": [_names(task) | told]}
            problem = Problem(code=code, message=message, parameter="positivePrompt")
            return {"errors": [problem.as_data(_names(task))]}


RUNWARE = Dialect(
    name="runware",
    routes=_routes,
    # The official clients are given the whole addresses, ours the part before the version.
    addresses={
        "base_url": "/runware",
        "http_base_url": "/runware/v1",
        "ws_base_url": "/runware/v1",
    },
    refunds=_REFUNDS,
)
