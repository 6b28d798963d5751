"""What an item costs: from the rate list, never 0 for unknown, rounded up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import Budget, Item, Price, PricedItem, ProviderSettings
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.plan import parse_rates, price, price_items
from tests.unit.plan import builders as build

RATE: dict[str, Any] = {
    "provider": "runware",
    "model": "kling-o1",
    "kinds": ["text", "references"],
    "modes": ["std", "pro"],
    "per": "second",
    "usd": "0.112",
    "source": "a page",
    "date": "2026-09",
    "certainty": "documented",
}
EDIT = {**RATE, "kinds": ["edit"], "usd": "0.176", "min_seconds": 6, "max_seconds": 8}


def rates(*given: dict[str, Any]) -> Any:
    """Return a rate list."""
    return parse_rates({"rates": list(given)})


def item(seconds: float = 5.0, **more: Any) -> Item:
    """Return an item of one shot."""
    return build.items(build.manifest(build.shot(**more)), build.Album(seconds=seconds))[0]


def edit(seconds: float) -> Item:
    """Return an edit of a clip of that length."""
    return item(seconds, bundles=(build.bundle(video=build.video("edit")),))


def test_a_price_is_the_rate_times_the_seconds() -> None:
    """With its source, and how sure it is."""
    assert Price(
        low_usd=Decimal("0.56"),
        expected_usd=Decimal("0.56"),
        high_usd=Decimal("0.56"),
        source="a page",
        certainty="documented",
    ) == price(item(), rates(RATE))


def test_low_and_high_may_differ() -> None:
    """What is reserved is the high one."""
    found = price(item(), rates({**RATE, "low_usd": "0.1", "high_usd": "0.168"}))

    assert found
    assert (Decimal("0.5"), Decimal("0.56"), Decimal("0.84")) == (
        found.low_usd,
        found.expected_usd,
        found.high_usd,
    )


def test_a_rate_may_be_for_the_item() -> None:
    """Whatever its length."""
    found = price(item(), rates({**RATE, "per": "item", "usd": "0.7"}))

    assert found
    assert Decimal("0.7") == found.expected_usd


@pytest.mark.parametrize(
    ("seconds", "usd"),
    [(4.0, "1.056"), (7.0, "1.232"), (7.123, "1.253648"), (9.0, "1.408")],
)
def test_an_edit_is_billed_by_its_clip_within_the_bounds(seconds: float, usd: str) -> None:
    """Below and above, the nearer bound is billed."""
    found = price(edit(seconds), rates(EDIT))

    assert found
    assert Decimal(usd) == found.expected_usd


@pytest.mark.parametrize(
    ("file_seconds", "charged", "high"),
    [(6.01331, "1.05834256", "1.232"), (6.0, "1.056", "1.056"), (7.9, "1.408", "1.408")],
)
def test_an_edit_is_reserved_as_providers_may_count_its_seconds(
    file_seconds: float, charged: str, high: str
) -> None:
    """Exactly by its file, sound included, or each begun second as a whole one: both fit."""
    found = price(_of_file(edit(6.0), file_seconds), rates(EDIT))

    assert found
    assert Decimal(high) == found.high_usd
    assert Decimal(charged) <= found.high_usd
    assert found.expected_usd <= found.high_usd


@given(
    frames=st.integers(72, 1200),
    rate=st.sampled_from([Fraction(24_000, 1001), Fraction(25), Fraction(60_000, 1001)]),
    per_second=st.decimals("0.000001", "0.5", places=7),
    bounds=st.sampled_from([{}, {"min_seconds": 3, "max_seconds": 10}, {"min_seconds": 6}]),
)
def test_no_length_is_reserved_below_its_charge(
    frames: int, rate: Fraction, per_second: Decimal, bounds: dict[str, int]
) -> None:
    """Whatever the length and the rate: by every digit of the file's length, as it is billed."""
    length_s = frames / rate
    found = price(
        # A file's length is kept in millionths, never rounded down (media/video).
        _of_file(edit(5.0), ceil(length_s * 1_000_000) / 1_000_000),
        rates({**RATE, "kinds": ["edit"], "usd": f"{per_second:f}", **bounds}),
    )

    at_least, at_most = (Fraction(bounds.get(f"{end}_seconds", length_s)) for end in ("min", "max"))
    billed_s = min(max(length_s, at_least), at_most)
    assert found
    assert Fraction(per_second) * billed_s <= Fraction(found.expected_usd)
    assert found.expected_usd <= found.high_usd


def test_whole_seconds_that_were_asked_for_are_not_counted_up() -> None:
    """Five are five."""
    found = price(item(), rates(RATE))

    assert found
    assert found.expected_usd == found.high_usd


def _of_file(made: Item, file_seconds: float) -> Item:
    """Return an edit whose clip's file lasts so long."""
    references = tuple(
        replace(
            each,
            media=tuple(replace(medium, file_seconds=file_seconds) for medium in each.media),
        )
        for each in made.references
    )
    return replace(made, references=references)


def test_sums_are_rounded_up_to_a_millionth() -> None:
    """What is reserved is never less than what is charged."""
    found = price(edit(7.3333), rates({**EDIT, "usd": "0.1234567"}))

    assert found
    assert Decimal("0.905346") == found.expected_usd


