"""The page as a team meets it: opened from a folder by a double click, without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Record
from pipeline.domain.records import RecordReference
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.media.video import probe_with_poster
from pipeline.report.html import poster_path, to_html
from pipeline.report.page_data import PageSource
from tests.browser.chromium import FOUND, Page, chromium
from tests.browser.page_checks import CLIPPED, DRAWN, PALE, VIEWS, accessibility_faults, show
from tests.unit.media.clips import write_clip
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.tables import table
from tests.unit.report.whole_files import summarise

pytestmark = pytest.mark.skipif(FOUND is None, reason="no Chromium on this machine")

MARKUP = "</script><img src=x onerror=\"document.title='broken'\"><b>bold</b>"
LONG = "a-very-long-name-without-any-space-" * 3
FILMED = 4
WORDS = "Data.clips.map((clip) => Decisions.wordOf(clip))"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a page of real clips and posters, one of each outcome, foreign text in each field."""
    root = tmp_path_factory.mktemp("campaign")
    first = _filmed(root, "SKU-1", "calm", 1)
    records = [
        first,
        _filmed(root, "SKU-1", "calm", 2, sent_prompt="@front turns quickly."),
        _filmed(root, "SKU-1", "bold", 1, message="it lasts 1.0 s, not 5 s", state="off_spec"),
        _filmed(
            root,
            "SKU-2",
            "calm",
            1,
            references=(RecordReference("", MARKUP),),
            model=MARKUP,
            tags=(MARKUP,),
        ),
        failed(address="spin[SKU-2,bold]#1", row_key="SKU-2", cell="bold", message=MARKUP),
        held(address=f"spin[{MARKUP},calm]#1", row_key=MARKUP, cell="calm", sent_prompt=MARKUP),
        failed(address=f"spin[{LONG},calm]#1", row_key=LONG, state="in_doubt", cause=MARKUP),
    ]
    return write_page(root, records)


def write_page(root: Path, records: list[Record]) -> Path:
    """Write the page of these records, with a poster of each clip."""
    filmed = {record.sha256: record for record in records if record.path}
    for record in filmed.values():
        probe_with_poster(root / str(record.path), root / "report" / poster_path(record.sha256))
    report = summarise(records, campaign="spring", now=NOON, command="callsheet run m.yaml")
    known = table({"sku": "SKU-1", "name": "Runner"}, {"sku": "SKU-2", "name": MARKUP})
    source = PageSource(
        posters=set(filmed),
        tables={"spin": known},
        used={"products": {"name"}},
        limit_usd=Decimal(20),
    )
    (root / "report" / "index.html").write_text(to_html(report, records, source), "utf-8")
    return root / "report" / "index.html"


