"""Counts, money and causes come from the records, each item once."""

from __future__ import annotations

from decimal import Decimal

from pipeline.domain import Record
from pipeline.domain.states import FaultKind, State
from pipeline.report.advice import STATES, advice
from pipeline.report.figures import charge_text
from pipeline.report.markdown import to_markdown
from pipeline.report.summary import Report
from pipeline.report.terminal import render_text
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.whole_files import summarise

COMMAND = "callsheet run spring.yaml"


def _report(*records: Record) -> Report:
    return summarise(records, campaign="spring", now=NOON, command=COMMAND)


def test_items_are_counted_by_state_in_a_fixed_order() -> None:
    """Done comes first, then what needs a person, then the rest; zeros are left out."""
    report = _report(held(), failed(), done(), failed(), done())

    assert (("done", 2), ("failed", 2), ("held", 1)) == report.counts
    assert 5 == report.items


def test_the_four_figures_stay_apart() -> None:
    """Estimate, reserved, charged and possible are summed each for itself."""
    report = _report(
        done(),
        failed(possible_usd=Decimal("0.42")),
        failed(state="in_doubt", reserved_usd=Decimal("0.42")),
    )

    money = report.money
    assert Decimal("1.26") == money.estimate_usd
    assert Decimal("0.42") == money.charged_usd == money.reserved_usd == money.possible_usd


def test_a_shared_purchase_is_counted_once() -> None:
    """Two items of one key cost once, whatever their records say."""
    report = _report(done(), done(address="spin[SKU-2,calm]", shared_with="spin[SKU-1,calm]"))

    assert Decimal("0.42") == report.money.charged_usd == report.money.estimate_usd
    assert (2, 1) == (report.items, report.shared)


def test_an_unknown_price_is_not_nothing() -> None:
    """It is counted as unknown beside the sum, not in it."""
    report = _report(done(), held(estimate_usd=None))

    assert (Decimal("0.42"), 1) == (report.money.estimate_usd, report.money.unknown)


def test_money_is_split_by_provider_and_shot() -> None:
    """Each share has its own items, its own done and its own money."""
    report = _report(done(), done(shot="reveal", provider="unifically"), failed(shot="reveal"))

    providers = {share.name: (share.items, share.done) for share in report.by_provider}
    assert {"runware": (2, 1), "unifically": (1, 1)} == providers
    charged = {share.name: share.money.charged_usd for share in report.by_shot}
    assert {"spin": Decimal("0.42"), "reveal": Decimal("0.42")} == charged


def test_failures_are_grouped_by_cause() -> None:
    """One cause is one group: its items, who said what how often, and the commonest first."""
    group, other = _report(
        failed(address="a", message="one"),
        failed(address="b", message="two"),
        failed(address="c", message="two", provider="unifically"),
        failed(address="d", cause="rejected"),
    ).groups

    assert ("failed", "refused", 3) == (group.state, group.cause, group.items)
    assert (("two", 2), ("one", 1)) == group.messages
    assert ("runware", "unifically") == group.providers
    assert ["a", "b", "c"] == [case.address for case in group.cases]
    assert "rejected" == other.cause


def test_a_group_says_the_exact_command() -> None:
    """What helps can be copied: the command that was used, and the option it takes."""
    (group,) = _report(failed()).groups

    assert f"{COMMAND} --retry refused" == group.command


def test_a_held_budget_names_the_limit_that_is_enough() -> None:
    """Spent, reserved and possible money and all that is held, rounded up to whole dollars."""
    report = _report(*[done()] * 2, *[held()] * 3, failed(possible_usd=Decimal("0.42")))

    held_group = next(group for group in report.groups if group.state == "held")
    assert f"{COMMAND} --max-cost 3" == held_group.command


def test_a_cause_nobody_foresaw_is_told_all_the_same() -> None:
    """A new word shows as itself, with a way on."""
    (group,) = _report(failed(cause="gremlins")).groups

    assert f"{COMMAND} --retry gremlins" == group.command


def test_done_items_are_no_failures() -> None:
    """A finished campaign has no groups; its first clips are named."""
    report = _report(*[done(path=f"spin/{n}.mp4") for n in range(5)])

    assert () == report.groups
    assert (("spin/0.mp4", "spin/1.mp4", "spin/2.mp4"), 5) == (report.clips, report.clip_count)


def test_a_million_failures_keep_a_few_examples() -> None:
    """What a report holds does not grow with the campaign."""
    (group,) = _report(*(failed(address=f"{n}", message=f"{n}") for n in range(1000))).groups

    assert (1000, 50, 20) == (group.items, len(group.cases), len(group.messages))


def test_every_state_has_its_place() -> None:
    """The report's order of states is the lifecycle's states, each once."""
    assert sorted(State) == sorted(STATES)


def test_every_state_and_cause_has_words() -> None:
    """Whatever the ledger says, the report has a title and something to do."""
    states = set(State) - {State.DONE}
    known = [advice(state, cause) for state in states for cause in ("", *FaultKind)]

    assert [] == [words for words in known if not (words.title and words.todo)]


def test_the_budget_advised_covers_what_was_paid_before() -> None:
    """A command that is pasted helps: the limit counts work that is in the plan no more."""
    report = summarise(
        [held()], campaign="spring", now=NOON, command=COMMAND, committed_usd=Decimal(7)
    )

    (group,) = report.groups
    assert "--max-cost 8" in group.command


def test_a_charge_nobody_knows_is_not_nothing() -> None:
    """A clip that was paid for at an unknown price is counted beside the sum, never shown as 0."""
    unknown = done(charged_usd=Decimal(0), charge_source="unknown", estimate_usd=None)
    report = _report(done(), unknown)

    assert (Decimal("0.42"), 1) == (report.money.charged_usd, report.money.charges_unknown)
    assert "0.42 + 1 unknown" == charge_text(report.money)
    lines = render_text(report).splitlines()
    assert any("0.42 + 1 unknown" in line for line in lines if line.startswith("together"))
    assert "| 0.42 + 1 unknown | 0.42 + 1 unknown |" in "".join(to_markdown(report))
