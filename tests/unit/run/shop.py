"""A provider in memory: takes orders, keeps accounts, and misbehaves as told."""

# ruff: noqa: ARG002 - stand-ins have the signatures of what they stand in for

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from pipeline.clock import Clock
from pipeline.domain import EMPTY, Cadence, Feature, Item, Media, Offer
from pipeline.domain.states import FaultKind
from pipeline.errors import NoReply, NotInTime, NotSent
from pipeline.net.client import Download, Transport
from pipeline.net.lane import Lane
from pipeline.providers import replies
from pipeline.providers.base import (
    CLIENT_ID,
    Absent,
    Accepted,
    Charge,
    Done,
    Failed,
    Fault,
    Pending,
    Request,
    Response,
    TaskRef,
    TaskState,
    Unknown,
    Uploaded,
)

LANE = Lane(provider="shop", key="key-1", hosts={"api": "http://127.0.0.1:9"}, concurrency=4)
OFFER = Offer(
    provider="shop",
    title="Shop",
    hosts={"api": "http://127.0.0.1:9"},
    key_env="SHOP_API_KEY",
    models={"kling-o1": {}},
    features=frozenset({Feature.IDEMPOTENT, Feature.FIND, Feature.COST}),
    cadence=Cadence(first_s=2.0, every_s=2.0, max_s=10.0),
    dedupe_for_s=600.0,
)


TOOK = "took:"
"""Before a fault in a script: the task is taken, and the fault is told all the same."""


@dataclass
class Task:
    """One task at the provider, and what it was billed."""

    id: str
    client_id: str
    body: Any
    ready_at: float
    ending: str = "done"
    billed: Decimal = Decimal("0.56")


