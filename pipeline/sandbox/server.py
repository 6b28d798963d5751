"""Run the sandbox: two sockets (API and media) on one event loop, until it is told to stop.

Which of the two a request comes to decides what it can see, as if they were two hosts: the dialects
and the sandbox's own controls (below `/_sandbox`), or the media host. The server prints one line of
JSON once both listen, and ends with SIGTERM, SIGINT, or, on a leash, when its standard input is
closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from pipeline.errors import Unusable
from pipeline.sandbox.database import Database
from pipeline.sandbox.dialects import DIALECTS
from pipeline.sandbox.http_exchange import Reply, json_object
from pipeline.sandbox.media_host import MediaHost
from pipeline.sandbox.media_store import PUBLIC
from pipeline.sandbox.render_pool import RenderPool
from pipeline.sandbox.scenario import BadScenario, FaultInjector, read_document
from pipeline.sandbox.tasks import MICRO, TaskService

# A request that a scenario lets hang would hold the end for its whole hour.
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
    database = Database(state)
    try:
        injector = _injector(database, document)
        # Links given out before a restart must still lead here.
        media_port = int(database.note("media_port") or 0)
        with _listen(host, port) as api, _listen(host, media_port) as media:
            database.set_note("media_port", media.getsockname()[1])
            asyncio.run(_run(database, injector, (api, media), leash=leash))
    finally:
        database.close()


def _injector(database: Database, document: dict[str, Any] | None) -> FaultInjector:
    left = database.note("scenario")
    # A restart goes on with the scenario as it was left, unless it is given another file.
    if left is None or (document is not None and document != database.note("scenario_file")):
        left = {"document": document or {}, "counts": []}
    injector = FaultInjector(
        left["document"],
        counts=left["counts"],
        save=lambda told: database.set_note("scenario", told),
        first=document,
    )
    database.set_note("scenario_file", document)
    return injector


@contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # A restart has to get the same port while old connections to it are still in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise Unusable(f"the sandbox cannot listen at {host}:{port}: {error}") from error
        listener.listen(_BACKLOG)
        yield listener


async def _run(
    database: Database,
    injector: FaultInjector,
    sockets: tuple[socket.socket, socket.socket],
    *,
    leash: bool,
) -> None:
    api, media = sockets
    pool = RenderPool(database.root)
    service = TaskService(database, injector, pool, media_origin=_origin(media))
    config = uvicorn.Config(
        HostSwitch(service, media.getsockname()[1]),
        http=_Protocol,
        lifespan="off",
        # Runware's official client speaks over one unless it is told otherwise.
        ws="websockets-sansio",
        log_level="error",
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config)
    origin = _origin(api)
    providers = {
        dialect.name: {
            # A WebSocket's address differs in its scheme alone.
            name: f"{origin.replace('http', 'ws', 1) if name.startswith('ws_') else origin}{path}"
            for name, path in dialect.addresses.items()
        }
        for dialect in DIALECTS.values()
    }
    announced = orjson.dumps({"providers": providers, "control": f"{origin}/_sandbox"})
    server.announces = announced.decode()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if leash:
        loop.add_reader(sys.stdin.fileno(), server.stop_at_end_of_input)
    service.resume()
    try:
        await server.serve(sockets=[api, media])
    finally:
        await pool.close()


class _Server(uvicorn.Server):
    """Uvicorn, but for its own signals and its silence."""

    announces: str = ""

    def stop(self) -> None:
        self.should_exit = True

    def stop_at_end_of_input(self) -> None:
        # What is written there means nothing: its end does, which comes however the parent ends.
        if not os.read(sys.stdin.fileno(), 1024):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop()

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
        # A copy: all connections are given the same state, and each has a transport of its own.
        self.app_state = {**self.app_state, "transport": transport}


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class HostSwitch:
    """Hands each request to the API or to the media host, and notes keys where none belongs."""

    def __init__(self, service: TaskService, media_port: int) -> None:
        self._service = service
        self._media_port = media_port
        dialects = [Mount(f"/{d.name}", routes=d.routes(service)) for d in DIALECTS.values()]
        controls = Mount("/_sandbox", routes=ControlApi(service).routes)
        self._api = Starlette(routes=[*dialects, controls])
        self._media = MediaHost(service).app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_media = scope["server"][1] == self._media_port
        holds_key, add_leak = self._service.holds_key, self._service.database.add_leak
        if holds_key(scope["path"] + "?" + scope["query_string"].decode("latin-1")):
            add_leak("address", scope["path"])
        # At the API a key belongs in a header; at the media host it is a leak there too.
        for name, value in scope["headers"] if is_media else ():
            if name == b"authorization" or holds_key(value.decode("latin-1")):
                add_leak(f"header {name.decode('latin-1')}", scope["path"])
        await (self._media if is_media else self._api)(scope, receive, send)


class ControlApi:
    """The routes by which tests steer the sandbox and read its bills."""

    def __init__(self, service: TaskService) -> None:
        self._service = service
        self.routes = [
            Route("/health", self.health),
            Route("/web", self.publish, methods=["POST"]),
            Route("/ledger", self.bills),
            Route("/scenario", self.scenario, methods=["GET", "POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/clock", self.clock, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        """Answer that the sandbox is there."""
        return Reply(body={"ok": True}).response()

    async def bills(self, _request: Request) -> Response:
        """Tell what was billed."""
        return Reply(body=billing_report(self._service)).response()

    async def scenario(self, request: Request) -> Response:
        """Tell the scenario, after taking parts of another one or appending faults."""
        injector = self._service.injector
        try:
            if request.method == "POST":
                document = await json_object(request) or {}
                if document.pop("append", False):
                    injector.append(document.get("faults", []))
                else:
                    injector.replace(document)
        except BadScenario as error:
            return Reply(status=400, body={"error": str(error)}).response()
        return Reply(body=injector.as_data()).response()

    async def reset(self, request: Request) -> Response:
        """Forget everything, and begin with the first scenario anew."""
        self._service.reset()
        self._service.injector.start_over()
        return await self.health(request)

    async def clock(self, request: Request) -> Response:
        """Put the sandbox's clock forward."""
        given = await json_object(request) or {}
        self._service.database.advance_clock(float(given["advance_s"]))
        return Reply(body={"now": self._service.database.now()}).response()

    async def publish(self, request: Request) -> Response:
        """Put a medium on the web, where every account can fetch it."""
        media = self._service.media
        upload = await media.store(await request.body(), PUBLIC)
        return Reply(body={"url": media.url(upload)}).response()


