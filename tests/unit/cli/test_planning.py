"""What a plan says, in its table and besides."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from rich.console import Console

from pipeline.cli.plan_text import orphan_line, plan_table
from pipeline.domain.states import Status
from pipeline.run.plan_sync import PlanLine, PlanSummary


def _line(status: Status, items: int, usd: str = "0", **more: Status) -> PlanLine:
    stands = more.get("stands", status)
    price = Decimal(usd)
    return PlanLine(
        shot="spin",
        provider="runware",
        status=status,
        stands=stands,
        cause="",
        earlier_rule=False,
        items=items,
        unpriced=0,
        low_usd=price,
        expected_usd=price,
        high_usd=price,
    )


def test_items_that_read_alike_are_one_line() -> None:
    """Kinds of standing that a person cannot tell apart are counted together, not listed twice."""
    lines = (
        _line(Status.NEW, 1, "0.42"),
        _line(Status.IN_FLIGHT, 2),
        _line(Status.IN_FLIGHT, 3),
        _line(Status.SHARED, 4, stands=Status.NEW),
        _line(Status.SHARED, 1, stands=Status.REUSED),
    )
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(plan_table(PlanSummary(campaign="cups", lines=lines)).draw(80))

    words = [line.split() for line in captured.get().splitlines()[1:]]
    counts = {tuple(row[:3]): int(row[3]) for row in words}

    assert [] == [row for row, times in Counter(tuple(r[:3]) for r in words).items() if times > 1]
    assert {"new": 1, "in_flight": 5, "shared": 5} == {row[2]: n for row, n in counts.items()}
    assert ["0.42", "0.42", "0.42"] == words[0][4:]


def test_what_left_the_plan_is_one_line() -> None:
    """A table that lost 300 rows makes no 300 lines, in this plan and every later one."""
    assert (
        "orphaned: 300 items of earlier plans are in this one no more; clips stay where they are:"
        " spin[0]#1, spin[1]#1, spin[2]#1, spin[3]#1 and 296 more"
    ) == orphan_line([f"spin[{number}]#1" for number in range(300)])
    assert (
        "orphaned: 1 item of earlier plans is in this one no more; clips stay where they are: a#1"
    ) == orphan_line(["a#1"])
