"""A clip becomes one small still: the frame a person would choose to stand for it.

It is taken a third of the way in, where the subject is usually in place; a frame with nothing
to see (a fade from black, a white card) is passed over.
"""

from __future__ import annotations

from pathlib import Path

import av
from av.video.frame import VideoFrame
from PIL import Image, ImageStat

from pipeline.errors import MediaFault

_LONG_SIDE = 480
_SHARE = 3
_LATEST_S = 3.0
_STEP_S = 0.25
_PATIENCE_S = 1.0
"""How often, and for how long, a better frame is looked for: decoding to the end costs more than
all the rest of the poster."""
_PLAIN = 6.0
"""Standard deviation of brightness (0 to 127) under which a frame shows nothing."""
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def write_poster(clip: Path, target: Path) -> None:
    """Write a still of the clip, at most 480 pixels long, as JPEG or WebP by `target`'s suffix.

    Raise MediaFault `damaged` where the clip does not play.
    """
    first: VideoFrame | None = None
    chosen: Image.Image | None = None
    try:
        with av.open(str(clip)) as container:
            length = float((container.duration or 0) / av.time_base)
            wanted = min(length / _SHARE, _LATEST_S)
            latest = wanted + _PATIENCE_S
            for frame in container.decode(container.streams.video[0]):
                first = first or frame
                if (frame.time or 0.0) < wanted:
                    continue
                if chosen is not None and (frame.time or 0.0) > latest:
                    break
                wanted = (frame.time or 0.0) + _STEP_S
                picture = _small(frame)
                chosen = chosen or picture
                if ImageStat.Stat(picture.convert("L")).stddev[0] > _PLAIN:
                    chosen = picture
                    break
            # The picture may end before the place wanted: a container's length has its sound in it.
            if chosen is None and first is not None:
                chosen = _small(first)
    except (av.FFmpegError, ValueError) as error:
        raise MediaFault("damaged", f"{clip.name} does not play") from error
    if chosen is None:
        raise MediaFault("damaged", f"{clip.name} does not play")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Under another name until it is whole, so that nobody is shown half of it. That name's suffix
    # tells Pillow nothing: the format is named.
    part = target.with_name(f"{target.name}.part")
    chosen.save(part, _FORMATS[target.suffix.lower()], quality=80)
    part.replace(target)


def _small(frame: VideoFrame) -> Image.Image:
    scale = min(1.0, _LONG_SIDE / max(frame.width, frame.height))
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    small = frame.reformat(width=size[0], height=size[1], format="rgb24")
    picture = Image.fromarray(small.to_ndarray())
    # FFmpeg's display matrix turns counter-clockwise, as Pillow does.
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture
