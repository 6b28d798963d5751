"""A checked template tree → a program that runs over values; faults name the place in the file.

The hot path is `text`: nothing in it looks anything up that could be known when compiling.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from jinja2 import Template as Compiled
from jinja2 import TemplateError, nodes, pass_context
from jinja2.runtime import Context

from pipeline.errors import TemplateFault
from pipeline.findings import Finding, Severity, Span
from pipeline.manifest.expressions import EACH, PLUS, TOGETHER, Environment, UnknownName, tree_of
from pipeline.manifest.filters import MAX_TEXT, ValueFault, as_text
from pipeline.manifest.nodes import Node
from pipeline.manifest.references import OPEN, PRIVATE, TOKEN, References, marked

Prepare = Callable[[nodes.Template, str], nodes.Template]
_CODE = "<template>"
_RESULT = "result"
_PROGRAM = "the program"
WARN = "__warn__"
"""Key of a context under which a caller may hand a function that takes warnings."""
# What stands between `{%` and the expression that it is about.
_GAP = re.compile(r"[-+]?\s*(?:(?:el)?if\b\s*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A compiled template and the node it was written in."""

    node: Node
    compiled: Compiled
    environment: Environment
    loops: bool
    shift: int = 0
    """How many characters were put before the node's text to make it a template."""
    references: References | None = None

    def text(self, context: Mapping[str, Any]) -> str:
        """Return what the template writes; raises TemplateFault."""
        inner = Context(self.environment, context, None, {})  # type: ignore[arg-type]
        inner.vars[_PROGRAM] = self
        try:
            pieces = self.compiled.root_render_func(inner)
            text = _joined(pieces) if self.loops else "".join(pieces)
        except _EXPECTED as error:
            raise self._fault(error) from error
        if len(text) > MAX_TEXT:
            raise self._too_long()
        return text

    def value(self, context: Mapping[str, Any]) -> Any:
        """Return what the template's one expression gives; raises TemplateFault."""
        inner = Context(self.environment, context, None, {})  # type: ignore[arg-type]
        try:
            for _ in self.compiled.root_render_func(inner):
                pass
            result = inner.vars[_RESULT]
            return str(result) if isinstance(result, self.environment.undefined) else result
        except _EXPECTED as error:
            raise self._fault(error) from error

    def place(self, line: int) -> Span:
        """Return where the expression stands that a line of the compiled code came from."""
        text = str(self.node.value)
        offset = max(self.compiled.get_corresponding_lineno(line) - self.shift, 0)
        begin = max(text.rfind(sign, 0, offset + 2) for sign in ("{{", "{%"))
        begin = _GAP.match(text, begin + 2).end() if begin >= 0 else 0  # type: ignore[union-attr]
        ends = (text.find(sign, offset) for sign in ("}}", "%}", "-}}", "-%}"))
        end = min((end for end in ends if end >= 0), default=len(text))
        return self.node.at(begin, max(len(text[begin:end].rstrip()), 1))

    def _too_long(self) -> TemplateFault:
        message = f"the text grows over {MAX_TEXT:,} characters"
        return TemplateFault("too-long", message, self.node.span)

    def _fault(self, error: Exception) -> TemplateFault:
        span = self.node.span
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _CODE:
                span = self.place(trace.tb_lineno)
            trace = trace.tb_next
        match error:
            case TemplateFault() | ValueFault():
                return TemplateFault(error.slug, error.message, span, error.hint)
            case UnknownName():
                return TemplateFault("undefined-name", str(error), span, error.hint)
            case TypeError():
                hint = "give the column a type, so that numbers meet numbers"
                return TemplateFault("bad-template-value", _mismatch(error), span, hint)
            case ZeroDivisionError():
                return TemplateFault("bad-template-value", "a division by zero", span)
        return TemplateFault("bad-template-value", f"this cannot be worked out: {error}", span)


