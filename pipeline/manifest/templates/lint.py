"""A template's tree → the names it reads, and a fault for whatever is not allowed.

The rule of docs/design/language.md §3 lives here: what is not listed is refused, at its own tag. A
template is a function of the names found here alone; what may be named at one place is its Scope,
and what a prompt may mention are its References.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from jinja2 import nodes

from pipeline.domain import EMPTY, MOST_LISTED
from pipeline.findings import did_you_mean, nearest, unseen_difference
from pipeline.manifest.templates.environment import (
    NOT_ALLOWED,
    MentionFault,
    ParsedTemplate,
    Tag,
)
from pipeline.manifest.templates.filters import FILTERS

MAX_NODES = 2_000
MAX_LEVELS = 40
SCALAR: frozenset[str] = frozenset()
"""A name that has nothing under it."""
RESERVED = frozenset({"first", "last", "video"})
"""Names of references that always mean the frames and the video."""

# How providers number references in their prompts (docs/design/providers.md §2.2, §2.3, §8.1).
FOREIGN = re.compile(
    r"<<<\s*(?P<kind>[A-Za-z]+)_?(?P<number>\d*)\s*>>>"
    r"|(?<![\w@])@(?P<kind2>image|img|video|element)_?(?P<number2>\d+)(?![\w-])",
    re.IGNORECASE,
)

# Everything that is on neither list is refused: what Jinja adds one day is not allowed by itself.
_TAGS = frozenset({"", "if", "elif", "else", "endif", "for", "endfor"})
_HARMLESS = (
    nodes.Template,
    nodes.TemplateData,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Neg,
    nodes.Div,
    nodes.List,
    nodes.Tuple,
    nodes.Keyword,
    nodes.Pair,
)
_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Mul: "'*'",
    nodes.Pow: "'**'",
    nodes.Mod: "'%'",
    nodes.FloorDiv: "'//'",
    nodes.Pos: "a leading '+'",
    nodes.Slice: "a slice",
    nodes.Dict: "a map",
    nodes.Test: "'is'",
    nodes.NSRef: "'namespace'",
}
_TO_A_COLUMN = "put the result into a column of the table"
_HINTS: Mapping[type[nodes.Node] | str, str] = {
    nodes.Test: "compare instead, as in `x == 'y'`; `if refs.name` asks for a reference",
    **dict.fromkeys((nodes.Mul, nodes.Pow, nodes.Mod, nodes.FloorDiv), _TO_A_COLUMN),
    nodes.Slice: "write first, last or words(10)",
    nodes.Dict: "put the values under `vars`, or into columns of the table",
    "set": "put the value under `vars`, or into a column of the table",
}
NO_CALL = "only ref() can be called; a filter such as `| upper` does the rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names of one place: each with the names under it, or None where they are not known.

    `Scope(names={"take": SCALAR, "vars": frozenset({"season"}), "row": None})` has `take`,
    `vars.season`, and anything under `row`.
    """

    names: Mapping[str, frozenset[str] | None]
    elsewhere: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Names that exist, but not here, with the reason."""
    rows: frozenset[str] = frozenset()
    """Names that stand for a table's row."""
    any_row: bool = False
    """Which table's row it is cannot be known, so that any name may be the row's."""

    def hint(self, root: str, name: str = "") -> str | None:
        """Return None where a name is known, else what to write instead."""
        if root not in self.names:
            if self.any_row and root not in self.elsewhere:
                return None
            column = self.find(root)
            meant = f"did you mean '{column}'?" if column else self._column_hint(root)
            return self.elsewhere.get(root) or meant
        known = self.names[root]
        if not name or known is None or name in known:
            return None
        close = "" if unseen_difference(name, known) else nearest(name, known)
        if close:
            written = f"{root}.{close}" if close.isidentifier() else f"{root}['{close}']"
            return f"did you mean '{written}'?"
        return did_you_mean(name, known) or f"'{root}' has nothing under it"

    def find(self, word: str) -> str:
        """Return how a template names a column, value or axis of this name, whatever its case.

        Of `NAME` it is `product.name` where the rows called `product` have such a column.
        """
        for root in (*sorted(self.rows, key=lambda name: name == "row"), "vars", "variant"):
            for name in sorted(self.names.get(root) or ()):
                if name.casefold() == word.casefold() and name != "rows":
                    return f"{root}.{name}" if name.isidentifier() else f"{root}['{name}']"
        return ""

    def _column_hint(self, name: str) -> str:
        """Return how a column is written of which only the name is given, else the near names."""
        row = max(self.rows, key=lambda each: each != "row", default="")
        columns = self.names.get(row, frozenset())
        if row and columns is None:
            return f"{did_you_mean(name, self.names)}; a column is written {row}.{name}"
        close = nearest(name, columns or ())
        if close:
            return f"did you mean '{row}.{close}'?" if close.isidentifier() else f"{row}['{close}']"
        return did_you_mean(name, self.names)

    def extend(self, **names: frozenset[str] | None) -> Scope:
        """Return the scope with further names."""
        return replace(self, names={**self.names, **names})


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The names that one shot's prompt may mention with `@`."""

    names: frozenset[str] = frozenset()
    """Plain names that are clear, and all names with their bundle in front."""
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY)
    """Plain names that several bundles have, with the names that tell them apart."""
    lists: frozenset[str] = frozenset()
    """Names of images that are given as a list: `view` is mentioned as `view_1`, …"""
    images: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Names of bundles that the shot does not use, with the bundle."""
    complete: bool = True
    """False where a bundle could not be read, so that any name may be right."""

    def names_under_refs(self) -> frozenset[str] | None:
        """Return the names under `refs` in a template; None where they cannot be known."""
        if not self.complete:
            return None
        numbered = {f"{name}_{n}" for name in self.lists for n in range(1, MOST_LISTED + 1)}
        return self.names | self.lists | numbered

    def fault(self, name: str) -> MentionFault | None:
        """Return None for a name that can be mentioned, else slug, message and hint."""
        stem, _, number = name.rpartition("_")
        listed = stem in self.lists and number.isdecimal() and not number.startswith("0")
        if name in self.names or not self.complete or listed:
            return None
        if name in self.shared:
            clear = " or ".join(f"@{each}" for each in self.shared[name])
            message = f"'@{name}' is in more than one bundle"
            return "ambiguous-reference", message, f"write {clear}"
        if name in self.lists:
            return "unknown-reference", f"'@{name}' is a list of images", f"write @{name}_1"
        foreign = FOREIGN.fullmatch(f"@{name}")
        if foreign:
            return self.foreign(foreign)
        bundle, dot, _ = name.partition(".")
        if name in self.unused:
            hint = f"it is in the bundle '{self.unused[name]}': use: [{self.unused[name]}]"
        elif dot and bundle in self.names:
            hint = "put a space after the full stop"
        elif close := nearest(name, self.names):
            hint = f"did you mean '@{close}'?"
        else:
            marked = (f"@{each}" for each in self.names)
            hint = did_you_mean(name, marked) or "'@@' is a plain '@'"
        return "unknown-reference", f"there is no reference '@{name}'", hint

    def foreign(self, found: re.Match[str]) -> MentionFault:
        """Return slug, message and hint for a token in a provider's own syntax."""
        kind = (found["kind"] or found["kind2"]).casefold()
        number = int((found["number"] or found["number2"] or "1")[:6])
        named = self.elements if kind == "element" else self.images
        name = "@ and the name of the reference"
        if kind == "video":
            name = "@video"
        elif 1 <= number <= len(named):
            name = f"@{named[number - 1]}"
        message = f"'{found[0]}' is one provider's way to name a reference"
        return "foreign-token", message, f"write {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLint:
    """What a template reads, and what is wrong with it."""

    names: frozenset[str]
    faults: tuple[LintFault, ...]
    mentions: tuple[tuple[str, int], ...]
    """Constant names given to ref(), with their offsets."""
    computed: bool
    """It has mentions that are only known when it is rendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFault:
    """What is wrong in a template, by offset and length."""

    slug: str
    message: str
    offset: int
    length: int
    hint: str = ""


def lint_template(parsed: ParsedTemplate, scope: Scope, *, prompt: bool = False) -> TemplateLint:
    """Return what a template reads and every fault in it; `ref` and `refs` are for prompts."""
    linter = _Linter(parsed=parsed, scope=scope, prompt=prompt)
    for tag in parsed.tags:
        if tag.word not in _TAGS and not tag.word.startswith("end"):
            hint = _HINTS.get(tag.word, "")
            linter.tag = replace(tag, text=tag.word)
            linter.refuse(f"'{tag.word}' {NOT_ALLOWED}", hint=hint)
    linter.visit(parsed.tree, 0)
    return TemplateLint(
        names=frozenset(linter.names),
        faults=tuple(linter.faults),
        mentions=tuple(linter.mentions),
        computed=linter.computed,
    )


@dataclass(slots=True, kw_only=True)
class _Linter:
    parsed: ParsedTemplate
    scope: Scope
    prompt: bool
    names: set[str] = field(default_factory=set)
    faults: list[LintFault] = field(default_factory=list)
    mentions: list[tuple[str, int]] = field(default_factory=list)
    computed: bool = False
    tag: Tag = field(default_factory=lambda: Tag(word="", start=0, text=""))
    """The tag that is looked at."""
    _local: Mapping[str, frozenset[str] | None] = field(default_factory=lambda: EMPTY)
    """The variable of the loop around, with the names under it."""
    _standing: set[int] = field(default_factory=set)
    """Expressions that stand alone in an output: only there may a mention be made."""
    _seen: int = 0

    def visit(self, node: nodes.Node, level: int) -> None:
        self._seen += 1
        if level > MAX_LEVELS or self._seen > MAX_NODES:
            if not any(fault.slug == "too-large" for fault in self.faults):
                self._fault("too-large", "the template is too long or nested too deeply")
            return
        index = self.parsed.tag_of.get(id(node))
        if index is not None:
            self.tag = self.parsed.tags[index]
        special = _SPECIAL.get(type(node))
        if special is not None:
            special(self, node, level + 1)
        elif isinstance(node, _HARMLESS):
            self._visit_all(node.iter_child_nodes(), level + 1)
        # A statement that is on neither list has been refused by its tag.
        elif isinstance(node, nodes.Expr):
            word = _WORDS.get(type(node), f"'{type(node).__name__.lower()}'")
            self.refuse(f"{word} {NOT_ALLOWED}", hint=_HINTS.get(type(node), ""))
            # A forbidden operator does not hide a misspelt name beside it.
            self._visit_all(node.iter_child_nodes(), level + 1)

    def _visit_all(self, found: Iterator[nodes.Node] | list[Any], level: int) -> None:
        for child in found:
            self.visit(child, level)

    def refuse(self, message: str, pattern: str = "(.*)", hint: str = "") -> None:
        self._fault("forbidden-template", message, pattern, hint)

    def _fault(self, slug: str, message: str, pattern: str = "(.*)", hint: str = "") -> None:
        offset, length = self.tag.find(pattern)
        fault = LintFault(slug=slug, message=message, offset=offset, length=length, hint=hint)
        self.faults.append(fault)

    def name(self, node: nodes.Name, level: int) -> None:  # noqa: ARG002 - one shape for all
        self._read(node.name, "")

    def constant(self, node: nodes.Const, level: int) -> None:  # noqa: ARG002 - the same
        # `1e999` is read as infinity, which no JSON can hold.
        if isinstance(node.value, float) and not isfinite(node.value):
            self._fault("template-syntax", "a number in the template is too large")

    def attribute(self, node: nodes.Getattr | nodes.Getitem, level: int) -> None:
        key = None
        if isinstance(node, nodes.Getattr):
            key = node.attr
        elif not isinstance(node.arg, nodes.Const) or not isinstance(node.arg.value, str | int):
            self.visit(node.arg, level)
        elif isinstance(node.arg.value, str):
            key = node.arg.value
        if isinstance(node.node, nodes.Name) and key is not None:
            self._read(node.node.name, key)
        else:
            self.visit(node.node, level)

    def _read(self, name: str, key: str) -> None:
        """Note a name that is read, or say that it is not known here."""
        # A loop's variable is no name that the template reads from outside.
        if name in self._local:
            known = self._local[name]
            if key and known is not None and key not in known:
                self._report_unknown(name, key, did_you_mean(key, known))
            return
        self.names.add(f"{name}.{key}" if key else name)
        # A root that is not known is told alone: what stands under it cannot be judged.
        unknown = self.scope.hint(name)
        if unknown is not None:
            self._report_unknown(name, "", unknown)
            return
        unknown = self.scope.hint(name, key)
        if unknown is not None:
            self._report_unknown(name, key, unknown)

    def _report_unknown(self, name: str, key: str, hint: str) -> None:
        pattern = rf"(?<![\w.'\"])({re.escape(name)})\b"
        if key:
            before = rf"(?<![\w.]){re.escape(name)}" if name else ""
            pattern = rf"{before}(?:\s*\.\s*|\s*\[\s*['\"]|['\"])({re.escape(key)})(?!\w)"
        written = f"{name}.{key}" if name and key else name or key
        self._fault("undefined-name", f"'{written}' is not known", pattern, hint)

    def filter(self, node: nodes.Filter, level: int) -> None:
        known = (*FILTERS, "refs")
        here = rf"\|\s*({node.name})\b"
        if node.name not in known:
            hint = did_you_mean(node.name, known)
            self.refuse(f"there is no filter '{node.name}'", here, hint)
        elif node.name == "refs":
            self.computed = True
            self._check_mention(node, "the filter 'refs'", here)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self.refuse(f"'*' {NOT_ALLOWED}", here)
            return
        match node.node:
            # `default` may stand after a name that is not there, but for a column, which always is.
            case nodes.Getattr(node=nodes.Name(name=root), attr=key) if (
                node.name == "default" and root in self.scope.names and root not in self.scope.rows
            ):
                self.names.add(f"{root}.{key}")
            case nodes.Expr() as inner:
                self.visit(inner, level)
        columns = self._row_columns(node.node) if node.name == "map" else None
        for option in node.kwargs:
            if columns is None or option.key != "attribute":
                continue
            if isinstance(option.value, nodes.Const) and option.value.value not in columns:
                attribute = str(option.value.value)
                self._report_unknown("", attribute, did_you_mean(attribute, columns))
        self._visit_all([*node.args, *node.kwargs], level)

    def _row_columns(self, node: nodes.Node | None) -> frozenset[str] | None:
        match node:
            case nodes.Getattr(node=nodes.Name(name=name), attr="rows") if name in self.scope.rows:
                return self.scope.names[name]
        return None

    def loop(self, node: nodes.For, level: int) -> None:
        if self._local:
            self.refuse(f"a 'for' inside a 'for' {NOT_ALLOWED}")
            return
        if node.recursive or not isinstance(node.target, nodes.Name):
            self.refuse("a 'for' has one variable and is not recursive")
            return
        self.visit(node.iter, level)
        # The variable hides a name of the scope inside the loop, and not behind it.
        self._local = {node.target.name: self._row_columns(node.iter)}
        self._visit_all([*([node.test] if node.test else []), *node.body], level)
        self._local = EMPTY
        self._visit_all(node.else_, level)

    def call(self, node: nodes.Call, level: int) -> None:
        is_ref = isinstance(node.node, nodes.Name) and node.node.name == "ref"
        simple = len(node.args) == 1 and not node.kwargs and not (node.dyn_args or node.dyn_kwargs)
        # What is called and with what is looked through all the same: one pass finds every fault.
        if not is_ref or not simple:
            self.refuse(f"a call {NOT_ALLOWED}", hint=NO_CALL)
            callee = [] if isinstance(node.node, nodes.Name) else [*node.node.iter_child_nodes()]
            self._visit_all([*callee, *node.args], level)
            return
        self._check_mention(node, "ref()", r"\b(ref)\s*\(")
        argument = node.args[0]
        if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
            offset, _ = self.tag.find(rf"(['\"]{re.escape(argument.value)}['\"])")
            self.mentions.append((argument.value, offset))
            return
        self.computed = True
        self.visit(argument, level)

    def output(self, node: nodes.Output, level: int) -> None:
        for child in node.nodes:
            alone: list[nodes.Node | None] = [child]
            while alone:
                each = alone.pop()
                # Either side of an inline `if` is written as it stands, so it may be a mention.
                if isinstance(each, nodes.CondExpr):
                    alone += [each.expr1, each.expr2]
                else:
                    self._standing.add(id(each))
            self.visit(child, level)

    def _check_mention(self, node: nodes.Expr, what: str, here: str) -> None:
        if not self.prompt:
            self.refuse(f"{what} is only for prompts", here)
        elif id(node) not in self._standing:
            self.refuse(f"{what} must be the last thing inside '{{{{ … }}}}'", here)


_SPECIAL: Mapping[type[nodes.Node], Callable[[_Linter, Any, int], None]] = {
    nodes.Name: _Linter.name,
    nodes.Const: _Linter.constant,
    nodes.Getattr: _Linter.attribute,
    nodes.Getitem: _Linter.attribute,
    nodes.Filter: _Linter.filter,
    nodes.For: _Linter.loop,
    nodes.Call: _Linter.call,
    nodes.Output: _Linter.output,
}
