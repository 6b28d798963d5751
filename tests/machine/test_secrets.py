"""The key is in the request's header and nowhere else: no file, log, report or message has it."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from threading import Thread
from urllib.parse import quote

from tests.machine.campaign import ITEMS, Campaign
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox
from tests.unit.run.rawserver import closed_port

KEY = "kq7/+Zebra=Lantern.94-Vx"
"""Found nowhere by accident, and written differently in a URL, in JSON and in base64."""
FORMS = {
    KEY.encode(),
    quote(KEY, safe="").encode(),
    KEY.replace("/", "\\/").encode(),
    base64.b64encode(KEY.encode()).rstrip(b"="),
    base64.b64encode(f"Bearer {KEY}".encode())[8:-8],
    repr(KEY).encode(),
}


def _found(texts: dict[str, bytes]) -> list[str]:
    """Return where the key is, in any form."""
    return [name for name, text in texts.items() if any(form in text for form in FORMS)]


def _left_behind(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, and its name."""
    files = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return files | {f"the name of {path}": str(path).encode() for path in folder.rglob("*")}


def _run(campaign: Campaign, *more: str, debug: bool = False) -> CompletedProcess[str]:
    words = [*campaign.words("run", *more), *(["--debug"] if debug else [])]
    return run_callsheet(words, {"RUNWARE_API_KEY": KEY, "COLUMNS": "400"})


def _said(done: CompletedProcess[str]) -> dict[str, bytes]:
    return {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}


def test_a_run_leaves_no_trace_of_the_key(campaign: Campaign, sandbox: Sandbox) -> None:
    """Clips, reports, ledger, store, output and the provider's media host have never seen it."""
    sandbox.play({"fault": "error", "times": 1, "stage": "status"})

    done = _run(campaign)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert ITEMS == len(sandbox.tasks("runware", KEY)), "it is the key that was sent"
    assert [] == _found(_left_behind(campaign.folder) | _said(done))
    assert [] == sandbox.ledger()["leaks"]


def test_a_forced_failure_shows_no_key(campaign: Campaign) -> None:
    """With --debug too: a ledger that is a folder, a provider that is not there."""
    (campaign.root / ".callsheet" / "ledger.db").mkdir(parents=True)
    blocked = _run(campaign, debug=True)
    assert (12, True) == (blocked.returncode, "Traceback" in blocked.stderr)
    shutil.rmtree(campaign.root)
    nowhere = replace(campaign, address=f"http://127.0.0.1:{closed_port()}")
    unreachable = _run(nowhere, debug=True)
    assert 12 == unreachable.returncode

    for done in (blocked, unreachable):
        assert [] == _found(_left_behind(campaign.folder) | _said(done))


def test_a_provider_that_quotes_the_key_is_not_quoted(campaign: Campaign) -> None:
    """Its refusal names the key in full: ledger, report and output have the refusal without it."""
    with _quoting() as address:
        done = _run(replace(campaign, address=address))

    assert 12 == done.returncode
    assert "[key]" in done.stdout
    assert [] == _found(_left_behind(campaign.folder) | _said(done))


@contextmanager
def _quoting() -> Iterator[str]:
    """Give the address of a provider that repeats each request's key in its refusal."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Quoting)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quoting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Refuse the key, and say which."""
        self.rfile.read(int(self.headers["content-length"]))
        message = f"invalid key: {self.headers['authorization']}"
        error = {"code": "invalidApiKey", "message": message, "parameter": KEY}
        body = json.dumps({"errors": [error]}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Rejected", KEY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
