"""A table of figures: whatever the width of the terminal, no figure is cut."""

from __future__ import annotations

import pytest

from pipeline.cli.figure_table import FigureTable
from pipeline.cli.terminal_console import TerminalConsole

TABLE = FigureTable(
    titles=("started", "made", "USD", "ended"),
    rows=(
        ("2026-11-30 23:58:12", "12", "2.10 + 3.78 open", "not ended: at work, or killed"),
        ("2026-11-30 23:59:01", "", "1,250.00 + 3?", "0 ok"),
    ),
    words=frozenset({"ended"}),
)

FIGURE = len("  USD 2.10 + 3.78 open")


def _printed(monkeypatch: pytest.MonkeyPatch, columns: int | None) -> list[str]:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
    console = TerminalConsole()
    with console.capture() as captured:
        console.print_table(TABLE)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("columns", [*range(10, 90), 120, None])
def test_no_figure_is_cut(columns: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stands on one line, which is wider than the terminal only where the figure is."""
    lines = _printed(monkeypatch, columns)

    for _, made, cost, _ in TABLE.rows:
        assert any(cost in line for line in lines), lines
        assert any(made in line for line in lines)
    assert not any("…" in line for line in lines)
    assert columns is None or all(len(line) <= max(columns, FIGURE) for line in lines), lines


def test_words_are_broken_before_figures_stand_below_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wide as it is where nobody says a width; then narrower words; then no table any more."""
    assert [
        "started              made               USD  ended",
        "2026-11-30 23:58:12    12  2.10 + 3.78 open  not ended: at work, or killed",
        "2026-11-30 23:59:01           1,250.00 + 3?  0 ok",
    ] == _printed(monkeypatch, None)
    assert [
        "started              made               USD  ended",
        "2026-11-30 23:58:12    12  2.10 + 3.78 open  not ended: at",
        "                                             work, or",
        "                                             killed",
        "2026-11-30 23:59:01           1,250.00 + 3?  0 ok",
    ] == _printed(monkeypatch, 60)
    assert [
        "started · ended",
        "2026-11-30 23:58:12 · not ended: at",
        "work, or killed",
        "  made 12 · USD 2.10 + 3.78 open",
        "2026-11-30 23:59:01 · 0 ok",
        "  USD 1,250.00 + 3?",
    ] == _printed(monkeypatch, 40)
