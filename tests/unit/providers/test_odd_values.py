"""Ids and sums as no page shows them: read as what they are, or refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from pipeline.domain.states import FaultKind
from pipeline.providers import replies
from pipeline.providers.apimart import APIMart
from pipeline.providers.base import (
    Absent,
    Accepted,
    Charge,
    Done,
    Fault,
    Provider,
    Quotes,
    Response,
    TaskRef,
)
from pipeline.providers.evolink import EvoLink
from pipeline.providers.inference import Inference
from pipeline.providers.runware import Runware
from pipeline.providers.unifically import Unifically

LINK = "https://cdn.example/a.mp4"
OWN = "11111111-1111-4111-8111-111111111111"


def reply(body: Any, status: int = 200) -> Response:
    """Return a reply with this JSON."""
    return Response(status=status, headers={}, body=orjson.dumps(body))


def taken(provider: str, task: Any) -> Any:
    """Return what a provider says when it took a task under this id."""
    return {
        "evolink": {"id": task, "status": "pending"},
        "apimart": {"code": 200, "data": [{"status": "submitted", "task_id": task}]},
        "inference": {"data": {"id": task, "status": 2, "status_text": "queued"}},
        "unifically": {"code": 200, "success": True, "data": {"task_id": task}},
    }[provider]


def running(provider: str, task: Any) -> Any:
    """Return what a provider says of a task that is being made."""
    if provider == "apimart":
        return {"code": 200, "data": {"id": task, "status": "processing"}}
    if provider == "unifically":
        data = {"task_id": task, "status": "processing"}
        return {"code": 200, "success": True, "data": data}
    return {"id": task, "status": "processing", "status_text": "running"}


NAMED: list[tuple[str, Provider]] = [
    ("evolink", EvoLink()),
    ("apimart", APIMart()),
    ("inference", Inference()),
    ("unifically", Unifically()),
]
ODD: tuple[Any, ...] = (
    True,
    1.5,
    [],
    {"a": 1},
    12345678901234567890123,
    "",
    "a\nb",
    "\x1b[2J",
    "x" * 501,
    "..",
    ".",
)


@pytest.mark.parametrize(("name", "provider"), NAMED)
def test_a_task_id_may_be_a_number(name: str, provider: Provider) -> None:
    """Its digits are its text, when it is taken and when it is asked for."""
    found = provider.read_submit(reply(taken(name, 1234567890123)), "")

    assert isinstance(found, Accepted)
    assert "1234567890123" == found.task
    asked = provider.read_status(TaskRef(task="1234567890123"), reply(running(name, 1234567890123)))
    assert not isinstance(asked, Fault)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(("name", "provider"), NAMED)
def test_a_task_id_that_cannot_be_asked_for_leaves_a_doubt(
    name: str, provider: Provider, odd: Any
) -> None:
    """The task may have been taken: nobody says no, and the message names what came."""
    body = orjson.dumps(taken(name, 0)).replace(b":0", b":" + _json(odd), 1)
    found = provider.read_submit(Response(status=200, headers={}, body=body), "")

    assert isinstance(found, Fault)
    assert (FaultKind.UNREADABLE, None) == (found.kind, found.accepted)
    assert "task id that cannot be used" in found.message
    assert len(found.message) < 200
    assert found.message.isprintable()


@pytest.mark.parametrize(("name", "provider"), NAMED)
def test_a_task_id_cannot_leave_its_place_in_an_address(name: str, provider: Provider) -> None:
    """It is one segment of the path, whatever it holds."""
    found = provider.read_submit(reply(taken(name, "../../v1/account?x=ü #")), "")

    assert isinstance(found, Accepted)
    usual, odd = (
        provider.status_request(TaskRef(task=task)).path for task in ("plain", found.task)
    )
    assert usual.count("/") == odd.count("/")
    assert usual.replace("plain", "..%2F..%2Fv1%2Faccount%3Fx%3D%C3%BC%20%23") == odd


@pytest.mark.parametrize(("name", "provider"), NAMED)
@pytest.mark.parametrize("status", [402, 403, 429])
def test_an_id_beside_a_refusal_leaves_a_doubt(name: str, provider: Provider, status: int) -> None:
    """Whoever names a task may have it."""
    body = {**taken(name, "t1"), "error": {"code": status, "message": "no"}}

    found = provider.read_submit(reply(body, status), "")

    assert isinstance(found, Fault)
    assert found.accepted is None


@pytest.mark.parametrize(
    "body",
    [
        {"code": 503, "message": "busy"},
        {"status": 503, "title": "Internal error", "type": "https://x/errors/internal_error"},
        {"success": False, "status": 503, "error": "busy"},
        {"error": {"code": 503, "message": "busy"}},
    ],
)
def test_a_trouble_in_the_body_counts_as_if_http_said_it(body: Any) -> None:
    """inference.sh's 200 with a 503 inside: in doubt after a submit, asked again after a poll."""
    provider = Inference()

    sent, asked = (
        provider.read_submit(reply(body), ""),
        provider.read_status(TaskRef(task="t1"), reply(body)),
    )

    assert isinstance(sent, Fault)
    assert (FaultKind.UNAVAILABLE, None) == (sent.kind, sent.accepted)
    assert isinstance(asked, Fault)
    assert FaultKind.UNAVAILABLE == asked.kind


