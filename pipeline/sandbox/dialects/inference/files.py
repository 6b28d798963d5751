"""Files: announced to the API, then put to an address of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline.sandbox import deposits
from pipeline.sandbox.checks import Check, flag, integer, many, misfits, optional, record, text
from pipeline.sandbox.dialects.inference import replies
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.visit import Visit, document

_SUFFIX_CHARACTERS = 6


_FILE: Mapping[str, Check] = MappingProxyType(
    {
        "uri": text(0, 0),
        "filename": optional(text(1, 255)),
        "content_type": text(3, 100),
        "path": optional(text(0, 255)),
        "size": integer(1, 10**10),
        "public": optional(flag),
    }
)
_ANNOUNCED: Mapping[str, Check] = MappingProxyType(
    {
        "files": many(record(_FILE, required=("content_type", "size")), 1, 20),
        "category": text(0, 100),
    }
)


async def announce(visit: Visit, request: Request) -> Response:
    """Return where each announced file will be, and where its bytes are to be put."""
    body = await document(request)

    async def work() -> Reply:
        if body is None:
            return replies.problem("invalid_request", "send a JSON object")
        for name, wrong in misfits(body, _ANNOUNCED, required=("files",)):
            return replies.problem("validation_error", f"{name} {wrong}")
        return replies.wrapped([_announced(visit, one) for one in body["files"]])

    return await visit.answer("upload", visit.subject(), work)


def _announced(visit: Visit, told: Mapping[str, Any]) -> dict[str, Any]:
    suffix = PurePosixPath(told.get("filename") or "").suffix
    file_id, uri, upload_url = deposits.announce(
        visit.desk,
        provider=visit.provider,
        key=visit.key,
        content_type=told["content_type"],
        size=told["size"],
        suffix=suffix if suffix.isascii() and len(suffix) < _SUFFIX_CHARACTERS else "",
    )
    kept = {name: told.get(name) for name in ("filename", "content_type", "path", "size")}
    return {"id": file_id, "uri": uri, "upload_url": upload_url, **kept}
