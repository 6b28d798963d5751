"""What a plan is made from, as it is kept beside it: digests, findings, prices.

By it `plan_reuse` knows that a plan need not be made again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import orjson

from pipeline.domain import Price, PricedItem
from pipeline.findings import Finding, Severity, Span
from pipeline.ledger.price_confirmations import PriceClass, SeenPrice
from pipeline.ledger.sql_schema import micro
from pipeline.ledger.standing_plan import StandingPlan

_MOST_PRICES = 10_000
"""With more different prices than this, as of as many lengths, a plan is always made anew."""
_Amounts = tuple[int | None, int | None, int | None]


class ReservedPrices:
    """The prices of a plan's items in micro-USD: low, expected, high; each worked out once.

    At what a price was seen to be, if that is more than the price list says.
    """

    def __init__(self, seen: Mapping[PriceClass, SeenPrice]) -> None:
        self._seen = seen
        self._known: dict[tuple[Any, ...], _Amounts] = {}

    def reserve(self, of: tuple[Any, ...], price: Price | None) -> _Amounts:
        """Return low, expected and high of an item; None where no price is known.

        `of` is what makes items cost the same: provider, model, mode, kind and length in seconds.
        """
        listed = (price.low_usd, price.expected_usd, price.high_usd) if price else None
        known = self._known.get((of, listed))
        if known is None:
            known = self._known[of, listed] = self._reserve(of, listed)
        return known

    def _reserve(
        self, of: tuple[Any, ...], listed: tuple[Decimal, Decimal, Decimal] | None
    ) -> _Amounts:
        if listed is None:
            return (None, None, None)
        provider, model, mode, kind, seconds = of
        low, expected, high = map(micro, listed)
        seen = self._seen.get(PriceClass(provider=provider, model=model, mode=mode, kind=kind))
        if seen is None:
            return (low, expected, high)
        return (
            low,
            seen.amount_to_reserve(expected, seconds),
            seen.amount_to_reserve(high, seconds),
        )

    @property
    def plain(self) -> list[list[Any]] | None:
        """Return them as JSON can hold them; None where they are too many."""
        if len(self._known) > _MOST_PRICES:
            return None
        return sorted(
            (
                [*of, listed and list(map(str, listed)), list(amounts)]
                for (of, listed), amounts in self._known.items()
            ),
            key=str,
        )

    def agree(self, plain: Sequence[Sequence[Any]]) -> bool:
        """Take in prices that were kept as plain data; tell whether they would be the same now."""
        for *of, listed, amounts in plain:
            usd = listed and tuple(map(Decimal, listed))
            known = self._known[tuple(of), usd] = self._reserve(tuple(of), usd)
            if list(known) != amounts:
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """What is told of a plan beside its items in the ledger."""

    items: int
    findings: tuple[Finding, ...]
    """But for those of reading, which is done each time."""
    prices: Sequence[Sequence[Any]]
    has_folders_like_files: bool
    read: Mapping[str, Any]
    """What else was read for it, in its reader's own form."""

    @classmethod
    def load(cls, told: bytes) -> KeptPlan:
        """Return what `PlanInputs.standing_plan` wrote down."""
        data = orjson.loads(told)
        return cls(**{**data, "findings": tuple(map(_finding, data["findings"]))})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """What a plan is made from; its entries begin with the findings of reading."""

    digest: str
    """Of everything but the rows of tables, and what `read` returns."""
    rows: bytes
    """Digests of the tables' rows, in their order."""
    findings: tuple[Finding, ...]
    """Those of reading."""
    read: Callable[[], Mapping[str, Any]]
    """Returns, once the plan is made, what was read for it and what is told of it."""
    agrees: Callable[[Mapping[str, Any]], bool]
    """Tells whether what `read` returned at another time would be read again."""
    changed_rows: Callable[[bytes], frozenset[tuple[str, str]] | None]
    """Returns shot and row key of rows that differ from digests; None if not only values do."""
    plan_rows: Callable[[frozenset[tuple[str, str]]], Iterable[PricedItem | Finding]]
    """Plans some rows alone, by shot and row key; what it yields begins with the findings."""

    def standing_plan(
        self,
        findings: Sequence[Finding],
        prices: ReservedPrices,
        items: int,
        file_like: Collection[str],
    ) -> StandingPlan | None:
        """Return what is kept beside a plan that was made from this; None if it has to be anew."""
        amounts = prices.plain
        if amounts is None:
            return None
        told = {
            "items": items,
            "findings": [asdict(each) for each in findings[len(self.findings) :]],
            "prices": amounts,
            "has_folders_like_files": bool(file_like),
            "read": self.read(),
        }
        return StandingPlan(inputs=self.digest, rows=self.rows, told=orjson.dumps(told))


def _finding(data: Mapping[str, Any]) -> Finding:
    return Finding(
        **{
            **data,
            "span": Span(**data["span"]),
            "severity": Severity(data["severity"]),
            "rows": tuple(data["rows"]),
            "related": tuple(Span(**span) for span in data["related"]),
        }
    )
