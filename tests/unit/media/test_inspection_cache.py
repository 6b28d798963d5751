"""What was looked at stays known from run to run, and never longer than it is true."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.media.inspection_cache import InspectionCache
from pipeline.media.inspector import Inspector
from tests.unit.media.clips import write_image


def _later() -> int:
    """Return a time at which every file of the test has been at rest for an hour."""
    return time.time_ns() + 3_600_000_000_000


def _look(folder: Path, name: str = "front.png") -> Media:
    """Look at a file as a new process does, an hour from now."""
    cache = InspectionCache(folder / "cache" / "media.jsonl", now_ns=_later)
    return Inspector(folder, (), folder / "assets", cache, dry=True).look(name, folder, "image")


def _spoil_what_is_remembered(folder: Path) -> None:
    """Make the cache tell a width that no file has: who reads it was not looking at the file."""
    file = folder / "cache" / "media.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"width":640', b'"width":641'))


def test_a_file_that_is_as_it_was_is_not_opened_again(tmp_path: Path) -> None:
    """The second look is answered from memory, by the file's place, size, times and inode."""
    write_image(tmp_path / "front.png", (640, 480))
    first = _look(tmp_path)
    _spoil_what_is_remembered(tmp_path)

    second = _look(tmp_path)

    assert (640, 641) == (first.width, second.width)


