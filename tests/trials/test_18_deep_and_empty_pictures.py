"""16-bit grey, and a picture with nothing in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.sandboxes import Sandbox
from tests.trials.commands import callsheet, make, sent_files

DEEP = """\
callsheet: 1
name: deep
bundles: {opening: {frames: {first: deep.png, fit: pad}}}
shots: [{id: a, use: [opening], aspect_ratio: "9:16", prompt: "@first begins to move, no text."}]
budget: {limit: 40 USD}
"""
EMPTY = """\
callsheet: 1
name: empty
bundles: {photos: {images: {view: layer.png}}}
shots: [{id: a, use: [photos], aspect_ratio: auto, prompt: "@view turns slowly, no text."}]
budget: {limit: 40 USD}
"""


def test_a_padded_frame_of_sixteen_bits_has_its_own_grey(tmp_path: Path, sandbox: Sandbox) -> None:
    """30,069 of 65,535 is 117 of 255, all over."""
    Image.fromarray(np.full((700, 700), 117 * 257, np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "m.yaml").write_text(DEEP, "utf-8")

    (item,) = make(tmp_path, sandbox, "m.yaml")

    assert "done" == item["state"]
    (sent,) = sent_files(tmp_path)
    with Image.open(sent) as picture:
        assert ((117, 117),) * 3 == picture.getextrema()


def test_a_picture_with_nothing_in_it_is_a_finding(tmp_path: Path) -> None:
    """Each pixel is transparent: whatever colour it has, nobody sees it."""
    Image.new("RGBA", (700, 700), (200, 30, 30, 0)).save(tmp_path / "layer.png")
    (tmp_path / "m.yaml").write_text(EMPTY, "utf-8")

    checked = callsheet(tmp_path, "check", "m.yaml")

    assert 3 == checked.returncode
    assert "empty-image: layer.png has nothing in it" in checked.stdout
