"""Encode frames as H.264 at the asked size, length and rate, into MP4 (or MOV, or VP8 in WebM).

A clip appears under its name only when it is whole. `moov` stays the last box: see stamp.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
from av.video.stream import VideoStream

# A constant quantiser needs no look-ahead, which costs as much as a fifth of the encoding.
_H264 = MappingProxyType(
    {
        "preset": "ultrafast",
        "qp": "25",
        "tune": "fastdecode",
        "threads": "2",
        "g": "48",
        "x264-params": "scenecut=0",
    }
)
# Its threads wait by spinning: with more of them than processors, they only wait.
_VP8 = MappingProxyType({"deadline": "realtime", "cpu-used": "8", "threads": "1"})
_CODECS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {"mp4": ("libx264", _H264), "mov": ("libx264", _H264), "webm": ("libvpx", _VP8)}
)
_BT709 = 1
"""FFmpeg's number for the colours of HD video, as animatic.py makes them."""


def render(reel: Mapping[str, Any], *, uploads: Path, path: Path) -> None:
    """Write the clip a reel describes."""
    codec, options = _CODECS[reel["format"]]
    part = path.with_name(path.name + ".part")
    with av.open(str(part), "w", format=reel["format"]) as container:
        container.metadata.update(reel.get("told", {}))
        stream = container.add_stream(codec, rate=Fraction(reel["fps"]), options=dict(options))
        assert isinstance(stream, VideoStream)  # noqa: S101 - each codec above is a video codec
        stream.width, stream.height, stream.pix_fmt = reel["width"], reel["height"], "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        for number, frame in enumerate(_frames(reel, uploads)):
            frame.pts, frame.time_base = number, Fraction(1, reel["fps"])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.replace(path)


def probe(path: Path) -> dict[str, Any]:
    """Return width, height, seconds and fps of a video file."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("no video in it")
        stream = container.streams.video[0]
        return {
            "width": stream.width,
            "height": stream.height,
            "seconds": container.duration / av.time_base if container.duration else None,
            "fps": float(stream.average_rate or 0),
        }


def _frames(reel: Mapping[str, Any], uploads: Path) -> Iterator[av.VideoFrame]:
    count = max(1, round(float(reel["seconds"]) * int(reel["fps"])))
    if reel["style"] == "full":
        from pipeline.sandbox.render.animatic import Animatic  # noqa: PLC0415 - only here: Pillow

        return Animatic(reel, uploads).frames(count)
    frame = av.VideoFrame(reel["width"], reel["height"], "yuv420p")
    for plane, shade in zip(frame.planes, (96, 140, 112), strict=True):
        plane.update(bytes([shade]) * plane.buffer_size)
    return repeat(frame, count)
