"""A clip whose length is no whole number of thousandths."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.sandboxes import Sandbox
from tests.trials.commands import make

MANIFEST = """\
callsheet: 1
name: varying
bundles: {screen: {video: {file: screen.mp4, role: edit}}}
shots: [{id: a, use: [screen], prompt: "@video becomes a drawing, no text."}]
budget: {limit: 0.90 USD}
"""
_TICKS = 90_000
_FRAMES = 150


def _write_screen(path: Path) -> None:
    """Write a clip as screens are recorded: each frame lasts as long as it happens to."""
    chance = np.random.default_rng(20)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        at = 0
        for _ in range(_FRAMES):
            frame = av.VideoFrame(1280, 720, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts, frame.time_base = at, Fraction(1, _TICKS)
            at += int(chance.integers(3300, 3914))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_what_is_reserved_is_never_less_than_the_same_length_costs(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """Nothing is overcharged: estimate and charge count every digit of the file's length."""
    _write_screen(tmp_path / "screen.mp4")
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")

    (item,) = make(tmp_path, sandbox, "m.yaml")

    charged, estimate = (Decimal(str(item[n])) for n in ("charged_usd", "estimate_usd"))
    assert "done" == item["state"]
    assert Decimal("0.7") < charged <= estimate < charged + Decimal("0.000002")
