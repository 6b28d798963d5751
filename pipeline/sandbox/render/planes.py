"""Pictures as three planes of YUV 4:2:0 (BT.709, limited range), and patches blended into them.

All drawing is converted once; what is left per frame is slicing, copying, and blending of the few
places that are translucent. Positions and sizes are even, so that the chroma planes follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
_Weights = NDArray[np.uint16]
_SCALES = (1, 2, 2)
"""How many luma pixels a sample of each plane covers, in each direction."""


def even(value: float) -> int:
    """Return the nearest even whole number that is not larger."""
    return int(value) // 2 * 2


def planes(image: Image.Image) -> Planes:
    """Return an image of even size as planes."""
    frame = av.VideoFrame.from_ndarray(np.asarray(image.convert("RGB")), format="rgb24")
    return frame_planes(
        frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
    )


def frame_planes(frame: av.VideoFrame) -> Planes:
    """Return a frame's own planes: writing to them writes to the frame."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
            :, : plane.width
        ]
        for plane in frame.planes
    )
    return y, u, v


def window(source: Planes, place: tuple[int, int], size: tuple[int, int]) -> Planes:
    """Return a view of a part of planes; odd offsets move the chroma by half a sample."""
    (left, top), (width, height) = place, size
    y, u, v = (
        plane[top // scale : (top + height) // scale, left // scale : (left + width) // scale]
        for plane, scale in zip(source, _SCALES, strict=True)
    )
    return y, u, v


def paste(target: Planes, source: Planes, left: int, top: int) -> None:
    """Copy planes into others at an even place; what sticks out is an error."""
    height, width = source[0].shape
    for into, plane in zip(window(target, (left, top), (width, height)), source, strict=True):
        into[:] = plane


def mix(target: Planes, first: Planes, second: Planes, share: float) -> None:
    """Write a cross-fade of two pictures; `share` is that of the second."""
    weight = round(share * 256)
    for into, one, other in zip(target, first, second, strict=True):
        mixed = one.astype(np.uint16)
        mixed *= 256 - weight
        mixed += other.astype(np.uint16) * np.uint16(weight)
        mixed >>= 8
        into[:] = mixed


@dataclass(frozen=True, slots=True)
class Patch:
    """A translucent picture, ready to be blended at its place."""

    left: int
    top: int
    keep: tuple[_Weights, _Weights, _Weights]
    """How much of what lies beneath stays, of 256."""
    add: tuple[_Weights, _Weights, _Weights]
    """What is added, times 256."""

    def blend(self, target: Planes, left: int = 0, top: int = 0) -> None:
        """Blend it into planes, moved by an offset."""
        height, width = self.keep[0].shape
        beneath = window(target, (self.left + left, self.top + top), (width, height))
        for into, keep, add in zip(beneath, self.keep, self.add, strict=True):
            mixed = into * keep
            mixed += add
            mixed >>= 8
            into[:] = mixed

    def put(self, other: Patch) -> None:
        """Overwrite a part of this patch by a patch that lies within it."""
        left, top = other.left - self.left, other.top - self.top
        for mine, its in ((self.keep, other.keep), (self.add, other.add)):
            for plane, new, scale in zip(mine, its, _SCALES, strict=True):
                height, width = new.shape
                plane[
                    top // scale : top // scale + height, left // scale : left // scale + width
                ] = new


def patch(image: Image.Image, left: int = 0, top: int = 0) -> Patch:
    """Return an RGBA image of even size as a patch at an even place."""
    alpha = np.asarray(image.getchannel("A"), np.uint16)
    alpha = alpha + (alpha >> 7)  # 255 becomes 256: opaque is opaque
    halved = _halved(alpha)
    alphas = (alpha, halved, halved)
    picture = planes(image.convert("RGB"))
    y, u, v = (
        plane.astype(np.uint16) * share for plane, share in zip(picture, alphas, strict=True)
    )
    keep = (256 - alpha, 256 - halved, 256 - halved)
    return Patch(left, top, keep, (y, u, v))


def _halved(alpha: _Weights) -> _Weights:
    return (alpha[::2, ::2] + alpha[1::2, ::2] + alpha[::2, 1::2] + alpha[1::2, 1::2]) // 4
