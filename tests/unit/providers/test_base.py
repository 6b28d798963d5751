"""Requests as plain data: stored, filled, and brought back."""

from __future__ import annotations

import orjson
import pytest

from pipeline.domain import Kind
from pipeline.ledger import payload
from pipeline.net.encoding import fill_placeholders
from pipeline.providers.base import Part, Request, plain
from pipeline.providers.registry import compose
from tests.unit.providers.samples import item

REQUESTS = [
    Request(method="POST", path="/v1", body=[{"a": 1, "b": None}]),
    Request(method="GET", path="https://cdn.example/a.mp4", host=""),
    Request(
        method="PUT",
        path="/upload",
        host="upload",
        headers={"X-A": "b"},
        part=Part(name="file", filename="a.png", content_type="image/png"),
        fields={"c": "d"},
    ),
    Request(method="PUT", path="https://store.example/x", host="", content=True),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_survives_the_ledger(request_: Request) -> None:
    """Written as JSON and read back, it is the same request."""
    assert request_ == payload.request(orjson.loads(orjson.dumps(plain(request_))))


def _fill(body: object, values: dict[str, str]) -> object:
    return fill_placeholders(Request(method="POST", path="/v1", body=body), values).body


def test_only_whole_strings_are_placeholders() -> None:
    """A prompt that merely mentions a placeholder stays as it is."""
    data = {"id": "client:id", "prompt": "not client:id", "list": ["asset:1", 5, None, True]}

    assert {"id": "u-1", "prompt": "not client:id", "list": ["uri", 5, None, True]} == _fill(
        data, {"client:id": "u-1", "asset:1": "uri"}
    )


def test_filling_leaves_the_original_alone() -> None:
    """The ledger keeps the placeholder form."""
    found = compose(item(Kind.FRAMES), {})
    before = orjson.dumps(found)

    fill_placeholders(payload.request(found), {"client:id": "u-1"})

    assert before == orjson.dumps(found)


def test_what_has_no_replacement_stays_a_placeholder() -> None:
    """A missing upload shows, and is refused by the provider's schema rather than sent as text."""
    assert ["asset:2"] == _fill(["asset:2"], {"asset:1": "uri"})