def test_an_edit_in_place_is_seen_whatever_its_mtime(tmp_path: Path) -> None:
    """Other bytes of equal size in the same inode, with the old mtime put back, are other bytes."""
    path = tmp_path / "front.png"
    write_image(path, (640, 480))
    before, content = path.stat(), path.read_bytes()
    first = _look(tmp_path, path.name)
    # A flipped bit inside the picture's data: the checksum no longer fits, the size does.
    other = content[:60] + bytes([content[60] ^ 1]) + content[61:]
    with path.open("r+b") as file:
        file.write(other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()

    with pytest.raises(MediaFault) as caught:
        _look(tmp_path, path.name)

    assert (before.st_ino, before.st_size) == (after.st_ino, after.st_size)
    assert before.st_mtime_ns == after.st_mtime_ns
    assert "damaged" == caught.value.slug
    assert 640 == first.width


def test_a_file_swapped_for_another_of_equal_size_is_looked_at_anew(tmp_path: Path) -> None:
    """Two pictures with equal size and mtime differ by inode and by content."""
    _write_grey(tmp_path / "front.png", 10)
    first = _look(tmp_path)
    _write_grey(tmp_path / "new.png", 20)
    times = (tmp_path / "front.png").stat()
    os.utime(tmp_path / "new.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert times.st_size == (tmp_path / "new.png").stat().st_size
    (tmp_path / "new.png").replace(tmp_path / "front.png")

    assert first.digest != _look(tmp_path).digest


def _write_grey(path: Path, shade: int) -> None:
    """Write a picture whose size in bytes does not depend on its shade."""
    Image.new("L", (320, 320), shade).save(path, "PNG", compress_level=0)


def test_the_same_bytes_under_another_name_are_not_decoded_again(tmp_path: Path) -> None:
    """A moved or touched file is known by its SHA-256."""
    write_image(tmp_path / "front.png", (640, 480))
    first = _look(tmp_path)
    _spoil_what_is_remembered(tmp_path)
    (tmp_path / "front.png").rename(tmp_path / "moved.png")
    (tmp_path / "moved.png").touch()

    moved = _look(tmp_path, "moved.png")

    assert (first.digest, 641) == (moved.digest, moved.width)
    assert str(tmp_path / "moved.png") == moved.source


def test_a_file_that_changed_just_now_is_read_again(tmp_path: Path) -> None:
    """Within one tick of a file's clock a second edit would look like none: it is not trusted."""
    path = write_image(tmp_path / "front.png", (640, 480))
    file = tmp_path / "cache" / "media.jsonl"
    young = InspectionCache(file, now_ns=lambda: path.stat().st_ctime_ns + 1_000_000)
    Inspector(tmp_path, (), tmp_path / "assets", young).look("front.png", tmp_path, "image")

    file.write_bytes(file.read_bytes().replace(b'"digest":"', b'"digest":"other'))

    again = Inspector(tmp_path, (), tmp_path / "assets", InspectionCache(file, now_ns=_later))

    assert "other" not in again.look("front.png", tmp_path, "image").digest


def test_a_damaged_cache_is_as_good_as_none(tmp_path: Path) -> None:
    """Cut lines and lines of another version are passed over."""
    write_image(tmp_path / "front.png", (640, 480))
    (tmp_path / "cache").mkdir()
    file = tmp_path / "cache" / "media.jsonl"
    file.write_bytes(b'{"rules":0,"made":[]}\n{"rules":1}\n[]\n{"ru')

    assert 640 == _look(tmp_path).width
    assert 640 == _look(tmp_path).width


def test_a_cache_that_cannot_be_written_keeps_nothing_from_being_seen(tmp_path: Path) -> None:
    """Where a file stands in the cache's way, each look is a look at the file."""
    write_image(tmp_path / "front.png", (640, 480))
    (tmp_path / "cache").write_text("in the way")

    assert 640 == _look(tmp_path).width


def test_a_fitted_frame_is_measured_once(tmp_path: Path) -> None:
    """A dry run makes no frame that is known, and leaves no file behind; a run has the file."""
    write_image(tmp_path / "front.png", (1280, 720))
    cache_file = tmp_path / "cache" / "media.jsonl"

    def fit(*, dry: bool) -> Media:
        cache = InspectionCache(cache_file, now_ns=_later)
        inspector = Inspector(tmp_path, (), tmp_path / "assets", cache, dry=dry)
        return inspector.fit(inspector.look("front.png", tmp_path, "image"), "9:16", "crop")

    first = fit(dry=True)
    left = sorted(path.name for path in tmp_path.iterdir())
    cache_file.write_bytes(cache_file.read_bytes().replace(b'"height":720,"f', b'"height":721,"f'))
    second = fit(dry=True)
    real = fit(dry=False)

    assert ["cache", "front.png"] == left
    assert (720, 721, 720) == (first.height, second.height, real.height)
    assert first.digest == real.digest == Path(real.source).name
    assert real.bytes == Path(real.source).stat().st_size


def test_a_frame_that_a_run_kept_goes_before_what_is_remembered(tmp_path: Path) -> None:
    """Clips were bought with its bytes, maybe by an older library: a dry run counts by them too."""
    write_image(tmp_path / "front.png", (1280, 720))
    assets = tmp_path / "assets"
    real = Inspector(tmp_path, (), assets)
    kept = real.fit(real.look("front.png", tmp_path, "image"), "9:16", "crop")
    other = assets / ("0" * 64)
    with Image.open(kept.source) as picture:
        picture.save(other, "PNG", compress_level=0)
    (note,) = assets.glob("*.json")
    size = str(other.stat().st_size)
    note.write_text(
        note.read_text()
        .replace(kept.digest, other.name)
        .replace(f'"bytes": {kept.bytes}', f'"bytes": {size}')
    )

    dry = Inspector(tmp_path, (), assets, InspectionCache(tmp_path / "c.jsonl"), dry=True)

    fitted = dry.fit(dry.look("front.png", tmp_path, "image"), "9:16", "crop")
    assert other.name == fitted.digest != kept.digest


def test_the_cache_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Names of pictures may be confidential: nobody else can read them, or what they measure."""
    write_image(tmp_path / "front.png", (640, 480))
    _look(tmp_path)

    file = tmp_path / "cache" / "media.jsonl"
    assert (0o700, 0o600) == (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777)


def test_a_root_without_a_ledger_gets_no_cache(tmp_path: Path) -> None:
    """A dry run leaves nothing where nothing was: what it remembers goes to the user's cache."""
    write_image(tmp_path / "front.png", (640, 480))
    home = {"XDG_CACHE_HOME": str(tmp_path / "user")}
    cache = InspectionCache.below(tmp_path / "outputs", home)
    Inspector(tmp_path, (), tmp_path / "assets", cache).look("front.png", tmp_path, "image")
    assert (tmp_path / "user" / "callsheet" / "media.jsonl").is_file()
    assert not (tmp_path / "outputs").exists()

    (tmp_path / "outputs" / ".callsheet").mkdir(parents=True)
    cache = InspectionCache.below(tmp_path / "outputs", home)
    Inspector(tmp_path, (), tmp_path / "assets", cache).look("front.png", tmp_path, "image")

    assert (tmp_path / "outputs" / ".callsheet" / "cache" / "media.jsonl").is_file()
