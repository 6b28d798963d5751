"""What looks like an API key, and what only looks long."""

from __future__ import annotations

import pytest

from pipeline.foreign_text import redact
from pipeline.manifest.load import find_secrets
from tests.unit.manifest.reading import value

RANDOM = "yhsJE2jR5KDXdwL1JLVtmmM0xlWTlkD7"


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdefghij1234567890",
        "sk_live_abcdefghij1234567890",
        "inf_0123456789abcdefghij",
        "Bearer abcdef123456ghi",
        RANDOM,
        f"a prompt with {RANDOM} in it",
        f"https://example.com/v1?key={RANDOM}",
    ],
)
def test_what_looks_like_a_key(text: str) -> None:
    """A known prefix, a bearer header and a long random word are taken for keys."""
    assert 1 == len(find_secrets(value(f"a: {{b: '{text}'}}")))
    assert text != redact(text)
    assert len(text) == len(redact(text))


@pytest.mark.parametrize(
    "text",
    [
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "spring-sneakers-2026-germany-hero-shot",
        "SpringCollection2026RedShoeLarge01",
        "https://cdn.example.com/images/Kj3hG5fD8sA2wE4rT6yU8iO0pL9kJ7hG.png",
        "refs/IMG_20260131_123456_Studio_Final.png",
        "a sneaker turns slowly in the light of the studio",
        "550e8400-e29b-41d4-a716-446655440000",
        "tag:hero,axis.aspect_ratio:9:16",
    ],
)
def test_what_is_only_long(text: str) -> None:
    """Digests, names, paths and addresses are not taken for keys."""
    assert () == find_secrets(value(f"a: {{b: '{text}'}}"))
    assert text == redact(text)


@pytest.mark.parametrize("key", ["api_key", "RUNWARE_API_KEY", "secret", "password", "auth_token"])
def test_a_key_that_says_so_holds_a_secret(key: str) -> None:
    """Whatever stands under a name such as `api_key` is taken for a secret."""
    assert 1 == len(find_secrets(value(f"a: {{{key}: short}}")))
    assert 0 == len(find_secrets(value("a: {keyboard: short, monkey: tokens}")))


def test_a_secret_is_found_where_it_stands() -> None:
    """The place of a key inside a longer text is the key's own."""
    (found,) = find_secrets(value(f"a: 'x {RANDOM} y'"))

    assert (7, 7 + len(RANDOM)) == (found.span.column, found.span.end_column)
