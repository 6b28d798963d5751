"""What the next run does to items and why, as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from pipeline.api.money_text import item_count, price_text
from pipeline.domain import Place
from pipeline.domain.changes import ChangeClass, ChangeGroup, PartChange
from pipeline.foreign_text import printable_line

_ROOM = 64
"""Characters of a text in a line; of a longer one what differs is shown."""
_AROUND = 16
"""Characters that are shown before the first one that differs."""


def change_group_lines(groups: Sequence[ChangeGroup]) -> Iterator[str]:
    """Yield what a plan makes again and lays out again: a line each, and where to look for why."""
    for group in groups:
        head = f"{group.change.replace('_', ' ')}: {item_count(group.items)} of {group.shot}"
        if group.change is ChangeClass.BUYS_AGAIN:
            yield f"{head}, {price_text(group)}"
            for change in group.example.changed:
                yield f"    {change_text(change)}"
        else:
            yield f"{head}, from the store"
        example = group.example
        path = f": {example.old_output} → {example.output}" if example.old_output else ""
        others = f" and {group.items - 1} more" if group.items > 1 else ""
        moved = path if group.change is ChangeClass.LAYS_OUT_AGAIN else ""
        yield printable_line(f"    {example.address}{moved}{others}")


def change_text(change: PartChange) -> str:
    """Return a changed part in a line: name, old and new value, and where it is written."""
    old, new = (value_text(each) for each in (change.old, change.new))
    what = f"{change.part} {change.detail}" if change.detail else change.part
    where = f"  ({places_text(change.places)})" if change.places else ""
    if max(len(old), len(new)) > _ROOM:
        # As they fit into a line: from shortly before where they begin to differ.
        pairs = zip(old, new, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        start = max(0, same - _AROUND)
        before, ends = "…" if start else "", start + _ROOM
        old, new = (
            f"{before}{text[start:ends]}{'…' if len(text) > ends else ''}" for text in (old, new)
        )
    return printable_line(f"{what}: {old} → {new}{where}")


def value_text(value: Any) -> str:
    """Return the value of a key's part: a text in quotes, a reference by file and digest."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping) and "media" in value:
        media = [
            " ".join([each.get("file", ""), *each.get("done", ()), each["digest"]]).strip()
            for each in value["media"]
        ]
        said = json.dumps(value.get("say", ""), ensure_ascii=False)
        return f"{' + '.join(media)}{f', said to be {said}' if 'say' in value else ''}"
    if isinstance(value, Mapping) and value.keys() == {"digest"}:
        # Of an earlier version of Callsheet, or paid elsewhere: a lock file has digests alone.
        return f"what is not written down here (digest {value['digest']})"
    if isinstance(value, str | bool | Mapping | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def places_text(places: Sequence[Place]) -> str:
    """Return places as `products.csv:3, column name`."""
    named = (
        f"{each.span.file}:{each.span.line}{f', column {each.cell}' if each.cell else ''}"
        for each in places
    )
    return "; ".join(dict.fromkeys(named))
