"""A video file becomes Media: what its frames say, not what its header claims.

A clip counts as paid for and done only when every frame of it decodes; a reference video, which
is looked at on each run, is walked packet by packet and decoded at its key frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Literal

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.media.sniff import (
    file_format,
    fragmented_s,
    require_bytes,
    require_whole,
    sha256,
)
from pipeline.media.units import holds_together, length_size

VIDEO_FORMATS = frozenset({"mp4", "mov", "webm"})
# `explode` turns a broken macroblock into an error; without it FFmpeg paints over the hole.
# The deblocking filter changes pixels, not parsing: off, 5 s of 720x1280 take 0.15 s, not 0.45 s.
_STRICT = {"err_detect": "explode", "skip_loop_filter": "all"}
# A decoder may keep a hidden frame back (VP8's alternate reference); a lost tail is longer.
_TAIL_FRAMES = 3
_EARLY_S = 0.5
"""Headers round; a file that was cut falls shorter than that of the length they state."""
_QUARTER_TURN = 90


@dataclass(frozen=True, slots=True)
class _Packet:
    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class _Frame:
    at: Fraction
    width: int
    height: int


def probe(path: Path, *, digest: str = "") -> Media:
    """Return what the clip measures; raise MediaFault `damaged` unless every frame decodes.

    `digest` saves hashing the file again where its SHA-256 is known already.
    """
    return _measured(path, digest, thorough=True)


def measure(path: Path, *, digest: str = "") -> Media:
    """Return what a reference video measures, decoding only its key frames."""
    return _measured(path, digest, thorough=False)


def _measured(path: Path, digest: str, *, thorough: bool) -> Media:
    kind = _video_format(path)
    require_whole(path, kind)
    try:
        packets, stated_s = _packets(path)
        frames = _frames(path, "DEFAULT" if thorough else "NONKEY")
    except (av.FFmpegError, ValueError) as error:
        raise MediaFault("damaged", f"{path.name} does not play: {_reason(error)}") from error
    if thorough:
        _require_the_end(path, packets, frames)
    seconds = float(max(p.end for p in packets) - min(p.start for p in packets))
    return Media(
        media_type="video",
        source=str(path),
        local=True,
        digest=digest or sha256(path),
        format=kind,
        bytes=path.stat().st_size,
        width=frames[0].width,
        height=frames[0].height,
        seconds=round(seconds, 3),
        fps=round(len(packets) / seconds, 3),
        file_seconds=ceil(round(max(seconds, stated_s) * 1_000_000, 3)) / 1_000_000,
    )


def _video_format(path: Path) -> str:
    try:
        if path.stat().st_size == 0:
            raise MediaFault("damaged", f"{path.name} is empty")
        kind = file_format(path)
    except OSError as error:
        raise MediaFault("missing-file", f"{path.name} cannot be read: {error.strerror}") from error
    if kind in VIDEO_FORMATS:
        return kind
    noun = kind if " " in kind else f"an image ({kind})"
    raise MediaFault("wrong-media", f"{path.name} is {noun}, not a video", "MP4 and MOV are taken")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise MediaFault("wrong-media", f"{path.name} holds no picture")
        stream = container.streams.video[0]
        # Slice threads swallow errors even with `explode` (measured with PyAV 18.1 and h264).
        stream.thread_type = "NONE"
        stream.codec_context.options = dict(_STRICT)
        yield container, stream


def _packets(path: Path) -> tuple[list[_Packet], float]:
    """Read every packet: a file that was cut gives short or missing ones, of picture or sound.

    The second is how long the file itself says that it is, in seconds; 0 if it does not.
    """
    found, reached = [], Fraction(0)
    with _opened(path) as (container, stream):
        codec = stream.codec_context
        size = length_size(codec.name, codec.extradata or b"")
        for packet in container.demux():
            if packet.pts is None or packet.is_discard:
                continue
            of_picture = packet.stream is stream
            if packet.is_corrupt or (
                of_picture and size and not holds_together(bytes(packet), size)
            ):
                raise ValueError("a part of it is missing")
            start = packet.pts * _base(packet.stream)
            end = start + (packet.duration or 0) * _base(packet.stream)
            if of_picture:
                found.append(_Packet(start, end if packet.duration else start + _step(stream)))
            reached = max(reached, end)
        stated_s = max((container.duration or 0) / av.time_base, fragmented_s(path))
        entries = (entry for each in container.streams for entry in each.index_entries)
        # A sample table may lead beyond the end of the file: FFmpeg just ends there.
        indexed = max((entry.pos + entry.size for entry in entries), default=0)
    require_bytes(path, indexed, path.stat().st_size)
    if not found:
        raise ValueError("it has no frames")
    if max(reached, found[-1].end) < stated_s - _EARLY_S:
        raise ValueError("it ends early")
    return found, stated_s


def _frames(path: Path, skip: Literal["DEFAULT", "NONKEY"]) -> list[_Frame]:
    """Decode the picture, but for the frames to skip (FFmpeg's `skip_frame`)."""
    with _opened(path) as (container, stream):
        stream.codec_context.skip_frame = skip
        found = [_checked(frame, stream) for frame in container.decode(stream)]
    if not found:
        raise ValueError("no frame of it can be decoded")
    return found


def _checked(frame: VideoFrame, stream: VideoStream) -> _Frame:
    if frame.is_corrupt or frame.pts is None:
        raise ValueError("a frame is broken")
    width, height = frame.width, frame.height
    if (frame.rotation // _QUARTER_TURN) % 2:
        width, height = height, width
    return _Frame(frame.pts * _base(stream), width, height)


def _require_the_end(path: Path, packets: Sequence[_Packet], frames: Sequence[_Frame]) -> None:
    late = sum(packet.start > frames[-1].at for packet in packets)
    lost = len(packets) - len(frames)
    if late > _TAIL_FRAMES or lost > max(_TAIL_FRAMES, len(packets) // 10):
        raise MediaFault("damaged", f"{path.name} does not play to its end")


def _base(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 1000)


def _step(stream: VideoStream) -> Fraction:
    return 1 / (stream.average_rate or Fraction(24))


def _reason(error: Exception) -> str:
    if isinstance(error, av.FFmpegError):
        return (error.strerror or "broken data").lower()
    return str(error)
