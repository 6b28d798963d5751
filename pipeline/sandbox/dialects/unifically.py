"""Unifically's dialect: a task with a `video_mode`, an envelope around every reply, a file host.

From docs.unifically.com (v1-tasks, error-handling, kling-o1-video) and the gitbook's storage page,
copies of 2026. What the fields of a task may be, and which go together, stands in
unifically.schema.json. What no page says, and what was chosen for it:

- price: the older O1 endpoints' 0.048 USD a second, for both models and modes, with and without a
  video;
- `data.cost` of a poll and of a dry run: as third parties' clients read it;
- an account without credit: `success` false under HTTP 200; the scenario's fault `no-credit` is the
  HTTP 402 that a third party's client knows; the codes of 402 and 404;
- a failed task's poll: HTTP 400 `generation_failed`; with form `item` HTTP 200 and `error_message`,
  with form `object` HTTP 200 and `error`, all as clients have read it;
- failed tasks keep their money (the dearer reading), and uploads live for an hour;
- the model's own rules hold where the page is silent: 5 or 10 seconds from text or a first frame
  alone, no length for an edit, a first frame decides the ratio;
- a dry run answers the price alone and does not look at the account;
- a file's address is fetched only where it is the sandbox's own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.sandbox import kling
from pipeline.sandbox.database import Task
from pipeline.sandbox.document_schema import DocumentSchema, dialect_schema
from pipeline.sandbox.http_exchange import (
    Dialect,
    Reply,
    RequestContext,
    endpoints,
    form_fields,
    json_object,
)
from pipeline.sandbox.media_store import NotMedia, decode_base64
from pipeline.sandbox.tasks import Order, TaskService, TaskStatus, cost_in_reply

_REFUNDS = False
_EDIT_MODEL = "kuaishou/kling-o1-video-edit"
_DEFAULT_DURATION = 5
_DEFAULT_RATIO = "16:9"
_USD_PER_SECOND = Decimal("0.048")
_ID_BYTES = 6
_UPLOAD_LIFETIME_S = 3600.0
# The limit of its web page; no API page has one.
_UPLOAD_BYTES = 100_000_000
_CLIP_BYTES = 100_000_000
# 401, 422, 400, 429 and 500 from its error page; the words for 402 and 404 are ours.
_TROUBLES: Mapping[str, tuple[str, str]] = {
    "throttled": ("rate_limit_exceeded", "Too many requests, please slow down."),
    "error": ("internal_error", "Something went wrong on our side."),
    "no-credit": ("insufficient_balance", "Insufficient balance."),
    "bad-key": ("authentication_failed", "Invalid API key."),
    "unknown": ("not_found", "Task not found."),
    "failed": ("generation_failed", "The generation failed."),
    "refused": ("generation_failed", "The request violates the content policy."),
}
# Which media lead the size, by `video_mode`; in the others the ratio does.
_FOLLOW: Mapping[str, Sequence[str]] = {
    "start_end_frame": ("first",),
    "video_reference": ("guide",),
    "reference": ("guide",),
}
_SCHEMAS = {name: DocumentSchema(dialect_schema("unifically"), name) for name in ("task", "upload")}


async def _post_task(context: RequestContext) -> Response:
    body = await json_object(context.request)
    if body is None:
        return _invalid("The body must be a JSON object.").response()
    is_dry = body.get("dry_run") is True
    given = body.get("input")
    prompt = given.get("prompt") if isinstance(given, dict) else ""

    async def work() -> Reply:
        for message in _errors(body):
            return _invalid(message)
        order = _order(context, body)
        if isinstance(order, str):
            return _invalid(order)
        # Nothing is created or charged, whatever the account holds.
        if is_dry:
            return _success({"cost": float(order.usd)})
        if not context.service.can_pay(order):
            _, message = _TROUBLES["no-credit"]
            return Reply(body={"code": 200, "success": False, "data": {"message": message}})
        # No id of the client's comes with it: sent again, the same body is another task and bill.
        context.service.accept(order)
        return _success({"task_id": order.task, "status": "pending"})

    return await context.respond("quote" if is_dry else "submit", context.subject(prompt), work)


def _errors(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong: what the schema finds, else what it cannot count."""
    errors = _SCHEMAS["task"].errors(body)
    yield from (f"{error.field} {error.words}" for error in errors)
    if errors:
        return
    given = body["input"]
    images = len(given.get("image_urls", ()))
    # Elements count as images do, and the model takes fewer beside a video.
    most = kling.MAX_IMAGES_WITH_CLIP if "video_url" in given else kling.MAX_IMAGES
    if images + len(given.get("elements", ())) > most:
        yield f"input.image_urls and input.elements are at most {most} together"
    if given.get("start_image_index", 0) > images:
        yield "input.start_image_index is beyond input.image_urls"


