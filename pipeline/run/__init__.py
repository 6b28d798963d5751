"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`admit` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what came
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports import lazily

if TYPE_CHECKING:
    from pipeline.run.admission import MAKES, UNSETTLED, Admission, PlanLine, Status, Totals
    from pipeline.run.admitting import admit
    from pipeline.run.clock import Clock, RealClock
    from pipeline.run.deciding import Sent, abandon, adopt, resubmit, sent
    from pipeline.run.dispatch import Order, Tools, run
    from pipeline.run.files.store import Store
    from pipeline.run.files.views import RealFiles
    from pipeline.run.ledger.ledger import Ledger
    from pipeline.run.lifecycle import POLICY, TRANSITIONS, State
    from pipeline.run.outcome import Outcome
    from pipeline.run.transport.lane import Lane, scrubber
    from pipeline.run.transport.transport import Limits, Transport

__all__ = [
    "MAKES",
    "POLICY",
    "TRANSITIONS",
    "UNSETTLED",
    "Admission",
    "Clock",
    "Lane",
    "Ledger",
    "Limits",
    "Order",
    "Outcome",
    "PlanLine",
    "RealClock",
    "RealFiles",
    "Sent",
    "State",
    "Status",
    "Store",
    "Tools",
    "Totals",
    "Transport",
    "abandon",
    "admit",
    "adopt",
    "resubmit",
    "run",
    "scrubber",
    "sent",
]

_HOMES = {
    "Admission": "admission",
    "Clock": "clock",
    "Lane": "transport.lane",
    "Ledger": "ledger.ledger",
    "Limits": "transport.transport",
    "MAKES": "admission",
    "Order": "dispatch",
    "Outcome": "outcome",
    "POLICY": "lifecycle",
    "PlanLine": "admission",
    "RealClock": "clock",
    "RealFiles": "files.views",
    "State": "lifecycle",
    "Status": "admission",
    "Store": "files.store",
    "TRANSITIONS": "lifecycle",
    "UNSETTLED": "admission",
    "Tools": "dispatch",
    "Totals": "admission",
    "Transport": "transport.transport",
    "abandon": "deciding",
    "admit": "admitting",
    "adopt": "deciding",
    "resubmit": "deciding",
    "sent": "deciding",
    "Sent": "deciding",
    "run": "dispatch",
    "scrubber": "transport.lane",
}

__getattr__ = lazily(__name__, _HOMES)
