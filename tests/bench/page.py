"""What the report's page costs in a real Chromium: opening, filters, the next clip, memory.

The campaign is planned into a real ledger; a few of its clips are made by a rehearsal, and the
other items are shown as made of these: each under a path and a digest of its own, so that to the
browser every poster and every clip is another file. The page lies in a folder and the network is
off. Times of the clock say little on a loaded machine: the CPU time of the page's process stands
beside them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_report import begin_tally, finish_report
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.places import CampaignReading
from pipeline.api.project_file import project_of
from pipeline.api.report_files import Posters, folder_of, page_source
from pipeline.api.roots import open_for_work
from pipeline.domain import Record
from pipeline.report.html import poster_path, to_html
from tests.architecture.source import REPOSITORY
from tests.bench.bench import Bench, Figure
from tests.browser.chromium import Page, chromium

_MANIFEST = """\
callsheet: 1
name: bench
tables: {products: {file: products.csv, key: sku, as: product, columns: {price: number}}}
defaults: {provider: runware, duration: 5}
shots:
  - id: spin
    for: products
    prompt: >-
      Product film: the {{ product.name }} turns slowly on a plinth, one full turn, seen from
      slightly above. The {{ product.color }} upper and its stitching stay as they are in the shop.
      A {{ variant.mood }} mood in soft daylight, shallow depth of field. The ground is a matte
      stone, the background a plain wall that is out of focus. For {{ product.market }}, no text.
    tags: [paid-social]
    variants: {matrix: {aspect_ratio: ["9:16", "1:1"], mood: [calm, bold, warm, cold, dry]}}
