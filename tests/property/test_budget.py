"""For any prices, limits, concurrency and order of replies, the budget is a contract."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain import Budget
from pipeline.ledger.root_lock import LEDGER
from pipeline.storage.fs import STATE_FOLDER
from tests.examples import examples
from tests.unit.run.campaign import Studio, entry

CENTS = st.integers(1, 300).map(lambda cents: Decimal(cents) / 100)
_BOUND = (
    "SELECT coalesce(sum(charged_microusd + reserved_microusd + possible_microusd), 0)"
    " FROM purchases"
)
ENDINGS = st.sampled_from(["done", "failed", "failed_free", "refused", "stuck"])


@dataclass
class Auditor:
    """Looks at the money at every point of the run, beside the run, as another reader."""

    root: Path
    seen: list[Decimal] = field(default_factory=list)

    def __call__(self, _: str) -> None:
        """Add up what is bound now, as committed."""
        with closing(sqlite3.connect(self.root / STATE_FOLDER / LEDGER)) as ledger:
            ((bound,),) = ledger.execute(_BOUND)
        self.seen.append(Decimal(bound) / 1_000_000)


@examples(8, 100)
def test_the_limit_is_kept_at_every_commit(examples: int) -> None:
    """Charged + reserved + possible stays within the limits as long as no charge exceeds them."""
    settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )(_the_limit_is_kept)()


@given(
    prices=st.lists(CENTS, min_size=1, max_size=6),
    limit=CENTS,
    per_run=CENTS,
    concurrency=st.integers(1, 6),
    endings=st.lists(ENDINGS, max_size=6),
)
def _the_limit_is_kept(
    prices: list[Decimal],
    limit: Decimal,
    per_run: Decimal,
    concurrency: int,
    endings: list[str],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        budget = Budget(limit_usd=limit, per_run_usd=per_run)
        studio = Studio(Path(folder), budget=budget, concurrency=concurrency)
        studio.shop.price = min(prices)
        studio.shop.endings.extend(endings)
        auditor = Auditor(studio.root)
        studio.admit(entry(f"i{n}", price=str(price)) for n, price in enumerate(prices))
        outcome = asyncio.run(studio.run(checkpoint=auditor))

        assert max(auditor.seen, default=Decimal(0)) <= min(limit, per_run)
        assert studio.shop.billed <= min(limit, per_run)
        held = studio.states().count("held")
        assert (outcome.exit_code in {11, 13}) or not held


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(count=st.integers(2, 8), concurrency=st.integers(1, 4))
def test_after_a_charge_above_its_reservation_nothing_is_submitted(
    count: int, concurrency: int
) -> None:
    """The commit that books such a charge closes the run: no submit comes after it."""
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder), concurrency=concurrency)
        studio.shop.price = Decimal("0.60")
        studio.admit(entry(f"i{n}") for n in range(count))
        submits_at: list[int] = []

        def watch(_: str) -> None:
            if any(event.name == "overcharged" for event in studio.events):
                submits_at.append(studio.shop.submits)

        outcome = asyncio.run(studio.run(checkpoint=watch))

        assert 11 == outcome.exit_code
        assert len(set(submits_at)) <= 1
        assert studio.shop.submits <= concurrency
        assert studio.shop.billed == outcome.committed_usd
