"""What admitting a plan tells: findings, and who makes what at which price."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from pipeline.domain.states import MAKES, UNSETTLED_STATUSES, State, Status, status_of
from pipeline.findings import Finding, has_errors
from pipeline.ledger.plan_totals import Line
from pipeline.ledger.price_confirmations import PriceStanding
from pipeline.ledger.sql_schema import usd
from pipeline.run.output_check import DamagedClip


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """Items of one shot and provider with one status; prices are sums over those with a price."""

    shot: str
    provider: str
    status: Status
    stands: Status
    """The same, except of items that share another's clip: where that one stands."""
    cause: str
    earlier_rule: bool
    """Its clip was made under a key of an earlier recipe, and satisfies it all the same."""
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
class ChangedOutput:
    """A file at an output path that was a clip when it was put there, and what is changed."""

    path: str
    """As a person finds it."""
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSummary:
    """What admitting a plan came to; with an error among the findings, nothing was written."""

    campaign: str
    findings: tuple[Finding, ...] = ()
    items: int = 0
    """All items of the plan, selected or not."""
    lines: tuple[PlanLine, ...] = ()
    """What is selected: everything, unless something else was asked for."""
    others: tuple[PlanLine, ...] = ()
    """What is not selected: it is neither bought nor held, but what was sent is collected."""
    changed: bool = False
    """Whether it is another plan than the campaign's last one."""
    restore: int = 0
    """Finished items whose output path is empty, or is another clip's or a hard link into the
    store: put back from the store, without a request."""
    changed_outputs: tuple[ChangedOutput, ...] = ()
    """Selected clips that somebody changed where they were put: left alone."""
    damaged_clips: tuple[DamagedClip, ...] = ()
    """Clips of the plan, selected or not, whose file in the store is gone or is not theirs."""
    orphaned: tuple[str, ...] = field(default=())
    """Addresses that an earlier plan had, and this one does not."""
    left_behind: tuple[tuple[str, str, State], ...] = ()
    """Address, provider and state of what earlier plans sent, and this one does not want."""
    retried: tuple[str, ...] = ()
    """Causes of failures that the next run is told to buy again (`--retry`)."""
    committed_usd: Decimal = Decimal(0)
    """What its manifest has charged, reserved and possible so far, over all profiles."""
    prices: tuple[PriceStanding, ...] = ()
    """How the prices of its items stand: confirmed by what was bought, or not."""

    @property
    def ok(self) -> bool:
        """Tell whether the plan was admitted."""
        return not has_errors(self.findings)

    def makes(self, line: PlanLine) -> bool:
        """Tell whether the next run would buy what is in a line, if it is selected."""
        again = line.status is Status.FAILED and line.cause in self.retried
        return again or line.status in MAKES

    @property
    def to_make(self) -> Totals:
        """Return what the next run would buy: the one place that works it out."""
        return self._totals(self.lines)

    @property
    def others_to_make(self) -> Totals:
        """Return what a run without a selection would buy besides."""
        return self._totals(self.others)

    def _totals(self, among: Iterable[PlanLine]) -> Totals:
        lines = [line for line in among if self.makes(line)]
        return Totals(
            items=sum(line.items for line in lines),
            unpriced=sum(line.unpriced for line in lines),
            low_usd=sum((line.low_usd for line in lines), Decimal(0)),
            expected_usd=sum((line.expected_usd for line in lines), Decimal(0)),
            high_usd=sum((line.high_usd for line in lines), Decimal(0)),
        )

    @property
    def selected(self) -> int:
        """Count the items that are selected."""
        return sum(line.items for line in self.lines)

    @property
    def unsettled(self) -> int:
        """Count the items that were sent and have no known end, selected or not.

        Those of earlier plans too: they were paid for.
        """
        every = (*self.lines, *self.others)
        sent = sum(line.items for line in every if line.status in UNSETTLED_STATUSES)
        return sent + len(self.left_behind)

    def count(self, *statuses: Status) -> int:
        """Count the selected items of these statuses."""
        return sum(line.items for line in self.lines if line.status in statuses)


def plan_lines(lines: Iterable[Line]) -> tuple[PlanLine, ...]:
    """Return the ledger's lines as a plan tells them."""
    return tuple(
        PlanLine(
            shot=line.shot,
            provider=line.provider,
            status=Status.SHARED if line.shared else _stands(line),
            stands=_stands(line),
            cause=line.cause,
            earlier_rule=line.earlier_rule,
            items=line.items,
            unpriced=line.unpriced,
            low_usd=usd(line.low_microusd),
            expected_usd=usd(line.expected_microusd),
            high_usd=usd(line.high_microusd),
        )
        for line in lines
    )


def _stands(line: Line) -> Status:
    return status_of(line.state, again=line.again, shared=False, changed=line.changed)
