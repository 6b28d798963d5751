"""A table's map in the manifest → how its columns are read, and what is to be done with its rows.

A cell that is not plainly what its column wants is a fault, never a guess: `1,299` may be a
thousand or a little over one, and a wrong price in a prompt is a wrong clip. A name that no column
has is reported at its place and left out of what is to be done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from pipeline.domain import EMPTY
from pipeline.findings import Finding, Span, did_you_mean, nearest, unseen_difference
from pipeline.manifest.schema import coerce, setting_rules
from pipeline.manifest.schema_errors import either, quote
from pipeline.manifest.tables.csv_reader import Sheet
from pipeline.manifest.tables.table_rows import ROWS
from pipeline.manifest.templates.filters import ValueFault
from pipeline.web_addresses import (
    MAX_ADDRESS,
    UNENCRYPTED,
    count_addresses,
    is_address,
    is_unencrypted,
    is_web_address,
    wrapped_addresses,
)

_MAX_TAG = 64

SpanOf = Callable[..., Span]
"""Tells where a key of a table's map is written: `span_of("columns", "price")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellProblem:
    """Why a cell cannot be read as what its column wants."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """How the cells of a column are read."""

    read: Callable[[str], Any]
    """A cell's text without white space at its ends, not blank → its value, or a CellProblem."""
    blank: Any = None
    """What a blank cell stands for."""
    optional: bool = False


# All cells are text until `columns` gives them a type: so 00123 stays what it is.
UNTYPED = ColumnType(read=str, blank="", optional=True)


def column_type(written: Any) -> ColumnType:
    """Return how a column is read, from `number`, `number?` or the long form."""
    # `number?` is short for `{type: number, optional: true}`.
    if isinstance(written, str):
        written = {"type": written.removesuffix("?"), "optional": written.endswith("?")}
    optional = bool(written.get("optional", False))
    if "enum" in written:
        read = partial(_word, words=tuple(map(str, written["enum"])))
        return ColumnType(read=read, blank="", optional=optional)
    name = written.get("list") or written["type"]
    read_one, blank = _TYPES[name]
    if name in {"number", "integer"}:
        read_one = partial(read_one, decimal=written.get("decimal", "."))
    if "list" not in written:
        return ColumnType(read=read_one, blank=blank, optional=optional)
    separator = str(written.get("separator", ","))
    addresses = name in _OF_ADDRESSES

    def read_list(text: str) -> Any:
        # A name in an attachment cell may have the separator in it.
        parts = wrapped_addresses(text) if addresses else ()
        values = [read_one(part) for part in parts or map(str.strip, text.split(separator)) if part]
        return next((value for value in values if isinstance(value, CellProblem)), tuple(values))

    return ColumnType(read=read_list, blank=(), optional=optional)


_NOTHING = frozenset({"-", "--", "–", "?", "n/a", "na", "nan", "none", "null", "tbd"})
"""What people and programs write into a cell for want of a value."""
# English, German, French, Spanish and Italian; LibreOffice's `Err:502`; a column that was too
# narrow for its number.
_FAILED = re.compile(
    r"#(?:REF!|N/A|NAME\?|VALUE!|DIV/0!|NULL!|NUM!|SPILL!|CALC!|FIELD!|ERROR!|GETTING_DATA"
    r"|BLOCKED!|CONNECT!|UNKNOWN!|BUSY!|EXTERNAL!|BEZUG!|NV|WERT!|ZAHL!|ÜBERLAUF!|NOM\s?\?|VALEUR!"
    r"|NOMBRE\s?!|¿NOMBRE\?|¡REF!|¡VALOR!|¡NUM!|¡DIV/0!|¡NULO!|NOME\?|VALORE!|RIF!|N/D)"
    r"|Err:5[0-9]{2}|#{4,}",
    re.IGNORECASE,
)
FORMULA_HINT = "a formula failed in the spreadsheet: mend it there, and export the table again"