def billing_report(service: TaskService) -> dict[str, Any]:
    """Return what each provider's accounts were billed, task by task, for tests to hold us to.

    Looking at a task's end settles its bill.
    """
    database = service.database
    # Before the bills are read: looking at a task that has ended may bill it or refund it.
    tasks = [
        (task, service.progress(task, refunds=DIALECTS[task.provider].refunds).status.value)
        for task in database.tasks()
    ]
    billed: dict[tuple[str, ...], int] = defaultdict(int)
    peak: dict[tuple[str, ...], int] = defaultdict(int)
    for provider, account, task_id, micro in database.bills():
        for whose in ((), (provider,), (provider, account), (provider, account, task_id)):
            billed[whose] += micro
            # What a limit had to hold: a refund comes too late to make that smaller.
            peak[whose] = max(peak[whose], billed[whose])

    def sums(*whose: str) -> dict[str, str]:
        return {"billed_usd": usd_text(billed[whose]), "peak_billed_usd": usd_text(peak[whose])}

    providers: dict[str, dict[str, Any]] = {
        name: {"accounts": {}, **sums(name)} for name in DIALECTS
    }

    def account_of(provider: str, key: str) -> dict[str, Any]:
        fresh: dict[str, Any] = {"tasks": [], "uploads": [], **sums(provider, key)}
        found: dict[str, Any] = providers[provider]["accounts"].setdefault(key, fresh)
        return found

    for task, status in tasks:
        entry = {
            "task": task.id,
            "client_id": task.client_id,
            "address": task.address,
            "model": task.model,
            "prompt": task.prompt,
            "usd": usd_text(billed[task.provider, task.account, task.id]),
            "status": status,
            "created_at": task.created_at,
            "references": task.extra["references"],
            "request": task.request,
            "fate": task.fate.get("name", ""),
            "results": task.extra["results"],
        }
        account_of(task.provider, task.account)["tasks"].append(entry)
    for upload in database.uploads("provider != ?", PUBLIC.provider):
        facts = {"id": upload.id, "digest": upload.digest, "media_type": upload.media_type}
        account_of(upload.provider, upload.account)["uploads"].append(facts)
    return {"providers": providers, "leaks": database.leaks(), **sums()}


def usd_text(micro: int) -> str:
    """Return micro-dollars as dollars in plain digits."""
    text = format(Decimal(micro) / MICRO, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
