"""Template text → a compiled template that gives what its place wants, or findings.

Compiled and checked once, rendered often. A cell is a value, never template source; what a prompt,
a setting, a file and a condition make of the same expression differs, and is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import nodes

from pipeline.domain import Mention, Template
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Severity, Span
from pipeline.manifest.expressions import NOT_ALLOWED, SyntaxFault, parsed
from pipeline.manifest.filters import MAX_TEXT, ValueFault, as_text, entries
from pipeline.manifest.nodes import Node
from pipeline.manifest.programs import Program, as_written, kept, program, single
from pipeline.manifest.references import FOREIGN, PRIVATE, TOKEN, References, marked, parts
from pipeline.manifest.rules import Rule, coerced
from pipeline.manifest.scope import Scope
from pipeline.manifest.whitelist import Fault, Read, read

Compiled = tuple[Template | None, tuple[Finding, ...]]
"""A template unless findings forbid one, and every finding."""


def is_template(value: Any) -> bool:
    """Tell whether a manifest value is to be rendered: a text with a `{{` or `{%` in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


def compile_prompt(node: Node, scope: Scope, references: References) -> Compiled:
    """Return a prompt, which renders to a tuple of `str | Mention`.

    A context may hold a function under `__warn__`: it is called with the warning for each blank
    value.
    """
    body, findings = analysed(node, scope, prompt=True)
    if body is None:
        return None, findings
    told, places = _tokens(body, node, references)
    told += _half_braced(body, node, scope)
    for name, offset in body.read.mentions:
        told.append(_mention_fault(node, name, offset, references))
        places.setdefault(name, node.at(offset, len(name)))
    found = [finding for finding in told if finding is not None]
    if found or findings:
        return None, (*findings, *found)
    runner = program(body.text, node, with_mentions, loops=body.read.loops, references=references)

    def render(context: Mapping[str, Any]) -> tuple[str | Mention, ...]:
        rendered = parts(runner.text(context))
        for part in rendered:
            if isinstance(part, str) and ("@" in part or "<<<" in part):
                _refuse_foreign(part, runner, references)
        return rendered

    unmentioned = () if body.read.computed else _unmentioned(node, set(places), references)
    return replace(_template(node, body.read, render), mentions=places), unmentioned


def compile_text(node: Node, scope: Scope) -> Compiled:
    """Return a text or file name, which renders to `str`, or None where it is blank."""
    return _compile_value(node, scope, _blank_or_text)


def compile_setting(node: Node, scope: Scope, name: str, rule: Rule) -> Compiled:
    """Return a setting, which renders to the type its rule wants, or None where it is blank."""
    return _compile_value(node, scope, lambda value: coerced(value, name, rule))


def compile_files(node: Node, scope: Scope) -> Compiled:
    """Return a list of files, which renders to a tuple of `str` without the blank ones."""
    return _compile_value(node, scope, _files)


def compile_condition(node: Node, scope: Scope) -> Compiled:
    """Return a bare expression such as `product.price > 10`, which renders to true or false."""
    body, findings = analysed(node, scope, around=("{{", "}}"))
    if body is None or findings:
        return None, findings
    if single(body.tree) is None:
        message = "a condition is one expression, such as \"product.market == 'de'\""
        return None, (Finding(slug="template-syntax", message=message, span=node.span),)
    runner = program(body.text, node, kept, shift=2)
    return _template(node, body.read, lambda context: bool(runner.value(context))), ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A template's tree and what was found in it."""

    text: str
    tree: nodes.Template
    """Shared by all places where the text is written: it is only read."""
    read: Read


def analysed(
    node: Node, scope: Scope, *, prompt: bool = False, around: tuple[str, str] = ("", "")
) -> tuple[Body | None, tuple[Finding, ...]]:
    """Return a template's tree and every finding in it; no tree where it has none."""
    text = around[0] + str(node.value).replace("\r\n", "\n").replace("\r", "\n") + around[1]
    shift = len(around[0])
    if PRIVATE.search(text) or len(text) > MAX_TEXT:
        long = len(text) > MAX_TEXT
        message = f"a template has at most {MAX_TEXT:,} characters" if long else _PRIVATE
        return None, (Finding(slug="template-syntax", message=message, span=node.span),)
    tree = parsed(text)
    if isinstance(tree, SyntaxFault):
        slug = "forbidden-template" if NOT_ALLOWED in tree.message else "template-syntax"
        span = node.at(max(tree.offset - shift, 0))
        return None, (Finding(slug=slug, message=tree.message, span=span, hint=tree.hint),)
    found = read(tree, text, scope, prompt=prompt)
    told = tuple(_told(node, fault, shift) for fault in found.faults)
    # What is nested too deeply for the reader is too deep for whoever would come after it.
    large = any(fault.slug == "too-large" for fault in found.faults)
    return None if large else Body(text=text, tree=tree, read=found), told


_PRIVATE = "a character from U+E000 to U+E00F is not allowed here"


def _told(node: Node, fault: Fault, shift: int) -> Finding:
    return Finding(
        slug=fault.slug,
        message=fault.message,
        span=node.at(max(fault.offset - shift, 0), fault.length),
        hint=fault.hint,
    )


