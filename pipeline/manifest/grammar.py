"""What templates may be made of (manifest.md §4), and what the rest is called in findings."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import nodes

NO_CALL = "only ref() can be called; a filter such as `| upper` does the rest"
MAX_NODES = 2_000
MAX_LEVELS = 40

HARMLESS = (
    nodes.Template,
    nodes.Output,
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
WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Mul: "'*'",
    nodes.Pow: "'**'",
    nodes.Mod: "'%'",
    nodes.FloorDiv: "'//'",
    nodes.Pos: "a leading '+'",
    nodes.Slice: "a slice",
    nodes.Dict: "a map",
    nodes.Test: "'is'",
    nodes.Assign: "'set'",
    nodes.AssignBlock: "'set'",
    nodes.Macro: "'macro'",
    nodes.CallBlock: "'call'",
    nodes.FilterBlock: "'filter'",
    nodes.With: "'with'",
    nodes.Block: "'block'",
    nodes.Extends: "'extends'",
    nodes.Include: "'include'",
    nodes.Import: "'import'",
    nodes.FromImport: "'import'",
    nodes.ScopedEvalContextModifier: "'autoescape'",
    nodes.NSRef: "'namespace'",
}
HINTS: Mapping[type[nodes.Node], str] = {
    nodes.Test: "compare instead, as in `x == 'y'`; `if refs.name` asks for a reference",
    **dict.fromkeys(
        (nodes.Mul, nodes.Pow, nodes.Mod, nodes.FloorDiv),
        "put the result into a column of the table",
    ),
    nodes.Assign: "put the value under `vars`, or into a column of the table",
    nodes.Slice: "write first, last or words(10)",
    nodes.Dict: "put the values under `vars`, or into columns of the table",
}
