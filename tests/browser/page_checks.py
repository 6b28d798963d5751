"""What is looked at in every view of the page: contrast, cut text, posters, accessibility."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.chromium import Page
from tests.conformance.json_rpc import MODULES

VIEWS = ("overview", "clips", "sitting", "comparison", "charts")
_AXE: Path = MODULES / "axe-core" / "axe.min.js"
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
    if (!own || !e.getClientRects().length || e.closest('script, svg')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(e.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return pale;
})()
"""
# What scrolls may be larger than it is shown, and a name in the grid is told whole beside the clip.
CLIPPED = """
[...document.body.querySelectorAll('*')]
  .filter((e) => e.getClientRects().length && !e.closest('script, .frame, .bar, .unseen'))
  .filter((e) => !e.matches('.row-name, .head span, #import'))
  .filter((e) => ['hidden', 'clip'].includes(getComputedStyle(e).overflow))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
  .map((e) => e.outerHTML.slice(0, 160))
"""
DRAWN = "[...document.querySelectorAll('.poster')].every((each) => 'drawn' in each.dataset)"


def show(page: Page, view: str) -> None:
    """Go to a view as a click on its link does; comparing needs clips, the first three here."""
    if view == "comparison":
        page.value("Pages.compare(Data.clips.slice(0, 3))")
    else:
        page.value(f"document.querySelector('nav a[data-view={view}]').click()")


def accessibility_faults(page: Page) -> list[str]:
    """Return the violations that axe-core finds, each with the elements it finds them at."""
    if not _AXE.is_file():
        pytest.skip("axe-core is not installed: .ci/setup tests")
    if not page.value("typeof axe === 'object'"):
        page.value(_AXE.read_text("utf-8"))
    found: list[str] = page.value(
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.map("
        "(v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')))"
    )
    return found
