"""Follows one value through the package with the interpreter's own hooks, in a process of its own.

A module passes a value if one of its functions takes, holds or returns it, or a record, list or
mapping that has it as its own member. What is deeper down is somebody else's to know.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache
from types import FrameType
from typing import Any

import orjson

from pipeline.cli.command_line import invoke
from pipeline.providers.base import Accepted
from tests.architecture.source import PACKAGE

_APART = "sandbox"
"""A provider's stand-in is not on the way, though it runs the same package."""
_ASIDE = frozenset({"write_lock_file", "write_sidecars"})
"""These files are written from the ledger beside the report: they are no step on the way to it."""
_STEPS = frozenset({"call", "return"})
_MOST = 50
"""Members of a list that are looked at."""


class Walk:
    """The modules that passed a text, in order, and how often it was put into JSON.

    Of a prompt: how often until its item was planned, and how often in all.
    """

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        """By module, the function in which the value was first seen."""
        self.encoded = 0
        self.encoded_in_plan = 0
        self.text = ""
        """What is followed; nothing while it is empty."""
        self.arrived = False
        """Whether no more modules are looked for: JSON is still counted."""
        self.over = False
        self._busy = threading.local()

    def record(self, do: Callable[[], object]) -> None:
        """Do something, and watch every thread of this process meanwhile."""
        dumps = orjson.dumps

        def counted(*args: Any, **known: Any) -> bytes:
            made = dumps(*args, **known)
            self.encoded += bool(self.text) and not self.over and self.text.encode() in made
            return made

        setattr(orjson, "dumps", counted)  # noqa: B010 - for as long as the process lives
        threading.setprofile(self._follow)
        sys.setprofile(self._follow)
        do()
        sys.setprofile(None)
        threading.setprofile(None)

    def met(self, frame: FrameType, result: Any) -> None:
        """Hear of a function of the package that returns; for those who start or end a walk."""

    def _follow(self, frame: FrameType, event: str, arg: Any) -> None:
        if self.over or event not in _STEPS:
            return
        module = _module(frame.f_code.co_filename)
        if not module or getattr(self._busy, "at_it", False):
            return
        if frame.f_code.co_name in _ASIDE:
            self._busy.aside = event == "call"
        if getattr(self._busy, "aside", False):
            return
        self._busy.at_it = True
        try:
            values = [arg] if event == "return" else list(frame.f_locals.values())
            if self.text and not self.arrived and any(_has(v, self.text) for v in values):
                self.modules.setdefault(module, frame.f_code.co_qualname)
            if event == "return":
                self.met(frame, arg)
        finally:
            self._busy.at_it = False


@cache
def _module(file: str) -> str:
    """Return a file's path in the package; empty for one that is not on the way."""
    inside = file.removeprefix(f"{PACKAGE}/")
    return "" if inside == file or inside.startswith(_APART) else inside


def _has(value: Any, text: str) -> bool:
    if _is(value, text):
        return True
    if isinstance(value, list | tuple):
        members = list(value[:_MOST])
    elif type(value) is dict or type(value).__name__ == "mappingproxy":
        members = list(_values(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    else:
        return False
    return any(_is(member, text) for member in members)


def _values(value: Mapping[Any, Any]) -> list[Any]:
    try:
        return list(value.values())[:_MOST]
    except RuntimeError:  # another thread changes it: it is seen when it is passed on
        return []


def _is(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return text in value
    # A clip tells in its own bytes which task it is of: that is content, and passes nothing on.
    is_text = isinstance(value, bytes) and value.lstrip()[:1] in {b"{", b"["}
    return is_text and text.encode() in value


MARK = "zanzibar"


class ToTheBody(Walk):
    """The prompt, until the body of its request is bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.text = MARK

    def met(self, frame: FrameType, result: Any) -> None:
        """Note where the prompt is in bytes for the wire; end with the paid request."""
        if frame.f_code.co_name == "sync_plan":
            self.encoded_in_plan = self.encoded
        if frame.f_code.co_name == "encode_body":
            self.arrived = MARK.encode() in result
        if frame.f_code.co_name == "plain_request":
            self.over = MARK.encode() in result.content


class ToTheReport(Walk):
    """A task's id, from the reply that accepted it to the end of the command."""

    def met(self, frame: FrameType, result: Any) -> None:
        """Begin with the reply."""
        if frame.f_code.co_name == "read_submit" and isinstance(result, Accepted):
            self.text = result.task


WALKS: Mapping[str, type[Walk]] = {"to_the_body": ToTheBody, "to_the_report": ToTheReport}


def main(name: str, *words: str) -> None:
    """Follow a value through a command; print what it passed, as JSON."""
    walk, codes = WALKS[name](), list[int]()
    walk.record(lambda: codes.append(int(invoke(words))))
    encoded = {"plan": walk.encoded_in_plan, "job": walk.encoded - walk.encoded_in_plan}
    told = {"modules": list(walk.modules), "encoded": encoded, "codes": codes}
    sys.stderr.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
