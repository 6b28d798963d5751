"""What a manifest may name, and what it is told about the rest."""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import MediaFault
from pipeline.media.inspector import Inspector
from tests.unit.media.clips import write_clip, write_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a campaign's folder."""
    campaign = tmp_path / "campaign"
    (campaign / "refs").mkdir(parents=True)
    return campaign


@pytest.fixture
def inspector(folder: Path, tmp_path: Path) -> Inspector:
    """Make an inspector that may read the campaign's folder and nothing else."""
    return Inspector(folder, (), tmp_path / "assets")


def _fault(inspector: Inspector, file: str, folder: Path, media_type: str = "image") -> MediaFault:
    with pytest.raises(MediaFault) as caught:
        inspector.look(file, folder, media_type)
    return caught.value


def test_an_image_counts_by_its_bytes(inspector: Inspector, folder: Path) -> None:
    """Digest, size, pixels and format are the file's own."""
    path = write_image(folder / "refs" / "front.png", (640, 480))

    media = inspector.look("refs/front.png", folder, "image")

    assert (640, 480, "png") == (media.width, media.height, media.format)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == media.digest
    assert (str(path), True) == (media.source, media.local)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff", "avif"])
def test_an_image_is_told_by_its_content(inspector: Inspector, folder: Path, kind: str) -> None:
    """The suffix has no say in what a picture is."""
    with (folder / "picture.dat").open("wb") as file:
        Image.effect_noise((400, 300), 60).save(file, kind)

    media = inspector.look("picture.dat", folder, "image")

    assert (kind, 400, 300) == (media.format, media.width, media.height)


def test_a_phone_picture_is_measured_upright(inspector: Inspector, folder: Path) -> None:
    """EXIF rotation exchanges width and height, as every viewer shows it."""
    write_image(folder / "phone.jpg", (640, 480), turned=True)

    media = inspector.look("phone.jpg", folder, "image")

    assert (480, 640) == (media.width, media.height)


def test_a_video_is_inspected(inspector: Inspector, folder: Path) -> None:
    """A reference video tells its size, seconds and frame rate."""
    write_clip(folder / "walk.mp4", seconds=3)

    media = inspector.look("walk.mp4", folder, "video")

    assert (96, 160, 3.0, 24.0) == (media.width, media.height, media.seconds, media.fps)


def test_a_path_is_relative_to_the_file_it_is_written_in(
    inspector: Inspector, folder: Path
) -> None:
    """A table in a folder of its own names files from there."""
    write_image(folder / "refs" / "front.png")

    media = inspector.look("front.png", folder / "refs", "image")

    assert str(folder / "refs" / "front.png") == media.source


@pytest.mark.parametrize("file", ["../secret.png", "refs/../../secret.png", "link.png", "{abs}"])
def test_nothing_outside_the_folder_is_read(
    inspector: Inspector, folder: Path, tmp_path: Path, file: str
) -> None:
    """Dots, links and absolute paths that lead outside are refused, file or no file."""
    secret = tmp_path / "secret.png"
    (folder / "link.png").symlink_to(secret)
    named = file.format(abs=secret)

    before = _fault(inspector, named, folder).slug
    write_image(secret)

    assert ("path-escape", "path-escape") == (before, _fault(inspector, named, folder).slug)


def test_a_private_file_is_not_opened(inspector: Inspector, folder: Path, tmp_path: Path) -> None:
    """The verdict comes before the opening: a file nobody may read gives the same finding."""
    private = tmp_path / "id_rsa"
    private.write_text("PRIVATE KEY")
    private.chmod(0)

    fault = _fault(inspector, "../id_rsa", folder)

    assert "path-escape" == fault.slug
    assert "PRIVATE" not in f"{fault.message}{fault.hint}"


def test_a_folder_with_a_longer_name_is_not_inside(
    inspector: Inspector, folder: Path, tmp_path: Path
) -> None:
    """`campaign-private` begins like `campaign` and is another folder."""
    (tmp_path / "campaign-private").mkdir()
    write_image(tmp_path / "campaign-private" / "a.png")

    assert "path-escape" == _fault(inspector, "../campaign-private/a.png", folder).slug


def test_an_allowed_folder_may_be_read(folder: Path, tmp_path: Path) -> None:
    """`files: {allow: [...]}` opens one folder more, through links too."""
    (tmp_path / "shared").mkdir()
    write_image(tmp_path / "shared" / "studio.png")
    (folder / "link.png").symlink_to(tmp_path / "shared" / "studio.png")
    inspector = Inspector(folder, (tmp_path / "shared",), tmp_path / "assets")

    by_dots = inspector.look("../shared/studio.png", folder, "image")
    by_link = inspector.look("link.png", folder, "image")

    assert by_dots == by_link


def test_a_missing_file_names_its_nearest(inspector: Inspector, folder: Path) -> None:
    """A typing slip in a cell is answered with the file that was meant."""
    write_image(folder / "refs" / "runner-front.jpg")

    fault = _fault(inspector, "refs/runer-front.jpg", folder)

    assert "missing-file" == fault.slug
    assert "did you mean 'refs/runner-front.jpg'?" == fault.hint


