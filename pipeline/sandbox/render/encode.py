"""Encode frames as H.264 at the asked size, length and rate, into MP4 (or MOV, or VP8 in WebM).

A clip appears under its name only when it is whole. `moov` stays the last box: see stamp.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

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
_CODECS: Mapping[str, tuple[str, str, Mapping[str, str]]] = MappingProxyType(
    {
        "mp4": ("mp4", "libx264", _H264),
        "mov": ("mov", "libx264", _H264),
        "webm": ("webm", "libvpx", _VP8),
    }
)
_MICROSECONDS = 1_000_000
_BT709 = 1
"""FFmpeg's number for the colours of HD video, as planes.py makes them."""


def rendered(reel: Mapping[str, Any], *, uploads: Path, path: Path) -> None:
    """Write the clip a reel describes."""
    frames = _plain(reel) if reel["style"] == "plain" else _pictures(reel, uploads)
    part = path.with_name(path.name + ".part")
    _encode(frames, reel, part)
    part.replace(path)


def probed(path: Path) -> dict[str, Any]:
    """Return width, height, seconds and fps of a video file."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError("no video in it")
        stream = container.streams.video[0]
        seconds = container.duration / _MICROSECONDS if container.duration else None
        return {
            "width": stream.width,
            "height": stream.height,
            "seconds": seconds,
            "fps": float(stream.average_rate or 0),
        }


def frame_count(reel: Mapping[str, Any]) -> int:
    """Return how many frames the clip has."""
    return max(1, round(float(reel["seconds"]) * int(reel["fps"])))


def _encode(frames: Iterable[av.VideoFrame], reel: Mapping[str, Any], path: Path) -> None:
    container_format, codec, options = _CODECS[reel["format"]]
    with av.open(str(path), "w", format=container_format) as container:
        container.metadata.update(reel.get("told", {}))
        stream = container.add_stream(codec, rate=Fraction(reel["fps"]), options=dict(options))
        assert isinstance(stream, VideoStream)  # noqa: S101 - each codec above is a video codec
        stream.width, stream.height, stream.pix_fmt = reel["width"], reel["height"], "yuv420p"
        stream.codec_context.colorspace = _BT709
        stream.codec_context.color_primaries = _BT709
        stream.codec_context.color_trc = _BT709
        for number, frame in enumerate(frames):
            frame.pts = number
            frame.time_base = Fraction(1, reel["fps"])
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _plain(reel: Mapping[str, Any]) -> Iterator[av.VideoFrame]:
    frame = av.VideoFrame(reel["width"], reel["height"], "yuv420p")
    for plane, shade in zip(frame.planes, (96, 140, 112), strict=True):
        plane.update(bytes([shade]) * plane.buffer_size)
    for _ in range(frame_count(reel)):
        yield frame


def _pictures(reel: Mapping[str, Any], uploads: Path) -> Iterator[av.VideoFrame]:
    from pipeline.sandbox.render.film import film  # noqa: PLC0415 - plain clips need no Pillow

    return film(reel, uploads)
