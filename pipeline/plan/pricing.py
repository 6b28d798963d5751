"""Items → priced items: each with its request and its price, or a finding why it cannot be bought.

A price is low, expected and high, with the source and how sure that is. One that nobody published
is None, never 0. Sums are USD, rounded up to a millionth, because what is reserved must not be less
than what is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from itertools import product
from typing import Any, Protocol

import jsonschema

from pipeline.domain import EMPTY, Budget, Item, Price, PricedItem, ProviderSettings, Role
from pipeline.domain.item import Alike, price_group
from pipeline.domain.money import exact_usd
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, FindingCollector, Span
from pipeline.models import KIND_WORDS
from pipeline.schemas import schema

Work = tuple[str, str, str, str]
"""What costs the same: provider, model, kind and mode."""
_MILLIONTH = Decimal("0.000001")
_OPTIONS = frozenset({"unknown-option", "bad-option"})
_AT_THEIR_KEY = frozenset({"extra-reserved", "extra-value"})
_PLACE = Span(file="rates.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a provider charges for one model, kind and mode: by the second, or by the item."""

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
    """The price list, by provider, model, kind and mode."""

    by_work: Mapping[Work, Rate]
    native_usd: Mapping[str, Decimal] = field(default_factory=lambda: EMPTY)
    """What a unit of a provider's own costs at most, by provider."""


