"""A video file becomes Media: what its frames say, not what its header claims.

A clip counts as paid for and done only when every frame of it decodes; a reference video, which
is looked at on each run, is walked packet by packet and decoded at its key frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
from pipeline.file_content import VIDEO_FORMATS, file_format, file_sha256, format_title
from pipeline.media.posters import PosterChoice
from pipeline.media.sniff import declared_s, require_bytes, require_whole

# `explode` turns a broken macroblock into an error; without it FFmpeg paints over the hole.
# The deblocking filter changes pixels, not parsing: off, 5 s of 720x1280 take 0.15 s, not 0.45 s.
_STRICT = {"err_detect": "explode", "skip_loop_filter": "all"}
# A decoder may keep a hidden frame back (VP8's alternate reference); a lost tail is longer.
_TAIL_FRAMES = 3
_EARLY_S = 0.5
"""Headers round; a file that was cut falls shorter than that of the length they state."""
_QUARTER_TURN = 90
_LENGTH_AT = {"h264": 4, "hevc": 21}
"""Byte of the codec's configuration record whose last two bits are the length's size less one."""
_FORBIDDEN = (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02")
_FORBIDDEN_BIT = 0x80


@dataclass(frozen=True, slots=True)
class _Packet:
    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class _Frame:
    at: Fraction
    width: int
    height: int


Look = Callable[[VideoFrame, float], None]
"""Is shown each frame that is decoded, and the clip's length in seconds."""


def probe(path: Path, *, digest: str = "", look: Look = lambda _frame, _length_s: None) -> Media:
    """Return what the clip measures; raise MediaFault `damaged` unless every frame decodes.

    `digest` saves hashing the file again where its SHA-256 is known already.
    """
    return _measure(path, digest, look=look, thorough=True)


def probe_with_poster(path: Path, poster: Path, *, digest: str = "") -> Media:
    """Return what the clip measures like `probe`; its still is at `poster` then, if it can be.

    The still comes out of the same frames: a clip is decoded once. One that is there already stays,
    and a disk that does not take it is no fault of the clip.
    """
    choice = None if poster.exists() else PosterChoice()
    if choice is None:
        return probe(path, digest=digest)
    media = probe(path, digest=digest, look=choice.look)
    with suppress(OSError):
        choice.write(poster)
    return media


def measure(path: Path, *, digest: str = "") -> Media:
    """Return what a reference video measures, decoding only its key frames."""
    return _measure(path, digest, look=lambda _frame, _length_s: None, thorough=False)