def is_formula_error(text: str) -> bool:
    """Tell whether a cell holds what a spreadsheet shows where a formula has failed."""
    return text.startswith(("#", "Err:")) and _FAILED.fullmatch(text) is not None


def has_formula_error(text: str) -> bool:
    """Tell whether a spreadsheet's error stands anywhere in a file: asked before its cells are."""
    return _FAILED.search(text) is not None


def _problem(text: str, wanted: str, hint: str = "") -> CellProblem:
    if is_formula_error(text):
        hint = FORMULA_HINT
    elif text.casefold() in _NOTHING:
        hint = hint or "leave the cell blank, and make the column optional"
    return CellProblem(message=f"{quote(text)} is not {wanted}", hint=hint)


_NUMBER = {
    ".": re.compile(r"([+-]?)([0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}(?=\.))(?:\.([0-9]{1,15}))?"),
    ",": re.compile(r"([+-]?)([0-9]{1,18}|[0-9]{1,3}(?:\.[0-9]{3}){1,5}(?=,))(?:,([0-9]{1,15}))?"),
}
_OTHER_SIGN = {".": ",", ",": "."}
_UNIT = r"(?:[$€£¥₹%]|[A-Z]{3}|[kK][gr]|[cm]m|[cm]l)"
_WITH_UNIT = re.compile(rf"(?:{_UNIT}\s?)?([+-]?[\d.,]+)(?:\s?{_UNIT})?")


def _number(text: str, *, decimal: str) -> Any:
    """Return a number with the digits it is written with: 79.90 stays 79.90."""
    found, other = _NUMBER[decimal].fullmatch(text), _OTHER_SIGN[decimal]
    if found:
        # Marks of thousands are only accepted where a decimal sign shows which is which.
        whole = found[2].replace(other, "")
        sign = "-" if found[1] == "-" else ""
        return Decimal(f"{sign}{whole}.{found[3]}" if found[3] else f"{sign}{whole}")
    hint, amount = "", _WITH_UNIT.fullmatch(text)
    if _NUMBER[other].fullmatch(text):
        hint = f"write {{type: number, decimal: '{other}'}} if that is its decimal sign"
    elif amount and any(form.fullmatch(amount[1]) for form in _NUMBER.values()):
        hint = "a number has no unit: take it out of the cells, or let the column be text"
    return _problem(text, "a number", hint)


def _integer(text: str, *, decimal: str) -> Any:
    number = _number(text, decimal=decimal)
    if isinstance(number, CellProblem) or number != number.to_integral_value():
        return _problem(text, "a whole number")
    return int(number)


# The words that spreadsheet programs and shops write, in English and German.
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "y", "1", "wahr", "ja"), True),
    **dict.fromkeys(("false", "no", "n", "0", "falsch", "nein"), False),
}


def _boolean(text: str) -> Any:
    value = _BOOLEANS.get(text.casefold())
    return _problem(text, "true or false") if value is None else value


_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_GERMAN_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


def _date(text: str) -> Any:
    """Return a date as YYYY-MM-DD: text, which templates can compare with a date they write."""
    iso, german = _DATE.fullmatch(text), _GERMAN_DATE.fullmatch(text)
    parts = iso.groups() if iso else german.groups()[::-1] if german else ()
    try:
        return date(*map(int, parts)).isoformat()
    except (TypeError, ValueError):
        return _problem(text, "a date", "write it as 2026-12-31")


_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:https?|file|data):", re.IGNORECASE)


def _single(text: str, kind: str) -> str | CellProblem:
    """Return the one address in a cell, without what wraps it, or else the text as it is."""
    wrapped = wrapped_addresses(text)
    count, separator = (len(wrapped), ",") if wrapped else count_addresses(text)
    if count > 1:
        return CellProblem(
            message=f"this cell holds {count} addresses",
            hint=f"write {{list: {kind}, separator: '{separator}'}}",
        )
    return wrapped[0] if wrapped else text


