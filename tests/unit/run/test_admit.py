"""A plan enters the ledger whole or not at all, and says what it comes to."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from pipeline.domain import Budget
from pipeline.domain.states import Status
from pipeline.findings import Finding, Severity, Span
from pipeline.ledger.repository import Ledger
from pipeline.run.plan_sync import PlanSummary, sync_plan
from pipeline.storage.fs import STATE_FOLDER
from tests.unit.run.campaign import CAMPAIGN, Studio, entry

pytestmark = pytest.mark.usefixtures("each_dialect")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root, a shop and a clock."""
    return Studio(tmp_path)


def slugs(admission: PlanSummary) -> list[str]:
    """Return the findings' slugs."""
    return [finding.slug for finding in admission.findings]


def statuses(admission: PlanSummary) -> dict[str, int]:
    """Return how many items have which status."""
    return {status.value: n for status in Status if (n := admission.count(status))}


def test_a_new_plan_is_all_new_and_has_a_price(studio: Studio) -> None:
    """Every item of a first plan is to be made, and its prices add up."""
    admission = studio.admit([entry("a"), entry("b", price="1.00")])

    assert {"new": 2} == statuses(admission)
    assert Decimal("1.56") == admission.to_make.high_usd


def test_an_item_without_a_price_is_counted_not_taken_for_free(studio: Studio) -> None:
    """Unknown prices are never shown as 0: they are counted apart."""
    admission = studio.admit([entry("a"), entry("b", price=None)])

    assert (1, Decimal("0.56")) == (admission.to_make.unpriced, admission.to_make.high_usd)


def test_two_items_with_an_address_that_was_planned_before_are_told(studio: Studio) -> None:
    """Both are lines that are there already: that no line is added hides nothing."""
    assert studio.admit([entry("a"), entry("b")]).ok

    admission = studio.admit([entry("a"), entry("b"), entry("b", output="other.{ext}")])

    assert ["same-address"] == [finding.slug for finding in admission.findings]


def test_two_items_with_one_address_name_both_origins(studio: Studio) -> None:
    """The later one is the finding, the earlier one is related; nothing is written."""
    admission = studio.admit([entry("a"), entry("b"), entry("a", output="other.{ext}")])

    (finding,) = admission.findings
    assert "same-address" == finding.slug
    assert "products.csv" == finding.span.file
    assert 1 == len(finding.related)
    assert [] == studio.records()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Spin/A.{ext}", "spin/a.{ext}"),
        ("caf\u00e9.{ext}", "cafe\u0301.{ext}"),
        ("STRASSE.{ext}", "stra\u00dfe.{ext}"),
    ],
)
def test_output_paths_that_a_file_system_confuses_are_one(
    studio: Studio, first: str, second: str
) -> None:
    """Paths that differ only in case or Unicode form are a finding."""
    admission = studio.admit([entry("a", output=first), entry("b", output=second)])

    assert ["same-output"] == slugs(admission)


def test_clashes_are_found_across_batches(studio: Studio) -> None:
    """Uniqueness is the index's: it does not matter how far apart two items are."""
    plan = [entry(f"i{n}") for n in range(1500)]

    admission = studio.admit([*plan, entry("late", output="spin/i3.{ext}")])

    assert ["same-output"] == slugs(admission)


def test_one_error_keeps_everything_out(studio: Studio) -> None:
    """A finding among the entries leaves the ledger as it was: nothing is half admitted."""
    studio.admit([entry("a")])

    admission = studio.admit([entry("a"), entry("b"), _bad()])

    assert not admission.ok
    assert ["spin[a]"] == [record.address for record in studio.records()]


def test_a_warning_keeps_nothing_out(studio: Studio) -> None:
    """Warnings are told, and the plan is admitted."""
    warning = Finding(
        slug="odd", message="odd", span=Span(file="m.yaml"), severity=Severity.WARNING
    )

    assert studio.admit([entry("a"), warning]).ok


def test_an_axis_that_changes_nothing_is_one_purchase(studio: Studio) -> None:
    """Items that differ in an axis but not in their key are bought once; the plan warned of it."""
    plan = [entry(f"a{n}", key="same", row="a", axes={"market": str(n)}) for n in range(4)]

    admission = studio.admit(plan)

    assert [] == slugs(admission)
    assert {"new": 1, "shared": 3} == statuses(admission)
    assert Decimal("0.56") == admission.to_make.high_usd


