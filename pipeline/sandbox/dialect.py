"""What the sandbox needs to know of a provider to speak as it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.routing import BaseRoute

from pipeline.sandbox.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider: where it listens, and what its routes are.

    The machinery of tasks, money and files is shared (desk.py); a dialect validates requests and
    gives replies their shape.
    """

    name: str
    routes: Callable[[Desk], list[BaseRoute]]
    """Its routes, below the path of its name."""
    addresses: Mapping[str, str]
    """Name of an address (`base_url`, `upload_url`) to its path at the API socket."""
    refunds: bool = False
    """Whether it gives the money of failed tasks back, unless the scenario says otherwise."""
