"""One name, one thing; what has an effect is a verb; no private metaphors."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest

from tests.architecture.source import PACKAGE, modules, nodes

PARTICIPLES = frozenset(
    [
        "begun",
        "bought",
        "built",
        "chosen",
        "done",
        "drawn",
        "frozen",
        "given",
        "gone",
        "held",
        "kept",
        "known",
        "left",
        "lost",
        "made",
        "meant",
        "paid",
        "said",
        "seen",
        "sent",
        "shown",
        "spoken",
        "stood",
        "taken",
        "thawed",
        "told",
        "written",
    ]
)
"""Irregular past participles; regular ones end in `-ed`."""
PRESENT = frozenset({"need", "feed", "seed", "embed", "exceed", "proceed", "speed", "shed"})
PARTICLES = frozenset(
    [
        "as",
        "at",
        "aside",
        "away",
        "back",
        "behind",
        "by",
        "for",
        "from",
        "in",
        "into",
        "of",
        "off",
        "on",
        "out",
        "over",
        "to",
        "under",
        "up",
        "with",
    ]
)
"""After a participle these make no noun of it: `used_up`, `bought_as`."""
METAPHORS = frozenset(
    [
        "books",
        "brake",
        "brief",
        "briefs",
        "costume",
        "desk",
        "detour",
        "detours",
        "doomed",
        "gate",
        "guest",
        "guests",
        "heed",
        "intake",
        "lay",
        "life",
        "means",
        "misfit",
        "parked",
        "reels",
        "shelf",
        "sieve",
        "studio",
        "thawed",
        "till",
        "wish",
        "wishes",
    ]
)
"""Private images of the first build (docs/decisions): a stranger cannot guess what they name."""


def _definitions() -> Iterator[tuple[str, str, ast.AST]]:
    """Yield module, name and node of every class and function."""
    for module in modules():
        place = str(module.relative_to(PACKAGE))
        for node in nodes(module):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield place, node.name, node


def _classes() -> Iterator[str]:
    homes: dict[str, set[str]] = defaultdict(set)
    for place, name, node in _definitions():
        if isinstance(node, ast.ClassDef):
            homes[name].add(place)
    yield from (f"class {name}" for name, places in homes.items() if len(places) > 1)


def _files() -> Iterator[str]:
    homes: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        place = module.relative_to(PACKAGE)
        # A folder has a file for each command, provider or dialect, and these have their parts.
        apart = place.parts[:2] in {("cli", "commands"), ("sandbox", "dialects")}
        if not apart and not module.stem.startswith("__"):
            homes[module.stem].add(str(place))
    yield from (f"file {name}" for name, places in homes.items() if len(places) > 1)


def _participles() -> Iterator[str]:
    for place, name, node in _definitions():
        if isinstance(node, ast.ClassDef) or any(
            "property" in ast.unparse(each)
            for each in node.decorator_list  # type: ignore[attr-defined]
        ):
            continue
        first, _, rest = name.strip("_").partition("_")
        is_participle = first in PARTICIPLES or (first.endswith("ed") and first not in PRESENT)
        # `finished_jobs` is a noun with its adjective; `told` and `written_off` are neither.
        if is_participle and (not rest or rest.partition("_")[0] in PARTICLES):
            yield f"participle {place.partition('/')[0]} {name}"


def _metaphors() -> Iterator[str]:
    names = [(place, name) for place, name, _ in _definitions()]
    names += [(str(m.relative_to(PACKAGE)), m.stem) for m in modules()]
    for place, name in names:
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).split("_")
        if METAPHORS & set(words):
            yield f"metaphor {place.partition('/')[0]} {name}"


RULES: tuple[Callable[[], Iterator[str]], ...] = (_classes, _files, _participles, _metaphors)


@pytest.mark.parametrize("find", RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_every_name_is_right(find: Callable[[], Iterator[str]]) -> None:
    """No class or file name twice, no participle and no metaphor."""
    assert [] == sorted(set(find()))