async def test_what_was_paid_for_and_left_the_plan_is_known(studio: Studio) -> None:
    """An edited and a dropped item were paid for: the limit counts them, and the report says so."""
    await studio.make("a", "b", "c")

    admission = studio.admit([entry("a"), entry("b", key="b, edited")])

    with Ledger.open(studio.root) as ledger:
        paid = sum((record.charged_usd for record in ledger.records(CAMPAIGN)), Decimal(0))
        assert admission.committed_usd == ledger.committed_usd(CAMPAIGN) == 3 * paid > 0


async def test_what_is_done_is_reused_and_what_changed_says_so(studio: Studio) -> None:
    """A second plan tells reused, changed, new and orphaned items apart."""
    await studio.make("a", "b", "c")

    admission = studio.admit([entry("a"), entry("b", key="b, edited"), entry("d")])

    assert {"reused": 1, "changed": 1, "new": 1} == statuses(admission)
    assert ("spin[c]",) == admission.orphaned


async def test_a_deleted_clip_is_counted_as_restored(studio: Studio) -> None:
    """A finished item whose file is gone is put back, not made again."""
    await studio.make("a")
    studio.clip("a").unlink()

    assert 1 == studio.admit([entry("a")]).restore


def test_a_foreign_file_is_found_before_money(studio: Studio) -> None:
    """A file that is no clip of this ledger is never overwritten: it is a finding."""
    studio.clip("a").parent.mkdir(parents=True)
    studio.clip("a").write_bytes(b"mine")

    assert ["foreign-file"] == slugs(studio.admit([entry("a")]))


async def test_a_file_put_over_a_clip_is_foreign(studio: Studio) -> None:
    """Also where our clip stood before."""
    await studio.make("a")
    studio.clip("a").unlink()
    studio.clip("a").write_bytes(b"mine now")

    assert ["foreign-file"] == slugs(studio.admit([entry("a", key="edited")]))


async def test_an_edited_item_replaces_its_old_clip(studio: Studio) -> None:
    """What stands at the path is a clip of this ledger: the new one takes its place."""
    await studio.make("a")
    old = studio.clip("a").read_bytes()
    assert studio.admit([entry("a", key="edited")]).ok

    await studio.run()

    assert old != studio.clip("a").read_bytes()
    assert (studio.root / STATE_FOLDER / "store").glob(f"*/{hashlib.sha256(old).hexdigest()}*")


def test_a_row_over_its_budget_is_a_finding(studio: Studio) -> None:
    """The prices of a row's items together may not exceed per_row."""
    studio.budget = Budget(per_row_usd=Decimal(1))

    admission = studio.admit([entry("a", row="r"), entry("b", row="r"), entry("c", row="s")])

    assert ["over-row-budget"] == slugs(admission)


async def test_planning_in_memory_knows_the_ledger_and_writes_nothing(studio: Studio) -> None:
    """A plan that is only looked at sees what is done, and leaves every byte as it was."""
    await studio.make("a", "b")
    before = {path: path.read_bytes() for path in studio.root.rglob("*") if path.is_file()}

    with Ledger.memory(studio.root) as ledger:
        admission = sync_plan([entry("a"), entry("c")], ledger, campaign=CAMPAIGN)

    assert {"reused": 1, "new": 1} == statuses(admission)
    assert ("spin[b]",) == admission.orphaned
    assert before == {path: path.read_bytes() for path in studio.root.rglob("*") if path.is_file()}


async def test_a_run_under_way_plans_no_other_work(studio: Studio) -> None:
    """More items are planned beside it; where a known one is other work by then, nothing is."""
    await studio.make("a")
    with Ledger.open(studio.root) as ledger:
        planned = partial(sync_plan, ledger=ledger, campaign=CAMPAIGN, under_way=True)

        other = planned([entry("a", key="other"), entry("c")])
        assert (0, 0) == (other.items, other.to_make.items)
        assert ["spin[a]"] == [each.address for each in ledger.records(CAMPAIGN)]
        more = planned([entry("a"), entry("c")])

        assert {"reused": 1, "new": 1} == statuses(more)
        assert ["spin[a]", "spin[c]"] == [each.address for each in ledger.records(CAMPAIGN)]


def test_planning_where_nothing_was_run_makes_no_folder(tmp_path: Path) -> None:
    """Looking at a plan leaves no trace."""
    with Ledger.memory(tmp_path / "outputs") as ledger:
        admission = sync_plan([entry("a")], ledger, campaign=CAMPAIGN)

    assert {"new": 1} == statuses(admission)
    assert not (tmp_path / "outputs").exists()


def _bad() -> Finding:
    return Finding(slug="bad-cell", message="it is bad", span=Span(file="m.yaml"))
