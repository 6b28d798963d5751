"""The worker of a run on another machine, and the engine that a run is asked to work with.

What goes to a machine is how the run was asked for: no key, no item. It reads the manifest, the
ledger and its own environment itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec

from pipeline.api.campaign_request import (
    CampaignRequest,
    RunSettings,
    SpendLimit,
    engine_asked,
    usage,
)
from pipeline.api.campaign_run import NOTICE, RunScope, open_handle
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.roots import open_for_work
from pipeline.clock import RealClock
from pipeline.domain import Event
from pipeline.engine.dispatch import Engine
from pipeline.engine.ray_engine import MISSING, RayEngine
from pipeline.errors import LedgerInUse, Unusable
from pipeline.ledger.location import read_server
from pipeline.ledger.repository import Ledger
from pipeline.ledger.session import PATIENCE_S
from pipeline.run.runner import OpenEngine, RunHandle
from pipeline.run.shard_worker import ShardWorker

ADDRESS = re.compile(r"ray://[^\s/?#@]+:[0-9]{1,5}")
"""What `--engine` takes."""
_PAUSE_S = 1.0
"""Between two looks for a server that is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrder:
    """How a run was asked for, as a node needs it; paths in it are absolute."""

    request: CampaignRequest
    spending: SpendLimit
    providers: frozenset[str]
    standby: frozenset[str]
    buys: bool
    run_id: int


def engine_address(request: CampaignRequest, settings: RunSettings) -> str:
    """Return where the cluster is that a run works on; empty where it works on this machine.

    InvalidInput where it is no address, or the run cannot be spread.
    """
    address = engine_asked(request, settings)
    if not address:
        return ""
    if not ADDRESS.fullmatch(address):
        raise usage(f"'{address}' is no engine", "it is written ray://HOST:PORT")
    if request.rehearse:
        raise usage("a rehearsal is made on this machine: leave --engine out")
    where = request.where
    if not (where.url or read_server(where.root)):
        raise usage(
            "several machines need one ledger that each of them reaches",
            "say --ledger postgresql://USER@HOST/DATABASE",
        )
    if find_spec("ray") is None:
        raise usage(MISSING)
    return address


def find_engine(
    request: CampaignRequest, settings: RunSettings, scope: RunScope
) -> OpenEngine | None:
    """Return what opens the engine of a run; None where it works in this process."""
    address = engine_address(request, settings)
    if not address:
        return None
    url = request.where.url or read_server(request.where.root)
    root = request.root or request.project.root
    order = NodeOrder(
        request=replace(
            request, manifest=request.manifest.absolute(), root=root.absolute(), ledger=url
        ),
        spending=settings.spending,
        providers=scope.providers,
        standby=scope.standby,
        buys=scope.buys,
        run_id=0,
    )

    def open_engine(run_id: int, observer: Callable[[Event], None]) -> Engine:
        own = replace(order, run_id=run_id)
        return RayEngine(address, open_node_worker, own, observer=observer)

    return open_engine


@asynccontextmanager
async def open_node_worker(
    order: NodeOrder, observer: Callable[[Event], None]
) -> AsyncIterator[tuple[ShardWorker, RunHandle]]:
    """Open a worker of a run on this machine, with what steers it."""
    campaign = load_campaign(order.request)
    settings = RunSettings(spending=order.spending, engine="")
    with await _open_patiently(order.request) as ledger:
        scope = RunScope(
            ledger=ledger, providers=order.providers, standby=order.standby, buys=order.buys
        )

        def notify(message: str) -> None:
            at = settings.clock.now()
            observer(Event(name=NOTICE, at=at, detail={"message": message}))

        async with (
            open_handle(
                campaign, settings, scope, observer=observer, notify=notify, stop=asyncio.Event()
            ) as handle,
            handle.open_worker(order.run_id) as worker,
        ):
            yield worker, handle


async def _open_patiently(request: CampaignRequest) -> Ledger:
    """Open the ledger for a run that has begun: a server that is away is waited for.

    A worker is opened whenever one died, also while the server is restarted.
    """
    clock = RealClock()
    until = clock.monotonic() + PATIENCE_S
    while True:
        try:
            return await asyncio.to_thread(open_for_work, request)
        except (Unusable, LedgerInUse):
            if clock.monotonic() >= until:
                raise
        await clock.sleep(_PAUSE_S)
