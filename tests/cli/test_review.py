"""`callsheet review`: the page on loopback, for nobody else; no decision is lost with it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from pipeline.plan.decision_text import read_decisions
from tests.browser.chromium import FOUND, Page, chromium
from tests.browser.decision_journal import REFUSED, Journal
from tests.browser.page_checks import CLIPPED, DRAWN, PALE, VIEWS, accessibility_faults, show
from tests.browser.serving import serving
from tests.cli.conftest import SHOP_KEY
from tests.cli.edits import swap
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

needs_browser = pytest.mark.skipif(FOUND is None, reason="no Chromium on this machine")
CLIPS = 6
WORDS = "Data.clips.map((clip) => Decisions.wordOf(clip))"
SAID = "document.getElementById('sitting-word').textContent"
STALE = """(() => {
  const real = fetch;
  Object.assign(window, { answered: 0, stale: null });
  window.fetch = async (url, how) => {
    if (!url.includes('changes')) return real(url, how);
    const told = await (await real(url, how)).json();
    answered += 1;
    return Response.json(stale ? { ...told, ...stale } : told);
  };
})()"""
FILE = "shop.decisions.yaml"
SENT = {"address": "tag[A]#1", "take": 1, "key": "a", "sha256": "b", "verdict": "approved"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start one browser for all tests."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


def test_nobody_else_is_served(finished: Path, tmp_path: Path) -> None:
    """Without the token, for another host, from another page or beside the clips is nothing."""
    words = ("tests.browser.decision_journal", "shop.yaml", str(tmp_path / "journal"))
    with serving(*words, folder=finished) as (_, address), httpx.Client(trust_env=False) as client:
        origin = address[: address.index("/", 8)]
        base = address.removesuffix("report/")
        own = {"Origin": origin}
        fine = {**SENT, "reason": "", "note": ""}

        assert 404 == client.get(origin + "/").status_code
        assert 404 == client.get(f"{origin}/{'x' * 32}/report/").status_code
        assert 403 == client.get(address, headers={"Host": "evil.example"}).status_code
        for path in ("%2e%2e/.callsheet/ledger.db", "report/report.json", ".intents"):
            assert 404 == client.get(base + path).status_code, path
        assert 404 == client.get(f"{base}references/{'0' * 64}").status_code
        for headers in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}):
            assert 403 == client.post(f"{base}decisions", json=fine, headers=headers).status_code
        plain = {**own, "Content-Type": "text/plain"}
        assert 403 == client.post(f"{base}decisions", content="{}", headers=plain).status_code
        large = {**fine, "note": "n" * 70_000}
        assert 403 == client.post(f"{base}decisions", json=large, headers=own).status_code
        wrongs: tuple[object, ...] = ([], {}, {**fine, "take": "1"}, {**fine, "verdict": "great"})
        for wrong in wrongs:
            assert 400 == client.post(f"{base}decisions", json=wrong, headers=own).status_code
        assert [] == Journal(tmp_path / "journal").lines()

        page = client.get(address)
        assert ("nosniff", "no-referrer") == (
            page.headers["x-content-type-options"],
            page.headers["referrer-policy"],
        )
        # What is sent again, as its answer was lost, stands once.
        for again in ({}, {"again": True}, {"again": True}):
            answer = client.post(f"{base}decisions", json={**fine, **again}, headers=own)
            assert "ada" == answer.json()["decision"]["who"]
        assert 1 == len(Journal(tmp_path / "journal").lines())


@pytest.fixture
def shop(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished campaign, to decide in."""
    return Path(shutil.copytree(finished, tmp_path / "shop"))


