"""Files that are announced first: their bytes are put, unsigned, to an address made for them alone.

The address lies at the result host, as with a store of another company: a key that turns up there
is a leak. Chosen: it holds good for an hour, for one file of the type and size announced.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import asdict, dataclass

from pipeline.sandbox import intake
from pipeline.sandbox.desk import Desk

_LIVES_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """A file that was announced."""

    provider: str
    account: str
    content_type: str
    size: int
    signature: str
    until: float


class Refused(Exception):  # noqa: N818 - named for what it says, as the whole tree is
    """These bytes do not belong at this address."""


def announce(
    desk: Desk, *, provider: str, key: str, content_type: str, size: int, suffix: str
) -> tuple[str, str, str]:
    """Return id, public address and the address to put the bytes to."""
    file_id = str(uuid.uuid4())
    deposit = Deposit(
        provider=provider,
        account=key,
        content_type=content_type,
        size=size,
        signature=secrets.token_hex(16),
        until=desk.world.now() + _LIVES_S,
    )
    desk.world.keep_note(_note(file_id), asdict(deposit))
    uri = f"{desk.media_origin}/{provider}/uploads/{file_id}{suffix}"
    return file_id, uri, f"{uri}?signature={deposit.signature}"


async def deliver(
    desk: Desk, file_id: str, *, signature: str, content_type: str, content: bytes
) -> None:
    """Keep the bytes of an announced file; raises Refused or NotMedia."""
    told = desk.world.note(_note(file_id))
    if told is None or desk.world.upload(file_id) is not None:
        raise Refused("nothing is awaited here")
    deposit = Deposit(**told)
    if deposit.signature != signature or deposit.until < desk.world.now():
        raise Refused("the signature is not valid (any more)")
    if (deposit.content_type, deposit.size) != (content_type, len(content)):
        raise Refused("another type or size was announced")
    await intake.keep(
        desk, content, provider=deposit.provider, key=deposit.account, upload_id=file_id
    )


def _note(file_id: str) -> str:
    return f"deposit {file_id}"
