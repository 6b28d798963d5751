"""Text is drawn letter by letter in any script there is a font for, and stays within its room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.lettering import ELLIPSIS, missing, width, wrap, write

TANGUT = "\U00017000"
CJK, ARABIC, EMOJI = (
    pytest.mark.skipif(
        not any(
            [*Path(folder).expanduser().rglob(name)] for folder in ("/usr/share/fonts", "~/.fonts")
        ),
        reason=f"{name} is not installed: .ci/setup tests",
    )
    for name in ("NotoSansCJK-Regular.ttc", "NotoSansArabic-Regular.ttf", "NotoColorEmoji.ttf")
)


def _line(text: str) -> Image.Image:
    image = Image.new("RGBA", (300, 80))
    write(image, (10, 20), text, size=40, fill=(255, 255, 255, 255))
    return image


def _written(text: str) -> bytes:
    return _line(text).tobytes()


def test_an_umlaut_is_not_its_vowel() -> None:
    """An accent is drawn, and the same however it was typed."""
    assert _written("ä") != _written("a")
    assert wrap("ä", 40, room=99, lines=1) == wrap("a\u0308", 40, room=99, lines=1)


@pytest.mark.parametrize(
    "text",
    ["Größe – „ja“ … 5 €", "Кроссовки", "Παπούτσι", "Giày đỏ trên đá ướt", "½ × 20 °C ™ ≥ → ✓"],
)
def test_the_font_of_the_package_draws_the_scripts_of_europe_and_vietnam(text: str) -> None:
    """Latin, Cyrillic, Greek and Vietnamese need no font of the machine, and nothing is spelt out.

    Each letter looks different from the box that stands for what cannot be drawn.
    """
    assert [] == missing(text)
    box = _written(TANGUT)
    assert all(_written(letter) != box for letter in text if letter != " ")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("赤い靴がゆっくり回る。カメラ", marks=CJK, id="Japanese"),
        pytest.param("红鞋慢慢旋转雨天", marks=CJK, id="Chinese"),
        pytest.param("빨간 구두", marks=CJK, id="Korean"),
        pytest.param("حذاء أحمر يدور", marks=ARABIC, id="Arabic"),
        pytest.param("👟🔥🌧", marks=EMOJI, id="emoji"),
    ],
)
def test_noto_draws_what_the_font_of_the_package_lacks(text: str) -> None:
    """Where Debian's Noto is installed, these are drawn: no box, and each its own letter."""
    assert [] == missing(text)
    letters = set(text) - {" "}
    assert len(letters | {TANGUT}) == len({_written(letter) for letter in letters | {TANGUT}})


@ARABIC
def test_arabic_runs_from_right_to_left_and_is_joined() -> None:
    """The last letter stands on the left, and there is no gap between the letters of a word."""
    word = np.asarray(_line("حمر"))[:, :, 3].max(axis=0) > 0
    apart = np.asarray(_line("ح م ر"))[:, :, 3].max(axis=0) > 0
    assert 0 == np.count_nonzero(np.diff(np.trim_zeros(word)))
    assert 4 == np.count_nonzero(np.diff(np.trim_zeros(apart)))

    # Reh alone of the three goes so far below the line.
    below = np.flatnonzero(np.asarray(_line("حمر"))[63:, :, 3].max(axis=0))
    assert below.max() < np.flatnonzero(word).mean()


@EMOJI
def test_an_emoji_has_its_colours() -> None:
    """It is drawn as the font has it, and not in the colour of the text."""
    drawn = np.asarray(_line("🔥")).astype(int)

    assert (drawn[:, :, 0] - drawn[:, :, 2]).max() > 100


def test_what_no_font_has_is_named_once_and_drawn_as_a_box() -> None:
    """A character without a letter leaves its place in the line, and is not passed over."""
    text = f"a {TANGUT}{TANGUT} b"

    assert [TANGUT] == missing(text)
    assert _written(text) == _written("a □□ b")


def test_control_characters_are_not_printed() -> None:
    """Line breaks become spaces; what has no shape at all is left out and not called missing."""
    assert ["one two"] == wrap("one\n\ttwo\x07", 30, room=400, lines=2)
    assert [] == missing("one\n\x07\u200btwo\ufe0f")


def test_an_address_keeps_its_letters() -> None:
    """The font's own habits, such as a multiplication sign between numbers, are switched off."""
    assert _written("9x16") != _written("9×16")
    assert width("9x16", 40) == width("9", 40) + width("x", 40) + width("16", 40)


def test_lines_stay_within_their_room() -> None:
    """Even a word that is longer than a line is broken."""
    lines = wrap("a quick " + "brown" * 30 + " fox", 30, room=200, lines=30)

    assert max(width(line, 30) for line in lines) <= 200
    assert "brown" * 30 in "".join(lines).replace(" ", "")


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    """The last line says that there is more; a text that fits says nothing."""
    lines = wrap("word " * 50, 30, room=200, lines=2)

    assert 2 == len(lines)
    assert lines[-1].endswith(ELLIPSIS)
    assert max(width(line, 30) for line in lines) <= 200
    assert ["word word"] == wrap("word word", 30, room=400, lines=2)
