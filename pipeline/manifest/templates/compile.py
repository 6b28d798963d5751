"""Template text → a compiled template that gives what its place wants, or findings.

Compiled and checked once, rendered often. A cell is a value, never template source; what a prompt,
a setting, a file and a condition make of the same expression differs, and is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jinja2 import nodes

from pipeline.domain import Mention, Template, Value
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Severity, Span
from pipeline.manifest.schema import SettingRule, coerce, setting_rules
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.environment import (
    CLOSE,
    KEEP,
    NOT_ALLOWED,
    OPEN,
    PRIVATE,
    TOKEN,
    WRITE,
    MentionFault,
    ParsedTemplate,
    Program,
    SyntaxFault,
    mark,
    parse_template,
)
from pipeline.manifest.templates.filters import MAX_TEXT, ValueFault, as_text, entries
from pipeline.manifest.templates.lint import (
    FOREIGN,
    NO_CALL,
    References,
    Scope,
    TemplateLint,
    lint_template,
)

Compiled = tuple[Template | None, tuple[Finding, ...]]
"""A template unless findings forbid one, and every finding."""
_SPACED_NAME = re.compile(r"(?<=\{\{)\s*(\w+)\.(\w+(?: \w+)+)\s*(?=\}\})")
# How other tools write a value's name: {name} [name] [[name]] <name> <%= name %> %name% %(name)s.
_PLACEHOLDER = re.compile(
    r"\$\{\s*(?P<outside>\w+)[^{}]*\}"
    r"|(?<![{$])\{\s*(?P<path>[^\W\d]\w*\.[\w.]+)\s*\}(?!\})"
    r"|(?<![{$])\{\s*(?P<braces>[^\W\d][\w ]*?)\s*\}(?!\})"
    r"|\[\[?\s*(?P<square>[^\W\d][\w ]*?)\s*\]\]?"
    r"|(?<!<)<(?:%=)?\s*(?P<angle>[^\W\d][\w ]*?)\s*%?>"
    r"|%\((?P<python>\w+)\)s|%(?P<percent>[^\W\d]\w*)%"
)


def _placeholder_fault(found: re.Match[str], scope: Scope) -> MentionFault | None:
    """Return the fault of what looks like a value's name to another tool, if it is one here."""
    word = next(text for text in found.groups() if text is not None)
    if found["path"]:
        known = word if word.partition(".")[0] in scope.names else ""
    else:
        known = scope.find(word) or scope.find(word.replace(" ", "_"))
    if not known and not found["outside"]:
        return None
    # It is no template, and the clip would be paid for.
    message = f"'{found[0]}' is sent as it stands: a value has two braces on each side"
    if known:
        hint = f"write {{{{ {known} }}}}" if found["path"] else f"did you mean {{{{ {known} }}}}?"
    else:
        name = word.lower()
        hint = f"write {{{{ vars.{name} }}}}, and hand it over with --set vars.{name}=…"
    return "template-syntax", message, hint


def placeholder_findings(
    node: Node, text: str, pieces: Iterable[tuple[int, int]], scope: Scope
) -> Iterator[Finding]:
    """Yield a finding for each placeholder of another tool in the literal pieces of a text."""
    for start, end in pieces:
        for found in _PLACEHOLDER.finditer(text, start, end):
            fault = _placeholder_fault(found, scope)
            if fault is not None:
                slug, message, hint = fault
                place = node.at(found.start(), len(found[0]))
                yield Finding(slug=slug, message=message, span=place, hint=hint)


def is_template(value: Any) -> bool:
    """Tell whether a manifest value is to be rendered: a text with a `{{` or `{%` in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTemplate:
    """A template's text, tree and what was found in it."""

    text: str
    parsed: ParsedTemplate
    lint: TemplateLint

    def template(
        self, node: Node, render: Callable[[Mapping[str, Any]], Any], **more: Any
    ) -> Template:
        """Return the template of a node, given how it is rendered."""
        return Template(
            source=str(node.value), span=node.span, names=self.lint.names, render=render, **more
        )


