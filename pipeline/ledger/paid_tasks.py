"""Tasks that providers were paid for, or may have been: what a provider's bill is held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from pipeline.ledger.jobs import CHARGED
from pipeline.ledger.purchases import IMPORTED, NOT_ACCEPTED, PAID_EARLIER, REFUSED
from pipeline.ledger.sql_schema import purchases, usd


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidTask:
    """One purchase that a provider took, or may have taken."""

    provider: str
    account: str
    address: str
    task: str
    """Empty where nobody knows which it became: a lost reply that a person decided."""
    charged_usd: Decimal
    possible_usd: Decimal
    reserved_usd: Decimal
    source: str
    """Where the charge is from, such as `reported` or `estimated`."""
    outcome: str
    """What became of it; empty while it has not ended."""
    at: datetime
    """When it was taken, UTC; else when it was sent."""

    @property
    def is_made(self) -> bool:
        """Tell whether its clip was finished."""
        return self.outcome == CHARGED

    @property
    def has_ended(self) -> bool:
        """Tell whether its charge is booked, as far as it will be."""
        return bool(self.outcome)


def paid_tasks(connection: Connection) -> list[PaidTask]:
    """Return what was sent and not turned away, oldest first.

    Clips that were adopted or imported are not: nobody knows as which task they were bought.
    """
    query = select(purchases).where(
        purchases.c.outcome.not_in([NOT_ACCEPTED, REFUSED]),
        purchases.c.charge_source.not_in([PAID_EARLIER, IMPORTED]),
    )
    return [
        PaidTask(
            provider=row.provider,
            account=row.account,
            address=row.address,
            task=row.task or "",
            charged_usd=usd(row.charged_microusd),
            possible_usd=usd(row.possible_microusd),
            reserved_usd=usd(row.reserved_microusd),
            source=row.charge_source,
            outcome=row.outcome,
            at=datetime.fromtimestamp(row.accepted_at or row.intent_at, UTC),
        )
        for row in connection.execute(query.order_by(purchases.c.id))
    ]