def test_a_decisions_file_that_cannot_be_read_is_told_with_its_line(shop: Path) -> None:
    """Somebody edits it by hand: the page says where, loses nothing, and is there again after."""
    file = shop / "shop.decisions.yaml"
    words = ("pipeline", "review", "shop.yaml")
    with serving(*words, folder=shop) as (_, address), httpx.Client(trust_env=False) as client:
        file.write_text('# callsheet decisions 1\n"spin[A]": {oops\n', "utf-8")
        told = client.get(address)
        assert 409 == told.status_code
        assert "shop.decisions.yaml:2: " in told.text
        file.unlink()
        assert 200 == client.get(address).status_code


def test_references_are_found_wherever_a_report_is_written(shop: Path, tmp_path: Path) -> None:
    """From another folder the page shows pictures as they were when they were used."""
    (shop / "photos/A.jpg").write_bytes(b"another picture by now")
    ran = run_callsheet(["report", str(shop / "shop.yaml")], folder=tmp_path)
    assert 0 == ran.returncode, ran.stderr

    (page,) = shop.glob("outputs/*/report/index.html")
    found = re.search(
        r'<script[^>]*id="data"[^>]*>(.*?)</script>', page.read_text("utf-8"), re.DOTALL
    )
    assert found
    pictures = [page.parent / unquote(each["href"]) for each in json.loads(found[1])["pictures"]]
    assert pictures
    for each in pictures:
        assert each.name == hashlib.sha256(each.read_bytes()).hexdigest()


@needs_browser
def test_the_page_is_the_one_of_the_folder(shop: Path, browser: Page) -> None:
    """It opens without a complaint and shows all; what is decided is in the file beside M."""
    with serving("pipeline", "review", "shop.yaml", folder=shop) as (process, address):
        # The page before this one may still ask a server that is gone.
        browser.open("about:blank")
        browser.complaints.clear()
        browser.open(address)
        for view in VIEWS:
            show(browser, view)
            assert [] == browser.value(CLIPPED), view
            if view == "clips":
                browser.until(DRAWN)
                assert browser.value("document.querySelectorAll('.tile .poster').length") == CLIPS
        browser.value("Pages.look(Data.byAddress.get('spin[A]#1'))")
        browser.until("[...document.querySelectorAll('#references img')].some(i => i.naturalWidth)")
        browser.until("document.querySelector('#stage video').currentTime > 0.1")
        assert [] == accessibility_faults(browser)
        browser.press("a")
        browser.until("Decisions.isSettled()")

        places = read_decisions((shop / FILE).read_text("utf-8"), FILE)
        assert {"spin[A]": ["approved"]} == {
            place: [str(each.verdict) for each in decisions] for place, decisions in places.items()
        }
        assert browser.value("document.getElementById('unsaved').hidden")
        assert "saved" in browser.value("document.getElementById('announcement').textContent")
        browser.open(address)
        browser.value("Pages.look(Data.byAddress.get('spin[A]#1'))")
        (decision,) = places["spin[A]"]
        assert f"approved · saved by {decision.who}" == browser.value(SAID)
        assert [] == browser.complaints
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(60)


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view_that_is_served_can_be_used_by_everybody(
    finished: Path, browser: Page, *, dark: bool
) -> None:
    """No view of the served page has a violation that axe-core finds, in either scheme."""
    with serving("pipeline", "review", "shop.yaml", folder=finished) as (_, address):
        # The page before this one may still ask a server that is gone.
        browser.open("about:blank")
        browser.complaints.clear()
        browser.open(address, dark=dark, height=900)
        found = {}
        for view in VIEWS:
            show(browser, view)
            found[view] = accessibility_faults(browser) + browser.value(PALE)

        assert {} == {view: faults for view, faults in found.items() if faults}
        assert [] == browser.complaints


