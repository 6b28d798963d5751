"""`run --watch`: the page while the run goes on, looked at and decided in by a real browser."""

from __future__ import annotations

import os
import pty
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.plan.decision_text import read_decisions
from tests.browser.chromium import FOUND, Page, chromium
from tests.browser.page_checks import CLIPPED, VIEWS, accessibility_faults, show
from tests.browser.serving import serving
from tests.cli.conftest import SHOP_KEY
from tests.cli.edits import ALL, write_shop
from tests.postgresql import PlaceLedger
from tests.processes import begin_callsheet
from tests.sandboxes import Sandbox

pytestmark = pytest.mark.timeout(600)
needs_browser = pytest.mark.skipif(FOUND is None, reason="no Chromium on this machine")
RUN_S = 3600
CAME = "Data.clips.filter(Decisions.isFinished).length"
LIVE = "document.getElementById('live').textContent"
WAITING = """(() => {
  const { address, take, key, sha256 } = Data.clips.find((c) => Decisions.wordOf(c) === 'waiting');
  return { address, take, key, sha256 };
})()"""
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+/report/")
_PATIENCE_S = 120


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start one browser for all tests."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Iterator[Path]:
    """Yield a campaign of six clips, each of which takes an hour of the sandbox's clock."""
    write_shop(tmp_path)
    sandbox.set(timing={"accept_s": 0, "run_s": RUN_S})
    yield tmp_path
    # Others' clips are not to take an hour.
    sandbox.reset()


@contextmanager
def _watched(
    folder: Path, sandbox: Sandbox, *more: str, terminal: int | None = None
) -> Iterator[tuple[ForkServerProcess, str]]:
    """Run the campaign one clip after the other, watched; yield its process and its address."""
    streams = folder / "stdout", folder / "stderr"
    url = f"--base-url=runware={sandbox.base_urls['runware']}"
    words = [
        "run",
        "shop.yaml",
        "--yes",
        "--watch",
        "--set",
        "providers.runware.concurrency=1",
        url,
        *more,
    ]
    keys = {"RUNWARE_API_KEY": SHOP_KEY}
    process = begin_callsheet(words, keys, streams=streams, folder=folder, terminal=terminal)
    try:
        yield process, _wait_for(ADDRESS, process, *streams)
    finally:
        process.kill()
        process.join()


def _wait_for(words: re.Pattern[str], process: ForkServerProcess, *streams: Path) -> str:
    """Return the words once the process has said them."""
    while True:
        ended = not process.is_alive()
        said = "".join(each.read_text("utf-8") for each in streams if each.exists())
        if found := words.search(said):
            return found[0]
        assert not ended, said
        process.join(0.05)


@needs_browser
def test_the_page_shows_what_comes_and_takes_decisions(
    shop: Path, browser: Page, sandbox: Sandbox
) -> None:
    """Each clip appears by itself, is decided on at once, and what a person is doing stays."""
    with _watched(shop, sandbox) as (process, address):
        browser.complaints.clear()
        browser.open(address)
        browser.until(f"{LIVE}.startsWith('1 clip in flight, 5 still to make')")
        assert 0 == browser.value(CAME)
        show(browser, "sitting")
        assert not browser.value("document.getElementById('sitting-empty').hidden")

        _finish(shop, sandbox, process, 1)
        browser.until("document.querySelector('#stage video')?.currentTime > 0.1")
        browser.press("a")
        browser.until("Decisions.isSettled() && Decisions.unsavedCount() === 0")
        places = read_decisions((shop / "shop.decisions.yaml").read_text("utf-8"), "f")
        assert ["approved"] == [str(e.verdict) for each in places.values() for e in each]

        browser.value("document.getElementById('remark').value = 'while it runs'")
        _finish(shop, sandbox, process, 2)
        browser.until(f"{CAME} === 2")
        assert "while it runs" == browser.value("document.getElementById('remark').value")
        assert "1 of 2, 1 waiting" in browser.value(
            "document.getElementById('sitting-place').textContent"
        )
        for view in VIEWS:
            show(browser, view)
            assert [] == browser.value(CLIPPED), view
            assert [] == accessibility_faults(browser), view

        # Another process serves the same page, and another person decides there.
        with serving("pipeline", "review", "shop.yaml", folder=shop) as (_, beside):
            browser.open(beside)
            waiting = browser.value(WAITING)
            show(browser, "overview")
            _finish(shop, sandbox, process, 3)
            browser.until(f"{CAME} === 3")
            counts = "document.querySelector('.counts').innerText"
            assert "3 done" in browser.value(counts).replace("\n", " ")
            _decide(beside, waiting)
            browser.until("document.getElementById('approved-count').textContent[0] === '2'")
            browser.open(address)

        while process.is_alive():
            sandbox.advance(RUN_S)
            process.join(0.2)
        browser.until(f"{LIVE}.startsWith('Not kept up to date')")
    assert 0 == process.exitcode
    lost = [each for each in browser.complaints if "CONNECTION_REFUSED" not in each]
    assert [] == lost


