"""What EvoLink's API does once the key is good: take generations, tell states and credits."""

from __future__ import annotations

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from pipeline.sandbox.desk import MICRO
from pipeline.sandbox.dialects.evolink import replies
from pipeline.sandbox.dialects.evolink.models import credit
from pipeline.sandbox.dialects.evolink.orders import ID_PREFIX, order_of
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.records import Task
from pipeline.sandbox.visit import Visit, document


async def post(visit: Visit, request: Request) -> Response:
    """Take a generation."""
    body = await document(request)
    if body is None:
        return replies.error(400, "The body must be a JSON object").response()

    async def work() -> Reply:
        order = order_of(visit, body)
        if isinstance(order, Reply):
            return order
        if not visit.desk.can_pay(visit.provider, visit.key, order.usd):
            return visit.costume("no-credit", 402)
        task = visit.desk.accept(order)
        return visit.costume("error", 500) if task is None else replies.accepted(task)

    return await visit.answer("submit", visit.subject(body.get("prompt")), work)


async def get(visit: Visit, request: Request) -> Response:
    """Tell where a task stands."""
    name = request.path_params["task"]

    def reply(known: Task | None) -> Reply:
        if not name.startswith(ID_PREFIX):
            return replies.bad_id(ID_PREFIX)
        if known is None:
            return replies.no_task()
        return replies.state(visit.desk, known, visit.word(known))

    return await visit.asked(name, reply)


async def balance(visit: Visit, _request: Request) -> Response:
    """Tell what is left and what was used, of the key and of its user alike."""
    granted = visit.desk.balance(visit.provider, visit.key)
    left = visit.desk.left(visit.provider, visit.key)
    used = visit.desk.world.billed(visit.provider, visit.key)
    told = {
        "remaining_credits": credit(left),
        "used_credits": credit(Decimal(used) / MICRO),
    }
    token = told | {"unlimited_credits": granted is None}
    body = {"data": {"token": token, "user": told}, "message": "", "success": True}
    return Reply(body=body).response()
