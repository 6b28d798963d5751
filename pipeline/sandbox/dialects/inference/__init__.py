"""inference.sh's dialect: runs of an app, in two generations of path, envelope, number and input.

From the provider's SDKs (0.36.0 and older) and the app's own source of May and August 2026.
Webhooks are taken and never called: the sandbox goes nowhere.
"""

from __future__ import annotations

from functools import partial
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialect import Dialect
from pipeline.sandbox.dialects.inference import files, lists, replies, tasks
from pipeline.sandbox.dialects.inference.schemas import APP, LIVE
from pipeline.sandbox.visit import Serve, Visit, guarded

__all__ = ["INFERENCE"]
_NAME = "inference"


def _routes(desk: Desk) -> list[BaseRoute]:
    def route(path: str, method: str, serve: Serve, *, older: bool = False) -> Route:
        costume = partial(replies.costume, older=older)
        endpoint = guarded(desk, serve, provider=_NAME, costume=lambda _: costume)
        return Route(path, endpoint, methods=[method])

    return [
        route("/apps/run", "POST", tasks.run),
        route("/run", "POST", partial(tasks.run, older=True), older=True),
        route("/apps/{namespace}/{name}", "GET", _app),
        route("/tasks/list", "POST", lists.tasks),
        route("/tasks/{task}", "GET", tasks.get),
        route("/tasks/{task}/status", "GET", tasks.get_status),
        route("/tasks/{task}/stream", "GET", tasks.stream),
        route("/tasks/{task}/cancel", "POST", tasks.cancel),
        route("/files", "POST", files.announce),
    ]


async def _app(_visit: Visit, request: Request) -> Response:
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    if f"{namespace}/{name}" != APP:
        return replies.problem("not_found", "no such app").response()
    version = {
        "id": LIVE.version,
        "short_id": LIVE.version,
        "input_schema": LIVE.schema,
        "functions": {"run": {"name": "run", "input_schema": LIVE.schema}},
        "default_function": "run",
    }
    told = {"namespace": namespace, "name": name, "version_id": LIVE.version, "version": version}
    return replies.wrapped(told).response()


INFERENCE = Dialect(
    name=_NAME,
    routes=_routes,
    addresses=MappingProxyType({"base_url": "/inference"}),
    refunds=replies.REFUNDS,
)
