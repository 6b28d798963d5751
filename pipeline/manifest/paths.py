"""An output path's template → a safe relative path; each value is one part of it at most.

What the author writes may contain `/`; what a value brings may not, nor anything that some file
system reads as more than a name. `{ext}` stays where the received file's extension goes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from pipeline.errors import TemplateFault
from pipeline.findings import Finding
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.compile import CheckedTemplate, Compiled, check_template
from pipeline.manifest.templates.environment import CONVERT, Program
from pipeline.manifest.templates.filters import as_text
from pipeline.manifest.templates.lint import Scope

DEFAULT_PATH = "{{ shot.id }}/{{ row_key }}/{{ cell }}_t{{ take }}.{{ ext }}"
RESERVED = "report"
EXT = "{ext}"
_ENDING = f".{EXT}"

MAX_VALUE_BYTES = 120
# Common file systems end a name at 255 bytes; `.part` and an extension still have to fit.
MAX_PART_BYTES = 240

_EXT_MARK, _EMPTY_MARK = "\ue002", "\ue003"
# The marks that turn the direction of writing make a name read as another one.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|{}\u2028-\u202e\u2066-\u2069\ue000-\ue00f\ufeff]"
)
_GLUE = r"[-_ ,+]*"
_EMPTY_FIRST = re.compile(f"^(?:{_EMPTY_MARK}{_GLUE})+")
_EMPTY_LATER = re.compile(f"(?<![-_ ,+]){_GLUE}+{_EMPTY_MARK}")
# Names that Windows keeps for devices, with or without an extension.
# Superscript digits count there as digits do.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)


_NO_NAME = "put something that is never empty before .{{ ext }}, such as {{ shot.id }}"
_RESERVED_FOLDER = f"the folder '{RESERVED}' is for Callsheet's own report"
_ROOT = "--root says where the folders of all campaigns are"


def segment(value: Any) -> str:
    """Return a value as one safe part of a path: its case is kept, its length is bounded.

    `segment("Air Max 9/16")` is `Air Max 9-16`.
    """
    return _safe_name(as_text(value))


# Of a row's cells most parts are alike, and so are those of a cell's rows.
@lru_cache(maxsize=1024)
def _safe_name(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    # One dash for each unsafe sign, so that `a/b` and `a//b` stay two names.
    text = _UNSAFE.sub("-", " ".join(text.split()))
    # Windows drops dots and spaces at the end of a name: two values would share one file there.
    return _shorten(text.strip(". "), MAX_VALUE_BYTES)


def compile_path(node: Node, scope: Scope) -> Compiled:
    """Return an output path, which renders to a relative path with `{ext}` in it."""
    checked, findings = check_template(node, scope)
    if checked is None:
        return None, findings
    found = (*findings, *_path_faults(checked, node))
    if found:
        return None, found
    # What the extension is becomes known when the file has been received: a mark stands for it.
    # The last tag is `ext`: anything else was a fault above.
    before, _, after = checked.text.rpartition("{{")
    text = (before.rstrip() if after.startswith("-") else before) + _EXT_MARK
    runner = Program(
        node=node,
        source=text,
        tags=checked.parsed.tags,
        sink=CONVERT,
        convert=lambda value: segment(value) or _EMPTY_MARK,
    )

    def render(context: Mapping[str, Any]) -> str:
        parts = [part for part in map(_part, runner.text(context).split("/")) if part]
        path = "/".join(parts)
        stem, dot, _ = parts[-1].rpartition(_ENDING) if parts else ("", "", "")
        if not (stem and dot):
            message = f"the path comes to '{path or EXT}': no name is left for the file"
            raise TemplateFault("bad-path", message, node.span, _NO_NAME)
        # A value may be what puts the dot there, so it is asked of what comes out.
        for part in parts if path.startswith(".") or "/." in path else ():
            if part.startswith("."):
                message = f"'{part}' begins with a dot: such names are Callsheet's own"
                raise TemplateFault("bad-path", message, node.span, _NO_NAME)
        if parts[0].casefold() == RESERVED:
            hint = "begin the path differently"
            raise TemplateFault("reserved-path", _RESERVED_FOLDER, node.span, hint)
        return path

    return checked.template(node, render), ()


@lru_cache(maxsize=1024)
def _part(text: str) -> str:
    """Return one part of a path, without what stood between empty values."""
    if _EMPTY_MARK in text:
        text = _EMPTY_LATER.sub("", _EMPTY_FIRST.sub("", text))
    text = unicodedata.normalize("NFC", text).strip(" ")
    if not text.replace(_EXT_MARK, "").rstrip("."):
        return ""
    # Windows opens the device under such a name, whatever folder it stands in.
    if _DEVICE.match(text):
        text = f"_{text}"
    name, mark, tail = text.partition(_EXT_MARK)
    dot = "." if name.endswith(".") and mark else ""
    stem = _shorten(name.rstrip(". ") if not mark else name.rstrip("."), MAX_PART_BYTES)
    return f"{stem}{dot}{EXT if mark else ''}{tail}"


def _shorten(text: str, limit: int) -> str:
    """Shorten a text to a number of bytes; a hash at its end keeps different texts different."""
    data = text.encode()
    if len(data) <= limit:
        return text
    tail = hashlib.sha256(data).hexdigest()[:8]
    return f"{data[: limit - len(tail) - 1].decode(errors='ignore')}-{tail}"


def _path_faults(checked: CheckedTemplate, node: Node) -> Iterable[Finding]:
    """Yield what is wrong with what the author wrote of a path, whatever the values are."""

    def bad(message: str, hint: str = "") -> Finding:
        return Finding(slug="bad-path", message=message, span=node.span, hint=hint)

    # Only what the author wrote: a value's own signs are made safe when it is rendered.
    texts = [checked.text[start:end] for start, end in checked.parsed.texts]
    written = str(node.value)
    if any(re.search(r"[{}\\\x00-\x1f]", text) for text in texts):
        yield bad("a path contains no braces, backslashes or line breaks")
    else:
        if written.startswith(("/", "~")) or re.match(r"[A-Za-z]:", written):
            yield bad("an output path is relative to <root>/<name>/", _ROOT)
        if any(part == ".." for part in written.split("/")):
            yield bad("an output path does not leave its folder", _ROOT)
        if written.split("/", maxsplit=1)[0].casefold() == RESERVED:
            yield Finding(
                slug="reserved-path",
                message=_RESERVED_FOLDER,
                span=node.at(0, len(RESERVED)),
                hint="begin the path differently",
            )
    body = checked.parsed.tree.body
    names = [name for name in checked.parsed.tree.find_all(nodes.Name) if name.name == "ext"]
    last = body[-1].nodes[-1] if body and isinstance(body[-1], nodes.Output) else None
    if len(names) != 1 or last is not names[0]:
        message = "an output path ends with the extension of the file that is received"
        yield bad(message, "end it with .{{ ext }}")
