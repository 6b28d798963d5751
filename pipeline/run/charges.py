"""What a finished clip cost, and what that shows of its price.

The provider's own sum comes first, then its credits at the price list's rate, then how far the
account's balance fell meanwhile: an upper bound, since others may spend from the same account.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from pipeline.domain import Feature
from pipeline.ledger import payload
from pipeline.ledger.jobs import CHARGED
from pipeline.ledger.price_confirmations import BALANCE, CHARGE, CREDITS, FREE, TOLD, UNTOLD
from pipeline.ledger.purchases import REPORTED, UNKNOWN, Booking
from pipeline.ledger.sql_schema import micro_exact, usd
from pipeline.providers.base import Charge, Fault
from pipeline.run.job import ActiveJob

_UNUSUAL = Decimal("0.05")
"""By what share told credits may differ from the usual and not be spoken of."""


async def read_charge(active: ActiveJob, charge: Charge | None) -> Booking:
    """Return what is booked for a finished clip; the balance is asked for where nothing is told.

    The estimate is booked, marked as such, where no sum is told; where no price is known either,
    nobody knows the sum: it is booked as 0, and marked `unknown`.
    """
    purchase, prices = active.purchase, active.context.prices
    booking = book_charge(active, charge)
    if charge is not None and charge.unread:
        known = purchase.outcome == CHARGED or prices.is_told(purchase.price, purchase.seconds)
        return booking if booking.above or known else await _by_balance(active, booking)
    if booking.source == REPORTED and booking.charged_microusd:
        evidence = CHARGE
    elif purchase.outcome == CHARGED:
        return booking
    elif booking.source == REPORTED:
        # A finished clip that cost nothing is no price: unless the account says more, the next
        # one goes alone too.
        found = await _by_balance(active, booking)
        return found if found.evidence == BALANCE else replace(found, evidence=_news(active, FREE))
    elif booking.native and Decimal(booking.native):
        booking = _in_credits(active, booking)
        evidence = CREDITS if _native_usd(active) is not None else UNTOLD
    elif prices.is_told(purchase.price, purchase.seconds):
        return booking
    else:
        return await _by_balance(active, booking)
    return replace(booking, evidence=_news(active, evidence))


def _news(active: ActiveJob, evidence: str) -> str:
    """Return what a purchase shows of its price, unless that is known."""
    purchase, prices = active.purchase, active.context.prices
    seen = prices.seen_price(purchase.price)
    known = seen.is_confirmed(purchase.seconds) and (seen.source in TOLD or evidence not in TOLD)
    return "" if known and not seen.charged_microusd else evidence


def book_charge(active: ActiveJob, charge: Charge | None) -> Booking:
    """Return the booking of a charge as it is told, or of the estimate.

    One that cannot be read is no silence: all that was reserved may have been charged.
    """
    told = charge or Charge()
    native, unit = told.native, told.unit
    if native is None and active.purchase.charged_native:
        # It was told at acceptance.
        native, unit = Decimal(active.purchase.charged_native), active.purchase.native_unit
    shown = "" if native is None else str(native)
    booking = Booking(outcome=CHARGED, native=shown, unit=unit, at=active.now())
    if told.usd is not None:
        return replace(booking, charged_microusd=micro_exact(told.usd), source=REPORTED)
    if told.unread:
        possible = active.purchase.reserved_microusd
        return replace(booking, possible_microusd=possible, source=UNKNOWN, above=told.above)
    estimate = active.purchase.estimate_microusd
    if estimate is None:
        return replace(booking, source=UNKNOWN)
    return replace(booking, charged_microusd=estimate, source="estimated")


async def ask_balance(active: ActiveJob) -> Charge | None:
    """Return what the provider's account has left, if it can be asked and answers."""
    queue = active.queue
    if Feature.BALANCE not in queue.provider.offer.features:
        return None
    told = await queue.client.balance()
    if isinstance(told, Fault):
        active.emit("unanswered", cause=told.kind.value, message=told.message)
        return None
    return told


def _in_credits(active: ActiveJob, booking: Booking) -> Booking:
    """Return the booking at what its credits are worth, where that is more than the estimate."""
    native, estimate = Decimal(booking.native), active.purchase.estimate_microusd
    seen, rate = active.context.prices.seen_price(active.purchase.price), _native_usd(active)
    # What such a clip usually costs, or by the price list should.
    usual = usd(estimate) / rate if rate and estimate else None
    if seen.native is not None and seen.native_unit == booking.unit:
        usual = seen.usual(active.purchase.seconds)
    if usual and abs(native / usual - 1) > _UNUSUAL:
        told = f"{native.normalize():f} {booking.unit}s told where {usual.normalize():f} are usual"
        active.emit("unusual_credits", message=told)
    if rate is not None:
        worth = micro_exact(native * rate)
    elif usual and estimate is not None:
        worth = micro_exact(usd(estimate) * native / usual)
    else:
        return booking
    more = worth > booking.charged_microusd
    source = "estimated" if estimate is None or more else booking.source
    # Never below the estimate: what a credit costs is the price list's word, not the provider's.
    return replace(booking, charged_microusd=max(worth, booking.charged_microusd), source=source)


def _native_usd(active: ActiveJob) -> Decimal | None:
    return payload.load_item(active.job.payload).native_usd


async def _by_balance(active: ActiveJob, booking: Booking) -> Booking:
    """Return the booking with what the balance shows beyond the estimate as possible.

    What our own other purchases at the provider may have taken meanwhile is not held against it.
    """
    before, after = active.balance, None
    if before is not None:
        after = await ask_balance(active)
    fell = _fell(before, after, _native_usd(active))
    if fell is None or fell <= 0:
        return replace(booking, evidence=_news(active, UNTOLD))
    purchase = active.purchase
    others = await active.context.ledger.bound_beside(purchase, since=purchase.intent_at)
    beyond = max(0, fell - others - booking.charged_microusd)
    most = purchase.reserved_microusd
    # A fall above the reservation that our other purchases may explain shows no price.
    certain = purchase.estimate_microusd is None or fell <= most or fell - others > most
    return replace(
        booking,
        possible_microusd=max(beyond, booking.possible_microusd),
        evidence=BALANCE if certain else "",
    )


def _fell(before: Charge | None, after: Charge | None, native_usd: Decimal | None) -> int | None:
    """Return by how much the account fell, in micro-USD; None if that is not known."""
    if before is None or after is None:
        return None
    if before.usd is not None and after.usd is not None:
        return micro_exact(before.usd - after.usd)
    if before.native is None or after.native is None or native_usd is None:
        return None
    return micro_exact((before.native - after.native) * native_usd)