def _filmed(root: Path, row: str, cell: str, take: int, **changes: object) -> Record:
    path = f"spin/{row}/{cell}_t{take}.mp4"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    # Clips of different lengths are different files.
    seconds = 1.0 + take / 4 + len(row + cell) / 8 + (row == "SKU-2") / 2
    content = write_clip(root / path, seconds=seconds).read_bytes()
    return done(
        address=f"spin[{row},{cell}]#{take}",
        row_key=row,
        cell=cell,
        take=take,
        axes={"mood": cell},
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        key=hashlib.sha256(path.encode()).hexdigest(),
        **changes,
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Start one browser for all tests."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, page_file: Path) -> Page:
    """Open the page anew, with nothing decided."""
    browser.open(page_file)
    browser.value("localStorage.clear()")
    browser.open(page_file, height=900)
    browser.complaints.clear()
    browser.dialogs.clear()
    return browser


def test_the_first_screen_tells_how_it_stands(page: Page) -> None:
    """State, money, failures with cause and command, and what waits: without scrolling."""
    said = page.value("document.getElementById('overview').innerText")

    # The one that is off spec waits for nobody: another is made instead.
    waits = f"{FILMED - 1} waiting for a decision"
    for expected in ("7 clips", "1.68 USD", waits, "0 of 6 places"):
        assert expected in said, expected
    assert "callsheet run m.yaml --retry refused" in said
    heights = "['#waits', '#open-ends'].map((e) => document.querySelector(e).offsetTop)"
    assert max(page.value(heights)) < 900


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view_can_be_used_by_everybody(browser: Page, page_file: Path, *, dark: bool) -> None:
    """No view has a complaint in the console or a violation that axe-core finds; text is AA."""
    browser.complaints.clear()
    browser.open(page_file, dark=dark, height=900)
    found = {}
    for view in VIEWS:
        show(browser, view)
        found[view] = accessibility_faults(browser) + browser.value(PALE)
    browser.value("document.getElementById('help').showModal()")
    found["help"] = accessibility_faults(browser)
    browser.press("Escape")
    show(browser, "clips")
    browser.value("document.getElementById('more-button').click()")
    browser.value("document.querySelector('[data-dimension=cell]').click()")
    found["values of a filter"] = accessibility_faults(browser) + browser.value(PALE)
    browser.press("Escape")
    show(browser, "sitting")
    browser.press("l", "r")
    browser.until("!document.getElementById('reasons').hidden")
    found["reasons, and what is not saved"] = accessibility_faults(browser) + browser.value(PALE)
    browser.value("localStorage.clear()")

    assert {} == {view: faults for view, faults in found.items() if faults}
    assert [] == browser.complaints


@pytest.mark.parametrize("width", [390, 1440, 2560])
def test_nothing_is_cut_off(browser: Page, page_file: Path, width: int) -> None:
    """On a phone, a desk and a wall every view fits and can be used; each cell has its poster."""
    browser.open(page_file, width=width, height=900)
    browser.value("localStorage.clear()")
    for view in VIEWS:
        show(browser, view)

        assert [] == browser.value(CLIPPED) + accessibility_faults(browser), view
        assert browser.value("document.documentElement.scrollWidth") <= width, view
        if view == "clips":
            browser.until(DRAWN)
            assert browser.value("document.querySelectorAll('.tile .poster').length") >= FILMED - 1


def test_markup_stays_text(page: Page) -> None:
    """Foreign text with HTML in it is read, not run, in every view."""
    for view in VIEWS:
        show(page, view)
        assert 0 == page.value("document.querySelectorAll('img[src=x], main b b').length"), view
    said = "[...document.querySelectorAll('.cause blockquote')].map((e) => e.textContent)"

    assert MARKUP in page.value(said)
    assert "spring · Callsheet report" == page.value("document.title")


def test_filters_leave_what_they_name(page: Page) -> None:
    """Chips and words narrow the grid; the address bar has them, and leads there again."""
    show(page, "clips")
    tiles = "document.querySelectorAll('.tile').length"
    page.value("document.querySelector('[data-dimension=cell]').click()")
    page.until("document.querySelector('.values:popover-open input')")
    page.value("[...document.querySelectorAll('.values:popover-open label')].find((e) =>"
               " e.textContent.startsWith('bold')).click()")  # fmt: skip

    assert 2 == page.value(tiles)
    page.press("Escape")
    page.until("!document.querySelector(':popover-open')")
    page.press("/", *"runner")
    page.until(f"{tiles} === 1")
    assert "1 of 7 clips" == page.value("document.getElementById('shown').textContent")
    address = page.value("location.href")
    assert address.endswith("#view=clips&q=runner&by.cell=bold")
    page.open(address)
    assert 1 == page.value(tiles)
    page.value("document.getElementById('show-all').click()")
    assert "7 clips" == page.value("document.getElementById('shown').textContent")


def test_a_clip_plays_under_the_pointer(page: Page) -> None:
    """Hovering plays it silently; leaving gives its player back."""
    show(page, "clips")
    hover = """(async () => {
      const tile = document.querySelectorAll('.tile')[1];
      tile.dispatchEvent(new Event('pointerenter'));
      const video = tile.querySelector('video');
      await new Promise((done) => video.addEventListener('timeupdate', done, {once: true}));
      const playing = !video.paused && video.muted;
      tile.dispatchEvent(new Event('pointerleave'));
      return [playing, tile.querySelectorAll('video').length, video.hasAttribute('src')];
    })()"""

    assert [True, 0, False] == page.value(hover)


def test_one_key_decides_and_the_next_clip_plays(page: Page) -> None:
    """a, r and a digit, l and u; the arrows, frames and takes; all from the keyboard."""
    page.value("document.getElementById('begin').focus()")
    page.press("Enter")
    playing = (
        "[...document.querySelectorAll('#stage video')].some((v) => v.currentTime && !v.paused)"
    )
    title = "document.getElementById('sitting-title').textContent"
    page.until(playing)

    assert "spin[SKU-1,calm]#1" == page.value(title)
    page.press("ArrowDown")
    assert "spin[SKU-1,calm]#2" == page.value(title)
    page.press("r")
    assert page.value("!document.getElementById('reasons').hidden")
    page.press("2")
    # What is off spec waits for nobody: the sitting goes on to what does.
    page.until(f"{title} === 'spin[SKU-2,calm]#1'")
    page.until(playing)
    page.press("l")
    page.until(f"{title} === 'spin[SKU-1,calm]#1'")
    page.press("a")
    assert ["approved", "rejected", "off spec", "later"] == page.value(WORDS)[:FILMED]
    assert "motion" == page.value("Decisions.of(Data.clips[1]).reason")
    page.press("u", "u")
    page.until(f"{title} === 'spin[SKU-2,calm]#1'")
    assert ["waiting", "rejected", "off spec", "waiting"] == page.value(WORDS)[:FILMED]
    page.until(playing)
    page.press(" ")
    page.value("(() => { document.querySelector('#stage video').currentTime = 0.5; })()")
    page.press(".", ".", ",")
    time = page.value("document.querySelector('#stage video').currentTime")
    assert 0.5 < time < 0.6
    page.press("Escape")
    assert "clips" == page.value("document.body.dataset.view")


def test_takes_are_compared_in_step(page: Page) -> None:
    """Two takes run on one timeline, and what differs in their prompts is marked."""
    show(page, "sitting")
    page.press("c")
    videos = "[...document.querySelectorAll('#side-by-side video')]"
    page.until(f"{videos}.length === 2 && {videos}.every((v) => v.currentTime > 0.2)")

    # The one that follows is set right now and then: they need not be in step at each moment.
    page.until(f"((a, b) => Math.abs(a.currentTime - b.currentTime) < 0.2)(...{videos})")
    page.press(" ")
    page.until(f"{videos}.every((v) => v.paused && !v.seeking)")
    assert page.value(f"new Set({videos}.map((v) => v.currentTime.toFixed(2))).size") == 1
    marks = page.value("[...document.querySelectorAll('#side-by-side mark')]"
                       ".map((e) => e.textContent)")  # fmt: skip
    assert "quickly." in marks
    page.press("2")
    page.until(f"{WORDS}[1] === 'approved'")


def test_a_key_decides_on_no_clip_that_was_not_looked_at(page: Page) -> None:
    """Where all was decided and clips come, the next key shows one, and decides nothing."""
    title = "document.getElementById('sitting-title').textContent"
    show(page, "sitting")
    page.value("Sitting.begin(Data.clips.slice(0, 1), null)")
    page.press("a")
    page.until("document.getElementById('announcement').textContent.startsWith('Nothing waits')")

    page.value("Sitting.renew(Data.clips, [])")
    page.press("r", "2")

    page.until(f"{title} === 'spin[SKU-2,calm]#1'")
    assert ["approved", "not needed", "off spec", "waiting"] == page.value(WORDS)[:FILMED]


def test_decisions_are_unsaved_until_they_are_exported(page: Page, tmp_path: Path) -> None:
    """They stay in the browser, leaving warns, and the file brings them to another browser."""
    page.download_to(tmp_path)
    show(page, "sitting")
    page.press("a")
    page.until("document.getElementById('sitting-title').textContent === 'spin[SKU-2,calm]#1'")
    assert "1 decision not saved yet" in page.value(
        "document.getElementById('unsaved').textContent"
    )

    page.open(page.value("location.href"))
    assert ["beforeunload"] == page.dialogs
    assert "approved" == page.value(WORDS)[0]

    page.value("document.getElementById('export').click()")
    page.until("document.getElementById('unsaved').hidden")
    exported = tmp_path / "spring.decisions.json"
    page.until_file(exported)
    document = json.loads(exported.read_text("utf-8"))
    assert ("spring", 1) == (document["campaign"], len(document["decisions"]))
    assert ("approved", "spin[SKU-1,calm]#1") == (
        document["decisions"][0]["verdict"],
        document["decisions"][0]["address"],
    )
    page.dialogs.clear()
    page.value("localStorage.clear()")
    page.open(page.value("location.href"))
    assert [] == page.dialogs
    assert "waiting" == page.value(WORDS)[0]
    page.choose_file("#import", exported)
    page.until(f"{WORDS}[0] === 'approved'")
    assert "1 decision taken" in page.value("document.getElementById('import-result').textContent")


def _decide(n: int, *verdicts: str) -> str:
    said = ", ".join(f"Decisions.record(Data.clips[{n}], '{each}')" for each in verdicts)
    return f"Promise.all([{said}])"


def test_who_changed_their_mind_means_their_last_word(page: Page) -> None:
    """Rejected, then approved, is imported as approved; a word that is none, not at all."""
    page.value(_decide(0, "rejected", "approved"))
    exported = page.value("Decisions.exported()")
    page.value("localStorage.clear()")
    page.open(page.value("location.href"))

    great = json.dumps(exported.replace('"approved"', '"great"'))
    told = page.value(f"Decisions.merge({great}).catch((error) => error.message)")
    assert "this file was not exported by a page like this one" == told
    found = page.value(f"Decisions.merge({json.dumps(exported)})")
    assert {"taken": 1, "same": 0, "conflicts": [], "gone": 0} == found
    assert "approved" == page.value(WORDS)[0]


def test_the_browser_keeps_what_every_page_of_a_campaign_decided(
    page: Page, page_file: Path, tmp_path: Path
) -> None:
    """Two tabs decide, and so does a page from another folder: all is there when one is opened."""
    other = _filmed(tmp_path, "SKU-9", "calm", 3)
    elsewhere = write_page(tmp_path, [other])
    page.value(_decide(0, "approved"))
    with page.another_tab():
        page.open(page_file)
        page.value(_decide(1, "rejected"))
    page.until(f"{WORDS}[1] === 'rejected'")
    page.value(_decide(3, "later"))
    with page.another_tab():
        page.open(elsewhere)
        page.value(_decide(0, "approved"))
        page.open(page_file)
        assert ["approved", "rejected", "later"] == [page.value(WORDS)[n] for n in (0, 1, 3)]
        page.open(elsewhere)
        assert ["approved"] == page.value(WORDS)


def test_a_word_that_goes_back_to_what_is_saved_stays_the_last(page: Page, tmp_path: Path) -> None:
    """Rejected and approved again, of a clip that is approved: it is approved after loading, too.

    Where two people differ, the word that settles it stays until it is exported.
    """
    clip = _filmed(tmp_path, "SKU-7", "calm", 2)
    ann, ben = (
        TakeDecision(take=2, key=clip.key, sha256=clip.sha256, verdict=verdict, who=who, at=NOON)
        for who, verdict in (("ann", Verdict.APPROVED), ("ben", Verdict.REJECTED))
    )
    for known, verdicts, unsaved in (
        ((ann,), ("rejected", "approved"), 0),
        ((ann, ben), ("approved",), 1),
    ):
        saved = write_page(tmp_path, [replace(clip, decisions=known)])
        page.open(saved)
        page.value("localStorage.clear()")
        page.open(saved)
        page.value(_decide(0, *verdicts))
        page.open(saved)
        assert ["approved"] == page.value(WORDS)
        assert unsaved == page.value("Decisions.unsavedCount()")


def test_the_grid_is_walked_by_keyboard(page: Page) -> None:
    """Tab reaches the views, arrows the cells, c and Enter do the rest."""
    page.press("Tab", "Tab", "Enter")
    focus = "document.activeElement.dataset.address"

    assert "clips" == page.value("document.body.dataset.view")
    assert "spin[SKU-1,calm]#1" == page.value(focus)
    page.press("ArrowRight")
    assert "spin[SKU-1,bold]#1" == page.value(focus)
    page.press("c", "ArrowDown")
    assert "spin[SKU-2,bold]#1" == page.value(focus)
    page.press("ArrowLeft", "c")
    assert "Compare 2" == page.value("document.getElementById('compare-chosen').textContent")
    page.press("ArrowUp", "t")
    assert "spin[SKU-1,calm]#2" == page.value(focus)
    page.press("Enter")
    assert "spin[SKU-1,calm]#2" == page.value(
        "document.getElementById('sitting-title').textContent"
    )


def test_filters_agree_with_asking_every_clip(page: Page) -> None:
    """After any changes of chips, words and decisions, what is shown fits all of them."""
    differ = page.value("""(async () => {
      const chosen = { cell: new Set(), take: new Set(), status: new Set(), decision: new Set() };
      const read = { cell: (c) => c.cell, take: (c) => String(c.take),
        status: (c) => spoken(c.state), decision: (c) => Decisions.wordOf(c) };
      const values = { cell: ['calm', 'bold'], take: ['1', '2'], status: ['done', 'failed'],
        decision: ['waiting', 'approved', 'not needed'] };
      const words = ['', 'turns', 'RUNNER turns', 'sku-1 m', 'nobody'];
      const text = (c) => [c.address, c.path, c.message, Data.promptOf(c), c.provider,
        spoken(c.state), ...c.tags, ...c.axes, ...c.row.values].join('\\n').toLowerCase();
      const search = document.getElementById('search');
      const found = [];
      let seed = 7;
      const chance = (n) => (seed = (seed * 48271) % 2147483647) % n;
      for (let n = 0; n < 200; n += 1) {
        const [name] = Object.keys(chosen).slice(chance(4));
        const value = values[name][chance(values[name].length)];
        if (n % 3 === 0) {
          search.value = words[chance(words.length)];
          Filters.search();
        } else if (n % 20 === 1) {
          if (chance(2)) await Decisions.record(Data.clips[chance(4)], 'approved');
          else await Decisions.undo();
        } else {
          if (!chosen[name].delete(value)) chosen[name].add(value);
          const where = name === 'decision' ? `[data-value="${value}"]` : '';
          if (where) document.querySelector(`#decisions ${where}`).click();
          else {
            document.querySelector(`[data-dimension=${name}]`).click();
            [...document.querySelectorAll('.values:popover-open label')]
              .find((each) => each.children[1].textContent === value).click();
            document.querySelector('.values:popover-open').hidePopover();
          }
        }
        const expected = Data.clips.filter((c) =>
          Object.entries(chosen).every(([key, set]) => !set.size || set.has(read[key](c))) &&
          search.value.toLowerCase().split(/\\s+/).every((word) => text(c).includes(word)));
        if (String(Filters.matching().map((c) => c.n)) !== String(expected.map((c) => c.n))) {
          found.push([n, name, value, search.value]);
        }
      }
      return found;
    })()""")

    assert [] == differ


def test_a_clip_that_comes_later_can_be_decided(page: Page) -> None:
    """One that was made since the page was loaded waits, and takes a decision like the others."""
    words = page.value("""(async () => {
      const [clip, model] = [Data.clips[4], Data.clips[3]];
      const word = () => [Decisions.wordOf(clip), Filters.matching().includes(clip)];
      Filters.only('decision', 'waiting');
      const words = [word()];
      const { row, axes, references } = clip;
      Data.take({ ...clip, row, references: references.map((n) => Data.pictures[n]),
        axes: Object.fromEntries(Data.axes.map((axis, n) => [axis, axes[n]])),
        prompt: Data.promptOf(clip), state: 'done', path: model.path, sha256: model.sha256,
        key: 'f'.repeat(64) });
      Decisions.renew();
      Pages.renew([clip]);
      words.push(word());
      await Decisions.record(clip, 'approved');
      words.push(word());
      return words;
    })()""")

    assert [["no clip", False], ["waiting", True], ["approved", False]] == words


def test_all_of_it_is_done_by_keys_alone(page: Page, tmp_path: Path) -> None:
    """Grid, search, filter, sitting, decisions, comparison, export, import: without a pointer."""
    page.download_to(tmp_path)
    title = "document.getElementById('sitting-title').textContent"
    page.tab_to("nav [data-view=clips]")
    page.press("Enter")
    page.press("/", *"calm")
    page.until("document.querySelectorAll('.tile').length === 4")
    page.press("Escape")
    page.tab_to("[data-dimension=status]")
    page.press("Enter")
    page.until("document.activeElement.matches('.values:popover-open input')")
    page.press(" ", "Escape")
    page.until("document.getElementById('shown').textContent === '3 of 7 clips'")
    page.tab_to(".tile")
    page.press("Enter")
    page.until(f"{title} === 'spin[SKU-1,calm]#1'")

    page.press("a")
    page.until(f"{title} === 'spin[SKU-2,calm]#1'")
    page.press("l")
    page.until(f"{WORDS}[3] === 'later'")
    page.press("u")
    page.until(f"{WORDS}[3] === 'waiting'")
    page.press("r", "2")
    page.until(f"{WORDS}[3] === 'rejected'")
    page.press("ArrowLeft", "c")
    page.until("document.body.dataset.view === 'comparison'")
    page.press("2")
    page.until(f"{WORDS}[1] === 'approved'")
    decided = page.value(WORDS)

    page.tab_to("#export")
    page.press("Enter")
    page.until("document.getElementById('unsaved').hidden")
    exported = tmp_path / "spring.decisions.json"
    page.until_file(exported)
    page.value("localStorage.clear()")
    page.open(page.value("location.href.replace(/#.*/, '')"))
    assert decided != page.value(WORDS)
    page.answer_file_dialog(exported)
    page.tab_to("#import")
    page.press("Enter")
    page.until("!document.getElementById('import-result').hidden")
    assert decided == page.value(WORDS)
    assert [] == page.complaints


def test_thousands_of_clips_cost_what_is_in_sight(
    browser: Page, page_file: Path, tmp_path: Path
) -> None:
    """However long the grid is, few tiles and at most twelve players are in the page."""
    root = page_file.parent.parent
    template = done(path="spin/SKU-1/calm_t1.mp4", seconds=1.0)
    content = (root / str(template.path)).read_bytes()
    template = replace(template, sha256=hashlib.sha256(content).hexdigest())
    records = [
        replace(template, address=f"spin[S-{n},{cell}]#1", row_key=f"S-{n}", cell=cell)
        for n in range(1000)
        for cell in ("calm", "bold")
    ]
    (tmp_path / "spin/SKU-1").mkdir(parents=True)
    (tmp_path / str(template.path)).write_bytes(content)
    browser.open(write_page(tmp_path, records), height=900)
    show(browser, "clips")
    most = browser.value("""(async () => {
      let [tiles, players] = [0, 0];
      const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      for (let n = 0; n <= 40; n += 1) {
        const grid = document.getElementById('grid');
        grid.scrollTop = (grid.scrollHeight * n) / 40;
        await frame();
        for (const tile of document.querySelectorAll('.tile')) {
          tile.dispatchEvent(new Event('pointerenter'));
        }
        tiles = Math.max(tiles, document.querySelectorAll('.tile').length);
        players = Math.max(players, document.querySelectorAll('video').length);
      }
      return [tiles, players];
    })()""")
    show(browser, "sitting")
    for _ in range(15):
        browser.press("ArrowRight")
    most[1] = max(most[1], browser.value("document.querySelectorAll('video').length"))

    assert most[0] < 100
    assert most[1] <= 12
    assert "16 of 2000" in browser.value("document.getElementById('sitting-place').textContent")
    browser.press("Escape")
    browser.press("End")
    assert "spin[S-999,bold]#1" == browser.value("document.activeElement.dataset.address")
