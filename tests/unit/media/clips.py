"""Tiny real clips and pictures for tests, written by PyAV and Pillow."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

_QUICK = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}
"""What tells an encoder that nobody minds how large the clip becomes."""


def write_clip(
    path: Path,
    *,
    size: tuple[int, int] = (96, 160),
    seconds: float = 1.0,
    fps: int | Fraction = 24,
    codec: str = "libx264",
    black_s: float = 0.0,
) -> Path:
    """Write a clip of coloured noise in motion, black for the first `black_s` seconds."""
    width, height = size
    chance = np.random.default_rng(1)
    field = chance.integers(0, 255, (height + 64, width + 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = dict(_QUICK.get(codec, {}))
        stream.codec_context.thread_count = 1  # a tiny clip is not worth a thread pool
        for n in range(round(seconds * fps)):
            picture = np.ascontiguousarray(field[n % 64 : n % 64 + height, :width])
            picture = picture * (n >= black_s * fps)
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_image(path: Path, size: tuple[int, int] = (640, 480), *, turned: bool = False) -> Path:
    """Write a picture of noise; `turned` gives it the EXIF orientation of a phone held upright."""
    chance = np.random.default_rng(2)
    pixels = chance.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    if turned:
        exif[0x0112] = 6
    picture.save(path, exif=exif)
    return path
