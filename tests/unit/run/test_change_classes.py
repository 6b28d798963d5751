"""What a plan says it does to each item, and what it compares an item with."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import PricedItem
from pipeline.domain.changes import ChangeClass, ItemChange
from pipeline.ledger.repository import Ledger
from pipeline.run.plan_sync import sync_plan
from tests.unit.run.campaign import CAMPAIGN, Studio, entry


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a studio where nothing was bought yet."""
    return Studio(tmp_path)


def planned(studio: Studio, *entries: PricedItem) -> dict[str, ItemChange]:
    """Return by address what a plan would do; nothing is written."""
    with Ledger.memory(studio.root) as ledger:
        assert sync_plan(entries, ledger, campaign=CAMPAIGN).ok
        return {item.address: item for item in ledger.item_changes(CAMPAIGN)}


async def test_a_key_that_was_never_bought_is_not_what_is_compared_with(studio: Studio) -> None:
    """Bought, edited and held, edited again: what was bought is compared with what is wanted."""
    await studio.make("a")
    assert studio.admit([entry("a", key="held")]).ok
    held = planned(studio, entry("a", key="held"))["spin[a]"]
    wanted = planned(studio, entry("a", key="wanted"))["spin[a]"]

    first = hashlib.sha256(b"a").hexdigest()
    assert [ChangeClass.BUYS_AGAIN] * 2 == [held.change, wanted.change]
    assert [first] * 2 == [each.earlier.key for each in (held, wanted) if each.earlier]
    back = planned(studio, entry("a"))["spin[a]"]
    assert (ChangeClass.NOTHING, None) == (back.change, back.earlier)


async def test_what_was_never_bought_is_not_bought_again(studio: Studio) -> None:
    """A plan that was written and not run leaves nothing to compare with."""
    assert studio.admit([entry("a")]).ok

    (item,) = planned(studio, entry("a", key="other")).values()

    assert (ChangeClass.BUYS, None, ()) == (item.change, item.earlier, item.changed)


async def test_a_clip_goes_to_another_path(studio: Studio) -> None:
    """Its clip is there: it is laid out again, and told from where to where."""
    await studio.make("a")

    (item,) = planned(studio, entry("a", output="turn/a.{ext}")).values()

    assert ChangeClass.LAYS_OUT_AGAIN == item.change
    assert ("spin/a.mp4", "turn/a.mp4") == (item.old_output, item.output)


async def test_changes_are_added_up_by_shot_and_part(studio: Studio) -> None:
    """Two items of one reason are one line, with their price; one without a price is counted."""
    await studio.make("a", "b", "c")
    edited = [entry("a", key="A"), entry("b", key="B", price=None), entry("c")]

    with Ledger.memory(studio.root) as ledger:
        (group,) = sync_plan(edited, ledger, campaign=CAMPAIGN).changes

    assert (ChangeClass.BUYS_AGAIN, "spin", ("prompt",)) == (group.change, group.shot, group.parts)
    assert (2, 1, Decimal("0.56")) == (group.items, group.unpriced, group.expected_usd)
    assert "spin[a]" == group.example.address


async def test_what_is_left_out_is_not_added_up(studio: Studio) -> None:
    """A selection of other items buys none of it."""
    await studio.make("a")

    class Nothing:
        def __call__(self, record: object) -> bool:
            return record is None

        def findings(self) -> tuple[()]:
            return ()

    with Ledger.memory(studio.root) as ledger:
        summary = sync_plan([entry("a", key="A")], ledger, campaign=CAMPAIGN, choice=Nothing())

    assert () == summary.changes


async def test_another_profile_is_what_a_new_one_is_compared_with(studio: Studio) -> None:
    """Its address was bought there: `why` tells what is another here."""
    await studio.make("a")
    made = entry("a", key="draft")
    draft = replace(made, item=replace(made.item, campaign=f"{CAMPAIGN}@draft"))

    with Ledger.memory(studio.root) as ledger:
        assert sync_plan([draft], ledger, campaign=f"{CAMPAIGN}@draft").ok
        other = ledger.sibling_work(f"{CAMPAIGN}@draft", "spin[a]")
        (item,) = ledger.item_changes(f"{CAMPAIGN}@draft")

    assert ChangeClass.BUYS == item.change
    assert other is not None
    assert (CAMPAIGN, hashlib.sha256(b"a").hexdigest()) == (other.campaign, other.key)
