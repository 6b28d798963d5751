"""A file with one line for each address: `"address": {JSON}`, as lock and decisions files have it.

Valid YAML, read quickly, and merged by Git line by line. The same data give the same bytes,
whatever the machine. Git's conflict markers are read where two sides are asked for
(`split_conflicts`), and are a finding elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import jsonschema_rs

from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.schemas import schema

T = TypeVar("T")
_CONFLICT = re.compile(r"(<{7}|\|{7}|={7}|>{7})(?: .*)?")
# What YAML takes for the end of a line, or does not take at all, is escaped as in JSON.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """One kind of such files; version 1 of each is known."""

    name: str
    """Of its schema, and in its first line: `# callsheet lock 1`."""
    slug: str
    """The finding that tells what is wrong in such a file."""
    about: str
    """What the first line says of the file."""
    restore: str
    """What to do where a line of it is damaged."""

    @property
    def header(self) -> str:
        """The first line of such a file."""
        return f"# callsheet {self.name} 1: {self.about}"


def format_line(address: str, data: Mapping[str, Any]) -> str:
    """Return the line of an address, without the end of the line."""
    return f"{_json(address)}: {_json(data)}"


def number_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, from 1 on."""
    # Not `splitlines`: an address may hold what that takes for the end of a line.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        yield number, line.rstrip("\r")


def parse_line(line: str) -> tuple[str, Any] | None:
    """Return address and data of a line; None if it is no such line."""
    try:
        address, end = _DECODER.raw_decode(line)
        if isinstance(address, str) and line.startswith(": ", end):
            return address, json.loads(line[end + 2 :])
    except (ValueError, RecursionError):
        pass
    return None


def split_conflicts(text: str) -> tuple[str, str]:
    """Return the two sides of a text that Git could not merge; both are the text where it could.

    Of a conflict in the style `diff3` what both began with is left out.
    """
    ours: list[str] = []
    theirs: list[str] = []
    common = [ours, theirs]
    into = common
    for _, line in number_lines(text):
        mark = _CONFLICT.fullmatch(line)
        if mark is None:
            for side in into:
                side.append(line)
        else:
            into = {"<": [ours], "|": [], "=": [theirs], ">": common}[mark[1][0]]
    return "\n".join(ours), "\n".join(theirs)


def read_address_lines(
    text: str,
    file: str,
    form: LineFormat,
    read: Callable[[str, Any], T],
    *,
    advice: str = "",
) -> dict[str, T]:
    """Return what each line tells, by address; InvalidInput with all that is wrong in the text.

    `file` is its name in findings, `advice` what to do where two branches have met in it. `read`
    makes something of an address and its data, which fit the schema; its ValueError is told.
    """
    faults: list[Finding] = []

    def tell(line: int, message: str, hint: str = form.restore) -> None:
        span = Span(file=file, line=line)
        faults.append(Finding(slug=form.slug, message=message, span=span, hint=hint))

    found = _parse_lines(text, form, tell, advice)
    # All or nothing: a line that was passed over would be a clip that is bought again.
    data = {address: each for address, (_, each) in found.items()}
    for address, inside, error in _schema_errors(form, data):
        message = f"what is said of {address} does not fit the schema{inside}: {error}"
        tell(found[address][0], message)
    values: dict[str, T] = {}
    for address, (number, each) in found.items() if not faults else ():
        try:
            values[address] = read(address, each)
        except ValueError as error:
            tell(number, str(error))
    if faults:
        raise InvalidInput(faults, {file: text})
    return values


def _parse_lines(
    text: str, form: LineFormat, tell: Callable[..., None], advice: str
) -> dict[str, tuple[int, Any]]:
    """Return number and data of each address's line; `tell` is told of all others."""
    version = re.compile(rf"# callsheet {form.name} ([0-9]{{1,9}})\b")
    found: dict[str, tuple[int, Any]] = {}
    for number, line in number_lines(text):
        # Asked first: what a newer version means by its lines is not for this one to judge.
        told = version.match(line)
        if told and int(told[1]) > 1:
            tell(number, "it was written by a newer Callsheet", "update Callsheet, then run again")
            break
        if line.startswith("#") or not line:
            continue
        if _CONFLICT.fullmatch(line):
            tell(number, "two branches have met here, and Git left its marks", advice)
            break
        parsed = parse_line(line)
        if parsed is None:
            tell(number, 'this is no line "address": {…}')
        elif parsed[0] in found:
            message = f"{parsed[0]} stands in line {found[parsed[0]][0]} already"
            tell(number, message, advice)
        else:
            found[parsed[0]] = (number, parsed[1])
    return found


def _schema_errors(form: LineFormat, data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    validator = jsonschema_rs.validator_for(schema(form.name))
    if validator.is_valid(data):
        return
    for error in validator.iter_errors(data):
        address, *inside = map(str, error.instance_path)
        yield address, f" ({'.'.join(inside)})" if inside else "", error.message


def _json(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
