"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`admit` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what came
of it.
"""

from __future__ import annotations

from pipeline.run.admission import MAKES, Admission, PlanLine, Status, Totals
from pipeline.run.admit import admit
from pipeline.run.clock import Clock, RealClock
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