def check_template(
    node: Node, scope: Scope, *, prompt: bool = False, around: tuple[str, str] = ("", "")
) -> tuple[CheckedTemplate | None, tuple[Finding, ...]]:
    """Return a template's tree and every finding in it; no tree where it has none.

    `around` is put before and after the text to make it a template; places do not count it.
    """
    text = around[0] + str(node.value).replace("\r\n", "\n").replace("\r", "\n") + around[1]
    shift = len(around[0])
    if PRIVATE.search(text) or len(text) > MAX_TEXT:
        message = "a character from U+E000 to U+E00F is not allowed here"
        if len(text) > MAX_TEXT:
            message = f"a template has at most {MAX_TEXT:,} characters"
        return None, (Finding(slug="template-syntax", message=message, span=node.span),)
    parsed = parse_template(text)
    if isinstance(parsed, SyntaxFault):
        slug = "forbidden-template" if NOT_ALLOWED in parsed.message else "template-syntax"
        span, hint = node.at(max(parsed.offset - shift, 0)), parsed.hint
        spaced = next((m for m in _SPACED_NAME.finditer(text) if m.end() > parsed.offset), None)
        if spaced and spaced.start() <= parsed.offset:
            hint = f"a name with a space in it is written {spaced[1]}['{spaced[2]}']"
        return None, (Finding(slug=slug, message=parsed.message, span=span, hint=hint),)
    lint = lint_template(parsed, scope, prompt=prompt)
    findings = tuple(
        Finding(
            slug=fault.slug,
            message=fault.message,
            span=node.at(max(fault.offset - shift, 0), fault.length),
            hint=fault.hint,
        )
        for fault in lint.faults
    )
    # What is nested too deeply for the reader is too deep for whoever would come after it.
    large = any(fault.slug == "too-large" for fault in lint.faults)
    return None if large else CheckedTemplate(text=text, parsed=parsed, lint=lint), findings


def compile_prompt(node: Node, scope: Scope, references: References) -> Compiled:
    """Return a prompt, which renders to a tuple of `str | Mention`.

    A context may hold a function under `__warn__`: it is called with the warning for each blank
    value.
    """
    checked, findings = check_template(node, scope, prompt=True)
    if checked is None:
        return None, findings
    # Before rendering, so that an `@` which a value brings in stays text.
    tokens = _PromptTokens(node=node, checked=checked, scope=scope, references=references)
    tokens.read()
    for name, offset in checked.lint.mentions:
        tokens.mention(name, offset, len(name))
    if tokens.findings or findings:
        return None, (*findings, *tokens.findings)
    runner = Program(
        node=node,
        source=checked.text,
        literals=tuple(tokens.literals),
        tags=checked.parsed.tags,
        fault_of=references.fault,
    )

    def render(context: Mapping[str, Any]) -> tuple[str | Mention, ...]:
        rendered = _parts(runner.text(context))
        for part in rendered:
            if isinstance(part, str) and ("@" in part or "<<<" in part):
                # What a provider would read as its own token must not come in through a cell.
                found = FOREIGN.search(part)
                if found:
                    slug, message, hint = references.foreign(found)
                    message = f"a value brings in a token: {message}"
                    raise TemplateFault(slug, message, node.span, hint)
        return rendered

    # A computed mention may name any of them, so nothing can be said here.
    unmentioned = () if checked.lint.computed else tuple(tokens.find_unmentioned())
    return checked.template(node, render, mentions=tokens.places), unmentioned


def _parts(text: str) -> tuple[str | Mention, ...]:
    """Return a rendered prompt as texts and mentions, in order."""
    if OPEN not in text:
        return (text,) if text else ()
    first, *rest = text.split(OPEN)
    found: list[str | Mention] = [first] if first else []
    for piece in rest:
        name, _, after = piece.partition(CLOSE)
        found.append(Mention(name=name))
        if after:
            found.append(after)
    return tuple(found)


