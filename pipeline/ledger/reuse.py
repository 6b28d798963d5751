"""Which job of the ledger an item takes: that of its own key, or of another key that will do.

What was bought is not bought again because the rule of keys changed, or because somebody wrote the
ratio that the clip has (docs/design/keys.md §2).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, exists, or_, select, update

from pipeline.domain import Alternative
from pipeline.domain.clip_spec import has_ratio
from pipeline.domain.states import FINISHED, SENT
from pipeline.ledger.jobs import tries
from pipeline.ledger.overlay import take_in_jobs
from pipeline.ledger.sql_schema import clips, items, jobs, purchases

_Size = tuple[int, int] | None
"""Width and height of a finished clip; None of what is not finished."""


class Wanted(Protocol):
    """An item that is being planned."""

    @property
    def address(self) -> str:
        """Return its name in the plan."""

    @property
    def key(self) -> str:
        """Return its own key."""

    @property
    def alternatives(self) -> Sequence[Alternative]:
        """Return other keys that will do, best first."""


@dataclass(slots=True)
class Reuse:
    """Finds, while a plan is written, what its items take from the ledger instead of buying it."""

    connection: Connection
    current: ColumnElement[bool]
    """Whether an item belongs to the plan that is being written."""
    _anything: bool = field(init=False)
    _asking: dict[str, tuple[str, tuple[Alternative, ...]]] = field(default_factory=dict)
    """Own key and usable alternatives of the items that are answered last, by address."""

    def __post_init__(self) -> None:
        bought = select(
            or_(
                exists(select(purchases.c.id)),
                exists(select(jobs.c.key).where(jobs.c.state.in_(SENT))),
            )
        )
        self._anything = bool(self.connection.scalar(bought))

    def take(self, batch: Sequence[Wanted], known: Mapping[str, Any]) -> Mapping[str, Alternative]:
        """Return by address what items take; `known` are their lines in the last plan.

        An item keeps what it had, and what was one work by an earlier rule stays one. For all
        others nothing is settled before the whole plan is known.
        """
        if not self._anything:
            return {}
        own = self._purchase_sizes(wanted.key for wanted in batch)
        # What was bought under an item's own key is meant, whatever else would do, but for a clip
        # that a person approved.
        without = [
            wanted
            for wanted in batch
            if wanted.key not in own or any(other.approved for other in wanted.alternatives)
        ]
        others = {each.address: _others(each, known.get(each.address)) for each in without}
        there = self._purchase_sizes(other.digest for each in others.values() for other in each)
        taken: dict[str, Alternative] = {}
        for wanted in without if there else ():
            usable = tuple(
                other
                for other in others[wanted.address]
                if other.digest in there and _fits(other, there[other.digest])
            )
            approved = next((other for other in usable if other.approved), None)
            if approved is not None:
                taken[wanted.address] = approved
                continue
            if wanted.key in own:
                continue
            kept = next((other for other in usable if not other.exclusive), None)
            if kept is not None:
                taken[wanted.address] = kept
            elif usable:
                self._asking[wanted.address] = (wanted.key, usable)
        return taken

    @property
    def is_asking(self) -> bool:
        """Tell whether any item asks for what others may want as well (`settle`)."""
        return bool(self._asking)

    def settle(self) -> None:
        """Give the others what is left: a clip that satisfies other work of the plan is no more."""
        asking, self._asking = self._asking, {}
        for address, (key, usable) in asking.items():
            left = next((other for other in usable if not self._is_taken(other.digest, key)), None)
            if left is not None:
                self.connection.execute(
                    update(items)
                    .where(self.current, items.c.address == address)
                    .values(key=left.digest, earlier_rule=int(left.earlier_rule))
                )

    def find_bought(self, keys: Iterable[str]) -> Collection[str]:
        """Return those of the keys that a provider was paid for, or may have been."""
        return self._purchase_sizes(keys).keys() if self._anything else ()

    def _is_taken(self, digest: str, key: str) -> bool:
        # Items of the same own key are one work and may share what they take.
        other_work = exists(
            select(items.c.id).where(self.current, items.c.key == digest, items.c.own_key != key)
        )
        return bool(self.connection.scalar(select(other_work)))

    def _purchase_sizes(self, keys: Iterable[str]) -> dict[str, _Size]:
        """Return those of the keys that a provider was paid for, or may have been."""
        listed = list(dict.fromkeys(keys))
        if not listed:
            return {}
        # The draft has the jobs of its items' keys; an older key may be no item's.
        take_in_jobs(self.connection, listed)
        query = (
            select(jobs.c.key, jobs.c.state, clips.c.width, clips.c.height)
            .outerjoin(clips, clips.c.sha256 == jobs.c.sha256)
            .where(jobs.c.key.in_(listed), or_(jobs.c.state.in_(SENT), tries() > 0))
        )
        rows = self.connection.execute(query)
        return {
            row.key: (row.width, row.height)
            if row.state in FINISHED and row.width is not None
            else None
            for row in rows
        }


def _others(wanted: Wanted, last: Any) -> Sequence[Alternative]:
    """Return the other keys that will do; what the item had before is first, and stays with it.

    That also where nothing leads to its key any more: an earlier rule may have taken in what has
    changed since, such as the bytes of a picture that was made to fit.
    """
    if last is None:
        return wanted.alternatives
    known = {other.digest: other for other in wanted.alternatives}
    had = known.get(last.key)
    # What was approved then stays only as long as it is.
    if had is None and last.own_key == wanted.key and not last.stale:
        had = Alternative(digest=last.key, earlier_rule=bool(last.earlier_rule))
    return (replace(had, exclusive=False), *wanted.alternatives) if had else wanted.alternatives


def _fits(other: Alternative, size: _Size) -> bool:
    # Before the clip is there nobody knows its shape.
    return other.ratio is None or (size is not None and has_ratio(*size, other.ratio))
