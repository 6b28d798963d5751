"""What admitting a plan tells: findings, and who makes what at which price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from pipeline.diagnostics import Diagnostic, has_errors
from pipeline.run.ledger.summary import Line
from pipeline.run.ledger.tables import usd
from pipeline.run.lifecycle import State


class Status(StrEnum):
    """Where an item stands before a run, as a plan tells it."""

    NEW = "new"
    CHANGED = "changed"
    """To be made, and its address was made from something else before."""
    AGAIN = "again"
    """Failed, known to be free and transient."""
    HELD = "held"
    IN_FLIGHT = "in_flight"
    IN_DOUBT = "in_doubt"
    OVERDUE = "overdue"
    FAILED = "failed"
    ABANDONED = "abandoned"
    OFF_SPEC = "off_spec"
    REUSED = "reused"
    SHARED = "shared"
    """The same work as an earlier item of the plan: bought once."""


MAKES = frozenset({Status.NEW, Status.CHANGED, Status.AGAIN, Status.HELD})
"""What the next run would buy."""
UNSETTLED = frozenset({Status.IN_FLIGHT, Status.IN_DOUBT, Status.OVERDUE})
"""What a run settles before it buys anything new."""

_STATUS: Mapping[State, Status] = MappingProxyType(
    {
        State.PLANNED: Status.NEW,
        State.HELD: Status.HELD,
        State.STAGING: Status.IN_FLIGHT,
        State.SUBMITTING: Status.IN_FLIGHT,
        State.IN_DOUBT: Status.IN_DOUBT,
        State.WAITING: Status.IN_FLIGHT,
        State.OVERDUE: Status.OVERDUE,
        State.FETCHING: Status.IN_FLIGHT,
        State.DONE: Status.REUSED,
        State.OFF_SPEC: Status.OFF_SPEC,
        State.FAILED: Status.FAILED,
        State.ABANDONED: Status.ABANDONED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """Items of one shot and provider with one status; prices are sums over those with a price."""

    shot: str
    provider: str
    status: Status
    cause: str
    items: int
    unpriced: int
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a plan would buy, in all."""

    items: int
    unpriced: int
    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What admitting a plan came to; with an error among the findings, nothing was written."""

    campaign: str
    findings: tuple[Diagnostic, ...] = ()
    items: int = 0
    lines: tuple[PlanLine, ...] = ()
    restore: int = 0
    """Finished items whose output path is empty: put back from the store, without a request."""
    orphaned: tuple[str, ...] = field(default=())
    """Addresses that an earlier plan had, and this one does not."""

    @property
    def ok(self) -> bool:
        """Tell whether the plan was admitted."""
        return not has_errors(self.findings)

    @property
    def to_make(self) -> Totals:
        """Return what the next run would buy."""
        lines = [line for line in self.lines if line.status in MAKES]
        return Totals(
            items=sum(line.items for line in lines),
            unpriced=sum(line.unpriced for line in lines),
            low_usd=sum((line.low_usd for line in lines), Decimal(0)),
            expected_usd=sum((line.expected_usd for line in lines), Decimal(0)),
            high_usd=sum((line.high_usd for line in lines), Decimal(0)),
        )

    def count(self, *statuses: Status) -> int:
        """Count the items of these statuses."""
        return sum(line.items for line in self.lines if line.status in statuses)


def plan_lines(lines: Iterable[Line]) -> tuple[PlanLine, ...]:
    """Return the ledger's lines as a plan tells them."""
    return tuple(
        PlanLine(
            shot=line.shot,
            provider=line.provider,
            status=_status(line),
            cause=line.cause,
            items=line.items,
            unpriced=line.unpriced,
            low_usd=usd(line.low_microusd),
            expected_usd=usd(line.expected_microusd),
            high_usd=usd(line.high_microusd),
        )
        for line in lines
    )


def _status(line: Line) -> Status:
    if line.shared:
        return Status.SHARED
    if line.state is State.PLANNED and line.changed:
        return Status.CHANGED
    if line.state is State.FAILED and line.free:
        return Status.AGAIN
    return _STATUS[line.state]
