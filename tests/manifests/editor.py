"""A manifest as an editor sees it: one file, YAML 1.2, and the schema that its first line names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from pipeline.schemas import schema


class _Core(yaml.CSafeLoader):
    """Reads scalars by the core schema of YAML 1.2, and refuses a key given twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way


for _tag, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Core.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), list(_first)
    )


def _whole(loader: _Core, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)


def _map(loader: _Core, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    if any(keys.count(key) > 1 for key in keys):
        raise yaml.MarkedYAMLError(problem="a key is given twice")
    return {
        key: loader.construct_object(value, deep=True)
        for key, (_, value) in zip(keys, node.value, strict=True)
    }


_Core.add_constructor("tag:yaml.org,2002:int", _whole)
_Core.add_constructor("tag:yaml.org,2002:map", _map)


def complaints(manifest: Path) -> list[str]:
    """Return what an editor underlines in a manifest."""
    try:
        data = yaml.load(manifest.read_text("utf-8"), Loader=_Core)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, TypeError, ValueError) as error:
        return [str(error)]
    judge = Draft202012Validator(schema("manifest"))
    return [f"{error.json_path}: {error.message}"[:200] for error in judge.iter_errors(data)]
