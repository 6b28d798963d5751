"""Records become junit.xml: one test case per item, so that any CI shows what is not done.

Failed, off-spec and rejected clips are failures, open outcomes are errors; what was not made, or is
still under way, is skipped and says why. Of a shot with `accept` each place is a case: approved
passes, one at which nothing goes on is a failure with what was rejected and why, one that waits or
is open is skipped with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from pipeline.domain import Record
from pipeline.domain.acceptance import PlaceState
from pipeline.domain.loop_places import LoopPlace
from pipeline.domain.states import LEFT_OPEN, State
from pipeline.foreign_text import printable
from pipeline.report.advice import DONE, in_words
from pipeline.report.outcomes import ClipOutcome, outcome_of
from pipeline.report.place_words import place_text, rejection_text
from pipeline.report.summary import Report, origin

_ELEMENTS: Mapping[str, str] = MappingProxyType(
    {
        State.FAILED: "failure",
        State.OFF_SPEC: "failure",
        State.IN_DOUBT: "error",
        State.OVERDUE: "error",
    }
)
_SKIPPED = "skipped"
_OF_PLACE: Mapping[PlaceState, str] = MappingProxyType(
    {
        PlaceState.APPROVED: "",
        PlaceState.STUCK: "failure",
        PlaceState.HALTED: "failure",
        PlaceState.WAITING: _SKIPPED,
        PlaceState.OPEN: _SKIPPED,
        PlaceState.SPARE: _SKIPPED,
    }
)
Case = tuple[str, str]
"""The element that tells why a case did not pass, empty where it did; and the case's text."""


def junit_head(report: Report, counts: Mapping[str, int]) -> str:
    """Return junit.xml until its cases; `counts` are those of items, by element."""
    counted = Counter(counts)
    counted.update(_place_element(place) for place in report.places)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuite name={_attribute(report.campaign)} tests={_attribute(counted.total())}"
        f" failures={_attribute(counted['failure'])} errors={_attribute(counted['error'])}"
        f" skipped={_attribute(counted[_SKIPPED])}"
        f" timestamp={_attribute(report.made_at.isoformat(timespec='seconds'))}>\n"
    )


def junit_end(report: Report) -> str:
    """Return the cases of places, which come last, and the end of junit.xml."""
    cases = []
    for place in report.places:
        element, group = _place_element(place), f"{report.campaign}.{place.shot}"
        said = place_text(place) if element else ""
        cases.append(_case(group, place.address, element, said=said, kind=place.state, text=said))
    return "".join([*cases, "</testsuite>\n"])


def junit_case(record: Record) -> Case:
    """Return the case of an item of a shot without `accept`: the others are told by place."""
    seconds = "0"
    if record.submitted_at is not None and record.finished_at is not None:
        seconds = f"{(record.finished_at - record.submitted_at).total_seconds():.3f}"
    outcome = outcome_of(record)
    element, said, kind = "", "", record.cause or record.state
    if outcome is ClipOutcome.REJECTED:
        element, said, kind = "failure", rejection_text(record.decisions), outcome
    elif record.state != DONE and outcome is not ClipOutcome.APPROVED:
        words = (in_words(record.state), in_words(record.cause), record.message)
        element, said = _ELEMENTS.get(record.state, _SKIPPED), ": ".join(filter(None, words))
    name, group = record.address, f"{record.campaign}.{record.shot}"
    where = origin(record) if element else ""
    return element, _case(group, name, element, said=said, kind=kind, text=where, seconds=seconds)


def _place_element(place: LoopPlace) -> str:
    unsettled = any(each.take.state in LEFT_OPEN for each in place.takes)
    return "error" if unsettled and place.state is PlaceState.OPEN else _OF_PLACE[place.state]


def _case(
    group: str,
    name: str,
    element: str,
    *,
    said: str,
    kind: str,
    text: str,
    seconds: str = "0",
) -> str:
    head = (
        f"  <testcase classname={_attribute(group)} name={_attribute(name)}"
        f" time={_attribute(seconds)}"
    )
    if not element:
        return f"{head}/>\n"
    sort = "" if element == _SKIPPED else f" type={_attribute(kind)}"
    return (
        f"{head}>\n    <{element} message={_attribute(said)}{sort}>{_text(text)}</{element}>\n"
        "  </testcase>\n"
    )


def _attribute(value: object) -> str:
    return f'"{_text(str(value))}"'


def _text(text: str) -> str:
    # Among what is not printable is all that XML 1.0 cannot hold (section 2.2).
    return escape(printable(text), quote=True)
