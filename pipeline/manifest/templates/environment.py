"""Template text → Jinja's tree with the tags it is written in, and the program that renders it.

Nothing in a template reaches a Python attribute: a dot only ever looks into a map, a row, or one of
the few records named here. Jinja's nodes know a line at most, so places are not asked of them:
`Environment.lex` gives the tags in the order in which the tree has what they say, and a program
that has failed runs once more and notes which tag it comes to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from typing import Any

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    UndefinedError,
    nodes,
    pass_context,
)
from jinja2 import Template as JinjaTemplate
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.domain import Shot
from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Severity, Span, did_you_mean
from pipeline.manifest.source_map import Node
from pipeline.manifest.templates.filters import (
    FILTERS,
    MAX_TEXT,
    ValueFault,
    as_text,
    check_size,
    entries,
    filter_usage,
)

NOT_ALLOWED = "is not allowed in a template"
WARN = "__warn__"
"""Key of a context under which a caller may hand a function that takes warnings."""

# A mention travels through rendering as its name between two private characters; they are taken
# out of every value, so no cell can forge one.
OPEN, CLOSE = "\ue000", "\ue001"
PRIVATE = re.compile("[\ue000-\ue00f]")
_NAME = r"[^\W\d_](?:[\w-]*\w)?"
TOKEN = re.compile(rf"@@|(?<![\w@])@(?P<name>{_NAME}(?:\.{_NAME})?)")

MentionFault = tuple[str, str, str]
"""Slug, message and hint for a name that cannot be mentioned."""

# Filters that no template can name: where a program is, what `for` and `~` mean with bounds that
# Python's own do not have, and what becomes of a tag's value.
_ENTER, _EACH, _CONCAT = "enter tag", "each entry", "put together"
WRITE, KEEP, CONVERT = "write", "keep", "convert"
# What belongs to one run, in its own copy of the values: these are no names in a template.
_PROGRAM, _RESULT, _TAG = "the program", "the result", "the tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What is written inside `{{ … }}` or `{% … %}`, and where it begins in the template."""

    word: str
    """The statement; empty for an output."""
    start: int
    text: str
    """Without the `if` of a condition: it is no part of what cannot be worked out."""

    def find(self, pattern: str) -> tuple[int, int]:
        """Return offset and length of a pattern's first group, else those of the whole tag."""
        found = re.search(pattern, self.text)
        if found is None:
            return self.start, max(len(self.text), 1)
        return self.start + found.start(1), max(len(found[1]), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTemplate:
    """A template's tree, and what it is written in."""

    tree: nodes.Template
    tags: tuple[Tag, ...]
    texts: tuple[tuple[int, int], ...]
    """Where each piece of literal text begins and ends."""
    tag_of: Mapping[int, int]
    """The tag of an output's expression, an `if` or a `for`, by the id of the node."""

    @property
    def single(self) -> nodes.Expr | None:
        """Return the template's expression if it is nothing else, `{{ … }}` from end to end."""
        match self.tree.body:
            case [nodes.Output(nodes=[nodes.Expr() as expression])]:
                return None if isinstance(expression, nodes.TemplateData) else expression
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntaxFault:
    """Why a text is no template, and at which character."""

    offset: int
    message: str
    hint: str = ""


class UnknownName(UndefinedError):  # noqa: N818 - named for what it says, like its base's kin
    """A name that the values given do not have; its hint tells the nearest."""

    def __init__(self, obj: Any, name: Any, message: str = "") -> None:  # noqa: ARG002 - Jinja's
        self.hint = did_you_mean(str(name), map(str, obj if isinstance(obj, Mapping) else ()))
        super().__init__(f"'{name}' is not known")


class _UnknownValue(StrictUndefined):
    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = None,
        name: str | None = None,
        exc: Callable[..., Exception] = UndefinedError,
    ) -> None:
        # The nearest name is looked for when it is raised: `default` may never let it be.
        exc = partial(UnknownName, obj, name) if exc is UndefinedError else exc
        super().__init__(hint, obj, name, exc)  # type: ignore[arg-type]


