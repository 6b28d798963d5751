"""A run of some items: the others are neither bought nor held nor forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipeline.domain import Record
from pipeline.domain.states import Status
from pipeline.findings import Finding, Span
from pipeline.ledger.repository import Ledger
from pipeline.run.outcome import Outcome
from pipeline.run.plan_sync import PlanSummary, sync_plan
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.older import make_older
from tests.unit.run.shop import OFFER, Provider


@dataclass
class Only:
    """Selects the items of these rows; remembers whom it was asked for."""

    rows: tuple[str, ...]
    faults: tuple[Finding, ...] = ()
    asked: list[Record] = field(default_factory=list)

    def __call__(self, record: Record) -> bool:
        """Tell whether it is one of them."""
        self.asked.append(record)
        return record.row_key in self.rows

    def findings(self) -> Iterable[Finding]:
        """Return what is wrong with the selection."""
        return self.faults


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root, a shop and a clock."""
    return Studio(tmp_path)


async def _make(studio: Studio, names: str, only: str) -> Outcome:
    assert studio.admit([entry(name) for name in names], Only(tuple(only))).ok
    return await studio.run()


def _bought(studio: Studio) -> list[str]:
    return sorted(task.body["prompt"] for task in studio.shop.tasks.values())


def _statuses(admission: PlanSummary) -> dict[str, int]:
    return {status.value: n for status in Status if (n := admission.count(status))}


async def test_nothing_outside_the_selection_is_bought(studio: Studio) -> None:
    """Of four items two are made, all that was asked for is done, and two stay planned."""
    outcome = await _make(studio, "abcd", only="bd")

    assert ["b", "d"] == _bought(studio)
    assert ["planned", "done", "planned", "done"] == studio.states()
    assert 0 == outcome.exit_code


async def test_a_later_full_run_makes_the_rest_and_buys_nothing_twice(studio: Studio) -> None:
    """The selection was of that run alone: the next one goes on with everything."""
    await _make(studio, "abcd", only="bd")

    outcome = await studio.make("a", "b", "c", "d")

    assert ["a", "b", "c", "d"] == _bought(studio)
    assert ["done"] * 4 == studio.states()
    assert 0 == outcome.exit_code


async def test_the_plan_is_admitted_whole(studio: Studio) -> None:
    """What is not selected is in the plan still: no orphans, and its price is not asked for."""
    await studio.make("a", "b", "c")

    admission = studio.admit([entry(name) for name in "abcd"], Only(("c", "d")))

    assert (4, 2, ()) == (admission.items, admission.selected, admission.orphaned)
    assert {"reused": 1, "new": 1} == _statuses(admission)
    assert 1 == admission.to_make.items


def test_the_choice_sees_each_item_once_as_it_stands(studio: Studio) -> None:
    """It is asked in plan order, with status and state."""
    only = Only(("a",))
    studio.admit([entry(name) for name in "abc"], only)

    seen = [(record.address, record.status, record.state) for record in only.asked]
    assert [(f"spin[{name}]", "new", "planned") for name in "abc"] == seen


def test_a_fault_of_the_selection_keeps_the_plan_out(studio: Studio) -> None:
    """A selection that means nothing changes nothing."""
    fault = Finding(slug="no-match", message="nothing", span=Span(file="--select"))

    admission = studio.admit([entry("a")], Only((), faults=(fault,)))

    assert not admission.ok
    assert [] == studio.records()


def test_a_plan_with_errors_is_not_selected_from(studio: Studio) -> None:
    """Where items are missing for their faults, no selection is blamed for finding nothing."""
    only = Only(())

    studio.admit([entry("a"), Finding(slug="bad", message="bad", span=Span(file="m"))], only)

    assert [] == only.asked


