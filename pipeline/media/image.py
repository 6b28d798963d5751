"""An image file becomes Media: its type by content, its size as seen, and proof that it opens.

Dimensions count after EXIF rotation, because that is how people and providers see the picture.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.file_content import format_of

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_IMAGE_FORMATS = frozenset(name.lower() for name in _FORMATS)
# Eight bits of RGB for this many pixels are 300 MB; a bomb of a few kB can unpack to far more.
_MAX_PIXELS = 100_000_000
# Depth maps and previews may stand before a JPEG's picture; Pillow looks for it byte by byte.
_LONGEST_HEAD = 10_000_000
_BARE_MARKERS = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xDA)})
"""Second bytes after 0xFF that no length follows (ITU-T T.81, B.1.1.3)."""
_START_OF_SCAN = 0xDA
_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations that exchange width and height (CIPA DC-008, tag 274)."""
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, UnidentifiedImageError)
"""What Pillow raises on damaged files, by experience: its decoders agree on no one class."""


def measure_image(path: Path) -> Media:
    """Return what the image measures; raise MediaFault `damaged` or `wrong-media`."""
    content = path.read_bytes()
    if not content:
        raise MediaFault("damaged", f"{path.name} is empty")
    kind = format_of(content)
    if kind not in _IMAGE_FORMATS:
        noun = kind if " " in kind else f"a video ({kind})"
        why = "which nobody takes" if noun.endswith(" image") else "not a picture"
        raise MediaFault("wrong-media", f"{path.name} is {noun}, {why}", "save it as PNG or JPEG")
    if kind == "jpeg" and not _has_scan(content):
        raise MediaFault("damaged", f"{path.name} has no picture in it", "save it again")
    name = path.name
    try:
        with _open(name, content) as image:
            # Read the file to its end, as cheaply as its format allows.
            if image.format == "PNG":
                image.verify()  # the checksum of every chunk, without unpacking
            else:
                # A JPEG is decoded at an eighth of its size: all its bits are read, few pixels
                # are made.
                image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
                image.load()
        with _open(name, content) as image:  # `verify` and `draft` leave no usable image
            width, height = image.size
            if image.getexif().get(_ORIENTATION) in _TURNED:
                width, height = height, width
    except _BROKEN as error:
        raise _damage_fault(name, error) from error
    return Media(
        media_type="image",
        source=str(path),
        local=True,
        digest=hashlib.sha256(content).hexdigest(),
        format=kind,
        bytes=len(content),
        width=width,
        height=height,
    )


def _has_scan(content: bytes) -> bool:
    """Tell whether a JPEG's picture begins where it should, going from marker to marker."""
    at = content.find(b"\xff", 2, _LONGEST_HEAD)
    while 0 <= at < len(content) - 1:
        marker = content[at + 1]
        if marker == _START_OF_SCAN:
            return True
        bare = marker in _BARE_MARKERS
        at += 1 if bare else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        at = content.find(b"\xff", at, _LONGEST_HEAD)
    return False


def open_image(path: Path) -> Image.Image:
    """Return the whole picture upright, as opaque RGB; transparency becomes white."""
    try:
        with _open(path.name, path.read_bytes()) as image:
            upright = ImageOps.exif_transpose(image)
            profile = upright.info.get("icc_profile") if upright.mode == "RGB" else None
            if upright.has_transparency_data:
                layer = upright.convert("RGBA")
                upright = Image.new("RGBA", layer.size, "white")
                upright.alpha_composite(layer)
            picture = upright.convert("RGB")
    except _BROKEN as error:
        raise _damage_fault(path.name, error) from error
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def _open(name: str, content: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _bomb(name) from error
    if image.width * image.height > _MAX_PIXELS:
        raise _bomb(name)
    return image


def _damage_fault(name: str, error: Exception) -> MediaFault:
    said = str(error).partition("\n")[0][:100] or type(error).__name__
    if isinstance(error, UnidentifiedImageError):
        said = "its header is broken"
    return MediaFault("damaged", f"{name} cannot be opened: {said}", "save it again")


def _bomb(name: str) -> MediaFault:
    return MediaFault(
        "wrong-media",
        f"{name} has more than {_MAX_PIXELS // 1_000_000} megapixels",
        "scale it down: 1920 pixels on the long side are plenty",
    )