@dataclass(slots=True, kw_only=True)
class _PromptTokens:
    """Reads the tokens in a prompt's own text, before anything is rendered."""

    node: Node
    checked: CheckedTemplate
    scope: Scope
    references: References
    findings: list[Finding] = field(default_factory=list)
    places: dict[str, Span] = field(default_factory=dict)
    """Where each name stands first."""
    literals: list[str] = field(default_factory=list)
    """The texts between the tags, with marks in place of the tokens."""

    def read(self) -> None:
        text = self.checked.text
        for start, end in self.checked.parsed.texts:
            for token in FOREIGN.finditer(text, start, end):
                if token[0].startswith("<"):
                    self._say(self.references.foreign(token), token.start(), len(token[0]))
            pieces_of_text = [(start, end)]
            self.findings += placeholder_findings(self.node, text, pieces_of_text, self.scope)
            pieces: list[str] = []
            done = start
            # The character before the text decides whether an `@` at its start is a token.
            for token in TOKEN.finditer(text, start, end):
                name = token["name"]
                if name:
                    self.mention(name, token.start(), len(name) + 1)
                pieces += [text[done : token.start()], mark(name) if name else "@"]
                done = token.end()
            self.literals.append("".join([*pieces, text[done:end]]))

    def mention(self, name: str, offset: int, length: int) -> None:
        """Note a name that is mentioned, or say why it cannot be."""
        self.places.setdefault(name, self.node.at(offset, length))
        fault = self.references.fault(name)
        if fault is not None:
            self._say(fault, offset, len(name) + 1)

    def _say(self, fault: tuple[str, str, str], offset: int, length: int) -> None:
        slug, message, hint = fault
        place = self.node.at(offset, length)
        self.findings.append(Finding(slug=slug, message=message, span=place, hint=hint))

    def find_unmentioned(self) -> Iterator[Finding]:
        """Yield a warning for each image and element that the prompt never mentions."""
        # A list's image counts for the list, and a name with its bundle for the name alone.
        seen = set(self.places) | {name.rpartition("_")[0] for name in self.places}
        seen |= {name.rpartition(".")[2] for name in seen}
        for name in (*self.references.images, *self.references.elements):
            if name not in seen:
                number = "_1" if name in self.references.lists else ""
                yield Finding(
                    slug="unmentioned-reference",
                    message=f"'{name}' is attached, but the prompt never mentions it",
                    span=self.node.span,
                    severity=Severity.WARNING,
                    hint=f"write @{name}{number} where it is meant",
                )


def compile_text(node: Node, scope: Scope) -> Compiled:
    """Return a text or file name, which renders to `str`, or None where it is blank."""

    def convert(value: Any) -> str | None:
        return None if value is None else as_text(value).strip() or None

    checked, _ = check_template(node, scope)
    pieces = checked.parsed.texts if checked else ()
    foreign = tuple(placeholder_findings(node, checked.text if checked else "", pieces, scope))
    template, findings = _compile_value(node, scope, convert)
    return (None if foreign else template), (*findings, *foreign)


def compile_setting(node: Node, scope: Scope, name: str, rule: SettingRule) -> Compiled:
    """Return a setting, which renders to the type its rule wants, or None where it is blank."""
    return _compile_value(node, scope, lambda value: coerce(value, name, rule))


def compile_files(node: Node, scope: Scope) -> Compiled:
    """Return a list of files, which renders to a tuple of `str` without the blank ones."""

    def convert(value: Any) -> tuple[str, ...]:
        listed = [value] if isinstance(value, str) else entries(value)
        texts = [as_text(entry).strip() for entry in listed if entry is not None]
        return tuple(text for text in texts if text)

    return _compile_value(node, scope, convert)


def _compile_value(node: Node, scope: Scope, convert: Callable[[Any], Any]) -> Compiled:
    checked, findings = check_template(node, scope)
    if checked is None or findings:
        return None, findings
    expression = checked.parsed.single
    # One expression from end to end keeps its type, for a number or a list; all else is text.
    sink = WRITE if expression is None else KEEP
    runner = Program(node=node, source=checked.text, tags=checked.parsed.tags, sink=sink)
    run: Callable[[Mapping[str, Any]], Any] = runner.text if expression is None else runner.value

    def render(context: Mapping[str, Any]) -> Any:
        value = run(context)
        try:
            return convert(value)
        except ValueFault as fault:
            raise TemplateFault(fault.slug, fault.message, node.span, fault.hint) from fault

    # A value that is taken from the row as it is, rather than put together here.
    inner: nodes.Node | None = expression
    while isinstance(inner, nodes.Filter | nodes.Getattr | nodes.Getitem):
        inner = inner.node
    # A relative path out of a cell is relative to the table, one put together here to the manifest.
    from_row = isinstance(inner, nodes.Name) and inner.name in scope.rows
    return checked.template(node, render, from_row=from_row), ()


