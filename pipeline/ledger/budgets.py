"""What each scope has committed, and what it may: campaign life, run, row, item.

All but the run's are the manifest's, whatever profile it was run with.

committed = charged + reserved + possible. The check against a limit and the reservation are one
conditional update, so no concurrency can leak past it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    bindparam,
    cast,
    func,
    literal,
    select,
    update,
)

from pipeline.domain import EMPTY, Budget
from pipeline.domain.item import place_of
from pipeline.domain.money import exact_usd
from pipeline.ledger.connection import upsert
from pipeline.ledger.fast_sql import execute, execute_many
from pipeline.ledger.sql_schema import (
    budgets,
    campaigns,
    is_take_of,
    manifest_of,
    micro,
    purchases,
    usd,
)

BUDGET = "budget"
"""The cause of a job that is held for want of money: the campaign's is used up."""
PLACE_SPEND = "place_spend"
"""The cause of a job that is held at its place's own cap, `accept.spend`."""
_CAUSES: Mapping[str, str] = MappingProxyType(
    {"campaign": BUDGET, "run": "per_run", "row": "per_row", "item": "per_item"}
    | {"place": PLACE_SPEND}
)
OVERCHARGED = "overcharged"
"""The cause of a job that is held since a clip cost more than was set aside for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits:
    """What may be committed per scope, in micro-USD; None is no limit."""

    campaign: int | None = None
    run: int | None = None
    row: int | None = None
    item: int | None = None
    places: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    """What a place of a shot may have, by the shot: `accept.spend`."""

    @property
    def any(self) -> bool:
        """Tell whether there is any limit."""
        scopes = (self.campaign, self.run, self.row, self.item)
        return bool(self.places) or any(limit is not None for limit in scopes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The purchase would go over a limit; without one, nothing more is bought in this run."""

    scope: str
    limit_usd: Decimal | None

    @property
    def cause(self) -> str:
        """Return the cause of the job that is held."""
        return OVERCHARGED if self.limit_usd is None else _CAUSES[self.scope]

    @property
    def message(self) -> str:
        """Return why, and what to do."""
        if self.limit_usd is None:
            return "a charge was above its reservation: nothing more is bought in this run"
        limit = exact_usd(self.limit_usd)
        if self.scope == "place":
            return f"its place may spend {limit} USD: raise `accept.spend`, then run again"
        todo = (
            "run again: each run has its own" if self.scope == "run" else "raise it, then run again"
        )
        return f"over the budget of {limit} USD per {self.scope}: {todo}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who a purchase is booked on: its manifest, run, row and item.

    An item is its work, not its address: a clip that is made from something else is another one,
    while all tries at the same work count together.
    """

    manifest: str
    run_id: int
    row_key: str
    key: str
    campaign_id: int
    address: str
    """Where it is bought: its place is of its campaign, profile and all, as decisions are."""

    def scope(self, name: str) -> str:
        """Return the payer's scope of that name (campaign, run, row, item, place)."""
        match name:
            case "campaign":
                return campaign_scope(self.manifest)
            case "run":
                return run_scope(self.run_id)
            case "row":
                return f"row:{self.manifest}:{self.row_key}"
            case "item":
                return f"item:{self.manifest}:{self.key}"
            case _:
                return f"place:{self.campaign_id}:{self.address.rpartition('#')[0]}"

    def limit(self, name: str, limits: BudgetLimits) -> int | None:
        """Return the limit of that scope, if any; what has no row is no row together."""
        if name == "place":
            return limits.places.get(_SHOT_END.split(self.address, maxsplit=1)[0])
        limit: int | None = getattr(limits, name)
        return None if name == "row" and not self.row_key else limit


_SHOT_END = re.compile(r"[\[#]")
# A row's key has its `#` encoded: the only one begins the take.
_PLACE = func.rtrim(func.rtrim(purchases.c.address, "0123456789"), "#")
SCOPES_IN_SQL: Mapping[str, ColumnElement[str]] = MappingProxyType(
    {
        "campaign": literal("campaign:") + campaigns.c.manifest,
        "run": literal("run:") + cast(purchases.c.run_id, String),
        "row": literal("row:") + campaigns.c.manifest + ":" + purchases.c.row_key,
        "item": literal("item:") + campaigns.c.manifest + ":" + purchases.c.key,
        "place": literal("place:") + cast(purchases.c.campaign_id, String) + ":" + _PLACE,
    }
)
"""`Payer.scope` of a purchase joined with its campaign, by the same names."""
_NAMES = ("campaign", "run", "row", "item", "place")
ALWAYS_KEPT = frozenset({"campaign", "run"})
"""Kept even without a limit: one may be set later. Rows and items are then summed up afresh."""


def campaign_scope(manifest: str) -> str:
    """Return the scope of a manifest's life in this ledger, over all its profiles."""
    return f"campaign:{manifest}"


