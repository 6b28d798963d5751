"""What stands at the end of a run."""

from __future__ import annotations

import io
import shlex
from decimal import Decimal

from rich.console import Console

from pipeline.domain import Record
from pipeline.report.figures import duration
from pipeline.report.html import to_html
from pipeline.report.summary import Report
from pipeline.report.terminal import render_text, show_summary
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.whole_files import summarise

COMMAND = "callsheet run manifests/spring-sneakers/campaign.yaml --rehearse"


def _report(*records: Record, rehearsal: bool = False) -> Report:
    return summarise(
        records,
        campaign="spring-sneakers",
        now=NOON,
        root="outputs/spring-sneakers",
        command=COMMAND,
        rehearsal=rehearsal,
        elapsed_s=72.4,
    )


def test_a_finished_campaign_in_full() -> None:
    """The whole text of a run that went well."""
    records = [done(path=f"spin/SKU-{n}/calm_t1.mp4") for n in range(1, 6)]

    text = render_text(_report(*records), ["outputs/spring-sneakers/report/report.json"])

    assert text == (
        "\n"
        "spring-sneakers  ·  5 clips  ·  1 min 12 s\n"
        f"{'━' * 60}\n"
        "5 done\n"
        "\n"
        "USD        clips   estimate   charged\n"
        "spin           5       2.10      2.10\n"
        "together       5       2.10      2.10\n"
        "\n"
        "outputs/spring-sneakers/\n"
        "  spin/SKU-1/calm_t1.mp4\n"
        "  spin/SKU-2/calm_t1.mp4\n"
        "  spin/SKU-3/calm_t1.mp4\n"
        "  and 2 clips more\n"
        "outputs/spring-sneakers/report/report.json\n"
    )


def test_what_was_paid_before_is_said_beside_the_sum() -> None:
    """Money for work that the plan has no more is in no line above, and is not kept quiet."""
    report = summarise([done()], campaign="spring", now=NOON, committed_usd=Decimal(2))

    text = render_text(report)

    assert "and 1.58 USD before, for work that is not in this plan\n" in text
    assert "before, for work" not in render_text(_report(done()))


def test_the_profile_is_named_once() -> None:
    """A profile's campaign has it in its name, in the summary and on the page."""
    report = summarise([done()], campaign="spring@draft", profile="draft", now=NOON)

    for told in (render_text(report), to_html(report, [done()])):
        assert "spring@draft" in told
        assert "@draft@draft" not in told


def test_a_failure_says_where_why_and_what_to_do() -> None:
    """State, cause, provider, words, address, manifest and table line, and the exact command."""
    text = render_text(_report(done(), failed(message="the prompt names a brand")))

    assert (
        "1 failed · refused · runware\n"
        "  the provider's content policy refused it\n"
        "    “the prompt names a brand”\n"
        "    spin[SKU-1,calm]  campaign.yaml:61, products.csv:2\n"
        "  → change the prompt or the references; unchanged, it is bought again only with\n"
        f"    {COMMAND} --retry refused\n"
    ) in text


def test_a_command_is_never_broken() -> None:
    """A line that is longer than the terminal stays one line, and splits into its arguments."""
    text = render_text(_report(held()))

    line = next(line for line in text.splitlines() if line.strip().startswith("callsheet"))
    assert len(line) > 80
    assert ["--max-cost", "1"] == shlex.split(line)[-2:]


def test_prose_fits_into_80_columns() -> None:
    """All but commands and paths is wrapped at 80."""
    text = render_text(_report(failed(message="word " * 60), held(), done()))

    long = [line for line in text.splitlines() if len(line) > 80]
    assert [] == [line for line in long if "callsheet run" not in line]


def test_an_unknown_price_is_a_word() -> None:
    """The estimate says how many prices are unknown; it does not say 0."""
    text = render_text(_report(held(estimate_usd=None)))

    assert "1 unknown" in text


def test_a_rehearsal_says_that_nothing_was_paid() -> None:
    """The sums of a rehearsal look like money and are none."""
    assert "rehearsal, nothing was paid" in render_text(_report(done(), rehearsal=True))


def test_markup_in_data_stays_text() -> None:
    """Square brackets of an address or a message are not rich's markup."""
    text = render_text(_report(failed(address="[red]x[/red]", message="[bold]no[/bold]")))

    assert "[red]x[/red]" in text
    assert "“[bold]no[/bold]”" in text


def test_a_terminal_gets_colour_and_the_same_words() -> None:
    """Colour adds nothing that the plain text does not say."""
    report = _report(done(), failed(), held())
    written = io.StringIO()
    console = Console(file=written, width=80, force_terminal=True, color_system="standard")
    show_summary(console, report)

    assert "\x1b[" in written.getvalue()
    plain = Console(file=io.StringIO(), width=80, record=True, force_terminal=True)
    show_summary(plain, report)
    said = "".join(f"{line.rstrip()}\n" for line in plain.export_text().splitlines())
    assert render_text(report) == said


def test_no_figure_is_cut_at_40_columns() -> None:
    """Where a name would have no room beside its figures, they stand below it."""
    shot = "a-shot-with-a-very-long-name"
    decided = {"review": "approved", "charged_usd": Decimal("1234.56")}
    records = [done(shot=shot, **decided), failed(possible_usd=Decimal("0.42")), held()]
    console = Console(file=io.StringIO(), width=40, record=True)
    show_summary(console, _report(*records, rehearsal=True))

    lines = console.export_text().splitlines()
    tables = lines[: next(n for n, line in enumerate(lines) if line.startswith("1 failed"))]
    assert max(map(len, tables)) <= 40
    assert [] == [line for line in tables if "…" in line]
    assert "  approved 1 · rejected 0 · waiting 0" in tables
    assert [shot, "  clips 1 · estimate 0.42", "  charged 1234.56"] == tables[
        (at := tables.index("USD")) + 1 : at + 4
    ]


def test_every_state_shows_in_the_bar() -> None:
    """One failure in a thousand still has its piece of the line."""
    text = render_text(_report(*[done()] * 999, failed()))

    bar = text.splitlines()[2]
    assert "━" * 59 + "╍" == bar


def test_an_empty_campaign_is_told_plainly() -> None:
    """Nothing to report is no crash."""
    assert "0 clips" in render_text(_report())


def test_durations_are_said_as_people_do() -> None:
    """Tenths below ten seconds, then seconds, minutes, hours."""
    said = [duration(seconds) for seconds in (4.24, 59.4, 72.4, 11_100)]

    assert ["4.2 s", "59 s", "1 min 12 s", "3 h 05 min"] == said
