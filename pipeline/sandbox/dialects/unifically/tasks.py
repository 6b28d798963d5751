"""What Unifically's routes do once the key is good: take a task, tell its state, keep a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline.sandbox import intake
from pipeline.sandbox.dialects.unifically import replies
from pipeline.sandbox.dialects.unifically.orders import order_of
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.records import Task
from pipeline.sandbox.visit import Visit, document, form

_UPLOAD_LIVES_S = 3600.0
_UPLOAD_BYTES = 100_000_000


async def post(visit: Visit, request: Request) -> Response:
    """Take a task, or price it where it is a dry run."""
    body = await document(request)
    if body is None:
        return replies.invalid("The body must be a JSON object.").response()
    dry = body.get("dry_run") is True
    given = body.get("input")
    prompt = given.get("prompt") if isinstance(given, dict) else ""

    async def work() -> Reply:
        return _taken(visit, body, dry=dry)

    return await visit.answer("quote" if dry else "submit", visit.subject(prompt), work)


def _taken(visit: Visit, body: Mapping[str, Any], *, dry: bool) -> Reply:
    order = order_of(visit, body)
    if isinstance(order, str):
        return replies.invalid(order)
    if dry:
        return replies.done({"cost": float(order.usd)})
    if not visit.desk.can_pay(visit.provider, visit.key, order.usd):
        return replies.unpaid()
    visit.desk.accept(order)
    return replies.done({"task_id": order.task, "status": "pending"})


async def get(visit: Visit, request: Request) -> Response:
    """Tell where a task stands."""

    def reply(known: Task | None) -> Reply:
        if known is None:
            return replies.unknown()
        return replies.state(visit.desk, known, visit.word(known))

    return await visit.asked(request.path_params["task"], reply)


async def account(visit: Visit, _request: Request) -> Response:
    """Tell what is left, as third parties' clients read it."""
    left = visit.desk.left(visit.provider, visit.key)
    return replies.done({"balance_usd": float(left)}).response()


async def upload(visit: Visit, request: Request) -> Response:
    """Keep a file: a form's `file`, or JSON with `base64`."""
    given = await form(request) or await document(request) or {}

    async def work() -> Reply:
        try:
            content = _content(given)
            if len(content) > _UPLOAD_BYTES:
                return replies.not_stored("File too large.")
            kept = await intake.keep(
                visit.desk,
                content,
                provider=visit.provider,
                key=visit.key,
                lives_s=_UPLOAD_LIVES_S,
            )
        except intake.NotMedia as error:
            return replies.not_stored(str(error))
        return replies.stored(intake.address(visit.desk, kept))

    return await visit.answer("upload", visit.subject(), work)


def _content(given: Mapping[str, Any]) -> bytes:
    match given:
        case {"file": bytes(content), **others} if not others:
            return content
        case {"base64": str(text), **others} if not others:
            return intake.decoded(text)
        case _:
            raise intake.NotMedia("send a form with `file`, or JSON with `base64`")
