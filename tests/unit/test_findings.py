"""How a finding is drawn: the line, the caret, and what is cut off."""

from __future__ import annotations

from pipeline.findings import Finding, Span, did_you_mean, render


def drawn(source: str, column: int, end_column: int) -> list[str]:
    """Return the excerpt and the caret below it, without what stands left of them."""
    span = Span(file="m.yaml", line=1, column=column, end_column=end_column)
    finding = Finding(slug="bad-value", message="no", span=span)
    _, line, caret = render(finding, {"m.yaml": source}).splitlines()
    return [line.removeprefix("    1 | "), caret.removeprefix("      | ")]


def test_the_caret_stands_below_the_place() -> None:
    """It is as wide as what is meant."""
    assert ["a: bcd", "   ^~~"] == drawn("a: bcd", 4, 7)


def test_a_long_line_is_cut_around_the_place() -> None:
    """A prompt of 3,000 characters does not fill the terminal; the place stays in sight."""
    line, caret = drawn("x" * 1000 + "PLACE" + "x" * 2000, 1001, 1006)

    assert ("…", "…", 120) == (line[0], line[-1], len(line))
    assert "PLACE" == line[caret.index("^") : len(caret)]


def test_a_place_that_is_longer_than_the_line_is_cut_too() -> None:
    """The caret ends where the line does."""
    line, caret = drawn("prompt: " + "x" * 1000, 9, 1009)

    assert "prompt: xxx" == line[:11]
    assert (120, 120) == (len(line), len(caret))


def test_long_lists_of_names_are_cut() -> None:
    """Twenty names help, two hundred do not."""
    assert "known here: a, b" == did_you_mean("xyz", ["b", "a"])
    assert did_you_mean("zzz", [f"n{number}" for number in range(30)]).endswith(", …")
