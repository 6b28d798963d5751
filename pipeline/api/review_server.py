"""A campaign's page, served on loopback: as in the report's folder, and decisions are durable.

The address has a random token in it, so that no other user and no other page of the browser can
guess it; a request that names another host, or comes from another origin, is turned away. Only the
page, its posters, the references it shows and the campaign's clips are given out.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from threading import Lock, Thread
from types import MappingProxyType
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.campaign_report import begin_tally, finish_report, open_to_read
from pipeline.api.decision_file import decisions_path
from pipeline.api.judgements import decide
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.page_changes import PageChanges, Signature, signature_of
from pipeline.api.places import CampaignReading
from pipeline.api.report_files import Posters, folder_of, page_source, reference_path
from pipeline.api.sidecars import is_laid_out
from pipeline.domain import Record
from pipeline.domain.records import RecordReference
from pipeline.domain.review import Verdict, plain_decision
from pipeline.errors import CallsheetError, InvalidInput, Unusable
from pipeline.file_content import VIDEO_FORMATS, file_format
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.session import last_mark
from pipeline.report.html import PAGE_CLIPS, poster_path, to_html, to_overview
from pipeline.report.page_data import PageSource, page_clips, page_decisions, page_figures
from pipeline.report.summary import Report
from pipeline.storage.fs import STATE_FOLDER

Plain = Mapping[str, Any]
_HOST = "127.0.0.1"
_LARGEST_BODY = 64 * 1024
# A person who ends it does not wait for a clip that is still being loaded.
_GRACE_S = 1
_FIELDS: Mapping[str, type] = MappingProxyType(
    {"address": str, "take": int, "key": str, "sha256": str}
    | {"verdict": str, "reason": str, "note": str}
)
"""What the page sends of a decision; who decides, and when, the server knows."""
_VERDICTS = frozenset(Verdict) - {Verdict.REROLL}
_CLIP = ("key", "sha256")
_SAME = ("verdict", "reason", "note")
"""By these a decision that is sent again is the one that was saved."""
_FRESH: Mapping[str, str] = MappingProxyType({"cache-control": "no-store"})
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "x-frame-options": "DENY",
    }
)


@dataclass(slots=True)
class ReviewPage:
    """What is served of one campaign."""

    campaign: LoadedCampaign
    decide: Callable[[Plain], Plain] | None = None
    """Makes one decision durable and returns it as the page shows it; CallsheetError if refused.

    None: the browser keeps decisions until they are exported, as for a page from a folder.
    """
    read_decisions: Callable[[], Sequence[Plain]] | None = None
    """Returns the decisions that hold, in the fields that the page sends; None: the campaign's own.

    Several of one clip are what several people said of it, perhaps differently.
    """
    reasons: Sequence[str] = ()
    _references: dict[str, str] = field(default_factory=dict)
    """Path of each reference that was shown, by its name in the address."""
    _stored: dict[str, str] = field(default_factory=dict)
    """Path of each clip of the store that was shown, by its name in the address."""
    _changes: PageChanges = field(default_factory=PageChanges)
    _looking: Lock = field(default_factory=Lock)
    _saved: int = 0
    """How many decisions were made durable here."""
    _looked_saved: int = 0
    """How many of them were there when the page was looked at last."""
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self, token: str) -> list[Route]:
        """Return where things are, below the token."""
        return [
            Route(f"/{token}/report/", self.show_page),
            Route(f"/{token}/report/posters/{{name}}", self.show_poster),
            Route(f"/{token}/changes", self.show_changes),
            Route(f"/{token}/references/{{name}}", self.show_reference),
            Route(f"/{token}/{STATE_FOLDER}/{{name}}", self.show_stored_clip),
            Route(f"/{token}/decisions", self.take_decision, methods=["POST"]),
            Route(f"/{token}/{{path:path}}", self.show_clip),
        ]

    def show_page(self, _: Request) -> Response:
        """Return the page as the ledger has the campaign now."""
        try:
            with self._looking:
                report, records, source = self._look()
        except CallsheetError as fault:
            why = (
                f"The page cannot be shown: {_reason_of(fault)}\nLoad it again once this is mended."
            )
            return PlainTextResponse(why, 409, _FRESH)
        return HTMLResponse(to_html(report, records, source), headers=_FRESH)

    def show_changes(self, request: Request) -> Response:
        """Return what of the page has changed since the version that a browser has of it."""
        since = request.query_params.get("since", "")
        if not (since.isascii() and since.isdecimal()):
            return _json({"error": "since=VERSION says which page it is"}, 400)
        with self._looking:
            try:
                if self._changes.is_due(self._signature()):
                    self._look()
            except CallsheetError as fault:
                # A decisions file that somebody edits, say: the page stays, and asks again.
                return _json({"error": _reason_of(fault)}, 409)
            changed = self._changes.since(int(since))
            # By this a page knows which of its decisions the answer cannot have.
            return _json({**changed, "saved": self._looked_saved}, 200)

    def _signature(self) -> Signature:
        request = self.campaign.request
        decisions = decisions_path(request, self.campaign.name)
        database = request.where.database
        if database.is_remote:
            return (*signature_of((decisions,)), last_mark(database))
        ledger = request.home / STATE_FOLDER / LEDGER
        # What is written goes to the second of them first.
        return signature_of((ledger, ledger.with_name(f"{LEDGER}-wal"), decisions))

    def _look(self) -> tuple[Report, Sequence[Record], PageSource]:
        """Read all that the page shows as it is now, and take down what changed."""
        campaign, signature, began = self.campaign, self._signature(), time.monotonic()
        self._looked_saved = self._saved
        with open_to_read(campaign, "review") as ledger:
            reading, tally = CampaignReading(campaign, ledger), begin_tally(campaign)
            posters, records = Posters(campaign), list[Record]()
            for record in reading.records():
                tally.add(record)
                posters.put(record)
                if len(records) < PAGE_CLIPS:
                    records.append(self._serve_stored(record))
            report = finish_report(reading, tally, forecast=True)
        source = page_source(campaign, posters.found)
        source = replace(
            source,
            href=self._address_of,
            decisions=self._decisions(records),
            reasons=self.reasons or source.reasons,
            is_served=self.decide is not None,
        )
        parts = chain(
            (("figures", page_figures(report)), ("overview", to_overview(report))),
            (("decisions", source.decisions),),
            ((f"clip {each['address']}", each) for each in page_clips(records, source)),
        )
        took_s = time.monotonic() - began
        version = self._changes.take(signature, parts, took_s=took_s)
        return report, records, replace(source, version=version)

    def _decisions(self, records: Sequence[Record] | None = None) -> Sequence[Plain]:
        """Return the decisions that hold: those on these records, or on all there are now."""
        if self.read_decisions is not None:
            return self.read_decisions()
        if records is not None:
            return page_decisions(records)
        with open_to_read(self.campaign, "review") as ledger:
            return page_decisions(CampaignReading(self.campaign, ledger).records())

    def _address_of(self, reference: RecordReference) -> str:
        path = str(reference_path(self.campaign, reference))
        name = hashlib.sha256(path.encode()).hexdigest()
        self._references[name] = path
        return f"../references/{name}"

    def _serve_stored(self, record: Record) -> Record:
        """Return a record whose clip has an address below the token, also if it is not laid out."""
        if record.path is None or is_laid_out(record):
            return record
        name = record.path.rpartition("/")[2]
        self._stored[name] = record.path
        return replace(record, path=f"{STATE_FOLDER}/{name}")

    def show_stored_clip(self, request: Request) -> Response:
        """Return a clip that is in the store alone, and that the page shows."""
        path = self._stored.get(str(request.path_params["name"]))
        return _nothing() if path is None else _file(self.campaign.folder / path, None)

    def show_poster(self, request: Request) -> Response:
        """Return a clip's poster."""
        name = str(request.path_params["name"]).removesuffix(".jpg")
        path = folder_of(self.campaign) / poster_path(name)
        return _file(path, "image/jpeg") if name.isalnum() else _nothing()

    def show_reference(self, request: Request) -> Response:
        """Return a reference picture that the page shows."""
        path = self._references.get(str(request.path_params["name"]))
        if path is None or not Path(path).is_file():
            return _nothing()
        return _file(Path(path), f"image/{file_format(Path(path))}")

    def show_clip(self, request: Request) -> Response:
        """Return a clip, or the part of it that the player asks for."""
        folder = self.campaign.folder.resolve()
        path = (folder / str(request.path_params["path"])).resolve()
        if not path.is_relative_to(folder) or path.suffix[1:] not in VIDEO_FORMATS:
            return _nothing()
        return _file(path, None)

    async def take_decision(self, request: Request) -> Response:
        """Make a decision durable, then say so; 409 and the reason where it is none."""
        try:
            given = orjson.loads(await request.body())
            decision = {name: given[name] for name in _FIELDS}
        except (orjson.JSONDecodeError, TypeError, KeyError):
            return _json({"error": f"a decision is a JSON object of {', '.join(_FIELDS)}"}, 400)
        is_known = all(type(decision[n]) is kind for n, kind in _FIELDS.items())
        if self.decide is None or not is_known or decision["verdict"] not in _VERDICTS:
            return _json({"error": "this is no decision that can be saved here"}, 400)
        async with self._writing:
            try:
                # Of one whose answer was lost the page does not know whether it was written.
                known = (
                    await run_in_threadpool(self._find, decision) if given.get("again") else None
                )
                saved = known or await run_in_threadpool(self.decide, decision)
                self._saved += 1
            except CallsheetError as refused:
                return _json({"error": _reason_of(refused)}, 409)
        return _json({"decision": saved, "saved": self._saved}, 200)

    def _find(self, decision: Plain) -> Plain | None:
        hold = [
            saved
            for saved in self._decisions()
            if all(saved[name] == decision[name] for name in _CLIP)
        ]
        # Where people differ, one of their words is not what ends it.
        if len({saved["verdict"] for saved in hold}) != 1:
            return None
        same = (saved for saved in hold if all(saved.get(n, "") == decision[n] for n in _SAME))
        return next(same, None)


