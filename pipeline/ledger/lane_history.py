"""What earlier runs learnt of providers: how long tasks take, and how many at once a lane takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import orjson
from sqlalchemy import Connection, select

from pipeline.domain.item import Alike
from pipeline.ledger.connection import upsert
from pipeline.ledger.price_confirmations import PriceStanding
from pipeline.ledger.sql_schema import lane_widths, task_durations

_NO_LENGTH = -1.0
"""Stands for a length that nobody knows: a part of a primary key cannot be null."""
_CLASS = ("provider", "model", "kind", "mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneWidth:
    """How many at once a lane had at the end of a run."""

    width: int
    refused: bool
    """Its provider had said no to more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneHistory:
    """What is remembered from run to run."""

    durations: Mapping[Alike, Sequence[float]] = field(default_factory=dict)
    """Seconds from a task's acceptance to its end, oldest first, by what is alike in price."""
    widths: Mapping[tuple[str, str], LaneWidth] = field(default_factory=dict)
    """By provider and account."""

    def estimate_s(self, to_make: Iterable[PriceStanding]) -> float | None:
        """Return how long making these takes, in seconds; None where some of it is not known.

        Providers work beside one another, accounts of one share its work.
        """
        by_provider: dict[str, float] = {}
        for each in to_make:
            price = each.price_class
            own = (price.provider, price.model, price.kind, price.mode)
            known = [s for alike, some in self.durations.items() if alike[:4] == own for s in some]
            if each.to_make and not known:
                return None
            if each.to_make:
                task_seconds = each.to_make * fmean(known)
                by_provider[price.provider] = by_provider.get(price.provider, 0.0) + task_seconds
        widths = {
            name: sum(known.width for (lane, _), known in self.widths.items() if lane == name)
            for name in by_provider
        }
        if not by_provider or not all(widths.values()):
            return None
        return max(task_seconds / widths[name] for name, task_seconds in by_provider.items())


def lane_history(connection: Connection) -> LaneHistory:
    """Return what is remembered of all providers."""
    durations: dict[Alike, tuple[float, ...]] = {}
    for row in connection.execute(select(task_durations)):
        seconds = None if row.seconds == _NO_LENGTH else row.seconds
        alike = (row.provider, row.model, row.kind, row.mode, seconds)
        durations[alike] = tuple(orjson.loads(row.samples))
    return LaneHistory(
        durations=durations,
        widths={
            (row.provider, row.account): LaneWidth(width=row.width, refused=bool(row.refused))
            for row in connection.execute(select(lane_widths))
        },
    )


def record_history(connection: Connection, *, learnt: LaneHistory, at: float) -> None:
    """Remember what a run has learnt, instead of what was known of the same."""
    for (*names, seconds), samples in learnt.durations.items():
        own = dict(zip(_CLASS, names, strict=True))
        length = _NO_LENGTH if seconds is None else float(seconds)
        text = orjson.dumps([round(sample, 3) for sample in samples]).decode()
        duration = upsert(task_durations).values(**own, seconds=length, samples=text, at=at)
        connection.execute(
            duration.on_conflict_do_update(
                index_elements=[*_CLASS, "seconds"], set_={"samples": text, "at": at}
            )
        )
    for (provider, account), lane in learnt.widths.items():
        known = {"width": lane.width, "refused": int(lane.refused), "at": at}
        width = upsert(lane_widths).values(provider=provider, account=account, **known)
        connection.execute(
            width.on_conflict_do_update(index_elements=["provider", "account"], set_=known)
        )
