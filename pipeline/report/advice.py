"""What did not end well, in words a person can act on: a table of states and causes.

The words on the left are the ledger's own; a test holds them against the lifecycle and the fault
kinds. A cause that is missing here is shown by its own word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DONE = "done"
STATES = (
    "done",
    "off_spec",
    "failed",
    "in_doubt",
    "overdue",
    "held",
    "abandoned",
    "fetching",
    "waiting",
    "submitting",
    "staging",
    "planned",
)
"""All states, in the order in which a report tells them."""


MARKS: Mapping[str, str] = MappingProxyType(
    {"done": "✓", "off_spec": "△", "failed": "✗", "in_doubt": "?", "overdue": "…", "held": "‖"}
)
"""A sign for each state that needs one, so that colour is never alone in telling it."""
NO_MARK = "·"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a group of items has in common, and what to do about it.

    `options` are appended to the command that made the report; None: no command helps.
    `{limit}` in it becomes the budget that would be enough.
    """

    title: str
    todo: str
    options: str | None = None
    verb: str = "run"
    """The command that helps."""


_AGAIN = "run again: it goes on where it stopped, and buys nothing twice"
_CHANGE = "change the prompt or the references; unchanged, it is bought again only with"

_ADVICE: Mapping[tuple[str, str], Advice] = MappingProxyType(
    {
        ("failed", "rejected"): Advice(
            title="the provider says the request is wrong", todo=_CHANGE, options="--retry rejected"
        ),
        ("failed", "refused"): Advice(
            title="the provider's content policy refused it",
            todo=_CHANGE,
            options="--retry refused",
        ),
        ("failed", "provider"): Advice(
            title="the provider failed after taking the task",
            todo="buy these again with",
            options="--retry provider",
        ),
        ("failed", "lost"): Advice(
            title="the provider no longer knows the task",
            todo="buy these again with",
            options="--retry lost",
        ),
        ("failed", "expired"): Advice(
            title="the clip's link died before it was fetched",
            todo="buy these again with",
            options="--retry expired",
        ),
        ("failed", "damaged"): Advice(
            title="the file that came does not play",
            todo="buy these again with",
            options="--retry damaged",
        ),
        ("overdue", "damaged"): Advice(
            title="what comes is cut or does not play; the clip is paid for",
            todo="fetch it again, or give it up with `--abandon ADDRESS`; it is not bought again",
            options="",
            verb="reconcile",
        ),
        ("overdue", "expired"): Advice(
            title="the link to the clip is dead or refused; the clip is paid for",
            todo="ask for another link, or give it up with `--abandon ADDRESS`",
            options="",
            verb="reconcile",
        ),
        ("overdue", "unavailable"): Advice(
            title="the clip could not be fetched; it is paid for",
            todo="fetch it again; it is not bought again",
            options="",
            verb="reconcile",
        ),
        ("held", "budget"): Advice(
            title="the budget is used up",
            todo="raise the limit in the manifest, or for one run with",
            options="--max-cost {limit}",
        ),
        ("held", "overcharged"): Advice(
            title="a clip cost more than was set aside: nothing more was bought in that run",
            todo="look at its price, then run again: the next one is reserved at what was charged",
            options="",
        ),
        ("held", "per_run"): Advice(
            title="the limit of one run is used up",
            todo="run again: each run has its limit anew",
            options="",
        ),
        ("held", "per_row"): Advice(
            title="the limit of a row is used up",
            todo="raise budget.per_row, then run again",
            options="",
        ),
        ("held", "per_item"): Advice(
            title="the limit of a clip is used up",
            todo="raise budget.per_item, then run again",
            options="",
        ),
        ("held", "price"): Advice(
            title="the first clip of this price has no known end, so what it costs is not known",
            todo="settle that clip, then run again",
            options="",
            verb="reconcile",
        ),
        ("held", "lane"): Advice(
            title="the provider was stopped", todo="settle its cause, then run again", options=""
        ),
        ("held", "unauthorised"): Advice(
            title="the provider does not accept the key",
            todo="check the key in the environment, then run again",
            options="",
        ),
        ("held", "unpaid"): Advice(
            title="the account has no credit", todo="top it up, then run again", options=""
        ),
    }
)
_OF_STATE: Mapping[str, Advice] = MappingProxyType(
    {
        "off_spec": Advice(
            title="the clip is not what was asked for; it was kept",
            todo="look at the clip: it is paid for and is not made again by itself",
        ),
        "failed": Advice(title="failed", todo="buy these again with", options="--retry {cause}"),
        "in_doubt": Advice(
            title="nobody knows whether the provider took it; its money stays reserved",
            todo="ask the provider again, or decide it",
            options="",
            verb="reconcile",
        ),
        "overdue": Advice(
            title="no clip before the deadline; its money stays reserved",
            todo="ask for it again; it is not bought again",
            options="",
            verb="reconcile",
        ),
        "held": Advice(title="held back", todo=_AGAIN, options=""),
        "abandoned": Advice(title="given up by a person's word", todo="nothing is to be done"),
        "fetching": Advice(title="interrupted while fetching the clip", todo=_AGAIN, options=""),
        "waiting": Advice(title="still being made by the provider", todo=_AGAIN, options=""),
        "submitting": Advice(title="interrupted while sending", todo=_AGAIN, options=""),
        "staging": Advice(title="interrupted before sending", todo=_AGAIN, options=""),
        "planned": Advice(title="not begun", todo=_AGAIN, options=""),
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
