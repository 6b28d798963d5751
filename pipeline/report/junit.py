"""Records become junit.xml: one test case per item, so that any CI shows what is not done.

Failed and off-spec clips are failures, open outcomes are errors; what was not made, or is still
under way, is skipped and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from types import MappingProxyType

from pipeline.domain import Record
from pipeline.domain.states import State
from pipeline.foreign_text import printable
from pipeline.report.advice import DONE, in_words
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


def to_junit(report: Report, records: Iterable[Record]) -> Iterator[str]:
    """Yield junit.xml line by line."""
    # The format wants the sums before the cases, which are not held: they come from the report.
    counts = {"failure": 0, "error": 0, _SKIPPED: 0}
    for state, items in report.counts:
        if state != DONE:
            counts[_ELEMENTS.get(state, _SKIPPED)] += items
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f"<testsuite name={_attribute(report.campaign)} tests={_attribute(report.items)}"
        f" failures={_attribute(counts['failure'])} errors={_attribute(counts['error'])}"
        f" skipped={_attribute(counts[_SKIPPED])}"
        f" timestamp={_attribute(report.made_at.isoformat(timespec='seconds'))}>\n"
    )
    for record in records:
        started, finished = record.submitted_at, record.finished_at
        seconds = "0"
        if started is not None and finished is not None:
            seconds = f"{(finished - started).total_seconds():.3f}"
        name, group = _attribute(record.address), _attribute(f"{record.campaign}.{record.shot}")
        head = f"  <testcase classname={group} name={name} time={_attribute(seconds)}"
        if record.state == DONE:
            yield f"{head}/>\n"
            continue
        element = _ELEMENTS.get(record.state, _SKIPPED)
        said = ": ".join(
            filter(None, (in_words(record.state), in_words(record.cause), record.message))
        )
        kind = "" if element == _SKIPPED else f" type={_attribute(record.cause or record.state)}"
        yield f"{head}>\n    <{element} message={_attribute(said)}{kind}>"
        yield f"{_text(origin(record))}</{element}>\n  </testcase>\n"
    yield "</testsuite>\n"


def _attribute(value: object) -> str:
    return f'"{_text(str(value))}"'


def _text(text: str) -> str:
    # Among what is not printable is all that XML 1.0 cannot hold (section 2.2).
    return escape(printable(text), quote=True)
