"""Whatever a table, a manifest or a provider says is shown as text, on every page and stream."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.live import Live

from pipeline.cli.console import print_text
from pipeline.cli.finding_text import findings_text
from pipeline.cli.plan_text import plan_table
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.cli.watching import EventObjects, Lines, Panel
from pipeline.domain import Event, Record
from pipeline.domain.states import Status
from pipeline.findings import Finding, Span
from pipeline.foreign_text import printable
from pipeline.report.html import to_html
from pipeline.report.markdown import to_markdown
from pipeline.report.run_progress import RunStart, RunTally
from pipeline.report.summary import Report
from pipeline.report.terminal import show_summary
from pipeline.run.plan_sync import PlanLine, PlanSummary
from tests.unit.report.records import failed
from tests.unit.report.whole_files import summarise, to_csv, to_json, to_junit

NOW = datetime(2026, 11, 28, tzinfo=UTC)
WORST = (
    *("[bold]", "[/x]", "/products/mug", "[link=https://example.com]mug[/link]", ":smile:"),
    *("\x1b]8;;https://example.com\x07mug", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "a\0b\rc\x9b2J"),
    *("\u202egnp.exe", "\u2066a\u2069", "zero\u200bwidth", "\ufeff", "line\nline"),
)
HOSTILE = st.sampled_from(WORST) | st.text(st.characters(exclude_categories=["Cs"]))


def _plan(text: str) -> None:
    line = PlanLine(
        shot=text,
        provider=text,
        status=Status.FAILED,
        stands=Status.FAILED,
        cause=text,
        items=1,
        earlier_rule=False,
        unpriced=0,
        low_usd=Decimal(0),
        expected_usd=Decimal(0),
        high_usd=Decimal(0),
    )
    TerminalConsole().print_table(plan_table(PlanSummary(campaign=text, lines=(line,))))


def _events(text: str) -> Iterator[Event]:
    detail = {"message": text, "task": text, "cause": text}
    yield Event(name="failed", at=NOW, provider="runware", address=text, detail=detail)
    yield Event(name=text, at=NOW, provider=text, address=text, detail=detail)


def _tally(text: str) -> RunTally:
    return RunTally(RunStart(campaign=text, profile=text, at=NOW, items=2, left=2))


def _lines(text: str) -> None:
    for event in _events(text):
        Lines(TerminalConsole(), _tally(text))(event)


def _panel(text: str) -> None:
    console = TerminalConsole()
    panel = Panel(console, _tally(text))
    with Live(panel, console=console, auto_refresh=False):
        for event in _events(text):
            panel(event)


def _objects(text: str) -> None:
    for event in _events(text):
        EventObjects(_tally(text))(event)


def _record(text: str) -> Record:
    return failed(
        address=text,
        row_key=text,
        prompt=text,
        message=text,
        task=text,
        origin_shot=Span(file=text),
        axes={text: text},
        tags=(text,),
    )


def _report(text: str) -> Report:
    return summarise([_record(text)], campaign=text, now=NOW, manifest=text, root=text)


def _summary(text: str) -> None:
    show_summary(TerminalConsole(), _report(text), [text])


def _finding(text: str) -> None:
    place = Span(file=text, line=1, column=1, end_column=3)
    found = Finding(
        slug="x", message=text, span=place, hint=text, row=text, column=text, rows=(text,)
    )
    print_text(findings_text([found, replace(found, row="", column="")], {text: text}))


@pytest.mark.parametrize("show", [_plan, _lines, _panel, _objects, _summary, _finding, print_text])
@settings(deadline=None)
@given(text=HOSTILE)
def test_no_text_controls_the_terminal(show: Callable[[str], None], text: str) -> None:
    """Nothing is raised, and of all that is printed only line breaks are control characters."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        show(text)

    assert printable(printed.getvalue()) == printed.getvalue()


def test_brackets_are_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    """What looks like markup is there to be read, in a table's cell and in a line."""
    for text in ("[bold]mug[/bold]", "[/x]", ":smile:"):
        _plan(text)
        _lines(text)

        printed = capsys.readouterr().out
        assert 5 <= printed.count(text), printed


@settings(deadline=None)
@given(text=HOSTILE)
def test_no_text_breaks_a_file_of_the_report(text: str) -> None:
    """XML and JSON are well-formed, and no file has a control character but tab and line break."""
    report, records = _report(text), [_record(text)]
    files = {
        "junit": "".join(to_junit(report, records)),
        "json": b"".join(to_json(report, records)).decode(),
        "csv": "".join(to_csv(records)),
        "markdown": to_markdown(report),
        "html": to_html(report, records),
    }

    ET.fromstring(files["junit"])  # noqa: S314 - our own file
    assert text == json.loads(files["json"])["campaign"]
    marks = {"csv"}
    for name, content in files.items():
        assert not set("\0\x1b\x7f\x85\x9b\r") & set(content), name
        assert name in marks or printable(content) == content, name
