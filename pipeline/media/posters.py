"""A clip becomes one small still: the frame a person would choose to stand for it.

It is taken a third of the way in, where the subject is usually in place; a frame with nothing
to see (a fade from black, a white card) is passed over. The frames are those that verification
decodes: without the deblocking filter, which no eye finds at this size (40 dB and more against the
filtered frame, 38 where the clip itself is coarse; measured on x264 at CRF 23 to 38).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from PIL import Image

_LONG_SIDE = 480
_SHARE = 3
_LATEST_S = 3.0
_STEP_S = 0.25
_PATIENCE_S = 1.0
"""How often, and for how long, a better frame is looked for: each that is looked at costs as much
as decoding two."""
_PLAIN = 6.0
"""Standard deviation of brightness (0 to 127) under which a frame shows nothing."""
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


class PosterChoice:
    """Chooses among the frames of one clip while they are decoded, in their order."""

    def __init__(self) -> None:
        self._first: VideoFrame | None = None
        self._chosen: Image.Image | None = None
        self._next_s: float | None = None
        self._latest_s = 0.0
        self._found = False

    def look(self, frame: VideoFrame, length_s: float) -> None:
        """Look at the next frame of a clip of so many seconds."""
        at_s = frame.time or 0.0
        if self._next_s is None:
            self._first, self._next_s = frame, min(length_s / _SHARE, _LATEST_S)
            self._latest_s = self._next_s + _PATIENCE_S
        late = self._chosen is not None and at_s > self._latest_s
        if self._found or late or at_s < self._next_s:
            return
        from PIL import ImageStat  # noqa: PLC0415 - who only measures a video needs no Pillow

        self._next_s = at_s + _STEP_S
        picture = _small(frame)
        self._found = ImageStat.Stat(picture.convert("L")).stddev[0] > _PLAIN
        if self._found or self._chosen is None:
            self._chosen = picture

    def write(self, target: Path) -> None:
        """Write the still, at most 480 pixels long, as JPEG or WebP by `target`'s suffix.

        ValueError if no frame was looked at; OSError where it cannot be written.
        """
        # The picture may end before the place wanted: a container's length has its sound in it.
        if self._chosen is None and self._first is not None:
            self._chosen = _small(self._first)
        if self._chosen is None:
            raise ValueError("a clip without a frame has no poster")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole, so that nobody is shown half of it. That name's
        # suffix tells Pillow nothing: the format is named.
        part = target.with_name(f"{target.name}.part")
        self._chosen.save(part, _FORMATS[target.suffix.lower()], quality=80)
        part.replace(target)


def _small(frame: VideoFrame) -> Image.Image:
    scale = min(1.0, _LONG_SIDE / max(frame.width, frame.height))
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    picture: Image.Image = frame.to_image(width=size[0], height=size[1])  # type: ignore[no-untyped-call]  # PyAV's stubs
    # FFmpeg's display matrix turns counter-clockwise, as Pillow does.
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