@needs_browser
def test_the_timeline_has_each_phase_of_a_job(finished: Path, browser: Page) -> None:
    """Sent, taken, ended, fetched: each has its time, in this order, and its line in the chart."""
    (page,) = (finished / "outputs").rglob("report/index.html")
    browser.open(page)
    times = browser.value(
        "Data.clips.map((clip) => ['submitted', 'accepted', 'finished', 'fetched']"
        ".map((name) => clip[name]))"
    )
    assert [sorted(each) for each in times] == times
    show(browser, "charts")
    lines = "document.querySelector('#jobs-chart path.{}').getAttribute('d').match(/H/g)?.length"
    drawn = {name: browser.value(lines.format(name)) for name in ("queue", "run", "fetch", "open")}
    assert {"queue": CLIPS, "run": CLIPS, "fetch": CLIPS, "open": None} == drawn
    caption = browser.value("document.querySelector('#jobs-chart figcaption').innerText")
    assert 3 == caption.count("at the median")
    assert "no end yet" not in caption


# The signs of legends that the first letter of what they stand for is not beside.
PARTED = """
[...document.querySelectorAll('figcaption .key')].filter((sign) => {
  const text = document.createRange();
  text.selectNodeContents(sign.nextSibling);
  const [first, line] = [text.getClientRects()[0], sign.getBoundingClientRect()];
  return line.top < first.top || line.bottom > first.bottom || line.right > first.left;
}).length
"""


@needs_browser
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_charts_fit_the_screen(finished: Path, browser: Page, width: int) -> None:
    """However narrow: no line of a legend ends with a sign whose words are on the next.

    And no figure of the yield is out of sight.
    """
    (page,) = (finished / "outputs").rglob("report/index.html")
    browser.open(page, width=width)
    show(browser, "charts")
    assert browser.value("document.querySelectorAll('figcaption .key').length") > 4
    assert 0 == browser.value(PARTED)
    yields = "document.getElementById('yield-chart')"
    assert browser.value(f"{yields}.scrollWidth <= {yields}.clientWidth")


@needs_browser
def test_an_answer_from_before_a_decision_takes_none_back(
    finished: Path, browser: Page, tmp_path: Path
) -> None:
    """The page asks what changed while it decides: what the server had before is not believed."""
    words = ("tests.browser.decision_journal", "shop.yaml", str(tmp_path / "journal"))
    with serving(*words, folder=finished) as (_, address):
        browser.open(f"{address}#view=sitting")
        browser.value(STALE)
        browser.value("stale = {version: 1e6, saved: 0, parts: {decisions: []}, gone: []}")
        browser.press("a")
        browser.until("Decisions.isSettled()")
        browser.value("answered = 0")
        browser.until("answered > 1")
        assert 1 == browser.value(f"{WORDS}.filter((word) => word === 'approved').length")

        # What it did not believe it asks for again, and is told of it once the server has looked.
        browser.value("stale = null; answered = 0")
        browser.until("answered > 1")
        assert 1 == browser.value(f"{WORDS}.filter((word) => word === 'approved').length")
        journal = Journal(tmp_path / "journal").in_force()
        assert ["approved"] == [each["verdict"] for each in journal]


@needs_browser
def test_a_decision_that_is_refused_is_not_shown_as_one(
    finished: Path, browser: Page, tmp_path: Path
) -> None:
    """What cannot be saved is said with its reason, and the clip waits as before."""
    words = ("tests.browser.decision_journal", "shop.yaml", str(tmp_path / "journal"))
    with serving(*words, folder=finished) as (_, address):
        browser.open(f"{address}#view=sitting")
        browser.value(f"document.getElementById('remark').value = {REFUSED!r}")
        browser.press("a")
        browser.until("!document.getElementById('unsaved').hidden")

        assert REFUSED in browser.value("document.getElementById('unsaved-text').textContent")
        assert ["waiting"] * CLIPS == browser.value(WORDS)


