"""The app that inference.sh runs for us: its versions, their inputs, and what is told of it.

Ids and short ids are ours; every account sees this one app, and may change nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from pipeline.sandbox.dialects.inference_envelope import list_page, list_request, problem, wrap
from pipeline.sandbox.document_schema import dialect_schema
from pipeline.sandbox.http_exchange import RequestContext

APP = "klingai/video-o1"
_APP_ID = "6k2v9q"
_DOCUMENT = dialect_schema("inference")
# Short id of a version to its input; the first is live.
VERSIONS: Mapping[str, str] = {"9r4t2k": "input-august", "3m7x1c": "input-may"}
LIVE = next(iter(VERSIONS))
# The days of the app's own source that its versions were read from.
_VERSION_TIMES: Mapping[str, str] = {
    "9r4t2k": "2026-08-07T00:00:00Z",
    "3m7x1c": "2026-05-01T00:00:00Z",
}


async def get_app(context: RequestContext) -> Response:
    """Answer the app by its name or its id, or with one version of it."""
    asked = context.request.path_params
    name = f"{asked['namespace']}/{asked['name']}" if "name" in asked else asked["app"]
    if name not in {APP, _APP_ID} or asked.get("version", LIVE) not in VERSIONS:
        return problem("not_found", "no such app").response()
    return wrap(_app_data(asked.get("version", LIVE))).response()


async def list_apps(context: RequestContext) -> Response:
    """Answer a page of the apps: there is one."""
    return list_page([_app_data(LIVE)], await list_request(context.request)).response()


async def list_versions(context: RequestContext) -> Response:
    """Answer a page of the app's versions."""
    if context.request.path_params["app"] != _APP_ID:
        return problem("not_found", "no such app").response()
    versions = [_version_data(version) for version in VERSIONS]
    return list_page(versions, await list_request(context.request)).response()


def _app_data(version: str) -> dict[str, Any]:
    namespace, _, name = APP.partition("/")
    return {
        "id": _APP_ID,
        "short_id": _APP_ID,
        "created_at": _VERSION_TIMES["3m7x1c"],
        "updated_at": _VERSION_TIMES[LIVE],
        "namespace": namespace,
        "name": name,
        "category": "video",
        "version_id": version,
        "version": _version_data(version),
    }


def _version_data(version: str) -> dict[str, Any]:
    schema = _DOCUMENT["$defs"][VERSIONS[version]]
    return {
        "id": version,
        "short_id": version,
        "created_at": _VERSION_TIMES[version],
        "updated_at": _VERSION_TIMES[version],
        "input_schema": schema,
        "functions": {"run": {"name": "run", "input_schema": schema}},
        "default_function": "run",
    }