def run_scope(run_id: int) -> str:
    """Return the scope of one run."""
    return f"run:{run_id}"


def limits(budget: Budget) -> BudgetLimits:
    """Return a manifest's budget as limits."""
    return BudgetLimits(
        campaign=_micro(budget.limit_usd),
        run=_micro(budget.per_run_usd),
        row=_micro(budget.per_row_usd),
        item=_micro(budget.per_item_usd),
        places={
            shot: micro(accept.spend_usd)
            for shot, accept in budget.accepts.items()
            if accept.spend_usd is not None
        },
    )


def open_scope(connection: Connection, scope: str, microusd: int = 0) -> None:
    """Make a scope known, unless it is, with what is committed in it."""
    row = {"scope": scope, "committed_microusd": microusd}
    connection.execute(upsert(budgets).values(row).on_conflict_do_nothing())


def close_scope(connection: Connection, scope: str) -> None:
    """Let nothing more be reserved in a scope."""
    connection.execute(update(budgets).where(budgets.c.scope == scope).values(closed=1))


def reserve(
    connection: Connection, payer: Payer, limits: BudgetLimits, amount: int
) -> Denied | None:
    """Reserve an amount in every scope of the payer, or in none; return who denies it."""
    done: list[str] = []
    unlimited: list[str] = []
    for name in _NAMES:
        scope, limit = payer.scope(name), payer.limit(name, limits)
        if limit is None and name not in ALWAYS_KEPT:
            unlimited.append(scope)
            continue
        if name not in ALWAYS_KEPT:
            _ensure(connection, payer, name)
        values = {"b_scope": scope, "b_amount": amount, "b_limit": limit}
        if execute(connection, _WITHIN, values).rowcount != 1:
            # Taken back by hand: the transaction goes on, to write that the job is held.
            adjust(connection, done, -amount)
            closed = connection.scalar(select(budgets.c.closed).where(budgets.c.scope == scope))
            # Without a limit only a closed scope denies.
            over = None if closed or limit is None else usd(limit)
            return Denied(scope=name, limit_usd=over)
        done.append(scope)
    # One that an earlier limit made known still counts: the limit may come back.
    adjust(connection, unlimited, amount)
    return None


def adjust(connection: Connection, scopes: Sequence[str], amount: int) -> None:
    """Change what is committed in those of the scopes that are known."""
    if amount and scopes:
        rows = [{"b_scope": scope, "b_amount": amount} for scope in scopes]
        execute_many(connection, _ADJUST, rows)


def adjust_all(connection: Connection, payer: Payer, amount: int) -> None:
    """Change what is committed in every scope of the payer."""
    adjust(connection, [payer.scope(name) for name in _NAMES], amount)


def sum_committed(connection: Connection, *, campaign: str) -> Decimal:
    """Return what is committed over the life of a campaign's manifest, over all its profiles."""
    scope = campaign_scope(manifest_of(campaign))
    found = connection.scalar(select(budgets.c.committed_microusd).where(budgets.c.scope == scope))
    return usd(found or 0)


def bound() -> ColumnElement[int]:
    """Return the expression of what purchases bind: charged + reserved + possible."""
    return func.coalesce(
        func.sum(
            purchases.c.charged_microusd
            + purchases.c.reserved_microusd
            + purchases.c.possible_microusd
        ),
        0,
    )


def _ensure(connection: Connection, payer: Payer, name: str) -> None:
    scope = payer.scope(name)
    if connection.scalar(select(budgets.c.scope).where(budgets.c.scope == scope)) is not None:
        return
    profiles = select(campaigns.c.id).where(campaigns.c.manifest == payer.manifest)
    whole, place = purchases.c.campaign_id.in_(profiles), place_of(payer.address)
    own = {
        "row": (whole, purchases.c.row_key == payer.row_key),
        "item": (whole, purchases.c.key == payer.key),
        "place": (
            purchases.c.campaign_id == payer.campaign_id,
            is_take_of(purchases.c.address, place),
        ),
    }
    sofar = connection.scalar(select(bound()).where(*own[name]))
    open_scope(connection, scope, sofar or 0)


def _micro(amount: Decimal | None) -> int | None:
    return None if amount is None else micro(amount)


_LIMIT = bindparam("b_limit", type_=BigInteger())
_AMOUNT = bindparam("b_amount", type_=BigInteger())
_WITHIN = (
    update(budgets)
    .where(
        budgets.c.scope == bindparam("b_scope"),
        budgets.c.closed == 0,
        _LIMIT.is_(None) | (budgets.c.committed_microusd + _AMOUNT <= _LIMIT),
    )
    .values(committed_microusd=budgets.c.committed_microusd + _AMOUNT)
)
_ADJUST = (
    update(budgets)
    .where(budgets.c.scope == bindparam("b_scope"))
    .values(committed_microusd=budgets.c.committed_microusd + _AMOUNT)
)
