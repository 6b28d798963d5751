"""`status` reads the ledger alone: no tables, no media, and beside a run."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.domain import Budget
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_identity import RootKind
from tests.unit.run.campaign import CAMPAIGN, Studio, entry

MANIFEST = f"""\
callsheet: 1
name: {CAMPAIGN}
tables: {{products: {{file: nowhere.csv, key: sku, as: product}}}}
shots:
  - {{id: spin, for: products, prompt: "{{{{ product.name }}}} turns."}}
selectors: {{hero: "tag:hero"}}
"""


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return an empty root, a shop and a clock, with a manifest whose table is not there."""
    (tmp_path / "spring.yaml").write_text(MANIFEST, "utf-8")
    return Studio(tmp_path / "root")


def status(studio: Studio, *more: str) -> int:
    """Ask for the status of the studio's campaign; return the exit code."""
    manifest = studio.root.parent / "spring.yaml"
    return int(invoke(["status", str(manifest), "--root", str(studio.root), *more]))


async def test_all_done_is_0(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """What there is and what it cost."""
    await studio.make("a", "b")

    assert 0 == status(studio)
    said = capsys.readouterr().out
    assert "2 done" in said
    assert "1.12" in said


async def test_failures_are_10_with_what_to_do(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """By cause, with the command that helps."""
    studio.shop.script.append("refused")
    await studio.make("a", "b")

    assert 10 == status(studio)
    said = capsys.readouterr().out
    assert "1 failed · refused" in said
    assert "--retry refused" in said


async def test_held_by_the_budget_is_11(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """With the limit that would be enough."""
    studio.budget = Budget(limit_usd=Decimal("0.60"))
    await studio.make("a", "b")

    assert 11 == status(studio)
    assert "--max-cost 2" in capsys.readouterr().out


async def test_what_one_run_may_not_spend_is_for_the_next(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each limit has its own advice: a run's is not helped by raising the campaign's."""
    studio.budget = Budget(limit_usd=Decimal(9), per_run_usd=Decimal("0.60"))
    await studio.make("a", "b")

    assert 11 == status(studio)
    said = capsys.readouterr().out
    assert "the limit of one run is used up" in said, said
    assert "--max-cost" not in said


async def test_what_earlier_plans_spent_is_told_and_counts_towards_the_limit(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three clips were bought under other prompts: the advised limit lets the fourth be made."""
    studio.budget = Budget(limit_usd=Decimal("1.70"))
    for words in ("one", "two", "three", "four"):
        assert studio.admit([entry("a", key=words)]).ok
        await studio.run()

    assert 11 == status(studio)
    said = capsys.readouterr().out
    assert "--max-cost 3" in said
    assert "1.68 USD before, for work that is not in this plan" in said


async def test_the_limit_that_is_enough_lets_the_highest_price_be_reserved(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clip that may cost more than expected needs room for all it may cost."""
    studio.budget = Budget(limit_usd=Decimal("0.50"))
    usual = entry("a", price="0.56")
    assert usual.price is not None
    price = replace(usual.price, high_usd=Decimal("1.20"))
    assert studio.admit([replace(usual, price=price)]).ok
    await studio.run()

    assert 11 == status(studio)
    assert "--max-cost 2" in capsys.readouterr().out


async def test_the_command_that_helps_is_about_the_same_plan(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was set on the command line stays set: without it other clips would be bought."""
    studio.shop.script.append("refused")
    await studio.make("a", "b")

    assert 10 == status(studio, "--set", "defaults.mode=pro", "--set", "vars.mood=very calm")
    said = capsys.readouterr().out
    assert "spring.yaml --set defaults.mode=pro --set 'vars.mood=very calm' --root" in said


async def test_a_stopped_lane_is_12_and_its_events_are_told(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened in the lane is remembered, with its time and its reason."""
    studio.concurrency = 1
    studio.shop.script.extend(["throttled", "ok", "unpaid"])
    await studio.make("a", "b")

    assert 12 == status(studio)
    said = capsys.readouterr().out
    assert "shop throttled on 20" in said
    assert "shop lane stopped on 20" in said
    assert "it is unpaid" in said


async def test_what_is_overdue_is_13(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """Its money stays reserved, and `reconcile` is what helps."""
    studio.shop.endings.append("stuck")
    await studio.make("a")

    assert 13 == status(studio)
    said = capsys.readouterr().out
    assert "reserved" in said
    assert "callsheet reconcile" in said


def test_what_was_never_begun_is_12(studio: Studio) -> None:
    """As a run ends that was stopped before."""
    assert studio.admit([entry("a")]).ok

    assert 12 == status(studio)


async def test_a_selection_has_a_status_of_its_own(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of those items alone: counts, money and exit code; what it suggests is for them alone."""
    studio.shop.script.extend(["ok", "refused"])
    studio.concurrency = 1
    await studio.make("a", "b")

    assert 0 == status(studio, "--select", "spin[a]")
    assert "1 done" in capsys.readouterr().out
    assert 10 == status(studio, "--select", "@hero,spin[b]")
    assert "--select '@hero,spin[b]' --retry refused" in capsys.readouterr().out
    assert 3 == status(studio, "--select", "spin[c]")
    assert "did you mean 'spin[" in capsys.readouterr().err


async def test_what_only_the_table_knows_needs_the_table(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """A selection by a column says that the table is missing, not that nothing fits."""
    await studio.make("a")

    assert 3 == status(studio, "--select", "row.colour:red")
    assert "there is no file 'nowhere.csv'" in capsys.readouterr().err


async def test_it_reads_beside_a_run(studio: Studio) -> None:
    """Whoever works in the root is not disturbed, and does not disturb."""
    await studio.make("a")

    with Ledger.open(studio.root):
        assert 0 == status(studio)


async def test_a_campaign_that_was_not_run_here_is_said(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger knows others, not this one."""
    await studio.make("a")

    assert 3 == status(studio, "--set", "name=summer")
    assert "nothing of 'summer' was run" in capsys.readouterr().err


async def test_who_only_rehearsed_is_told_how_to_see_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--rehearse` forgotten is the likeliest reason why a root knows nothing of a campaign."""
    (tmp_path / "spring.yaml").write_text(MANIFEST, "utf-8")
    with Ledger.open(tmp_path / "root" / "rehearsal", kind=RootKind.REHEARSAL):
        pass
    await Studio(tmp_path / "root" / "rehearsal").make("a")
    real = Studio(tmp_path / "root")

    assert 3 == status(real)
    told = capsys.readouterr().err
    assert f"nothing of '{CAMPAIGN}' was run in {real.root}" in told
    assert f"spring.yaml --root {real.root} --rehearse" in told
    assert 0 == status(real, "--rehearse")
    capsys.readouterr()
    assert 0 == invoke(
        ["reconcile", str(tmp_path / "spring.yaml"), "--root", str(tmp_path / "root")]
    )
    assert f"--root {real.root} --rehearse" in capsys.readouterr().out
