"""A server on loopback that answers with raw bytes, or misbehaves at a chosen moment."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass, field

import httpx

HOST = "127.0.0.1"
_LINGER_0 = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Exchange:
    """One connection, as a behaviour sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes = b""
    body: bytes = b""

    async def read_head(self) -> bytes:
        """Read the request line and the headers."""
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        return self.head

    async def read_all(self) -> bytes:
        """Read the whole request and return its body (of a stated length)."""
        await self.read_head()
        self.body = await self.reader.readexactly(int(self.header("content-length") or 0))
        return self.body

    def header(self, name: str) -> str:
        """Return a header of the request, or nothing."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""

    @property
    def target(self) -> str:
        """Return the path and query as they were sent."""
        return self.head.split(b" ")[1].decode()

    async def reply(self, data: bytes) -> None:
        """Send raw bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class RawServer:
    """Where it listens, and every connection it had."""

    port: int = 0
    seen: list[Exchange] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return its base URL."""
        return f"http://{HOST}:{self.port}"


@contextlib.asynccontextmanager
async def raw_server(behave: Behaviour) -> AsyncGenerator[RawServer, None]:
    """Serve every connection with one behaviour, then close it."""
    known = RawServer()
    open_tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        exchange = Exchange(reader, writer)
        known.seen.append(exchange)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await behave(exchange)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, HOST, 0)
    known.port = server.sockets[0].getsockname()[1]
    try:
        yield known
    finally:
        server.close()
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)


@functools.cache
def public_trust() -> ssl.SSLContext:
    """Return the usual trust in certificates, which takes long to load."""
    return httpx.create_ssl_context()


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def full_port() -> Generator[int, None, None]:
    """Give a port that answers no handshake: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Return a whole reply as bytes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answer(data: bytes) -> Behaviour:
    """Read the whole request, then send these bytes."""

    async def behave(exchange: Exchange) -> None:
        await exchange.read_all()
        await exchange.reply(data)

    return behave


async def reset_at_once(exchange: Exchange) -> None:
    """Reset the connection as soon as it is accepted."""
    exchange.reset()


async def speak_first(exchange: Exchange) -> None:
    """Answer the first bytes in plain HTTP, whatever they are."""
    await exchange.reader.read(1)
    await exchange.reply(http(400))


async def say_nothing(_: Exchange) -> None:
    """Accept, and neither read nor answer."""
    await asyncio.Event().wait()


async def drop_after_head(exchange: Exchange) -> None:
    """Close after the headers, the body unread."""
    await exchange.read_head()


async def drop_after_body(exchange: Exchange) -> None:
    """Close after the whole request: it may well have been accepted."""
    await exchange.read_all()


async def hang(exchange: Exchange) -> None:
    """Take the request and never answer."""
    await exchange.read_all()
    await asyncio.Event().wait()


async def drip(exchange: Exchange) -> None:
    """Answer without end, a little at a time."""
    await exchange.read_all()
    await exchange.reply(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        await exchange.reply(f"X-{number}: 1\r\n".encode())
        await asyncio.sleep(0.02)
