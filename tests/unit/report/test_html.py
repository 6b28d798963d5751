"""index.html is one page, and everything from the campaign stays text in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from pipeline.domain import Record
from pipeline.report.html import PAGE_CLIPS, to_html
from pipeline.report.page_data import PageSource
from tests.unit.report.records import NOON, done, failed
from tests.unit.report.tables import table
from tests.unit.report.whole_files import summarise


def unpack(packed: Any) -> list[Any]:
    """Return a column as it was before equal values were written once."""
    return packed if isinstance(packed, list) else [packed["of"][n] for n in packed["at"]]


NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u2028'\"{{ 7*7 }}"


def _page(*records: Record, **shown: Any) -> str:
    report = summarise(records, campaign="spring", now=NOON, command="callsheet run m.yaml")
    return to_html(report, records, PageSource(**shown))


def _data(page: str) -> dict[str, Any]:
    text = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def _clips(page: str) -> list[dict[str, Any]]:
    columns = {name: unpack(packed) for name, packed in _data(page)["clips"].items()}
    return [dict(zip(columns, clip, strict=True)) for clip in zip(*columns.values(), strict=True)]


def test_the_data_is_inside_the_page() -> None:
    """Each clip has its address, state, cost and the way to its file."""
    (clip,) = _clips(_page(done()))

    assert ("spin[SKU-1,calm]", "done", "0.42") == (clip["address"], clip["state"], clip["charged"])
    assert "spin/SKU-1/calm_t1.mp4" == clip["path"]


def test_nothing_is_fetched_from_elsewhere() -> None:
    """The page names no other host, and its policy allows none."""
    page = _page(done(), failed())

    # The name of a language, which is not fetched.
    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"https?://[^\"' ]*", page))
    assert "default-src &#39;none&#39;" in page
    assert "connect-src &#39;none&#39;" in page


@pytest.mark.parametrize(
    "field", ["address", "shot", "row_key", "cell", "sent_prompt", "message", "cause", "provider"]
)
def test_text_cannot_leave_its_place(field: str) -> None:
    """Markup, a closing script tag and template code in any field stay text."""
    page = _page(failed(**{field: NASTY}))

    assert 2 == page.count("<script")
    assert "<img" not in page
    assert "\u2028" not in page.partition('id="data"')[2]
    assert "49" not in json.dumps([_data(page)["rows"], _data(page)["sentences"]])
    assert NASTY in json.dumps(_data(page), ensure_ascii=False).replace('\\"', '"')


def test_only_our_script_may_run() -> None:
    """The policy names the script by its hash."""
    page = _page(done())
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert f"script-src &#39;sha256-{digest}&#39;" in page.replace("&#43;", "+")


def test_only_posters_that_exist_are_asked_for() -> None:
    """A missing poster would be an error in the console."""
    clips = _clips(_page(done(), done(sha256="ef" * 32), posters={"cd" * 32}))

    assert [True, False] == [clip["poster"] for clip in clips]


def test_the_table_s_columns_are_known() -> None:
    """The page shows and filters by the product table's own columns."""
    data = _data(_page(done(), tables={"spin": table()}, used={"products": {"name"}}))

    assert ["sku", "name", "price", "tags"] == data["tables"]["products"]["columns"]
    assert ["name"] == data["tables"]["products"]["used"]
    assert ["SKU-1", "Runner", "9.5", "a | b"] == data["rows"][0]["values"]


def test_equal_prompts_are_written_once() -> None:
    """Five thousand clips of one prompt do not repeat it."""
    prompt = "a very particular prompt"
    page = _page(*[done(address=str(n), sent_prompt=prompt) for n in range(20)])

    assert 1 == page.count("a very particular prompt")


def test_a_clip_takes_less_than_a_kilobyte() -> None:
    """All that is loaded before the first paint: five thousand clips, each with its own words."""
    prompt = (
        "The {n} turns slowly on a plinth in soft light. " + "It stays as it is in @front. " * 60
    )
    records = [
        done(
            address=f"spin[SKU-{n},calm]",
            row_key=f"SKU-{n}",
            sent_prompt=prompt.replace("{n}", str(n)),
            sha256=f"{n:064x}",
            key=f"{n:064x}",
        )
        for n in range(5000)
    ]

    assert len(_page(*records).encode()) < 5_000_000


def test_a_page_has_an_end() -> None:
    """Beyond its limit the page points at the table that has all."""
    records = [done()] * (PAGE_CLIPS + 7)

    page = _page(*records)

    assert PAGE_CLIPS == len(_clips(page))
    assert "7 more" in page


def test_a_failure_has_its_command() -> None:
    """The command stands in the page and behind its copy button."""
    page = _page(failed())

    assert 2 == page.count("callsheet run m.yaml --retry refused")


def test_an_unknown_price_is_no_number() -> None:
    """Neither the table nor the data says 0."""
    page = _page(failed(estimate_usd=None))

    assert "1 unknown" in page
    assert _clips(page)[0]["estimate"] is None


def test_an_empty_campaign_has_a_page() -> None:
    """Nothing to show is no crash."""
    assert "<b>0</b> clips" in _page()
