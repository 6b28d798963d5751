"""`ledger audit`: a provider's bill held against what the ledger has booked."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.domain import Feature
from pipeline.ledger.repository import Ledger
from pipeline.run.runner import run
from tests.unit.run.campaign import Studio, entry
from tests.unit.run.shop import OFFER, Provider

BY_TASK = "task=Task ID,amount=Cost (USD)"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a root whose three clips were charged 0.56 USD each, as `t1`, `t2` and `t3`."""
    return Studio(tmp_path / "root")


def _audit(studio: Studio, *lines: str, columns: str = BY_TASK, more: tuple[str, ...] = ()) -> int:
    """Write a bill of these lines, and hold it against the ledger."""
    bill = studio.root.parent / "bill.csv"
    bill.write_text("\n".join([*lines, ""]), "utf-8-sig")
    words = ["ledger", "audit", str(bill), "--root", str(studio.root), "--columns", columns]
    return int(invoke([*words, *more]))


HEADER = "Date,Task ID,Cost (USD)"


async def test_a_bill_that_agrees_is_0(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """Each task with its sum; a bill in cents agrees with a ledger that has more digits."""
    studio.shop.price = Decimal("0.5596")
    await studio.make("a", "b", "c")

    code = _audit(studio, HEADER, "2026-03-01,t1,0.56", "2026-03-01,t2,$0.56", "2026-03-01,t3,0.56")

    assert 0 == code
    assert "the bill and the ledger agree: 3 tasks" in capsys.readouterr().out


async def test_each_way_to_differ_is_told_with_its_task(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another sum, a task nobody knows, a clip the bill has not: 15, with what each was."""
    await studio.make("a", "b", "c")

    code = _audit(studio, HEADER, "2026-03-01,t1,0.56", "2026-03-01,t2,0.84", "2026-03-01,x9,0.56")
    said = capsys.readouterr().out

    assert 15 == code
    assert "wrong sum: t2, spin[b]: 0.84 USD billed, 0.56 USD booked" in said
    assert "charged and not made: x9: 0.56 USD billed" in said
    assert "made and not charged: t3, spin[c]: 0.00 USD billed, 0.56 USD booked" in said
    assert "3 differ, of 4 tasks; 1.96 USD billed, 1.68 USD booked" in said


async def test_a_failure_that_was_charged_is_not_made(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was booked as possible, for nobody said what it cost: now the bill does."""
    studio.shop.endings.extend(["done", "failed"])
    await studio.make("a", "b")

    code = _audit(studio, HEADER, "2026-03-01,t1,0.56", "2026-03-01,t2,0.56")

    assert 15 == code
    assert (
        "charged and not made: t2, spin[b]: 0.56 USD billed, 0.00 USD booked; it failed, and 0.56"
        " USD is booked as possible"
    ) in capsys.readouterr().out


async def test_a_refund_takes_back_what_it_refunds(studio: Studio) -> None:
    """Lines of one task are added up."""
    studio.shop.endings.extend(["done", "failed"])
    await studio.make("a", "b")

    assert 0 == _audit(
        studio,
        HEADER,
        *("2026-03-01,t1,0.56", "2026-03-01,t2,0.56", "2026-03-01,t2,-0.56"),
    )


async def test_without_tasks_only_the_days_are_compared(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day is UTC's: two lines of one evening in New York are the next day's."""
    await studio.make("a", "b", "c")
    by_day = "date=When,amount=Cost"

    agrees = _audit(
        studio, "When,Cost", "2026-02-28T23:10:00-05:00,1.12", "2026-03-01,0.56", columns=by_day
    )
    said = capsys.readouterr().out
    differs = _audit(studio, "When,Cost", "2026-03-01,1.12", columns=by_day)
    also_said = capsys.readouterr().out

    assert (0, 15) == (agrees, differs)
    assert "only the sums of each day (UTC) were compared" in said
    assert "another sum on this day: 2026-03-01: 1.12 USD billed, 1.68 USD booked" in also_said


async def test_a_bill_of_one_month_says_nothing_of_another(studio: Studio) -> None:
    """What was made on days that the bill is not about is not missing from it."""
    await studio.make("a")
    studio.clock.advance(40 * 86_400)
    await studio.make("a", "b")

    assert 0 == _audit(studio, HEADER, "2026-03-01,t1,0.56")
    assert 0 == _audit(studio, "Task ID,Cost (USD)", "t2,0.56")


async def test_what_has_no_known_task_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lost reply may be the task that the bill has and the ledger has not."""
    studio = Studio(tmp_path / "root", provider=Provider(replace(OFFER, features=frozenset())))
    studio.confirm_price()
    studio.concurrency = 1
    studio.shop.forgets = True
    studio.shop.script.append("drop")
    assert Feature.FIND not in studio.provider.offer.features
    await studio.make("a", "b")

    assert 15 == _audit(studio, HEADER, "2026-03-01,t1,0.56", "2026-03-01,t2,0.56")
    said = capsys.readouterr().out
    assert "charged and not made: t1" in said
    assert "1 sent in these days have no known task" in said


@pytest.mark.parametrize(
    ("columns", "lines", "message"),
    [
        ("amount=Cost", ["Cost", "1"], "neither tasks nor dates"),
        ("task=Task", ["Task,Cost", "t1,1"], "does not name the column of amounts"),
        ("tsk=Task,amount=Cost", ["Task,Cost", "t1,1"], "did you mean 'task'?"),
        ("task=Tsk,amount=Cost", ["Task,Cost", "t1,1"], "did you mean 'Task'?"),
        ("task=Task,amount=Cost", ["Task,Cost", "t1,1.2.3"], "'1.2.3' is no amount in dollars"),
        ("task=Task,amount=Cost", ["Task;Cost", "t1;0,56"], "with a point and no other sign"),
        ("date=Day,amount=Cost", ["Day,Cost", "1.3.26,1"], "'1.3.26' is no date"),
        ("task=Task,amount=Cost", ["Task,Cost", "t1,1,2"], "bill.csv:2"),
    ],
)
async def test_a_bill_that_cannot_be_read_is_3(
    studio: Studio,
    capsys: pytest.CaptureFixture[str],
    columns: str,
    lines: list[str],
    message: str,
) -> None:
    """What is wrong stands with its place, and nothing is compared."""
    await studio.make("a")

    assert 3 == _audit(studio, *lines, columns=columns)
    assert message in capsys.readouterr().err


async def test_a_provider_that_was_never_bought_from_is_told(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip of the pen is no bill that differs."""
    await studio.make("a")

    code = _audit(studio, HEADER, "2026-03-01,t1,0.56", more=("--provider", "shpo"))

    assert 3 == code
    assert "did you mean 'shop'?" in capsys.readouterr().err


async def test_an_account_has_a_bill_of_its_own(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another account made is not missing from it."""
    await studio.make("a")
    config, parts = studio.parts()
    lane = replace(parts["lanes"]["shop"], account="b", key="key-2")
    assert studio.admit([entry("a"), entry("b")]).ok
    with Ledger.open(studio.root) as ledger:
        await run(ledger, config, **{**parts, "lanes": {"shop.b": lane}})

    whole = _audit(studio, HEADER, "2026-03-01,t2,0.56")
    own = _audit(studio, HEADER, "2026-03-01,t2,0.56", more=("--account", "b"))
    first = _audit(studio, HEADER, "2026-03-01,t1,0.56", more=("--account", "default"))
    slip = _audit(studio, HEADER, "2026-03-01,t1,0.56", more=("--account", "defualt"))

    assert (15, 0, 0, 3) == (whole, own, first, slip)
    assert "did you mean 'default'?" in capsys.readouterr().err
