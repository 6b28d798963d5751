"""What a plan makes again, and what it lays out again: items added up by shot and by reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from pipeline.domain.changes import ChangeClass, ChangeGroup, ItemChange

_MOVED = ChangeClass.LAYS_OUT_AGAIN
_TOLD = frozenset({ChangeClass.BUYS_AGAIN, _MOVED})


def group_changes(items: Iterable[ItemChange]) -> tuple[ChangeGroup, ...]:
    """Return the selected ones, added up by what happens, by shot, and by the parts that changed.

    There are as many groups as shots and reasons, however many items there are.
    """
    groups: dict[tuple[ChangeClass, str, tuple[str, ...]], ChangeGroup] = {}
    for item in items:
        if not item.selected or item.change not in _TOLD:
            continue
        again = item.change is ChangeClass.BUYS_AGAIN
        parts = tuple(dict.fromkeys(each.part for each in item.changed)) if again else ()
        place = (item.change, item.shot, parts)
        known = groups.get(place) or ChangeGroup(
            change=item.change,
            shot=item.shot,
            parts=parts,
            items=0,
            unpriced=0,
            low_usd=Decimal(0),
            expected_usd=Decimal(0),
            high_usd=Decimal(0),
            example=item,
        )
        groups[place] = replace(
            known,
            items=known.items + 1,
            unpriced=known.unpriced + (item.high_usd is None),
            low_usd=known.low_usd + (item.low_usd or 0),
            expected_usd=known.expected_usd + (item.expected_usd or 0),
            high_usd=known.high_usd + (item.high_usd or 0),
        )
    # What is bought comes first, whatever its addresses are.
    return tuple(sorted(groups.values(), key=lambda group: group.change is _MOVED))
