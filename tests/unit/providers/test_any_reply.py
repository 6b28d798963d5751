"""Whatever comes back, an adapter has an answer: a state or a fault, never an exception."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, cast, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import Feature
from pipeline.domain.states import FaultKind
from pipeline.providers.base import (
    Absent,
    Accepted,
    Balances,
    Charge,
    Fault,
    Finds,
    Provider,
    Quote,
    Quotes,
    Request,
    Response,
    TaskRef,
    TaskState,
    Uploaded,
    Uploads,
)
from pipeline.providers.registry import PROVIDERS
from tests.recordings import load, names
from tests.unit.providers.samples import medium

OWN = "3f8c1f6e-6f0e-4a55-9b6a-0c5b7a1d2e3f"
TASK = TaskRef(task=OWN, client_id=OWN)
STATES = get_args(TaskState)

WORDS = st.sampled_from(
    [
        *("data", "errors", "error", "status", "code", "message", "taskUUID", "cost", "videoURL"),
        *("success", "processing", "completed", "failed", "id", "task_id", "results", "output"),
        *("url", "videos", "result", "type", "usage", "credits_reserved", "https://a/b.mp4", OWN),
        *("status_text", "video", "expires_at", "success", "rejected", "progress"),
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
) | (st.text(max_size=8) | WORDS)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | TREES.map(orjson.dumps)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "content-type"]), st.text(max_size=20), max_size=3
)
REPLIES = st.builds(Response, status=st.integers(100, 599), headers=HEADERS, body=BODIES)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
@settings(deadline=None, max_examples=60)
@given(response=REPLIES)
def test_any_reply_is_an_answer(name: str, response: Response) -> None:
    """Any status and bytes, to whatever was asked: never an exception."""
    _read(PROVIDERS[name], response)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_recording_with_one_value_replaced_is_an_answer(name: str, data: st.DataObject) -> None:
    """Every documented reply, with anything in any one place, is still read."""
    recording = data.draw(st.sampled_from(names(name)))
    found = load(name, recording)
    body = _replaced(found["body"], data)
    raw = orjson.dumps(body)

    _read(
        PROVIDERS[name],
        Response(status=found["status"], headers=found["headers"], body=raw),
        settles=found.get("settles"),
    )


@pytest.mark.parametrize("name", sorted(PROVIDERS))
@pytest.mark.parametrize("depth", [100, 1000, 10_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"data":', "}")])
def test_a_reply_nested_without_end_is_an_answer(
    name: str, depth: int, opened: str, closed: str
) -> None:
    """In any place of any documented reply: whoever reads or shows it has stack enough."""
    nested = opened * depth + "1" + closed * depth
    for recording in names(name):
        found = load(name, recording)
        for path in _places(found["body"]):
            body = orjson.dumps(_put(found["body"], path, _MARK)).replace(
                orjson.dumps(_MARK), nested.encode()
            )
            reply = Response(status=found["status"], headers=found["headers"], body=body)
            _read(PROVIDERS[name], reply, settles=found.get("settles"))


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_a_reply_that_is_nothing_but_nesting_is_unreadable(name: str) -> None:
    """Nobody knows what it means: a submit is in doubt, a task is asked for again."""
    reply = Response(status=200, headers={}, body=b"[" * 1000 + b"]" * 1000)
    submitted = PROVIDERS[name].read_submit(reply, OWN)
    asked = PROVIDERS[name].read_status(TASK, reply)

    assert isinstance(submitted, Fault)
    assert isinstance(asked, Fault)
    assert (None, FaultKind.UNREADABLE) == (submitted.accepted, submitted.kind)
    assert FaultKind.UNREADABLE == asked.kind


_MARK = "here it is nested"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a reply."""
    yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*path, step))


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a reply with one value replaced."""
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _put(value[path[0]], path[1:], new)
    return changed


def _read(provider: Provider, response: Response, settles: Any = None) -> None:
    """Put a reply in front of everything that reads one."""
    submitted = provider.read_submit(response, OWN)
    assert isinstance(submitted, Accepted | Fault)
    assert isinstance(submitted, Accepted) or submitted.accepted in {None, False}
    assert isinstance(provider.read_status(TASK, response), STATES)
    features = provider.offer.features
    _ended(cast("Uploads", provider).upload(medium("a")), response, (Uploaded, Fault))
    if Feature.QUOTE in features:
        assert isinstance(cast("Quotes", provider).read_quote(response), Quote | Fault)
    if Feature.BALANCE in features:
        assert isinstance(cast("Balances", provider).read_balance(response), Charge | Fault)
    if features & {Feature.FIND, Feature.LISTING}:
        sent = Request(method="POST", path="/", body=settles or {"input": {"prompt": "x"}})
        steps = cast("Finds", provider).find(OWN, sent, since=0.0)
        _ended(steps, response, (Accepted, Absent, Fault))


def _ended(
    steps: Generator[Request, Response, Any], response: Response, kinds: tuple[type, ...]
) -> None:
    """Give every step the same reply, and expect one of these in the end."""
    next(steps)
    for _ in range(5):
        try:
            steps.send(response)
        except StopIteration as end:
            found = end.value
            break
    else:
        raise AssertionError("it never ends")
    assert isinstance(found, kinds)


def _replaced(value: Any, data: st.DataObject) -> Any:
    """Return the tree with the value at one drawn place replaced by a drawn one."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: _replaced(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [_replaced(value[0], data), *value[1:]]
    return data.draw(TREES)
