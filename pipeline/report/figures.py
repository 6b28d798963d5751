"""How money and time are written for people. An unknown price is a word, never a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from pipeline.domain.money import exact_usd
from pipeline.report.outcomes import Bound, Outcomes, Yield
from pipeline.report.summary import Money, Report

_MINUTE = 60
_HOUR = 3600


def estimate(money: Money) -> str:
    """Return the estimate, and how many prices are unknown beside it."""
    return _beside(money.estimate_usd, money.unknown)


def charge_text(money: Money | Bound) -> str:
    """Return what was charged, and how many charges are unknown beside it."""
    return _beside(money.charged_usd, money.charges_unknown)


def _beside(amount: Decimal, unknown: int) -> str:
    if not unknown:
        return exact_usd(amount)
    return f"{exact_usd(amount)} + {unknown} unknown" if amount else f"{unknown} unknown"


def earlier(report: Report) -> str:
    """Return what was paid, or may have been, for work that is not among the items."""
    return f"{exact_usd(report.earlier_usd)} USD before, for work that is not in this plan"


def charge_notes(report: Report) -> Iterator[str]:
    """Yield what is to be said of the money charged, beside its sum."""
    if report.adopted:
        yield (
            f"{exact_usd(report.adopted_usd)} USD of what was charged is the estimate of"
            f" {count_text(report.adopted, 'adopted clip')}, paid earlier: what was really paid is"
            " not known"
        )
    if report.elsewhere_usd:
        yield (
            f"{exact_usd(report.elsewhere_usd)} USD of what was charged was paid elsewhere, as"
            " the lock file says"
        )
    if report.earlier_usd:
        yield f"and {earlier(report)}"


def approved_cost(outcomes: Outcomes) -> str:
    """Return what an approved clip has cost, and from what; or why that cannot be said."""
    total, approved = outcomes.total, outcomes.approved
    charged = f"{exact_usd(total.charged_usd)} USD charged in all"
    cost = outcomes.cost_per_approved_usd
    if cost is not None:
        return f"{exact_usd(cost)} USD per approved clip: {charged}, {approved:,} approved"
    if not approved:
        return f"no clip is approved: {charged}"
    unknown = count_text(total.charges_unknown, "charge")
    return (
        f"{approved:,} approved; what one has cost is not known: {charged}, and {unknown} unknown"
    )


def yield_text(each: Yield) -> str:
    """Return the share of approved clips among those decided on; a dash while there is none."""
    return "–" if each.rate is None else f"{each.rate:.0%}"


def native(sums: Iterable[tuple[str, Decimal]]) -> str:
    """Return amounts in units of the providers' own: 84 credits."""
    return ", ".join(
        f"{amount.normalize():f} {unit}{'' if amount == 1 else 's'}" for unit, amount in sums
    )


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 4.2 s, 1 min 12 s, 3 h 05 min."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth matters
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"


def count_text(number: int, noun: str) -> str:
    """Return a number with its noun: 1 clip, 2 clips."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
