"""Manifest → plan: what is to be made, by whom, at which price; pure, and yielded as a stream."""

from __future__ import annotations

from pipeline.plan.addresses import address, encode_row_key
from pipeline.plan.attachments import MediaInspector
from pipeline.plan.expand import Expansion, expand
from pipeline.plan.keys import RECIPE
from pipeline.plan.pricing import Compose, Rate, Rates, parse_rates, price, price_items
from pipeline.plan.selectors.match import SelectionMatcher
from pipeline.plan.selectors.spec import Selection, parse_selection, selector_findings

__all__ = [
    "RECIPE",
    "Compose",
    "Expansion",
    "MediaInspector",
    "Rate",
    "Rates",
    "Selection",
    "SelectionMatcher",
    "address",
    "encode_row_key",
    "expand",
    "parse_rates",
    "parse_selection",
    "price",
    "price_items",
    "selector_findings",
]
