"""An output path's template → a safe relative path; each value is one part of it at most.

What the author writes may contain `/`; what a value brings may not, nor anything that some file
system reads as more than a name. `{ext}` stays where the received file's extension goes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.runtime import Context

from pipeline.domain import Template
from pipeline.errors import TemplateFault
from pipeline.findings import Finding
from pipeline.manifest.filters import as_text
from pipeline.manifest.nodes import Node
from pipeline.manifest.programs import program
from pipeline.manifest.scope import Scope
from pipeline.manifest.templates import Compiled, analysed

DEFAULT_PATH = "{{ shot.id }}/{{ row_key }}/{{ cell }}_t{{ take }}.{{ ext }}"
RESERVED = "report"
EXT = "{ext}"

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
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)


def segment(value: Any) -> str:
    """Return a value as one safe part of a path: its case is kept, its length is bounded."""
    text = unicodedata.normalize("NFC", as_text(value))
    text = _UNSAFE.sub("-", " ".join(text.split()))
    return _cut(text.strip(". "), MAX_VALUE_BYTES)


def compile_path(node: Node, scope: Scope) -> Compiled:
    """Return an output path, which renders to a relative path with `{ext}` in it."""
    body, findings = analysed(node, scope)
    if body is None:
        return None, findings
    told = (*findings, *_literal_faults(body.tree, node), *_ext_faults(body.tree, node))
    if told:
        return None, told
    runner = program(body.text, node, _with_extension, finalize=_segment)

    def render(context: Mapping[str, Any]) -> str:
        path = _assembled(runner.text(context))
        wrong = _unusable(path)
        if wrong:
            raise TemplateFault("bad-path", wrong, node.span, _NAMED)
        if path.split("/", 1)[0].casefold() == RESERVED:
            raise TemplateFault("reserved-path", _TAKEN, node.span, "begin the path differently")
        return path

    template = Template(
        source=str(node.value), span=node.span, names=body.read.names, render=render
    )
    return template, ()


_NAMED = "put something that is never empty before .{{ ext }}, such as {{ shot.id }}"
_TAKEN = f"the folder '{RESERVED}' is for Callsheet's own report"


@pass_context
def _segment(context: Context, value: Any) -> str:  # noqa: ARG001 - Jinja hands it over
    return segment(value) or _EMPTY_MARK


def _assembled(text: str) -> str:
    parts = (_part(part) for part in text.split("/"))
    return "/".join(part for part in parts if part)


def _unusable(path: str) -> str:
    """Return what is wrong with a whole path; empty if a file can have it."""
    folders, _, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(f".{EXT}")
    if not (stem and dot):
        return f"the path comes to '{path or EXT}': no name is left for the file"
    hidden = next((part for part in (*folders.split("/"), name) if part.startswith(".")), "")
    return f"'{hidden}' begins with a dot: such names are Callsheet's own" if hidden else ""


def _part(text: str) -> str:
    """Return one part of a path, without what stood between empty values."""
    if _EMPTY_MARK in text:
        text = _EMPTY_LATER.sub("", _EMPTY_FIRST.sub("", text))
    text = unicodedata.normalize("NFC", text).strip(" ")
    stem = text.replace(_EXT_MARK, "").rstrip(".")
    if not stem:
        return ""
    if _DEVICE.match(text):
        text = f"_{text}"
    name, mark, tail = text.partition(_EXT_MARK)
    dotted = name.endswith(".") and bool(mark)
    kept = _cut(name.rstrip(". ") if not mark else name.rstrip("."), MAX_PART_BYTES)
    return f"{kept}{'.' if dotted else ''}{EXT if mark else ''}{tail}"


def _cut(text: str, limit: int) -> str:
    """Shorten a text to a number of bytes; a hash at its end keeps different texts different."""
    data = text.encode()
    if len(data) <= limit:
        return text
    tail = hashlib.sha256(data).hexdigest()[:8]
    return f"{data[: limit - len(tail) - 1].decode(errors='ignore')}-{tail}"


def _literal_faults(tree: nodes.Template, node: Node) -> Iterable[Finding]:
    data = list(tree.find_all(nodes.TemplateData))
    for each in data:
        if re.search(r"[{}\\\x00-\x1f]", each.data):
            yield _bad_path(node, "a path contains no braces, backslashes or line breaks")
            return
    written = str(node.value)
    if written.startswith(("/", "~")) or re.match(r"[A-Za-z]:", written):
        yield _bad_path(node, "an output path is relative to <root>/<name>/", _ROOT)
    if any(part == ".." for part in written.split("/")):
        yield _bad_path(node, "an output path does not leave its folder", _ROOT)
    if written.split("/", maxsplit=1)[0].casefold() == RESERVED:
        yield Finding(
            slug="reserved-path",
            message=_TAKEN,
            span=node.at(0, len(RESERVED)),
            hint="begin the path differently",
        )


_ROOT = "--root says where the folders of all campaigns are"


def _bad_path(node: Node, message: str, hint: str = "") -> Finding:
    return Finding(slug="bad-path", message=message, span=node.span, hint=hint)


def _ext_faults(tree: nodes.Template, node: Node) -> Iterable[Finding]:
    names = [name for name in tree.find_all(nodes.Name) if name.name == "ext"]
    last = tree.body[-1] if tree.body else None
    ends = isinstance(last, nodes.Output) and _is_extension(last.nodes[-1])
    if len(names) != 1 or not ends:
        yield Finding(
            slug="bad-path",
            message="an output path ends with the extension of the file that is received",
            span=node.span,
            hint="end it with .{{ ext }}",
        )


def _with_extension(tree: nodes.Template, text: str) -> nodes.Template:  # noqa: ARG001 - its shape
    """Put a mark where `{{ ext }}` stands: it is known when the file has been received."""
    for output in tree.find_all(nodes.Output):
        output.nodes = [
            nodes.TemplateData(_EXT_MARK, lineno=each.lineno) if _is_extension(each) else each
            for each in output.nodes
        ]
    return tree


def _is_extension(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "ext"
