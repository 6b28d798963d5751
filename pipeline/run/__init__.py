"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`admit` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what came
of it.
"""

from __future__ import annotations

from pipeline.run.admission import MAKES, Admission, PlanLine, Status, Totals
from pipeline.run.admit import admit
from pipeline.run.clock import Clock, RealClock
from pipeline.run.dispatch import Order, Tools, run
from pipeline.run.lane import Lane, scrubber
from pipeline.run.ledger import Ledger
from pipeline.run.lifecycle import POLICY, TRANSITIONS, State
from pipeline.run.outcome import Outcome
from pipeline.run.store import Store
from pipeline.run.transport import Limits, Transport
from pipeline.run.views import RealFiles

__all__ = [
    "MAKES",
    "POLICY",
    "TRANSITIONS",
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
    "State",
    "Status",
    "Store",
    "Tools",
    "Totals",
    "Transport",
    "admit",
    "run",
    "scrubber",
]
