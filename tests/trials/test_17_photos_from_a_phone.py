"""A photo that is stored sideways, with a note to turn it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.sandboxes import Sandbox
from tests.trials.commands import callsheet, make, sent_files
from tests.unit.media.clips import write_image

FRAME = """\
callsheet: 1
name: lying
bundles: {opening: {frames: {first: lying.jpg}}}
shots:
  - {id: told, use: [opening], aspect_ratio: "9:16", prompt: "@first begins to move, no text."}
  - {id: open, use: [opening], prompt: "@first begins to move at night, no text."}
budget: {limit: 40 USD}
"""
REFERENCE = """\
callsheet: 1
name: reference
bundles: {photos: {images: {view: lying.jpg}}}
shots: [{id: a, use: [photos], prompt: "@view turns slowly, no text.", aspect_ratio: auto}]
budget: {limit: 40 USD}
"""
_ORIENTATION = 0x0112


def test_what_is_sent_is_upright(tmp_path: Path, sandbox: Sandbox) -> None:
    """Check, rehearsal and clip agree: two clips of the shape that people see, both in spec."""
    write_image(tmp_path / "lying.jpg", (1600, 900), turned=True)
    (tmp_path / "frame.yaml").write_text(FRAME, "utf-8")

    assert 0 == callsheet(tmp_path, "check", "frame.yaml").returncode
    items = make(tmp_path, sandbox, "frame.yaml")

    assert [("done", 720, 1280)] * 2 == [(i["state"], i["width"], i["height"]) for i in items]


def test_a_reference_image_is_upright_as_well(tmp_path: Path, sandbox: Sandbox) -> None:
    """The file that is uploaded needs no turning, and says of none."""
    write_image(tmp_path / "lying.jpg", (1600, 900), turned=True)
    (tmp_path / "m.yaml").write_text(REFERENCE, "utf-8")

    shown = callsheet(tmp_path, "show", "m.yaml", "a").stdout
    make(tmp_path, sandbox, "m.yaml")

    assert "lying.jpg (sideways), sent as jpeg made of it, 900 x 1600" in shown
    (sent,) = sent_files(tmp_path)
    with Image.open(sent) as picture:
        assert ("JPEG", (900, 1600)) == (picture.format, picture.size)
        assert _ORIENTATION not in picture.getexif()
