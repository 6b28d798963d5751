"""Each clip has one outcome, and the money of all outcomes is the ledger's, to the last cent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Record
from pipeline.domain.review import Review
from pipeline.domain.states import FINISHED, State
from pipeline.report.outcomes import Bound, ClipOutcome, Outcomes, OutcomeTally, outcome_of
from tests.unit.report.records import done, failed, held

CASES = (
    (done(review=Review.APPROVED), ClipOutcome.APPROVED),
    (done(review=Review.STALE, stale=True), ClipOutcome.APPROVED),
    (done(review=Review.REJECTED), ClipOutcome.REJECTED),
    (done(review=Review.WAITING), ClipOutcome.WAITING),
    (done(review=Review.LATER), ClipOutcome.WAITING),
    (done(review=Review.WAITING, not_needed=True), ClipOutcome.NOT_NEEDED),
    (done(state="off_spec", review=Review.WAITING), ClipOutcome.OFF_SPEC),
    (done(state="off_spec", review=Review.APPROVED), ClipOutcome.APPROVED),
    (failed(), ClipOutcome.FAILED),
    (failed(state="abandoned"), ClipOutcome.FAILED),
    (failed(state="in_doubt"), ClipOutcome.OPEN),
    (held(), ClipOutcome.OPEN),
)
SUMS = ("charged_usd", "reserved_usd", "possible_usd")
CENTS = st.integers(0, 500).map(lambda cents: Decimal(cents) / 100)


def _outcomes(*records: Record, lifetime: Bound | None = None) -> Outcomes:
    tally = OutcomeTally({"spin": {"SKU-1": "shoes", "SKU-2": "bags"}})
    for record in records:
        tally.add(record)
    return tally.outcomes(lifetime)


@pytest.mark.parametrize(("record", "outcome"), CASES)
def test_a_clip_has_one_outcome(record: Record, outcome: ClipOutcome) -> None:
    """What people said goes before what was measured; `later` is no decision."""
    assert outcome is outcome_of(record)


@st.composite
def _records(draw: st.DrawFn) -> Record:
    state = draw(st.sampled_from(list(State)))
    charged, possible = draw(CENTS), draw(CENTS)
    words = [review.value for review in Review] if state in FINISHED else [""]
    return replace(
        done(),
        state=state,
        review=draw(st.sampled_from(words)),
        charged_usd=charged,
        possible_usd=possible,
        reserved_usd=draw(CENTS),
        lost_charged_usd=draw(st.sampled_from([Decimal(0), charged])),
        lost_possible_usd=draw(st.sampled_from([Decimal(0), possible])),
        shared_with=draw(st.sampled_from(["", "another"])),
    )


@given(st.lists(_records(), max_size=20), CENTS)
def test_no_money_is_lost_between_outcomes(records: list[Record], before: Decimal) -> None:
    """The sums over outcomes are the campaign's; what is of no item is told as earlier."""
    own = [record for record in records if not record.shared_with]
    sums: dict[str, Any] = {
        name: sum((getattr(each, name) for each in own), Decimal(0)) for name in SUMS
    }
    lifetime = Bound(**{**sums, "charged_usd": sums["charged_usd"] + before})

    told = _outcomes(*records, lifetime=lifetime)

    assert {name: getattr(told.total, name) for name in SUMS} == {
        name: getattr(lifetime, name) for name in SUMS
    }
    assert len(records) == told.total.clips
    earlier = told.by_outcome.get(ClipOutcome.EARLIER, Bound())
    assert (0, before) == (earlier.clips, earlier.charged_usd)


def test_a_try_that_brought_no_clip_is_money_of_failures() -> None:
    """An approved clip that was paid at the second try: the first one's charge is no clip's."""
    told = _outcomes(
        done(review=Review.APPROVED, charged_usd=Decimal("0.84"), lost_charged_usd=Decimal("0.42"))
    )

    by_outcome = told.by_outcome
    assert (1, Decimal("0.42")) == (
        by_outcome[ClipOutcome.APPROVED].clips,
        by_outcome[ClipOutcome.APPROVED].charged_usd,
    )
    assert (0, Decimal("0.42")) == (
        by_outcome[ClipOutcome.FAILED].clips,
        by_outcome[ClipOutcome.FAILED].charged_usd,
    )


def test_an_approved_clip_costs_all_that_was_charged() -> None:
    """Rejected clips and earlier plans too; what is reserved is no cost."""
    told = _outcomes(
        done(review=Review.APPROVED),
        done(review=Review.APPROVED),
        done(review=Review.REJECTED),
        failed(state="waiting", reserved_usd=Decimal("0.42")),
        lifetime=Bound(charged_usd=Decimal("2.00"), reserved_usd=Decimal("0.42")),
    )

    assert Decimal("1.00") == told.cost_per_approved_usd


def test_of_no_approved_clip_and_of_an_unknown_charge_there_is_no_average() -> None:
    """It is None, never 0."""
    unknown = done(review=Review.APPROVED, charged_usd=Decimal(0), charge_source="unknown")

    assert _outcomes(done(review=Review.REJECTED)).cost_per_approved_usd is None
    assert _outcomes(unknown).cost_per_approved_usd is None


def test_yield_is_told_by_what_clips_have_in_common() -> None:
    """By shot, provider, model, group of rows and prompt; of what was decided on alone."""
    told = _outcomes(
        done(review=Review.APPROVED, prompt="a red cup"),
        done(review=Review.REJECTED, prompt="a red cup", row_key="SKU-2"),
        done(review=Review.WAITING, prompt="a blue cup"),
        failed(provider="apimart"),
    )

    rates = {
        title: {each.detail or each.name: each.rate for each in yields}
        for title, yields in told.yields.items()
    }
    assert {"spin": 0.5} == rates["shot"]
    assert {"runware": 0.5, "apimart": None} == rates["provider"]
    assert {"shoes": 1.0, "bags": 0.0} == rates["row group"]
    assert {"a red cup": 0.5, "a blue cup": None} == {
        name: rate for name, rate in rates["prompt"].items() if "cup" in name
    }
    assert ["shot", "provider", "row group", "prompt"] == [title for title, _ in told.told_yields]


def test_of_many_prompts_the_first_are_told_apart() -> None:
    """The rest is one entry, and no clip is left out."""
    told = _outcomes(*(done(prompt=f"cup number {n}") for n in range(250)))

    prompts = told.yields["prompt"]
    assert 201 == len(prompts)
    assert 250 == sum(sum(each.clips.values()) for each in prompts)
