"""A picture that cannot be sent as it is becomes a PNG or JPEG that can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.media.inspector import Inspector
from tests.unit.media.clips import write_image

_ORIENTATION = 0x0112
_MEGA = 1_000_000


def _noise(size: tuple[int, int] = (640, 480)) -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _inspector(folder: Path, *, dry: bool = False) -> Inspector:
    return Inspector(folder, (), folder / "assets", dry=dry)


def _convert(path: Path) -> Media:
    """Look at a file, and return what is sent of it."""
    inspector = _inspector(path.parent)
    return inspector.convert(inspector.look(path.name, path.parent, "image"))


@pytest.mark.parametrize("kind", ["WebP", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_format_that_models_do_not_take_becomes_png(tmp_path: Path, kind: str) -> None:
    """What it was and what is made of it stand side by side; the file itself is left alone."""
    path = tmp_path / "a.dat"
    _noise().save(path, kind)
    before = path.read_bytes()

    media = _convert(path)

    assert ((kind,), str(path)) == (media.unfit, media.made_from)
    assert ("png", 640, 480) == (media.format, media.width, media.height)
    with Image.open(media.source) as sent:
        assert ("PNG", "RGB", (640, 480)) == (sent.format, sent.mode, sent.size)
    assert before == path.read_bytes()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_that_can_be_sent_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Nothing is made of it: its key stays what it always was."""
    with (tmp_path / "a").open("wb") as file:
        _noise().save(file, kind)
    inspector = _inspector(tmp_path)
    media = inspector.look("a", tmp_path, "image")

    assert media is inspector.convert(media)
    assert ((), (), "") == (media.unfit, media.operations, media.source_digest)
    assert not (tmp_path / "assets").exists()


def test_the_first_frame_of_an_animation_is_sent(tmp_path: Path) -> None:
    """A GIF that moves begins as its clip is to begin."""
    red, blue = (Image.new("RGB", (400, 400), colour) for colour in ("red", "blue"))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue], duration=100)

    with Image.open(_convert(tmp_path / "a.gif").source) as sent:
        assert (255, 0, 0) == sent.getpixel((200, 200))


