"""From item to checked request: prompt lengths, the closed schema, and what extra may add."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Kind, Role, Token
from pipeline.errors import InvalidInput
from pipeline.providers.registry import OFFERS, PROVIDERS, compose, sent_prompt
from tests.unit.providers.samples import FRONT, HERE, item, reference


def refused(found: Any, options: dict[str, Any] | None = None) -> list[tuple[str, Any]]:
    """Return slug and place of each finding that composing an item gives."""
    with pytest.raises(InvalidInput) as caught:
        compose(found, options or {})
    return [(finding.slug, finding.span) for finding in caught.value.findings]


def test_every_provider_has_its_offer_under_its_own_name() -> None:
    """A name means one provider, in both tables."""
    assert set(PROVIDERS) == set(OFFERS)
    assert all(name == provider.offer.provider for name, provider in PROVIDERS.items())


def test_a_prompt_is_measured_as_sent() -> None:
    """Tokens count by what they become: 2,490 characters and a long say are too long."""
    long = reference(Role.IMAGE, 1, say="the sneaker with the white sole")
    prompt = ("x" * 2490, Token(role=Role.IMAGE, ordinal=1))
    found = item(Kind.REFERENCES, references=(long,), prompt=prompt)

    assert [("prompt-long", HERE)] == refused(found)
    assert 2490 + len("@1") == len(
        sent_prompt("runware", compose(found, {"reference_syntax": "@{n}"}))
    )


def test_a_prompt_of_one_letter_is_too_short_for_runware() -> None:
    """Runware wants two characters."""
    assert [("prompt-short", HERE)] == refused(item(prompt=("x",)))


@pytest.mark.parametrize("prompt", ["client:id", f"asset:{'0' * 64}"])
def test_a_prompt_cannot_be_a_placeholder(prompt: str) -> None:
    """Such a prompt would be replaced by an id or a file's address."""
    assert [("prompt-reserved", HERE)] == refused(item(prompt=(prompt,)))


@pytest.mark.parametrize(
    "wrong",
    [
        item(duration=7),
        item(ratio="auto"),
        item(Kind.FRAMES, duration=3),
        item(format="gif"),
        item(Kind.REFERENCES, references=tuple(reference(Role.IMAGE, n) for n in range(1, 9))),
    ],
)
def test_what_the_schema_refuses_is_a_finding_at_the_shot(wrong: Any) -> None:
    """Whatever slipped through the plan's own rules stops here, before money."""
    assert [("wire-schema", HERE)] == refused(wrong)


@pytest.mark.parametrize(
    "extra",
    [
        {"numberResults": 20},
        {"webhookURL": "https://x.example"},
        {"inputs": {"frameImages": []}},
        {"inputs.video": "x"},
        {"inputs": "x"},
        {"providerSettings": {"klingai": {"fast": True}}},
        {"providerSettings": {"klingai": 5}},
        {"providerSettings": {}},
    ],
)
def test_extra_cannot_touch_what_is_reserved(extra: dict[str, Any]) -> None:
    """Twenty results quoted as one would empty a budget."""
    assert [("extra-reserved", HERE)] == refused(item(extra={"runware": extra}))


def test_extra_cannot_replace_what_the_shot_sets() -> None:
    """A field has one author."""
    found = item(safety="full", extra={"runware": {"safety": {"mode": "none"}}})

    assert [("extra-taken", HERE)] == refused(found)


def test_extra_is_a_map() -> None:
    """A bare value names no field."""
    assert [("extra-form", HERE)] == refused(item(extra={"runware": "fast"}))


def test_extra_is_added_beside_our_fields() -> None:
    """What the schema does not know is passed on, next to what it does."""
    extra = {"runware": {"outputQuality": 90, "providerSettings": {"klingai": {"sharp": 2}}}}
    plain = compose(item(Kind.EDIT), {})

    body = compose(item(Kind.EDIT, extra=extra), {})["body"][0]

    assert 90 == body["outputQuality"]
    assert {"keepOriginalSound": False, "fast": False, "sharp": 2} == (
        body["providerSettings"]["klingai"]
    )
    assert "outputQuality" not in plain["body"][0]


def test_extra_for_another_provider_is_not_sent() -> None:
    """Each provider gets its own extra alone."""
    found = item(extra={"unifically": {"numberResults": 20}})

    assert compose(item(), {}) == compose(found, {})


def test_the_sent_prompt_is_the_rendered_one() -> None:
    """Reports show what the provider was told."""
    found = item(Kind.REFERENCES, references=(FRONT, reference(Role.IMAGE, 2)))

    assert "the sneaker (image 1) turns in the light of image 2." == (
        sent_prompt("runware", compose(found, {}))
    )