def test_a_trouble_in_the_body_beside_a_task_leaves_a_doubt() -> None:
    """The run may go on although its submit was answered with a trouble."""
    body = {"error": {"code": 429, "message": "slow down"}, "data": {"id": "t1"}}

    found = Inference().read_submit(reply(body), "")

    assert isinstance(found, Fault)
    assert (FaultKind.THROTTLED, None) == (found.kind, found.accepted)
    assert Absent() == Inference().read_status(TaskRef(task="t1"), reply({"code": 404}))


READ = [
    (0, "0"),
    (7, "7"),
    (0.5, "0.5"),
    ("0.50", "0.50"),
    (1e-30, "1E-30"),
    ("0.757677", "0.757677"),
    (999_999_999, "999999999"),
]
UNREAD: tuple[Any, ...] = (
    *("1_000", "٣", "1e-30", "-0", "NaN", "Infinity", "", " 0.5 ", "0,5", "$0.50", "+1", ".5"),
    *("0x10", "1/2", "0.5\n", -0.0, -1, True, [], [0.5], {"usd": 1}, 1e9, 10**18, "1000000000"),
)


@pytest.mark.parametrize(("value", "expected"), READ)
def test_a_sum_is_a_plain_number(value: object, expected: str) -> None:
    """One of JSON's own, or plain digits in a text."""
    assert Charge(usd=Decimal(expected)) == replies.charge(value)


@pytest.mark.parametrize("value", UNREAD, ids=repr)
def test_what_is_no_sum_is_neither_a_nought_nor_silence(value: object) -> None:
    """It is kept as it was written."""
    found = replies.charge(value)

    assert found is not None
    assert found.usd is None
    assert repr(value) == found.unread


@pytest.mark.parametrize("value", [1e9, 10**18, "1000000000", 1e300])
def test_a_sum_too_large_to_book_is_told_from_one_that_is_none(value: object) -> None:
    """It is above any reservation."""
    found = replies.charge(value)

    assert found is not None
    assert found.above


def test_what_is_told_in_credits_is_read_beside_the_sum() -> None:
    """One may be read and the other not; silence is no charge."""
    assert Charge(usd=Decimal("0.5"), native=Decimal(5), unit="credit") == replies.charge(
        0.5, 5, "credit"
    )
    assert Charge(usd=Decimal("0.5"), unread="'5 cr'") == replies.charge(0.5, "5 cr", "credit")
    assert Charge(native=Decimal(5), unit="credit") == replies.charge(None, 5, "credit")
    assert None is replies.charge(None, None, "credit")


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize("provider", [Runware(), APIMart(), Unifically()])
def test_a_figure_json_does_not_have_hides_no_clip(provider: Provider, word: bytes) -> None:
    """The clip is there and is fetched; its charge is named for what it is."""
    found = provider.read_status(TaskRef(task=OWN), _done(provider, word))

    assert isinstance(found, Done)
    assert found.charge is not None
    assert repr(word.decode()) == found.charge.unread


@pytest.mark.parametrize("provider", [Runware(), Unifically()])
def test_a_quote_that_is_no_sum_is_no_price(provider: Quotes) -> None:
    """Nor is it free."""
    cost = {"cost": "1_000", "taskUUID": OWN}
    body = {"data": [cost]} if isinstance(provider, Runware) else {"data": cost}

    found = provider.read_quote(reply(body))

    assert isinstance(found, Fault)
    assert "'1_000'" in found.message


@pytest.mark.parametrize(
    "body", [b'{"a": NaN, "b": "\\ud800"}', b"[" * 100_000 + b"NaN", b"NaN\xff"]
)
def test_what_no_parser_should_take_stays_unreadable(body: bytes) -> None:
    """A second reader is no second door."""
    assert None is replies.parse_json(Response(status=200, headers={}, body=body))


def _json(value: Any) -> bytes:
    return str(value).encode() if type(value) is int else orjson.dumps(value)


def _done(provider: object, cost: bytes) -> Response:
    bodies = {
        Runware: {
            "data": [{"taskUUID": OWN, "status": "success", "videoURL": LINK, "cost": "COST"}]
        },
        APIMart: {
            "data": {
                "id": OWN,
                "status": "completed",
                "cost": "COST",
                "result": {"videos": [{"url": [LINK]}]},
            }
        },
        Unifically: {
            "success": True,
            "data": {
                "task_id": OWN,
                "status": "completed",
                "cost": "COST",
                "output": {"video_url": LINK},
            },
        },
    }
    body = orjson.dumps(bodies[type(provider)]).replace(b'"COST"', cost)
    return Response(status=200, headers={}, body=body)
