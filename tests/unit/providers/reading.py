"""Put a reply in front of an adapter, and compare what it makes of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeVar, cast

import orjson

from pipeline.domain.states import FaultKind
from pipeline.providers.base import (
    Fault,
    Finds,
    Provider,
    Quotes,
    Request,
    Response,
    TaskRef,
    Uploads,
)
from tests.recordings import load, reply
from tests.unit.providers.samples import medium

T = TypeVar("T")


def answered(steps: Generator[Request, Response, T], *responses: Response) -> T:
    """Return what a several-step operation says to these responses."""
    next(steps)
    for response in responses:
        try:
            steps.send(response)
        except StopIteration as end:
            result: T = end.value
            return result
    raise AssertionError("it asks for more")


def said(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply with this JSON body."""
    return Response(status=status, headers=headers or {}, body=orjson.dumps(body))


def gist(found: object) -> Any:
    """Return what is compared: of a fault its kind, whether it was taken, and its code."""
    return (found.kind, found.accepted, found.code) if isinstance(found, Fault) else found


def failed(kind: FaultKind, message: str, code: str = "") -> Fault:
    """Return the fault of a task that was taken and failed."""
    return Fault(kind=kind, message=message, accepted=True, code=code)


def read(provider: Provider, name: str, task: TaskRef) -> Any:
    """Return the gist of what an adapter makes of a recording, by the call it answers."""
    response = reply(provider.offer.provider, name)
    match name.split("-", maxsplit=1)[0]:
        case "submit":
            return gist(provider.read_submit(response, task.client_id))
        case "status":
            return gist(provider.read_status(task, response))
        case "upload":
            return gist(answered(cast("Uploads", provider).upload(medium("a")), response))
        case "find":
            sent = Request(method="POST", path="/", body=_sent(provider, name))
            steps = cast("Finds", provider).find(task.client_id, sent, since=0.0)
            return gist(answered(steps, response))
        case _:
            return gist(cast("Quotes", provider).read_quote(response))


def _sent(provider: Provider, name: str) -> Any:
    """Return the submit that a look-up is about, as the recording names it."""
    return load(provider.offer.provider, name).get("settles")
