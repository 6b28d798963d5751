"""An image file becomes Media: its type by content, its size as seen, and proof that it opens.

Dimensions count after EXIF rotation, because that is how people see the picture. What keeps it from
being sent as it is stands in `Media.unfit`; `derive` makes one of it that can be sent.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from pipeline.domain import Media, MediaLimits
from pipeline.errors import MediaFault
from pipeline.file_content import format_of, format_title
from pipeline.media.sniff import has_scan

SENT = MediaLimits()
"""What every provider takes as it is: JPEG or PNG of at most 10 MB."""
MAX_SENT_PIXELS = 40_000_000
"""No page states a limit. Chosen: servers that use Pillow warn from 89 million pixels on, and no
clip has more than two."""
SIXTEEN_BIT_GREY = "16-bit grey"
CMYK = "CMYK"
_READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_NAMES = frozenset({"png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "heic"})
# Eight bits of RGB for this many pixels are 300 MB; a bomb of a few kB can unpack to far more.
_MAX_PIXELS = 100_000_000
_ORIENTATION = 0x0112
_ORIENTATIONS: Mapping[int, str] = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored",
    **dict.fromkeys((5, 6, 7, 8), "sideways"),
}
"""How a picture is stored, by its EXIF orientation (CIPA DC-008, tag 274)."""
_TURNED = frozenset({5, 6, 7, 8})
"""Orientations that exchange width and height."""
_DEPTH_AT = 24
"""Byte of a PNG that says how many bits a channel has (ISO/IEC 15948, 11.2.2)."""
_DEEP = 16
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, UnidentifiedImageError)
"""What Pillow raises on damaged files, by experience: its decoders agree on no one class."""


def measure_image(path: Path) -> Media:
    """Return what the image measures; MediaFault `damaged`, `wrong-media` or `empty-image`.

    >>> measure_image(Path("still.webp")).unfit  # doctest: +SKIP
    ('WebP',)
    """
    content = path.read_bytes()
    name = path.name
    if not content:
        raise MediaFault("damaged", f"{name} is empty")
    kind = format_of(content)
    if kind not in _NAMES:
        noun = kind if " " in kind else f"a video ({format_title(kind)})"
        why = "which nobody takes" if noun.endswith(" image") else "not a picture"
        raise MediaFault("wrong-media", f"{name} is {noun}, {why}", "save it as PNG or JPEG")
    _require_reader(name, kind)
    if kind == "jpeg" and not has_scan(content):
        raise MediaFault("damaged", f"{name} has no picture in it", "save it again")
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
            if kind == "tiff":
                image.load()  # Pillow turns a TIFF by itself, and only then says so
            width, height = image.size
            if image.getexif().get(_ORIENTATION) in _TURNED:
                width, height = height, width
            unfit = tuple(_reasons(image, kind, content))
            clear = False
            if image.has_transparency_data:
                alpha = image if image.mode in {"RGBA", "LA"} else image.convert("RGBA")
                # A layer that was exported hidden.
                clear = alpha.getchannel("A").getextrema()[1] == 0
    except _BROKEN as error:
        raise _damage_fault(name, error) from error
    if clear:
        message = f"{name} has nothing in it: each of its pixels is transparent"
        raise MediaFault("empty-image", message, "export it again, with the layer that is seen")
    return Media(
        media_type="image",
        source=str(path),
        local=True,
        digest=hashlib.sha256(content).hexdigest(),
        format=kind,
        bytes=len(content),
        width=width,
        height=height,
        unfit=unfit,
    )


def _reasons(image: Image.Image, kind: str, content: bytes) -> Iterator[str]:
    """Yield why a picture cannot be sent as it is."""
    if kind not in SENT.formats:
        yield format_title(kind)
    stored = _ORIENTATIONS.get(image.getexif().get(_ORIENTATION, 1))
    if stored:
        yield stored
    if image.mode == "CMYK":
        yield CMYK
    if image.mode.startswith("I"):
        yield SIXTEEN_BIT_GREY
    elif kind == "png" and content[_DEPTH_AT] == _DEEP:
        yield "16 bits a colour"
    if len(content) > SENT.max_bytes:
        yield f"above {SENT.max_bytes // 1_000_000} MB"
    if image.width * image.height > MAX_SENT_PIXELS:
        yield f"above {MAX_SENT_PIXELS // 1_000_000} megapixels"


def open_image(path: Path) -> Image.Image:
    """Return the whole picture upright, as opaque RGB of 8 bits; transparency becomes white.

    Of several frames or pages it is the first.
    """
    try:
        content = path.read_bytes()
        # What a cache remembers was looked at by another process.
        _require_reader(path.name, format_of(content))
        with _open(path.name, content) as image:
            upright = _to_screen(ImageOps.exif_transpose(image))
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


def _to_screen(image: Image.Image) -> Image.Image:
    """Return what Pillow would spoil as a screen shows it: 16-bit grey, and a print's inks.

    Grey it cuts off at 255, which is white nearly all over; inks glare without their profile.
    Sixteen bits of colour it halves itself.
    """
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and profile:
        found = None
        with suppress(ImageCms.PyCMSError, OSError, ValueError):  # a broken profile is none
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            screen = ImageCms.createProfile("sRGB")
            found = ImageCms.profileToProfile(image, source, screen, outputMode="RGB")
        colours = found or image.convert("RGB")
        colours.info.pop("icc_profile", None)
        return colours
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if image.mode == "F" or not 0 <= values.min() <= values.max() < 1 << _DEEP:
        raise ValueError("it has 32 bits a channel")
    # 65535 is 257 times 255: each shade becomes the nearest, black and white stay what they are.
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _require_reader(name: str, kind: str) -> None:
    """Have the library ready that reads a format; MediaFault where it is not installed."""
    if kind == "heic":
        try:
            # An extra: it brings a decoder of a format whose patents are held by many.
            from pillow_heif import register_heif_opener  # noqa: PLC0415 - see above
        except ImportError:
            message = f"{name} is a HEIC image, and pillow-heif, which reads it, is not installed"
            hint = "pip install 'callsheet[heic]', or save it as JPEG"
            raise MediaFault("wrong-media", message, hint) from None
        register_heif_opener()
    elif kind == "avif" and not features.check("avif"):
        message = f"{name} is an AVIF image, and this Pillow was built without libavif"
        raise MediaFault("wrong-media", message, "pip install -U pillow, or save it as PNG")


def _open(name: str, content: bytes) -> Image.Image:
    # These alone are tried: for others Pillow may start a program (Ghostscript for EPS).
    known = [each for each in _READ if each != "HEIF" or each in Image.OPEN]
    with warnings.catch_warnings():
        # Pillow's own bound is lower than ours, and not told in its message.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(content), formats=known)
        except Image.DecompressionBombError as error:
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
