"""Items → entries: each with its request and its price, or a finding why it cannot be admitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Protocol

from pipeline.domain import Budget, Entry, Item, Price, ProviderSettings
from pipeline.domain.item import EMPTY
from pipeline.errors import InvalidInput
from pipeline.findings import Diagnostic
from pipeline.plan.finding_factory import Findings
from pipeline.plan.price import Rates, assumed, price
from pipeline.plan.rules import KIND_WORDS

_OPTIONS = frozenset({"unknown-option", "bad-option"})


class Compose(Protocol):
    """Writes the request that would buy an item; `providers.compose` is one."""

    def __call__(self, item: Item, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return it as plain data in placeholder form; raise InvalidInput."""
        ...


def entries(
    plan: Iterable[Item | Diagnostic],
    *,
    rates: Rates,
    budget: Budget,
    compose: Compose,
    provider_settings: Mapping[str, ProviderSettings],
    sent_prompt: Callable[[str, Mapping[str, Any]], str] | None = None,
) -> Iterator[Entry | Diagnostic]:
    """Yield the plan with requests and prices; findings of this step come last.

    `sent_prompt` reads the prompt out of a provider's request, for the report.
    """
    findings = Findings()
    options = {name: settings.options for name, settings in provider_settings.items()}
    told: set[str] = set()
    for item in plan:
        if isinstance(item, Diagnostic):
            told.add(item.slug)
            yield item
            continue
        # Options that the plan has told something about are left out: they hide nothing else.
        chosen = EMPTY if told & _OPTIONS else options.get(item.provider, EMPTY)
        try:
            request = compose(item, chosen)
        except InvalidInput as invalid:
            for finding in invalid.findings:
                # The plan tells it at the key itself; here only the shot is known.
                if finding.slug != "extra-reserved" or finding.slug not in told:
                    findings.add(finding, item.row_key)
            continue
        found = price(item, rates)
        if found is None and budget.assume_usd:
            found = assumed(budget.assume_usd, rates.native_usd.get(item.provider))
        for finding in _money(item, found, budget):
            findings.add(finding, item.row_key)
        said = sent_prompt(item.provider, request) if sent_prompt else ""
        yield Entry(item=item, request=request, price=found, sent_prompt=said)
    yield from findings.drain()


def _money(item: Item, found: Price | None, budget: Budget) -> Iterator[Diagnostic]:
    """Yield what the budget has against an item."""
    if found is None and _capped(budget):
        yield Diagnostic(
            slug="unpriced",
            message=(
                f"no price is known for {KIND_WORDS[item.kind]}"
                f" in mode {item.settings.mode} at {item.provider}"
            ),
            span=budget.span or item.origin.shot,
            hint="write unpriced: {assume: 0.60 USD} into the budget, or ask another provider",
            related=(item.origin.shot,) if budget.span else (),
        )
    if found is None or budget.per_item_usd is None or found.high_usd <= budget.per_item_usd:
        return
    most = f"{_usd(found.high_usd)}; per_item allows {_usd(budget.per_item_usd)}"
    yield Diagnostic(
        slug="over-per-item",
        message=f"an item of shot '{item.shot}' may cost {most}",
        span=item.origin.shot,
        hint="make it shorter, choose mode std, or raise per_item",
        related=(budget.span,) if budget.span else (),
    )


def _capped(budget: Budget) -> bool:
    limits = (budget.limit_usd, budget.per_run_usd, budget.per_row_usd, budget.per_item_usd)
    return any(limit is not None for limit in limits)


def _usd(amount: Decimal) -> str:
    exact = amount.normalize()
    return f"{exact:.{max(2, -int(exact.as_tuple().exponent))}f} USD"
