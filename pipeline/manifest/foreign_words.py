"""Words that people bring from other tools → what they are called here.

The words are in `foreign_words.yaml`. Findings ask two things: what was meant by a key that a map
does not have, and by a value that its key does not take. An answer is the text to write, with its
key in front, or where the key belongs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from pipeline.schemas import schema

_NOTES = frozenset(
    {"note", "notes", "comment", "comments", "description", "todo", "author", "date"}
)
_HOMES: tuple[tuple[str, str], ...] = (
    ("settings", "a setting stands in a shot, or for every shot under `defaults`: defaults: {}"),
    ("bundle", "it stands in a bundle, or in a shot under `references`: references: {}"),
    ("variants", "it stands in a shot, under `variants`: variants: {}"),
    ("budget", "it stands at the margin, under `budget`: budget: {}"),
    ("policy", "it stands at the margin, under `policy`: policy: {}"),
    ("providerSettings", "it stands under `providers`, by provider: providers: {{runware: {}}}"),
    ("shot", "it stands in a shot, indented under its `- id:`"),
    ("", "it stands at the left margin of the manifest, outside of the shots"),
    ("table", "it stands in a table, under `tables`"),
)
"""Definitions of the schema, and where their keys stand; the manifest itself has no name."""

_ONE_ONLY: Mapping[str, str] = MappingProxyType(
    {
        "for": "a shot is for one table: write a shot for each, or `join` the tables into one",
    }
)
"""What to write instead of a list, by key."""
_SWITCHES: Mapping[str, bool] = MappingProxyType(
    {
        **dict.fromkeys(("yes", "on", "1", "true", "y"), True),
        **dict.fromkeys(("no", "off", "0", "false", "n"), False),
    }
)
_NUMBER = re.compile(r"[~≈]?\s*([0-9]+(?:\.[0-9]+)?)\s*[A-Za-z.]*")
_SUM = re.compile(
    r"(?:US)?\$?\s*(?:USD)?\s*([0-9]+)(?:[.,]([0-9]{1,2}))?\s*(?:US)?\$?(?:USD)?", re.IGNORECASE
)
_THOUSANDS = re.compile(r"\$?\s*([0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]+)?\s*(?:USD)?", re.IGNORECASE)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)")
_TIMES = {"s": "s", "sec": "s", "m": "m", "min": "m", "h": "h", "hr": "h", "hour": "h"}
_WORDS = re.compile(r"[^A-Za-z0-9_-]+")
_EXAMPLE_SHOWN = 110
_VALUE_SHOWN = 40


def flow(value: Any) -> str:
    """Return a value as YAML on one line: `{images: {hero: refs/a.png}}`."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
    )
    # PyYAML ends a document that is a bare scalar with `...`.
    return text.removesuffix("\n").removesuffix("\n...")


def advice_on_key(title: str, key: str, value: Any) -> str:
    """Return what was meant by a key that a map does not have; empty where nobody knows.

    `title` is the map's in the schema: `advice_on_key("a shot", "seed", 42)`.
    """
    folded = key.casefold().replace("-", "_").replace(" ", "_")
    # Before the words: a key that is a note is none of them misspelt.
    if folded.startswith(("_", "x_", "//", "#")) or folded in _NOTES:
        return "a note is a comment: write it behind a '#'"
    for advice in _data()["keys"].get(title, ()):
        if folded in advice["for"].split():
            return str(advice["say"])
    short = len(str(value)) <= _VALUE_SHOWN
    shown = flow({key: value}) if value is not None and short else f"{{{key}: …}}"
    homes = (where.format(shown) for name, where in _HOMES if key in _definition(name))
    # A profile is laid over the document and has its keys: a setting belongs one level down.
    if title == "a profile" and is_setting(key):
        return f"a profile sets it under `overrides`: overrides: {shown}"
    return _UNNAMED.get(title, "").format(shown) or next(homes, "")


_UNNAMED: Mapping[str, str] = MappingProxyType(
    {
        "a set of variants": "axes stand under 'matrix': variants: {{matrix: {}}}",
        "a bundle": "name it under images: images: {}",
    }
)
"""Maps in which an unknown key is a name that stands one level too high."""


