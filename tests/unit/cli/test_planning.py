"""What a plan says besides its table."""

from __future__ import annotations

from pipeline.cli.plan_text import orphans


def test_what_left_the_plan_is_one_line() -> None:
    """A table that lost 300 rows makes no 300 lines, in this plan and every later one."""
    assert (
        "orphaned: 300 items of earlier plans are in this one no more; clips stay where they are:"
        " spin[0]#1, spin[1]#1, spin[2]#1, spin[3]#1 and 296 more"
    ) == orphans([f"spin[{number}]#1" for number in range(300)])
    assert (
        "orphaned: 1 item of earlier plans is in this one no more; clips stay where they are: a#1"
    ) == orphans(["a#1"])
