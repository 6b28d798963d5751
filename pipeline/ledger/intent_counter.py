"""How many purchases of a campaign were ever written down, in a file outside the ledger's folder.

`<root>/<campaign>/.intents` is written after the commit and before any request of it leaves: it may
be behind the ledger, and never ahead. Where it is ahead, the ledger has lost something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, bindparam, func, select

from pipeline.ledger.counter_file import UNREADABLE, raise_counter, read_counter
from pipeline.ledger.fast_sql import execute
from pipeline.ledger.purchases import PAID_ELSEWHERE
from pipeline.ledger.sql_schema import campaigns, losses, purchases
from pipeline.storage.fs import sync, writing

COUNTER = ".intents"


def read_counters(root: Path) -> Mapping[str, int]:
    """Return what the counters of a root say, by campaign; UNREADABLE for one that is damaged."""
    found = {file.parent.name: read_counter(file) for file in sorted(root.glob(f"*/{COUNTER}"))}
    return {campaign: number for campaign, number in found.items() if number}


def write_offs(connection: Connection) -> Mapping[str, int]:
    """Return how many purchases of each campaign a person agreed to go on without."""
    every = execute(connection, _WRITE_OFFS, {}).fetchall()
    return {campaign: int(number) for campaign, number in every}


class IntentCounter:
    """Keeps the counters of a root in step with its ledger's writer."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last_id = 0
        self._purchases: Mapping[int, int] = {}

    def follow(self, connection: Connection) -> Callable[[], None]:
        """Return what writes down the purchases of this transaction, once it is committed.

        At the first transaction these are all there are: a counter that is behind, or gone, is
        brought up to date. One that is ahead stays as it is.
        """
        new = execute(connection, _SINCE, {"b_id": self._last_id}).fetchall()
        if not new:
            return lambda: None
        # A copy until the commit: what is rolled back must not have been counted.
        counted = dict(self._purchases)
        for campaign_id, number, _ in new:
            counted[campaign_id] = counted.get(campaign_id, 0) + number
        last_id = max(row[2] for row in new)
        names = dict(execute(connection, _NAMES, {}).fetchall())
        lost = write_offs(connection)
        numbers = {
            names[campaign_id]: counted[campaign_id] + lost.get(names[campaign_id], 0)
            for campaign_id, _, _ in new
            if campaign_id in names
        }
        return partial(self._record, last_id, counted, numbers)

    def renew(self, campaign: str) -> None:
        """Drop a counter that cannot be read: the next purchase writes a new one."""
        file = self._root / campaign / COUNTER
        if read_counter(file) == UNREADABLE:
            with writing(file):
                file.unlink()
                sync(file.parent)

    def _record(self, last_id: int, counted: Mapping[int, int], numbers: Mapping[str, int]) -> None:
        self._last_id, self._purchases = last_id, counted
        for campaign, number in numbers.items():
            raise_counter(self._root / campaign / COUNTER, number)


# What a lock file knows was bought by another ledger: counted here, it would pass for one of our
# own purchases that is missing (docs/decisions/0024-lock-file.md).
_SINCE = (
    select(purchases.c.campaign_id, func.count(), func.max(purchases.c.id))
    .where(purchases.c.id > bindparam("b_id"), purchases.c.charge_source != PAID_ELSEWHERE)
    .group_by(purchases.c.campaign_id)
)
_NAMES = select(campaigns.c.id, campaigns.c.name)
_WRITE_OFFS = select(losses.c.campaign, func.sum(losses.c.intents)).group_by(losses.c.campaign)
