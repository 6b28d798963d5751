"""A budget is its manifest's: the profiles it is run with are not budgets of their own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Budget
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.run.plan_sync import sync_plan
from pipeline.storage.blobs import Store
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.older import make_older

PROFILES = ("", "draft", "hero", "night")
PRICE = Decimal("0.56")


async def _make_all(studio: Studio) -> list[int]:
    """Run one clip in each of the profiles; return the exit codes."""
    codes: list[int] = []
    for profile in PROFILES:
        assert studio.admit([entry(f"a{profile}")], profile=profile).ok
        codes.append((await studio.run(profile=profile)).exit_code)
    return codes


async def test_four_profiles_spend_no_more_than_the_limit(tmp_path: Path) -> None:
    """Under a limit for one clip, the first profile's is made and those of the others are held."""
    studio = Studio(tmp_path, budget=Budget(limit_usd=Decimal("1.00")))

    assert [0, 11, 11, 11] == await _make_all(studio)
    assert PRICE == studio.shop.billed
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))
        committed = {p: ledger.committed_usd(f"{CAMPAIGN}@{p}") for p in PROFILES[1:]}
        assert dict.fromkeys(PROFILES[1:], PRICE) == committed


async def test_a_row_has_one_limit_over_all_profiles(tmp_path: Path) -> None:
    """What a row's clips may cost together is not allowed once more under another profile."""
    studio = Studio(tmp_path, budget=Budget(per_row_usd=Decimal("1.00")))
    for profile in ("", "draft"):
        assert studio.admit([entry(f"a{profile}", row="a")], profile=profile).ok
        outcome = await studio.run(profile=profile)

    assert (11, PRICE) == (outcome.exit_code, studio.shop.billed)


@pytest.mark.parametrize("version", [1, 6])
async def test_an_older_ledger_has_its_profiles_summed_up(version: int, tmp_path: Path) -> None:
    """What profiles spent as campaigns of their own counts together: in a plan, then in a run."""
    studio = Studio(tmp_path)
    assert [0, 0, 0, 0] == await _make_all(studio)
    make_older(studio.root, version)
    studio.budget = Budget(limit_usd=5 * PRICE - Decimal("0.01"))

    with Ledger.memory(studio.root) as ledger:
        assert 4 * PRICE == sync_plan([entry("b")], ledger, campaign=CAMPAIGN).committed_usd
    outcome = await studio.make("b")

    assert (11, 4 * PRICE) == (outcome.exit_code, studio.shop.billed)
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))
