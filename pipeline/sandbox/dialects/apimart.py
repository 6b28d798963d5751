"""APIMart's dialect: generations under an Idempotency-Key, tasks to poll, images to upload.

From its official skill (contract and client) and from copies of its pages of 2026. What the fields
of a generation may be stands in apimart.schema.json. Chosen where pages contradict each other or
are silent:

- the meaning of an Idempotency-Key is written down for one image model only: keys belong to an
  account and are known for a day; only a generation that was taken uses its key up; to ask for the
  other version of the reply under a used key is to reuse it;
- a task made under the dated version speaks of `pending` and `in_progress`, any other of
  `submitted` and `processing`; a poll has the same shape in both;
- an id of the right form that nobody knows is a 404; what a policy refuses is a failed task;
- a token must have its image; an edit has no use for seconds and ratio, and ignores them;
- no page read has the price: a sibling model's is 0.8 of the model's own list, and so are these;
- an upload's form has its file and nothing else; webhooks are taken and never called;
- the lists of models and their documents have what the official client asks of them, and no more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import orjson
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
from pipeline.sandbox.media_store import NotMedia
from pipeline.sandbox.tasks import (
    Order,
    TaskService,
    TaskStatus,
    cost_in_reply,
    credits_in_reply,
)

_REFUNDS = True
_MODEL = "kling-video-o1"
_OPERATION = "video_generation"
_KEY_HEADER = "idempotency-key"
_KEY = re.compile(r"[\x21-\x7e]{1,191}")
_KEY_LIFETIME_S = 86_400.0
_VERSION_HEADER = "x-apimart-response-version"
# The date is the name of the only version beside the usual one.
_VERSION = "2026-07-27"
# The token that the server puts in front counts (the model's own limit).
_PROMPT_CHARACTERS = 2500
_TOKEN = re.compile(r"<<<image_(\d+)>>>")
_TASK_ID = re.compile(r"task_[0-9A-Za-z]+")
_ID_BYTES = 12
_DEFAULT_SECONDS = 5.0
_USD_PER_SECOND: Mapping[str, Decimal] = {"std": Decimal("0.0672"), "pro": Decimal("0.0896")}
_WITH_VIDEO = Decimal("1.5")
# credits_cost is ten times cost in both verbatim samples.
_CREDITS_PER_USD = Decimal(10)
# Both samples of a reply show a day; the official skill says three.
_LINK_LIFETIME_S = 86_400.0
# The upload page: 72 hours, 20 MB.
_UPLOAD_LIFETIME_S = 72 * 3600.0
_UPLOAD_BYTES = 20 * 1024 * 1024
_ESTIMATED_S = 60
_RETRY_AFTER_S = 2
_CONFLICT = 409
_DOCS_CACHED_S = 300
# What is said of queued and running tasks; by whether the dated version was asked for.
_WORDS: Mapping[bool, tuple[str, str]] = {
    False: ("submitted", "processing"),
    True: ("pending", "in_progress"),
}
# What stands on none of its pages is a gateway in front of it: bad_gateway.
_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "payment_required",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
}
_MESSAGES: Mapping[str, str] = {
    "throttled": "Too many requests, please retry later",
    "error": "internal server error",
    "no-credit": "insufficient account balance",
    "idempotency_in_progress": "the first request with this key is still being handled",
    "idempotency_key_reused": "this key has been used with another request",
    "idempotency_result_indeterminate": "what became of the first request is not known",
    "idempotency_unavailable": "the request was not executed",
    "build_request_failed": "build_request_failed: invalid parameter",
}
_FAILURES: Mapping[TaskStatus, str] = {
    TaskStatus.FAILED: "upstream generation failed",
    TaskStatus.REFUSED: "the request violates the content policy",
}
_DOCUMENT = dialect_schema("apimart")
_GENERATION = DocumentSchema(_DOCUMENT, "generation")


async def _generate(context: RequestContext) -> Response:
    body = await json_object(context.request)
    if body is None:
        return _error(400, "the body must be a JSON object").response()
    key = context.request.headers.get(_KEY_HEADER, "")
    in_flight = (context.provider, context.key, key) if key else ()
    # Before the scenario is asked: the first request is still being answered.
    if key and in_flight in context.service.in_flight:
        return context.error("idempotency_in_progress", _CONFLICT).response()
    base, _, _ = str(context.request.url).partition("/videos/")

    async def work() -> Reply:
        version = context.request.headers.get(_VERSION_HEADER, "")
        first = _task_with_key(context, key)
        # A used key is looked at before the body is: a repeat is never validated anew.
        if first is not None:
            if (first.request, first.extra["version"]) != (body, version):
                return context.error("idempotency_key_reused", _CONFLICT)
            reply = _acceptance(first, f"{base}/tasks")
            return Reply(
                status=reply.status, body=reply.body, headers={"idempotency-replayed": "true"}
            )
        for param, message in _errors(body, key, version):
            return _error(400, message, param=param, dated=bool(version))
        order = _order(context, body, key=key, version=version)
        if isinstance(order, Reply):
            return order
        if not context.service.can_pay(order):
            return context.error("no-credit", 402)
        task = context.service.accept(order)
        assert task is not None  # noqa: S101 - its id is new
        return _acceptance(task, f"{base}/tasks")

    subject = context.subject(body.get("prompt"))
    return await context.respond("submit", subject, work, in_flight=in_flight)


def _task_with_key(context: RequestContext, key: str) -> Task | None:
    """Return the task that was made with a key, as long as the key is known."""
    if not key:
        return None
    found = context.service.database.tasks(
        "provider=? AND account=? AND client_id=? AND created_at>?",
        context.provider,
        context.key,
        key,
        context.service.database.now() - _KEY_LIFETIME_S,
    )
    return found[-1] if found else None


def _errors(body: Mapping[str, Any], key: str, version: str) -> Iterator[tuple[str, str]]:
    """Yield header or field, and message; what the schema cannot say where it finds nothing."""
    if key and not _KEY.fullmatch(key):
        name = "Idempotency-Key"
        yield name, f"{name} must be 1 to 191 visible ASCII characters"
    if version not in {"", _VERSION}:
        name = "X-APIMart-Response-Version"
        yield name, f"{name} must be {_VERSION}"
    errors = _GENERATION.errors(body)
    for error in errors:
        yield str(error.path[0]), f"{error.field} {error.words}"
    if errors:
        return
    # A token without its image would name nothing.
    numbers = [int(number) for number in _TOKEN.findall(body["prompt"])]
    if max(numbers, default=0) > len(body.get("image_urls", ())):
        yield "prompt", "prompt names an image that is not in image_urls"
    if len(_prompt(body)) > _PROMPT_CHARACTERS:
        yield "prompt", "prompt is too long with <<<image_1>>> in front"


def _prompt(body: Mapping[str, Any]) -> str:
    """Return the prompt as the server works with it: images without a token get the first one."""
    prompt = str(body["prompt"])
    tokenless = body.get("image_urls") and not _TOKEN.search(prompt)
    return f"<<<image_1>>>{prompt}" if tokenless else prompt


def _order(
    context: RequestContext, body: Mapping[str, Any], *, key: str, version: str
) -> Order | Reply:
    """Return the order in a generation whose fields are right, or what is wrong with its media."""
    store, subject = context.service.media, context.subject(_prompt(body))
    named = [("image_urls", "reference", url) for url in body.get("image_urls", ())]
    for video in body.get("video_list", ()):
        # Upstream's default is `base`, an edit: the trap is kept.
        role = "edit" if video.get("refer_type", "base") == "base" else "guide"
        named.append(("video_list", role, video["video_url"]))
    media = store.look_up(subject, named)
    for medium in media:
        for wrong in kling.medium_errors(store, medium):
            message = f"{medium.field} {wrong}"
            return _error(400, message, param=medium.field, dated=bool(version))
    mode = body.get("mode", "std")
    seconds = kling.clip_length(media)
    seconds = float(body.get("duration", _DEFAULT_SECONDS)) if seconds is None else seconds
    rate = _USD_PER_SECOND[mode] * (_WITH_VIDEO if "video_list" in body else 1)
    return Order(
        subject=subject,
        task=f"task_01{secrets.token_hex(_ID_BYTES).upper()}",
        client_id=key,
        model=body["model"],
        request=body,
        usd=rate * Decimal(str(seconds)),
        size=kling.output_size(kling.SIZES[mode], media, ratio=body.get("aspect_ratio", "16:9")),
        seconds=seconds,
        media=media,
        link_ttl_s=_LINK_LIFETIME_S,
        extra={"version": version, "request_id": f"req_{secrets.token_hex(_ID_BYTES)}"},
    )


def _acceptance(task: Task, tasks_url: str) -> Reply:
    """Return the reply to a generation that was taken, the same each time."""
    if not task.extra["version"]:
        return Reply(body={"code": 200, "data": [{"status": "submitted", "task_id": task.id}]})
    data = {
        "id": task.id,
        "object": "generation.task",
        "status": "pending",
        "poll_url": f"{tasks_url}/{task.id}",
    }
    return Reply(status=202, body={"request_id": task.extra["request_id"], "data": data})


async def _get_task(context: RequestContext) -> Response:
    task_id = context.request.path_params["task"]

    def reply(task: Task | None) -> Reply:
        if not _TASK_ID.fullmatch(task_id):
            return _error(400, "invalid task id")
        word = None if task is None else context.status_word(task)
        if task is None or word == "":
            return _error(404, "task not found")
        service = context.service
        data = {"id": task.id, "created": int(task.created_at), "estimated_time": _ESTIMATED_S}
        if word:
            return Reply(body={"code": 200, "data": data | {"status": word, "progress": 0}})
        progress = service.progress(task, refunds=_REFUNDS)
        queued, running = _WORDS[bool(task.extra["version"])]
        match progress.status:
            case TaskStatus.QUEUED:
                data |= {"status": queued, "progress": 0}
            case TaskStatus.RUNNING:
                data |= {"status": running, "progress": progress.percent}
            case TaskStatus.DONE:
                (link,) = service.links(task)
                video = {"url": [service.link_url(task, link)], "expires_at": int(link.expires_at)}
                data |= {
                    "status": "completed",
                    "progress": 100,
                    "completed": int(task.ready_at),
                    "actual_time": int(task.ready_at - task.created_at),
                    "result": {"videos": [video]},
                    **_costs(task),
                }
            case TaskStatus.FAILED | TaskStatus.REFUSED:
                error = {
                    "code": progress.code or "task_failed",
                    "message": progress.message or _FAILURES[progress.status],
                    "type": "task_failed",
                }
                # Its pages say that failed tasks are refunded, and tell 0.
                is_paid = service.injector.scenario.failed_tasks == "kept"
                costs = _costs(task) if is_paid else {"cost": 0, "credits_cost": 0}
                data |= {"status": "failed", "progress": 100, "error": error, **costs}
        return Reply(body={"code": 200, "data": data})

    return await context.respond_status(task_id, reply)


def _costs(task: Task) -> dict[str, Any]:
    """Return what was paid, in USD and in credits of ten cents, as far as it is told."""
    costs = {
        "cost": cost_in_reply(task),
        "credits_cost": credits_in_reply(task, _CREDITS_PER_USD),
    }
    return {name: cost for name, cost in costs.items() if cost is not None}


async def _upload_image(context: RequestContext) -> Response:
    given = await form_fields(context.request)

    async def work() -> Reply:
        content = given.get("file")
        if not isinstance(content, bytes) or len(given) > 1:
            return _error(400, "send a form with `file`", param="file")
        if len(content) > _UPLOAD_BYTES:
            return _error(413, "file too large", param="file")
        # There is no place for a video (official contract).
        if content[4:8] == b"ftyp":
            return _error(400, "JPEG, PNG, GIF or WebP", param="file")
        try:
            upload = await context.store(content, _UPLOAD_LIFETIME_S)
        except NotMedia as error:
            return _error(400, str(error), param="file")
        return Reply(
            body={
                "url": context.service.media.url(upload),
                "filename": upload.name,
                "content_type": upload.media_type,
                "bytes": upload.size,
                "created_at": int(context.service.database.now()),
            }
        )

    return await context.respond("upload", context.subject(), work)


async def _get_models(_context: RequestContext) -> Response:
    models = [{"id": _MODEL, "object": "model", "owned_by": "kling"}]
    return Reply(body={"object": "list", "data": models}).response()


async def _get_model_schema(context: RequestContext) -> Response:
    query = context.request.query_params
    if query.get("model") != _MODEL or query.get("operation", _OPERATION) != _OPERATION:
        return _no_such_model().response()
    # Without the model: the official client gives it beside the input.
    fields = {**_DOCUMENT["$defs"]["generation"], "required": ["prompt"]}
    fields["properties"] = {n: s for n, s in fields["properties"].items() if n != "model"}
    schema = {"model": _MODEL, "operation": _OPERATION}
    return Reply(body={**schema, "input_schema": fields | {"$defs": _DOCUMENT["$defs"]}}).response()


async def _get_model_docs(context: RequestContext) -> Response:
    if context.request.query_params.get("model") != _MODEL:
        return _no_such_model().response()
    fields = orjson.dumps(_DOCUMENT["$defs"]["generation"], option=orjson.OPT_INDENT_2).decode()
    # A name that resolves nowhere (RFC 2606): nobody is led from here to the real site.
    page = f"https://apimart.invalid/docs/{_MODEL}"
    document = {
        "object": "model.documentation",
        "model": _MODEL,
        "doc_url": page,
        "markdown_url": f"{page}.md",
        "markdown": f"# {_MODEL}, as the sandbox takes it\n\n```json\n{fields}\n```\n",
        "fetched_at": int(context.service.database.now()),
        "cache_ttl_seconds": _DOCS_CACHED_S,
        "stale": False,
    }
    return Reply(body=document).response()


def _no_such_model() -> Reply:
    return _error(404, "no such model for this operation", param="model")


def _error_reply(request: Request, trouble: str, status: int) -> Reply:
    if trouble == "bad-key":
        # As measured: no code, and the gateway's own type.
        request_id = f"req_{secrets.token_hex(_ID_BYTES)}"
        message = f"invalid API key (request id: {request_id})"
        error = {"code": "", "message": message, "param": "", "type": "apimart_error"}
        headers = {"x-oneapi-request-id": request_id}
        return Reply(status=status, body={"error": error}, headers=headers)
    kind = trouble if trouble.startswith("idempotency_") else ""
    dated = _VERSION_HEADER in request.headers
    return _error(status, _MESSAGES.get(trouble, trouble), kind=kind, dated=dated)


def _error(
    status: int, message: str, *, param: str = "", kind: str = "", dated: bool = False
) -> Reply:
    error = {
        "code": status,
        "message": message,
        "type": kind or _TYPES.get(status, "bad_gateway"),
        "param": param,
    }
    named = {"request_id": f"req_{secrets.token_hex(_ID_BYTES)}"} if dated else {}
    waits = status == _CONFLICT and kind == "idempotency_in_progress"
    headers = {"retry-after": str(_RETRY_AFTER_S)} if waits else {}
    return Reply(status=status, body={**named, "error": error}, headers=headers)


def _routes(service: TaskService) -> list[BaseRoute]:
    table = (
        ("/v1/videos/generations", "POST", _generate),
        ("/v1/tasks/{task}", "GET", _get_task),
        ("/v1/uploads/images", "POST", _upload_image),
        ("/v1/models", "GET", _get_models),
        ("/v1/model-schema", "GET", _get_model_schema),
        ("/v1/model-docs", "GET", _get_model_docs),
    )
    return endpoints(service, APIMART.name, _error_reply, table)


APIMART = Dialect(
    name="apimart",
    routes=_routes,
    addresses={"base_url": "/apimart"},
    refunds=_REFUNDS,
)
