"""EvoLink's dialect: three models, tasks that nothing is wrapped around, credits, a file host.

From docs.evolink.ai (kling-o1 pages, get-task-detail, get-credits) and the official tool
evolink-media-mcp, copies of 2026. What the fields of a request may be stands in
evolink.schema.json. What no page says, and what was chosen for it:

- money: 72 credits to the dollar, which lies between what the two published prices make of a credit
  and gives the model's own price for frames;
- the first frame decides the ratio of a clip, whatever `aspect_ratio` says, as in the model itself;
  no mode can be asked for, by its price it is pro;
- the types of a 401, 404, 429, 500 and 502, and a failed task's code where a scenario names none;
- failed tasks keep their money (the dearer reading); nobody tells what was charged in the end;
- the file host takes videos too (a page says images, the official skill any), refuses a form's
  unknown field, fetches an address only where it is the sandbox's own, words its troubles as its
  failures, and lists files oldest first.
"""

from __future__ import annotations

import ipaddress
import secrets
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.sandbox import kling
from pipeline.sandbox.database import Task, Upload
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
from pipeline.sandbox.tasks import Order, TaskService, TaskStatus, credits_in_reply

_REFUNDS = False
_ID_PREFIX = "task-unified-"
_ALPHABET = string.ascii_lowercase + string.digits
# Between what the two published prices make of a credit.
_CREDITS_PER_USD = Decimal(72)
_DEFAULT_DURATION = 5
# The seed: valid for 24 hours.
_LINK_LIFETIME_S = 86_400.0
# As in the sample on every page, whatever the model.
_ESTIMATED_S = 300
# 402 and 503 as the official tool has met them; the others are not told.
_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "service_unavailable_error",
}
_MESSAGES: Mapping[str, str] = {
    "throttled": "Too many requests, please retry later",
    "error": "Something went wrong, please retry later",
    "no-credit": "Insufficient balance",
    "bad-key": "Invalid API key",
}
_FAILURES: Mapping[TaskStatus, tuple[str, str]] = {
    TaskStatus.FAILED: ("service_error", "The service could not make this video"),
    TaskStatus.REFUSED: ("content_policy_violation", "The content was refused by the policy"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPrice:
    """What a model costs, in credits a second."""

    per_second: Decimal
    billed_s: tuple[float, float]
    """Clips outside these seconds are not refused, but billed as if they were clamped."""


_MODELS: Mapping[str, CreditPrice] = {
    "kling-o1-image-to-video": CreditPrice(per_second=Decimal("8.064"), billed_s=(5, 10)),
    "kling-o1-video-edit": CreditPrice(per_second=Decimal(12), billed_s=(3, 10)),
    # The provider's own pages of 2026-02-01.
    "kling-o1-video-edit-fast": CreditPrice(per_second=Decimal("6.8"), billed_s=(6, 20)),
}
_CLIP_BYTES = 100_000_000
_SCHEMAS = {
    name: DocumentSchema(dialect_schema("evolink"), name)
    for name in (*_MODELS, "upload-stream", "upload-base64", "upload-url", "page")
}


async def _generate(context: RequestContext) -> Response:
    body = await json_object(context.request)
    if body is None:
        return _error(400, "The body must be a JSON object").response()

    async def work() -> Reply:
        order = _order(context, body)
        if isinstance(order, Reply):
            return order
        if not context.service.can_pay(order):
            return context.error("no-credit", 402)
        task = context.service.accept(order)
        if task is None:
            return context.error("error", 500)
        reply = _task_data(task, "pending", 0)
        reply["task_info"] |= {
            "estimated_time": _ESTIMATED_S,
            "video_duration": task.reel["seconds"],
        }
        reply["usage"] = {"billing_rule": "per_call", "user_group": "default"}
        told = task.extra["told"]
        # A scenario may have anything stand where the credits are.
        usual = told in {"billed", "credits", "nothing"}
        reserved = credits_in_reply(task, _CREDITS_PER_USD) if usual else told
        if reserved is not None:
            reply["usage"]["credits_reserved"] = reserved
        return Reply(body=reply)

    return await context.respond("submit", context.subject(body.get("prompt")), work)


def _order(context: RequestContext, body: Mapping[str, Any]) -> Order | Reply:
    """Return the order in a generation, or the reply that tells its first problem."""
    model = str(body.get("model"))
    # The model first: its fields depend on it.
    if model not in _MODELS:
        return _error(404, "Model not found", code="model_unavailable")
    for error in _SCHEMAS[model].errors(body):
        return _invalid(str(error.path[0]), error.words)
    if "callback_url" in body and not _is_public(urlsplit(body["callback_url"]).hostname or ""):
        return _invalid("callback_url", "must not be an internal address")
    store, subject = context.service.media, context.subject(body["prompt"])
    media = store.look_up(subject, _media_fields(body))
    for medium in media:
        # No clip is refused for its length: it is billed as if it were clamped.
        limits: dict[str, Any] = {"clip_seconds": kling.ANY_SECONDS, "clip_bytes": _CLIP_BYTES}
        for wrong in kling.medium_errors(store, medium, **limits):
            return _invalid(medium.field, wrong)
    price = _MODELS[model]
    low, high = price.billed_s
    seconds = kling.clip_length(media, least=low)
    seconds = float(body.get("duration", _DEFAULT_DURATION)) if seconds is None else seconds
    used = price.per_second * Decimal(str(min(max(seconds, low), high)))
    now = int(context.service.database.now())
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return Order(
        subject=subject,
        task=f"{_ID_PREFIX}{now}-{suffix}",
        model=model,
        request=body,
        usd=used / _CREDITS_PER_USD,
        # As in the model itself; what the page's default of 16:9 does beside a frame is untold.
        size=kling.output_size(kling.SIZES["pro"], media, follow=("first",)),
        seconds=seconds,
        media=media,
        link_ttl_s=_LINK_LIFETIME_S,
    )


def _media_fields(body: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for url in body.get("video_urls", ()):
        yield "video_urls", "edit", url
    # Beside a video, images are references; alone, they are frames.
    roles = ("reference",) * 4 if "video_urls" in body else ("first", "last")
    for role, url in zip(roles, body.get("image_urls", ()), strict=False):
        yield "image_urls", role, url


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))


async def _get_task(context: RequestContext) -> Response:
    name = context.request.path_params["task"]

    def reply(task: Task | None) -> Reply:
        # What is no id at all is told apart from one that nobody knows.
        if not name.startswith(_ID_PREFIX):
            message = f"Task id must start with '{_ID_PREFIX}'"
            return _error(400, message, code="invalid_task_id")
        word = None if task is None else context.status_word(task)
        if task is None or word == "":
            return _error(404, "Task not found")
        if word:
            return Reply(body=_task_data(task, word, 50))
        progress = context.service.progress(task, refunds=_REFUNDS)
        more: dict[str, Any] = {}
        match progress.status:
            case TaskStatus.QUEUED:
                status, percent = "pending", 0
            case TaskStatus.RUNNING:
                status, percent = "processing", progress.percent
            case TaskStatus.DONE:
                status, percent = "completed", 100
                more["results"] = [context.service.result_url(task)]
            case TaskStatus.FAILED | TaskStatus.REFUSED:
                status, percent = "failed", 100
                code, message = _FAILURES[progress.status]
                code, message = progress.code or code, progress.message or message
                more["error"] = {"code": code, "message": message}
        return Reply(body=_task_data(task, status, percent) | more)

    return await context.respond_status(name, reply)


def _task_data(task: Task, status: str, percent: int) -> dict[str, Any]:
    return {
        "created": int(task.created_at),
        "id": task.id,
        "model": task.model,
        "object": "video.generation.task",
        "progress": percent,
        "status": status,
        # Shown, though no endpoint to cancel was ever found.
        "task_info": {"can_cancel": status in {"pending", "processing"}},
        "type": "video",
    }


async def _get_credits(context: RequestContext) -> Response:
    service, subject = context.service, context.subject()
    left, spent = service.visible_balance(subject), service.spent(subject)
    told = {
        # With the four places that the balance has.
        "remaining_credits": float(round(left * _CREDITS_PER_USD, 4)),
        "used_credits": float(round(spent * _CREDITS_PER_USD, 4)),
    }
    token = told | {"unlimited_credits": service.balance(subject) is None}
    body = {"data": {"token": token, "user": told}, "message": "", "success": True}
    return Reply(body=body).response()


def _error_reply(_request: Request, trouble: str, status: int) -> Reply:
    usual = trouble in _MESSAGES
    return _error(status, _MESSAGES.get(trouble, trouble), code=None if usual else trouble)


def _suggest_wait(reply: Reply, seconds: str) -> Reply:
    """Return an error that says how long to wait, in the only form that its pages show."""
    advice = {"fallback_suggestion": f"retry after {seconds} seconds"}
    return replace(reply, body={"error": {**reply.body["error"], **advice}})


def _invalid(field: str, wrong: str) -> Reply:
    return _error(400, f"{field} {wrong}", param=field)


def _error(status: int, message: str, *, code: str | None = None, param: str = "") -> Reply:
    """Return an error; its code is the status again, except where it is a word."""
    error: dict[str, Any] = {
        "code": status if code is None else code,
        "message": message,
        "type": _TYPES.get(status, "server_error"),
    }
    return Reply(status=status, body={"error": error | ({"param": param} if param else {})})


# The official skill: 72 hours, 100 files (500 for VIPs), 100 MB.
_FILE_LIFETIME_S = 72 * 3600.0
_MAX_FILES = 100
_FILE_BYTES = 100_000_000


def _file_error_reply(_request: Request, trouble: str, status: int) -> Reply:
    # The host of files has an envelope of its own, for its errors too.
    body = {"success": False, "code": status, "msg": _MESSAGES.get(trouble, trouble)}
    return Reply(status=status, body=body)


async def _upload(context: RequestContext, *, way: str) -> Response:
    """Keep a file that comes in a form, as base64, or by an address of the sandbox's own."""
    is_form = way == "stream"
    given: dict[str, Any] = dict(
        await form_fields(context.request)
        if is_form
        else (await json_object(context.request) or {})
    )

    async def work() -> Reply:
        try:
            content = _file_content(context, way, given)
            if len(context.uploads()) >= _MAX_FILES:
                raise NotMedia("the quota of files is used up")  # noqa: TRY301 - one way to say no
            upload = await context.store(content, _FILE_LIFETIME_S)
        except NotMedia as error:
            return _file_failure(str(error))
        name, folder = ("fileName", "uploadPath") if is_form else ("file_name", "upload_path")
        url = context.service.media.url(upload)
        facts = _file_facts(upload) | {
            "original_name": given.get(name) or upload.name,
            "mime_type": upload.media_type,
            "upload_path": given.get(folder, ""),
            "file_url": url,
            "download_url": f"{url}?download=1",
            "expires_at": _time_text(upload.expires_at or 0),
        }
        return _file_success("uploaded", facts)

    return await context.respond("upload", context.subject(), work)


def _file_content(context: RequestContext, way: str, given: dict[str, Any]) -> bytes:
    """Return the bytes of a file that comes in one of three ways; raises NotMedia."""
    file = given.pop("file", None) if way == "stream" else None
    # A second file is a field of an unknown name, and no JSON.
    fields = {name: "" if isinstance(told, bytes) else told for name, told in given.items()}
    for error in _SCHEMAS[f"upload-{way}"].errors(fields):
        raise NotMedia(f"{error.field} {error.words}")
    store = context.service.media
    match way:
        case "base64":
            file = decode_base64(given["base64_data"])
        case "url":
            found = store.at_url(given["file_url"], owner=None)
            file = found and store.content(found)
    if not isinstance(file, bytes):
        raise NotMedia("the file is not there, or cannot be fetched")
    if len(file) > _FILE_BYTES:
        raise NotMedia("the file is larger than 100 MB")
    return file


async def _delete_file(context: RequestContext) -> Response:
    file_id = context.request.path_params["file"]
    if file_id not in {upload.id for upload in context.uploads()}:
        return _file_failure("file not found", 404).response()
    context.service.database.delete_upload(file_id)
    return _file_success("deleted").response()


async def _list_files(context: RequestContext) -> Response:
    query = dict(context.request.query_params)
    for error in _SCHEMAS["page"].errors(query):
        return _file_failure(f"{error.field} {error.words}").response()
    page, size = int(query.get("page", 1)), int(query.get("pageSize", 20))
    files = sorted(context.uploads(), key=lambda upload: (upload.expires_at or 0, upload.id))
    listed = [_file_facts(upload) for upload in files[(page - 1) * size : page * size]]
    return _file_success("ok", {"total": len(files), "files": listed}).response()


async def _get_quota(context: RequestContext) -> Response:
    used = len(context.uploads())
    facts = {
        "user_group": "default",
        "used_files": used,
        "max_files": _MAX_FILES,
        "remain_files": _MAX_FILES - used,
    }
    return _file_success("ok", facts).response()


def _file_facts(upload: Upload) -> dict[str, Any]:
    return {
        "file_id": upload.id,
        "file_name": upload.name,
        "file_size": upload.size,
        # The time itself is not kept: all files live equally long.
        "upload_time": _time_text((upload.expires_at or 0) - _FILE_LIFETIME_S),
    }


def _time_text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _file_success(message: str, data: Mapping[str, Any] | None = None) -> Reply:
    body: dict[str, Any] = {"success": True, "code": 200, "msg": message}
    return Reply(body=body if data is None else body | {"data": data})


def _file_failure(message: str, code: int = 400) -> Reply:
    # Under HTTP 200: a client that looks at the status alone takes it for a success.
    return Reply(body={"success": False, "code": code, "msg": message})


def _routes(service: TaskService) -> list[BaseRoute]:
    api = (
        ("/v1/videos/generations", "POST", _generate),
        ("/v1/tasks/{task}", "GET", _get_task),
        ("/v1/credits", "GET", _get_credits),
    )
    files = (
        ("/files/api/v1/files/upload/stream", "POST", partial(_upload, way="stream")),
        ("/files/api/v1/files/upload/base64", "POST", partial(_upload, way="base64")),
        ("/files/api/v1/files/upload/url", "POST", partial(_upload, way="url")),
        ("/files/api/v1/files/list", "GET", _list_files),
        ("/files/api/v1/files/quota", "GET", _get_quota),
        ("/files/api/v1/files/{file}", "DELETE", _delete_file),
    )
    return [
        *endpoints(service, EVOLINK.name, _error_reply, api, say_wait=_suggest_wait),
        *endpoints(service, EVOLINK.name, _file_error_reply, files),
    ]


EVOLINK = Dialect(
    name="evolink",
    routes=_routes,
    addresses={"base_url": "/evolink", "upload_url": "/evolink/files"},
    refunds=_REFUNDS,
)
