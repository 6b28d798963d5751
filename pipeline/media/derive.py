"""A picture becomes one that can be sent: a frame of the right shape, or a PNG or JPEG of it.

The same source and operation give the same file, which is kept beside the other assets. It knows
its source and what was done to it: those enter the item's key, and never its own bytes, which
depend on the version of the library that wrote them. For the same reason whether it is a PNG or a
JPEG is no part of the operation: it hangs on how many bytes a PNG came to.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.media.image import MAX_SENT_PIXELS, SENT, open_image
from pipeline.media.inspection_cache import RECIPE, DerivedImage, note_path

_MIN_SIDE = 300
"""Shortest side an input image may have (Kling API reference, 2026; documented)."""
_MAX_SIDE = 1920
"""The longest side of any clip: more pixels would only be scaled away."""
_STEPS = ((0, 95), (3840, 95), (_MAX_SIDE, 95), (_MAX_SIDE, 80))
"""Longest side (0: as it is) and quality of a JPEG: the first that is small enough is sent."""
_MOST_PNG_PIXELS = 10_000_000
"""A photo of more is never a PNG of 10 MB, and to find that out takes a second."""
_EDGE_SHARE = 100
_SOFTNESS = 24


def fit_image(media: Media, ratio: str, how: str, assets: Path | None) -> DerivedImage:
    """Make `media` fit `ratio`, and return what the result measures; the file goes to `assets`.

    Without `assets` the picture is thrown away.
    """
    width, height = (int(side) for side in ratio.split(":"))
    picture = open_image(Path(media.source))
    # `open_image` converts in any case: of "convert+pad" only the second half is left to do.
    way = how.rpartition("+")[2]
    shaped = (_crop if way == "crop" else _pad)(picture, (width, height))
    if min(shaped.size) < _MIN_SIDE:
        raise MediaFault(
            "too-small",
            f"{Path(media.source).name} {_DONE[way]} to {width}:{height} is only "
            f"{shaped.width}x{shaped.height}; each side needs {_MIN_SIDE} pixels",
            "use a larger picture, or `fit: pad`" if way == "crop" else "use a larger picture",
        )
    profile = picture.info.get("icc_profile")
    note = note_path(assets, media, ratio, how) if assets else None
    content = _png(shaped, profile)
    if len(content) > SENT.max_bytes:  # noise in a square
        return _keep(_jpeg(shaped, profile), shaped, "jpeg", note)
    return _keep(content, shaped, "png", note)


_DONE = {"crop": "cropped", "pad": "padded"}


def convert_image(media: Media, assets: Path | None) -> DerivedImage:
    """Make a PNG of `media` that can be sent, or a JPEG where that is smaller; see `fit_image`.

    It is upright, opaque RGB of 8 bits, of at most 10 MB and 40 megapixels.
    """
    picture = open_image(Path(media.source))
    profile = picture.info.get("icc_profile")
    pixels = picture.width * picture.height
    if pixels > MAX_SENT_PIXELS:
        scale = (MAX_SENT_PIXELS / pixels) ** 0.5
        size = (int(picture.width * scale), int(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    note = note_path(assets, media, "", "convert") if assets else None
    # A JPEG loses next to nothing as a JPEG, and its PNG would be several times as large.
    if media.format != "jpeg" and picture.width * picture.height <= _MOST_PNG_PIXELS:
        content = _png(picture, profile)
        if len(content) <= SENT.max_bytes:
            return _keep(content, picture, "png", note)
    return _keep(_jpeg(picture, profile), picture, "jpeg", note)


def _png(picture: Image.Image, profile: bytes | None) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", icc_profile=profile, compress_level=3)
    return file.getvalue()


def _jpeg(picture: Image.Image, profile: bytes | None) -> bytes:
    """Return a JPEG that can be sent; the picture itself is made smaller if it has to be."""
    content = b""
    for side, quality in _STEPS:
        if side:
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", icc_profile=profile, quality=quality, subsampling=0)
        content = file.getvalue()
        if len(content) <= SENT.max_bytes:
            break
    return content


def _keep(content: bytes, picture: Image.Image, kind: str, note: Path | None) -> DerivedImage:
    """Return what was made; put it beside its note, which says what it was made from."""
    image = DerivedImage(
        digest=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        width=picture.width,
        height=picture.height,
        format=kind,
    )
    if note is not None:
        # The note last: after a crash in between nothing vouches for the file, and it is made anew.
        _write(note.parent / image.digest, content)
        _write(note, json.dumps({**asdict(image), "recipe": RECIPE}, sort_keys=True).encode())
    return image


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
    # The mean of several rows: drawn out, the noise of a single one would be stripes.
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
