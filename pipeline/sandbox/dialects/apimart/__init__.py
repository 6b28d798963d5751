"""APIMart's dialect: generations under an Idempotency-Key, tasks to poll, images to upload.

From its official skill and from copies of its pages of 2026. Webhooks are taken and never called:
the sandbox goes nowhere.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.apimart import replies, tasks
from pipeline.sandbox.dialects.apimart.keys import VERSION_HEADER, Turns
from pipeline.sandbox.exchange import Costume
from pipeline.sandbox.visit import Serve, Visit, guarded

__all__ = ["APIMART"]


_NAME = "apimart"


def _routes(desk: Desk) -> list[BaseRoute]:
    turns = Turns()

    async def generate(visit: Visit, request: Request) -> Response:
        return await tasks.post(visit, request, turns)

    def route(path: str, method: str, serve: Serve) -> Route:
        endpoint = guarded(desk, serve, provider=_NAME, costume=_costume)
        return Route(path, endpoint, methods=[method])

    return [
        route("/v1/videos/generations", "POST", generate),
        route("/v1/tasks/{task}", "GET", tasks.get),
        route("/v1/uploads/images", "POST", tasks.upload),
    ]


def _costume(request: Request) -> Costume:
    return partial(replies.costume, dated=VERSION_HEADER in request.headers)


APIMART = Dialect(
    name=_NAME,
    routes=_routes,
    addresses=MappingProxyType({"base_url": "/apimart"}),
    refunds=replies.REFUNDS,
)