class Environment(ImmutableSandboxedEnvironment):
    """Jinja with our filters alone, no globals, no tests, and no Python attributes."""

    intercepted_binops = frozenset({"+"})

    def __init__(self) -> None:
        super().__init__(
            undefined=_UnknownValue,
            keep_trailing_newline=True,
            autoescape=False,
            # Working constants out when compiling would do work that nothing bounds.
            optimized=False,
        )
        # Jinja's own range, dict, lipsum, cycler … would be ways round the whitelist.
        self.globals.clear()
        self.tests.clear()
        self.filters.clear()
        self.filters |= {**FILTERS, **_INTERNAL}

    def make_globals(self, d: Any) -> dict[str, Any]:  # noqa: ARG002 - Jinja's
        """Return no globals: to lay none over none would cost as much as a short rendering."""
        return {}

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return what a map or row has under a name, or a list at a position."""
        try:
            # A plain map is told at once; asking the abstract class takes longer than the rest.
            if type(obj) is dict or isinstance(obj, Mapping):
                return obj[argument]
            if isinstance(obj, list | tuple | str) and type(argument) is int:
                return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=str(argument))
        if isinstance(obj, StrictUndefined):
            str(obj)  # raises, and names what is missing
        if isinstance(obj, Shot) and argument in {"id", "tags"}:
            return obj.id if argument == "id" else obj.tags
        return self.undefined(obj=obj, name=str(argument))

    getattr = getitem  # type: ignore[assignment]  # its second parameter has another name
    """A dot is a name in a map or row; never a Python attribute."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja's
        """Return two values added, numbers, texts or lists; a text or list stays bounded."""
        for each in (left, right):
            check_size(len(each) if isinstance(each, str | list | tuple) else 0)
        return left + right


@cache
def _environment() -> Environment:
    return Environment()


_MADE_BY: Mapping[str, Any] = {"": nodes.Output, "if": nodes.If, "elif": nodes.If, "for": nodes.For}
_ADVICE = (
    ("unexpected '}'", "close the value with '}}'"),
    ("expected token '}}'", "between '{{' and '}}' stands one value, perhaps with filters"),
    ("expected token '%}'", "between '{%' and '%}' stands one 'if' or 'for'"),
    ("'{{' is never closed", "close it with '}}'"),
    ("'{%' is never closed", "close it with '%}'"),
    ("'if' is never closed", "end it with {% endif %}"),
    ("'for' is never closed", "end it with {% endfor %}"),
)


@lru_cache(maxsize=1024)
def parse_template(text: str) -> ParsedTemplate | SyntaxFault:
    """Return a template's tree and tags, or why it has none.

    The tree is shared by all places where this text is written, and only ever read.
    """
    reader = _TagReader(text)
    try:
        reader.read()
    except TemplateSyntaxError as error:
        return _syntax_fault(str(error.message), reader.place)
    if reader.opened:
        return _syntax_fault(f"'{reader.opened}' is never closed", reader.begin)
    tags = tuple(reader.tags)
    try:
        # Parsing is all that happens here: nothing of a template runs before it is linted.
        tree = _environment().parse(text)
    except TemplateSyntaxError as error:
        return _fault_in_tags(str(error.message), tags)
    except (RecursionError, MemoryError):
        return SyntaxFault(offset=0, message="the template is nested too deeply")
    except (ValueError, OverflowError):
        return SyntaxFault(offset=0, message="a number in the template is too long")
    # Both are in the order in which they are written, so the n-th of one is the n-th of the other.
    written: dict[Any, Iterator[int]] = {
        kind: iter([index for index, tag in enumerate(tags) if _MADE_BY.get(tag.word) is kind])
        for kind in (nodes.Output, nodes.If, nodes.For)
    }
    tag_of: dict[int, int] = {}
    # Not by `find_all`, which calls itself: `a.b.b.b …` makes a tree of any depth.
    rest: list[nodes.Node] = [tree]
    while rest:
        node = rest.pop()
        rest += reversed(list(node.iter_child_nodes()))
        kind: Any = type(node)
        if kind in written:
            for each in node.nodes if isinstance(node, nodes.Output) else [node]:
                if not isinstance(each, nodes.TemplateData):
                    tag_of[id(each)] = next(written[kind], 0)
    return ParsedTemplate(tree=tree, tags=tags, texts=tuple(reader.texts), tag_of=tag_of)


