"""Records become junit.xml: one test case per item, so that any CI shows what is not done.

Failed and off-spec clips are failures, open outcomes are errors, what was not made is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from types import MappingProxyType

from pipeline.domain import Record
from pipeline.foreign_text import printable
from pipeline.report.advice import DONE, spoken
from pipeline.report.summary import Report, origin

_ELEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "failed": "failure",
        "off_spec": "failure",
        "in_doubt": "error",
        "overdue": "error",
        "submitting": "error",
        "waiting": "error",
        "fetching": "error",
    }
)
_SKIPPED = "skipped"


def to_junit(report: Report, records: Iterable[Record]) -> Iterator[str]:
    """Yield junit.xml line by line."""
    counts = {"failure": 0, "error": 0, _SKIPPED: 0}
    for state, items in report.counts:
        if state != DONE:
            counts[_ELEMENTS.get(state, _SKIPPED)] += items
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f"<testsuite name={_quoted(report.campaign)} tests={_quoted(report.items)}"
        f" failures={_quoted(counts['failure'])} errors={_quoted(counts['error'])}"
        f" skipped={_quoted(counts[_SKIPPED])}"
        f" timestamp={_quoted(report.made_at.isoformat(timespec='seconds'))}>\n"
    )
    for record in records:
        started, finished = record.submitted_at, record.finished_at
        seconds = "0"
        if started is not None and finished is not None:
            seconds = f"{(finished - started).total_seconds():.3f}"
        name, group = _quoted(record.address), _quoted(f"{record.campaign}.{record.shot}")
        head = f"  <testcase classname={group} name={name} time={_quoted(seconds)}"
        if record.state == DONE:
            yield f"{head}/>\n"
            continue
        element = _ELEMENTS.get(record.state, _SKIPPED)
        said = ": ".join(filter(None, (spoken(record.state), spoken(record.cause), record.message)))
        kind = "" if element == _SKIPPED else f" type={_quoted(record.cause or record.state)}"
        yield f"{head}>\n    <{element} message={_quoted(said)}{kind}>"
        yield f"{_text(origin(record))}</{element}>\n  </testcase>\n"
    yield "</testsuite>\n"


def _quoted(value: object) -> str:
    return f'"{_text(str(value))}"'


def _text(text: str) -> str:
    # Among what is not printable is all that XML 1.0 cannot hold (section 2.2).
    return escape(printable(text), quote=True)