async def test_what_is_held_or_failed_elsewhere_is_not_revived(studio: Studio) -> None:
    """Neither a failure that may be tried again nor one that is named comes back unselected."""
    studio.shop.endings.extend(["failed_free"] * 2)
    studio.shop.script.extend(["ok", "ok", "refused"])
    studio.concurrency = 1
    studio.policy = replace(studio.policy, purchases=1)
    await studio.make("a", "b", "c")
    before = studio.states()
    studio.policy = replace(studio.policy, purchases=9)

    studio.admit([entry(name) for name in "abcd"], Only(("d",)))
    outcome = await studio.run(retry=("refused",))

    assert [*before, "done"] == studio.states()
    assert "failed" in before
    assert 0 == outcome.exit_code


async def test_a_lane_that_stops_holds_only_what_is_selected(studio: Studio) -> None:
    """The others are as they were: planned."""
    studio.shop.script.append("unpaid")
    studio.concurrency = 1

    await _make(studio, "abcd", only="ac")

    assert ["held", "planned", "held", "planned"] == studio.states()


async def test_what_is_in_flight_is_collected_whatever_is_selected(tmp_path: Path) -> None:
    """A clip that was paid for is fetched, also by a run that is about another one."""
    studio = Studio(tmp_path)
    studio.shop.endings.append("stuck")
    await studio.make("a")
    assert ["overdue"] == studio.states()
    for task in studio.shop.tasks.values():
        task.ending = "done"

    await _make(studio, "abc", only="b")

    assert ["done", "done", "planned"] == studio.states()
    assert ["a", "b"] == _bought(studio)


async def test_a_doubt_elsewhere_is_no_outcome_of_this_run(tmp_path: Path) -> None:
    """Exit 0 means that all asked for is done; what was not asked for keeps its doubt."""
    studio = Studio(tmp_path, provider=Provider(replace(OFFER, features=frozenset())))
    studio.confirm_price()
    studio.shop.forgets = True
    studio.shop.script.append("drop")
    await studio.make("a")

    outcome = await _make(studio, "ab", only="b")

    assert 0 == outcome.exit_code
    assert ["in_doubt", "done"] == studio.states()


async def test_an_item_that_shares_unselected_work_is_bought_for_itself(studio: Studio) -> None:
    """The first item of a key is not selected, the second is: bought once, for the second."""
    plan = [entry("a", key="same"), entry("b", key="same"), entry("c")]

    admission = studio.admit(plan, Only(("b",)))
    outcome = await studio.run()

    assert {"new": 1} == _statuses(admission)
    assert 1 == len(studio.shop.tasks)
    assert ["done", "done", "planned"] == studio.states()
    assert ["spin[b]", "", ""] == [record.shared_with for record in studio.records()]
    assert 0 == outcome.exit_code

    assert studio.admit(plan).ok
    await studio.run()

    assert 2 == len(studio.shop.tasks)
    assert ["", "spin[a]", ""] == [record.shared_with for record in studio.records()]


async def test_only_selected_clips_are_put_back(studio: Studio) -> None:
    """A clip that was deleted comes back with the run that asks for it."""
    await studio.make("a", "b")
    studio.clip("a").unlink()
    studio.clip("b").unlink()

    admission = studio.admit([entry("a"), entry("b")], Only(("b",)))
    outcome = await studio.run()

    assert 1 == admission.restore == outcome.restored
    assert (False, True) == (studio.clip("a").exists(), studio.clip("b").exists())


async def test_the_ledger_knows_what_was_selected(studio: Studio) -> None:
    """Records can be asked for what the last admission selected."""
    await _make(studio, "abc", only="ac")

    with Ledger.open(studio.root) as ledger:
        chosen = [record.address for record in ledger.records(CAMPAIGN, selected=True)]

    assert ["spin[a]", "spin[c]"] == chosen


async def test_a_ledger_without_selections_is_brought_up_to_date(studio: Studio) -> None:
    """One that an earlier version wrote is planned from, then opened, with everything selected."""
    await studio.make("a")
    make_older(studio.root, 1)

    with Ledger.memory(studio.root) as ledger:
        foreseen = sync_plan([entry("a"), entry("b")], ledger, campaign=CAMPAIGN)
    outcome = await studio.make("a", "b")

    assert {"reused": 1, "new": 1} == _statuses(foreseen)
    assert 0 == outcome.exit_code
    assert ["a", "b"] == _bought(studio)
