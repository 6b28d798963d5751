"""report.md says the same in a pull request."""

from __future__ import annotations

from pipeline.domain import Record
from pipeline.report.markdown import to_markdown
from tests.unit.report.records import NOON, done, failed, held
from tests.unit.report.whole_files import summarise


def _markdown(*records: Record) -> str:
    report = summarise(
        records, campaign="spring", now=NOON, root="outputs/spring", command="callsheet run m"
    )
    return to_markdown(report)


def test_a_campaign_in_full() -> None:
    """Counts, costs, what is not done, and where the clips are."""
    assert _markdown(done(), failed(message="a brand")) == (
        "# spring\n"
        "\n"
        "**2 clips** · ✓ 1 done · ✗ 1 failed\n"
        "\n"
        "| Shot | clips | done | estimate | charged | reserved | possible |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| spin | 2 | 1 | 0.84 | 0.42 | 0.00 | 0.00 |\n"
        "\n"
        "| Provider | clips | done | estimate | charged | reserved | possible |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| runware | 2 | 1 | 0.84 | 0.42 | 0.00 | 0.00 |\n"
        "\n"
        "## ✗ 1 failed, refused\n"
        "\n"
        "the provider's content policy refused it (runware)\n"
        "\n"
        "> a brand (1×)\n"
        "\n"
        "- spin\\[SKU\\-1,calm\\]: manifests/spring/campaign\\.yaml\\:61, "
        "manifests/spring/products\\.csv\\:2\n"
        "\n"
        "change the prompt or the references; unchanged, it is bought again only with:\n"
        "\n"
        "```sh\n"
        "callsheet run m --retry refused\n"
        "```\n"
        "\n"
        "1 clip in `outputs/spring`; see `index.html`.\n"
    )


def test_text_stays_text() -> None:
    """A message is no heading, no link, no table and no markup."""
    text = _markdown(failed(message="# [x](http://y) <b> | @all\n- item"))

    assert "> \\# \\[x\\]\\(http\\://y\\) \\<b\\> \\| \\@all \\- item (1×)" in text


def test_an_unknown_price_is_a_word() -> None:
    """The table never says 0 for what nobody knows."""
    assert "| 1 unknown |" in _markdown(held(estimate_usd=None))