def _url(text: str) -> Any:
    found = _single(text, "url")
    if isinstance(found, CellProblem) or is_web_address(found):
        return found
    return _problem(text, "a web address", "a web address begins with https://")


def _file(text: str, *, kind: str) -> Any:
    found = _single(text, kind)
    if isinstance(found, CellProblem):
        return found
    wanted = f"{'an' if kind == 'image' else 'a'} {kind} file or a web address"
    # Also `data:` and `s3://`: taken for names of files they would be told as missing.
    if is_address(found) or _SCHEME.match(found):
        if is_unencrypted(found):
            return CellProblem(message="this address begins with http://", hint=UNENCRYPTED)
        return found if is_web_address(found) else _problem(text, wanted)
    return _problem(text, wanted) if _CONTROL.search(text) or len(text) > MAX_ADDRESS else text


def _word(text: str, *, words: tuple[str, ...]) -> Any:
    if text in words:
        return text
    close = nearest(text, words)
    meant = f"did you mean '{close}'?" if close else ""
    return _problem(text, either(words), unseen_difference(text, words) or meant)


_TYPES: Mapping[str, tuple[Callable[..., Any], Any]] = {
    "text": (str, ""),
    "number": (_number, None),
    "integer": (_integer, None),
    "boolean": (_boolean, None),
    "date": (_date, None),
    "url": (_url, ""),
    "image": (partial(_file, kind="image"), ""),
    "video": (partial(_file, kind="video"), ""),
}
_OF_ADDRESSES = frozenset({"url", "image", "video"})


def _setting(text: str, *, name: str) -> Any:
    """Return a cell as the setting it overrides wants it, by the setting's own rule."""
    try:
        return coerce(text, name, setting_rules()[name])
    except ValueFault as fault:
        return CellProblem(message=fault.message, hint=fault.hint)


# Brackets and quotes are signs of a selection: no `tag:` could name such a tag.
_TAG = re.compile(r'[^\[\]"]*')
_LISTED = re.compile(r"[^\s,]+")


def _tags(text: str) -> Any:
    tags = tuple(dict.fromkeys(_LISTED.findall(text)))
    bad = next((tag for tag in tags if not _TAG.fullmatch(tag) or len(tag) > _MAX_TAG), None)
    if bad is None:
        return tags
    return _problem(bad, "a tag", "a tag is a word without brackets and quotes")


def _providers(text: str) -> Any:
    names = tuple(_LISTED.findall(text))
    return names if len(names) > 1 else "".join(names)