class _TagReader:
    """Finds the tags and the literal texts of a template, by Jinja's own tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tags: list[Tag] = []
        self.texts: list[tuple[int, int]] = []
        self.place = 0
        self.begin = 0
        self.opened = ""
        """How the tag begins that is not closed yet."""

    def read(self) -> None:
        """Go through the tokens; raises TemplateSyntaxError, with `place` where they end."""
        inside: list[tuple[int, str]] = []
        for _, kind, token in _environment().lex(self.text):
            # White space that `{%-` strips is missing from the tokens.
            self.place = max(self.text.find(token, self.place), self.place)
            match kind:
                case "data":
                    self.texts.append((self.place, self.place + len(token)))
                case "raw_begin":
                    start = self.place + token.index("raw")
                    self.tags.append(Tag(word="raw", start=start, text="raw"))
                case "variable_begin" | "block_begin":
                    inside, self.opened, self.begin = [], token[:2], self.place
                case "variable_end" | "block_end":
                    word = inside[0][1] if kind == "block_end" and inside else ""
                    if word in {"if", "elif"}:
                        del inside[0]
                    start = inside[0][0] if inside else self.place
                    end = inside[-1][0] + len(inside[-1][1]) if inside else self.place
                    self.tags.append(Tag(word=word, start=start, text=self.text[start:end]))
                    self.opened = ""
                case "whitespace":
                    pass
                case _:
                    inside.append((self.place, token))
            self.place += len(token)


def _syntax_fault(message: str, offset: int) -> SyntaxFault:
    """Return a fault in words that somebody understands who does not know Jinja."""
    for jinja, sign in (("'end of print statement'", "'}}'"), ("'end of statement block'", "'%}'")):
        message = message.replace(jinja, sign)
    message = message[:1].lower() + message[1:].rstrip(".")
    hint = next((hint for start, hint in _ADVICE if message.startswith(start)), "")
    odd = re.match(r"expected token '.+', got '(.+)'|unexpected (?:char )?'(.+?)'", message)
    if odd and odd[2] != "}":
        message = f"'{odd[1] or odd[2]}' was not expected here"
    return SyntaxFault(offset=offset, message=message, hint=hint)


def _fault_in_tags(message: str, tags: tuple[Tag, ...]) -> SyntaxFault:
    """Return the parser's fault at the tag it lies in: each is tried by itself."""
    unknown = re.match(r"Encountered unknown tag '(\w+)'", message)
    if unknown:
        place = next(tag.start for tag in tags if tag.word == unknown[1])
        return SyntaxFault(offset=place, message=f"'{unknown[1]}' {NOT_ALLOWED}")
    for tag in tags:
        whole = {
            "": f"{{{{ {tag.text} }}}}",
            "if": f"{{% if {tag.text} %}}{{% endif %}}",
            "elif": f"{{% if {tag.text} %}}{{% endif %}}",
            "for": f"{{% {tag.text} %}}{{% endfor %}}",
        }.get(tag.word, "")
        try:
            _environment().parse(whole)
        except TemplateSyntaxError as error:
            fault = _syntax_fault(str(error.message), tag.start)
            odd = re.match("'(.+)' was", fault.message)
            return replace(fault, offset=tag.find(f"({re.escape(odd[1])})")[0]) if odd else fault
    unclosed = re.search(r"innermost block that needs to be closed is '(\w+)'", message)
    if unclosed:
        place = next((tag.start for tag in reversed(tags) if tag.word == unclosed[1]), 0)
        return _syntax_fault(f"'{unclosed[1]}' is never closed", place)
    return _syntax_fault(message, tags[-1].start if tags else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A compiled template and the node it was written in.

    `Program(node=node, source="{{ take }}", tags=tags).text({"take": 2})` is `"2"`.
    """

    node: Node
    source: str
    tags: tuple[Tag, ...]
    sink: str = WRITE
    """What becomes of the value of a `{{ … }}`: WRITE, KEEP or CONVERT."""
    literals: tuple[str, ...] | None = None
    """What is written in place of the texts between the tags."""
    shift: int = 0
    """How many characters were put before the node's text to make it a template."""
    fault_of: Callable[[str], MentionFault | None] = lambda _: None
    """Says why a name cannot be mentioned."""
    convert: Callable[[Any], str] = as_text
    """What an output becomes where the sink is CONVERT."""
    compiled: JinjaTemplate = field(init=False)
    loops: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", _compile(self.source, self.sink, self.literals))
        object.__setattr__(self, "loops", any(tag.word == "for" for tag in self.tags))

    def text(self, context: Mapping[str, Any]) -> str:
        """Return what the template writes; raises TemplateFault."""
        values: dict[str, Any] = {**context, _PROGRAM: self}
        try:
            text = self._loop_text(values) if self.loops else "".join(self._pieces(values))
        except _EXPECTED as error:
            raise self._fault(error, values) from error
        if len(text) > MAX_TEXT:
            message = f"the text grows over {MAX_TEXT:,} characters"
            raise TemplateFault("too-long", message, self.node.span)
        return text

    def _loop_text(self, values: dict[str, Any]) -> str:
        """Return what a loop writes; it stops early where it would never fit."""
        pieces: list[str] = []
        size = 0
        for piece in self._pieces(values):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEXT:
                break
        return "".join(pieces)

    def _pieces(self, values: dict[str, Any]) -> Iterator[str]:
        """Yield what the template writes; Jinja's module is left out, for nobody imports ours."""
        # Values that are shared are not copied once more, and nothing is added to them.
        return self.compiled.root_render_func(self.compiled.new_context(values, shared=True))

    def value(self, context: Mapping[str, Any]) -> Any:
        """Return what the template's one expression gives; raises TemplateFault."""
        values = {**context, _PROGRAM: self}
        try:
            self.compiled.make_module(values, shared=True)
            result = values[_RESULT]
            if isinstance(result, StrictUndefined):
                str(result)  # raises, and names what is missing
        except _EXPECTED as error:
            raise self._fault(error, values) from error
        return result

    def place(self, number: int) -> Span:
        """Return where a tag stands, counted from 1; all of the template for 0."""
        if not number:
            return self.node.span
        tag = self.tags[number - 1]
        return self.node.at(max(tag.start - self.shift, 0), max(len(tag.text), 1))

    def _fault(self, error: Exception, values: Mapping[str, Any]) -> TemplateFault:
        """Return what went wrong, at the tag in which it did.

        Which that is, a second run tells that notes each tag it comes to: so the first, which all
        rows take and few fail in, need not.
        """
        noting = {**values, WARN: None, _TAG: 0}
        with suppress(*_EXPECTED):
            compiled = _compile(self.source, self.sink, self.literals, noting=True)
            compiled.make_module(noting, shared=True)
        span = self.place(noting[_TAG])
        match error:
            case ValueFault():
                return TemplateFault(error.slug, error.message, span, error.hint)
            case UnknownName():
                return TemplateFault("undefined-name", str(error), span, error.hint)
            case TypeError() if "argument" in str(error):
                hint = f"write {filter_usage(str(error))}"
                message = "a filter here is given too few values, or too many"
                return TemplateFault("bad-template-value", message, span, hint)
            case TypeError():
                found = re.findall(r"\b(?:str|int|float|Decimal)\b", str(error))
                kinds = list(dict.fromkeys(_KINDS[word] for word in found))
                # Two kinds are the two sides of an operator.
                what = " and ".join(kinds) if len(kinds) == 2 else "these values"  # noqa: PLR2004
                message = f"{what} cannot be put together or compared"
                hint = "give the column a type, so that numbers meet numbers"
                return TemplateFault("bad-template-value", message, span, hint)
            case ZeroDivisionError():
                return TemplateFault("bad-template-value", "a division by zero", span)
        return TemplateFault("bad-template-value", f"this cannot be worked out: {error}", span)


_EXPECTED = (
    ValueFault,
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)
_KINDS = {"str": "text", "int": "a number", "float": "a number", "Decimal": "a number"}


def mark(name: str) -> str:
    """Return a mention as it travels through a template."""
    return f"{OPEN}{name}{CLOSE}"


class _Mentions(str):
    """Text that holds mentions made by `ref` or `refs`; values are never of this type."""

    __slots__ = ()


@pass_context
def _enter(context: Context, tag: int) -> int:
    context.parent[_TAG] = tag
    return tag


@pass_context
def _write(context: Context, tag: int, value: Any) -> str:
    """Return a value as it goes into a text; a blank one is a warning."""
    if type(value) is not str:
        return str(value) if isinstance(value, _Mentions) else as_text(value)
    if len(value) > MAX_TEXT:
        raise ValueFault("too-long", f"a value has more than {MAX_TEXT:,} characters")
    text: str = PRIVATE.sub("", value) if OPEN in value else value
    if not text or text.isspace():
        warn = context.parent.get(WARN)
        if warn is not None:
            warn(
                Finding(
                    slug="blank-value",
                    message="a value in this text is blank",
                    span=context.parent[_PROGRAM].place(tag),
                    severity=Severity.WARNING,
                    hint="write default_if_blank('…'), or put it inside an if",
                )
            )
    return text


@pass_context
def _keep(context: Context, tag: int, value: Any) -> str:  # noqa: ARG001 - one shape for all
    context.parent[_RESULT] = value
    return ""


@pass_context
def _convert(context: Context, tag: int, value: Any) -> str:  # noqa: ARG001 - one shape for all
    text: str = context.parent[_PROGRAM].convert(value)
    return text


@pass_context
def _concatenate(context: Context, values: list[Any]) -> str:  # noqa: ARG001 - never a constant
    """Return values as one text: what `~` means."""
    parts = [as_text(value) for value in values]
    check_size(sum(map(len, parts)))
    return "".join(parts)


def _mention(context: Context, name: str) -> str:
    """Return a mention as it travels; ValueFault for a name that cannot be mentioned."""
    fault = context.parent[_PROGRAM].fault_of(name)
    if fault is not None:
        raise ValueFault(*fault)
    return mark(name)


@pass_context
def _ref(context: Context, value: Any) -> str:
    return _Mentions(_mention(context, as_text(value).strip().removeprefix("@")))


@pass_context
def _refs(context: Context, value: Any) -> str:
    text = PRIVATE.sub("", as_text(value))
    return _Mentions(
        TOKEN.sub(lambda token: _mention(context, token["name"]) if token["name"] else "@", text)
    )


_INTERNAL: Mapping[str, Callable[..., Any]] = {
    _ENTER: _enter,
    _EACH: lambda tag, value: entries(value),  # noqa: ARG005 - the tag is noted first
    _CONCAT: _concatenate,
    WRITE: _write,
    KEEP: _keep,
    CONVERT: _convert,
    "ref": _ref,
    "refs": _refs,
}


@lru_cache(maxsize=1024)
def _compile(
    text: str, sink: str, literals: tuple[str, ...] | None, *, noting: bool = False
) -> JinjaTemplate:
    """Compile a text once for all places where it is written: a bundle's, say, in every shot."""
    # The checked tree is shared, so the program is built from a copy.
    parsed = parse_template(text)
    assert isinstance(parsed, ParsedTemplate)  # noqa: S101 - it was checked before
    copier = _Instrumenter(parsed.tag_of, sink, literals, noting=noting)
    tree: nodes.Template = copier.copy(parsed.tree)
    tree.set_environment(_environment())
    return _environment().from_string(tree)


class _Instrumenter:
    """Copies a tree to one with filters for what is written, `ref(x)`, `~` and `for`.

    One that is `noting` has the program note each tag before it is worked out.
    """

    def __init__(
        self,
        tag_of: Mapping[int, int],
        sink: str,
        literals: tuple[str, ...] | None,
        *,
        noting: bool,
    ) -> None:
        self._tag_of = tag_of
        self._sink = sink
        self._literals = iter(literals) if literals is not None else None
        self._noting = noting

    def copy(self, node: Any) -> Any:
        """Return a node's copy, or what stands for it; whatever is no node as it is."""
        if isinstance(node, list):
            return [self.copy(each) for each in node]
        if not isinstance(node, nodes.Node):
            return node
        if isinstance(node, nodes.TemplateData) and self._literals is not None:
            return nodes.TemplateData(next(self._literals), lineno=1)
        index = self._tag_of.get(id(node))
        node = type(node)(*(self.copy(value) for _, value in node.iter_fields()), lineno=1)
        match node:
            case nodes.Call():
                node = _filter("ref", node.args[0])
            case nodes.Concat():
                node = _filter(_CONCAT, nodes.List(node.nodes, lineno=1))
        if index is None:
            return node
        tag: nodes.Expr = nodes.Const(index + 1, lineno=1)
        tag = _filter(_ENTER, tag) if self._noting else tag
        match node:
            case nodes.If() if self._noting:
                node.test = nodes.And(tag, node.test, lineno=1)
            case nodes.For():
                node.iter = _filter(_EACH, tag, node.iter)
            case nodes.Expr():
                node = _filter(self._sink, tag, node)
        return node


def _filter(name: str, value: Any, *arguments: Any) -> nodes.Filter:
    return nodes.Filter(value, name, [*arguments], [], None, None, lineno=1)
