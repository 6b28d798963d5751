"""Run the sandbox: two sockets (API and media) on one event loop, until it is told to stop.

It prints one line of JSON once both listen, and ends with SIGTERM, SIGINT, or, on a leash, when its
standard input is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from pipeline.errors import Unusable
from pipeline.sandbox.app import Front
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.dialects import DIALECTS
from pipeline.sandbox.director import Director
from pipeline.sandbox.scenario import read_document
from pipeline.sandbox.studio import Studio
from pipeline.sandbox.world import World

_GRACE_S = 2
_BACKLOG = 4096


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    state: Path,
    scenario_path: Path | None = None,
    leash: bool = False,
) -> None:
    """Serve until SIGTERM; port 0 takes a free one; raises BadScenario or Unusable first."""
    document = None if scenario_path is None else read_document(scenario_path)
    world = World(state)
    try:
        director = _director(world, document)
        with _listening(host, port) as api, _listening(host, _media_port(world)) as media:
            world.keep_note("media_port", media.getsockname()[1])
            asyncio.run(_run(world, director, (api, media), leash=leash))
    finally:
        world.close()


def _director(world: World, document: dict[str, Any] | None) -> Director:
    kept = world.note("scenario")
    # A restart goes on with the scenario as it was left, unless it is given another file.
    if kept is None or (document is not None and document != world.note("scenario_file")):
        kept = {"document": document or {}, "counts": []}
    world.keep_note("scenario_file", document)
    director = Director(
        kept["document"],
        counts=kept["counts"],
        keep=lambda told: world.keep_note("scenario", told),
        first=document or {},
    )
    world.keep_note("scenario", director.as_data())
    return director


def _media_port(world: World) -> int:
    # Links given out before a restart must still lead here.
    return int(world.note("media_port") or 0)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise Unusable(f"the sandbox cannot listen at {host}:{port}: {error}") from error
        listener.listen(_BACKLOG)
        yield listener


async def _run(
    world: World,
    director: Director,
    sockets: tuple[socket.socket, socket.socket],
    *,
    leash: bool,
) -> None:
    api, media = sockets
    studio = Studio(world.root)
    desk = Desk(world, director, studio, media_origin=_origin(media))
    server = _Server(_config(Front(desk, media.getsockname()[1])))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if leash:
        loop.add_reader(sys.stdin.fileno(), _when_let_go, server)
    server.announces = _addresses(api)
    desk.resume()
    try:
        await server.serve(sockets=[api, media])
    finally:
        await studio.close()


class _Server(uvicorn.Server):
    """Uvicorn, but for its own signals and its silence."""

    announces: str = ""

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # SIGTERM is the way to end the sandbox: nothing is raised again after it.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"{self.announces}\n")
        sys.stdout.flush()


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """HTTP whose requests know their transport, so that a scenario can hang up on them."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def _config(app: Front) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        lifespan="off",
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _when_let_go(server: _Server) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        server.stop()


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _addresses(api: socket.socket) -> str:
    origin = _origin(api)
    providers = {
        dialect.name: {name: f"{origin}{path}" for name, path in dialect.addresses.items()}
        for dialect in DIALECTS.values()
    }
    return orjson.dumps({"providers": providers, "control": f"{origin}/_sandbox"}).decode()
