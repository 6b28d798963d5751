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
from dataclasses import replace
from pathlib import Path

from PIL import Image

from pipeline.domain import Media, Operation
from pipeline.errors import MediaFault, Unusable
from pipeline.media.image import open_image

_RECIPE = 1
"""Raised when the pixels would change: an older file is then made anew."""
_MIN_SIDE = 300
"""Shortest side an input image may have (Kling API reference, 2026; documented)."""
_MAX_SIDE = 1920
"""The longest side of any clip: more pixels would only be scaled away."""
_TOLERANCE = 0.02
"""A frame this close to the ratio is taken as it is (manifest.md §5)."""
_EDGE_SHARE = 100
_SOFTNESS = 24


def fitted(media: Media, ratio: str, how: str, assets: Path) -> Media:
    """Return `media` in shape `ratio`, from `assets` if it was made before; itself if it fits."""
    if not media.local:
        raise MediaFault("wrong-media", "only a local file can be made to fit", "download it first")
    width, height = (int(side) for side in ratio.split(":"))
    if abs(media.width / media.height * height / width - 1) <= _TOLERANCE:
        return media
    note = assets / f"{media.digest}.{how}-{width}x{height}.json"
    shaped = _kept(note, assets) or _made(media, (width, height), how, note)
    done = Operation(name=how, parameters={"ratio": ratio}, recipe=_RECIPE)
    return replace(shaped, source_digest=media.digest, operations=(done,))


def _kept(note: Path, assets: Path) -> Media | None:
    try:
        known = json.loads(note.read_text("utf-8"))
        asset = assets / known["digest"]
        whole = known["recipe"] == _RECIPE and asset.stat().st_size == known["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _media(asset, known["bytes"], known["width"], known["height"]) if whole else None


def _made(media: Media, ratio: tuple[int, int], how: str, note: Path) -> Media:
    picture = open_image(Path(media.source))
    shaped = _cropped(picture, ratio) if how == "crop" else _padded(picture, ratio)
    if min(shaped.size) < _MIN_SIDE:
        raise MediaFault(
            "too-small",
            f"{Path(media.source).name} {how}ped to {ratio[0]}:{ratio[1]} is only "
            f"{shaped.width}x{shaped.height}; each side needs {_MIN_SIDE} pixels",
            "use a larger picture, or `fit: pad`" if how == "crop" else "use a larger picture",
        )
    content = _png(shaped, picture.info.get("icc_profile"))
    digest = hashlib.sha256(content).hexdigest()
    facts = {"digest": digest, "bytes": len(content), "recipe": _RECIPE}
    facts |= {"width": shaped.width, "height": shaped.height}
    _write(note.parent / digest, content)
    _write(note, json.dumps(facts, sort_keys=True).encode())
    return _media(note.parent / digest, len(content), shaped.width, shaped.height)


def _media(asset: Path, size: int, width: int, height: int) -> Media:
    return Media(
        media_type="image",
        source=str(asset),
        local=True,
        digest=asset.name,
        format="png",
        bytes=size,
        width=width,
        height=height,
    )


def _cropped(picture: Image.Image, ratio: tuple[int, int]) -> Image.Image:
    width, height = _largest_inside(picture.size, ratio)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    whole = picture.crop((left, top, left + width, top + height))
    return whole.resize(_limited((width, height)), Image.Resampling.LANCZOS)


def _padded(picture: Image.Image, ratio: tuple[int, int]) -> Image.Image:
    """Extend the picture's own edges: a studio backdrop simply goes on.

    A blurred copy behind the picture would show the product twice, and the model would move both.
    """
    width, height = _smallest_around(picture.size, ratio)
    canvas = _limited((width, height))
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


def _largest_inside(size: tuple[int, int], ratio: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width * ratio[1] > height * ratio[0]:
        return round(height * ratio[0] / ratio[1]), height
    return width, round(width * ratio[1] / ratio[0])


def _smallest_around(size: tuple[int, int], ratio: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width * ratio[1] > height * ratio[0]:
        return width, round(width * ratio[1] / ratio[0])
    return round(height * ratio[0] / ratio[1]), height


def _limited(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _MAX_SIDE / max(size))
    return round(size[0] * scale), round(size[1] * scale)


def _png(picture: Image.Image, profile: bytes | None) -> bytes:
    written = io.BytesIO()
    picture.save(written, "PNG", icc_profile=profile, compress_level=3)
    return written.getvalue()


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
