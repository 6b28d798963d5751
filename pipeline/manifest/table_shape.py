"""Columns of texts → columns of values, filled, grouped, matched and sorted, by pandas.

pandas is asked only for positions and masks; the cells themselves stay the objects they are. So
it never gets to turn 00123 into 123, a blank into NaN, or 79.90 into 79.9. It takes longer to load
than most tables to read, so only what fills, groups, joins or sorts imports it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.manifest.table_types import ColumnType, Misfit

Cells = npt.NDArray[np.object_]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


def cells(values: Sequence[Any]) -> Cells:
    """Return values as an array of objects, tuples among them included."""
    return np.fromiter(values, dtype=np.object_, count=len(values))


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's texts and what they stand for, one per line."""

    texts: Cells
    values: Cells
    misfits: Mapping[int, Misfit] = field(default_factory=dict)
    """Cells that are not what the column wants, by position."""

    @cached_property
    def filled(self) -> Mask:
        """Tell where a cell is not blank."""
        return filled(self.texts)

    def take(self, positions: Positions) -> Column:
        """Return the column with only the lines at these positions; misfits stay behind."""
        return Column(texts=self.texts.take(positions), values=self.values.take(positions))


def typed(texts: Cells, kind: ColumnType) -> Column:
    """Return a column of texts as values of a type; each distinct text is read once."""
    if kind.read is str or not len(texts):
        return Column(texts=texts, values=texts)
    codes, distinct = _factorized(texts)
    trimmed = [text.strip() for text in distinct]
    read = cells([kind.read(text) if text else kind.blank for text in trimmed])
    wrong = np.array([isinstance(value, Misfit) for value in read], dtype=np.bool_)
    bad = np.flatnonzero(wrong.take(codes)) if wrong.any() else ()
    return Column(
        texts=texts,
        values=read.take(codes),
        misfits={int(position): read[codes[position]] for position in bad},
    )


def filled_down(texts: Cells, within: Cells | None = None) -> Cells:
    """Return a column in which a blank cell takes the text above it, within the same key."""
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    positions = pd.Series(np.arange(len(texts)))
    own = positions.where(filled(texts))
    above = own.ffill() if within is None else own.groupby(keyed(within)).ffill()
    return texts.take(above.fillna(positions).to_numpy(dtype=np.intp))


def keyed(texts: Cells) -> Positions:
    """Return a number per text, equal for equal texts, counted in order of appearance."""
    return _factorized([text.strip() for text in texts])[0]


def _factorized(values: Iterable[Hashable]) -> tuple[Positions, list[Any]]:
    """Return a number per value, equal for equal ones, and the distinct values in that order."""
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in values]
    return np.array(codes, dtype=np.intp), list(numbers)


def filled(texts: Cells) -> Mask:
    """Tell where a text is not blank."""
    return np.fromiter((bool(text.strip()) for text in texts), dtype=np.bool_, count=len(texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Which lines make one row."""

    codes: Positions
    """The row that each line belongs to."""
    lines: tuple[Positions, ...]
    """The lines of each row, in order."""

    def first(self, filled: Mask) -> Positions:
        """Return for each row its first line where a column is filled, else its first line."""
        import pandas as pd  # noqa: PLC0415 - see the head of the module

        found = pd.Series(np.arange(len(self.codes))).where(filled).groupby(self.codes).min()
        starts = pd.Series([int(lines[0]) for lines in self.lines])
        return found.fillna(starts).to_numpy(dtype=np.intp)


def groups(codes: Positions) -> Groups:
    """Return the lines with the same number as rows, in order of appearance."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes)) if len(codes) else ()
    return Groups(codes=codes, lines=tuple(np.split(order, ends[:-1])) if len(codes) else ())


def repeated(keys: Sequence[str]) -> Mapping[str, list[int]]:
    """Return the keys that several rows have, with those rows; blank keys are not looked at."""
    found: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        if key:
            found.setdefault(key, []).append(position)
    return {key: positions for key, positions in found.items() if len(positions) > 1}


def matched(keys: Sequence[str], others: Sequence[str]) -> Positions:
    """Return the position of each key among others, which are unique; -1 where there is none."""
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    index = pd.Index(cells(others), dtype=object)
    return index.get_indexer(pd.Index(cells(keys), dtype=object))


def ordered(columns: Sequence[tuple[Cells, bool]]) -> Positions:
    """Return the order of rows by columns, each with whether downwards; blank cells come last."""
    import pandas as pd  # noqa: PLC0415 - see the head of the module

    ranks = pd.DataFrame(
        {number: _ranks(values, down=down) for number, (values, down) in enumerate(columns)}
    )
    return ranks.sort_values(list(ranks.columns), kind="stable").index.to_numpy(dtype=np.intp)


def _ranks(values: Cells, *, down: bool) -> Positions:
    """Return each value's place among the distinct ones; texts compare without regard to case."""
    codes, distinct = _factorized(_comparable(value) for value in values)
    known = sorted((value, code) for code, value in enumerate(distinct) if value != ())
    ranks = np.full(len(distinct) + 1, len(values), dtype=np.intp)
    for rank, (_, code) in enumerate(reversed(known) if down else known):
        ranks[code] = rank
    return ranks.take(codes)


def _comparable(value: Any) -> tuple[Any, ...]:
    """Return a value as something that sorts; the empty tuple for a blank one."""
    if value is None or value in ("", ()):
        return ()
    if isinstance(value, str):
        return (value.casefold(), value)
    return value if isinstance(value, tuple) else (value,)
