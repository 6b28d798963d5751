"""Every finding has a page and a case, and every page and case a finding.

`pytest -n0 tests/cli --rewrite-cases` writes docs/findings.md anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.api.finding_pages import FindingPage, finding_pages
from pipeline.cli.command_line import invoke
from pipeline.findings import Severity
from tests.architecture.slugs import used_slugs
from tests.architecture.source import REPOSITORY

CASES = Path(__file__).parent / "cases"
DOCUMENT = REPOSITORY / "docs" / "findings.md"
PROVOKED = [page for page in finding_pages().values() if not page.unprovoked]


def _printed(page: FindingPage) -> str:
    case = CASES / page.slug
    return (case / "stdout").read_text("utf-8") + (case / "stderr").read_text("utf-8")


def _told(printed: str) -> list[tuple[Severity, str]]:
    """Return severity and slug of each finding in what a command printed."""
    head = re.compile(r"^\S.*?(?::\d+:\d+)?(?: \(.*?\))?: (warning: )?([a-z0-9-]+): ", re.MULTILINE)
    return [
        (Severity.WARNING if warning else Severity.ERROR, slug)
        for warning, slug in head.findall(printed)
    ]


def _lines(case: Path) -> set[str]:
    """Return every line that somebody wrote for a case, without its indentation."""
    texts = [
        file.read_text("utf-8", errors="replace")
        for file in case.rglob("*")
        if file.is_file() and file.name not in {"stdout", "stderr"}
    ]
    return {line.strip() for text in texts for line in text.splitlines()}


def test_every_slug_in_the_source_has_a_page_and_every_page_a_slug() -> None:
    """What can be told can be explained, and nothing is explained that is never told."""
    missing = {slug: file for slug, file in used_slugs().items() if slug not in finding_pages()}

    assert {} == missing
    assert set() == set(finding_pages()) - set(used_slugs())
    assert sorted(finding_pages()) == list(finding_pages())


def test_every_finding_has_a_case() -> None:
    """Whoever adds a finding shows how it reads, or says why nobody can bring it about."""
    named = {case.name for case in CASES.iterdir()}

    assert [] == [page.slug for page in PROVOKED if page.slug not in named]
    assert [] == [
        page.slug for page in finding_pages().values() if page.unprovoked and page.slug in named
    ]


@pytest.mark.parametrize("page", PROVOKED, ids=lambda page: page.slug)
def test_a_case_tells_its_finding_and_nothing_else(page: FindingPage) -> None:
    """One mistake is one finding, of the severity that its page states."""
    assert [(page.severity, page.slug)] == _told(_printed(page))


@pytest.mark.parametrize("page", PROVOKED, ids=lambda page: page.slug)
def test_a_page_shows_what_its_case_has(page: FindingPage) -> None:
    """The example is an excerpt of the case, so it does what the page says."""
    written = _lines(CASES / page.slug)
    shown = {line.strip() for line in page.wrong.splitlines()}

    assert set() == {line for line in shown if not any(line in whole for whole in written)}


def test_all_faults_come_out_in_one_pass() -> None:
    """Some forty mistakes in one campaign are told at once, by place, and none of them twice."""
    told = (CASES / "forty-faults" / "stdout").read_text("utf-8")
    heads = re.findall(r"^(\S+?):(\d+):(\d+)(?: \(.*?\))?: ([a-z0-9-]+): ", told, re.MULTILINE)
    places = [(file, int(line), int(column), slug) for file, line, column, slug in heads]

    assert f"manifest.yaml: {len(places)} errors" == told.splitlines()[-1]
    assert len(places) > 40
    assert sorted(set(places)) == places


def test_the_page_of_findings_is_written_from_the_list(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """docs/findings.md is what `callsheet explain --format markdown` prints."""
    assert 0 == int(invoke(["explain", "--format", "markdown"]))
    printed = capsys.readouterr().out
    if request.config.getoption("--rewrite-cases"):
        DOCUMENT.write_text(printed, "utf-8")

    assert DOCUMENT.read_text("utf-8") == printed


def test_explain_without_a_slug_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding is a line: its slug and its title."""
    assert 0 == int(invoke(["explain"]))
    lines = capsys.readouterr().out.splitlines()

    assert list(finding_pages()) == [line.split()[0] for line in lines]
    assert [page.title for page in finding_pages().values()] == [
        line.split(maxsplit=1)[1] for line in lines
    ]
