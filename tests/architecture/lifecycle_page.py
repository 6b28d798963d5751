"""docs/lifecycle.md, made from the tables in pipeline/domain/states.py."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.domain.states import (
    CRASHED,
    POLICY,
    TRANSIENT,
    TRANSITIONS,
    FaultKind,
    FaultPolicy,
    LaneAction,
    Phase,
)

_HEAD = """\
# The life of a job

<!-- Made from pipeline/domain/states.py. After a change there:
     pytest tests/architecture/test_lifecycle_page.py --rewrite-cases -->

Every move is a compare-and-set in the ledger, and no move off this table reaches it.
`staging` → `submitting` is the intent: only its winner may send, and from then on the money is
reserved.
"""
_RULINGS = """\
## What a fault means

What is done depends on what was being done. *Again* is a repeat that costs nothing, as often as
`policy: {retries: {requests: N}}` says (a poll: until the job's deadline); a paid request is never
repeated in place. After that the job moves as written. *Slower*: the provider's lane waits and does
less at once. *Lane stops*: nothing more is sent to this provider until a person acted.

What a fault of a submit leads to holds where the reply proves that nothing was accepted. Else the
job is `in_doubt`, whatever the fault.
"""
_LANE = {
    LaneAction.GO: "",
    LaneAction.SLOW: "; slower",
    LaneAction.STOP: "; lane stops",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *_diagram(), "", *_crashes(), "", _RULINGS, *_table(), "", *_free()])


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> planned"
    for before, moves in TRANSITIONS.items():
        for after, why in moves.items():
            # A colon or a semicolon would end the label.
            label = why.replace(": ", " – ").replace(";", ",")
            yield f"    {before} --> {after}: {label}"
        if not moves:
            yield f"    {before} --> [*]"
    yield "```"


def _crashes() -> Iterator[str]:
    yield "## After a crash"
    yield ""
    yield "Opening the ledger for work settles what a process left behind; nothing is sent by that."
    yield ""
    for before, after in CRASHED.items():
        yield f"- `{before}` becomes `{after}`"


def _table() -> Iterator[str]:
    yield "| fault | " + " | ".join(phase.value for phase in Phase) + " |"
    yield "| --- |" + " --- |" * len(Phase)
    for kind in FaultKind:
        cells = " | ".join(_ruled(POLICY[phase][kind]) for phase in Phase)
        yield f"| `{kind}` | {cells} |"


def _ruled(ruling: FaultPolicy) -> str:
    return f"{'again, then ' if ruling.again else ''}`{ruling.then}`{_LANE[ruling.lane]}"


def _free() -> Iterator[str]:
    kinds = ", ".join(f"`{kind}`" for kind in sorted(TRANSIENT))
    yield f"What failed for {kinds}"
    yield "and is known to have cost nothing is bought again: at most `policy: {purchases: N}`"
    yield "times over all runs."
    yield ""
