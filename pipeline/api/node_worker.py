"""The worker of a run on another machine, and the engine that a run is asked to work with.

What goes to a machine is how the run was asked for: no key, no item. It reads the ledger, its own
environment and, where machines share a disk, the manifest itself. Where they share a store instead,
what the manifest says of money, retries and lanes goes with the order, and the machine works in a
folder of its own that ends with it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

from pipeline.api.campaign_request import (
    CampaignRequest,
    RunSettings,
    SpendLimit,
    engine_asked,
    store_asked,
    usage,
)
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.project_file import ProjectFile
from pipeline.api.roots import open_for_work
from pipeline.api.run_handle import RunScope, open_handle
from pipeline.clock import RealClock
from pipeline.domain import Event, Manifest
from pipeline.engine.dispatch import Engine
from pipeline.engine.ray_engine import MISSING, RayEngine
from pipeline.errors import LedgerInUse, Unusable
from pipeline.ledger.location import read_server
from pipeline.ledger.repository import Ledger
from pipeline.ledger.session import PATIENCE_S
from pipeline.run.runner import OpenEngine, RunHandle
from pipeline.run.shard_worker import ShardWorker
from pipeline.storage.fs import STATE_FOLDER, beside
from pipeline.storage.object_store import MISSING as STORE_MISSING
from pipeline.storage.object_store import SharedStore
from pipeline.storage.work_folder import work_folder

ADDRESS = re.compile(r"ray://[^\s/?#@]+:[0-9]{1,5}")
"""What `--engine` takes."""
_MARK = "cluster"
"""A file of the root by which machines know that they have one folder, and not one each."""
_PAUSE_S = 1.0
"""Between two looks for a server that is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrder:
    """How a run was asked for, as a node needs it; paths in it are absolute.

    With a `store` no path in it means anything, and `manifest` has neither shots nor tables.
    """

    request: CampaignRequest
    spending: SpendLimit
    providers: frozenset[str]
    standby: frozenset[str]
    buys: bool
    run_id: int
    mark: str
    """By what a node knows that its folder or store is the very one of whoever started the run."""
    version: str = field(default_factory=partial(version, "callsheet"))
    store: str = ""
    """The address of the store through which files go; empty where the disk is shared."""
    manifest: Manifest | None = None
    """None where the node reads it."""


def engine_address(request: CampaignRequest) -> str:
    """Return where the cluster is that a run works on; empty where it works on this machine.

    InvalidInput where it is no address, or the run cannot be spread.
    """
    address = engine_asked(request)
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
    _require_store(store_asked(request))
    return address


def _require_store(address: str) -> None:
    """Raise where the store that machines are to share cannot be used; nothing where none is."""
    if not address:
        return
    if find_spec("obstore") is None:
        raise usage(STORE_MISSING)
    SharedStore(address, make=True).require_writable()


def find_engine(
    campaign: LoadedCampaign, settings: RunSettings, scope: RunScope
) -> OpenEngine | None:
    """Return what opens the engine of a run; None where it works in this process."""
    request = campaign.request
    address = engine_address(request)
    if not address:
        return None
    root = request.root or request.project.root
    project = request.project
    asked = replace(
        request,
        manifest=request.manifest.absolute(),
        root=root.absolute(),
        ledger=request.where.url or read_server(request.where.root),
        env_file=request.env_file and request.env_file.absolute(),
        # Each node works on itself.
        engine="",
        store=None,
        # Hooks are run where the run was started, and may have a secret in their words.
        project=replace(
            project,
            env_file=project.env_file and project.env_file.absolute(),
            hooks={},
            sources={},
        ),
    )
    store = store_asked(request)
    order = NodeOrder(
        mark=SharedStore(store, make=True).read_mark(make=True) if store else _mark_root(asked),
        request=_without_project(asked) if store else asked,
        store=store,
        manifest=_without_shots(campaign.manifest) if store else None,
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
    """Open a worker of a run on this machine, with what steers it.

    Unusable where it could not work as those of the other machines: with another version, with
    another folder at the same path, without the store.
    """
    _require_version(order)
    settings = RunSettings(spending=order.spending)
    with ExitStack() as opened:
        shared = None
        if order.manifest is None:
            _require_root(order)
            campaign = load_campaign(order.request)
        else:
            shared = SharedStore(order.store)
            if order.mark != shared.read_mark():
                raise Unusable(
                    f"{order.store} on this machine is not the store of whoever started the run:"
                    " mount it there, or name one that each machine reaches"
                )
            shared.require_writable()
            folder = opened.enter_context(work_folder())
            campaign = _campaign_of(order.request, order.manifest, folder)
        ledger = opened.enter_context(await _open_patiently(campaign.request))
        scope = RunScope(
            ledger=ledger, providers=order.providers, standby=order.standby, buys=order.buys
        )

        async with (
            open_handle(
                campaign,
                settings,
                scope,
                observer=observer,
                stop=asyncio.Event(),
                shared=shared,
            ) as handle,
            handle.open_worker(order.run_id) as worker,
        ):
            yield worker, handle


def _require_version(order: NodeOrder) -> None:
    """Raise where another version of Callsheet is here: it may keep the ledger otherwise."""
    own = version("callsheet")
    if own != order.version:
        raise Unusable(
            f"Callsheet {own} is installed here, and {order.version} where the run was started:"
            " install the same one, then start Ray there again"
        )


def _mark_root(request: CampaignRequest) -> str:
    """Return the text by which the root is known, which is written where there is none."""
    file = request.home / STATE_FOLDER / _MARK
    file.parent.mkdir(parents=True, exist_ok=True)
    with beside(file) as new:
        new.write_text(token_hex(16), "ascii")
        with suppress(FileExistsError):
            # Whole at once: another run may begin at this moment.
            file.hardlink_to(new)
    return file.read_text("ascii")


def _require_root(order: NodeOrder) -> None:
    """Raise where this machine has another folder at the root's path, or none."""
    home = order.request.home
    try:
        same = (home / STATE_FOLDER / _MARK).read_text("ascii") == order.mark
    except FileNotFoundError:
        same = False
    if not same:
        raise Unusable(
            f"{home} on this machine is not the folder of whoever started the run, but another one"
            " at its path: share one folder (NFS, say), or run with --store ADDRESS"
        )


def _without_project(request: CampaignRequest) -> CampaignRequest:
    """Return of a request what means the same on a machine that has not got its project."""
    return CampaignRequest(
        manifest=Path(request.manifest.name),
        project=ProjectFile(folder=Path(), root=Path()),
        ledger=request.ledger,
        base_urls=request.base_urls,
    )


def _without_shots(manifest: Manifest) -> Manifest:
    """Return of a manifest what a worker goes by: the plan itself stands in the ledger."""
    return Manifest(
        path=Path(manifest.path.name),
        folder=Path(),
        name=manifest.name,
        profile=manifest.profile,
        budget=manifest.budget,
        policy=manifest.policy,
        providers=manifest.providers,
        vars={},
        tables={},
        shots=(),
        defaults={},
        overrides={},
        span=manifest.span,
    )


def _campaign_of(request: CampaignRequest, manifest: Manifest, folder: Path) -> LoadedCampaign:
    """Return a campaign whose root is a folder of this machine's own."""
    own = replace(request, root=folder, manifest=folder / request.manifest)
    return LoadedCampaign(request=own, manifest=manifest, findings=(), sources={})


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
