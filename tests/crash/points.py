"""Named points of a job's life, at each of which the process can end at once.

They are put in from outside: into the bytes that a socket takes, around every commit of the ledger
and around every rename. The package knows nothing of them.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from pipeline.ledger.group_commit import Operation, Writer
from pipeline.net.client import Download, Transport

DIED = 77
"""The exit code of a process that ended at a point."""
BEFORE = "before the first byte"
HEAD = "after the headers"
HALF = "in the middle of the body"
WHOLE = "after the body"
REPLY = "in the middle of the reply"
ON_THE_WIRE = (BEFORE, HEAD, HALF, WHOLE, REPLY)
_METHODS = (b"GET ", b"POST ", b"PUT ")
_END = b"\r\n\r\n"
_FEW_BYTES = 20
_KIND: ContextVar[str] = ContextVar("kind", default="")
_RENAMES = ("replace", "rename", "link")

Reach = Callable[[str], None]


class Points:
    """Ends the process when it comes to one point, and writes down which ones it came to.

    A point that is passed again is another one: "…, 2".
    """

    def __init__(self, target: str, trace: Path | None = None) -> None:
        self._target = target
        self._trace = trace
        self._passed: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        """Come to a point."""
        self._passed[name] += 1
        times = self._passed[name]
        point = name if times == 1 else f"{name}, {times}"
        if self._trace is not None:
            with self._trace.open("a", encoding="utf-8") as file:
                file.write(f"{point}\n")
        if point == self._target:
            os._exit(DIED)


def put(owner: Any, name: str, value: object) -> None:
    """Put something in the place of an attribute, for as long as the process lives."""
    setattr(owner, name, value)


def install(reach: Reach) -> None:
    """Put the points into this process, for as long as it lives."""
    _around_commits(reach)
    for name in _RENAMES:
        _around_a_rename(name, reach)
    for name in ("submit", "send"):
        _around_a_request(name)
    _in_downloads(reach)
    _on_the_wire(reach)


def _around_commits(reach: Reach) -> None:
    whole, at_once = Writer._commit, Writer.write_now  # noqa: SLF001 - from outside

    def commit(self: Writer, operations: list[Operation[Any]]) -> list[Any]:
        names = [_named(operation) for operation in operations]

        def last(_: object) -> None:
            for name in names:
                reach(f"before the commit of {name}")

        results = whole(self, [*operations, last])
        for name in names:
            reach(f"after the commit of {name}")
        return results[:-1]

    def write_now(self: Writer, operation: Operation[Any], **how: bool) -> Any:
        name = _named(operation)

        def watched(connection: Connection) -> Any:
            found = operation(connection)
            reach(f"before the commit of {name}")
            return found

        found = at_once(self, watched, **how)
        reach(f"after the commit of {name}")
        return found

    put(Writer, "_commit", commit)
    put(Writer, "write_now", write_now)


def _named(operation: Operation[Any]) -> str:
    """Return what an operation does, as `move to staging`."""
    function: Any = operation
    told: Mapping[str, Any] = getattr(operation, "keywords", {})
    while isinstance(function, partial):
        function = function.func
    after = told.get("after") or getattr(told.get("found"), "state", "")
    return f"{function.__name__} to {after}" if after else str(function.__name__)


def _around_a_rename(name: str, reach: Reach) -> None:
    real = getattr(os, name)

    def renamed(source: Any, target: Any, **options: Any) -> None:
        point = f"{name} to {_place(Path(target))}"
        reach(f"before the {point}")
        real(source, target, **options)
        reach(f"after the {point}")

    put(os, name, renamed)


def _place(path: Path) -> str:
    """Return what kind of file is at a path of an output root."""
    parts = path.parts
    if ".callsheet" in parts:
        return f"{parts[parts.index('.callsheet') + 1]}/*{path.suffix}"
    return f"the outputs/*{path.suffix}"


def _around_a_request(name: str) -> None:
    real = getattr(Transport, name)

    async def requested(self: Transport, *words: Any, **options: Any) -> Any:
        kind = "upload" if options.get("content") else name
        token = _KIND.set(kind)
        try:
            return await real(self, *words, **options)
        finally:
            _KIND.reset(token)

    put(Transport, name, requested)


def _in_downloads(reach: Reach) -> None:
    real = Download._chunk  # noqa: SLF001 - from outside

    async def chunk(self: Download) -> bytes:
        found = await real(self)
        reach("download, some bytes came")
        return found

    put(Download, "_chunk", chunk)


@dataclass(slots=True)
class _Exchange:
    """One request on a socket: how far its bytes have gone."""

    kind: str
    length: int = 0
    sent: int = 0
    in_body: bool = False
    answered: bool = False


def _on_the_wire(reach: Reach) -> None:
    """Let sockets take a request only up to the next point at a time, and a reply's first bytes."""
    exchanges: WeakKeyDictionary[socket.socket, _Exchange] = WeakKeyDictionary()
    really_send, really_receive = socket.socket.send, socket.socket.recv

    def send(self: socket.socket, data: Any, *flags: int) -> int:
        exchange = exchanges.get(self)
        begun = exchange is not None and exchange.in_body
        if not begun:
            if not _KIND.get() or not bytes(data).startswith(_METHODS):
                # Another's, or the loop's own: it wakes itself up over a socket.
                return really_send(self, data, *flags)
            exchange = exchanges[self] = _Exchange(_KIND.get())
            reach(f"{exchange.kind}, {BEFORE}")
        assert exchange is not None
        return _pass(exchange, bytes(data), partial(really_send, self), reach)

    def recv(self: socket.socket, size: int, *flags: int) -> bytes:
        exchange = exchanges.get(self)
        if exchange is None or exchange.answered:
            return really_receive(self, size, *flags)
        few = really_receive(self, _FEW_BYTES, *flags)
        exchange.answered = True
        reach(f"{exchange.kind}, {REPLY}")
        return few

    put(socket.socket, "send", send)
    put(socket.socket, "recv", recv)


def _pass(exchange: _Exchange, data: bytes, send: Callable[[bytes], int], reach: Reach) -> int:
    """Send up to the next point, and tell how much went."""
    if not exchange.in_body:
        end = data.index(_END) + len(_END)
        taken = send(data[:end])
        assert taken == end, "a head that does not fit into the socket at once"
        exchange.length = _length(data[:end])
        exchange.in_body = bool(exchange.length)
        reach(f"{exchange.kind}, {HEAD}")
        return taken
    half, whole = exchange.length // 2, exchange.length
    mark = half if exchange.sent < half else whole
    taken = send(data[: mark - exchange.sent])
    exchange.sent += taken
    if exchange.sent == mark:
        exchange.in_body = mark != whole
        reach(f"{exchange.kind}, {WHOLE if mark == whole else HALF}")
    return taken


def _length(head: bytes) -> int:
    lines: Sequence[bytes] = head.lower().split(b"\r\n")
    stated = [line.split(b":")[1] for line in lines if line.startswith(b"content-length:")]
    return int(stated[0]) if stated else 0
