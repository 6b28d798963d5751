"""Look into the media a client sends, keep them, and find them again by id or address.

Only what the sandbox itself holds can be shown in a clip: it never goes out to the network, so
any other address becomes a card with its file name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import CallsheetError
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.orders import Shown
from pipeline.sandbox.records import Upload
from pipeline.sandbox.studio import NotRendered

_EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "image/jpeg": "jpg",
        "image/png": "png",
        "image/webp": "webp",
        "image/gif": "gif",
        "video/mp4": "mp4",
        "video/quicktime": "mov",
    }
)
PUBLIC = ("web", "")
"""Provider and account of what is on the web for all to see."""
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,", re.ASCII)


class NotMedia(CallsheetError):  # noqa: N818 - named for what it says, as the whole tree is
    """These bytes are neither a picture nor a video that plays."""


def decoded(text: str) -> bytes:
    """Return the bytes of a data URI or of bare base64; raises NotMedia."""
    found = _DATA_URI.match(text[:200])
    try:
        content = base64.b64decode(text[found.end() if found else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotMedia("neither a data URI nor base64; the sandbox fetches nothing") from error
    if not content:
        raise NotMedia("it is empty")
    return content


async def keep(
    desk: Desk,
    content: bytes,
    *,
    provider: str,
    key: str,
    lives_s: float | None = None,
    upload_id: str = "",
) -> Upload:
    """Keep a medium for an account, under a new id unless one is given; raises NotMedia."""
    digest = hashlib.sha256(content).hexdigest()
    path = desk.world.upload_path(digest)
    looked = _picture(content) if content[4:8] != b"ftyp" else None
    if looked is None:
        if not path.exists():
            path.write_bytes(content)
        try:
            looked = {**await desk.studio.probe(path), "media_type": _movie_type(content)}
        except NotRendered as error:
            raise NotMedia(str(error)) from error
    upload_id = upload_id or str(uuid.uuid4())
    upload = Upload(
        id=upload_id,
        provider=provider,
        account=key,
        digest=digest,
        name=f"{upload_id}.{_EXTENSIONS[looked['media_type']]}",
        size=len(content),
        expires_at=None if lives_s is None else desk.world.now() + lives_s,
        **looked,
    )
    desk.world.keep_upload(upload, content)
    return upload


def address(desk: Desk, upload: Upload) -> str:
    """Return the public address of a stored medium."""
    return f"{desk.media_origin}/{upload.provider}/uploads/{upload.name}"


def at_address(desk: Desk, url: str) -> Upload | None:
    """Return the medium that is stored at an address of ours."""
    if not desk.serves(url):
        return None
    name = urlsplit(url).path.rpartition("/")[2]
    return desk.world.upload(name.partition(".")[0])


def shown(role: str, found: Upload | str) -> Shown:
    """Return how a medium appears in a clip: itself, or a card with its file name."""
    if isinstance(found, Upload):
        return Shown(role=role, digest=found.digest, media_type=found.media_type, name=found.name)
    name = unquote(urlsplit(found).path.rpartition("/")[2]) or urlsplit(found).netloc
    return Shown(role=role, name=name)


def _picture(content: bytes) -> dict[str, Any]:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - starts quicker without it

    try:
        with Image.open(BytesIO(content)) as image:
            media_type = f"image/{(image.format or '').lower()}"
            width, height = image.size
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise NotMedia("neither a picture nor a video") from error
    if media_type not in _EXTENSIONS:
        raise NotMedia(f"{media_type} is not taken")
    return {"media_type": media_type, "width": width, "height": height}


def _movie_type(content: bytes) -> str:
    return "video/quicktime" if content[8:12] == b"qt  " else "video/mp4"
