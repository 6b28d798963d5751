"""What an account has left: asked for as documented, read in USD or in the provider's unit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest

from pipeline.domain.states import FaultKind
from pipeline.providers import PROVIDERS
from pipeline.providers.base import Balances, Charge, Fault
from tests.unit.providers.reading import said


def _runware(balance: Any) -> Any:
    return {"data": [{"taskType": "accountManagement", "taskUUID": "x", "balance": balance}]}


def _evolink(left: Any) -> Any:
    token = {"remaining_credits": 99416.4429, "unlimited_credits": False, "used_credits": 583.5}
    return {"data": {"token": token, "user": {"remaining_credits": left}}, "success": True}


@pytest.mark.parametrize(
    ("provider", "body", "expected"),
    [
        ("runware", _runware({"amount": 12.5, "currency": "USD"}), Charge(usd=Decimal("12.5"))),
        ("runware", _runware(12.5), Charge(usd=Decimal("12.5"))),
        (
            "evolink",
            _evolink(1095.3996),
            Charge(native=Decimal("1095.3996"), unit="credit"),
        ),
        (
            "unifically",
            {"code": 200, "success": True, "data": {"balance_usd": 3}},
            Charge(usd=Decimal(3)),
        ),
    ],
)
def test_what_is_left_is_read(provider: str, body: Any, expected: Charge) -> None:
    """As the page shows it, and as it was before."""
    balances = cast("Balances", PROVIDERS[provider])

    assert expected == balances.read_balance(said(body))


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("runware", _runware({"amount": 12.5, "currency": "EUR"})),
        ("runware", _runware(None)),
        ("runware", {"data": []}),
        ("evolink", _evolink("many")),
        ("unifically", {"code": 200, "success": False, "data": {"balance_usd": 3}}),
        ("unifically", []),
    ],
)
def test_what_is_no_balance_in_dollars_is_a_fault(provider: str, body: Any) -> None:
    """Another currency, no sum, a failure: nothing is made of it."""
    balances = cast("Balances", PROVIDERS[provider])

    assert isinstance(balances.read_balance(said(body)), Fault)


def test_a_bad_key_is_told_as_such() -> None:
    """The fault is that of any other request."""
    error = {"error": {"code": 401, "message": "Invalid API key", "type": "authentication_error"}}
    found = cast("Balances", PROVIDERS["evolink"]).read_balance(said(error, 401))

    assert isinstance(found, Fault)
    assert FaultKind.UNAUTHORISED == found.kind
