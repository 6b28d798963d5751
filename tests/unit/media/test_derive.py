"""Frames are made to fit once, the same each time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.media.inspector import Inspector
from tests.unit.media.clips import write_image


def _fitted(folder: Path, ratio: str, how: str, *, size: tuple[int, int] = (1280, 720)) -> Media:
    """Draw a picture, and return it made to fit."""
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    picture.paste(
        (200, 30, 30), (size[0] // 2 - 50, size[1] // 2 - 50, size[0] // 2 + 50, size[1] // 2 + 50)
    )
    picture.save(folder / "frame.png")
    inspector = Inspector(folder, (), folder / "assets")
    return inspector.fit(inspector.look("frame.png", folder, "image"), ratio, how)


@pytest.mark.parametrize("ratio", ["9:16", "1:1"])
@pytest.mark.parametrize("how", ["crop", "pad"])
def test_a_frame_gets_the_ratio_asked_for(tmp_path: Path, ratio: str, how: str) -> None:
    """Cropped or padded, the result is within half a percent of the ratio."""
    media = _fitted(tmp_path, ratio, how)
    width, height = (int(side) for side in ratio.split(":"))

    with Image.open(media.source) as picture:
        assert ("PNG", (media.width, media.height)) == (picture.format, picture.size)
    assert width / height == pytest.approx(media.width / media.height, rel=0.005)


def test_the_result_is_an_asset_under_its_digest(tmp_path: Path) -> None:
    """The file's name is the SHA-256 of its bytes, beside all other assets."""
    media = _fitted(tmp_path, "9:16", "crop")
    content = Path(media.source).read_bytes()

    assert tmp_path / "assets" / media.digest == Path(media.source)
    assert hashlib.sha256(content).hexdigest() == media.digest
    assert (len(content), "png", True) == (media.bytes, media.format, media.local)


def test_cropping_keeps_the_middle_and_pads_keep_all(tmp_path: Path) -> None:
    """The subject in the middle stays, cropped or padded."""
    cropped = _fitted(tmp_path, "9:16", "crop")
    padded = _fitted(tmp_path, "9:16", "pad")

    assert (405, 720) == (cropped.width, cropped.height)
    assert 1920 == padded.height
    for media in (cropped, padded):
        with Image.open(media.source) as picture:
            middle = picture.getpixel((picture.width // 2, picture.height // 2))
        assert (200, 30, 30) == middle


def test_a_pad_goes_on_where_the_picture_ends(tmp_path: Path) -> None:
    """There is no visible seam and no bar: the rows beside the old edge hardly differ."""
    media = _fitted(tmp_path, "1:1", "pad")
    top = (media.height - 720) // 2

    with Image.open(media.source) as picture:
        inside = picture.crop((0, top, 1280, top + 4))
        outside = picture.crop((0, top - 4, 1280, top))

        assert ImageStat.Stat(inside).mean == pytest.approx(ImageStat.Stat(outside).mean, abs=4)


def test_a_picture_that_is_too_tall_is_padded_at_its_sides(tmp_path: Path) -> None:
    """Padding works in both directions."""
    media = _fitted(tmp_path, "16:9", "pad", size=(720, 1280))

    assert 16 / 9 == pytest.approx(media.width / media.height, rel=0.005)
    with Image.open(media.source) as picture:
        assert (200, 30, 30) == picture.getpixel((picture.width // 2, picture.height // 2))


def test_fitting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two machines that make the same frame make the same key."""
    one = tmp_path / "one"
    two = tmp_path / "two"
    one.mkdir()
    two.mkdir()

    assert _fitted(one, "9:16", "pad").digest == _fitted(two, "9:16", "pad").digest


def test_a_second_run_makes_nothing_again(tmp_path: Path) -> None:
    """What lies in the assets is taken from there: the source is not even opened."""
    write_image(tmp_path / "frame.png", (1280, 720))
    source = Inspector(tmp_path, (), tmp_path / "assets").look("frame.png", tmp_path, "image")
    first = Inspector(tmp_path, (), tmp_path / "assets").fit(source, "1:1", "crop")
    (tmp_path / "frame.png").unlink()

    assert first == Inspector(tmp_path, (), tmp_path / "assets").fit(source, "1:1", "crop")


def test_a_lost_asset_is_made_again(tmp_path: Path) -> None:
    """A note without its file is worth nothing."""
    first = _fitted(tmp_path, "1:1", "crop")
    Path(first.source).unlink()

    assert first == _fitted(tmp_path, "1:1", "crop")
    assert Path(first.source).is_file()


def test_a_frame_that_fits_is_left_alone(tmp_path: Path) -> None:
    """Within two percent nothing is made."""
    write_image(tmp_path / "frame.png", (1280, 716))
    inspector = Inspector(tmp_path, (), tmp_path / "assets")
    media = inspector.look("frame.png", tmp_path, "image")

    assert media is inspector.fit(media, "16:9", "crop")


def test_a_crop_that_leaves_too_little_is_a_fault(tmp_path: Path) -> None:
    """The model needs 300 pixels on each side, and pixels are not invented."""
    with pytest.raises(MediaFault, match="253x450") as caught:
        _fitted(tmp_path, "9:16", "crop", size=(800, 450))

    assert "too-small" == caught.value.slug


def test_a_transparent_frame_becomes_white_where_it_was_clear(tmp_path: Path) -> None:
    """A frame is opaque: the hidden colour of clear pixels does not show."""
    clear = Image.new("RGBA", (1280, 720), (0, 255, 0, 0))
    clear.putpixel((640, 360), (200, 30, 30, 255))
    clear.save(tmp_path / "clear.png")
    inspector = Inspector(tmp_path, (), tmp_path / "assets")

    media = inspector.fit(inspector.look("clear.png", tmp_path, "image"), "1:1", "crop")

    with Image.open(media.source) as picture:
        assert ("RGB", (255, 255, 255)) == (picture.mode, picture.getpixel((5, 5)))


def test_a_phone_picture_is_turned_before_it_is_cropped(tmp_path: Path) -> None:
    """The crop is taken from the picture as it is seen."""
    write_image(tmp_path / "phone.jpg", (1280, 720), turned=True)
    inspector = Inspector(tmp_path, (), tmp_path / "assets")

    media = inspector.fit(inspector.look("phone.jpg", tmp_path, "image"), "1:1", "crop")

    assert (720, 720) == (media.width, media.height)


def test_a_url_cannot_be_made_to_fit(tmp_path: Path) -> None:
    """What is not here cannot be cropped, and is not fetched behind anyone's back."""
    inspector = Inspector(tmp_path, (), tmp_path / "assets")
    media = inspector.look("https://shop.example/a.png", tmp_path, "image")

    with pytest.raises(MediaFault, match="local file"):
        inspector.fit(replace(media, width=1280, height=720), "9:16", "crop")