class OwnPageOnly:
    """Turns away what names another host, comes from another page, or sends too much."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._host = f"{_HOST}:{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what the page itself asks for."""

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        fault = self._fault(Request(scope))
        app = PlainTextResponse(fault, 403) if fault else self._app
        await app(scope, receive, send_closed)

    def _fault(self, request: Request) -> str:
        headers = request.headers
        # A name that another site gave to this address would bring that site's scripts here.
        if headers.get("host") != self._host:
            return "this address is not served"
        if request.method != "POST":
            return ""
        if headers.get("origin") != f"http://{self._host}":
            return "only the page itself decides"
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            return "a decision is application/json"
        length = headers.get("content-length", "")
        return "" if length.isdecimal() and int(length) <= _LARGEST_BODY else "too much at once"


def campaign_page(campaign: LoadedCampaign) -> ReviewPage:
    """Return the page of a campaign, whose decisions go to the file beside the manifest."""

    def save(said: Plain) -> Plain:
        # What was looked at is what is judged: a run may have made another clip meanwhile.
        decided = decide(
            campaign,
            [said["address"]],
            Verdict(said["verdict"]),
            reason=said["reason"],
            note=said["note"],
            clip=(said["key"], said["sha256"]),
        )
        (written, *_) = decided[said["address"]]
        at = plain_decision(written)["at"]
        return {**said, "who": written.who, "at": at, "id": written.id}

    return ReviewPage(campaign, decide=save)


