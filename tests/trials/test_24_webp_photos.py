"""WebP photos: as a frame, as a reference, as an address."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.sandboxes import Sandbox
from tests.trials.commands import callsheet, make, sent_files
from tests.unit.media.clips import write_image

FRAME = """\
callsheet: 1
name: frame
bundles: {f: {frames: {first: still.webp, fit: pad}}}
shots: [{id: a, use: [f], aspect_ratio: "9:16", prompt: "@first begins to move, no text."}]
budget: {limit: 40 USD}
"""
REFERENCE = """\
callsheet: 1
name: reference
bundles: {photos: {images: {view: "still.webp"}}}
shots: [{id: a, use: [photos], aspect_ratio: auto, prompt: "@view turns slowly, no text."}]
budget: {limit: 40 USD}
"""


def test_a_reference_is_sent_as_png(tmp_path: Path, sandbox: Sandbox) -> None:
    """A local file is converted by itself, and `show` names what is made of it."""
    write_image(tmp_path / "still.webp", (700, 700))
    (tmp_path / "m.yaml").write_text(REFERENCE, "utf-8")

    assert "no findings" in callsheet(tmp_path, "check", "m.yaml").stdout
    shown = callsheet(tmp_path, "show", "m.yaml", "a").stdout
    (item,) = make(tmp_path, sandbox, "m.yaml")

    assert "still.webp (WebP), sent as png made of it, 700 x 700" in shown
    assert "done" == item["state"]
    (sent,) = sent_files(tmp_path)
    with Image.open(sent) as picture:
        assert ("PNG", (700, 700)) == (picture.format, picture.size)


def test_a_frame_is_padded_as_before(tmp_path: Path, sandbox: Sandbox) -> None:
    """It is made once: what is sent is the padded frame, and nothing between."""
    write_image(tmp_path / "still.webp", (700, 700))
    (tmp_path / "m.yaml").write_text(FRAME, "utf-8")

    (item,) = make(tmp_path, sandbox, "m.yaml")

    assert "done" == item["state"]
    (sent,) = sent_files(tmp_path)
    with Image.open(sent) as picture:
        assert ("PNG", (700, 1244)) == (picture.format, picture.size)


def test_an_address_is_warned_of(tmp_path: Path) -> None:
    """It is handed on as it is: nobody here can convert it."""
    text = REFERENCE.replace("still.webp", "https://shop.example/a/still.WEBP?v=2")
    (tmp_path / "m.yaml").write_text(text, "utf-8")

    checked = callsheet(tmp_path, "check", "m.yaml")

    assert 0 == checked.returncode
    assert "warning: doubtful-address: Kling O1 takes images as JPEG or PNG" in checked.stdout
