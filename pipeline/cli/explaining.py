"""`explain`: what a finding means, read from the one list of all findings."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

import typer
import yaml

from pipeline.cli.app import app
from pipeline.cli.console import print_text
from pipeline.cli.options import usage
from pipeline.errors import InvalidInput
from pipeline.findings import Severity

_WIDTH = 80
_HEAD = """\
# Findings

What `callsheet check` and every other command can tell, by name.
`callsheet explain SLUG` prints one part of this page, `callsheet explain --format markdown` all.
An error stops the campaign before anything is sent; a warning does not.
"""


class Form(StrEnum):
    """How a page is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is to say about one finding."""

    slug: str
    title: str
    severity: Severity = Severity.ERROR
    means: str
    wrong: str
    """An example, as somebody wrote it."""
    right: str = ""
    """The example as it should be, where that says more than words."""
    do: str
    unprovoked: str = ""
    """Why no manifest brings it about, for the few where that is so."""


@cache
def pages() -> Mapping[str, Page]:
    """Return the page of every finding there is, by slug."""
    listed = yaml.safe_load(files("pipeline").joinpath("findings.yaml").read_text("utf-8"))
    return MappingProxyType({slug: _page(slug, **said) for slug, said in listed.items()})


@app.command(epilog="Example: callsheet explain unknown-key")
def explain(
    slug: Annotated[
        str, typer.Argument(help="The name of a finding; all are listed without.")
    ] = "",
    form: Annotated[Form, typer.Option("--format", help="How to print.")] = Form.TEXT,
) -> None:
    """Say more about a finding: what it means, an example, and what to do."""
    if slug and slug not in pages():
        raise _unknown(slug)
    chosen = [pages()[slug]] if slug else list(pages().values())
    if form is Form.MARKDOWN:
        print_text("\n".join([*([] if slug else [_HEAD]), *map(_in_markdown, chosen)]), end="")
    else:
        print_text(_in_text(chosen[0]) if slug else _listed())


def _page(slug: str, severity: str = "error", **said: str) -> Page:
    return Page(slug=slug, severity=Severity(severity), **said)


def _unknown(slug: str) -> InvalidInput:
    near = get_close_matches(slug, pages(), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`callsheet explain` lists all"
    return usage(f"there is no finding '{slug}'", hint)


def _listed() -> str:
    width = max(map(len, pages()))
    return "\n".join(f"{page.slug:{width}}  {page.title}" for page in pages().values())


def _in_text(page: Page) -> str:
    parts = [f"{page.slug} ({page.severity}): {page.title}", _filled(page.means)]
    parts += [f"{title}:\n{_indented(text)}" for title, text in _examples(page).items()]
    return "\n\n".join([*parts, _filled(f"What to do: {page.do}")])


def _in_markdown(page: Page) -> str:
    parts = [f"## {page.slug}", f"*{page.title[:1].upper()}{page.title[1:]}* ({page.severity})."]
    parts += [page.means]
    parts += [f"{title}:\n\n```text\n{text}\n```" for title, text in _examples(page).items()]
    return "\n\n".join([*parts, f"**What to do:** {page.do}"]) + "\n"


def _examples(page: Page) -> Mapping[str, str]:
    examples = {"Wrong": page.wrong.rstrip("\n"), "Right": page.right.rstrip("\n")}
    return {title: text for title, text in examples.items() if text}


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