@dataclass
class Shop(Transport):
    """The provider behind the transport; `script` says how it meets the next submits."""

    clock: Clock
    script: deque[str] = field(default_factory=deque)
    endings: deque[str] = field(default_factory=deque)
    links: deque[int] = field(default_factory=deque)
    tasks: dict[str, Task] = field(default_factory=dict)
    submits: int = 0
    polls: int = 0
    downloads: int = 0
    uploads: int = 0
    takes_s: float = 30.0
    forgets: bool = False
    """It does not know client ids: whatever is submitted is a new task."""
    remembers_s: float = math.inf
    """How long it knows a client id after it took a task under it; its archive does for ever."""
    price: Decimal = Decimal("0.56")
    most_at_once: int = 0

    @property
    def billed(self) -> Decimal:
        """Return what all tasks were billed."""
        return sum((task.billed for task in self.tasks.values()), Decimal(0))

    async def submit(
        self,
        lane: Lane,
        request: Request,
        headers: Mapping[str, str] = EMPTY,
        *,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Response:
        """Meet a submit as scripted."""
        if not may_send():
            raise NotInTime("too late")
        self.submits += 1
        how = self.script.popleft() if self.script else "ok"
        body = json.loads(request.body) if isinstance(request.body, bytes) else request.body
        client_id = body["id"]
        match how:
            case "ok":
                return _reply(200, {"task": self._take(client_id, body)})
            case "drop":
                self._take(client_id, body)
                raise NoReply("the connection was lost")
            case "lost":
                raise NoReply("the connection was lost")
            case "not_sent":
                raise NotSent("connection refused")
            case _ if how.startswith(TOOK):
                self._take(client_id, body)
                return _reply(400, {"fault": how.removeprefix(TOOK)})
            case _:
                return _reply(400, {"fault": how})

    async def send(
        self,
        lane: Lane,
        request: Request,
        *,
        content: Path | None = None,
        content_type: str = "",
        headers: Mapping[str, str] = EMPTY,
    ) -> Response:
        """Answer a poll, a look-up or an upload."""
        kind, _, name = request.path.strip("/").partition("/")
        if kind == "uploads":
            self.uploads += 1
            return _reply(200, {"uri": f"shop://{name}"})
        if kind == "clients":
            found = [task.id for task in self.tasks.values() if task.client_id == name]
            return _reply(200, {"task": found[0] if found else None})
        self.polls += 1
        return _reply(200, self._status(name))

    @asynccontextmanager
    async def download(
        self, lane: Lane, request: Request, *, offset: int = 0, if_range: str = ""
    ) -> AsyncGenerator[Download, None]:
        """Give the clip of a task, or the status of the next scripted link."""
        self.downloads += 1
        status = self.links.popleft() if self.links else 200
        clip = clip_of(request.path.rsplit("/", 1)[1])
        yield Download(
            httpx.Response(status, stream=httpx.ByteStream(clip)), lane=lane, limit=10_000
        )

    def _take(self, client_id: str, body: Any) -> str:
        since = self.clock.monotonic() - self.remembers_s
        known = [
            task
            for task in self.tasks.values()
            if task.client_id == client_id and task.ready_at - self.takes_s > since
        ]
        if known and not self.forgets:
            return known[0].id
        number = f"t{len(self.tasks) + 1}"
        ending = self.endings.popleft() if self.endings else "done"
        ready_at = self.clock.monotonic() + self.takes_s
        self.tasks[number] = Task(
            id=number,
            client_id=client_id,
            body=body,
            ready_at=ready_at,
            ending=ending,
            billed=Decimal(0) if ending == "failed_free" else self.price,
        )
        running = [t for t in self.tasks.values() if t.ready_at > self.clock.monotonic()]
        self.most_at_once = max(self.most_at_once, len(running))
        return number

    def _status(self, name: str) -> dict[str, Any]:
        task = self.tasks.get(name)
        if task is None:
            return {"state": "absent"}
        if task.ending == "stuck" or self.clock.monotonic() < task.ready_at:
            return {"state": "pending"}
        return {"state": task.ending, "cost": str(task.billed), "task": task.id}


_ENDINGS: Mapping[str, TaskState] = {
    "pending": Pending(),
    "halfway": Pending(progress=0.5),
    "absent": Absent(),
    "failed": Failed(fault=Fault(kind=FaultKind.PROVIDER, message="it broke")),
    "failed_free": Failed(
        fault=Fault(kind=FaultKind.PROVIDER, message="it broke, free"),
        charge=Charge(usd=Decimal(0)),
    ),
    "refused": Failed(fault=Fault(kind=FaultKind.REFUSED, message="not this")),
}


class Provider:
    """The pure half: reads what the shop answers."""

    def __init__(self, offer: Offer = OFFER) -> None:
        self._offer = offer

    @property
    def offer(self) -> Offer:
        """Return what it can do."""
        return self._offer

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the request of an item."""
        return Request(method="POST", path="/v1", body={"id": CLIENT_ID, "prompt": item.address})

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit."""
        match json.loads(response.body):
            case {"task": str(task)}:
                return Accepted(task=task)
            case {"fault": "garbage"}:
                return Fault(kind=FaultKind.UNREADABLE, message="garbage", accepted=None)
            case {"fault": str(told)}:
                kind, _, wait_s = told.partition(":")
                return Fault(
                    kind=FaultKind(kind),
                    message=f"it is {kind}",
                    retry_after_s=float(wait_s) if wait_s else None,
                )
        raise AssertionError

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for a task."""
        return Request(method="GET", path=f"/tasks/{task.task}")

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the reply to a status request."""
        reply = json.loads(response.body)
        match reply["state"]:
            case "done":
                output = Request(
                    method="GET", path=f"https://media.example/{reply['task']}", host=""
                )
                return Done(output=output, charge=replies.charge(reply["cost"]))
            case str(word) if word in _ENDINGS:
                return _ENDINGS[word]
            case word:
                return Unknown(word=word)

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Upload in one step."""
        reply = yield Request(method="PUT", path=f"/uploads/{media.digest}", content=True)
        return Uploaded(uri=json.loads(reply.body)["uri"], lifetime_s=86400.0)

    def find(
        self, client_id: str, request: Request, since: float, known: Collection[str] = ()
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Look for the task of a client id, whoever else may have it."""
        reply = yield Request(method="GET", path=f"/clients/{client_id}")
        task = json.loads(reply.body)["task"]
        return Accepted(task=task) if task else Absent()


def clip_of(task: str) -> bytes:
    """Return the clip of a task: each is another file."""
    return b"\x00\x00\x00\x18ftypisom" + task.encode()


def probe(path: Path) -> Media:
    """Say that every clip plays, and measures what was asked for."""
    return Media(
        media_type="video",
        source=str(path),
        local=True,
        digest="",
        format="mp4",
        bytes=path.stat().st_size,
        width=720,
        height=1280,
        seconds=5.0,
        fps=24.0,
    )


class ProbedClips:
    """Looks into clips by a function, in this process."""

    def __init__(self, look: Callable[[Path], Media] = probe) -> None:
        self._look = look

    async def verify(self, path: Path, *, sha256: str, poster: Path) -> Media:
        """Return what the function says of a clip."""
        assert poster.stem == sha256 == _sha256(path)
        return self._look(path)

    async def until_room(self) -> None:
        """There always is."""


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reply(status: int, data: Any) -> Response:
    return Response(status=status, headers={}, body=json.dumps(data).encode())
