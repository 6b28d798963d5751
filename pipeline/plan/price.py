"""Rates and an item → its price: low, expected and high, with the source and how sure that is.

A price nobody published is None, never 0. Sums are USD, rounded up to a millionth, because what is
reserved must not be less than what is charged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Any

import jsonschema

from pipeline.domain import EMPTY, Item, Price, Role
from pipeline.errors import InvalidInput
from pipeline.findings import Diagnostic, Span
from pipeline.schemas import schema

_MILLIONTH = Decimal("0.000001")
_PLACE = Span(file="rates.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a provider charges for one kind and mode: by the second, or by the item."""

    per_second: bool
    low_usd: Decimal | None
    usd: Decimal | None
    """None: nobody published it."""
    high_usd: Decimal | None
    min_seconds: Decimal | None
    max_seconds: Decimal | None
    source: str
    certainty: str
    native_usd: Decimal | None = None
    """What one of the provider's own units is expected to cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The price list, by provider, kind and mode."""

    by_work: Mapping[tuple[str, str, str], Rate]
    native_usd: Mapping[str, Decimal] = field(default_factory=lambda: EMPTY)
    """What a unit of a provider's own costs at most, by provider."""


def parse_rates(data: Any) -> Rates:
    """Return the price list; InvalidInput for a bad one, or one that prices a work twice."""
    problems = [
        _problem(f"{_path(error)}: {error.message}")
        for error in jsonschema.Draft202012Validator(schema("rates")).iter_errors(data)
    ]
    if problems:
        raise InvalidInput(problems)
    found: dict[tuple[str, str, str], Rate] = {}
    for entry in data["rates"]:
        for work in _works(entry):
            if work in found:
                problems.append(_problem(f"two rates for {', '.join(work)}"))
            found[work] = _rate(entry)
    if problems:
        raise InvalidInput(problems)
    return Rates(by_work=found, native_usd=_dearest(data["rates"]))


def price(item: Item, rates: Rates) -> Price | None:
    """Return what an item is expected to cost; None where no rate, or no length, is known."""
    rate = rates.by_work.get((item.provider, item.kind.value, item.settings.mode))
    if rate is None or rate.usd is None:
        return None
    billed = _billed(item, rate)
    if billed is None:
        return None
    seconds, at_most = billed
    low = rate.usd if rate.low_usd is None else rate.low_usd
    high = rate.usd if rate.high_usd is None else rate.high_usd
    return Price(
        low_usd=_rounded_up(low * seconds),
        expected_usd=_rounded_up(rate.usd * seconds),
        high_usd=_rounded_up(high * at_most),
        source=rate.source,
        certainty=rate.certainty,
        native_usd=rate.native_usd or rates.native_usd.get(item.provider),
    )


def assumed(usd: Decimal, native_usd: Decimal | None = None) -> Price:
    """Return the price that a manifest assumes where none is known."""
    return Price(
        low_usd=usd,
        expected_usd=usd,
        high_usd=usd,
        source="the manifest's unpriced: assume",
        certainty="assumed",
        native_usd=native_usd,
    )


def _billed(item: Item, rate: Rate) -> tuple[Decimal, Decimal] | None:
    """Return by what the rate is multiplied, as expected and at most.

    No provider's page says how it counts the seconds of a clip that is edited. Expected is the
    length of its file; at most, each second that has begun counts as a whole one.
    """
    if not rate.per_second:
        return Decimal(1), Decimal(1)
    if item.spec.seconds is None:
        return None
    seconds = Decimal(str(_counted_s(item, item.spec.seconds)))
    begun = seconds.to_integral_value(ROUND_CEILING)
    return _bounded(seconds, rate), _bounded(begun, rate)


def _counted_s(item: Item, seconds: float) -> float:
    """Return the length that is counted: as asked for, else that of the clip which is edited."""
    if item.settings.duration is not None:
        return seconds
    clips = (each.media[0] for each in item.references if each.role is Role.VIDEO)
    return next((clip.file_seconds for clip in clips if clip.file_seconds), seconds)


def _bounded(seconds: Decimal, rate: Rate) -> Decimal:
    if rate.min_seconds is not None:
        seconds = max(seconds, rate.min_seconds)
    return seconds if rate.max_seconds is None else min(seconds, rate.max_seconds)


def _rounded_up(amount: Decimal) -> Decimal:
    return amount.quantize(_MILLIONTH, rounding=ROUND_CEILING)


def _works(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(entry["provider"], kind, mode) for kind in entry["kinds"] for mode in entry["modes"]]


def _rate(entry: Mapping[str, Any]) -> Rate:
    return Rate(
        per_second=entry["per"] == "second",
        low_usd=_amount(entry.get("low_usd")),
        usd=_amount(entry["usd"]),
        high_usd=_amount(entry.get("high_usd")),
        min_seconds=_amount(entry.get("min_seconds")),
        max_seconds=_amount(entry.get("max_seconds")),
        source=entry["source"],
        certainty=entry["certainty"],
        native_usd=_native_usd(entry, "usd"),
    )


def _dearest(entries: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for entry in entries:
        one = _native_usd(entry, "high_usd") or _native_usd(entry, "usd")
        if one is not None:
            found[entry["provider"]] = max(one, found.get(entry["provider"], one))
    return found


def _native_usd(entry: Mapping[str, Any], figure: str) -> Decimal | None:
    usd, native = _amount(entry.get(figure)), entry.get("native")
    return usd / Decimal(native["per_unit"]) if usd is not None and native else None


def _amount(written: str | float | None) -> Decimal | None:
    return None if written is None else Decimal(str(written))


def _problem(message: str) -> Diagnostic:
    return Diagnostic(slug="bad-rates", message=message, span=_PLACE)


def _path(error: jsonschema.ValidationError) -> str:
    return ".".join(map(str, error.absolute_path)) or "rates"
