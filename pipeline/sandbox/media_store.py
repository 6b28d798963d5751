"""The media that clients store, or name by address: looked into, kept, and found again.

Only what the sandbox itself holds can be shown in a clip: it never goes out to the network, so
any other address becomes a card with its file name. Chosen where no page says it: an upload's
address is good for the account that made it, and for no other; what a test put on the web is good
for all.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import CallsheetError
from pipeline.sandbox.database import Database, Upload
from pipeline.sandbox.faults import Subject
from pipeline.sandbox.render_pool import NotRendered, RenderPool

_EXTENSIONS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
}
# Whose that is which is on the web for all to see.
PUBLIC = Subject(provider="web")
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,", re.ASCII)
_PRESIGNED_S = 3600.0


class NotMedia(CallsheetError):  # noqa: N818 - named for what it says, as the whole tree is
    """These bytes are neither a picture nor a video that plays."""


class WrongUpload(CallsheetError):  # noqa: N818 - the same
    """These bytes do not belong at this address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedMedium:
    """One medium of a request: the field that names it, what it is for, and how it is named."""

    field: str
    role: str
    name: str
    """An address, or whatever else the provider takes."""
    stored: Upload | None = None
    """The medium, where it is ours."""

    def as_data(self) -> dict[str, str]:
        """Return how it appears in a clip: itself, or a card with its file name."""
        if self.stored is not None:
            digest, media_type = self.stored.digest, self.stored.media_type
            shown = self.stored.name
        else:
            digest, media_type, parts = "", "", urlsplit(self.name)
            shown = unquote(parts.path.rpartition("/")[2]) or parts.netloc
        return {"role": self.role, "digest": digest, "media_type": media_type, "name": shown}


def decode_base64(text: Any) -> bytes:
    """Return the bytes of a data URI or of bare base64; raises NotMedia."""
    text = text if isinstance(text, str) else ""
    # The head alone: a pattern over megabytes of base64 would be slow.
    found = _DATA_URI.match(text[:200])
    try:
        content = base64.b64decode(text[found.end() if found else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotMedia("neither a data URI nor base64; the sandbox fetches nothing") from error
    if not content:
        raise NotMedia("it is empty")
    return content


class MediaStore:
    """Keeps media by content, under ids and addresses at the media host."""

    def __init__(self, database: Database, pool: RenderPool, *, origin: str) -> None:
        self._database = database
        self._pool = pool
        self.origin = origin
        """Scheme, host and port of the media host."""

    async def store(
        self,
        content: bytes,
        owner: Subject,
        *,
        lifetime_s: float | None = None,
        upload_id: str = "",
    ) -> Upload:
        """Keep a medium for an account, under a new id unless one is given; raises NotMedia."""
        digest = hashlib.sha256(content).hexdigest()
        upload_id = upload_id or str(uuid.uuid4())
        facts = await self._facts(content, digest)
        upload = Upload(
            id=upload_id,
            provider=owner.provider,
            account=owner.key,
            digest=digest,
            name=f"{upload_id}.{_EXTENSIONS[facts['media_type']]}",
            size=len(content),
            expires_at=None if lifetime_s is None else self._database.now() + lifetime_s,
            **facts,
        )
        self._database.add_upload(upload, content)
        return upload

    def url(self, upload: Upload) -> str:
        """Return the public address of a stored medium."""
        return f"{self.origin}/{upload.provider}/uploads/{upload.name}"

    def at_url(self, url: Any, owner: Subject | None) -> Upload | None:
        """Return the medium at an address of ours; with an owner, only one that it may use."""
        if not isinstance(url, str) or not url.startswith(f"{self.origin}/"):
            return None
        name = urlsplit(url).path.rpartition("/")[2]
        found = self._database.upload(name.partition(".")[0])
        if found is None or owner is None:
            return found
        owners = {(each.provider, each.key) for each in (owner, PUBLIC)}
        return found if (found.provider, found.account) in owners else None

    def content(self, upload: Upload) -> bytes:
        """Return the bytes of a stored medium."""
        return self._database.upload_path(upload.digest).read_bytes()

    def look_up(self, owner: Subject, named: Iterable[tuple[str, str, str]]) -> list[NamedMedium]:
        """Return the media that a request names (field, role, address), those of ours found."""
        return [
            NamedMedium(field=field, role=role, name=url, stored=self.at_url(url, owner))
            for field, role, url in named
        ]

    def is_gone(self, medium: NamedMedium) -> bool:
        """Tell whether a medium's address is one of ours, where nothing is for its account."""
        return medium.stored is None and medium.name.startswith(f"{self.origin}/")

    def presign(
        self, owner: Subject, *, content_type: str, size: int | None, suffix: str
    ) -> tuple[str, str, str]:
        """Return id, public address and the address to put the announced bytes to, unsigned else.

        It lies at the media host, as with a store of another company: a key that turns up there is
        a leak. Chosen: it holds good for an hour, for one file of the type and size announced.
        """
        file_id, signature = str(uuid.uuid4()), secrets.token_hex(16)
        announced = {
            "provider": owner.provider,
            "account": owner.key,
            "content_type": content_type,
            "size": size,
            "signature": signature,
            "until": self._database.now() + _PRESIGNED_S,
        }
        self._database.set_note(f"deposit {file_id}", announced)
        url = f"{self.origin}/{owner.provider}/uploads/{file_id}{suffix}"
        return file_id, url, f"{url}?signature={signature}"

    async def receive(
        self, file_id: str, *, signature: str, content_type: str, content: bytes
    ) -> None:
        """Keep the bytes of an announced file; raises WrongUpload or NotMedia."""
        announced = self._database.note(f"deposit {file_id}")
        # Once put, the place is closed, as a presigned address is.
        if announced is None or self._database.upload(file_id) is not None:
            raise WrongUpload("nothing is awaited here")
        if announced["signature"] != signature or announced["until"] < self._database.now():
            raise WrongUpload("the signature is not valid (any more)")
        size = len(content) if announced["size"] is None else announced["size"]
        if (announced["content_type"], size) != (content_type, len(content)):
            raise WrongUpload("another type or size was announced")
        owner = Subject(provider=announced["provider"], key=announced["account"])
        await self.store(content, owner, upload_id=file_id)

    async def _facts(self, content: bytes, digest: str) -> dict[str, Any]:
        """Return type, pixels and, of a video, seconds and fps; raises NotMedia."""
        if content[4:8] == b"ftyp":
            # The worker is another process and needs a file: it is where `add_upload` would put it.
            path = self._database.upload_path(digest)
            if not path.exists():
                path.write_bytes(content)
            try:
                found = await self._pool.probe(path)
            except NotRendered as error:
                raise NotMedia(str(error)) from error
            quicktime = content[8:12] == b"qt  "
            return {**found, "media_type": "video/quicktime" if quicktime else "video/mp4"}
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - starts quicker without it

        try:
            with Image.open(BytesIO(content)) as image:
                # A phone's JPEG with a preview behind it is one of several pictures (MPO).
                form = (image.format or "").lower().replace("mpo", "jpeg")
                width, height = image.size
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise NotMedia("neither a picture nor a video") from error
        # It is no OSError: left out, a bomb would be an error of the server.
        except Image.DecompressionBombError as error:
            raise NotMedia("a picture of too many pixels") from error
        media_type = f"image/{form}"
        if media_type not in _EXTENSIONS:
            raise NotMedia(f"{media_type} is not taken")
        return {"media_type": media_type, "width": width, "height": height}
