"""One picture per shot: its posters in rows, each with its label."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from pipeline.lettering import missing
from pipeline.media.contact_sheets import SHEET_CLIPS, write_contact_sheets
from pipeline.storage.fs import beside

RED = (200, 30, 30)


@pytest.fixture
def poster(tmp_path: Path) -> Path:
    """Return an upright poster, all red."""
    Image.new("RGB", (270, 480), RED).save(tmp_path / "poster.jpg")
    return tmp_path / "poster.jpg"


def test_each_shot_has_a_sheet_with_all_its_clips(tmp_path: Path, poster: Path) -> None:
    """Seven clips make two rows; a red picture stands in the middle of each place."""
    clips = [("spin", f"spin[SKU-{n}]#1", poster) for n in range(7)]

    sheets = write_contact_sheets(tmp_path, [*clips, ("reveal", "reveal[A]#1", poster)], beside)

    assert ["contact-sheet.spin.jpg", "contact-sheet.reveal.jpg"] == [each.name for each in sheets]
    with Image.open(sheets[0]) as sheet:
        found = [sheet.getpixel((8 + n % 6 * 168 + 80, 36 + n // 6 * 184 + 80)) for n in range(12)]
    red = [isinstance(pixel, tuple) and pixel[0] > 150 > pixel[1] for pixel in found]
    assert [True] * 7 + [False] * 5 == red


def test_a_large_shot_stays_a_small_file(tmp_path: Path, poster: Path) -> None:
    """Of 5,000 clips 48 are shown, whatever their labels say."""
    label = '=HYPERLINK("x") <img src=x onerror=alert(1)> \u202e\x1b[2J 品牌' * 20
    clips = (("spin", f"{label}{n}", poster) for n in range(5000))

    (sheet,) = write_contact_sheets(tmp_path, clips, beside)

    with Image.open(sheet) as picture:
        assert (6 * 168 + 8, 36 + SHEET_CLIPS // 6 * 184) == picture.size
    assert sheet.stat().st_size < 150_000


def test_a_sheet_that_would_be_the_same_is_left(tmp_path: Path, poster: Path) -> None:
    """It is drawn again for another clip, and for a file that is no picture any more."""
    (sheet,) = write_contact_sheets(tmp_path, [("spin", "a", poster)], beside)
    before = sheet.stat().st_mtime_ns

    write_contact_sheets(tmp_path, [("spin", "a", poster)], beside)
    assert before == sheet.stat().st_mtime_ns
    write_contact_sheets(tmp_path, [("spin", "b", poster)], beside)
    assert before != sheet.stat().st_mtime_ns
    sheet.write_bytes(b"cut")
    write_contact_sheets(tmp_path, [("spin", "b", poster)], beside)
    with Image.open(sheet) as picture:
        assert "JPEG" == picture.format


def test_a_poster_that_is_gone_leaves_its_place(tmp_path: Path) -> None:
    """A picture that somebody deleted, or damaged, is an empty place with its label."""
    (tmp_path / "bad.jpg").write_bytes(b"no picture")

    for name in ("gone.jpg", "bad.jpg"):
        assert write_contact_sheets(tmp_path, [("spin", "a", tmp_path / name)], beside)


@pytest.mark.parametrize("name", ["赤い靴", "红鞋", "빨간구두", "حذاء", "👟🔥"])
def test_a_label_is_readable_in_its_own_script(tmp_path: Path, poster: Path, name: str) -> None:
    """A row's name is drawn with its own letters, not with boxes; two names look different."""
    if missing(name):
        pytest.skip("the fonts are not installed: .ci/setup tests")
    strips = []
    for n, label in enumerate((name, name[::-1], "\U00017000" * len(name))):
        folder = tmp_path / str(n)
        folder.mkdir()
        (sheet,) = write_contact_sheets(folder, [("spin", f"spin[{label}]#1", poster)], beside)
        with Image.open(sheet) as picture:
            strips.append(picture.convert("L").crop((8, 197, 168, 213)))

    own, reversed_, boxes = strips
    for other in (reversed_, boxes):
        assert max(ImageChops.difference(own, other).tobytes()) > 100
