"""A scenario is data, and every mistake in it is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox.faults import CHAOS, FAULT_TYPES, STAGES, Subject
from pipeline.sandbox.scenario import BadScenario, Scenario, parse_scenario, read_document


def test_an_empty_scenario_is_a_quick_provider_on_a_good_day() -> None:
    """Nothing said means no faults, full rendering, and run times of about a second."""
    assert Scenario() == parse_scenario({})
    assert () == parse_scenario({}).faults


def test_every_part_of_a_scenario_is_read() -> None:
    """Accounts, timing, chaos and faults come out as values of their own types."""
    found = parse_scenario(
        {
            "accounts": {"K": "bad", "L": {"balance_usd": 1.5}},
            "timing": {"accept_s": 0, "run_s": [1, 2]},
            "render": "plain",
            "fps": 5,
            "chaos": 0.2,
            "seed": 7,
            "faults": ["drop", {"fault": "throttled", "retry_after": 3, "times": "always"}],
        }
    )

    assert found.accounts["K"].bad
    assert Decimal("1.5") == found.accounts["L"].balance_usd
    assert ((0.0, 0.0), (1.0, 2.0)) == (found.accept_s, found.run_s)
    assert ("plain", 5) == (found.render, found.fps)
    assert found.chaos is not None
    assert (0.2, 7) == (found.chaos.rate, found.chaos.seed)
    assert ["drop", "throttled"] == [fault.name for fault in found.faults]
    assert (None, 3) == (found.faults[1].times, found.faults[1].options["retry_after"])


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"acounts": {}}, "acounts"),
        ({"accounts": {"K": "good"}}, "accounts.K"),
        ({"accounts": {"K": {"balance_usd": "much"}}}, "accounts.K"),
        ({"timing": {"run_s": "long"}}, "timing.run_s"),
        ({"render": "nice"}, "nice"),
        ({"fps": 0}, "fps: must be a whole number from 1 to 60"),
        ({"fps": 24.5}, "fps: must be a whole number from 1 to 60"),
        ({"bill": "never"}, "never"),
        ({"chaos": 2}, "chaos: must be a share"),
        ({"chaos": {"rate": 0.1, "faults": ["dropp"]}}, "dropp"),
        ({"faults": "drop"}, "a list"),
        ({"faults": ["dropp"]}, "faults[0]: 'dropp' is unknown"),
        ({"faults": [{"fault": "drop", "retry_after": 1}]}, "retry_after"),
        ({"faults": [{"fault": "empty", "stage": "upload"}]}, "faults[0].stage"),
        ({"faults": [{"fault": "drop", "times": "twice"}]}, "faults[0].times"),
    ],
)
def test_a_mistake_in_a_scenario_is_refused_at_its_place(
    document: dict[str, Any], told: str
) -> None:
    """A drill that silently plays nothing would prove nothing."""
    with pytest.raises(BadScenario) as refused:
        parse_scenario(document)

    assert told in str(refused.value)


def test_a_scenario_file_may_be_yaml_or_json(tmp_path: Path) -> None:
    """Both are read; a file that is neither is refused with its name."""
    path = tmp_path / "drill.yaml"
    path.write_text("render: plain\nfaults: [{fault: drop, times: 2}]\n", "utf-8")
    assert 2 == parse_scenario(read_document(path)).faults[0].times

    path.write_text('{"render": "plain"}', "utf-8")
    assert "plain" == parse_scenario(read_document(path)).render

    path.write_text("{", "utf-8")
    with pytest.raises(BadScenario, match=r"drill\.yaml"):
        read_document(path)


def test_the_brackets_of_an_address_are_plain_text() -> None:
    """Only `*` and `?` are wild in a fault's address."""
    (fault,) = parse_scenario({"faults": [{"fault": "drop", "address": "spin[A1,*]"}]}).faults

    def matches(address: str) -> bool:
        return fault.matches(Subject(provider="runware", address=address))

    assert matches("spin[A1,9x16]")
    assert not matches("spinA")
    assert not matches("spin[A2,9x16]")


def test_chaos_draws_from_faults_that_fit_their_stage() -> None:
    """Every name in the menu exists and may happen where it stands."""
    assert set(STAGES) == set(CHAOS)
    assert [] == [
        name
        for stage, names in CHAOS.items()
        for name in names
        if stage not in FAULT_TYPES[name].stages
    ]