# Their cells may always be blank.
STEERING: Mapping[str, ColumnType] = {
    "_duration": ColumnType(read=partial(_setting, name="duration"), optional=True),
    "_mode": ColumnType(read=partial(_setting, name="mode"), optional=True),
    "_provider": ColumnType(read=_providers, optional=True),
    "_skip": ColumnType(read=_boolean, optional=True),
    "_tags": ColumnType(read=_tags, optional=True),
    "_takes": ColumnType(read=partial(_setting, name="takes"), optional=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Another table whose columns are added where its rows match."""

    table: str
    on: str
    keep: bool
    """Rows without a match stay, with blank columns."""
    steps: tuple[str, ...]
    """Way to the join in the table's map, for places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """What the manifest wants of a table, as far as the table has the columns for it."""

    key: tuple[str, ...]
    """The columns that name a row; those alone that the table has."""
    group_by: tuple[str, ...]
    columns: tuple[str, ...]
    """The table's own columns, without those that steer."""
    types: Mapping[str, ColumnType] = field(default_factory=lambda: EMPTY)
    """The types of columns that have one, those that steer among them."""
    steering: tuple[str, ...] = ()
    fill_down: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    """The columns of one product's lines, among which blank cells are filled."""
    complete: bool = True
    """Whether it is known what a row is; if not, its columns still are."""

    def type_of(self, name: str) -> ColumnType:
        """Return how a column is read."""
        return self.types.get(name, UNTYPED)


def read_spec(
    spec: Mapping[str, Any], sheet: Sheet, span_of: SpanOf
) -> tuple[TableSpec, list[Finding]]:
    """Return what a table's map wants, and a finding for each column it names in vain."""
    names = tuple(name for name in sheet.columns if not name.startswith("_") and name != ROWS)
    steering = tuple(name for name in STEERING if name in sheet.columns)
    findings: list[Finding] = []
    for name in sheet.columns:
        # A name that means something else, or might one day.
        if name == ROWS:
            findings.append(
                Finding(
                    slug="reserved-column",
                    message="a column cannot be named 'rows': that is a row's own lines",
                    span=sheet.header(name),
                    hint="rename it",
                )
            )
        elif name.startswith("_") and name not in STEERING:
            findings.append(
                Finding(
                    slug="unknown-steering",
                    message=f"no column named {quote(name)} steers anything",
                    span=sheet.header(name),
                    hint=did_you_mean(name, STEERING),
                )
            )

    def has(name: str, *steps: str) -> bool:
        known = name in names or name in steering
        if not known:
            findings.append(unknown_column(name, names, span_of(*steps)))
        return known

    def those(written: Any, *steps: str) -> tuple[str, ...]:
        """Return the columns that a key names and the table has, be it one or a list."""
        if isinstance(written, str):
            return (written,) if has(written, *steps) else ()
        return tuple(name for n, name in enumerate(written) if has(name, *steps, str(n)))

    filling: Any = spec.get("fill_down", ())
    within: Any = filling["within"] if isinstance(filling, Mapping) else ()
    way = ("fill_down", "columns") if isinstance(filling, Mapping) else ("fill_down",)
    filling = filling["columns"] if isinstance(filling, Mapping) else filling
    types = {n: column_type(kind) for n, kind in spec.get("columns", {}).items()}
    before = len(findings)
    key, group_by = those(spec["key"], "key"), those(spec.get("group_by", ()), "group_by")
    complete = len(findings) == before
    found = TableSpec(
        key=key,
        group_by=group_by,
        complete=complete,
        within=those(within, "fill_down", "within"),
        columns=names,
        types={
            **{name: kind for name, kind in types.items() if has(name, "columns", name)},
            **{name: STEERING[name] for name in steering},
        },
        steering=steering,
        fill_down=those(filling, *way),
    )
    return found, findings


def read_joins(spec: Mapping[str, Any]) -> tuple[Join, ...]:
    """Return a table's joins in the order in which they are written."""
    written: Any = spec.get("join", ())
    single = isinstance(written, Mapping)
    return tuple(
        Join(
            table=join["table"],
            on=join["on"],
            keep=join.get("missing") == "keep",
            steps=("join",) if single else ("join", str(number)),
        )
        for number, join in enumerate([written] if single else written)
    )


def read_sorting(
    spec: Mapping[str, Any], columns: Sequence[str], span_of: SpanOf
) -> tuple[list[tuple[str, bool]], list[Finding]]:
    """Return the columns to sort by, each with whether downwards, and unknown ones' findings."""
    written: Any = spec.get("order_by", ())
    found: list[tuple[str, bool]] = []
    findings: list[Finding] = []
    for number, name in enumerate([written] if isinstance(written, str) else written):
        down = name.startswith("-") and name not in columns
        column = name[1:].strip() if down else name
        if column in columns:
            found.append((column, down))
        else:
            findings.append(unknown_column(column, columns, span_of("order_by", str(number))))
    return found, findings


def unknown_column(name: str, columns: Sequence[str], place: Span, *, table: str = "") -> Finding:
    """Return the finding for a column that a table, this or a named one, does not have."""
    return Finding(
        slug="unknown-column",
        message=f"the table{table and f' {quote(table)}'} has no column {quote(name)}",
        span=place,
        hint=did_you_mean(name, columns),
    )
