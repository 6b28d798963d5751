"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`admit` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what came
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.exports import lazily

if TYPE_CHECKING:
    from pipeline.run.accounts import rehearsal_key
    from pipeline.run.admission import Admission, ChangedOutput, PlanLine, Totals
    from pipeline.run.admitting import admit, last_admission, restate
    from pipeline.run.adopting import Adopted, Adoption, NotAdopted, StoredClip
    from pipeline.run.claiming import verify
    from pipeline.run.clock import Clock, RealClock
    from pipeline.run.deciding import Sent, abandon, adopt, claim, decidable, resubmit, sent
    from pipeline.run.dispatch import Order, Tools, run
    from pipeline.run.files.disk import machine_fault, writing
    from pipeline.run.files.store import Store
    from pipeline.run.files.views import DamagedClip, RealFiles
    from pipeline.run.ledger.adoptions import Adopter
    from pipeline.run.ledger.backup import back_up, restore_ledger
    from pipeline.run.ledger.checking import damage
    from pipeline.run.ledger.events import Notable
    from pipeline.run.ledger.identity import REHEARSAL_FOLDER, RootKind
    from pipeline.run.ledger.ledger import Ledger
    from pipeline.run.ledger.loss_detection import Loss
    from pipeline.run.ledger.prices import PriceStanding
    from pipeline.run.lifecycle import POLICY, TRANSITIONS, State
    from pipeline.run.outcome import Outcome, ending
    from pipeline.run.quoting import Quoted, grouped, quote
    from pipeline.run.status import MAKES, UNSETTLED, Status
    from pipeline.run.transport.lane import Lane, scrubber
    from pipeline.run.transport.transport import Limits, Transport

__all__ = [
    "MAKES",
    "POLICY",
    "REHEARSAL_FOLDER",
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
    "Loss",
    "NotAdopted",
    "Notable",
    "Order",
    "Outcome",
    "PlanLine",
    "PriceStanding",
    "Quoted",
    "RealClock",
    "RealFiles",
    "RootKind",
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
    "last_admission",
    "machine_fault",
    "quote",
    "rehearsal_key",
    "restate",
    "restore_ledger",
    "resubmit",
    "run",
    "scrubber",
    "sent",
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
    "Loss": "ledger.loss_detection",
    "MAKES": "status",
    "NotAdopted": "adopting",
    "Notable": "ledger.events",
    "Order": "dispatch",
    "Outcome": "outcome",
    "POLICY": "lifecycle",
    "PlanLine": "admission",
    "PriceStanding": "ledger.prices",
    "RealClock": "clock",
    "REHEARSAL_FOLDER": "ledger.identity",
    "RealFiles": "files.views",
    "RootKind": "ledger.identity",
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
    "last_admission": "admitting",
    "restate": "admitting",
    "adopt": "deciding",
    "claim": "deciding",
    "decidable": "deciding",
    "verify": "claiming",
    "back_up": "ledger.backup",
    "damage": "ledger.checking",
    "ending": "outcome",
    "rehearsal_key": "accounts",
    "resubmit": "deciding",
    "restore_ledger": "ledger.backup",
    "sent": "deciding",
    "Sent": "deciding",
    "machine_fault": "files.disk",
    "run": "dispatch",
    "scrubber": "transport.lane",
    "writing": "files.disk",
}

__getattr__ = lazily(__name__, _HOMES)
