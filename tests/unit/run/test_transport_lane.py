"""A key and the only origins it may be sent to."""

from __future__ import annotations

import traceback

import pytest

from pipeline.errors import Unusable
from pipeline.net.lane import Lane, scrubber

KEY = "sk+key/that-nobody=may"


@pytest.mark.parametrize("key", ["", " ", "two words", "line\n", "line\r\nX-Evil: 1", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_told_without_it(key: str) -> None:
    """A key with white space or a line break is refused before any request, and never quoted."""
    with pytest.raises(Unusable, match="set its environment variable again") as caught:
        Lane(provider="runware", key=key, hosts={})

    assert not key.strip() or key not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize(
    "base",
    [
        "http://api.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "https://",
        "api.example.com",
        "https://user:word@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://a:b:c",
        "",
    ],
)
def test_a_base_url_is_https_or_this_machine(base: str) -> None:
    """No key goes out in the clear, and none to an address that is not plainly a host."""
    with pytest.raises(Unusable, match="runware's host 'api' must be https"):
        Lane(provider="runware", key=KEY, hosts={"api": base})


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({"api": "http://127.0.0.1:8000/runware"}, True),
        ({"api": "http://localhost:1", "upload": "http://[::1]:2"}, True),
        ({"api": "https://127.0.0.1"}, True),
        ({"api": "http://127.0.0.1:1", "upload": "https://files.example.com"}, False),
        ({"api": "https://10.0.0.1"}, False),
        ({"api": "https://api.example.com"}, False),
        ({}, False),
    ],
)
def test_a_rehearsal_is_a_lane_that_never_leaves_this_machine(
    hosts: dict[str, str], *, expected: bool
) -> None:
    """Only where every host is on loopback may results come from loopback."""
    assert expected == Lane(provider="runware", key=KEY, hosts=hosts).loopback


def test_a_key_has_a_fingerprint_that_tells_nothing_of_it() -> None:
    """The same key is the same account, another key or provider another one."""
    names = {
        Lane(provider=provider, key=key, hosts={}).fingerprint
        for provider, key in [("a", "k1"), ("a", "k1"), ("a", "k2"), ("b", "k1")]
    }

    assert 3 == len(names)
    assert {12} == {len(name) for name in names}
    assert "k1" not in "".join(names)


def test_a_lane_shows_no_key() -> None:
    """Neither its text nor its fields as shown hold the key."""
    lane = Lane(provider="runware", key=KEY, hosts={})

    assert KEY not in f"{lane} {lane!r}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"invalid key {KEY}.", "invalid key [key]."),
        ("?key=sk%2Bkey%2Fthat-nobody%3Dmay&x", "?key=[key]&x"),
        ("Authorization: Bearer other-secret, x", "Authorization: Bearer [key], x"),
        ("longer sk+key/that-nobody=may-2 key", "longer [key] key"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_text_that_is_kept_holds_no_key(text: str, expected: str) -> None:
    """A provider's reply may quote a key, plain or escaped, ours or somebody's: it is taken out."""
    lanes = [
        Lane(provider="runware", key=KEY, hosts={}),
        Lane(provider="evolink", key=f"{KEY}-2", hosts={}),
    ]

    assert expected == scrubber(lanes)(text)


def test_without_keys_nothing_is_taken_out() -> None:
    """No lane, no key: the text stays."""
    assert "abc" == scrubber([])("abc")