@needs_browser
def test_a_conflict_is_shown_and_a_clip_made_anew_is_refused(
    finished: Path, shop: Path, browser: Page, sandbox: Sandbox
) -> None:
    """Both words for a clip are shown until one more decides; what was replaced is not judged."""
    for who, decision in (("ann", ("approve",)), ("ben", ("reject", "--reason", "colour"))):
        command, *more = decision
        words = [command, "shop.yaml", "tag[A]#1", "--who", who, *more]
        assert 0 == run_callsheet(words, folder=shop).returncode
        (shop / FILE).rename(shop / f"{who}.yaml")
    for who in ("ann", "ben"):
        merged = run_callsheet(["review", "shop.yaml", "--merge", f"{who}.yaml"], folder=shop)
        assert 0 == merged.returncode, merged.stderr
    assert "decided differently by two people, and waiting: tag[A]#1" in merged.stdout
    with serving("pipeline", "review", "shop.yaml", folder=shop) as (_, address):
        browser.open(address)
        assert "1 clip decided differently" in browser.value(
            "document.getElementById('differing').innerText"
        )
        browser.value("document.querySelector('#differing button').click()")
        both = ("approved · saved by ann", "rejected · colour · saved by ben")
        assert all(word in browser.value(SAID) for word in both)
        assert "waiting" == browser.value("Decisions.wordOf(Data.byAddress.get('tag[A]#1'))")
        assert [] == accessibility_faults(browser)
        browser.press("l")
        browser.until("Decisions.isSettled()")
        browser.value("Pages.look(Data.byAddress.get('tag[A]#1'))")
        assert browser.value(SAID).startswith("later · saved by ")
        seen = browser.value(
            "(({address, take, key, sha256}) => ({address, take, key, sha256, verdict: 'approved',"
            " reason: '', note: '', at: '2026-11-29T12:00:00Z', replaces: []}))"
            "(Data.byAddress.get('tag[A]#1'))"
        )

        swap("{{ cup.name }} for", "{{ cup.name }}, new, for")(shop)
        url = f"--base-url=runware={sandbox.base_urls['runware']}"
        again = ["run", "shop.yaml", "--yes", "--adopt-root", "--select", "tag[A]#1", url]
        # A copy is worked in only where the original is gone.
        original = finished / "outputs"
        aside = original.rename(finished / "aside")
        try:
            made = run_callsheet(again, {"RUNWARE_API_KEY": SHOP_KEY}, folder=shop)
        finally:
            aside.rename(original)
        assert 0 == made.returncode, made.stdout + made.stderr
        before = (shop / FILE).read_bytes()
        # While it is made there is none; the page may have seen that too.
        now = "Data.byAddress.get('tag[A]#1').sha256"
        browser.until(f"{now} && {now} !== '{seen['sha256']}'")
        assert "another clip is there by now" == browser.value(SAID)
        browser.press("a")

        why = "There is another clip at tag[A]#1 by now: look at it first"
        assert why in browser.value("document.getElementById('announcement').textContent")
        # A page that does not know it yet is refused by the server.
        told = browser.value(
            "fetch('../decisions', {method: 'POST', headers: {'Content-Type': 'application/json'},"
            f" body: JSON.stringify({json.dumps(seen)})}}).then((answer) => answer.text())"
        )
        assert "there is another clip at tag[A]#1 by now: load the page again" in told
        assert before == (shop / FILE).read_bytes()
        assert "waiting" == browser.value(SAID)
        browser.press("a")
        browser.until("Decisions.isSettled()")
        assert "approved" == browser.value("Decisions.wordOf(Data.byAddress.get('tag[A]#1'))")