@pytest.mark.parametrize(
    ("orientation", "words", "size", "corner"),
    [
        (2, "mirrored", (600, 400), (580, 20)),
        (3, "upside down", (600, 400), (580, 380)),
        (4, "mirrored", (600, 400), (20, 380)),
        (5, "sideways", (400, 600), (20, 20)),
        (6, "sideways", (400, 600), (380, 20)),
        (7, "sideways", (400, 600), (380, 580)),
        (8, "sideways", (400, 600), (20, 580)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WebP"])
def test_a_picture_is_sent_upright(
    tmp_path: Path,
    orientation: int,
    words: str,
    size: tuple[int, int],
    corner: tuple[int, int],
    kind: str,
) -> None:
    """What stood in the first corner of the file stands where people see it."""
    picture = Image.new("RGB", (600, 400), "white")
    picture.paste((200, 30, 30), (0, 0, 60, 60))
    exif = picture.getexif()
    exif[_ORIENTATION] = orientation
    picture.save(tmp_path / "a", kind, exif=exif)

    media = _convert(tmp_path / "a")

    if kind != "TIFF":  # Pillow turns it before it says so
        assert words in media.unfit
    assert size == (media.width, media.height)
    with Image.open(media.source) as sent:
        red, green, _ = np.asarray(sent.convert("RGB"))[corner[1], corner[0]]
        assert red > 150
        assert green < 90
        assert _ORIENTATION not in sent.getexif()


def test_a_looked_at_picture_measures_what_is_sent(tmp_path: Path) -> None:
    """Before and after it is turned, width and height are those that people see."""
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for kind in ("JPEG", "PNG", "TIFF", "WebP", "AVIF"):
        _noise().save(tmp_path / kind, kind, exif=exif)
        media = _inspector(tmp_path).look(kind, tmp_path, "image")
        sent = _convert(tmp_path / kind)
        assert (media.width, media.height) == (sent.width, sent.height), kind


def test_inks_become_colours(tmp_path: Path) -> None:
    """A print's file is sent as a screen shows it."""
    Image.new("CMYK", (400, 400), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)

    media = _convert(tmp_path / "a.jpg")

    assert ("CMYK",) == media.unfit
    with Image.open(media.source) as sent:
        assert ("RGB", "JPEG") == (sent.mode, sent.format)
        red, green, blue = np.asarray(sent)[200, 200]
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_keep_their_shade(tmp_path: Path, kind: str) -> None:
    """Each of 65,536 shades becomes the nearest of 256: black and white stay what they are."""
    shades = np.linspace(0, 65_535, 400 * 400).astype(np.uint16).reshape(400, 400)
    Image.fromarray(shades).save(tmp_path / "a", kind)

    media = _convert(tmp_path / "a")

    assert "16-bit grey" in media.unfit
    with Image.open(media.source) as sent:
        eight = np.asarray(sent)[:, :, 0].astype(float)
    assert (0, 255) == (eight[0, 0], eight[-1, -1])
    assert np.abs(eight - shades / 257).max() <= 0.51


def test_thirty_two_bits_are_a_finding(tmp_path: Path) -> None:
    """Nobody says what the numbers of a measurement mean as a shade."""
    Image.fromarray(np.full((400, 400), 0.5, np.float32)).save(tmp_path / "a.tiff")

    with pytest.raises(MediaFault, match="32 bits a channel"):
        _convert(tmp_path / "a.tiff")


def test_a_file_that_is_too_large_becomes_a_jpeg_below_the_limit(tmp_path: Path) -> None:
    """Noise of 12 megapixels is 36 MB of PNG: it is made smaller until it can be sent."""
    _noise((4000, 3000)).save(tmp_path / "a.png", compress_level=1)

    media = _convert(tmp_path / "a.png")

    assert ("above 10 MB",) == media.unfit
    assert "jpeg" == media.format
    assert 1920 <= media.width <= 4000
    assert Path(media.source).stat().st_size == media.bytes <= 10 * _MEGA
    assert media.width / media.height == pytest.approx(4 / 3, rel=0.002)


def test_a_picture_of_too_many_pixels_is_scaled(tmp_path: Path) -> None:
    """49 megapixels of one shade are few bytes, and still more than anybody has to unpack."""
    Image.new("L", (7000, 7000), 90).save(tmp_path / "a.png")

    media = _convert(tmp_path / "a.png")

    assert ("above 40 megapixels",) == media.unfit
    assert 39 * _MEGA < media.width * media.height <= 40 * _MEGA


def test_what_is_made_is_told_by_its_source_and_the_operation(tmp_path: Path) -> None:
    """Whether it became a PNG or a JPEG hangs on a library, and is no part of the operation."""
    _noise().save(tmp_path / "a.webp")
    inspector = _inspector(tmp_path)
    source = inspector.look("a.webp", tmp_path, "image")

    media = inspector.convert(source)

    (done,) = media.operations
    assert (source.digest, "convert", {}, 1) == (
        media.source_digest,
        done.name,
        done.parameters,
        done.recipe,
    )


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """It measures what a run will make."""
    _noise().save(tmp_path / "a.webp")
    dry, wet = (_inspector(tmp_path, dry=dry) for dry in (True, False))
    measured = dry.convert(dry.look("a.webp", tmp_path, "image"))

    assert not (tmp_path / "assets").exists()
    assert measured == wet.convert(wet.look("a.webp", tmp_path, "image"))


def test_what_lies_among_the_assets_is_not_made_again(tmp_path: Path) -> None:
    """Clips may have been bought with its bytes: another version of the library changes nothing."""
    _noise().save(tmp_path / "a.webp")
    source = _inspector(tmp_path).look("a.webp", tmp_path, "image")
    first = _inspector(tmp_path).convert(source)
    (tmp_path / "a.webp").unlink()

    assert first == _inspector(tmp_path).convert(source)


@pytest.mark.parametrize(
    ("unfit", "names"),
    [("webp", ["pad"]), ("sideways", ["pad"]), ("cmyk", ["convert", "pad"])],
)
def test_what_fit_made_before_keeps_its_key(tmp_path: Path, unfit: str, names: list[str]) -> None:
    """Only where the pixels of a fitted frame are others than they were, the operation is."""
    match unfit:
        case "webp":
            _noise().save(tmp_path / "a", "WebP")
        case "sideways":
            write_image(tmp_path / "a.jpg", turned=True).rename(tmp_path / "a")
        case _:
            _noise().convert("CMYK").save(tmp_path / "a", "JPEG")
    inspector = _inspector(tmp_path)

    media = inspector.fit(inspector.look("a", tmp_path, "image"), "1:1", "pad")

    assert names == [each.name for each in media.operations]
    assert media.width == media.height


def test_a_frame_of_the_right_shape_is_converted_all_the_same(tmp_path: Path) -> None:
    """Nothing is padded, and the file can still not be sent as it is."""
    _noise((1280, 720)).save(tmp_path / "a.webp")
    inspector = _inspector(tmp_path)

    media = inspector.fit(inspector.look("a.webp", tmp_path, "image"), "16:9", "pad")

    assert ["convert"] == [each.name for each in media.operations]
    assert ("png", 1280, 720) == (media.format, media.width, media.height)


def test_a_heic_photo_becomes_png(tmp_path: Path) -> None:
    """With the optional library a phone's own format is as good as any other."""
    heif = pytest.importorskip("pillow_heif", reason="an optional extra: callsheet[heic]")
    heif.from_pillow(_noise()).save(tmp_path / "a.heic", quality=90)

    media = _convert(tmp_path / "a.heic")

    assert (("HEIC",), "png", 640, 480) == (media.unfit, media.format, media.width, media.height)
