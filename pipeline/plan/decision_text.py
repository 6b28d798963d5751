"""The text of a decisions file → the decisions of each place, and back: one line per place.

A *place* is an item without its take. Only the line of the place that is decided changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.domain.review import (
    TakeDecision,
    merge_decisions,
    plain_decision,
    read_decision,
)
from pipeline.plan.address_lines import (
    LineFormat,
    format_line,
    parse_line,
    read_address_lines,
)

DECISIONS_FORMAT = LineFormat(
    name="decisions",
    slug="bad-decisions",
    about="what was decided of takes, a line per place. Written by `callsheet`; commit it.",
    restore="take the line from Git's history: only `callsheet` writes this file",
)

_MARK = "\ufeff"
"""Of the byte order, which an editor may have put before the text."""
PlaceDecisions = Mapping[str, Sequence[TakeDecision]]
"""The decisions of each place, by its address without a take; the oldest first."""


def read_decisions(text: str, file: str, advice: str = "") -> dict[str, tuple[TakeDecision, ...]]:
    """Return the decisions of each place; InvalidInput with all that is wrong in the text.

    `file` is its name in findings, `advice` what to do where two branches have met in it.
    """
    return read_address_lines(text, file, DECISIONS_FORMAT, _read, advice=advice)


def write_decisions(decisions: PlaceDecisions) -> str:
    """Return the text of a decisions file; its lines are sorted by address.

    write_decisions(read_decisions(text, "campaign.decisions.yaml")) == text
    """
    lines = (format_line(place, _plain(decisions[place])) for place in sorted(decisions))
    return "".join(f"{line}\n" for line in (DECISIONS_FORMAT.header, *lines))


def merge_places(*sides: PlaceDecisions) -> dict[str, tuple[TakeDecision, ...]]:
    """Return the decisions of all sides, place by place, each once."""
    places = {place for side in sides for place in side}
    return {place: merge_decisions(*(each.get(place, ()) for each in sides)) for place in places}


def splice_decisions(text: str, place: str, decisions: Sequence[TakeDecision]) -> str:
    """Return a text with the line of one place in it, every other byte as it was.

    A new line stands before the first one that sorts behind it, and ends as the first line does.
    """
    new = format_line(place, _plain(decisions))
    content = text.removeprefix(_MARK) or f"{DECISIONS_FORMAT.header}\n"
    # With their ends. Not `splitlines`: an address may hold what that takes for the end of a line.
    lines = re.findall(r"[^\n]*\n|[^\n]+", content)
    end = _end_of(lines[0]) or "\n"
    for number, line in enumerate(lines):
        parsed = parse_line(line)
        if parsed is None or parsed[0] < place:
            continue
        if parsed[0] == place:
            lines[number] = f"{new}{_end_of(line)}"
        else:
            lines.insert(number, f"{new}{end}")
        break
    else:
        # The last line may have been left without its end.
        lines += ["" if _end_of(lines[-1]) else end, f"{new}{end}"]
    return "".join((_MARK if text.startswith(_MARK) else "", *lines))


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _plain(decisions: Sequence[TakeDecision]) -> dict[str, Any]:
    return {"decisions": [plain_decision(each) for each in decisions]}


def _read(_: str, data: Mapping[str, Any]) -> tuple[TakeDecision, ...]:
    found = []
    for each in data["decisions"]:
        try:
            found.append(read_decision(each))
        except ValueError:
            message = f"there is no day as in {each['at']}"
            raise ValueError(message) from None
    return merge_decisions(found)