def serve_page(page: ReviewPage, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is told the address. Port 0 takes a free one.

    Unusable where the port cannot be had; InvalidInput where the campaign was never run.
    """
    open_to_read(page.campaign, "review").close()
    with _listening(port) as listener:
        address, server = _server_of(page, listener)
        server.announce = lambda: announce(address)
        asyncio.run(_serve_until_signal(server, listener))


@contextmanager
def serving_page(page: ReviewPage, port: int) -> Iterator[str]:
    """Serve in a thread of its own while something else is done; yield the address.

    Unusable where the port cannot be had. Signals are the caller's to mind.
    """
    with _listening(port) as listener:
        address, server = _server_of(page, listener)
        # What must end at once, ends without it.
        thread = Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        try:
            yield address
        finally:
            server.stop()
            thread.join()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError as error:
            raise Unusable(f"the page cannot be served at {_HOST}:{port}: {error}") from error
        listener.listen()
        yield listener


def _server_of(page: ReviewPage, listener: socket.socket) -> tuple[str, _PageServer]:
    """Return the address of a page, and the server that is to listen there."""
    port, token = listener.getsockname()[1], secrets.token_urlsafe(24)
    app = Starlette(routes=page.routes(token), middleware=[Middleware(OwnPageOnly, port=port)])
    server = _PageServer(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
    return f"http://{_HOST}:{port}/{token}/report/", server


async def _serve_until_signal(server: _PageServer, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve(sockets=[listener])


class _PageServer(uvicorn.Server):
    """Uvicorn, but for its own signals, and with a word once it listens."""

    announce: Callable[[], None] = staticmethod(lambda: None)

    def stop(self) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # A signal is the way to end it: nothing is raised again after it.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.announce()


def _reason_of(fault: CallsheetError) -> str:
    findings = fault.findings if isinstance(fault, InvalidInput) else ()
    # What stands in a file is told with its line.
    told = (
        f"{each.span.file}:{each.span.line}: {each.message}" if each.span.line else each.message
        for each in findings
    )
    return "; ".join(told) or str(fault)


def _file(path: Path, media_type: str | None) -> Response:
    return FileResponse(path, media_type=media_type) if path.is_file() else _nothing()


def _nothing() -> Response:
    return PlainTextResponse("nothing is here", 404)


def _json(value: Plain, status: int) -> Response:
    return Response(orjson.dumps(value), status, _FRESH, media_type="application/json")
