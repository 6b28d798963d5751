"""What APIMart's routes do once the key is good: take a generation, tell its state, keep an image.

Chosen where no page says it: an upload's form has its file and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline.sandbox import intake
from pipeline.sandbox.dialects.apimart import replies
from pipeline.sandbox.dialects.apimart.keys import (
    KEY_HEADER,
    VERSION_HEADER,
    Asked,
    Turns,
    made_with,
)
from pipeline.sandbox.dialects.apimart.orders import order_of
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.orders import about
from pipeline.sandbox.visit import Visit, document, form

_ID = re.compile(r"task_[0-9A-Za-z]+")
_UPLOAD_LIVES_S = 72 * 3600.0
_UPLOAD_BYTES = 20 * 1024 * 1024


async def post(visit: Visit, request: Request, turns: Turns) -> Response:
    """Take a generation, or answer it as its key says."""
    body = await document(request)
    if body is None:
        return replies.refusal(400, "the body must be a JSON object").response()
    asked = Asked(
        body=body,
        key=request.headers.get(KEY_HEADER, ""),
        version=request.headers.get(VERSION_HEADER, ""),
    )
    if turns.busy(visit, asked.key):
        return visit.costume("idempotency_in_progress", 409).response()

    base, _, _ = str(request.url).partition("/videos/")

    async def work() -> Reply:
        return _taken(visit, asked, f"{base}/tasks")

    turn = turns.held(visit, asked.key)
    return await visit.answer("submit", visit.subject(body.get("prompt")), work, turn)


def _taken(visit: Visit, asked: Asked, polled_at: str) -> Reply:
    first = made_with(visit, asked.key)
    if first is not None and asked.repeats(first):
        return replies.taken(first, polled_at, replayed=True)
    if first is not None:
        return visit.costume("idempotency_key_reused", 409)
    order = asked.complaint() or order_of(visit, asked)
    if isinstance(order, tuple):
        param, wrong = order
        dated = bool(asked.version)
        return replies.refusal(400, f"{param} {wrong}", param=param, dated=dated)
    if not visit.desk.can_pay(visit.provider, visit.key, order.usd):
        return visit.costume("no-credit", 402)
    task = visit.desk.accept(order)
    assert task is not None  # noqa: S101 - its id is new
    return replies.taken(task, polled_at)


async def get(visit: Visit, request: Request) -> Response:
    """Tell where a task stands."""
    task_id = request.path_params["task"]
    known = visit.known(task_id)

    async def work() -> Reply:
        if not _ID.fullmatch(task_id):
            return replies.refusal(400, "invalid task id")
        if known is None:
            return replies.unknown()
        return replies.state(visit.desk, known, visit.word(known))

    return await visit.answer("status", about(known) if known else visit.subject(), work)


async def upload(visit: Visit, request: Request) -> Response:
    """Keep an image for three days."""
    given = await form(request)

    async def work() -> Reply:
        return await _kept(visit, given)

    return await visit.answer("upload", visit.subject(), work)


async def _kept(visit: Visit, given: Mapping[str, Any]) -> Reply:
    content = given.get("file")
    if not isinstance(content, bytes) or len(given) > 1:
        return replies.refusal(400, "send a form with `file`", param="file")
    if len(content) > _UPLOAD_BYTES:
        return replies.refusal(413, "file too large", param="file")
    if content[4:8] == b"ftyp":
        return replies.refusal(400, "JPEG, PNG, GIF or WebP", param="file")
    owner = {"provider": visit.provider, "key": visit.key}
    try:
        kept = await intake.keep(visit.desk, content, **owner, lives_s=_UPLOAD_LIVES_S)
    except intake.NotMedia as error:
        return replies.refusal(400, str(error), param="file")
    return Reply(
        body={
            "url": intake.address(visit.desk, kept),
            "filename": kept.name,
            "content_type": kept.media_type,
            "bytes": kept.size,
            "created_at": int(visit.desk.world.now()),
        }
    )