@cache
def _data() -> Mapping[str, Any]:
    """Return the words, which are read where there is a fault only."""
    text = files("pipeline.manifest").joinpath("foreign_words.yaml").read_text("utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


def _translate(words: Mapping[str, str], word: str) -> str:
    """Return what a word of another tool is here; empty if it is none of the words."""
    return next((meant for meant, others in words.items() if word in others.split()), "")


def is_setting(key: str) -> bool:
    """Tell whether a key is a setting: `is_setting("takes")`."""
    return key in _definition("settings")


def _definition(name: str) -> Iterable[str]:
    whole = schema("manifest")
    found: Mapping[str, Any] = (whole["$defs"][name] if name else whole)["properties"]
    return found


def renamed_key(title: str, key: str) -> str:
    """Return the key that was meant by another tool's word for it; empty where there is none."""
    # Advice that is nothing but another name begins so, in the file of words as everywhere.
    found = re.match(r"did you mean '(\w+)'", advice_on_key(title, key, None))
    return found[1] if found else ""


def advice_on_value(key: str, rule: Mapping[str, Any], value: Any, *, alone: bool = False) -> str:
    """Return how to write a value that its key does not take; empty where nobody knows.

    `rule` is the schema of the form that was meant. `advice_on_value("duration", {"type":
    "integer"}, "5s")` is `write duration: 5`, and without its key where it stands `alone`, as in a
    cell or a list.
    """
    if isinstance(value, list) and len(value) > 1 and rule.get("type") != "array":
        if is_setting(key):
            return f"several are an axis: variants: {{matrix: {flow({key: value})}}}"
        return _ONE_ONLY.get(key, "")
    for reader in (_by_table, _by_type, _by_title):
        meant = reader(key, rule, value)
        if meant is not None:
            return f"write {flow(meant) if alone else flow({key: meant})[1:-1]}"
    return ""


def _by_table(key: str, rule: Mapping[str, Any], value: Any) -> Any:
    """Return what another tool's word is here."""
    word = str(value).strip().casefold()
    words = rule.get("enum", ())
    meant = _translate(_data()["values"].get(key, {}), word)
    if not meant and "text" in words:
        plain = word.removesuffix("?")
        meant = f"{_translate(_data()['types'], plain)}{word[len(plain) :]}"
    return meant if meant in words else None


def _by_type(key: str, rule: Mapping[str, Any], value: Any) -> Any:
    """Return the number, switch, list or single value that was put another way."""
    del key
    said = rule.get("type")
    # Of several that are allowed nobody knows which was meant.
    kind = said if isinstance(said, str) else ""
    if kind == "boolean":
        return _SWITCHES.get(str(value).casefold())
    if kind in {"integer", "number"} and isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        number = Decimal(found[1]) if found else None
        low, high = rule.get("minimum", 0), rule.get("maximum", number)
        # No advice that the next check would refuse.
        if number is None or not low <= number <= high:
            return None
        whole = number == number.to_integral_value()
        return int(number) if whole else float(number) if kind == "number" else None
    if kind == "array" and takes_texts(rule) and isinstance(value, str):
        listed = [each.strip() for each in value.split(",")]
        return listed if all(listed) else None
    if kind == "string" and isinstance(value, list) and len(value) == 1:
        return value[0] if isinstance(value[0], str) else None
    return None


def _by_title(key: str, rule: Mapping[str, Any], value: Any) -> str | None:
    """Return the text in the form that the title of its rule describes."""
    del key
    text, title = str(value).strip(), str(rule.get("title", ""))
    read = next((reader for start, reader in _READERS.items() if title.startswith(start)), None)
    if read is None or isinstance(value, list | dict | bool) or not text:
        return None
    meant = read(text)
    return meant if meant and re.search(str(rule.get("pattern", "")), meant) else None


def _amount(text: str) -> str:
    # First: three digits behind a comma are thousands, one or two are cents.
    thousands = _THOUSANDS.fullmatch(text)
    if thousands:
        return f"{thousands[1].replace(',', '')}{thousands[2] or ''} USD"
    found = _SUM.fullmatch(text)
    return f"{found[1]}{f'.{found[2]}' if found[2] else ''} USD" if found else ""


def _time(text: str) -> str:
    found = _SPAN.fullmatch(text)
    word = found[2].casefold() if found else ""
    unit = next((u for start, u in _TIMES.items() if word in {start, f"{start}s"}), "")
    unit = unit or {"second": "s", "minute": "m"}.get(word.removesuffix("s"), "")
    return f"{found[1]}{unit}" if found and unit else ""


def _name(text: str) -> str:
    """Return a text as a name, without accents; empty where letters of another script would go."""
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
    )
    foreign = any(sign.isalpha() and not sign.isascii() for sign in plain)
    return "" if foreign else _WORDS.sub("-", plain).strip("-_")


_READERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "an amount in US dollars": _amount,
        "a time such as": _time,
        "a name: lower case": lambda text: re.sub("[-_]+", "-", _name(text).lower()),
        "a name": _name,
        "a share": lambda text: f"{text}%",
    }
)


def takes_texts(rule: Mapping[str, Any]) -> bool:
    """Tell whether a list's entries are texts, or one of several scalars."""
    entry = rule.get("items", {})
    scalars = str(entry.get("$ref", "")).endswith(("/file", "/axisValue", "/scalar"))
    return entry.get("type") == "string" or "enum" in entry or scalars


def example_of(key: str, rule: Mapping[str, Any]) -> str:
    """Return the schema's own example for a key, as it is written: `such as for: products`."""
    for example in rule.get("examples", ()):
        text = flow({key: example})[1:-1]
        if len(text) <= _EXAMPLE_SHOWN:
            return f"such as {text}"
    return ""
