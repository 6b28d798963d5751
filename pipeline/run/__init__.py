"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`admit` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what came
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports import lazily

if TYPE_CHECKING:
    from pipeline.run.admission import Admission, ChangedOutput, PlanLine, Totals
    from pipeline.run.admitting import admit, restate
    from pipeline.run.adopting import Adopted, Adoption, NotAdopted, StoredClip
    from pipeline.run.claiming import verify
    from pipeline.run.clock import Clock, RealClock
    from pipeline.run.deciding import Sent, abandon, adopt, claim, decidable, resubmit, sent
    from pipeline.run.dispatch import Order, Tools, run
    from pipeline.run.files.disk import is_the_machine, unwritten, writing
    from pipeline.run.files.store import Store
    from pipeline.run.files.views import DamagedClip, RealFiles
    from pipeline.run.ledger.adoptions import Adopter
    from pipeline.run.ledger.backup import back_up
    from pipeline.run.ledger.checking import damage
    from pipeline.run.ledger.events import Notable
    from pipeline.run.ledger.ledger import Ledger
    from pipeline.run.lifecycle import POLICY, TRANSITIONS, State
    from pipeline.run.outcome import Outcome, ending
    from pipeline.run.quoting import Quoted, grouped, quote
    from pipeline.run.status import MAKES, UNSETTLED, Status
    from pipeline.run.transport.lane import Lane, scrubber
    from pipeline.run.transport.transport import Limits, Transport

__all__ = [
    "MAKES",
    "POLICY",
    "TRANSITIONS",
    "UNSETTLED",
    "Admission",
    "Adopted",
    "Adopter",
    "Adoption",
    "ChangedOutput",
    "Clock",
    "DamagedClip",
    "Lane",
    "Ledger",
    "Limits",
    "NotAdopted",
    "Notable",
    "Order",
    "Outcome",
    "PlanLine",
    "Quoted",
    "RealClock",
    "RealFiles",
    "Sent",
    "State",
    "Status",
    "Store",
    "StoredClip",
    "Tools",
    "Totals",
    "Transport",
    "abandon",
    "admit",
    "adopt",
    "back_up",
    "claim",
    "damage",
    "decidable",
    "ending",
    "grouped",
    "is_the_machine",
    "quote",
    "restate",
    "resubmit",
    "run",
    "scrubber",
    "sent",
    "unwritten",
    "verify",
    "writing",
]

_HOMES = {
    "Admission": "admission",
    "Adopted": "adopting",
    "Adopter": "ledger.adoptions",
    "Adoption": "adopting",
    "ChangedOutput": "admission",
    "Clock": "clock",
    "DamagedClip": "files.views",
    "Lane": "transport.lane",
    "Ledger": "ledger.ledger",
    "Limits": "transport.transport",
    "MAKES": "status",
    "NotAdopted": "adopting",
    "Notable": "ledger.events",
    "Order": "dispatch",
    "Outcome": "outcome",
    "POLICY": "lifecycle",
    "PlanLine": "admission",
    "RealClock": "clock",
    "RealFiles": "files.views",
    "State": "lifecycle",
    "Status": "status",
    "Store": "files.store",
    "StoredClip": "adopting",
    "TRANSITIONS": "lifecycle",
    "UNSETTLED": "status",
    "Tools": "dispatch",
    "Totals": "admission",
    "Transport": "transport.transport",
    "Quoted": "quoting",
    "abandon": "deciding",
    "grouped": "quoting",
    "quote": "quoting",
    "admit": "admitting",
    "restate": "admitting",
    "adopt": "deciding",
    "claim": "deciding",
    "decidable": "deciding",
    "verify": "claiming",
    "back_up": "ledger.backup",
    "damage": "ledger.checking",
    "ending": "outcome",
    "resubmit": "deciding",
    "sent": "deciding",
    "Sent": "deciding",
    "is_the_machine": "files.disk",
    "run": "dispatch",
    "scrubber": "transport.lane",
    "unwritten": "files.disk",
    "writing": "files.disk",
}

__getattr__ = lazily(__name__, _HOMES)
