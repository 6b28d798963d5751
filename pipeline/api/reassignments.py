"""Who makes an item instead of the provider that was named first, and why: told with a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.domain import PricedItem
from pipeline.findings import Finding

_SHOWN = 4


@dataclass(slots=True)
class _Group:
    items: int = 0
    addresses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reassignments:
    """Counts, while a plan streams by, the items that their first provider cannot make."""

    _groups: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Group] = field(
        default_factory=dict
    )

    def watching(self, entries: Iterable[PricedItem | Finding]) -> Iterator[PricedItem | Finding]:
        """Yield what comes, and count it."""
        for entry in entries:
            if isinstance(entry, PricedItem) and entry.item.passed_over:
                item = entry.item
                place = (item.shot, item.provider, item.passed_over)
                group = self._groups.setdefault(place, _Group())
                group.items += 1
                if len(group.addresses) < _SHOWN:
                    group.addresses.append(item.address)
            yield entry

    def lines(self, shots: Collection[str]) -> Iterator[str]:
        """Yield what was counted: per shot, who makes it, why nobody before, and which items."""
        for (shot, provider, reasons), group in self._groups.items():
            if shot not in shots:
                continue
            count = f"{group.items} items" if group.items > 1 else "1 item"
            yield f"{shot}: {count} at {provider}, because"
            for name, why in reasons:
                yield f"    not {name}: {why}"
            more = group.items - len(group.addresses)
            yield f"    {', '.join(group.addresses)}{f' and {more} more' if more else ''}"