_EXPECTED = (
    TemplateFault,
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


def _mismatch(error: TypeError) -> str:
    names = {"str": "text", "int": "a number", "float": "a number", "Decimal": "a number"}
    found = re.findall(r"\b(?:str|int|float|Decimal)\b", str(error))
    kinds = list(dict.fromkeys(names[word] for word in found))
    if len(kinds) == 2:  # noqa: PLR2004 - the two sides of an operator
        return f"{kinds[0]} and {kinds[1]} cannot be put together or compared"
    return "these values cannot be put together or compared"


def _joined(pieces: Any) -> str:
    """Join what a loop writes; stops early where it would never fit."""
    found: list[str] = []
    size = 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > MAX_TEXT:
            break
    return "".join(found)


class _Mark(str):
    """Text that holds mentions made by `ref` or `refs`; values are never of this type."""

    __slots__ = ()


@pass_context
def written(context: Context, value: Any) -> Any:
    """Return a value as it goes into a text; a blank one is a warning."""
    if type(value) is str:
        if len(value) > MAX_TEXT:
            raise ValueFault("too-long", f"a value has more than {MAX_TEXT:,} characters")
        if OPEN in value:
            value = PRIVATE.sub("", value)
        if not value or value.isspace():
            _note_blank(context)
        return value
    return str(value) if isinstance(value, _Mark) else as_text(value)


def _note_blank(context: Context) -> None:
    warn = context.parent.get(WARN)
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != _CODE:
        frame = frame.f_back
    if warn is None or frame is None:
        return
    program: Program = context.vars[_PROGRAM]
    warn(
        Finding(
            slug="blank-value",
            message="a value in this text is blank",
            span=program.place(frame.f_lineno),
            severity=Severity.WARNING,
            hint="write default_if_blank('…'), or put it inside an if",
        )
    )


@pass_context
def _ref(context: Context, value: Any) -> str:
    return _Mark(_mention(context, as_text(value).strip().removeprefix("@")))


@pass_context
def _refs(context: Context, value: Any) -> str:
    def mention(token: Any) -> str:
        return _mention(context, token["name"]) if token["name"] else "@"

    return _Mark(TOKEN.sub(mention, PRIVATE.sub("", as_text(value))))


def _mention(context: Context, name: str) -> str:
    references = context.vars[_PROGRAM].references
    fault = references.fault(name) if references else None
    if fault is not None:
        raise ValueFault(*fault)
    return marked(name)


@cache
def _environment(finalize: Any) -> Environment:
    environment = Environment(finalize)
    environment.filters["ref"] = _ref
    environment.filters["refs"] = _refs
    return environment


def program(
    text: str,
    node: Node,
    prepare: Prepare,
    *,
    finalize: Any = written,
    loops: bool = False,
    shift: int = 0,
    references: References | None = None,
) -> Program:
    """Return a template's text as a program.

    `prepare` changes the tree for its place, `finalize` turns each value into what is written.
    """
    return Program(
        node=node,
        compiled=_compiled(text, prepare, finalize),
        environment=_environment(finalize),
        loops=loops,
        shift=shift,
        references=references,
    )


@lru_cache(maxsize=1024)
def _compiled(text: str, prepare: Prepare, finalize: Any) -> Compiled:
    """Compile a text once for all places where it is written: a bundle's, say, in every shot."""
    environment = _environment(finalize)
    tree = prepare(tree_of(text), text)
    _without_calls(tree).set_environment(environment)
    return Compiled.from_code(environment, environment.compile(tree), {}, None)


def single(tree: nodes.Template) -> nodes.Expr | None:
    """Return a template's expression if it is nothing else, `{{ … }}` from end to end."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Expr() as expression])]:
            return None if isinstance(expression, nodes.TemplateData) else expression
    return None


def as_written(tree: nodes.Template, text: str) -> nodes.Template:  # noqa: ARG001 - the same
    """Return a tree as it is: it writes what its author wrote."""
    return tree


def kept(tree: nodes.Template, text: str) -> nodes.Template:  # noqa: ARG001 - one shape for all
    """Return a tree whose run keeps its one expression's value instead of writing it."""
    expression = single(tree)
    if expression is None:
        return tree
    target = nodes.Name(_RESULT, "store", lineno=expression.lineno)
    return nodes.Template([nodes.Assign(target, expression, lineno=expression.lineno)], lineno=1)


def _without_calls(node: nodes.Node) -> nodes.Node:
    """Turn `ref(x)`, `~` and `+` into filters, and guard what a loop goes through."""
    for name, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, name, _without_calls(value))
        elif isinstance(value, list):
            changed = [_without_calls(v) if isinstance(v, nodes.Node) else v for v in value]
            setattr(node, name, changed)
    if isinstance(node, nodes.For):
        node.iter = _filtered(node.iter, EACH)
    match node:
        case nodes.Call():
            return _filtered(node.args[0], "ref")
        case nodes.Concat():
            return _filtered(nodes.List(node.nodes, lineno=node.lineno), TOGETHER)
        case nodes.Add():
            return _filtered(node.left, PLUS, node.right)
    return node


def _filtered(node: Any, name: str, *arguments: Any) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)
