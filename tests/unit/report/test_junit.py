"""junit.xml shows in any CI what is not done."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree as ET

from pipeline.domain import Record
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.whole_files import summarise, to_junit


def _suite(*records: Record) -> ET.Element:
    report = summarise(records, campaign="spring", now=NOON)
    return ET.fromstring("".join(to_junit(report, records)))  # noqa: S314 - our own text


def test_each_item_is_a_test_case() -> None:
    """Done passes, failed and off-spec fail, open outcomes are errors, the rest was skipped."""
    suite = _suite(done(), failed(), failed(state="off_spec"), failed(state="in_doubt"), held())

    assert ("5", "2", "1", "1") == tuple(
        suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")
    )
    found = [child.tag for case in suite for child in case]
    assert ["failure", "failure", "error", "skipped"] == found


def test_a_failure_says_why_and_where() -> None:
    """The message has state, cause and words; the text has the lines to open."""
    ((failure,),) = _suite(failed(message="a brand"))

    assert "failed: refused: a brand" == failure.attrib["message"]
    assert "manifests/spring/campaign.yaml:61, manifests/spring/products.csv:2" == failure.text


def test_a_case_lasts_from_intent_to_clip() -> None:
    """Seconds, with milliseconds."""
    (case,) = _suite(done(finished_at=NOON + timedelta(seconds=62.5)))

    assert "62.500" == case.attrib["time"]


def test_any_text_makes_valid_xml() -> None:
    """Control characters, quotes and markup in a message do not break the file."""
    ((failure,),) = _suite(failed(message="\x00\x1b[31m <b> & \"'", address='a"<>&'))

    assert "failed: refused: \\u0000\\u001b[31m <b> & \"'" == failure.attrib["message"]