def _compile_value(node: Node, scope: Scope, convert: Callable[[Any], Any]) -> Compiled:
    body, findings = analysed(node, scope)
    if body is None or findings:
        return None, findings
    expression = single(body.tree)
    prepare = as_written if expression is None else kept
    runner = program(body.text, node, prepare, loops=body.read.loops)
    run: Callable[[Mapping[str, Any]], Any] = runner.text if expression is None else runner.value

    def render(context: Mapping[str, Any]) -> Any:
        value = run(context)
        try:
            return convert(value)
        except ValueFault as fault:
            raise TemplateFault(fault.slug, fault.message, node.span, fault.hint) from fault

    from_row = expression is not None and _reads_row(expression, scope)
    return _template(node, body.read, render, from_row=from_row), ()


def _reads_row(expression: nodes.Expr, scope: Scope) -> bool:
    """Whether a value is taken from the row as it is, rather than put together here."""
    inner: nodes.Node | None = expression
    while isinstance(inner, nodes.Filter | nodes.Getattr | nodes.Getitem):
        inner = inner.node
    return isinstance(inner, nodes.Name) and inner.name in scope.rows


def _template(
    node: Node, found: Read, render: Callable[[Mapping[str, Any]], Any], *, from_row: bool = False
) -> Template:
    return Template(
        source=str(node.value),
        span=node.span,
        names=found.names,
        render=render,
        from_row=from_row,
    )


def _blank_or_text(value: Any) -> str | None:
    return None if value is None else as_text(value).strip() or None


def _files(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else entries(value)
    texts = [as_text(entry).strip() for entry in listed if entry is not None]
    return tuple(text for text in texts if text)


def _tokens(
    body: Body, node: Node, references: References
) -> tuple[list[Finding | None], dict[str, Span]]:
    """Return what is wrong with the tokens in a prompt's own text, and where each name stands."""
    told: list[Finding | None] = []
    places: dict[str, Span] = {}
    for data in body.tree.find_all(nodes.TemplateData):
        told += _foreign(data, node, references)
        for token in _tokens_in(data, body.text):
            if token["name"]:
                offset = data.lineno + token.start() - _before(data, body.text)
                name = token["name"]
                places.setdefault(name, node.at(offset, len(name) + 1))
                told.append(_mention_fault(node, name, offset, references))
    return told, places


_HALF_BRACED = re.compile(r"(?<!\{)\{\s*([A-Za-z_]\w*)\.[\w.]+\s*\}(?!\})")


def _half_braced(body: Body, node: Node, scope: Scope) -> list[Finding]:
    """Return what is no template for want of a brace: the clip would be paid for all the same."""
    return [
        Finding(
            slug="template-syntax",
            message=f"'{found[0]}' is sent as it stands: a value has two braces on each side",
            span=node.at(data.lineno + found.start(), len(found[0])),
            hint=f"write {{{found[0]}}}",
        )
        for data in body.tree.find_all(nodes.TemplateData)
        for found in _HALF_BRACED.finditer(data.data)
        if found[1] in scope.names
    ]


def with_mentions(tree: nodes.Template, text: str) -> nodes.Template:
    """Return a prompt's tree with marks in place of the tokens in its own text."""
    for data in tree.find_all(nodes.TemplateData):
        place = _before(data, text)
        pieces: list[str] = []
        for token in _tokens_in(data, text):
            mark = marked(token["name"]) if token["name"] else "@"
            pieces += [token.string[place : token.start()], mark]
            place = token.end()
        whole = text[: data.lineno][-1:] + data.data
        data.data = "".join([*pieces, whole[place:]])
    return tree


def _before(data: nodes.TemplateData, text: str) -> int:
    return len(text[: data.lineno][-1:])


def _tokens_in(data: nodes.TemplateData, text: str) -> list[re.Match[str]]:
    # The character before the text decides whether an `@` at its start is a token.
    whole = text[: data.lineno][-1:] + data.data
    return list(TOKEN.finditer(whole, _before(data, text)))


def _foreign(data: nodes.TemplateData, node: Node, references: References) -> list[Finding]:
    found = [token for token in FOREIGN.finditer(data.data) if token[0].startswith("<")]
    return [
        _token_finding(node, references.foreign(token), data.lineno + token.start(), len(token[0]))
        for token in found
    ]


def _mention_fault(node: Node, name: str, offset: int, references: References) -> Finding | None:
    fault = references.fault(name)
    return _token_finding(node, fault, offset, len(name) + 1) if fault else None


def _token_finding(node: Node, fault: tuple[str, str, str], offset: int, length: int) -> Finding:
    slug, message, hint = fault
    return Finding(slug=slug, message=message, span=node.at(offset, length), hint=hint)


def _refuse_foreign(text: str, runner: Program, references: References) -> None:
    found = FOREIGN.search(text)
    if found:
        slug, message, hint = references.foreign(found)
        raise TemplateFault(slug, f"a value brings in a token: {message}", runner.node.span, hint)


def _unmentioned(node: Node, mentioned: set[str], references: References) -> tuple[Finding, ...]:
    # A list's image counts for the list, and a name with its bundle for the name alone.
    seen = mentioned | {name.rpartition("_")[0] for name in mentioned}
    seen |= {name.rpartition(".")[2] for name in seen}
    return tuple(
        Finding(
            slug="unmentioned-reference",
            message=f"'{name}' is attached, but the prompt never mentions it",
            span=node.span,
            severity=Severity.WARNING,
            hint=f"write @{name}{'_1' if name in references.lists else ''} where it is meant",
        )
        for name in (*references.images, *references.elements)
        if name not in seen
    )
