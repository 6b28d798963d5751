"""Folders with a manifest that wants to hang the reader, or to fill the machine's memory.

Each comes with the slug of the finding that refuses it. Large files are sparse, or made here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

Build = Callable[[Path], None]

_SHOT = "shots: [{id: s, prompt: A cup turns.}]\n"
_HEAD = "callsheet: 1\nname: x\n"
_HUGE = 10**9


def _written(text: str | bytes, name: str = "m.yaml") -> Build:
    data = text.encode() if isinstance(text, str) else text

    def build(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return build


def _both(*builds: Build) -> Build:
    def build(folder: Path) -> None:
        for each in builds:
            each(folder)

    return build


def _vars(text: str) -> Build:
    return _written(f"{_HEAD}{_SHOT}vars: {text}\n")


def _axes(count: int, more: str = "") -> Build:
    axes = ", ".join(f"a{axis}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for axis in range(count))
    variants = f"{{matrix: {{{axes}}}{more}}}"
    return _written(f"{_HEAD}shots: [{{id: s, prompt: A cup., variants: {variants}}}]\n")


def _prompt(text: str) -> Build:
    return _written(f"{_HEAD}shots: [{{id: s, prompt: {json.dumps(text)}}}]\n")


def _table(content: Build, prompt: str = "A {{ row.a }} cup.", **more: str) -> Build:
    spec = json.dumps({"file": "t.csv", "key": "k", **more})
    shot = json.dumps({"id": "s", "for": "t", "prompt": prompt})
    return _both(_written(f"{_HEAD}tables: {{t: {spec}}}\nshots: [{shot}]\n"), content)


def _csv(text: str) -> Build:
    return _written(text, "t.csv")


def _media(content: Build, references: str = "images: {i: i.png}", name: str = "i") -> Build:
    shot = f"{{id: s, prompt: '@{name} turns.', aspect_ratio: auto, references: {{{references}}}}}"
    return _both(_written(f"{_HEAD}shots: [{shot}]\n"), content)


def _base(content: Build) -> Build:
    return _both(_written(f"{_HEAD}extends: b.yaml\n{_SHOT}"), content)


def _sparse(name: str, size: int, head: bytes = b"") -> Build:
    def build(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.write(head)
            file.truncate(size)

    return build


def _pipe(name: str) -> Build:
    return lambda folder: os.mkfifo(folder / name)


def _folder(name: str) -> Build:
    return lambda folder: (folder / name).mkdir()


def _link(name: str, target: str) -> Build:
    return lambda folder: (folder / name).symlink_to(target)


def _laughs(opening: str, entry: str, closing: str) -> str:
    """Return nine levels of aliases, each ten times the one before."""
    lines = [f"\n  a0: &a0 {opening}{entry.format(key=0, value='ha')}{closing}"]
    for level in range(1, 10):
        entries = ", ".join(entry.format(key=n, value=f"*a{level - 1}") for n in range(10))
        lines.append(f"  a{level}: &a{level} {opening}{entries}{closing}")
    return "\n".join(lines)


def _fan(folder: Path) -> None:
    """Write twenty-five bases, each of which names the next one twice: 33 million ways."""
    _written(f"{_HEAD}extends: [b0.yaml]\n{_SHOT}")(folder)
    for level in range(25):
        both = f"extends: [b{level + 1}.yaml, ./b{level + 1}.yaml]\n"
        _written(both, f"b{level}.yaml")(folder)
    _written("vars: {a: b}\n", "b25.yaml")(folder)


def _chained(filters: str, count: int) -> str:
    return f"{{{{ 'x'{filters * count} }}}}"


_SAME = " ~ ".join(["row.a"] * 900)
_LOOP = "{% for r in row.rows %}{% if CONDITION %}a{% endif %}{% endfor %}A cup."
_MAPPED = "row.rows | map(attribute='a') | map('upper') | join == 'x'"
_MANY_LINES = "k,a\n" + "1,y\n" * 9_999
_LONG_CELL = "k,a\n1," + "\N{GRINNING FACE}" * 130_000 + "\n"
_VIDEO = "video: {file: v.mp4, role: guide}"
_MP4 = b"\x00\x00\x00\x18ftypmp42" + b"\0" * 12

CASES: Mapping[str, tuple[str, Build]] = MappingProxyType(
    {
        # What YAML can be made to do.
        "aliases": ("alias-bomb", _vars(_laughs("[", "{value}", "]"))),
        "aliased maps": ("alias-bomb", _vars(_laughs("{", "k{key}: {value}", "}"))),
        "deep flow": ("too-large", _vars("{a: " + "[" * 10**5 + "]" * 10**5 + "}")),
        "deep flow, never closed": ("too-large", _vars("{a: " + "{a: " * 10**5)),
        "deep block": ("too-large", _vars("".join(f"\n{' ' * n}a:" for n in range(1, 3000)))),
        "deep block of lists": ("too-large", _vars("\n  a:\n    " + "- " * 10**5 + "x")),
        "a scalar of 10 MB": ("too-large", _vars("{a: '" + "x" * 9_900_000 + "'}")),
        "a key of 10 MB": ("yaml-syntax", _vars("{? " + "x" * 9_900_000 + " : 1}")),
        "a manifest of 50 MB": ("too-large", _sparse("m.yaml", 50_000_000, _HEAD.encode())),
        "spaces behind a value": ("needs-quotes", _vars("\n  a: @x" + " " * 10**6 + "y")),
        "spaces in a list": ("needs-quotes", _vars("\n  a: [@x" + " " * 10**6 + "y]")),
        "10,000 unknown keys": (
            "unknown-key",
            _vars("{}\n" + "\n".join(f"a{n}: 1" for n in range(10_000))),
        ),
        # What templates can be made to do.
        "range": ("forbidden-template", _prompt("{% for i in range(10**9) %}x{% endfor %}")),
        "a product": ("forbidden-template", _prompt('{{ "x" * 10**9 }}')),
        "a tower": ("forbidden-template", _prompt("{{ 10**10**10 }}")),
        "center": ("forbidden-template", _prompt(f"{{{{ 'x' | center({_HUGE}) }}}}")),
        "replace": ("too-long", _prompt(_chained(f" | replace('x', '{'x' * 64}')", 20))),
        "join": ("too-long", _prompt(f"{{{{ {['x'] * 900} | join('{'y' * 5000}') }}}}")),
        "round": ("bad-template-value", _prompt(f"{{{{ 1 | round({_HUGE}) }}}}")),
        "a number without end": ("template-syntax", _prompt("{{ 1e999 }}")),
        "brackets": ("template-syntax", _prompt("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}")),
        "dots": ("too-large", _prompt("{{ vars" + ".a" * 9000 + " }}")),
        "filters": ("too-large", _prompt(_chained("|upper", 3000))),
        "a cell 900 times": ("too-long", _table(_csv(_LONG_CELL), f"{{{{ {_SAME} }}}}")),
        "a cell 900 times in a loop": (
            "too-long",
            _table(_csv(_MANY_LINES), _LOOP.replace("CONDITION", f"{_SAME} == ''"), group_by="k"),
        ),
        "a loop in a loop": (
            "too-long",
            _table(_csv(_MANY_LINES), _LOOP.replace("CONDITION", _MAPPED), group_by="k"),
        ),
        # Patterns over texts that are made to be gone through again and again.
        "spaces in a prompt": (
            "prompt-long",
            _table(_csv("k,a\n" + "".join(f'{n},"a\n{" " * 19_000}b"\n' for n in range(50)))),
        ),
        "tags": (
            "too-long",
            _table(
                _csv("k,a\n" + f"1,{'<' * 120_000}\n2,{'<a<!--' * 20_000}\n3,{'<a' * 60_000}\n"),
                "{{ row.a | plain | words(5) }}",
            ),
        ),
        "tokens": (
            "prompt-long",
            _table(_csv("k,a\n" + f"1,{'@a-' * 6_000}\n2,{'<<<' * 6_000}\n3,@a{'-' * 19_000}\n")),
        ),
        # More of everything.
        "cells without end": ("bad-value", _axes(9, f", max_cells: {_HUGE}")),
        "axes without end": ("too-many-cells", _axes(4_500)),
        # Files that extend each other.
        "a base that extends itself": (
            "extends-loop",
            _base(_written("extends: b.yaml\n", "b.yaml")),
        ),
        "bases by the million": ("too-large", _fan),
        "a base behind a loop of links": ("missing-file", _base(_link("b.yaml", "b.yaml"))),
        "a base that is a pipe": ("missing-file", _base(_pipe("b.yaml"))),
        "a base that is a device": ("path-escape", _base(_link("b.yaml", "/dev/zero"))),
        "a base that is a folder": ("missing-file", _base(_folder("b.yaml"))),
        # What is no file.
        "a manifest that is a pipe": ("missing-file", _pipe("m.yaml")),
        "a manifest that is a device": ("missing-file", _link("m.yaml", "/dev/zero")),
        "a manifest that is a folder": ("missing-file", _folder("m.yaml")),
        "a manifest behind a loop of links": ("missing-file", _link("m.yaml", "m.yaml")),
        "a table that is a pipe": ("missing-file", _table(_pipe("t.csv"))),
        "a table that is a device": ("path-escape", _table(_link("t.csv", "/dev/zero"))),
        "a table that is a folder": ("missing-file", _table(_folder("t.csv"))),
        "a table behind a loop of links": ("missing-file", _table(_link("t.csv", "t.csv"))),
        "an image that is a pipe": ("missing-file", _media(_pipe("i.png"))),
        "an image that is a device": ("path-escape", _media(_link("i.png", "/dev/zero"))),
        "an image that is a folder": ("missing-file", _media(_folder("i.png"))),
        "an image behind a loop of links": ("missing-file", _media(_link("i.png", "i.png"))),
        "a video that is a pipe": ("missing-file", _media(_pipe("v.mp4"), _VIDEO, "video")),
        # Files that are too large, or made of too many pieces.
        "an image of 5 GB": (
            "too-large",
            _media(_sparse("i.png", 5 * _HUGE, b"\x89PNG\r\n\x1a\n")),
        ),
        "a JPEG of nothing": ("damaged", _media(_sparse("i.png", 49_000_000, b"\xff\xd8\xff\xe0"))),
        "a video of 20 GB": (
            "too-large",
            _media(_sparse("v.mp4", 20 * _HUGE, _MP4), _VIDEO, "video"),
        ),
        "a video of two million boxes": (
            "damaged",
            _media(_written(_MP4 + b"\0\0\0\x08free" * 2_000_000, "v.mp4"), _VIDEO, "video"),
        ),
        "a table with a line of 200 MB": (
            "too-large",
            _table(_sparse("t.csv", 200_000_000, b"k,a\n1,")),
        ),
        "a table with a line of 20 MB": ("bad-csv", _table(_csv("k,a\n1," + "x" * 20_000_000))),
        "a table of 100,000 columns": (
            "too-large",
            _table(_csv(",".join(f"c{n}" for n in range(10**5)) + "\n" + ",".join("1" * 10**5))),
        ),
        "a table of nothing but lines": ("too-large", _table(_csv("k,a\n" + "\n" * 3_100_000))),
        "a table of short rows": ("ragged-row", _table(_csv("k,a\n" + "1\n" * 500_000))),
    }
)
