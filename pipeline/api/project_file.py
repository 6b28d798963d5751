"""The project folder: the nearest one with a `callsheet.toml`, and what that file says.

It is looked for from the manifest upwards, so that a command does the same from every folder. The
current folder counts only for commands that have no manifest.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

from pipeline.domain import EMPTY
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.foreign_text import redact
from pipeline.ledger.location import url_fault
from pipeline.manifest import contents
from pipeline.manifest.layers import reason_of, slug_of
from pipeline.schemas import schema
from pipeline.storage.object_store import is_folder

FILE = "callsheet.toml"
OUTPUTS = "outputs"
"""The root's name below the project folder, where nothing else is said."""
_HOOKS = "on"
_LEDGER = "ledger"
_STORE = "store"
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_KEY = re.compile(r"""^[ \t]*\[{0,2}[ \t]*["']?([A-Za-z0-9_-]+)["']?[ \t]*[=.\]]""", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """Where a campaign's root is, and what its project says where the command line does not."""

    folder: Path
    """Absolute, links resolved."""
    root: Path
    """As it is shown: relative where it lies below the current folder."""
    file: Path | None = None
    """The `callsheet.toml`, if there is one."""
    env_file: Path | None = None
    """The one file that provider keys come from."""
    profile: str = ""
    ledger: str = ""
    """The URL of the ledger; empty where each root has its own."""
    engine: str = ""
    """Where the cluster is that runs are worked on; empty where they are on this machine."""
    store: str = ""
    """The address of the store that runs share with the engine's machines; empty for none."""
    hooks: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    """The team's command for each end of a run: a program and its words."""
    places: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Where each key stands in the file."""
    sources: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """The file's text, for excerpts, without what may be a secret."""


def project_of(manifest: Path) -> ProjectFile:
    """Return the project of a manifest; InvalidInput where its `callsheet.toml` is at fault.

    As for the tables beside it, the manifest's folder is the one that its path names, also where
    the file itself is a link.
    """
    folder = _resolve(manifest.parent)
    return _nearest(folder) or ProjectFile(folder=folder, root=display_path(folder / OUTPUTS))


def project_here() -> ProjectFile | None:
    """Return the project at or above the current folder; None if there is none."""
    return _nearest(_resolve(Path()))


def display_path(path: Path) -> Path:
    """Return an absolute path as it is shown: relative where it lies below the current folder."""
    here = _resolve(Path())
    return path.relative_to(here) if path.is_relative_to(here) else path


def _resolve(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL: reading it will tell
        return folder


def _nearest(folder: Path) -> ProjectFile | None:
    for each in (folder, *folder.parents):
        # A link to nowhere is no file, but somebody meant one.
        if os.path.lexists(each / FILE):
            return _read(each)
    return None


def _read(folder: Path) -> ProjectFile:
    """Return what the folder's file says; InvalidInput with all that is wrong with it."""
    name = str(display_path(folder / FILE))
    text, data = _parse(folder / FILE, name)
    places = {key: _place(text, name, key) for key in data}
    sources = {name: _without_secrets(text)}
    findings = [fault for key in data for fault in _faults(key, data, places[key])]
    hooks = data.get(_HOOKS, {})
    if not findings:
        findings = [
            fault
            for event, words in hooks.items()
            for fault in _hook_faults(event, words, _place(text, name, event))
        ]
    if findings:
        raise InvalidInput(findings, sources)
    env_file, store = data.get("env_file"), data.get(_STORE, "")
    return ProjectFile(
        folder=folder,
        file=folder / FILE,
        root=_below(folder, data.get("root", OUTPUTS)),
        env_file=None if env_file is None else _below(folder, env_file),
        profile=data.get("profile", ""),
        ledger=data.get(_LEDGER, ""),
        engine=data.get("engine", ""),
        store=str(_below(folder, store)) if store and is_folder(store) else store,
        hooks={event: tuple(words) for event, words in hooks.items()},
        places=places,
        sources=sources,
    )


def _below(folder: Path, value: str) -> Path:
    path = folder / value
    return display_path(_resolve(path) if ".." in path.parts else path)


def _parse(file: Path, name: str) -> tuple[str, Mapping[str, Any]]:
    """Return the file's text and what it says; InvalidInput where it cannot be understood."""
    try:
        text = contents(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault("not-utf8", f"the file is not UTF-8: {error.reason}", name) from error
    except OSError as error:
        raise _fault(slug_of(error), f"it cannot be read: {reason_of(error)}", name) from error
    try:
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        found = _AT.search(said)
        lines = text.splitlines() or [""]
        line, column = len(lines), len(lines[-1]) + 1
        if found and found[1]:
            line, column = int(found[1]), int(found[2])
        place = Span(file=name, line=line, column=column, end_column=column)
        message = f"this is not TOML: {_AT.sub('', said)}"
        finding = Finding(
            slug="toml-syntax", message=message, span=place, hint='as in root = "outputs"'
        )
        raise InvalidInput([finding], {name: _without_secrets(text)}) from error


def _fault(slug: str, message: str, name: str) -> InvalidInput:
    return InvalidInput([Finding(slug=slug, message=message, span=Span(file=name))])


def _faults(key: str, data: Mapping[str, Any], place: Span) -> Iterator[Finding]:
    rules = schema("callsheet")["properties"]
    if key not in rules:
        message = f"{FILE} has no '{key}'"
        yield Finding(
            slug="unknown-key", message=message, span=place, hint=did_you_mean(key, rules)
        )
        return
    value, title = data[key], rules[key]["title"]
    if key == _HOOKS:
        if not isinstance(value, Mapping):
            message, hint = f"'{key}' is {title}", 'as in [on] and below it done = ["./tell-us"]'
            yield Finding(slug="wrong-type", message=message, span=place, hint=hint)
    elif not isinstance(value, str):
        message, hint = f"'{key}' is {title}, written as a text", f'as in {key} = "…"'
        yield Finding(slug="wrong-type", message=message, span=place, hint=hint)
    elif key == _LEDGER:
        fault = url_fault(value)
        if fault is not None:
            yield Finding(slug=fault.slug, message=fault.message, span=place, hint=fault.hint)
    elif not jsonschema_rs.is_valid(rules[key], value):
        tilde = value.startswith("~")
        hint = "write the path in full: ~ is the shell's" if tilde else "write one, or take it out"
        yield Finding(slug="bad-value", message=f"'{key}' is not {title}", span=place, hint=hint)


def _hook_faults(event: str, words: Any, place: Span) -> Iterator[Finding]:
    rules = schema("callsheet")["properties"][_HOOKS]["properties"]
    if event not in rules:
        message = f"[{_HOOKS}] has no '{event}'"
        hint = did_you_mean(event, rules)
        yield Finding(slug="unknown-key", message=message, span=place, hint=hint)
    elif not jsonschema_rs.is_valid(rules[event], words):
        message = f"'{event}' is a command, written as a list of a program and its words"
        hint = f'as in {event} = ["./tell-us"]; for a shell, ["sh", "-c", "…"]'
        yield Finding(slug="wrong-type", message=message, span=place, hint=hint)


def _place(text: str, name: str, key: str) -> Span:
    """Return where a key stands; the parser does not tell."""
    for found in _KEY.finditer(text):
        if found[1] == key:
            line = text.count("\n", 0, found.start(1)) + 1
            column = found.start(1) - text.rfind("\n", 0, found.start(1))
            return Span(file=name, line=line, column=column, end_column=column + len(key))
    return Span(file=name)


def _without_secrets(text: str) -> str:
    """Return a text to quote from: of keys that are not ours no value is shown.

    Nor is the ledger's or the store's: what is wrong with it may be that it has a password.
    """
    known = schema("callsheet")["properties"].keys() - {_LEDGER, _STORE}
    lines = []
    for line in redact(text).splitlines():
        found = _KEY.match(line)
        sign = line.find("=")
        secret = sign >= 0 and (found is None or found[1] not in known)
        lines.append(f"{line[: sign + 1]} …" if secret else line)
    return "\n".join(lines)