budget: {limit: 9000000 USD}
"""
_CELLS = 10
_MADE_ROWS = 2
_COLORS, _MARKETS = ("red", "blue", "green"), ("de", "fr", "it")
_OWN = ("address", "row_key", "axes", "prompt", "sent_prompt", "key", "origin_row")
"""What an item has of its own beside the clip that it is shown with."""
_FAULT_EVERY = 50
_REFUSED: Mapping[str, Any] = {"state": "failed", "cause": "refused", "message": "content policy"}
_SITTING = 60
# Before any script of the page: what it makes is counted, in the document or not.
_COUNT_PLAYERS = """
window.players = [];
window.mostPlayers = 0;
const create = document.createElement;
document.createElement = function (...words) {
  const made = create.apply(this, words);
  if (made.tagName === 'VIDEO') {
    window.players = window.players.filter((each) => each.deref());
    window.players.push(new WeakRef(made));
    queueMicrotask(() => {
      const live = window.players.filter((each) => each.deref()?.hasAttribute('src'));
      window.mostPlayers = Math.max(window.mostPlayers, live.length);
    });
  }
  return made;
};
window.gridPainted = new Promise((done) => addEventListener('DOMContentLoaded', () => {
  const look = () => {
    const posters = [...document.querySelectorAll('#grid .poster')];
    const seen = posters.map((each) => [each, each.getBoundingClientRect()])
      .filter(([, { left, top }]) => left < innerWidth && top < innerHeight);
    if (seen.length && seen.every(([each]) => 'drawn' in each.dataset)) {
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now());
        channel.port2.postMessage(0);
      });
    } else setTimeout(look, 5);
  };
  look();
}));
"""
# From the action to the paint after it: what a message behind the next frame sees is painted.
_PAINTED = """
window.painted = async (action) => {
  const began = performance.now();
  action();
  await new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  }));
  return performance.now() - began;
};
window.type = (text) => {
  const box = document.getElementById('search');
  box.value = text;
  box.dispatchEvent(new Event('input'));
};
window.choose = (name, value) => {
  document.querySelector(`[data-dimension=${name}]`).click();
  const labels = [...document.querySelectorAll('.values:popover-open label')];
  labels.find((each) => each.children[1].textContent === value).click();
  document.querySelector('.values:popover-open').hidePopover();
};
"""
_ACTIONS = (
    ("search", "type('t')"),
    ("search", "type('turns stone 0000042')"),
    ("search", "type('')"),
    ("filter", "choose('cell', '9x16-calm')"),
    ("filter", "choose('market', 'de')"),
    ("filter", "document.querySelector('#decisions [data-value=waiting]').click()"),
    ("search", "type('sneaker 00001')"),
    ("filter", "choose('status', 'failed')"),
    ("filter", "document.getElementById('show-all').click()"),
    ("filter", "choose('mood', 'bold')"),
    ("filter", "choose('mood', 'bold')"),
    ("search", "type('blue upper')"),
    ("search", "type('blue upper wall')"),
    ("search", "type('nobody has this')"),
    ("filter", "document.getElementById('show-all').click()"),
)
# A film is new to the stage after the key; its first frame is told by the browser.
_FRAMES = """
window.frames = [];
let pressed = 0;
addEventListener('keydown', (event) => { pressed = event.timeStamp; }, true);
new MutationObserver(() => {
  const film = document.querySelector('#stage video');
  const since = pressed;
  film?.requestVideoFrameCallback((now) => window.frames.push(now - since));
}).observe(document.getElementById('stage'), { childList: true });
"""

# All the way down a screen at a time, each poster loaded, as nobody does who has a filter.
_SCROLL = """(async () => {
  const grid = document.getElementById('grid');
  for (let n = 0; n < 120; n += 1) {
    grid.scrollTop += grid.clientHeight;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    document.querySelector('.tile').dispatchEvent(new Event('pointerenter'));
  }
})()"""


def write_report(folder: Path, clips: int) -> Path:
    """Write a campaign of so many clips and its report's page; return the page."""
    _write_table(folder, _MADE_ROWS)
    words = ("run", str(folder / "campaign.yaml"), "--root", str(folder / "out"), "--rehearse")
    subprocess.run(
        (sys.executable, "-m", "pipeline", *words, "--quiet"),
        stdout=subprocess.DEVNULL,
        cwd=REPOSITORY,
        check=True,
    )
    _write_table(folder, clips // _CELLS)
    manifest = folder / "campaign.yaml"
    request = CampaignRequest(
        manifest=manifest, project=project_of(manifest), root=folder / "out", rehearse=True
    )
    campaign = load_campaign(request)
    with open_for_work(request) as ledger:
        sync_campaign(campaign, ledger)
        reading, tally = CampaignReading(campaign, ledger), begin_tally(campaign)
        planned = list(reading.records())
        for record in planned:
            tally.add(record)
        report = finish_report(reading, tally)
        records = list(_film(campaign, planned))
    posters = frozenset(record.sha256 for record in records if record.path)
    page = folder_of(campaign) / "index.html"
    page.write_text(to_html(report, records, page_source(campaign, posters)), "utf-8")
    return page


def _write_table(folder: Path, rows: int) -> None:
    (folder / "campaign.yaml").write_text(_MANIFEST, "utf-8")
    with (folder / "products.csv").open("w", encoding="utf-8") as table:
        table.write("sku,name,color,market,price\n")
        for n in range(rows):
            own = (f"SKU-{n:07}", f"Sneaker {n:07}", _COLORS[n % 3], _MARKETS[n % 3], f"{n % 90}.5")
            table.write(f"{','.join(own)}\n")


def _film(campaign: LoadedCampaign, records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records as if all were made, one in fifty refused."""
    held = list(records)
    made = {record.cell: record for record in held if record.path}
    posters = Posters(campaign)
    for record in made.values():
        posters.put(record)
    report = folder_of(campaign)
    for n, record in enumerate(held):
        model = made[record.cell]
        if record.path or n % _FAULT_EVERY == _FAULT_EVERY - 1:
            yield record if record.path else replace(record, **_REFUSED)
            continue
        digest = sha256(record.address.encode()).hexdigest()
        path = str(model.path).replace(model.row_key, record.row_key)
        (campaign.folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(campaign.folder / str(model.path), campaign.folder / path)
        os.link(report / poster_path(model.sha256), report / poster_path(digest))
        later = timedelta(seconds=n)
        own: dict[str, Any] = {name: getattr(record, name) for name in _OWN}
        yield replace(
            model,
            **own,
            path=path,
            sha256=digest,
            submitted_at=model.submitted_at and model.submitted_at + later,
            finished_at=model.finished_at and model.finished_at + later,
        )


def measure(clips: int) -> Iterator[Figure]:
    """Yield what a page of so many clips costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page_file = write_report(folder, clips)
        with chromium(folder / "profile") as page:
            page.before_scripts(_COUNT_PLAYERS)
            size = f"{clips:,} clips"
            yield from _measure_opening(page, page_file, clips, size)
            yield from _measure_filters(page, size)
            yield from _measure_sitting(page, size)


def _measure_opening(page: Page, page_file: Path, clips: int, size: str) -> Iterator[Figure]:
    # The browser itself is warm by then: a person has it open.
    page.open(page_file, width=1440, height=900)
    before_ms = page.cpu_ms()
    page.open(f"{page_file.as_uri()}#view=clips", width=1440, height=900)
    opened = page.value("gridPainted")
    cpu_ms = page.cpu_ms() - before_ms
    # Of local files the browser tells no sizes: what is shown then is what was loaded.
    loaded = page.value("[...document.querySelectorAll('[data-drawn]')].map((e) => e.dataset.src)")
    read = [page_file, *(page_file.parent / name for name in loaded)]
    kilobytes = sum(file.stat().st_size for file in read) / 1000
    limit_ms = 1000 if clips <= _SIZE else 3000
    yield Figure(work=f"open the grid, {size}", value=opened, unit="ms", at_most=limit_ms)
    yield Figure(work="open the grid, CPU of the tab", value=cpu_ms, unit="ms")
    yield Figure(
        work="loaded before the first paint", value=kilobytes / clips, unit="kB/clip", at_most=1
    )


def _measure_filters(page: Page, size: str) -> Iterator[Figure]:
    page.value(_PAINTED)
    took: dict[str, list[tuple[float, float]]] = {}
    for kind, action in _ACTIONS:
        before = page.cpu_ms()
        clock_ms = page.value(f"painted(() => {{ {action} }})")
        took.setdefault(kind, []).append((clock_ms, page.cpu_ms() - before))
    for kind, times in took.items():
        for which, some in (("first", times[:1]), ("slowest later", times[1:])):
            clock_ms, cpu_ms = (max(each) for each in zip(*some, strict=True))
            work = f"{which} {kind}, {size}"
            yield Figure(work=work, value=clock_ms, unit="ms", at_most=100)
            yield Figure(work=f"{which} {kind}, CPU", value=cpu_ms, unit="ms")


def _measure_sitting(page: Page, size: str) -> Iterator[Figure]:
    page.value(_SCROLL)
    page.value("document.querySelector('nav a[data-view=sitting]').click()")
    page.value(_FRAMES)
    page.until("document.querySelector('#stage video').currentTime > 0.1")
    cpu_ms = []
    for n in range(_SITTING):
        before_ms = page.cpu_ms()
        page.press("a" if n % 3 else "ArrowRight")
        page.until(f"frames.length > {n}")
        cpu_ms.append(page.cpu_ms() - before_ms)
        # A person looks at a clip for longer than this; the next one is loaded meanwhile.
        page.until("document.querySelector('#stage video').currentTime > 0.4")
    frames: list[float] = page.value("frames")
    worst = quantiles(frames, n=20)[-1]
    yield Figure(work=f"key to next frame, p95, {size}", value=worst, unit="ms", at_most=100)
    yield Figure(work="key to next frame, median", value=median(frames), unit="ms")
    yield Figure(work="key to next frame, median CPU", value=median(cpu_ms), unit="ms")
    most = page.value("mostPlayers")
    yield Figure(work="most players at once", value=most, unit="players", at_most=12)
    memory: dict[str, Any] = page.memory_mb()
    yield Figure(work=f"memory of the tab, {size}", value=memory["rss"], unit="MB", at_most=400)
    for kind in ("pss", "heap"):
        yield Figure(work=f"memory of the tab, {kind}", value=memory[kind], unit="MB")


_SIZE = 5_000
BENCH = Bench(name="page", measure=measure, size=_SIZE, full=20_000)
