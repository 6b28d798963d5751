"""What HTTP alone tells: kinds, waits, money, links."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipeline.domain.states import FaultKind
from pipeline.providers import replies
from pipeline.providers.base import Request, Response, retry_after_s


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Response:
    """Return a reply; header names are given with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=named, body=body)


@pytest.mark.parametrize(
    ("status", "kind", "accepted"),
    [
        (301, FaultKind.UNAVAILABLE, None),
        (400, FaultKind.REJECTED, False),
        (401, FaultKind.UNAUTHORISED, False),
        (402, FaultKind.UNPAID, False),
        (403, FaultKind.UNAUTHORISED, False),
        (404, FaultKind.REJECTED, False),
        (408, FaultKind.UNAVAILABLE, None),
        (409, FaultKind.REJECTED, False),
        (413, FaultKind.REJECTED, False),
        (418, FaultKind.REJECTED, False),
        (422, FaultKind.REJECTED, False),
        (429, FaultKind.THROTTLED, False),
        (500, FaultKind.UNAVAILABLE, None),
        (502, FaultKind.UNAVAILABLE, None),
        (503, FaultKind.UNAVAILABLE, None),
        (504, FaultKind.UNAVAILABLE, None),
    ],
)
def test_a_status_has_one_meaning(status: int, kind: FaultKind, *, accepted: bool | None) -> None:
    """One table for all providers, and a doubt wherever the status proves nothing."""
    found = replies.http_fault(reply(status))

    assert (kind, accepted) == (found.kind, found.accepted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("86400", 300.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e400", None),
        ("٣", None),
    ],
)
def test_a_wait_is_honoured_up_to_five_minutes(value: str, expected: float | None) -> None:
    """A provider cannot park a lane for a day."""
    assert expected == retry_after_s(reply(429, retry_after=value).headers)


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("Thu, 22 Oct 2026 07:28:00 GMT", 300.0),
    ],
)
def test_a_wait_until_a_date_is_read_against_the_reply(until: str, expected: float) -> None:
    """The reply's own Date is the clock: ours may be wrong."""
    found = reply(503, retry_after=until, date="Wed, 21 Oct 2026 07:28:00 GMT")

    assert expected == retry_after_s(found.headers)
    assert retry_after_s(reply(503, retry_after=until).headers) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.56, Decimal("0.56")),
        (0, Decimal(0)),
        ("3.0", Decimal("3.0")),
        (None, None),
        (False, None),
        (-0.1, None),
        ("NaN", None),
        (float("inf"), None),
        ("three", None),
        ("1e30", None),
        ("1e999999999", None),
        ({}, None),
    ],
)
def test_money_is_an_amount_or_not_said(value: object, expected: Decimal | None) -> None:
    """What cannot be an amount is never taken for 0."""
    assert expected == replies.money(value)


def test_a_link_is_fetched_without_a_key() -> None:
    """A result is an absolute address on no host of ours."""
    assert Request(method="GET", path="https://cdn.example/a.mp4", host="") == replies.clip(
        "https://cdn.example/a.mp4"
    )


@pytest.mark.parametrize("value", [None, "", "a.mp4", "file:///etc/passwd", 5, ["https://a"]])
def test_what_is_no_link_is_no_clip(value: object) -> None:
    """Only http and https are links."""
    assert replies.clip(value) is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_none(body: bytes) -> None:
    """Deep nesting and broken text included: nothing raises."""
    assert replies.mapping(reply(body=body)) is None


def test_an_unreadable_reply_keeps_a_short_sample() -> None:
    """A person gets to see what came; not all of it."""
    found = replies.unreadable(reply(body=b"x" * 10_000))

    assert (FaultKind.UNREADABLE, None) == (found.kind, found.accepted)
    assert 500 < len(found.message) < 600


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Your account balance is too low", FaultKind.UNPAID),
        ("insufficient credits", FaultKind.UNPAID),
        ("Violates our content policy", FaultKind.REFUSED),
        ("blocked by moderation", FaultKind.REFUSED),
        ("NSFW content", FaultKind.REFUSED),
        ("Failure to pass the risk control system", FaultKind.REFUSED),
        ("duration must be 5 or 10", None),
        ("asterisk", None),
    ],
)
def test_words_tell_a_refusal_from_an_empty_account(message: str, kind: FaultKind | None) -> None:
    """Where no code is documented, the message's words decide."""
    assert kind is replies.worded_kind(message)
