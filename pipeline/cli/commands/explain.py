"""`explain`: what a finding means, read from the one list of all findings."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from pipeline.api.campaign_request import usage
from pipeline.api.finding_pages import FindingPage, finding_pages
from pipeline.cli.console import print_text
from pipeline.cli.options import command_app
from pipeline.findings import nearest_names

app = command_app()
_WIDTH = 80
_INDENT = "    "
_HEAD = """\
# Findings

What `callsheet check` and every other command can tell, by name.
`callsheet explain SLUG` prints one part of this page, `callsheet explain --format markdown` all.
An error stops the campaign before anything is sent; a warning does not.
"""


class PageForm(StrEnum):
    """How a page is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"


@app.command(epilog="Example: callsheet explain unknown-key")
def explain(
    slug: Annotated[
        str, typer.Argument(help="The name of a finding; all are listed without.")
    ] = "",
    form: Annotated[PageForm, typer.Option("--format", help="How to print.")] = PageForm.TEXT,
) -> None:
    """Say more about a finding: what it means, an example, and what to do."""
    pages = finding_pages()
    if slug and slug not in pages:
        near = nearest_names(slug, pages)
        hint = f"did you mean {' or '.join(near)}?" if near else "`callsheet explain` lists all"
        raise usage(f"there is no finding '{slug}'", hint)
    chosen = [pages[slug]] if slug else list(pages.values())
    if form is PageForm.MARKDOWN:
        print_text("\n".join([*([] if slug else [_HEAD]), *map(_in_markdown, chosen)]), end="")
    elif slug:
        print_text(_in_text(chosen[0]))
    else:
        width = max(map(len, pages))
        print_text("\n".join(f"{page.slug:{width}}  {page.title}" for page in chosen))


def _in_text(page: FindingPage) -> str:
    parts = [f"{page.slug} ({page.severity}): {page.title}", _wrap(page.means)]
    parts += [
        f"{title}:\n{textwrap.indent(text, _INDENT)}" for title, text in _examples(page).items()
    ]
    return "\n\n".join([*parts, _wrap(f"What to do: {page.do}")])


def _in_markdown(page: FindingPage) -> str:
    parts = [f"## {page.slug}", f"*{page.title[:1].upper()}{page.title[1:]}* ({page.severity})."]
    parts += [page.means]
    parts += [f"{title}:\n\n```text\n{text}\n```" for title, text in _examples(page).items()]
    return "\n\n".join([*parts, f"**What to do:** {page.do}"]) + "\n"


def _examples(page: FindingPage) -> Mapping[str, str]:
    examples = {"Wrong": page.wrong.rstrip("\n"), "Right": page.right.rstrip("\n")}
    return {title: text for title, text in examples.items() if text}


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