@pytest.mark.parametrize("given", [[], [{**RATE, "usd": None}], [{**RATE, "kinds": ["guide"]}]])
def test_an_unknown_price_is_none(given: list[dict[str, Any]]) -> None:
    """Never 0."""
    assert None is price(item(), rates(*given))


@pytest.mark.parametrize(
    "given",
    [
        {**RATE, "usd": 0.112},
        {**RATE, "usd": "0"},
        {**RATE, "usd": "0.00"},
        {**RATE, "usd": "-1"},
        {**RATE, "kinds": ["texts"]},
        {**RATE, "per": "minute"},
        {**RATE, "colour": "red"},
        {name: value for name, value in RATE.items() if name != "source"},
    ],
)
def test_a_bad_rate_list_is_refused(given: dict[str, Any]) -> None:
    """A price of 0, a float, an unknown word, a missing source."""
    with pytest.raises(InvalidInput) as caught:
        rates(given)

    assert {"bad-rates"} == {finding.slug for finding in caught.value.findings}


def test_one_work_has_one_rate() -> None:
    """Two would make the price a matter of order."""
    with pytest.raises(InvalidInput) as caught:
        rates(RATE, {**RATE, "modes": ["pro"], "kinds": ["text"]})

    assert ["two rates for runware, kling-o1, text, pro"] == [
        each.message for each in caught.value.findings
    ]


def admitted(budget: Budget, *given: dict[str, Any], **more: Any) -> list[PricedItem | Finding]:
    """Return the entries of a campaign of one shot."""
    return list(
        price_items(
            build.plan(
                build.manifest(build.shot(**more.pop("shot", {})), rows=more.pop("rows", ()))
            ),
            rates=rates(*given),
            budget=budget,
            compose=more.pop("compose", lambda item, options: {"body": [item.address, options]}),
            provider_settings=more.pop("provider_settings", {}),
            **more,
        )
    )


def slugs(found: list[PricedItem | Finding]) -> list[str]:
    """Return the names of what is wrong."""
    return [each.slug for each in found if isinstance(each, Finding)]


def test_an_entry_has_its_request_its_price_and_the_prompt_as_sent() -> None:
    """Composed with the manifest's options for the chosen provider."""
    settings = {"runware": ProviderSettings(options={"reference_syntax": "@image_{n}"})}

    (entry,) = admitted(
        Budget(),
        RATE,
        provider_settings=settings,
        sent_prompt=lambda provider, request: f"{provider}: {request['body'][0]}",
    )

    assert isinstance(entry, PricedItem)
    assert {"body": ["spin#1", {"reference_syntax": "@image_{n}"}]} == entry.request
    assert "runware: spin#1" == entry.sent_prompt
    assert entry.price
    assert Decimal("0.56") == entry.price.expected_usd


@pytest.mark.parametrize("limit", ["limit_usd", "per_run_usd", "per_row_usd", "per_item_usd"])
def test_an_unpriced_item_under_a_cap_is_a_finding(limit: str) -> None:
    """A budget that cannot be held is no budget."""
    limits: dict[str, Any] = {limit: Decimal(40)}
    capped = Budget(**limits, span=build.at(70))

    found = admitted(capped)

    assert ["unpriced"] == slugs(found)
    assert "no price is known for text alone in mode std at runware" == found[-1].message  # type: ignore[union-attr]
    assert build.at(70) == found[-1].span  # type: ignore[union-attr]
    assert [] == slugs(admitted(Budget()))


def test_an_assumed_price_is_marked_as_such() -> None:
    """It is what is reserved."""
    (entry,) = admitted(Budget(limit_usd=Decimal(40), assume_usd=Decimal("0.60")))

    assert isinstance(entry, PricedItem)
    assert entry.price
    assert (Decimal("0.60"), "assumed") == (entry.price.high_usd, entry.price.certainty)


def test_an_item_over_per_item_is_a_finding() -> None:
    """Judged by what would be reserved."""
    rate = {**RATE, "high_usd": "0.168"}
    shot = {"settings": {"takes": 3}}

    (*_, finding) = found = admitted(Budget(per_item_usd=Decimal("0.8")), rate, shot=shot)

    assert ["over-per-item"] == slugs(found)
    assert "an item of shot 'spin' may cost 0.84 USD; per_item allows 0.80 USD" == finding.message  # type: ignore[union-attr]
    assert [] == slugs(admitted(Budget(per_item_usd=Decimal("0.84")), rate, shot=shot))


def test_what_compose_refuses_is_one_finding_with_its_rows() -> None:
    """The item is no entry."""

    def compose(item: Item, options: Any) -> dict[str, Any]:
        del options
        if item.row_key == "B":
            return {}
        raise InvalidInput([Finding(slug="wire-schema", message="no", span=item.origin.shot)])

    rows = [build.row(key) for key in "ABC"]

    first, second = admitted(Budget(), RATE, compose=compose, shot={"table": "products"}, rows=rows)

    assert isinstance(first, PricedItem)
    assert "B" == first.item.row_key
    assert isinstance(second, Finding)
    assert ("wire-schema", ("A", "C")) == (second.slug, second.rows)


def test_findings_of_the_plan_pass_through() -> None:
    """All of one pass are shown."""
    assert ["duration"] == slugs(admitted(Budget(), RATE, shot={"settings": {"duration": 7}}))
