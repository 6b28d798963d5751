"""What a manifest sets for providers themselves: told at the very key, before any item."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.domain import ProviderSettings
from pipeline.plan.provider_settings import extra_faults, provider_setting_faults
from tests.unit.plan import builders as build

OFFERS = {
    "runware": replace(
        build.RUNWARE,
        options=frozenset({"schema", "reference_syntax"}),
        option_values={"schema": frozenset({"may-2026", "aug-2026"})},
        hosts_allowed=frozenset({"eu.runware.example"}),
        reserved=frozenset({"numberResults", "inputs.frames", "webhookURL", "uploadEndpoint"}),
        extra_fields={
            "outputQuality": {"type": "integer", "minimum": 20, "maximum": 99},
            "safety.mode": {"enum": ["none", "fast"]},
            "routing": {"type": "object"},
        },
    )
}
SPANS = {"": build.at(3), "schema": build.at(4), "shema": build.at(5)}


def told(name: str = "runware", **settings: Any) -> list[tuple[str, int]]:
    """Return slug and line of what is wrong with a provider's settings."""
    given = {name: ProviderSettings(spans=SPANS, **settings)}
    manifest = replace(build.manifest(), providers=given)
    return [(each.slug, each.span.line) for each in provider_setting_faults(manifest, OFFERS)]


def test_options_are_judged_where_they_are_written() -> None:
    """A misspelt option, and a value that an option cannot have, are findings at their keys."""
    assert [] == told(options={"schema": "may-2026"})
    assert [("bad-option", 4)] == told(options={"schema": "march-2026"})
    assert [("unknown-option", 5)] == told(options={"shema": "may-2026"})


def test_a_provider_that_nobody_knows_is_told_at_its_name() -> None:
    """Settings for a misspelt provider would do nothing."""
    assert [("unknown-provider", 3)] == told("runwear")


@pytest.mark.parametrize(
    ("url", "slugs"),
    [
        ("https://runware.example", []),
        ("https://eu.runware.example/v2", []),
        ("https://evil.example", ["foreign-address"]),
        ("http://runware.example", ["foreign-address"]),
    ],
)
def test_a_manifest_names_a_providers_own_hosts_only(url: str, slugs: list[str]) -> None:
    """A request carries the key, so a manifest cannot choose where it goes; https is a must."""
    assert slugs == [slug for slug, _ in told(base_url=build.value(url, 7))]
    assert slugs == [slug for slug, _ in told(upload_url=build.value(url, 7))]


@pytest.mark.parametrize(
    ("spans", "lines"),
    [
        ({"extra.runware.seed": 21}, []),
        ({"extra.runware.numberResults": 21}, [21]),
        ({"extra.runware.inputs": 21}, [21]),
        ({"extra.runware.inputs": 21, "extra.runware.inputs.frames": 22}, [22]),
        ({"extra.runware.inputs": 21, "extra.runware.inputs.seed": 22}, []),
        ({"extra.unifically.numberResults": 21}, []),
    ],
)
def test_a_reserved_field_is_told_at_its_key(spans: dict[str, int], lines: list[int]) -> None:
    """A field that an offer keeps, one below it, or a value in place of a map around it."""
    places = {path: build.at(line) for path, line in spans.items()}
    shot = build.shot(extra={"runware": {}, "unifically": {}}, field_spans=places)

    found = [each for each in extra_faults(shot, OFFERS) if each.slug != "extra-unknown"]

    assert [("extra-reserved", line) for line in lines] == [
        (finding.slug, finding.span.line) for finding in found
    ]


@pytest.mark.parametrize(
    ("extra", "told_of"),
    [
        ({"outputQuality": 90}, None),
        ({"outputQuality": 10}, ("extra-value", "a whole number from 20 to 99, not 10", "")),
        ({"outputQuality": True}, ("extra-value", "not True", "")),
        ({"safety": {"mode": "fast"}}, None),
        ({"safety": {"mode": "full"}}, ("extra-value", "none or fast, not 'full'", "")),
        ({"routing": {"any": {"thing": 1}}}, None),
        ({"routing": 1}, ("extra-value", "a map, not 1", "")),
        ({"outputQualty": 90}, ("extra-unknown", "may be ignored", "'outputQuality'")),
        ({"seed": 7}, ("extra-unknown", "may be ignored", "known here: outputQuality")),
        ({"webhookURL": "https://x"}, ("extra-reserved", "nobody listens", "take it out")),
        ({"uploadEndpoint": "https://x"}, ("extra-reserved", "put there", "output folder")),
        ({"numberResults": 2}, ("extra-reserved", "charged", "takes: 3")),
    ],
)
def test_a_field_of_extra_is_judged_at_its_key(
    extra: dict[str, Any], told_of: tuple[str, str, str] | None
) -> None:
    """Known and right, known and wrong, unknown (a warning), or not for extra to set, and why."""
    places = {f"extra.runware.{path}": build.at(21) for path in _paths(extra)}
    shot = build.shot(extra={"runware": extra}, field_spans=places)

    found = list(extra_faults(shot, OFFERS))

    if told_of is None:
        assert [] == found
        return
    slug, message, hint = told_of
    (finding,) = found
    assert (slug, build.at(21)) == (finding.slug, finding.span)
    assert message in finding.message
    assert hint in finding.hint
    assert ("warning" if slug == "extra-unknown" else "error") == finding.severity


def _paths(extra: dict[str, Any]) -> list[str]:
    return [
        f"{name}.{inner}" if inner else name
        for name, value in extra.items()
        for inner in (_paths(value) if isinstance(value, dict) else [""])
    ]
