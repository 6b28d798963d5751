"""What a budget's scopes count, as limits come and go."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Budget
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store
from tests.unit.run.campaign import Studio, entry

pytestmark = pytest.mark.usefixtures("each_dialect")


async def test_a_limit_that_comes_back_counts_what_was_bought_without_it(tmp_path: Path) -> None:
    """Two tries were bought while there was no limit per item: a third is over the new one."""
    studio = Studio(tmp_path, budget=Budget(per_item_usd=Decimal("1.20")))
    studio.shop.endings.extend(["failed"] * 3)
    await studio.make("a")
    studio.budget = Budget()
    await studio.run(retry=("provider",))
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))
    studio.budget = Budget(per_item_usd=Decimal("1.20"))

    outcome = await studio.run(retry=("provider",))

    assert ["held"] == studio.states()
    assert (2, Decimal("1.12")) == (studio.shop.submits, outcome.committed_usd)


async def test_items_without_a_row_are_no_row_together(tmp_path: Path) -> None:
    """A limit per row says nothing of shots that have none: neither in the plan nor in the run."""
    studio = Studio(tmp_path, budget=Budget(per_row_usd=Decimal("1.00")))
    whole = [entry(name) for name in "abc"]
    rowless = [replace(each, item=replace(each.item, row_key="")) for each in whole]

    assert studio.admit(rowless).ok
    await studio.run()

    assert ["done", "done", "done"] == studio.states()
