"""Text keeps its accents and stays within its room."""

from __future__ import annotations

from PIL import Image

from pipeline.sandbox.render.lettering import ELLIPSIS, layer, letters, width, wrapped, write


def _written(text: str) -> Image.Image:
    image, pen = layer((300, 80))
    write(pen, (10, 20), text, size=40, fill=(255, 255, 255, 255))
    return image


def test_an_umlaut_is_not_its_vowel() -> None:
    """Accents are drawn, though the bundled font has none."""
    assert _written("ä").tobytes() != _written("a").tobytes()
    assert _written("ä").tobytes() == _written("a\u0308").tobytes()


def test_an_accent_takes_no_room() -> None:
    """A letter is as wide with its accent as without."""
    assert width("Grosse Ol", 40) == width("Größe Öl", 40)


def test_what_has_no_letter_is_spelt_or_left_out() -> None:
    """Dashes and ligatures are spelt out; pictograms and control characters are dropped."""
    assert "Strasse - 5 EUR " == letters("Straße – 5 €\u200b 😀")


def test_lines_stay_within_their_room() -> None:
    """Even a word that is longer than a line is broken."""
    lines = wrapped("a quick " + "brown" * 30 + " fox", 30, room=200, lines=9)

    assert max(width(line, 30) for line in lines) <= 200


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    """The last line says that there is more; a text that fits says nothing."""
    lines = wrapped("word " * 50, 30, room=200, lines=2)

    assert 2 == len(lines)
    assert lines[-1].endswith(ELLIPSIS)
    assert ["word word"] == wrapped("word word", 30, room=400, lines=2)
