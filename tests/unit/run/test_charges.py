"""What was charged stays charged, whatever becomes of the clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.domain import Feature, Record
from pipeline.ledger.integrity import damage
from pipeline.ledger.repository import Ledger
from pipeline.providers.base import Done, Response, TaskRef, TaskState
from pipeline.storage.blobs import Store
from tests.unit.run.campaign import CAMPAIGN, Studio, abandon_item, entry
from tests.unit.run.shop import OFFER, Provider

PRICE = Decimal("0.56")
LINKS_UNTIL_OVERDUE = 4
_FREE = replace(OFFER, features=frozenset({Feature.FREE_FAILURES, Feature.COST}))


def _only(studio: Studio) -> Record:
    (record,) = studio.records()
    return record


def _told(studio: Studio, words: Iterator[dict[str, Any]]) -> None:
    """Let the shop tell these of a task once it has finished, then what is true."""
    truth = studio.shop._status  # noqa: SLF001 - a shop that contradicts itself is scripted

    def status(name: str) -> dict[str, Any]:
        told = truth(name)
        return told if told["state"] != "done" else {**told, **next(words, {})}

    studio.shop._status = status  # type: ignore[method-assign]  # noqa: SLF001


async def test_a_clip_that_was_charged_is_given_up_and_stays_charged(tmp_path: Path) -> None:
    """A clip whose link stays dead was paid for: giving it up takes nothing out of the books."""
    studio = Studio(tmp_path)
    studio.shop.links.extend([410] * LINKS_UNTIL_OVERDUE)
    await studio.make("a")
    assert ("overdue", PRICE) == (_only(studio).state, _only(studio).charged_usd)

    with Ledger.open(studio.root) as ledger:
        abandon_item(ledger, CAMPAIGN, "spin[a]", now=studio.clock.now())

    record, outcome = _only(studio), await studio.run()
    assert ("abandoned", PRICE, "reported") == (
        record.state,
        record.charged_usd,
        record.charge_source,
    )
    assert Decimal(0) == record.possible_usd
    assert studio.shop.billed == outcome.committed_usd
    with Ledger.open(studio.root) as ledger:
        assert [] == list(damage(ledger, Store(studio.root)))


async def test_a_finished_clip_does_not_become_free_by_failing_later(tmp_path: Path) -> None:
    """Finished, its link dead, then said to have failed: it was paid for, and is not bought again.

    So it is although the provider's failures are free.
    """
    studio = Studio(tmp_path, provider=Provider(_FREE))
    studio.shop.links.append(410)
    _told(studio, iter([{}, {"state": "failed"}]))

    outcome = await studio.make("a")

    record = _only(studio)
    assert 1 == studio.shop.submits
    assert ("failed", PRICE, Decimal(0)) == (
        record.state,
        record.charged_usd,
        record.possible_usd,
    )
    assert studio.shop.billed == outcome.committed_usd


async def test_a_charge_outlives_an_answer_without_one(tmp_path: Path) -> None:
    """Asked again for its link, a provider that no longer tells the sum has not taken it back."""
    studio = Studio(tmp_path)
    studio.shop.price = Decimal("0.50")
    studio.shop.links.append(410)
    studio.provider = _Forgetful()

    outcome = await studio.make("a")

    record = _only(studio)
    assert ("done", Decimal("0.50"), "reported") == (
        record.state,
        record.charged_usd,
        record.charge_source,
    )
    assert studio.shop.billed == outcome.committed_usd
    told = [event.detail["charged_usd"] for event in studio.events if "charged_usd" in event.detail]
    assert [Decimal("0.50")] == told


async def test_a_failure_without_a_price_is_not_known_to_be_free(tmp_path: Path) -> None:
    """Where neither price nor charge is known, nothing says that buying again costs nothing."""
    studio = Studio(tmp_path)
    studio.shop.endings.append("failed")

    assert studio.admit([entry("a", price=None)]).ok
    await studio.run()

    assert 1 == studio.shop.submits
    assert "failed" == _only(studio).state


async def test_a_charge_told_late_is_held_against_its_reservation(tmp_path: Path) -> None:
    """Booked as estimated, then told as more, but no more than was reserved: nothing is stopped."""
    studio = Studio(tmp_path, provider=_Forgetful(told=True, late=True))
    studio.shop.price = Decimal("0.60")
    studio.shop.links.append(410)
    usual = entry("a")
    assert usual.price is not None
    price = replace(usual.price, high_usd=Decimal("1.20"))
    assert studio.admit([replace(usual, price=price)]).ok

    outcome = await studio.run()

    assert (0, False) == (outcome.exit_code, outcome.overcharged)
    assert ("reported", Decimal("0.60")) == (_only(studio).charge_source, outcome.committed_usd)


class _Forgetful(Provider):
    """Tells what a clip was charged when it is asked first; `late`: when it is asked again."""

    def __init__(self, *, told: bool = False, late: bool = False) -> None:
        super().__init__()
        self._told = told
        self._late = late

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the reply to a status request."""
        state = super().read_status(task, response)
        if isinstance(state, Done):
            state = replace(state, charge=None) if self._told else state
            self._told = not self._late
        return state


async def test_a_charge_that_neither_price_nor_provider_tells_is_unknown(tmp_path: Path) -> None:
    """Paid for, at a price that nobody knows: that is no estimate of nothing."""
    studio = Studio(tmp_path, provider=_Forgetful(told=True))

    assert studio.admit([entry("a", price=None)]).ok
    await studio.run()

    assert ("done", "unknown") == (_only(studio).state, _only(studio).charge_source)
