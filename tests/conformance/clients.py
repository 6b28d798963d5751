"""What the sandbox's own tests ask it with: plain HTTP, as a provider's client would."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any

import av
import httpx
from PIL import Image

from tests.sandboxes import Sandbox

KEY = "key-of-the-conformance-test"
OTHER_KEY = "key-of-somebody-else"
URL = "https://example.com/clip.mp4"
_PATIENCE_S = 60
_PAUSE_S = 0.02
Answer = tuple[int, dict[str, Any]]


def client(sandbox: Sandbox, provider: str, key: str = KEY) -> httpx.Client:
    """Return a client of one account."""
    return httpx.Client(
        base_url=sandbox.base_urls[provider],
        headers={"Authorization": f"Bearer {key}"},
        timeout=30,
        trust_env=False,
    )


def answer(reply: httpx.Response) -> Answer:
    """Return a reply's status and what its body says."""
    return reply.status_code, reply.json()


def eventually(ask: Callable[[], Any]) -> Any:
    """Ask until the answer is something."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        time.sleep(_PAUSE_S)
    raise AssertionError("the task did not end")


def without(told: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return an object without some fields."""
    return {name: value for name, value in told.items() if name not in names}


def measured(url: str) -> tuple[int, int, float]:
    """Return width and height of the clip at an address, and its seconds by its pictures."""
    content = httpx.get(url, trust_env=False).raise_for_status().content
    with av.open(BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        pictures = sum(1 for _ in container.decode(stream))
        return stream.width, stream.height, float(pictures / (stream.average_rate or 1))


@cache
def picture(width: int = 320, height: int = 480, form: str = "PNG") -> bytes:
    """Return an image."""
    content = BytesIO()
    Image.new("RGB", (width, height), (200, 40, 40)).save(content, form)
    return content.getvalue()


@cache
def movie(width: int = 720, height: int = 720, seconds: int = 4) -> bytes:
    """Return an MP4."""
    content = BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for number in range(seconds * 24):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return content.getvalue()
