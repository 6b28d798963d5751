"""What is in a root's store: whose each clip is, what it cost, and what nobody who paid owns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pipeline.api.campaign_request import usage
from pipeline.api.decision_file import SUFFIX as DECISIONS_SUFFIX
from pipeline.api.lock_file import digests_named
from pipeline.api.project_file import FILE, project_here, project_of
from pipeline.api.roots import ledger_here, root_here
from pipeline.errors import InvalidInput, LedgerLost
from pipeline.ledger.location import LedgerLocation
from pipeline.ledger.outputs import ClipPurchase
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_identity import REHEARSAL_FOLDER
from pipeline.storage.blobs import Store

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ClipOwner(StrEnum):
    """Who says that a clip of the store was paid for, the first that does."""

    PURCHASE = "purchase"
    """A purchase of the ledger has it."""
    LEDGER = "ledger"
    """The ledger knows it, and no job has it now: of an earlier try, or set aside by a person."""
    FILE = "file"
    """A lock file or a decisions file of the project names it."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """A clip of the store."""

    sha256: str
    path: Path
    bytes: int
    owner: ClipOwner
    purchases: tuple[ClipPurchase, ...] = ()

    @property
    def charged_usd(self) -> Decimal | None:
        """What it cost here; None where nobody knows, or it was not bought here."""
        sums = [purchase.charged_usd for purchase in self.purchases]
        known = [each for each in sums if each is not None]
        return sum(known, Decimal(0)) if sums and len(known) == len(sums) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlace:
    """A root whose store is meant, and the folders whose lock files tell what was paid for."""

    where: LedgerLocation
    projects: frozenset[Path] = frozenset()

    @property
    def root(self) -> Path:
        """Return the root."""
        return self.where.root


def store_place(
    manifest: Path | None = None,
    root: Path | None = None,
    *,
    ledger: str | None = None,
    rehearse: bool = False,
) -> StorePlace:
    """Return the place that a manifest, a root, or the current folder's project names.

    InvalidInput if nothing names a root, or the manifest is not there.
    """
    if manifest is not None and not manifest.is_file():
        raise usage(f"there is no manifest {manifest}")
    project = project_here() if manifest is None else project_of(manifest)
    own = project.root if manifest is not None and project and root is None else root
    home = root_here(own)
    # As for a manifest in it: the project that a root lies in may be another one.
    around = project_of(home / FILE)
    known = [each for each in (project, around) if each and (each.file or manifest is not None)]
    return StorePlace(
        where=ledger_here(home / REHEARSAL_FOLDER if rehearse else home, ledger),
        projects=frozenset(each.folder for each in known),
    )


def list_store(place: StorePlace) -> list[StoreEntry]:
    """Return the clips of a root's store, by digest; beside whoever works in it.

    Where the ledger is lost no purchase is known. InvalidInput where nothing was run.
    """
    with ExitStack() as opened:
        try:
            ledger = Ledger.reader(place.where)
        except LedgerLost:
            ledger = Ledger.memory(place.where)
        if ledger is None:
            raise _nothing(place)
        return _entries(place, opened.enter_context(ledger))


def find_garbage(place: StorePlace) -> list[StoreEntry]:
    """Return the clips that neither a ledger nor a lock or decisions file of the project knows.

    InvalidInput where no project is known, whose files could tell; LedgerLost where a ledger lost
    purchases: a clip of no purchase may be one of those then.
    """
    _require_project(place)
    ledger = Ledger.reader(place.where)
    if ledger is None:
        raise _nothing(place)
    with ledger:
        return _garbage(place, ledger)


def delete_garbage(
    place: StorePlace,
    entries: Sequence[StoreEntry],
    *,
    adopt_root: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> list[StoreEntry]:
    """Delete clips that nobody owns, and their stills; return those that were.

    Each is asked about once more, and no run can be at work: LedgerInUse while one is.
    """
    _require_project(place)
    store = Store(place.root)
    with Ledger.open(place.where, adopt=adopt_root) as ledger:
        if ledger.moved_from is not None:
            notify(f"{place.root} was in {ledger.moved_from} before: it is taken over")
        asked = {entry.path for entry in entries}
        gone = [entry for entry in _garbage(place, ledger) if entry.path in asked]
        for entry in gone:
            store.delete(entry.path)
    return gone


def _garbage(place: StorePlace, ledger: Ledger) -> list[StoreEntry]:
    for loss in ledger.find_losses():
        if loss.intents or loss.leftovers or loss.unreadable:
            raise LedgerLost(
                f"the ledger of {place.root} has lost purchases of '{loss.campaign}', and a clip of"
                " no purchase may be one of those: nothing is deleted. `callsheet run M` names the"
                " ways on"
            )
    return [entry for entry in _entries(place, ledger) if entry.owner is ClipOwner.NOBODY]


def _entries(place: StorePlace, ledger: Ledger) -> list[StoreEntry]:
    """Return every clip of a store; files whose name is no digest are none."""
    bought: dict[str, list[ClipPurchase]] = {}
    for purchase in ledger.clip_purchases():
        bought.setdefault(purchase.sha256, []).append(purchase)
    # What is on its way into the ledger, by its receipt, is no loss, and known by nothing else.
    unknown = {sha256 for loss in ledger.find_losses() for sha256 in loss.clips}
    endings = (DECISIONS_SUFFIX,)
    named = {sha256 for each in place.projects for sha256 in digests_named(each, endings)}
    found = []
    for path in sorted(Store(place.root).clips(), key=lambda path: path.name):
        sha256, owner = path.stem, ClipOwner.NOBODY
        if not _DIGEST.fullmatch(sha256):
            continue
        if sha256 in bought:
            owner = ClipOwner.PURCHASE
        elif sha256 not in unknown or ledger.is_known_clip(sha256):
            owner = ClipOwner.LEDGER
        elif sha256 in named:
            owner = ClipOwner.FILE
        entry = StoreEntry(
            sha256=sha256,
            path=path,
            bytes=path.stat().st_size,
            owner=owner,
            purchases=tuple(bought.get(sha256, ())),
        )
        found.append(entry)
    return found


def _nothing(place: StorePlace) -> InvalidInput:
    return usage(f"there is no ledger in {place.root}: nothing was run there")


def _require_project(place: StorePlace) -> None:
    if not place.projects:
        raise usage(
            "nothing tells which project's lock files name clips that were paid for",
            f"name a manifest of it, or type it where a {FILE} is at or above the folder",
        )
