"""Manifest → Plan: what is to be made, by whom, at which price; pure, and told as a stream."""

from __future__ import annotations

from pipeline.plan.address import address, encoded
from pipeline.plan.entries import Compose, entries
from pipeline.plan.expand import Plan, expand
from pipeline.plan.key import RECIPE
from pipeline.plan.looking import Inspector
from pipeline.plan.price import Rate, Rates, parse_rates, price
from pipeline.plan.select import Selection, parse_selection, selector_findings
from pipeline.plan.sieve import Sieve

__all__ = [
    "RECIPE",
    "Compose",
    "Inspector",
    "Plan",
    "Rate",
    "Rates",
    "Selection",
    "Sieve",
    "address",
    "encoded",
    "entries",
    "expand",
    "parse_rates",
    "parse_selection",
    "price",
    "selector_findings",
]
