"""A provider's Request, and the file it may carry, as the bytes that go over HTTP.

The same request always gives the same bytes: what is sent again after a doubt is what was sent.
Keys are added by `lane.signature`, never here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson

from pipeline.domain import EMPTY
from pipeline.errors import Forbidden
from pipeline.providers.base import ASSET, Request

_CHUNK = 256 * 1024


def encode_body(body: Any) -> bytes:
    """Return a body as the JSON that is sent: one body, one sequence of bytes."""
    return orjson.dumps(body, default=_plain, option=orjson.OPT_SORT_KEYS)


def fill_placeholders(request: Request, values: Mapping[str, str]) -> Request:
    """Return the request with each string that is exactly a placeholder replaced by its value.

    Placeholders are `asset:<digest>` and `client:id`; they stand in body, fields, headers or path.
    """
    return replace(
        request,
        path="/".join(values.get(segment, segment) for segment in request.path.split("/")),
        headers=_substitute(request.headers, values),
        body=_substitute(request.body, values),
        fields=_substitute(request.fields, values),
    )


def carries_file(request: Request) -> bool:
    """Tell whether a request sends the bytes of the medium that is being uploaded."""
    return request.part is not None or request.content or _holds_placeholder(request.body)


def plain_request(
    request: Request, url: httpx.URL, headers: Mapping[str, str] = EMPTY
) -> httpx.Request:
    """Return a request that carries no file."""
    if request.body is None:
        return httpx.Request(request.method, url, headers=headers)
    typed = {"content-type": "application/json", **headers}
    body = request.body if isinstance(request.body, bytes) else encode_body(request.body)
    return httpx.Request(request.method, url, headers=typed, content=body)


async def file_request(
    request: Request,
    url: httpx.URL,
    *,
    file: Path,
    content_type: str,
    headers: Mapping[str, str] = EMPTY,
) -> httpx.Request:
    """Return a request that carries a file: as a form's part, as it is, or inside its JSON.

    Raises OSError if the file cannot be read, and Forbidden if its bytes are not those that the
    body's placeholder names.
    """
    if request.part is not None:
        return await asyncio.to_thread(_form, request, url, file=file, headers=headers)
    if request.content:
        size = (await asyncio.to_thread(file.stat)).st_size
        # Names of headers know no case: a provider's own Content-Type takes the place of ours.
        own = {name.lower(): value for name, value in headers.items()}
        sized = {"content-length": str(size), "content-type": content_type, **own}
        return httpx.Request(request.method, url, headers=sized, content=_chunks(file))
    inlined = await asyncio.to_thread(_inline_file, request.body, file, content_type)
    return plain_request(replace(request, body=inlined), url, headers)


def _form(
    request: Request, url: httpx.URL, *, file: Path, headers: Mapping[str, str]
) -> httpx.Request:
    part = request.part
    if part is None:
        raise ValueError("a form needs a part")
    files = {part.name: (part.filename, file.read_bytes(), part.content_type)}
    return httpx.Request(
        request.method, url, headers=headers, data=dict(request.fields), files=files
    )


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, _CHUNK):
            yield chunk


def _inline_file(body: Any, file: Path, content_type: str) -> Any:
    data = file.read_bytes()
    uri = f"data:{content_type};base64,{base64.b64encode(data).decode('ascii')}"
    placeholder = f"{ASSET}{hashlib.sha256(data).hexdigest()}"
    filled_in = _substitute(body, {placeholder: uri})
    if _holds_placeholder(filled_in):
        raise Forbidden(f"{file.name} is not the medium that the upload names")
    return filled_in


def _holds_placeholder(data: Any) -> bool:
    match data:
        case str():
            return data.startswith(ASSET)
        case Mapping():
            return any(_holds_placeholder(value) for value in data.values())
        case list() | tuple():
            return any(_holds_placeholder(value) for value in data)
        case _:
            return False


def _substitute(data: Any, values: Mapping[str, str]) -> Any:
    match data:
        case str():
            return values.get(data, data)
        case Mapping():
            return {name: _substitute(value, values) for name, value in data.items()}
        case list() | tuple():
            return [_substitute(value, values) for value in data]
        case _:
            return data


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a request body cannot hold {type(value).__name__}")