def _decide(address: str, clip: dict[str, object]) -> None:
    """Approve a clip as another reviewer's page does."""
    sent = {**clip, "verdict": "approved", "reason": "", "note": ""}
    origin = address[: address.index("/", 8)]
    url = address.removesuffix("report/") + "decisions"
    answer = httpx.post(url, json=sent, headers={"Origin": origin}, trust_env=False)
    assert 200 == answer.status_code, answer.text


def test_only_what_changed_is_sent(shop: Path, sandbox: Sandbox, place_ledger: PlaceLedger) -> None:
    """Of six clips the one that came is sent, and nothing to whoever has it already.

    Wherever the ledger is: in the root, or on a server.
    """
    place_ledger(shop / "outputs")
    with (
        _watched(shop, sandbox) as (process, address),
        httpx.Client(trust_env=False, base_url=address.removesuffix("report/")) as client,
    ):
        assert 400 == client.get("changes?since=x").status_code
        told = _changes(client, 0, process, _is_begun)
        assert {f"clip {each}" for each in ALL} < set(told["parts"])
        _finish(shop, sandbox, process, 1)
        told = _changes(client, told["version"], process, _has_come)
        # It, and those that are begun next; the last in line stands as it stood.
        assert f"clip {ALL[-1]}" not in told["parts"]
        again = client.get("changes", params={"since": told["version"] + 1000}).json()
        assert ({}, []) == (again["parts"], again["gone"])
        process.kill()


def _finish(shop: Path, sandbox: Sandbox, process: ForkServerProcess, number: int) -> None:
    """Let the clip of this number be finished once the sandbox has taken it; return with it."""
    _wait_until(process, lambda: len(sandbox.tasks("runware")) == number)
    sandbox.advance(RUN_S)
    _wait_until(process, lambda: len([*shop.rglob("*t1.mp4")]) == number)


def _wait_until(process: ForkServerProcess, holds: Callable[[], bool]) -> None:
    while not holds():
        assert process.is_alive()
        process.join(0.1)


def _changes(
    client: httpx.Client, since: int, process: ForkServerProcess, wanted: Callable[[Any], bool]
) -> Any:
    """Return what changed since a version once that is what is wanted."""
    while process.is_alive():
        told = client.get("changes", params={"since": since}).raise_for_status().json()
        if told["parts"] and wanted(told):
            return told
        process.join(0.2)
    raise AssertionError("the run has ended")


def _is_begun(told: dict[str, dict[str, dict[str, object]]]) -> bool:
    return told["parts"].get("figures", {}).get("in_flight") == 1


def _has_come(told: dict[str, dict[str, dict[str, object]]]) -> bool:
    return any(part.get("sha256") for name, part in told["parts"].items() if "clip " in name)


@pytest.mark.parametrize("form", ["text", "ndjson"])
def test_at_a_terminal_the_page_stays_until_it_is_ended(
    shop: Path, sandbox: Sandbox, form: str
) -> None:
    """The run has ended and let go of the root: Ctrl-C ends the page, and the code is the run's."""
    sandbox.set(timing={"accept_s": 0, "run_s": 0})
    ours, theirs = pty.openpty()
    try:
        with _watched(shop, sandbox, "--format", form, terminal=theirs) as (process, address):
            streams = shop / "stdout", shop / "stderr"
            _wait_for(re.compile(r"the run has ended \(0\)"), process, *streams)
            assert 200 == httpx.get(address, trust_env=False).status_code
            if form == "ndjson":
                assert '"run_ended"' in streams[0].read_text("utf-8").splitlines()[-1]
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)
            process.join(_PATIENCE_S)
    finally:
        os.close(ours)
        os.close(theirs)
    assert 0 == process.exitcode


def test_who_stops_a_watched_run_is_not_kept(shop: Path, sandbox: Sandbox) -> None:
    """Ctrl-C stops the run in order, at a terminal too, and the page ends with it."""
    ours, theirs = pty.openpty()
    try:
        with _watched(shop, sandbox, terminal=theirs) as (process, address):
            with httpx.Client(trust_env=False, base_url=address.removesuffix("report/")) as client:
                _changes(client, 0, process, _is_begun)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)
            _wait_for(re.compile("stopping"), process, shop / "stderr")
            assert 200 == httpx.get(address, trust_env=False).status_code
            _wait_until(process, lambda: len(sandbox.tasks("runware")) == 1)
            sandbox.advance(RUN_S)
            process.join(_PATIENCE_S)
    finally:
        os.close(ours)
        os.close(theirs)
    assert 130 == process.exitcode
