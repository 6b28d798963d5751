"""Matrices of cases: in every run each line and column once, the rest in the drill."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import product
from typing import Any

import pytest


def pairs(
    first: Collection[str],
    second: Collection[str],
    possible: Callable[[str, str], bool] = lambda _one, _other: True,
) -> list[Any]:
    """Return parameters of two: those on the diagonals that bring something new have no mark.

    >>> [param.id for param in pairs(["a", "b", "c"], ["x", "y"]) if not param.marks]
    ['a, x', 'b, y', 'c, x']
    """
    rows, columns = list(first), list(second)
    crossed = [pair for pair in product(rows, columns) if possible(*pair)]
    often: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for pair in sorted(crossed, key=lambda pair: _diagonal(pair, rows, columns)):
        if not seen.issuperset(pair):
            often.add(pair)
            seen.update(pair)
    return [
        pytest.param(*pair, id=", ".join(pair), marks=[] if pair in often else pytest.mark.drill)
        for pair in crossed
    ]


def _diagonal(pair: tuple[str, str], rows: list[str], columns: list[str]) -> int:
    return (columns.index(pair[1]) - rows.index(pair[0])) % len(columns)


def some(cases: Collection[str | float], *, every: int, first: int = 0) -> list[Any]:
    """Return parameters of which one in `every`, from `first` on, has no mark."""
    return [
        pytest.param(case, marks=[] if number % every == first else pytest.mark.drill)
        for number, case in enumerate(cases)
    ]
