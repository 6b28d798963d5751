"""An image with a licence is used until its last day, and not after."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.domain import Item
from pipeline.findings import Finding
from tests.unit.plan import builders as build

LAST_DAY = "2026-11-30"


def _planned(today: date | None, until: str = LAST_DAY) -> tuple[list[str], list[Finding]]:
    """Return the items of a shot with a licensed image, and what is said of them."""
    image = build.image("front", licence_until=build.value(until, 7))
    campaign = build.manifest(build.shot("Look at @front.", bundles=(build.bundle(image),)))
    found = list(build.plan(campaign, day=today))
    return (
        [each.address for each in found if isinstance(each, Item)],
        [each for each in found if isinstance(each, Finding)],
    )


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 10, 30), []),
        (date(2026, 10, 31), ["licence-ends"]),
        (date(2026, 11, 30), ["licence-ends"]),
        (date(2026, 12, 1), ["licence-expired"]),
    ],
)
def test_the_last_day_counts_and_thirty_days_before_are_warned_of(
    today: date, said: list[str]
) -> None:
    """The day itself is allowed; the warning begins thirty days before it."""
    _, findings = _planned(today)

    assert said == [finding.slug for finding in findings]


def test_an_expired_licence_is_an_error_where_it_is_written() -> None:
    """The finding stops the campaign and stands at the date."""
    _, (finding,) = _planned(date(2027, 1, 1))

    assert ("error", 7) == (finding.severity, finding.span.line)
    assert "'front' was licensed until 2026-11-30" == finding.message


def test_a_licence_that_ends_soon_stops_nothing() -> None:
    """A warning leaves the items in the plan."""
    addresses, (finding,) = _planned(date(2026, 11, 1))

    assert (["spin#1"], "warning") == (addresses, finding.severity)


def test_a_day_that_no_calendar_has_is_an_error() -> None:
    """The thirtieth of February looks like a date and is none."""
    _, (finding,) = _planned(date(2026, 1, 1), until="2026-02-30")

    assert ("bad-value", "2026-02-30 is no day of the calendar") == (finding.slug, finding.message)


def test_without_a_day_no_licence_is_judged() -> None:
    """The plan reads no clock: who asks for it hands in the day."""
    assert [] == _planned(None)[1]
