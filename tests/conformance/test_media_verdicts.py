"""`check` and the sandbox say the same of a medium, each from its own reading of the file.

The sandbox shares no code with the rest. Where a provider takes more than `check` does (EvoLink
bills a clip of any length as if it were clamped), that is written in docs/design/providers.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from pipeline.domain import Kind, Media, Reference, Role
from pipeline.errors import MediaFault
from pipeline.findings import Span
from pipeline.media.inspector import Inspector
from pipeline.models.kling_o1 import KLING_O1
from pipeline.plan.media_checks import unusable
from pipeline.sandbox import kling
from pipeline.sandbox.database import Database
from pipeline.sandbox.faults import Subject
from pipeline.sandbox.media_store import MediaStore, NamedMedium, NotMedia
from pipeline.sandbox.render_pool import RenderPool

pytestmark = pytest.mark.asyncio(loop_scope="module")
RATES: Mapping[str, Fraction] = {
    "15": Fraction(15),
    "23": Fraction(23),
    "23.976": Fraction(24_000, 1001),
    "24": Fraction(24),
    "29.97": Fraction(30_000, 1001),
    "59.94": Fraction(60_000, 1001),
    "60": Fraction(60),
    "61": Fraction(61),
}
LENGTHS_S = (2.9, 2.96, 2.98, 3, 3.05, 5, 5.9, 6, 6.1, 9.98, 10, 10.04, 10.1, 19.9, 20, 20.04, 20.2)
LIMITS_S: Mapping[Kind, tuple[float, float]] = {
    Kind.EDIT: kling.CLIP_SECONDS,
    Kind.FAST_EDIT: (6.0, 20.0),
}
QUICK: Mapping[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "threads": "1"},
}
SIDES = ((718, 720), (720, 720), (1280, 720), (2160, 720), (2162, 720), (720, 1280), (640, 360))
Checked = tuple[Mapping[Kind, bool], bytes]
SHAPES = ((299, 400), (300, 300), (300, 750), (300, 752), (750, 300), (752, 300), (1600, 900))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MediaStore]:
    """Return where a sandbox keeps what clients upload."""
    state = tmp_path_factory.mktemp("store")
    database, pool = Database(state), RenderPool(state, workers=1)
    yield MediaStore(database, pool, origin="http://127.0.0.1:1")
    await pool.close()
    database.close()


def _encode(path: Path, rate: Fraction, seconds: float, size: tuple[int, int] = (720, 720)) -> Path:
    """Write a grey clip with one key frame, and no frame that refers to a later one."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": "9999"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame(*size, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for number in range(round(seconds * rate)):
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of as many frames as the longest that is cut from it has."""
    frames = max(RATES.values()) * Fraction(max(LENGTHS_S) + 0.1)
    return _encode(tmp_path_factory.mktemp("long") / "long.mp4", Fraction(1), float(frames))


def _cut(long: Path, path: Path, rate: Fraction, frames: int) -> Path:
    """Write the first frames of a clip, at another rate."""
    with av.open(str(long)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(video=0) if packet.pts is not None)
        for packet, number in zip(packets, range(frames), strict=False):
            packet.stream, packet.time_base = stream, 1 / rate
            packet.pts = packet.dts = number
            packet.duration = 1
            target.mux(packet)
    return path


def _checked(folder: Path, name: str, *kinds: Kind, role: Role = Role.VIDEO) -> Checked:
    """Return by kind whether `check` takes a file, and what would be sent of it."""
    media_type = "video" if role is Role.VIDEO else "image"
    inspector = Inspector(folder, (), folder / "assets")
    try:
        media: Media = inspector.look(name, folder, media_type)
        sent = inspector.convert(media) if media_type == "image" else media
    except MediaFault:
        return dict.fromkeys(kinds, False), (folder / name).read_bytes()
    span = Span(file="m.yaml")
    reference = Reference(role=role, ordinal=1, name="a", media=(sent,), span=span)
    taken = {kind: not list(unusable([reference], KLING_O1, kind)) for kind in kinds}
    return taken, Path(sent.source).read_bytes()


async def _sandboxed(
    store: MediaStore, content: bytes, role: str, *limits_s: tuple[float, float]
) -> list[bool]:
    """Return whether the sandbox takes what is sent, by the limits of a clip's length."""
    try:
        upload = await store.store(content, Subject(provider="runware", key="a-key"))
    except NotMedia:
        return [False for _ in limits_s]
    medium = NamedMedium(field="inputs", role=role, name=store.url(upload), stored=upload)
    return [not list(kling.medium_errors(store, medium, clip_seconds=each)) for each in limits_s]


async def _both(
    folder: Path, name: str, store: MediaStore, kind: Kind = Kind.EDIT, role: str = "edit"
) -> tuple[bool, bool]:
    """Return whether `check` takes a file, and whether the sandbox takes what is sent of it."""
    checked, sent = _checked(folder, name, kind, role=Role.VIDEO if role == "edit" else Role.IMAGE)
    (taken,) = await _sandboxed(store, sent, role, kling.CLIP_SECONDS)
    return checked[kind], taken


@pytest.mark.parametrize("rate", RATES)
async def test_clips_of_each_length_and_rate_get_one_verdict(
    tmp_path: Path, store: MediaStore, long_clip: Path, rate: str
) -> None:
    """A frame more or less at each limit, at the rates that there are: both take it or neither."""
    fps = RATES[rate]
    verdicts = {}
    for length in LENGTHS_S:
        clip = _cut(long_clip, tmp_path / f"{length}.mp4", fps, round(length * fps))
        checked, sent = _checked(tmp_path, clip.name, *LIMITS_S)
        sandboxed = await _sandboxed(store, sent, "edit", *LIMITS_S.values())
        for kind, taken_there in zip(LIMITS_S, sandboxed, strict=True):
            verdicts[length, kind] = (checked[kind], taken_there)

    assert {} == {case: both for case, both in verdicts.items() if len(set(both)) > 1}
    usual = {(5, Kind.EDIT), (10, Kind.EDIT), (10, Kind.FAST_EDIT), (20, Kind.FAST_EDIT)}
    taken = {case for case, (checked, _) in verdicts.items() if checked}
    assert taken >= usual if 23.9 < fps < 60.5 else not taken
    assert not taken & {(2.9, Kind.EDIT), (10.1, Kind.EDIT), (5, Kind.FAST_EDIT)}


@pytest.mark.parametrize("sides", SIDES, ids=str)
async def test_clips_of_each_size_get_one_verdict(
    tmp_path: Path, store: MediaStore, sides: tuple[int, int]
) -> None:
    """From 720 to 2160 pixels a side, whichever is the longer."""
    _encode(tmp_path / "a.mp4", Fraction(24), 3.1, sides)

    fits = min(sides) >= 720 and max(sides) <= 2160
    assert (fits, fits) == await _both(tmp_path, "a.mp4", store)


@pytest.mark.parametrize(
    ("ending", "codec", "taken"),
    [
        ("mp4", "libx264", True),
        ("mov", "libx264", True),
        ("mov", "mjpeg", True),
        ("mkv", "libx264", False),
        ("webm", "libvpx", False),
        ("avi", "mpeg4", False),
    ],
)
async def test_clips_of_each_container_get_one_verdict(
    tmp_path: Path, store: MediaStore, ending: str, codec: str, *, taken: bool
) -> None:
    """MP4 and MOV are taken, whatever is in them; no other container is."""
    with av.open(str(tmp_path / f"a.{ending}"), "w") as container:
        stream = container.add_stream(codec, rate=24, options=QUICK.get(codec, {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 720, 720
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(84):
            container.mux(stream.encode(av.VideoFrame(720, 720, stream.pix_fmt)))
        container.mux(stream.encode())

    assert (taken, taken) == await _both(tmp_path, f"a.{ending}", store)


async def test_sound_that_outlasts_the_picture_counts_for_both(
    tmp_path: Path, store: MediaStore
) -> None:
    """A clip is as long as its file: of 9.9 s of picture with 10.4 of sound, neither takes it."""
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        picture = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        sound = container.add_stream("aac", rate=48_000)
        assert isinstance(picture, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        picture.width, picture.height, picture.pix_fmt = 720, 720, "yuv420p"
        for _ in range(238):
            container.mux(picture.encode(av.VideoFrame(720, 720, "yuv420p")))
        container.mux(picture.encode())
        silence = np.zeros((1, 1024), np.float32)
        for number in range(488):
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, number * 1024
            container.mux(sound.encode(frame))
        container.mux(sound.encode())

    assert (False, False) == await _both(tmp_path, "a.mp4", store)


def _sideways(picture: Image.Image, path: Path) -> None:
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(path, "JPEG", exif=exif)


def _several(picture: Image.Image, path: Path) -> None:
    picture.save(path, "MPO", save_all=True, append_images=[picture.resize((160, 120))])


def _grey16(picture: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(path, "PNG")


SAVES: Mapping[str, Callable[[Image.Image, Path], None]] = {
    **{
        form: lambda picture, path, form=form: picture.save(path, form)  # type: ignore[misc]
        for form in ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
    },
    "palette": lambda picture, path: picture.quantize(16).save(path, "PNG"),
    "transparent": lambda picture, path: picture.convert("RGBA").save(path, "PNG"),
    "CMYK": lambda picture, path: picture.convert("CMYK").save(path, "JPEG"),
    "16-bit": _grey16,
    "sideways": _sideways,
    "with a preview": _several,
    "an SVG": lambda _, path: _write(path, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
}


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _picture(size: tuple[int, int]) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert("RGB")


def _cases() -> Iterator[tuple[str, tuple[int, int]]]:
    yield from product(SAVES, SHAPES)


async def test_pictures_of_each_kind_and_shape_get_one_verdict(
    tmp_path: Path, store: MediaStore
) -> None:
    """What `check` takes is sent in a form that is taken; what it refuses would be refused."""
    verdicts = {}
    for form, size in _cases():
        name = f"{form}-{size[0]}x{size[1]}"
        SAVES[form](_picture(size), tmp_path / name)
        verdicts[form, size] = await _both(tmp_path, name, store, Kind.REFERENCES, "image")

    assert {} == {case: both for case, both in verdicts.items() if len(set(both)) > 1}
    taken = {case for case, (checked, _) in verdicts.items() if checked}
    fits = {(300, 300), (300, 750), (750, 300), (1600, 900)}
    assert set(product(SAVES.keys() - {"an SVG"}, fits)) == taken
