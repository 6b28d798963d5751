"""The forecast on a command line: told after 30 decisions, kept by runs, compared later."""

from __future__ import annotations

import re

import pytest

from pipeline.domain.states import Exit
from tests.machine.campaign import Campaign
from tests.machine.conftest import Callsheet
from tests.machine.test_accept import Loop
from tests.sandboxes import Sandbox

CUPS = [f"C{number:02}" for number in range(32)]
TABLE = "sku,name,colour\n" + "".join(
    f"{sku},Cup {sku},{'red' if at % 2 else 'blue'}\n" for at, sku in enumerate(CUPS)
)


@pytest.fixture
def loop(campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox) -> Loop:
    """Return a campaign of 32 places with a loop, and nothing made."""
    found = Loop(campaign, callsheet, sandbox)
    found.write("{rounds: [1], takes: 3}", table=TABLE)
    return found


def _decide(loop: Loop, take: int, approved: list[str], rejected: list[str]) -> None:
    for verdict, cups in (("approve", approved), ("reject", rejected)):
        more = ("--reason", "blurred") if verdict == "reject" else ()
        addresses = [f"still[{sku}]#{take}" for sku in cups]
        loop.say(verdict, addresses[0], *addresses[1:], *more)


def test_a_campaign_is_forecast_and_held_against_what_happens(loop: Loop) -> None:
    """From 30 decisions on, the same whenever nothing was decided; then with how the last held."""
    assert (Exit.WAITING, 32) == loop.run()[:2]
    _decide(loop, 1, CUPS[:10], CUPS[10:29])
    assert "forecast" not in loop.call("plan")[1]
    _decide(loop, 1, CUPS[29:30], CUPS[30:32])

    code, printed = loop.call("plan")
    assert 0 == code, printed
    told = re.search(
        r"^forecast after 32 decisions, until each of 32 places is approved or stuck:"
        r" (\S+) USD more \((\S+) to (\S+)\); (\d+) stuck in the end \((\d+) to (\d+)\)$",
        printed,
        re.MULTILINE,
    )
    assert told, printed
    median, low, high = (float(told[group]) for group in (1, 2, 3))
    # 21 places have one take more at least, and two at most, of 0.42 USD each.
    assert 21 * 0.42 <= low < median < high <= 42 * 0.42
    assert 0 <= int(told[5]) <= int(told[4]) <= int(told[6]) <= 21
    assert "of what was decided 34%" in printed
    assert "the forecast of" not in printed
    assert not list(loop.campaign.root.glob(".callsheet/forecasts/*"))

    # It is of all places, whatever is selected.
    code, bought, printed = loop.run("--select", "still[C10]", "--select", "still[C11]")
    assert (Exit.WAITING, 2) == (code, bought), printed
    assert told[0] in printed
    _decide(loop, 2, ["C10"], ["C11"])
    code, printed = loop.call("plan")
    assert 0 == code, printed
    assert "forecast after 34 decisions" in printed
    assert f"said {told[1]} USD ({told[2]} to {told[3]}) and {told[4]} stuck" in printed
    assert "0.84 USD and 2 decisions (1 approved) later with what is expected now" in printed

    # A file that somebody spoilt costs the comparison, and nothing else.
    (kept,) = loop.campaign.root.glob(".callsheet/forecasts/*")
    kept.write_text("{\nnothing\n", "utf-8")
    code, printed = loop.call("plan")
    assert 0 == code, printed
    assert "forecast after 34 decisions" in printed
    assert "the forecast of" not in printed
