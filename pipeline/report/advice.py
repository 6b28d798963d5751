"""What did not end well, in words a person can act on: a table of states and causes.

The words on the left are the ledger's own; a test holds them against the lifecycle and the fault
kinds. A cause that is missing here is shown by its own word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.domain.states import State

DONE = "done"
STATES = (
    State.DONE,
    State.OFF_SPEC,
    State.FAILED,
    State.IN_DOUBT,
    State.OVERDUE,
    State.HELD,
    State.ABANDONED,
    State.FETCHING,
    State.WAITING,
    State.SUBMITTING,
    State.STAGING,
    State.PLANNED,
)
"""All states, in the order in which a report tells them."""


MARKS: Mapping[str, str] = MappingProxyType(
    {
        State.DONE: "✓",
        State.OFF_SPEC: "△",
        State.FAILED: "✗",
        State.IN_DOUBT: "?",
        State.OVERDUE: "…",
        State.HELD: "‖",
    }
)
"""A sign for each state that needs one, so that colour is never alone in telling it."""
NO_MARK = "·"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a group of items has in common, and what to do about it.

    `options` are appended to the command that made the report; None: no command helps.
    `{limit}` in it becomes the budget that would be enough, `{cause}` the group's cause.
    """

    title: str
    todo: str
    options: str | None = None
    verb: str = "run"
    """The command that helps."""


_AGAIN = "run again: it goes on where it stopped, and buys nothing twice"
_BUY = "buy these again with"
_CHANGE = "change the prompt or the references; unchanged, it is bought again only with"

_FAILED: tuple[tuple[str, str, str], ...] = (
    ("rejected", "the provider says the request is wrong", _CHANGE),
    ("refused", "the provider's content policy refused it", _CHANGE),
    ("provider", "the provider failed after taking the task", _BUY),
    ("lost", "the provider no longer knows the task", _BUY),
    ("expired", "the clip's link died before it was fetched", _BUY),
    ("damaged", "the file that came does not play", _BUY),
)
"""Cause, title and what to do; each is bought again with `--retry` and its cause."""
_OVERDUE: tuple[tuple[str, str, str], ...] = (
    (
        "damaged",
        "what comes is cut or does not play; the clip is paid for",
        "fetch it again, or give it up with `--abandon ADDRESS`; it is not bought again",
    ),
    (
        "expired",
        "the link to the clip is dead or refused; the clip is paid for",
        "ask for another link, or give it up with `--abandon ADDRESS`",
    ),
    (
        "unavailable",
        "the clip could not be fetched; it is paid for",
        "fetch it again; it is not bought again",
    ),
)
"""Cause, title and what to do with `reconcile`."""
_HELD: tuple[tuple[str, str, str], ...] = (
    (
        "overcharged",
        "a clip cost more than was set aside: nothing more was bought in that run",
        "look at its price, then run again: what was charged last is set aside for the next",
    ),
    ("per_run", "the limit of one run is used up", "run again: each run has its limit anew"),
    ("per_row", "the limit of a row is used up", "raise budget.per_row, then run again"),
    ("per_item", "the limit of a clip is used up", "raise budget.per_item, then run again"),
    ("lane", "the provider was stopped", "settle its cause, then run again"),
    (
        "unauthorised",
        "the provider does not accept the key",
        "check the key in the environment, then run again",
    ),
    ("unpaid", "the account has no credit", "top it up, then run again"),
)
"""Cause, title and what to do before the next run."""

_ADVICE: Mapping[tuple[str, str], Advice] = MappingProxyType(
    {
        **{
            ("failed", cause): Advice(title=title, todo=todo, options="--retry {cause}")
            for cause, title, todo in _FAILED
        },
        **{
            ("overdue", cause): Advice(title=title, todo=todo, options="", verb="reconcile")
            for cause, title, todo in _OVERDUE
        },
        **{
            ("held", cause): Advice(title=title, todo=todo, options="")
            for cause, title, todo in _HELD
        },
        ("held", "budget"): Advice(
            title="the budget is used up",
            todo="raise the limit in the manifest, or for one run with",
            options="--max-cost {limit}",
        ),
        ("held", "price"): Advice(
            title="the first clip of this price has no known end, so what it costs is not known",
            todo="settle that clip, then run again",
            options="",
            verb="reconcile",
        ),
    }
)
_OF_STATE: Mapping[str, Advice] = MappingProxyType(
    {
        State.OFF_SPEC: Advice(
            title="the clip is not what was asked for; it was kept",
            todo="look at the clip: it is paid for and is not made again by itself",
        ),
        State.FAILED: Advice(title="failed", todo=_BUY, options="--retry {cause}"),
        State.IN_DOUBT: Advice(
            title="nobody knows whether the provider took it; its money stays reserved",
            todo="ask the provider again, or decide it",
            options="",
            verb="reconcile",
        ),
        State.OVERDUE: Advice(
            title="no clip before the deadline; its money stays reserved",
            todo="ask for it again; it is not bought again",
            options="",
            verb="reconcile",
        ),
        State.HELD: Advice(title="held back", todo=_AGAIN, options=""),
        State.ABANDONED: Advice(title="given up by a person's word", todo="nothing is to be done"),
        # Also of what a run has in hand at this moment: `status` may be asked beside it.
        State.FETCHING: Advice(title="made, its clip not yet fetched", todo=_AGAIN, options=""),
        State.WAITING: Advice(title="still being made by the provider", todo=_AGAIN, options=""),
        State.SUBMITTING: Advice(title="being sent, or cut off then", todo=_AGAIN, options=""),
        State.STAGING: Advice(title="begun, and not yet sent", todo=_AGAIN, options=""),
        State.PLANNED: Advice(title="not begun", todo=_AGAIN, options=""),
    }
)


def advice(state: str, cause: str) -> Advice:
    """Return what to say about items in this state for this cause."""
    known = _ADVICE.get((state, cause)) or _OF_STATE.get(state)
    return known or Advice(title=state.replace("_", " "), todo=_AGAIN, options="")


def place(state: str) -> int:
    """Return where a state stands in a report; unknown ones come last."""
    return STATES.index(state) if state in STATES else len(STATES)


def in_words(state: str) -> str:
    """Return a state as people say it."""
    return state.replace("_", " ")
