"""What happened becomes what a person or a program reads: summary, tables, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports import lazily

if TYPE_CHECKING:
    from pipeline.report.formats import csv_line, to_csv, to_json
    from pipeline.report.html import poster_path, to_html
    from pipeline.report.junit import to_junit
    from pipeline.report.markdown import to_markdown
    from pipeline.report.offers import Prices, capabilities, to_markdown_table
    from pipeline.report.results import to_results
    from pipeline.report.summary import Case, Group, Money, Report, Share, summarise
    from pipeline.report.terminal import render_text, show_summary

__all__ = [
    "Case",
    "Group",
    "Money",
    "Prices",
    "Report",
    "Share",
    "capabilities",
    "csv_line",
    "poster_path",
    "render_text",
    "show_summary",
    "summarise",
    "to_csv",
    "to_html",
    "to_json",
    "to_junit",
    "to_markdown",
    "to_markdown_table",
    "to_results",
]

_HOMES = {
    "Prices": "offers",
    "capabilities": "offers",
    "to_markdown_table": "offers",
    "Case": "summary",
    "Group": "summary",
    "Money": "summary",
    "Report": "summary",
    "Share": "summary",
    "csv_line": "formats",
    "poster_path": "html",
    "render_text": "terminal",
    "show_summary": "terminal",
    "summarise": "summary",
    "to_csv": "formats",
    "to_html": "html",
    "to_json": "formats",
    "to_junit": "junit",
    "to_markdown": "markdown",
    "to_results": "results",
}

__getattr__ = lazily(__name__, _HOMES)