@pytest.mark.parametrize("file", ["refs", "nothing/at/all.png", "a\0b.png", "x" * 300, "loop"])
def test_what_names_no_file_is_missing(inspector: Inspector, folder: Path, file: str) -> None:
    """A folder, a NUL, a name too long and a loop of links are findings, not crashes."""
    (folder / "loop").symlink_to(folder / "loop")

    assert "missing-file" == _fault(inspector, file, folder).slug


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"", "damaged: hero.png is empty"),
        (b"name,price\nRunner,99\n", "wrong-media: hero.png is a text file, not a picture"),
        (b"\n<!DOCTYPE html><p>404", "wrong-media: hero.png is a web page, not a picture"),
        (
            b"\0\0\0\x0cJXL " + bytes(20),
            "wrong-media: hero.png is a JPEG XL image, which nobody takes",
        ),
        (
            b"<?xml version='1.0'?><svg/>",
            "wrong-media: hero.png is an SVG image, which nobody takes",
        ),
        (b"BMW,Audi\nred,blue\n", "wrong-media: hero.png is a text file, not a picture"),
        (b"%PDF-1.7 ...", "wrong-media: hero.png is a PDF, not a picture"),
        (b"\x89PNG\r\n\x1a\nrubbish", "damaged: hero.png cannot be opened: its header is broken"),
        (bytes(range(200, 256)), "wrong-media: hero.png is something unknown, not a picture"),
    ],
)
def test_what_is_no_image_is_refused(
    inspector: Inspector, folder: Path, content: bytes, verdict: str
) -> None:
    """Whatever is called hero.png must be a picture."""
    (folder / "hero.png").write_bytes(content)

    fault = _fault(inspector, "hero.png", folder)

    assert verdict == f"{fault.slug}: {fault.message}"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_an_image_that_ends_early_is_damaged(inspector: Inspector, folder: Path, name: str) -> None:
    """Half a picture opens in many programs; here it is refused."""
    whole = write_image(folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])

    assert "damaged" == _fault(inspector, name, folder).slug


def test_a_bomb_is_refused_unopened(inspector: Inspector, folder: Path) -> None:
    """A few bytes that claim 50,000 x 50,000 pixels are not unpacked."""
    header = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\x04IDAT\0\0\0\0abcd")

    fault = _fault(inspector, "bomb.png", folder)

    assert "wrong-media" == fault.slug
    assert "megapixels" in fault.message


def test_a_bomb_in_a_tiff_is_refused_unopened(inspector: Inspector, folder: Path) -> None:
    """What a TIFF claims of its size is read before anything is unpacked."""
    tags = {256: 60_000, 257: 60_000, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 278: 1, 279: 10}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (folder / "bomb.tif").write_bytes(
        b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(400)
    )

    fault = _fault(inspector, "bomb.tif", folder)

    assert "wrong-media: bomb.tif has more than 100 megapixels" == f"{fault.slug}: {fault.message}"


def test_a_heic_picture_names_the_library_that_reads_it(
    inspector: Inspector, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that library the finding says how to get it, or to do without."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (folder / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))

    fault = _fault(inspector, "photo.heic", folder)

    assert "wrong-media" == fault.slug
    assert "photo.heic is a HEIC image, and pillow-heif, which reads it" in fault.message
    assert "pip install 'callsheet[heic]', or save it as JPEG" == fault.hint


def test_a_picture_with_nothing_in_it_is_refused(inspector: Inspector, folder: Path) -> None:
    """A layer that was exported hidden: one visible pixel makes it a picture."""
    hidden = Image.new("LA", (400, 400), (90, 0))
    hidden.save(folder / "hidden.png")
    hidden.putpixel((9, 9), (90, 255))
    hidden.save(folder / "shown.png")

    assert "empty-image" == _fault(inspector, "hidden.png", folder).slug
    assert () == inspector.look("shown.png", folder, "image").unfit


@pytest.mark.parametrize(("name", "wanted"), [("a.mp4", "image"), ("a.png", "video")])
def test_a_picture_and_a_video_are_not_exchanged(
    inspector: Inspector, folder: Path, name: str, wanted: str
) -> None:
    """A video in an image's place is a finding, and the other way round."""
    (write_clip if name == "a.mp4" else write_image)(folder / name)

    assert "wrong-media" == _fault(inspector, name, folder, wanted).slug


def test_a_url_counts_by_its_text(inspector: Inspector, folder: Path) -> None:
    """A URL is neither fetched nor measured."""
    url = "https://shop.example/front.jpg"

    media = inspector.look(url, folder, "image")

    assert (url, False, 0, 0) == (media.source, media.local, media.width, media.height)
    assert hashlib.sha256(url.encode()).hexdigest() == media.digest


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x.example/a.png", "https://", "http://[x/a"]
)
def test_only_web_addresses_pass(inspector: Inspector, folder: Path, url: str) -> None:
    """A scheme that could read this machine's files is refused."""
    assert "wrong-media" == _fault(inspector, url, folder).slug


def test_each_file_is_looked_at_once(inspector: Inspector, folder: Path) -> None:
    """However a file is named, it is opened once; a fault is remembered as well."""
    path = write_image(folder / "refs" / "front.png")
    first = inspector.look("refs/front.png", folder, "image")
    missing = _fault(inspector, "refs/none.png", folder).message
    path.unlink()
    write_image(folder / "refs" / "none.png")

    assert first is inspector.look("front.png", folder / "refs", "image")
    assert missing == _fault(inspector, "refs/none.png", folder).message