class Compose(Protocol):
    """Writes the request that would buy an item; `providers.compose` is one."""

    def __call__(self, item: Item, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return it as plain data in placeholder form; raise InvalidInput."""
        ...


def parse_rates(data: Any) -> Rates:
    """Return the price list; InvalidInput for a bad one, or one that prices a work twice."""
    problems = [
        f"{'.'.join(map(str, error.absolute_path)) or 'rates'}: {error.message}"
        for error in jsonschema.Draft202012Validator(schema("rates")).iter_errors(data)
    ]
    found: dict[Work, Rate] = {}
    dearest: dict[str, Decimal] = {}
    for entry in data["rates"] if not problems else ():
        provider = entry["provider"]
        kinds_and_modes = product(entry["kinds"], entry["modes"])
        for work in [(provider, entry["model"], kind, mode) for kind, mode in kinds_and_modes]:
            if work in found:
                # Else which of the two is reserved would be a matter of their order in the file.
                problems.append(f"two rates for {', '.join(work)}")
            found[work] = Rate(
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
        # By provider as well: a work whose rate names no unit may be charged in credits all the
        # same, and then the dearest unit counts.
        unit_usd = _native_usd(entry, "high_usd") or _native_usd(entry, "usd")
        if unit_usd is not None:
            dearest[provider] = max(unit_usd, dearest.get(provider, unit_usd))
    if problems:
        raise InvalidInput(
            [Finding(slug="bad-rates", message=message, span=_PLACE) for message in problems]
        )
    return Rates(by_work=found, native_usd=dearest)


def price_items(
    plan: Iterable[Item | Finding],
    *,
    rates: Rates,
    budget: Budget,
    compose: Compose,
    provider_settings: Mapping[str, ProviderSettings],
    sent_prompt: Callable[[str, Mapping[str, Any]], str] | None = None,
    quotes: Mapping[Alike, Decimal] | None = None,
) -> Iterator[PricedItem | Finding]:
    """Yield the plan with requests and prices; findings of this step come last.

    `sent_prompt` reads the prompt out of a provider's request, for the report. `quotes` are prices
    that the providers named themselves: they take the place of the list's.
    """
    findings = FindingCollector()
    options = {name: settings.options for name, settings in provider_settings.items()}
    seen: set[str] = set()
    price_of = _price_once(rates, quotes)

    def add_price(item: Item) -> PricedItem | tuple[Finding, ...]:
        # Options that the plan has found wrong are left out: they hide nothing else.
        chosen = EMPTY if seen & _OPTIONS else options.get(item.provider, EMPTY)
        try:
            # The request first: what cannot be composed cannot be bought, whatever it costs.
            request = compose(item, chosen)
        except InvalidInput as invalid:
            return invalid.findings
        found = price_of(item)
        # A price that the provider named itself, or that is published, takes the place of an
        # assumed one.
        if found is None and budget.assume_usd:
            found = Price(
                low_usd=budget.assume_usd,
                expected_usd=budget.assume_usd,
                high_usd=budget.assume_usd,
                source="the manifest's unpriced: assume",
                certainty="assumed",
                native_usd=rates.native_usd.get(item.provider),
            )
        said = sent_prompt(item.provider, request) if sent_prompt else ""
        return PricedItem(item=item, request=request, price=found, sent_prompt=said)

    for item in plan:
        if isinstance(item, Finding):
            seen.add(item.slug)
            yield item
            continue
        entry = add_price(item)
        if not isinstance(entry, PricedItem):
            for finding in entry:
                # The plan reports it at the key itself; here only the shot is known.
                if finding.slug not in _AT_THEIR_KEY or finding.slug not in seen:
                    findings.add(finding, item.row_key)
            continue
        fault = _budget_fault(item, entry.price, budget)
        if fault is not None:
            findings.add(fault, item.row_key)
        # Who cannot be asked for it, or not for that money, is no fallback.
        others = [
            other for other in map(add_price, item.fallbacks) if isinstance(other, PricedItem)
        ]
        able = tuple(each for each in others if not _budget_fault(each.item, each.price, budget))
        yield replace(entry, fallbacks=able) if able else entry
    yield from findings.drain()


def _price_once(
    rates: Rates, quotes: Mapping[Alike, Decimal] | None
) -> Callable[[Item], Price | None]:
    """Return `price` with its answers kept: a few for all items of a plan."""
    known: dict[tuple[Alike, float | None], Price | None] = {}

    def price_of(item: Item) -> Price | None:
        place = (price_group(item), _file_seconds(item))
        if place not in known:
            known[place] = price(item, rates, quotes)
        return known[place]

    return price_of


def price(item: Item, rates: Rates, quotes: Mapping[Alike, Decimal] | None = None) -> Price | None:
    """Return what an item is expected to cost; None where no rate, or no length, is known.

    What the provider itself named takes the place of the list's price.
    """
    rate = rates.by_work.get((item.provider, item.model, item.kind.value, item.settings.mode))
    quoted_usd = quotes.get(price_group(item)) if quotes else None
    if quoted_usd is not None:
        # One figure for all three: a quote is what the provider says it will charge.
        usd = _round_up(quoted_usd)
        native_usd = rate.native_usd if rate else None
        return Price(
            low_usd=usd,
            expected_usd=usd,
            high_usd=usd,
            source="the provider's own dry run",
            certainty="quoted",
            native_usd=native_usd or rates.native_usd.get(item.provider),
        )
    if rate is None or rate.usd is None:
        return None
    # Without a length there is no price by the second: a guess could be less than what is charged.
    billed = _billing(item, rate)
    if billed is None:
        return None
    seconds, at_most = billed
    low = rate.usd if rate.low_usd is None else rate.low_usd
    high = rate.usd if rate.high_usd is None else rate.high_usd
    return Price(
        low_usd=_round_up(low * seconds),
        expected_usd=_round_up(rate.usd * seconds),
        high_usd=_round_up(high * at_most),
        source=rate.source,
        certainty=rate.certainty,
        native_usd=rate.native_usd or rates.native_usd.get(item.provider),
    )


def _billing(item: Item, rate: Rate) -> tuple[Decimal, Decimal] | None:
    """Return by what the rate is multiplied, as expected and at most.

    No provider's page says how it counts the seconds of a clip that is edited. Expected is the
    length of its file; at most, each second that has begun counts as a whole one.
    """
    if not rate.per_second:
        return Decimal(1), Decimal(1)
    if item.spec.seconds is None:
        return None
    expected = Decimal(str(_file_seconds(item) or item.spec.seconds))
    low, high = rate.min_seconds, rate.max_seconds
    bounded = [
        seconds if high is None else min(seconds, high)
        for seconds in (
            each if low is None else max(each, low)
            for each in (expected, expected.to_integral_value(ROUND_CEILING))
        )
    ]
    return bounded[0], bounded[1]


def _file_seconds(item: Item) -> float | None:
    """Return the length of the file that is edited, where it is known; None of what is no edit."""
    if item.settings.duration is not None:
        return None
    clips = (each.media[0] for each in item.references if each.role is Role.VIDEO)
    return next((clip.file_seconds for clip in clips if clip.file_seconds), None)


def _round_up(amount: Decimal) -> Decimal:
    return amount.quantize(_MILLIONTH, rounding=ROUND_CEILING)


def _budget_fault(item: Item, found: Price | None, budget: Budget) -> Finding | None:
    """Return what the budget, or the cap of its place, has against an item, if anything."""
    accept = budget.accepts.get(item.shot)
    spend_usd = accept.spend_usd if accept else None
    if found is None:
        # No limit can be held over an unknown price; where there is none, nothing has to be held.
        limits = (budget.limit_usd, budget.per_run_usd, budget.per_row_usd, budget.per_item_usd)
        if all(limit is None for limit in (*limits, spend_usd)):
            return None
        return Finding(
            slug="unpriced",
            message=(
                f"no price is known for {KIND_WORDS[item.kind]}"
                f" in mode {item.settings.mode} at {item.provider}"
            ),
            span=budget.span or item.origin.shot,
            hint="write unpriced: {assume: 0.60 USD} into the budget, or ask another provider",
            related=(item.origin.shot,) if budget.span else (),
        )
    # The high figure, since that is what is reserved before the item is sent.
    if accept and spend_usd is not None and found.high_usd > spend_usd:
        most, allowed = exact_usd(found.high_usd), exact_usd(spend_usd)
        return Finding(
            slug="accept-below-price",
            message=f"one take of shot '{item.shot}' may cost {most} USD; its place may spend"
            f" {allowed} USD",
            span=accept.spans.get("spend", item.origin.shot),
            hint="raise `accept.spend`, make it shorter, or choose mode std",
            related=(item.origin.shot,),
        )
    if budget.per_item_usd is None or found.high_usd <= budget.per_item_usd:
        return None
    most, allowed = exact_usd(found.high_usd), exact_usd(budget.per_item_usd)
    return Finding(
        slug="over-per-item",
        message=f"an item of shot '{item.shot}' may cost {most} USD; per_item allows {allowed} USD",
        span=item.origin.shot,
        hint="make it shorter, choose mode std, or raise per_item",
        related=(budget.span,) if budget.span else (),
    )


def _native_usd(entry: Mapping[str, Any], figure: str) -> Decimal | None:
    usd, native = _amount(entry.get(figure)), entry.get("native")
    return usd / Decimal(native["per_unit"]) if usd is not None and native else None


def _amount(written: str | float | None) -> Decimal | None:
    return None if written is None else Decimal(str(written))
