"""How many purchases of a campaign were ever written down, in a file outside the ledger's folder.

`<root>/<campaign>/.intents` is written after the commit and before any request of it leaves: it may
be behind the ledger, and never ahead. Where it is ahead, the ledger has lost something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import orjson
from sqlalchemy import Connection, bindparam, func, select

from pipeline.ledger.fast_sql import execute
from pipeline.ledger.purchases import PAID_ELSEWHERE
from pipeline.ledger.sql_schema import campaigns, losses, purchases
from pipeline.storage.fs import beside, sync, writing

COUNTER = ".intents"
UNREADABLE = -1
"""What a counter says that is there, and holds no number: it may have counted anything."""
_INTENTS = "intents"


def read_counter(file: Path) -> int:
    """Return what a counter says; 0 where there is none, UNREADABLE where it holds no number."""
    try:
        told = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError):
        return UNREADABLE
    number = told.get(_INTENTS) if isinstance(told, dict) else None
    # A counter begins at the first purchase: 0 is none of ours.
    return number if isinstance(number, int) and number > 0 else UNREADABLE


def read_counters(root: Path) -> Mapping[str, int]:
    """Return what the counters of a root say, by campaign; UNREADABLE for one that is damaged."""
    found = {file.parent.name: read_counter(file) for file in sorted(root.glob(f"*/{COUNTER}"))}
    return {campaign: number for campaign, number in found.items() if number}


def write_offs(connection: Connection) -> Mapping[str, int]:
    """Return how many purchases of each campaign a person agreed to go on without."""
    query = select(losses.c.campaign, func.sum(losses.c.intents)).group_by(losses.c.campaign)
    return {campaign: int(number) for campaign, number in connection.execute(query)}


class IntentCounter:
    """Keeps the counters of a root in step with its ledger's writer."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._last_id = 0
        self._purchases: Mapping[int, int] = {}
        self._written: dict[str, int] = {}

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
        names = {row.id: row.name for row in connection.execute(select(campaigns))}
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
            file = self._root / campaign / COUNTER
            known = self._written.get(campaign)
            known = read_counter(file) if known is None else known
            if known == UNREADABLE:
                continue  # it is evidence: `renew` puts a new one in its place, once that is said
            if number > known:
                _write(file, number)
            self._written[campaign] = max(known, number)


def _write(file: Path, number: int) -> None:
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        new = beside(file)
        new.write_bytes(orjson.dumps({_INTENTS: number}) + b"\n")
        sync(new)
        new.replace(file)
        sync(file.parent)


# What a lock file knows was bought by another ledger: counted here, it would pass for one of our
# own purchases that is missing (docs/decisions/0024-lock-file.md).
_SINCE = (
    select(purchases.c.campaign_id, func.count(), func.max(purchases.c.id))
    .where(purchases.c.id > bindparam("b_id"), purchases.c.charge_source != PAID_ELSEWHERE)
    .group_by(purchases.c.campaign_id)
)
