"""The files of an inference.sh account: announced, put, listed, read and deleted.

Chosen where no page says it: a file is there once its bytes are, and what a task has made is listed
with the task, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from starlette.responses import Response

from pipeline.sandbox.database import Upload
from pipeline.sandbox.dialects.inference_envelope import (
    list_page,
    list_request,
    not_an_object,
    problem,
    time_text,
    wrap,
)
from pipeline.sandbox.document_schema import DocumentSchema, dialect_schema
from pipeline.sandbox.http_exchange import Reply, RequestContext, json_object

_SUFFIX_CHARACTERS = 6
_SHORT_ID_CHARACTERS = 8
_ANNOUNCEMENT = DocumentSchema(dialect_schema("inference"), "announcement")
# The name of the note that holds what was announced of a file.
_ANNOUNCED = "file {}"


async def announce_files(context: RequestContext) -> Response:
    """Answer where each announced file will be, and where its bytes are to be put."""
    body = await json_object(context.request)

    async def work() -> Reply:
        if body is None:
            return not_an_object()
        for error in _ANNOUNCEMENT.errors(body):
            return problem("validation_error", f"{error.field} {error.words}")
        return wrap([_announce(context, file) for file in body["files"]])

    return await context.respond("upload", context.subject(), work)


def _announce(context: RequestContext, file: Mapping[str, Any]) -> dict[str, Any]:
    database = context.service.database
    suffix = PurePosixPath(file.get("filename") or "").suffix
    file_id, uri, upload_url = context.service.media.presign(
        context.subject(),
        content_type=file["content_type"],
        size=file.get("size"),
        # It becomes a part of the address: only a short, plain ending does.
        suffix=suffix if suffix.isascii() and len(suffix) < _SUFFIX_CHARACTERS else "",
    )
    announced = {name: file.get(name) for name in ("filename", "content_type", "path", "size")}
    announced["created_at"] = time_text(database.now())
    database.set_note(_ANNOUNCED.format(file_id), announced | {"uri": uri})
    return {"id": file_id, "uri": uri, "upload_url": upload_url, **announced}


async def list_files(context: RequestContext) -> Response:
    """Answer a page of the account's files."""
    body = await list_request(context.request)

    async def work() -> Reply:
        return list_page([_file_data(context, upload) for upload in context.uploads()], body)

    return await context.respond("status", context.subject(), work)


async def get_file(context: RequestContext) -> Response:
    """Answer what is known of a file."""
    upload = _find(context)
    return (_no_file() if upload is None else wrap(_file_data(context, upload))).response()


async def delete_file(context: RequestContext) -> Response:
    """Forget a file; its address is dead from now on."""
    upload = _find(context)
    if upload is None:
        return _no_file().response()
    context.service.database.delete_upload(upload.id)
    return wrap(None).response()


def _find(context: RequestContext) -> Upload | None:
    file_id = context.request.path_params["file"]
    return next((upload for upload in context.uploads() if upload.id == file_id), None)


def _no_file() -> Reply:
    return problem("not_found", "no such file")


def _file_data(context: RequestContext, upload: Upload) -> dict[str, Any]:
    announced = context.service.database.note(_ANNOUNCED.format(upload.id))
    return {
        "id": upload.id,
        "short_id": upload.id[:_SHORT_ID_CHARACTERS],
        "updated_at": announced["created_at"],
        **announced,
        # Only the bytes have a size for certain; they need not have been announced with one.
        "size": upload.size,
        "upload_url": "",
        "metadata": {"width": upload.width, "height": upload.height},
    }
