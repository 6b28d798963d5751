"""The price list: what is offered has a line, and every figure says where it is from."""

from __future__ import annotations

from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
import yaml

from pipeline.domain import Kind
from pipeline.providers.registry import OFFERS

RATES: list[dict[str, Any]] = yaml.safe_load(
    files("pipeline.providers").joinpath("rates.yaml").read_text("utf-8")
)["rates"]
PROVIDERS = ("apimart", "evolink", "inference", "runware", "unifically")


def rate(provider: str, kind: str, mode: str) -> list[dict[str, Any]]:
    """Return the lines that price one kind and mode at one provider."""
    return [
        one
        for one in RATES
        if one["provider"] == provider and kind in one["kinds"] and mode in one["modes"]
    ]


@pytest.mark.parametrize("provider", sorted(OFFERS))
def test_every_offered_kind_and_mode_has_exactly_one_line(provider: str) -> None:
    """A price, or a reason why there is none."""
    counts = {
        (kind, mode): len(rate(provider, kind, mode))
        for kind, terms in OFFERS[provider].models["kling-o1"].items()
        for mode in terms.modes
    }

    assert {1} == set(counts.values()), counts


def test_all_five_providers_are_listed() -> None:
    """A provider without a line would look free."""
    assert set(PROVIDERS) == {one["provider"] for one in RATES}


def test_no_price_is_zero_and_an_unknown_one_has_its_reason() -> None:
    """Unknown is null, never 0."""
    for one in RATES:
        assert (one["usd"] is None) is (one["certainty"] == "unknown")
        assert one["certainty"] == "documented" or one["reason"]
        assert one["source"]
        assert one["date"]
        assert one["usd"] is None or Decimal(one["usd"]) > 0


def test_low_and_high_enclose_the_price() -> None:
    """What is reserved is the high estimate."""
    for one in RATES:
        if one["usd"] is not None:
            low, high = one.get("low_usd", one["usd"]), one.get("high_usd", one["usd"])
            assert Decimal(low) <= Decimal(one["usd"]) <= Decimal(high)


def test_the_documented_example_comes_out() -> None:
    """Runware's own example: 5 s in std with a reference video cost 0.63 USD."""
    (found,) = rate("runware", Kind.GUIDE, "std")

    assert Decimal("0.63") == 5 * Decimal(found["usd"])
