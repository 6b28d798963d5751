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


def test_the_fast_edit_has_its_documented_credits() -> None:
    """6.8 credits a second, by the page of 2026-02-01; the dollars are inferred from credits."""
    (found,) = rate("evolink", Kind.FAST_EDIT, "pro")

    assert {"unit": "credit", "per_unit": "6.8"} == found["native"]
    assert ("inferred", "0.094", "0.100") == (
        found["certainty"],
        found["low_usd"],
        found["high_usd"],
    )
    assert (6, 20) == (found["min_seconds"], found["max_seconds"])


@pytest.mark.parametrize(
    ("kind", "mode", "usd"),
    [
        (Kind.TEXT, "std", "0.084"),
        (Kind.TEXT, "pro", "0.112"),
        (Kind.EDIT, "std", "0.126"),
        (Kind.EDIT, "pro", "0.168"),
    ],
)
def test_inference_has_four_documented_prices(kind: Kind, mode: str, usd: str) -> None:
    """Half as much again with a video, exactly: nothing is left to spread."""
    (found,) = rate("inference", kind, mode)

    assert (usd, "documented") == (found["usd"], found["certainty"])
    assert {"low_usd", "high_usd"}.isdisjoint(found)


@pytest.mark.parametrize("mode", ["std", "pro"])
def test_what_runwares_pages_do_not_price_is_inferred(mode: str) -> None:
    """They price text, images and references to video, and a guide by an example."""
    certain = {
        kind: rate("runware", kind, mode)[0]["certainty"]
        for kind in (Kind.TEXT, Kind.GUIDE, Kind.EDIT, Kind.FAST_EDIT)
    }

    assert ["documented", "documented", "inferred", "inferred"] == list(certain.values())


def test_an_advertised_price_is_no_documented_one() -> None:
    """APIMart's promotion says "from 0.0672 USD/s", and names no mode."""
    assert {"inferred"} == {one["certainty"] for one in RATES if one["provider"] == "apimart"}
    assert "0.0672" == rate("apimart", Kind.TEXT, "std")[0]["low_usd"]
