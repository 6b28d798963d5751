"""The report page as a producer meets it: opened from a folder, without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.domain import Record
from pipeline.media.video import probe_with_poster
from pipeline.report.html import poster_path, to_html
from pipeline.report.summary import summarise
from tests.browser.chromium import FOUND, Page, chromium
from tests.unit.media.clips import write_clip
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.tables import table

pytestmark = pytest.mark.skipif(FOUND is None, reason="no Chromium on this machine")

MARKUP = "</script><img src=x onerror=\"document.title='broken'\"><b>bold</b>"
LONG = "a-very-long-name-without-any-space-" * 3
# Every piece of text against the colour behind it (WCAG 2.2, 1.4.3).
PALE = """
(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const e of document.body.querySelectorAll('*')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length || e.closest('script, option')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(e.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return pale;
})()
"""
CLIPPED = """
[...document.body.querySelectorAll('*')]
  .filter((e) => e.getClientRects().length && !e.closest('script, select, .frame, .bar'))
  .filter((e) => getComputedStyle(e).overflow !== 'visible')
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map((e) => e.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a report of real clips and posters, one of each outcome."""
    root = tmp_path_factory.mktemp("campaign")
    records = [
        _filmed(root, "SKU-1", "calm"),
        _filmed(root, "SKU-1", "bold", message="it lasts 1.0 s, not 5 s", state="off_spec"),
        failed(address="spin[SKU-2,calm]", row_key="SKU-2", message=MARKUP, prompt=MARKUP),
        held(address="spin[SKU-2,bold]", row_key="SKU-2", cell="bold"),
        failed(address=f"spin[{LONG},calm]", row_key=LONG, state="in_doubt", cause="unavailable"),
    ]
    report = summarise(records, campaign="spring", now=NOON, command="callsheet run m.yaml")
    known = table({"sku": "SKU-1", "name": "Runner"}, {"sku": "SKU-2", "name": LONG})
    page = to_html(report, records, posters=_posters(root, records), tables={"spin": known})
    (root / "report" / "index.html").write_text(page, "utf-8")
    return root / "report" / "index.html"


def _filmed(root: Path, row: str, cell: str, **changes: str) -> Record:
    path = f"spin/{row}/{cell}_t1.mp4"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    seconds = 1.0 if cell == "calm" else 1.25
    content = write_clip(root / path, seconds=seconds).read_bytes()
    return done(
        address=f"spin[{row},{cell}]",
        row_key=row,
        cell=cell,
        axes={"mood": cell},
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        **changes,
    )


def _posters(root: Path, records: list[Record]) -> set[str]:
    filmed = [record for record in records if record.path]
    for record in filmed:
        probe_with_poster(root / str(record.path), root / "report" / poster_path(record.sha256))
    return {record.sha256 for record in filmed}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start one browser for all tests."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, page_file: Path) -> Page:
    """Open the page anew."""
    browser.complaints.clear()
    browser.open(page_file)
    return browser


def test_it_opens_without_a_complaint(page: Page) -> None:
    """No error, no warning, nothing missing, nothing that the policy stopped."""
    assert 5 == page.value("document.querySelectorAll('.tile').length")
    assert [] == page.complaints


def test_every_clip_has_its_poster(page: Page) -> None:
    """Each finished cell shows a picture that was really loaded."""
    shown = "[...document.querySelectorAll('.tile img')].map((i) => i.complete && i.naturalWidth)"

    assert [96, 96] == page.value(shown)


def test_markup_stays_text(page: Page) -> None:
    """A prompt with HTML in it is read, not run."""
    said = "[...document.querySelectorAll('.cause blockquote')].map((e) => e.textContent)"

    assert MARKUP in page.value(said)
    assert 0 == page.value("document.querySelectorAll('img[src=x], blockquote b').length")
    assert "spring · Callsheet report" == page.value("document.title")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
def test_everything_can_be_read(browser: Page, page_file: Path, *, dark: bool, width: int) -> None:
    """Contrast is AA and no text is cut off, by day and night, on a desk and on a phone."""
    browser.open(page_file, dark=dark, width=width)

    assert [] == browser.value(PALE)
    assert [] == [cut for cut in browser.value(CLIPPED) if 'class="sheet"' not in cut]
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_no_name_is_broken_to_fit(browser: Page, page_file: Path) -> None:
    """On a small screen the cost table is scrolled; names of shots and providers stay whole."""
    browser.open(page_file, width=420)

    heights = browser.value(
        "[...document.querySelectorAll('.tables th:first-child')].map(each => each.offsetHeight)"
    )
    assert heights
    assert max(heights) < 2 * min(heights)


def test_filters_leave_what_they_name(page: Page) -> None:
    """A choice by a table's column and a word in the search both narrow the grid."""
    count = "document.querySelectorAll('.tile').length"
    choose = """(() => {{ const e = document.querySelector('{}'); e.value = '{}';
        e.dispatchEvent(new Event('input', {{bubbles: true}})); return {}; }})()"""

    assert 2 == page.value(choose.format("select[name=name]", "Runner", count))
    assert 1 == page.value(choose.format("#search", "bold", count))
    assert "1 of 5 shown" == page.value("document.getElementById('shown').textContent")


def test_a_clip_plays_under_the_pointer(page: Page) -> None:
    """Hovering plays it silently; leaving takes it away."""
    hover = """(async () => {
      const tile = document.querySelector('.tile');
      tile.dispatchEvent(new Event('pointerenter'));
      const video = tile.querySelector('video');
      await new Promise((done) => video.addEventListener('timeupdate', done, {once: true}));
      const playing = !video.paused && video.muted;
      tile.dispatchEvent(new Event('pointerleave'));
      return [playing, tile.querySelectorAll('video').length];
    })()"""

    assert [True, 0] == page.value(hover)


def test_a_click_shows_all_about_a_clip(page: Page) -> None:
    """The dialog has the clip with controls, its prompt, its path and its manifest line."""
    page.value("document.querySelector('.tile').click()")

    said = page.value("document.getElementById('viewed').textContent")
    assert page.value("document.getElementById('viewer').open")
    for expected in ("@front turns slowly.", "spin/SKU-1/calm_t1.mp4", "campaign.yaml:61"):
        assert expected in said
