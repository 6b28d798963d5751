"""The providers on loopback HTTP: strict and odd as the real ones, rendering clips that play.

It is a witness: it shares no code with the adapters it is held against, and reads the providers'
rules from their pages for itself.
"""

from __future__ import annotations

from pipeline.sandbox.scenario import BadScenario, read_scenario
from pipeline.sandbox.server import serve

__all__ = ["BadScenario", "read_scenario", "serve"]
