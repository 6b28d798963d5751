"""The text of a lock file → clips by address, and back: one sorted line per item.

A line is `"address": {JSON}`: valid YAML, read quickly, and merged by Git line by line. The same
clips give the same bytes, whatever the machine. Git's conflict markers are read where two sides
are asked for (`split_conflicts`), and are a finding elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from pipeline.domain.lock import LockedClip, plain_locked, read_locked
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.schemas import schema

HEADER = (
    "# callsheet lock 1: what was paid for, a line per item. Written by `callsheet run`; commit it."
)
_VERSION = re.compile(r"# callsheet lock ([0-9]{1,9})\b")
_KNOWN_VERSION = 1
_CONFLICT = re.compile(r"(<{7}|\|{7}|={7}|>{7})(?: .*)?")
# What YAML takes for the end of a line, or does not take at all, is escaped as in JSON.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

Lock = Mapping[str, LockedClip]
"""The clips of a lock file by the address of their item."""


def write_lock(lock: Lock) -> str:
    """Return the text of a lock file; its lines are sorted by address.

    write_lock(read_lock(text, "campaign.lock.yaml")) == text
    """
    return "".join(f"{line}\n" for line in (HEADER, *(_line(lock[each]) for each in sorted(lock))))


def append_lines(text: str, clips: Iterable[LockedClip]) -> str:
    """Return a text with the lines of these clips after it; each line once."""
    begun = text or f"{HEADER}\n"
    # `lock prune` may have been interrupted behind this step, and writes the same lines again.
    known = {line for _, line in _lines(begun)}
    return begun + "".join(f"{line}\n" for line in map(_line, clips) if line not in known)


def read_lock(text: str, file: str, advice: str = "") -> dict[str, LockedClip]:
    """Return the clips of a lock file by address; InvalidInput with all that is wrong in it.

    `file` is its name in findings, `advice` what to do where two branches have met in it.
    """
    found: dict[str, tuple[int, Any]] = {}
    faults = []
    for number, line in _lines(text):
        # Asked first: what a newer version means by its lines is not for this one to judge.
        version = _VERSION.match(line)
        if version and int(version[1]) > _KNOWN_VERSION:
            message = "it was written by a newer Callsheet"
            faults.append(_fault(file, number, message, "update Callsheet, then run again"))
            break
        if line.startswith("#") or not line:
            continue
        if _CONFLICT.fullmatch(line):
            message = "two branches have met here, and Git left its marks"
            faults.append(_fault(file, number, message, advice))
            break
        read = _read_line(line)
        if read is None:
            faults.append(_fault(file, number, 'this is no line "address": {…}', _RESTORE))
        elif read[0] in found:
            message = f"{read[0]} stands in line {found[read[0]][0]} already"
            faults.append(_fault(file, number, message, advice))
        else:
            found[read[0]] = (number, read[1])
    # All or nothing: a line that was passed over would be a clip that is bought again.
    faults += _schema_faults({each: data for each, (_, data) in found.items()}, found, file)
    clips: dict[str, LockedClip] = {}
    for address, (number, data) in found.items() if not faults else ():
        try:
            clips[address] = read_locked(address, data)
        except ValueError:
            faults.append(_fault(file, number, f"there is no day as in {data['paid']}", _RESTORE))
    if faults:
        raise InvalidInput(faults, {file: text})
    return clips


def split_conflicts(text: str) -> tuple[str, str]:
    """Return the two sides of a text that Git could not merge; both are the text where it could.

    Of a conflict in the style `diff3` what both began with is left out.
    """
    ours: list[str] = []
    theirs: list[str] = []
    common = [ours, theirs]
    into = common
    for _, line in _lines(text):
        mark = _CONFLICT.fullmatch(line)
        if mark is None:
            for side in into:
                side.append(line)
        else:
            into = {"<": [ours], "|": [], "=": [theirs], ">": common}[mark[1][0]]
    return "\n".join(ours), "\n".join(theirs)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not `splitlines`: an address may hold what that takes for the end of a line.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        yield number, line.rstrip("\r")


def _line(clip: LockedClip) -> str:
    return f"{_json(clip.address)}: {_json(plain_locked(clip))}"


def _json(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _read_line(line: str) -> tuple[str, Any] | None:
    try:
        address, end = _DECODER.raw_decode(line)
        if isinstance(address, str) and line.startswith(": ", end):
            return address, json.loads(line[end + 2 :])
    except (ValueError, RecursionError):
        pass
    return None


def _schema_faults(
    data: Mapping[str, Any], lines: Mapping[str, tuple[int, Any]], file: str
) -> Iterator[Finding]:
    """Yield what does not fit the schema, each at its line."""
    validator = jsonschema_rs.validator_for(schema("lock"))
    if validator.is_valid(data):
        return
    for error in validator.iter_errors(data):
        address, *inside = map(str, error.instance_path)
        at = f" ({'.'.join(inside)})" if inside else ""
        message = f"what is said of {address} does not fit the schema{at}: {error.message}"
        yield _fault(file, lines[address][0], message, _RESTORE)


def _fault(file: str, line: int, message: str, hint: str) -> Finding:
    return Finding(slug="bad-lock", message=message, span=Span(file=file, line=line), hint=hint)


_DECODER = json.JSONDecoder()
_RESTORE = "take the line from Git's history: `callsheet run` writes this file, and no one else"
