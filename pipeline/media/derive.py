"""A frame of the wrong shape becomes a PNG of the right one: cropped, or padded from its edges.

The same source, ratio and way give the same file, which is kept beside the other assets. It knows
its source and what was done to it: those enter the item's key, and never its own bytes, which
depend on the version of the library that wrote them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from pathlib import Path

from PIL import Image

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.media.image import open_image
from pipeline.media.inspection_cache import RECIPE, FittedFrame, note_path

_MIN_SIDE = 300
"""Shortest side an input image may have (Kling API reference, 2026; documented)."""
_MAX_SIDE = 1920
"""The longest side of any clip: more pixels would only be scaled away."""
_EDGE_SHARE = 100
_SOFTNESS = 24


def fit_image(media: Media, ratio: str, how: str, assets: Path | None) -> FittedFrame:
    """Make `media` fit `ratio`, and return what the result measures; the file goes to `assets`.

    Without `assets` the picture is thrown away.
    """
    width, height = (int(side) for side in ratio.split(":"))
    picture = open_image(Path(media.source))
    shaped = (_crop if how == "crop" else _pad)(picture, (width, height))
    if min(shaped.size) < _MIN_SIDE:
        raise MediaFault(
            "too-small",
            f"{Path(media.source).name} {how}ped to {width}:{height} is only "
            f"{shaped.width}x{shaped.height}; each side needs {_MIN_SIDE} pixels",
            "use a larger picture, or `fit: pad`" if how == "crop" else "use a larger picture",
        )
    png = io.BytesIO()
    shaped.save(png, "PNG", icc_profile=picture.info.get("icc_profile"), compress_level=3)
    content = png.getvalue()
    frame = FittedFrame(
        digest=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        width=shaped.width,
        height=shaped.height,
    )
    if assets is not None:
        facts = {"digest": frame.digest, "bytes": frame.bytes, "recipe": RECIPE}
        facts |= {"width": frame.width, "height": frame.height}
        _write(assets / frame.digest, content)
        _write(note_path(assets, media, ratio, how), json.dumps(facts, sort_keys=True).encode())
    return frame


def _crop(picture: Image.Image, ratio: tuple[int, int]) -> Image.Image:
    width, height = picture.size
    if width * ratio[1] > height * ratio[0]:
        width = round(height * ratio[0] / ratio[1])
    else:
        height = round(width * ratio[1] / ratio[0])
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    whole = picture.crop((left, top, left + width, top + height))
    return whole.resize(_limit_size((width, height)), Image.Resampling.LANCZOS)


def _pad(picture: Image.Image, ratio: tuple[int, int]) -> Image.Image:
    """Extend the picture's own edges: a studio backdrop simply goes on.

    A blurred copy behind the picture would show the product twice, and the model would move both.
    """
    width, height = picture.size
    if width * ratio[1] > height * ratio[0]:
        height = round(width * ratio[1] / ratio[0])
    else:
        width = round(height * ratio[0] / ratio[1])
    canvas = _limit_size((width, height))
    scale = canvas[0] / width
    inner = (
        min(canvas[0], round(picture.width * scale)),
        min(canvas[1], round(picture.height * scale)),
    )
    small = picture.resize(inner, Image.Resampling.LANCZOS)
    if inner[0] < canvas[0]:
        turn, back = Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270
        return _taller(small.transpose(turn), canvas[0]).transpose(back)
    return _taller(small, canvas[1])


def _taller(picture: Image.Image, height: int) -> Image.Image:
    above = (height - picture.height) // 2
    below = height - picture.height - above
    canvas = Image.new("RGB", (picture.width, height))
    canvas.paste(picture, (0, above))
    canvas.paste(_extension(picture, above, top=True), (0, 0))
    canvas.paste(_extension(picture, below, top=False), (0, above + picture.height))
    return canvas


def _extension(picture: Image.Image, height: int, *, top: bool) -> Image.Image:
    """Return the picture's outermost rows drawn out, softer and softer with the distance."""
    if height == 0:
        return Image.new("RGB", (picture.width, 0))
    depth = max(1, picture.height // _EDGE_SHARE)
    y = 0 if top else picture.height - depth
    edge = picture.crop((0, y, picture.width, y + depth))
    line = edge.resize((picture.width, 1), Image.Resampling.BOX)
    soft = line.resize((max(2, picture.width // _SOFTNESS), 1), Image.Resampling.BOX)
    soft = soft.resize((picture.width, 1), Image.Resampling.BICUBIC)
    size = (picture.width, height)
    fade = Image.linear_gradient("L").resize(size)
    if top:
        fade = fade.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return Image.composite(soft.resize(size), line.resize(size), fade)


def _limit_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _MAX_SIDE / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def _write(path: Path, content: bytes) -> None:
    """Put the content there whole or not at all; another process may be doing the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError as error:
        raise Unusable(f"cannot write {path}: {error.strerror}") from error