def _measure(path: Path, digest: str, *, look: Look, thorough: bool) -> Media:
    try:
        size = path.stat().st_size
        kind = file_format(path) if size else ""
    except OSError as error:
        raise MediaFault("missing-file", f"{path.name} cannot be read: {error.strerror}") from error
    if not size:
        raise MediaFault("damaged", f"{path.name} is empty")
    if kind not in VIDEO_FORMATS:
        noun = kind if " " in kind else f"an image ({format_title(kind)})"
        why = "which nobody takes" if noun.endswith(" video") else "not a video"
        what = f"{path.name} is {noun}, {why}"
        raise MediaFault("wrong-media", what, "MP4 and MOV are taken")
    require_whole(path, kind)
    try:
        packets, stated_s = _packets(path)
        length_s = max(stated_s, float(max(packet.end for packet in packets)))
        skip: Literal["DEFAULT", "NONKEY"] = "DEFAULT" if thorough else "NONKEY"
        frames = _frames(path, skip, lambda frame: look(frame, length_s))
    except (av.FFmpegError, ValueError) as error:
        said = str(error)
        if isinstance(error, av.FFmpegError):
            said = (error.strerror or "broken data").lower()
        raise MediaFault("damaged", f"{path.name} does not play: {said}") from error
    if thorough:
        late = sum(packet.start > frames[-1].at for packet in packets)
        lost = len(packets) - len(frames)
        if late > _TAIL_FRAMES or lost > max(_TAIL_FRAMES, len(packets) // 10):
            raise MediaFault("damaged", f"{path.name} does not play to its end")
    seconds = float(max(p.end for p in packets) - min(p.start for p in packets))
    return Media(
        media_type="video",
        source=str(path),
        local=True,
        digest=digest or file_sha256(path),
        format=kind,
        bytes=size,
        width=frames[0].width,
        height=frames[0].height,
        seconds=round(seconds, 3),
        fps=round(len(packets) / seconds, 3),
        # A provider may count it, so never less than it is; the inner round takes off what
        # floating point has added, which `ceil` would make a whole millionth.
        file_seconds=ceil(round(max(seconds, stated_s) * 1_000_000, 3)) / 1_000_000,
    )


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
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
    with _open(path) as (container, stream):
        codec = stream.codec_context
        # How many bytes the length of a unit takes; 0 where packets are not built like that.
        # Version 1 marks the record of MP4, MOV and Matroska; a byte stream begins with 0.
        record, at = codec.extradata or b"", _LENGTH_AT.get(codec.name)
        in_units = at is not None and len(record) > at and record[0] == 1
        size = (record[at] & 3) + 1 if in_units and at is not None else 0
        for packet in container.demux():
            # The empty packet at the end of each stream, and what an edit list cuts off.
            if packet.pts is None or packet.is_discard:
                continue
            of_picture = packet.stream is stream
            if packet.is_corrupt or (
                of_picture and size and not _holds_together(bytes(packet), size)
            ):
                raise ValueError("a part of it is missing")
            start = packet.pts * _base(packet.stream)
            end = start + (packet.duration or 0) * _base(packet.stream)
            if of_picture:
                step = 1 / (stream.average_rate or Fraction(24))
                found.append(_Packet(start, end if packet.duration else start + step))
            reached = max(reached, end)
        stated_s = max((container.duration or 0) / av.time_base, declared_s(path))
        entries = (entry for each in container.streams for entry in each.index_entries)
        # A sample table may lead beyond the end of the file: FFmpeg just ends there.
        indexed = max((entry.pos + entry.size for entry in entries), default=0)
    require_bytes(path, indexed, path.stat().st_size)
    if not found:
        raise ValueError("it has no frames")
    if max(reached, found[-1].end) < stated_s - _EARLY_S:
        raise ValueError("it ends early")
    return found, stated_s


def _frames(
    path: Path, skip: Literal["DEFAULT", "NONKEY"], look: Callable[[VideoFrame], None]
) -> list[_Frame]:
    """Decode the picture, but for the frames to skip (FFmpeg's `skip_frame`); show each."""
    with _open(path) as (container, stream):
        stream.codec_context.skip_frame = skip
        found = []
        for frame in container.decode(stream):
            if frame.is_corrupt or frame.pts is None:
                raise ValueError("a frame is broken")
            width, height = frame.width, frame.height
            if (frame.rotation // _QUARTER_TURN) % 2:
                width, height = height, width
            found.append(_Frame(frame.pts * _base(stream), width, height))
            look(frame)
    if not found:
        raise ValueError("no frame of it can be decoded")
    return found


def _base(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 1000)


# A packet of H.264 or HEVC is a row of units, each after its length. Three bytes 00 00 00 (or 01,
# 02) never stand inside a unit: encoders escape them (ITU-T H.264, 7.4.1; H.265, 7.4.2). A block of
# zeros, which is what a broken download leaves, is therefore always found without decoding;
# decoders get over some of them.


def _holds_together(packet: bytes, size: int) -> bool:
    """Tell whether the packet is a row of whole, escaped units with lengths of `size` bytes."""
    at = 0
    while at + size < len(packet):
        start = at + size
        at = start + int.from_bytes(packet[at:start], "big")
        if at > len(packet) or packet[start] & _FORBIDDEN_BIT:
            return False
        if any(packet.find(mark, start, at) >= 0 for mark in _FORBIDDEN):
            return False
    return at == len(packet)
