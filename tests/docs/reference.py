"""docs/reference.md, put together from the schema, the command line, and the filters."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from pipeline.manifest.templates.filters import FILTERS
from tests.docs.commands import commands, exit_codes
from tests.docs.keys import project_keys, tables

_HEAD = """\
# Reference

Every key of a manifest, what templates and selections may say, every command, every exit code.
This page is made from the code: `pytest tests/docs --rewrite-cases` writes it.
The [guide](guide.md) is the page to begin with.

- [Keys](#keys): [the manifest](#the-manifest), [tables](#tables), [bundles](#bundles),
  [settings](#settings), [shots](#shots), [variants](#variants), [acceptance](#acceptance),
  [budget](#budget), [output](#output), [providers](#providers), [policy](#policy)
- [The project file](#the-project-file)
- [Templates](#templates)
- [Selections](#selections)
- [Commands](#commands)
- [Exit codes](#exit-codes)

## Keys

In a path `NAME` is a name that you choose, and `[]` is each of a list.
A template is text with `{{ }}` in it; its value must be of the type that stands beside it.
A key that is left out has its default.
An editor that knows YAML schemas completes all of them: `callsheet schema > manifest.schema.json`.
"""
_PROJECT = """\
## The project file

`callsheet.toml` makes its folder a *project*: it holds for every manifest in that folder and below.
The nearest one counts, looked for from the manifest upwards and never from the current folder, so
that a command does the same from every folder.
Without one the manifest's own folder is the project.
Paths count from the folder of the file, `--root` from the current one; options win over the file.
A command without a manifest takes `--root`, else the nearest file at or above the current folder.

| key | type | default | meaning | example |
| --- | --- | --- | --- | --- |"""
_HOOKS = """\
A run calls one command of `[on]`, last of all: after its report and its lock file are written.
One that found nothing to do, was refused before it began, or was left at once (a second Ctrl-C)
calls none; a rehearsal does.
What goes wrong with the command is told on standard error, and the exit code stays what it is.
Its environment is that of `callsheet`, without the keys of providers, and with these:

| variable | what it says |
| --- | --- |
| `CALLSHEET_EVENT` | `waiting`, `done` or `stopped` |
| `CALLSHEET_EXIT_CODE` | the exit code of the run |
| `CALLSHEET_SUMMARY` | one line for a chat: `mugs: 20 of 24 clips done, 4 failed; 8.40 USD …` |
| `CALLSHEET_CAMPAIGN` | the campaign's name |
| `CALLSHEET_PROFILE` | the profile's name; empty without one |
| `CALLSHEET_REHEARSAL` | `1` for a rehearsal, else empty |
| `CALLSHEET_MANIFEST` | the absolute path of the manifest |
| `CALLSHEET_REPORT` | the absolute path of the report's page |
| `CALLSHEET_ITEMS` | how many clips were asked for |
| `CALLSHEET_DONE` | how many of them are done |
| `CALLSHEET_FAILED` | how many of them failed |
| `CALLSHEET_WAITING` | at how many places clips wait for a decision (`accept`) |
| `CALLSHEET_CHARGED_USD` | charged in this run |
| `CALLSHEET_COMMITTED_USD` | charged, reserved and possible over the manifest's life |
| `CALLSHEET_STOPPED` | providers that were stopped, and why |

"""
_TEMPLATES = """\
## Templates

`{{ product.name }}` puts a value into a prompt, a path, a reference or a setting.
There are `campaign`, `vars`, `row` and the table's own name for it, `shot`, `variant` and `take`.
In paths there are also `row_key`, `cell` and `ext`.
In prompts `refs.NAME` tells whether a reference is there.
A column may be written as in the table, `row["Body (HTML)"]`, or in small letters, `row.body_html`.
`{% if %}`, `{% for line in row.rows %}`, comparison, `~`, `+`, `-` and `/` work; nothing else does.
A cell is only a value: `{{` in a cell is text.

| filter | gives |
| --- | --- |"""
_REFS = (
    "| `refs` | The text with its `@name` read as mentions: a cell may then mention references. |"
)
_SELECTIONS = """\
## Selections

`--select` and `--exclude` say which items a command is about.
A comma means and, a space means or; `*` and `?` stand for any text and any character.

| condition | fits items |
| --- | --- |
| `tag:hero` | whose shot or row has this tag |
| `shot:spin` | of this shot |
| `row.colour:red` | whose row has this in that column |
| `axis.mood:calm` | whose cell has this value on that axis |
| `provider:runware` | that this provider makes |
| `model:kling-o1` | that this video model makes |
| `status:new` | that a plan would show so: new, changed, reused, held, failed, … |
| `state:failed` | that stand so in the ledger |
| `cost:>1.00` | whose estimate is above this, in USD; also `>=`, `<`, `<=`, `=` |
| `spin[SKU-1001,*]` | whose address is like this; the take may be left out |
| `@hero` | that the selector of this name in the manifest fits |
"""
_COMMANDS = """\
## Commands

`-h` or `--help` after a command prints the same; `--debug` shows where a bug is.
"""
_EXITS = """\
## Exit codes

Where several hold at once, 15 comes before 13, 12, 11 and 10.
"""


def page() -> str:
    """Return the whole page."""
    parts = [
        _HEAD,
        *tables(),
        _PROJECT,
        *project_keys(),
        _HOOKS,
        _TEMPLATES,
        *_filters(),
        _SELECTIONS,
    ]
    parts += [_COMMANDS, *commands(), _EXITS, *exit_codes()]
    return "\n".join(parts) + "\n"


def _filters() -> Iterator[str]:
    for name, function in FILTERS.items():
        said = (inspect.getdoc(function) or "").partition("\n")[0].removeprefix("Return ")
        yield f"| `{name}` | {said[:1].upper()}{said[1:]} |"
    yield f"{_REFS}\n"
