"""What a provider tells of money and is no sum: booked as possible, said, and never a nought."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain import Budget, Record
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.storage.blobs import Store
from tests.unit.run.campaign import CAMPAIGN, Studio, entry

PRICE = Decimal("0.56")


def tells(studio: Studio, cost: Any, **more: Any) -> None:
    """Let the shop tell this as the cost of whatever has ended."""
    truth = studio.shop._status  # noqa: SLF001 - a shop that tells nonsense is scripted

    def status(name: str) -> dict[str, Any]:
        told = truth(name)
        return {**told, "cost": cost, **more} if "cost" in told else told

    studio.shop._status = status  # type: ignore[method-assign]  # noqa: SLF001


def only(studio: Studio) -> Record:
    """Return the one item."""
    (record,) = studio.records()
    return record


def unread(studio: Studio) -> list[str]:
    """Return what was said of sums that are none."""
    return [e.detail["message"] for e in studio.events if e.name == "unread_charge"]


@pytest.mark.parametrize("cost", ["1_000", "٣", "1e-30", "-0", "", "0,5", "$0.50", True, [], -1])
async def test_a_charge_that_is_no_sum_may_have_been_all(tmp_path: Path, cost: Any) -> None:
    """The clip is kept; the whole reservation counts against the limit, and it is said why."""
    studio = Studio(tmp_path, budget=Budget(limit_usd=Decimal("0.60")))
    tells(studio, cost)

    outcome = await studio.make("a", "b")

    first = studio.records()[0]
    assert ("done", Decimal(0), PRICE, "unknown") == (
        first.state,
        first.charged_usd,
        first.possible_usd,
        first.charge_source,
    )
    assert (11, PRICE, False) == (outcome.exit_code, outcome.committed_usd, outcome.overcharged)
    assert [f"the provider tells a charge that is no sum of money: {cost!r}"] == unread(studio)
    assert 1 == studio.shop.submits
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))


@pytest.mark.parametrize("cost", [10**13, 10**18, 1e30, "9999999999"])
async def test_a_charge_too_large_to_book_stops_the_run(tmp_path: Path, cost: Any) -> None:
    """It is above its reservation, whatever it is: nothing more is bought in this run."""
    studio = Studio(tmp_path, concurrency=1)
    tells(studio, cost)

    outcome = await studio.make("a", "b")

    assert (11, True, PRICE) == (outcome.exit_code, outcome.overcharged, outcome.committed_usd)
    assert 1 == studio.shop.submits
    assert 1 == len(unread(studio))


async def test_many_of_the_largest_sums_are_added_up(tmp_path: Path) -> None:
    """Each is booked as it is told; no sum of them is too large for the ledger."""
    studio = Studio(tmp_path, concurrency=20)
    tells(studio, 999_999_999)

    outcome = await studio.make(*(f"i{n}" for n in range(20)))

    assert outcome.overcharged
    assert 999_999_999 * studio.shop.submits == outcome.spent_usd


async def test_a_charge_of_next_to_nothing_was_not_free(tmp_path: Path) -> None:
    """It is booked as a millionth of a dollar."""
    studio = Studio(tmp_path)
    tells(studio, 1e-30)

    await studio.make("a")

    assert (Decimal("0.000001"), "reported") == (
        only(studio).charged_usd,
        only(studio).charge_source,
    )


async def test_asked_for_another_link_it_stays_possible(tmp_path: Path) -> None:
    """What may have been charged is still counted when the clip is asked for again."""
    studio = Studio(tmp_path)
    tells(studio, "$0.50")
    studio.shop.links.extend([410, 410])

    outcome = await studio.make("a")

    assert ("done", PRICE) == (only(studio).state, only(studio).possible_usd)
    assert PRICE == outcome.committed_usd


async def test_without_a_price_an_unread_charge_is_unknown(tmp_path: Path) -> None:
    """Nobody knows the sum: it is told as unknown, not as nothing."""
    studio = Studio(tmp_path)
    tells(studio, "$0.50")

    assert studio.admit([entry("a", price=None)]).ok
    await studio.run()

    assert "unknown" == only(studio).charge_source
    with Ledger.open(studio.root) as ledger:
        assert CAMPAIGN == next(iter(ledger.records(CAMPAIGN))).campaign