def compile_condition(node: Node, scope: Scope) -> Compiled:
    """Return a bare expression such as `product.price > 10`, which renders to true or false."""
    around = ("{{", "}}")
    checked, findings = check_template(node, scope, around=around)
    if checked is None or findings:
        return None, tuple(_in_words_of_conditions(finding, node) for finding in findings)
    if checked.parsed.single is None:
        message = "a condition is one expression, such as \"product.market == 'de'\""
        return None, (Finding(slug="template-syntax", message=message, span=node.span),)
    runner = Program(
        node=node,
        source=checked.text,
        tags=checked.parsed.tags,
        sink=KEEP,
        shift=len(around[0]),
    )
    return checked.template(node, lambda context: bool(runner.value(context))), ()


_OTHER_OPERATORS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\{\{|\{%"), "a condition stands without braces: \"product.market == 'de'\""),
    (re.compile(r"<>"), "'is not equal' is written !="),
    (
        re.compile(r"\bIS\b|\bNULL\b", re.IGNORECASE),
        "a blank cell counts as false: `product.name` asks for text, `not product.name` for none",
    ),
    (re.compile(r"&&|\|\||\b(?:AND|OR|NOT|IN)\b"), "write and, or, not and in, in small letters"),
    (
        re.compile(r"\bLIKE\b|\bCONTAINS\b|=~", re.IGNORECASE),
        "'contains' is written in: \"'red' in product.colour\"",
    ),
    (re.compile(r"(?<![=!<>])=(?!=)"), "'is equal' is written =="),
    (re.compile(r"!(?!=)"), 'negation is written not: "not product.colour"'),
)
"""How other languages write conditions, and how it is written here; what is met first counts."""


def _in_words_of_conditions(finding: Finding, node: Node) -> Finding:
    """Return a finding against a condition, with the operator that was meant."""
    if finding.hint == NO_CALL:
        hint = "nothing can be called here; \"'red' in product.colour\" looks for a text in another"
        return replace(finding, hint=hint)
    if finding.slug != "template-syntax":
        return finding
    text = str(node.value)
    # What stands in quotes is no operator.
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: " " * len(found[0]), text)
    for pattern, hint in _OTHER_OPERATORS:
        found = pattern.search(bare)
        if found:
            message = f"'{found[0]}' is not known in a condition"
            place = node.at(found.start(), len(found[0]))
            return replace(finding, message=message, span=place, hint=hint)
    return finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueReader:
    """Reads values of one scope and keeps their findings.

    What is written plainly stays as it is; a template is compiled for its place.
    """

    scope: Scope
    findings: list[Finding] = field(default_factory=list)

    def text(self, node: Node | None) -> Value | None:
        """Return a text or a file name; None where there is none, or none that compiles."""
        if node is not None and isinstance(node.value, str) and not is_template(node.value):
            whole = [(0, len(node.value))]
            self.findings.extend(placeholder_findings(node, node.value, whole, self.scope))
        return self._read(node, lambda found: compile_text(found, self.scope))

    def files(self, node: Node) -> Value | None:
        """Return a list of files that a template gives."""
        return self._compile(node, compile_files(node, self.scope))

    def setting(self, node: Node | None, name: str, rule: SettingRule) -> Value | None:
        """Return a value that has a type of its own."""
        return self._read(node, lambda found: compile_setting(found, self.scope, name, rule))

    def settings(self, node: Node) -> dict[str, Value]:
        """Return the settings among a map's keys."""
        found: dict[str, Value] = {}
        for name, rule in setting_rules().items():
            item = node.get(name)
            self.findings.extend(not_templatable(item, name) if item and item.items() else ())
            value = self.setting(item, name, rule)
            if value is not None:
                found[name] = value
        return found

    def _read(self, node: Node | None, compile_it: Callable[[Node], Compiled]) -> Value | None:
        if node is None or not is_template(node.value):
            return node.as_value() if node else None
        return self._compile(node, compile_it(node))

    def _compile(self, node: Node, compiled: Compiled) -> Value | None:
        template, findings = compiled
        self.findings.extend(findings)
        return Value(data=template, span=node.span, folder=node.folder) if template else None


def not_templatable(node: Node | None, what: str) -> Iterator[Finding]:
    """Yield a finding for each template in a part of the manifest that is read as it is."""
    if node is None:
        return
    for item in node.children():
        yield from not_templatable(item, what)
    if is_template(node.value):
        yield Finding(
            slug="not-templatable",
            message=f"'{what}' takes no template",
            span=node.span,
            hint="write the value itself, or put the template into the prompt",
        )
