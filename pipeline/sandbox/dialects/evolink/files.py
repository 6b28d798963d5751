"""EvoLink's file host: takes files three ways, keeps them for 72 hours, 100 of them an account.

A failure comes under HTTP 200, as the official tool knows it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipeline.sandbox import intake
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialects.evolink.replies import MESSAGES
from pipeline.sandbox.exchange import Reply
from pipeline.sandbox.records import Upload
from pipeline.sandbox.visit import Visit, document, form

_LIVES_S = 72 * 3600.0
_QUOTA = 100
_BYTES = 100_000_000


def costume(trouble: str, status: int) -> Reply:
    """Return how the file host words a trouble."""
    body = {"success": False, "code": status, "msg": MESSAGES.get(trouble, trouble)}
    return Reply(status=status, body=body)


async def from_form(visit: Visit, request: Request) -> Response:
    """Keep a form's `file`; its other fields are spelt in camel case."""
    given = await form(request)

    async def work() -> Reply:
        content = given.get("file")
        if not isinstance(content, bytes) or given.keys() - {"file", "uploadPath", "fileName"}:
            return _refused("the form has `file`, `uploadPath` and `fileName`")
        return await _kept(visit, content, given.get("fileName"), given.get("uploadPath"))

    return await visit.answer("upload", visit.subject(), work)


async def from_text(visit: Visit, request: Request) -> Response:
    """Keep what stands in `base64_data`; the other fields are spelt in snake case."""
    given = await document(request) or {}

    async def work() -> Reply:
        if given.keys() - {"base64_data", "upload_path", "file_name"}:
            return _refused("the body has `base64_data`, `upload_path` and `file_name`")
        try:
            content = intake.decoded(str(given.get("base64_data", "")))
        except intake.NotMedia as error:
            return _refused(str(error))
        return await _kept(visit, content, given.get("file_name"), given.get("upload_path"))

    return await visit.answer("upload", visit.subject(), work)


async def from_address(visit: Visit, _request: Request) -> Response:
    """Refuse what would have to be fetched: the sandbox never goes out."""

    async def work() -> Reply:
        return _refused("the file cannot be fetched")

    return await visit.answer("upload", visit.subject(), work)


async def delete(visit: Visit, request: Request) -> Response:
    """Forget a file of the account's."""
    kept = visit.desk.world.upload(request.path_params["file"])
    if kept is None or not _is_theirs(kept, visit):
        return _refused("file not found", 404).response()
    visit.desk.world.drop_upload(kept.id)
    return Reply(body={"success": True, "code": 200, "msg": "deleted"}).response()


async def _kept(visit: Visit, content: bytes, name: Any, folder: Any) -> Reply:
    desk = visit.desk
    if len(content) > _BYTES:
        return _refused("the file is larger than 100 MB")
    if sum(_is_theirs(stored, visit) for stored in desk.world.uploads()) >= _QUOTA:
        return _refused("the quota of files is used up")
    try:
        kept = await intake.keep(
            desk, content, provider=visit.provider, key=visit.key, lives_s=_LIVES_S
        )
    except intake.NotMedia as error:
        return _refused(str(error))
    told = _told(desk, kept, name=name, folder=folder)
    return Reply(body={"success": True, "code": 200, "msg": "uploaded", "data": told})


def _is_theirs(kept: Upload, visit: Visit) -> bool:
    alive = (kept.expires_at or 0) > visit.desk.world.now()
    return alive and (kept.provider, kept.account) == (visit.provider, visit.key)


def _told(desk: Desk, kept: Upload, *, name: Any, folder: Any) -> dict[str, Any]:
    url = intake.address(desk, kept)
    now = desk.world.now()
    return {
        "file_id": kept.id,
        "file_name": kept.name,
        "original_name": str(name or kept.name),
        "file_size": kept.size,
        "mime_type": kept.media_type,
        "upload_path": str(folder or ""),
        "file_url": url,
        "download_url": f"{url}?download=1",
        "upload_time": _dated(now),
        "expires_at": _dated(now + _LIVES_S),
    }


def _dated(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _refused(message: str, code: int = 400) -> Reply:
    return Reply(body={"success": False, "code": code, "msg": message})