@needs_browser
def test_what_a_page_exports_is_taken_in_once(shop: Path, browser: Page, tmp_path: Path) -> None:
    """What was decided, and taken back, in the page of the folder is in the file after --import."""
    browser.download_to(tmp_path)
    (page,) = (shop / "outputs").rglob("report/index.html")
    browser.open(page)
    browser.value("localStorage.clear()")
    browser.open(page)
    browser.value("Pages.look(Data.byAddress.get('spin[A]#1'))")
    browser.press("a")
    browser.value("document.getElementById('export').click()")
    _downloaded(browser, tmp_path).unlink()
    browser.value("Pages.look(Data.byAddress.get('spin[A]#1'))")
    browser.press("r", "1")
    browser.value("Pages.look(Data.byAddress.get('tag[B]#1'))")
    browser.press("l")
    browser.value("document.getElementById('export').click()")
    exported = _downloaded(browser, tmp_path)
    browser.value("localStorage.clear()")

    mistaken = run_callsheet(["review", "shop.yaml", "--merge", str(exported)], folder=shop)
    assert (3, 1) == (mistaken.returncode, mistaken.stderr.count("--import")), mistaken.stderr
    assert "\n1 error; " in mistaken.stderr
    words = ["review", "shop.yaml", "--import", str(exported), "--who", "ann"]
    first = run_callsheet(words, folder=shop)
    file = (shop / FILE).read_bytes()
    second = run_callsheet([*words[:-1], "ben"], folder=shop)

    assert ("3 added, 0 known", 0) == (first.stdout.split(": ")[1][:16], first.returncode)
    assert "0 added, 3 known" in second.stdout
    assert file == (shop / FILE).read_bytes()
    places = read_decisions(file.decode(), FILE)
    # Perhaps both in one second: which came later is in what it replaces.
    approved, rejected = sorted(places["spin[A]"], key=lambda each: each.verdict)
    assert ((approved.id,), "product") == (rejected.replaces, rejected.reason)
    assert ["later"] == [str(each.verdict) for each in places["tag[B]"]]


@needs_browser
@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=pytest.mark.drill)])
@pytest.mark.timeout(1800)
def test_no_decision_is_lost_with_the_server(
    shop: Path, browser: Page, tmp_path: Path, kills: int
) -> None:
    """Killed at any instant: what was answered is there, the rest is exported; none is twice."""
    chance = random.Random(15)  # noqa: S311 - the same instants in each run
    browser.download_to(tmp_path)
    expected, unanswered, written = 0, 0, 0
    exported: Path | None = None
    for number in range(kills + 1):
        with serving("pipeline", "review", "shop.yaml", folder=shop) as (process, address):
            browser.open(f"{address}#view=overview")
            if exported is not None:
                written += expected == sum(_times(shop).values())
                browser.choose_file("#import", exported)
                browser.until("!document.getElementById('import-result').hidden")
                exported.unlink()
                exported = None
            assert expected == sum(word != "waiting" for word in browser.value(WORDS))
            assert [1] * expected == list(_times(shop).values())
            if number == kills:
                break
            if expected == CLIPS:
                # All are decided: a new file, so that there is always a clip that waits.
                (shop / FILE).unlink()
                expected = 0
                browser.open(f"{address}#view=overview")
            show(browser, "sitting")
            browser.value(f"document.getElementById('remark').value = 'number {number}'")
            killer = threading.Timer(chance.uniform(0, 0.03), process.kill)
            killer.start()
            browser.press("a")
            killer.join()
            process.wait()
            browser.until("Decisions.isSettled()")
            expected += 1
            if browser.value("Decisions.unsavedCount()"):
                unanswered += 1
                browser.value("document.getElementById('export').click()")
                exported = _downloaded(browser, tmp_path)
    print(  # noqa: T201 - a drill's figure
        f"{kills} kills, {unanswered} of them before the answer, {written} of these when the"
        " decision was in the file already"
    )


def _times(folder: Path) -> Counter[str]:
    """Return how often each note is in the decisions file, replaced or not."""
    path = folder / FILE
    text = path.read_text("utf-8") if path.exists() else ""
    every = read_decisions(text, FILE).values()
    return Counter(each.note for decisions in every for each in decisions)


def _downloaded(browser: Page, folder: Path) -> Path:
    """Wait until a file has arrived whole."""
    while not (found := list(folder.glob("*.json"))):
        browser.value("new Promise((done) => setTimeout(done, 20))")
    return found[0]
