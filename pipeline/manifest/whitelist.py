"""A template's tree → the names it reads, and a fault for whatever is not allowed.

The rule of manifest.md §4 lives here: what is not listed is refused, at its own place. A template
is a function of the names found here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from jinja2 import nodes

from pipeline.domain.item import EMPTY
from pipeline.manifest.expressions import NOT_ALLOWED
from pipeline.manifest.filters import FILTERS
from pipeline.manifest.grammar import HARMLESS, HINTS, MAX_LEVELS, MAX_NODES, NO_CALL, WORDS
from pipeline.manifest.scope import Scope
from pipeline.manifest.wording import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong in a template, by offset and length."""

    slug: str
    message: str
    offset: int
    length: int = 1
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a template reads, and what is wrong with it."""

    names: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    mentions: tuple[tuple[str, int], ...] = ()
    """Constant names given to ref(), with their offsets."""
    computed: bool = False
    """It has mentions that are only known when it is rendered."""
    loops: bool = False


def read(tree: nodes.Template, text: str, scope: Scope, *, prompt: bool = False) -> Read:
    """Return what a template reads and every fault in it; `ref` and `refs` are for prompts."""
    reader = _Reader(text=text, scope=scope, prompt=prompt)
    reader.visit(tree, 0)
    return Read(
        names=frozenset(reader.names),
        faults=tuple(reader.faults),
        mentions=tuple(reader.mentions),
        computed=reader.computed,
        loops=reader.loops,
    )


@dataclass(slots=True, kw_only=True)
class _Reader:
    text: str
    scope: Scope
    prompt: bool
    names: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    mentions: list[tuple[str, int]] = field(default_factory=list)
    computed: bool = False
    loops: bool = False
    _local: Mapping[str, frozenset[str] | None] = field(default_factory=lambda: EMPTY)
    """The variable of the loop around, with the names under it."""
    _standing: set[int] = field(default_factory=set)
    """Expressions that stand alone in an output: only there may a mention be made."""
    _seen: int = 0

    def visit(self, node: nodes.Node, level: int) -> None:
        self._seen += 1
        if level > MAX_LEVELS or self._seen > MAX_NODES:
            if not any(fault.slug == "too-large" for fault in self.faults):
                self._fault("too-large", "the template is too long or nested too deeply", node)
            return
        special = _SPECIAL.get(type(node))
        if special is not None:
            special(self, node, level)
        elif isinstance(node, HARMLESS):
            self._children(node, level)
        else:
            self._forbidden(node, level)

    def _children(self, node: nodes.Node, level: int) -> None:
        for child in node.iter_child_nodes():
            self.visit(child, level + 1)

    def _fault(self, slug: str, message: str, node: nodes.Node, **more: Any) -> None:
        offset = more.pop("offset", node.lineno)
        self.faults.append(Fault(slug=slug, message=message, offset=offset, **more))

    def _forbidden(self, node: nodes.Node, level: int) -> None:
        word = WORDS.get(type(node), f"'{type(node).__name__.lower()}'")
        self._fault(
            "forbidden-template",
            f"{word} {NOT_ALLOWED}",
            node,
            hint=HINTS.get(type(node), ""),
        )
        if isinstance(node, nodes.Expr):
            # A forbidden operator does not hide a misspelt name beside it.
            self._children(node, level)

    def name(self, node: nodes.Name, level: int) -> None:  # noqa: ARG002 - one shape for all
        self._path(node, node.name, "", node.lineno)

    def constant(self, node: nodes.Const, level: int) -> None:  # noqa: ARG002 - the same
        if isinstance(node.value, float) and not isfinite(node.value):
            self._fault("template-syntax", "a number in the template is too large", node)

    def attribute(self, node: nodes.Getattr | nodes.Getitem, level: int) -> None:
        if isinstance(node, nodes.Getitem):
            self._index(node, level)
        key = _key(node)
        if isinstance(node.node, nodes.Name) and key is not None:
            self._path(node.node, node.node.name, key, self._after_dot(node, key))
            return
        self.visit(node.node, level + 1)

    def _index(self, node: nodes.Getitem, level: int) -> None:
        if not (isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str | int)):
            self.visit(node.arg, level + 1)

    def _after_dot(self, node: nodes.Getattr | nodes.Getitem, key: str) -> int:
        return max(self.text.find(key, node.lineno), node.lineno)

    def _path(self, root: nodes.Name, name: str, key: str, offset: int) -> None:
        """Note a name that is read, or say that it is not known here."""
        if name in self._local:
            known = self._local[name]
            if key and known is not None and key not in known:
                hint = did_you_mean(key, known)
                self._undefined(f"{name}.{key}", offset, len(key), hint)
            return
        written = f"{name}.{key}" if key else name
        self.names.add(written)
        unknown = self.scope.hint(name)
        if unknown is not None:
            self._undefined(name, root.lineno, len(name), unknown)
            return
        unknown = self.scope.hint(name, key)
        if unknown is not None:
            self._undefined(written, offset, len(key), unknown)

    def _undefined(self, name: str, offset: int, length: int, hint: str) -> None:
        self.faults.append(
            Fault(
                slug="undefined-name",
                message=f"'{name}' is not known",
                offset=offset,
                length=max(length, 1),
                hint=hint,
            )
        )

    def filter(self, node: nodes.Filter, level: int) -> None:
        known = (*FILTERS, "refs")
        if node.name not in known:
            message = f"there is no filter '{node.name}'"
            hint = did_you_mean(node.name, known)
            length = len(node.name)
            self._fault("forbidden-template", message, node, length=length, hint=hint)
        elif node.name == "refs":
            self.computed = True
            self._misplaced(node, "the filter 'refs'")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self._fault("forbidden-template", f"'*' {NOT_ALLOWED}", node)
            return
        if node.name == "default" and self._may_be_absent(node.node):
            self._note_only(node.node)
        elif node.node is not None:
            self.visit(node.node, level + 1)
        if node.name == "map":
            self._mapped(node)
        for argument in (*node.args, *node.kwargs):
            self.visit(argument, level + 1)

    def _may_be_absent(self, node: nodes.Expr | None) -> bool:
        """Whether `default` may stand after a name that is not there; a column always is."""
        return (
            isinstance(node, nodes.Getattr)
            and isinstance(node.node, nodes.Name)
            and node.node.name in self.scope.names
            and node.node.name not in self.scope.rows
        )

    def _note_only(self, node: nodes.Expr | None) -> None:
        if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            self.names.add(f"{node.node.name}.{node.attr}")

    def _mapped(self, node: nodes.Filter) -> None:
        """Check the attribute that `product.rows | map(attribute='…')` takes."""
        columns = self._row_columns(node.node)
        for option in node.kwargs:
            value = option.value
            if option.key != "attribute" or not isinstance(value, nodes.Const):
                continue
            if columns is not None and value.value not in columns:
                name = str(value.value)
                hint = did_you_mean(name, columns)
                self._undefined(name, value.lineno + 1, len(name), hint)

    def _row_columns(self, node: nodes.Node | None) -> frozenset[str] | None:
        match node:
            case nodes.Getattr(node=nodes.Name(name=name), attr="rows") if name in self.scope.rows:
                return self.scope.names[name]
        return None

    def loop(self, node: nodes.For, level: int) -> None:
        self.loops = True
        if self._local:
            self._fault("forbidden-template", f"a 'for' inside a 'for' {NOT_ALLOWED}", node)
            return
        if node.recursive or not isinstance(node.target, nodes.Name):
            message = "a 'for' has one variable and is not recursive"
            self._fault("forbidden-template", message, node)
            return
        self.visit(node.iter, level + 1)
        self._local = {node.target.name: self._row_columns(node.iter)}
        for child in (*node.body, *([node.test] if node.test else [])):
            self.visit(child, level + 1)
        self._local = EMPTY
        for child in node.else_:
            self.visit(child, level + 1)

    def call(self, node: nodes.Call, level: int) -> None:
        is_ref = isinstance(node.node, nodes.Name) and node.node.name == "ref"
        plain = len(node.args) == 1 and not node.kwargs and not (node.dyn_args or node.dyn_kwargs)
        if not is_ref or not plain:
            self._fault("forbidden-template", f"a call {NOT_ALLOWED}", node, hint=NO_CALL)
            callee = [] if isinstance(node.node, nodes.Name) else [*node.node.iter_child_nodes()]
            for child in (*callee, *node.args):
                self.visit(child, level + 1)
            return
        self._misplaced(node, "ref()")
        argument = node.args[0]
        if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
            self.mentions.append((argument.value, argument.lineno))
            return
        self.computed = True
        self.visit(argument, level + 1)

    def output(self, node: nodes.Output, level: int) -> None:
        for child in node.nodes:
            for outermost in _outermost(child):
                self._standing.add(id(outermost))
            self.visit(child, level + 1)

    def _misplaced(self, node: nodes.Expr, what: str) -> None:
        if not self.prompt:
            self._fault("forbidden-template", f"{what} is only for prompts", node)
        elif id(node) not in self._standing:
            message = f"{what} must be the last thing inside '{{{{ … }}}}'"
            self._fault("forbidden-template", message, node)


def _key(node: nodes.Getattr | nodes.Getitem) -> str | None:
    if isinstance(node, nodes.Getattr):
        return node.attr
    constant = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
    return node.arg.value if constant and isinstance(node.arg, nodes.Const) else None


def _outermost(node: nodes.Node) -> Iterator[nodes.Node]:
    if isinstance(node, nodes.CondExpr):
        yield from _outermost(node.expr1)
        if node.expr2 is not None:
            yield from _outermost(node.expr2)
    else:
        yield node


_SPECIAL: Mapping[type[nodes.Node], Callable[[_Reader, Any, int], None]] = {
    nodes.Name: _Reader.name,
    nodes.Const: _Reader.constant,
    nodes.Getattr: _Reader.attribute,
    nodes.Getitem: _Reader.attribute,
    nodes.Filter: _Reader.filter,
    nodes.For: _Reader.loop,
    nodes.Call: _Reader.call,
    nodes.Output: _Reader.output,
}