def _order(context: RequestContext, body: Mapping[str, Any]) -> Order | str:
    """Return the order in a task whose fields are right, or what is wrong with its media."""
    given, store = body["input"], context.service.media
    subject = context.subject(given["prompt"])
    media = store.look_up(subject, _media_fields(given))
    for medium in media:
        for wrong in kling.medium_errors(store, medium, clip_bytes=_CLIP_BYTES):
            return f"{medium.field}: {wrong}"
    is_edit = body["model"] == _EDIT_MODEL
    # What the edit model makes is as long as its video, in both of its modes.
    seconds = kling.clip_length(media, roles=("edit", "guide") if is_edit else ("edit",))
    seconds = float(given.get("duration", _DEFAULT_DURATION)) if seconds is None else seconds
    ratio = given.get("aspect_ratio", "auto" if is_edit else _DEFAULT_RATIO)
    # It may be told a ratio, too; where it is told none, its video leads.
    follow = () if is_edit and ratio != "auto" else _FOLLOW.get(given.get("video_mode", ""), ())
    return Order(
        subject=subject,
        task=secrets.token_hex(_ID_BYTES),
        model=body["model"],
        request=body,
        usd=_USD_PER_SECOND * Decimal(str(seconds)),
        size=kling.output_size(
            kling.SIZES[given.get("mode", "pro")],
            media,
            ratio=_DEFAULT_RATIO if ratio == "auto" else ratio,
            follow=follow,
        ),
        seconds=seconds,
        media=media,
    )


def _media_fields(given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for field, role in (("start_frame_url", "first"), ("end_frame_url", "last")):
        if field in given:
            yield f"input.{field}", role, given[field]
    for place, url in enumerate(given.get("image_urls", ()), start=1):
        is_start = place == given.get("start_image_index")
        yield "input.image_urls", "first" if is_start else "reference", url
    for element in given.get("elements", ()):
        for url in element["image_urls"]:
            yield "input.elements", "reference", url
    if "video_url" in given:
        role = "edit" if given["video_mode"] == "transform" else "guide"
        yield "input.video_url", role, given["video_url"]


async def _get_task(context: RequestContext) -> Response:
    def reply(task: Task | None) -> Reply:
        word = None if task is None else context.status_word(task)
        if task is None or word == "":
            return context.error("unknown", 404)
        if word:
            return _success({"task_id": task.id, "status": word})
        progress = context.service.progress(task, refunds=_REFUNDS)
        data: dict[str, Any] = {"task_id": task.id}
        match progress.status:
            case TaskStatus.QUEUED:
                data["status"] = "pending"
            case TaskStatus.RUNNING:
                data["status"] = "processing"
            case TaskStatus.DONE:
                data["status"] = "completed"
                cost = cost_in_reply(task)
                data |= {} if cost is None else {"cost": cost}
                data["output"] = {"video_url": context.service.result_url(task)}
            case TaskStatus.FAILED | TaskStatus.REFUSED:
                # The exact body is on no page: each form was read by one client.
                code, message = _TROUBLES[progress.status.value]
                code, message = progress.code or code, progress.message or message
                data["status"] = "failed"
                match progress.form:
                    case "errors":
                        return _error(400, code, message)
                    case "item":
                        data["error_message"] = message
                    case _:
                        data["error"] = {"code": code, "message": message}
        return _success(data)

    return await context.respond_status(context.request.path_params["task"], reply)


async def _get_account(context: RequestContext) -> Response:
    """Tell what is left, as third parties' clients read it."""
    left = context.service.visible_balance(context.subject())
    return _success({"balance_usd": float(left)}).response()


async def _upload(context: RequestContext) -> Response:
    """Keep a file: a form's `file`, or JSON with `base64`, or with an address of our own."""
    form = await form_fields(context.request)
    given = {} if form else await json_object(context.request) or {}

    async def work() -> Reply:
        try:
            upload = await context.store(_content(context, form, given), _UPLOAD_LIFETIME_S)
        except NotMedia as error:
            return Reply(body={"success": False, "message": str(error)})
        return Reply(body={"success": True, "file_url": context.service.media.url(upload)})

    return await context.respond("upload", context.subject(), work)


def _content(
    context: RequestContext, form: Mapping[str, str | bytes], given: Mapping[str, Any]
) -> bytes:
    """Return the bytes of a file; raises NotMedia."""
    match form:
        # With any field beside its file, a form is refused below: `given` is empty then.
        case {"file": bytes(content), **others} if not others:
            pass
        case _:
            for error in _SCHEMAS["upload"].errors(given):
                raise NotMedia(f"{error.field} {error.words}".strip())
            store = context.service.media
            found = store.at_url(given.get("url"), owner=None)
            if "url" in given and found is None:
                raise NotMedia("the file cannot be fetched")
            content = store.content(found) if found else decode_base64(given["base64"])
    if len(content) > _UPLOAD_BYTES:
        raise NotMedia("File too large.")
    return content


def _success(data: Mapping[str, Any]) -> Reply:
    return Reply(body={"code": 200, "success": True, "data": data})


def _invalid(message: str) -> Reply:
    return _error(422, "validation_error", message)


def _error_reply(_request: Request, trouble: str, status: int) -> Reply:
    code, message = _TROUBLES.get(trouble, (trouble, trouble))
    return _error(status, code, message)


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status=status, body={"code": status, "data": {"message": message, "code": code}})


def _routes(service: TaskService) -> list[BaseRoute]:
    table = (
        ("/v1/tasks", "POST", _post_task),
        ("/v1/tasks/{task}", "GET", _get_task),
        ("/v1/account", "GET", _get_account),
        ("/files/upload", "PUT", _upload),
    )
    return endpoints(service, UNIFICALLY.name, _error_reply, table)


UNIFICALLY = Dialect(
    name="unifically",
    routes=_routes,
    addresses={"base_url": "/unifically", "upload_url": "/unifically/files"},
    refunds=_REFUNDS,
)
