"""Whether a ledger has lost what was bought, by what lies outside it: the one place of that rule.

A counter of intents beside the clips, the clips in the store, and what stands in `.callsheet`
without a ledger. What is lost would be bought again, so a person is asked first. A root that was
deleted whole leaves no trace, and cannot be told from a new one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import Connection, ScalarSelect, func, insert, select

from pipeline.domain.lock import NOTHING_REMEMBERED, LockMemory
from pipeline.errors import LedgerLost
from pipeline.ledger.connection import upsert
from pipeline.ledger.counter_file import UNREADABLE
from pipeline.ledger.intent_counter import COUNTER, read_counters, write_offs
from pipeline.ledger.location import LedgerLocation, Where
from pipeline.ledger.purchases import PAID_ELSEWHERE
from pipeline.ledger.root_lock import LEDGER, README
from pipeline.ledger.sql_schema import campaigns, clips, losses, purchases, set_aside
from pipeline.ledger.sqlite import SqliteFile
from pipeline.ledger.standing_plan import forget_standing_plans
from pipeline.storage.blobs import stored_entries
from pipeline.storage.downloads import PartialDownload
from pipeline.storage.fs import STATE_FOLDER

_WAL = f"{LEDGER}-wal"
_WHOLE_ROOT = ""
_STORE = "store"
_CLIP = re.compile(r"([0-9a-f]{64})\.([A-Za-z0-9]+)")
_CLIPS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What stands on disk outside of a ledger."""

    counters: Mapping[str, int] = field(default_factory=dict)
    """How many purchases were written down, by campaign; UNREADABLE where that cannot be read."""
    clips: Mapping[str, str] = field(default_factory=dict)
    """Extension of each clip in the store, by digest."""
    receipts: Mapping[str, str] = field(default_factory=dict)
    """Client id of the download that became a clip, by digest, until the ledger has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a ledger has lost of a campaign, as far as it can be known."""

    campaign: str
    intents: int = 0
    """Purchases that were written down and are not in it."""
    clips: Mapping[str, str] = field(default_factory=dict)
    """Extension of each clip in the store that no purchase knows, by digest, whoever's it is."""
    leftovers: tuple[str, ...] = ()
    """What a ledger that is gone has left behind, where no counter says how much it knew."""
    unreadable: bool = False
    """Whether the campaign's counter is there and cannot be read."""

    @property
    def uncounted(self) -> bool:
        """Tell whether nothing says that a purchase is lost, only that a ledger is gone."""
        return not (self.intents or self.clips)

    def stops(self, *, buys: int) -> bool:
        """Tell whether it stops a run that would buy so many items; a clip stops any."""
        return bool(buys or self.clips)

    def lines(self, root: Path) -> Iterator[str]:
        """Yield what is lost, a line each."""
        if self.intents:
            counter = root / self.campaign / COUNTER
            yield f"{_number(self.intents, 'purchase')} of {self.campaign} that {counter} counts"
        if self.unreadable:
            counter = root / self.campaign / COUNTER
            yield f"whatever {counter} counted, which cannot be read"
        if self.leftovers:
            yield f"whatever the ledger knew that left this behind: {', '.join(self.leftovers)}"
        if self.clips:
            yield f"{_number(len(self.clips), 'clip')} in the store that no purchase knows"
        for sha256, extension in list(self.clips.items())[:_CLIPS_SHOWN]:
            yield f"    {root / STATE_FOLDER / 'store' / sha256[:2] / f'{sha256}.{extension}'}"
        if len(self.clips) > _CLIPS_SHOWN:
            yield f"    and {len(self.clips) - _CLIPS_SHOWN} more"


def read_traces(root: Path) -> Traces:
    """Return what stands on disk outside of a ledger; read before what the ledger says.

    A run beside it commits first, and writes the counter and drops the receipt after that: in this
    order nothing that is known looks lost.
    """
    folder = root / STATE_FOLDER
    counters = read_counters(root)
    names = sorted(entry.name for entry in stored_entries(folder / _STORE))
    named = map(_CLIP.fullmatch, names)
    return Traces(
        counters=counters,
        clips={found[1]: found[2] for found in named if found},
        receipts=dict(_receipts(folder / "parts")),
    )


def leftovers(root: Path) -> tuple[str, ...]:
    """Return what shows that there was a ledger in a root; empty for one that is new.

    Looked for before the ledger itself: a run that begins beside us makes them after it.
    """
    folder = root / STATE_FOLDER
    files = [README] if (folder / README).exists() else []
    files += [
        name
        for name in ("assets", "parts", _STORE)
        # An empty folder proves nothing: it is made before anything is in it.
        if any(files for _, _, files in os.walk(folder / name))
    ]
    files += [f"{campaign}/{COUNTER}" for campaign in read_counters(root)]
    # A ledger whose file has something in it may well have a -wal of its own.
    stray = (folder / _WAL).exists() and SqliteFile(folder / LEDGER).is_empty()
    return (_WAL, *files) if stray else tuple(files)


def is_missing(root: Where) -> bool:
    """Tell whether nothing was bought in a root yet; LedgerLost if its ledger is gone or empty."""
    where = LedgerLocation.of(root)
    left = leftovers(where.root)
    if not where.database.is_empty():
        return False
    refuse_lost(where, left)
    return True


def refuse_lost(where: LedgerLocation, left: tuple[str, ...]) -> None:
    """Raise LedgerLost where something shows that there was a ledger."""
    if left:
        raise LedgerLost(
            f"{where.database}: it is gone or empty, but there was one: it left"
            f" {', '.join(left)}. All that it knew would be bought again, so nothing is sent. The"
            f" ways on: `callsheet ledger restore FILE --root {where.root}` puts a backup in its"
            " place; `callsheet store adopt M` takes the clips that are still there; `callsheet run"
            " M --buy-again SUM` buys again for the sum that `callsheet plan M` names"
        )


def find_loss(
    connection: Connection,
    *,
    traces: Traces,
    campaign: str,
    memory: LockMemory = NOTHING_REMEMBERED,
) -> Loss | None:
    """Return what the ledger has lost of a campaign, None if nothing is known to be lost.

    Clips that lock files remember are not lost. Of purchases that are missing nobody knows whether
    those are what the lock file has, or others that were still in flight.
    """
    counted = traces.counters.get(campaign, 0)
    # The counter may be behind, after a crash between commit and file, and UNREADABLE is below 0.
    missing = max(0, counted - _count_intents(connection, campaign))
    remembered = memory.others | {each.clip.sha256 for each in memory.clips}
    clips = unknown_clips(connection, traces=traces)
    loss = Loss(
        campaign=campaign,
        intents=missing + _count_partly_agreed(connection, campaign),
        clips={sha256: each for sha256, each in clips.items() if sha256 not in remembered},
        leftovers=_open_leftovers(connection, campaign),
        unreadable=counted == UNREADABLE,
    )
    return loss if loss.intents or loss.clips or loss.leftovers or loss.unreadable else None


def find_losses(connection: Connection, *, traces: Traces) -> list[Loss]:
    """Return what the ledger has lost, by campaign."""
    known = connection.scalars(select(campaigns.c.name)).all()
    names = sorted({*known, *traces.counters})
    # Clips in the store may be all that is left: they are told though no campaign is known.
    every = (find_loss(connection, traces=traces, campaign=name) for name in names or [""])
    return [loss for loss in every if loss is not None]


def unknown_clips(connection: Connection, *, traces: Traces) -> Mapping[str, str]:
    """Return extension by digest of the store's clips that no purchase of the ledger knows.

    One that came just before a crash is known by its receipt, and is written down by the next run.
    """
    if not traces.clips:
        return {}
    known = {*connection.scalars(select(clips.c.sha256))}
    known |= {*connection.scalars(select(set_aside.c.sha256).where(~set_aside.c.partly))}
    unknown = traces.clips.keys() - known
    received = {traces.receipts[sha256]: sha256 for sha256 in unknown & traces.receipts.keys()}
    wanted = select(purchases.c.client_id).where(purchases.c.client_id.in_(list(received)))
    unknown -= {received[client_id] for client_id in connection.scalars(wanted)}
    return {sha256: traces.clips[sha256] for sha256 in sorted(unknown)}


def record_gone(connection: Connection, *, root: Path, left: tuple[str, ...], at: datetime) -> None:
    """Write down that this ledger was begun where there had been one, if anything is `left` of it.

    The counters that lie in the root tell how much it had bought.
    """
    if not left:
        return
    evidence = {"leftovers": left, "counters": dict(read_counters(root))}
    _record(connection, campaign=_WHOLE_ROOT, at=at.timestamp(), intents=0, evidence=evidence)


def settle(connection: Connection, *, loss: Loss, at: float, partly: bool) -> None:
    """Write down that a person agreed to go on without what is lost: it is lost no more.

    Agreed to `partly`, for some items only, it stays open for the others, and whatever is bought
    now is counted beside it.
    """
    evidence = {"leftovers": loss.leftovers, "clips": list(loss.clips)}
    # Those agreed to in part are written off already: once more, and as many purchases that are
    # lost later would not be missed.
    intents = loss.intents - _count_partly_agreed(connection, loss.campaign)
    _record(
        connection,
        campaign=loss.campaign,
        at=at,
        intents=intents,
        evidence=evidence,
        partly=partly,
    )
    rows = [
        {"sha256": sha256, "extension": extension, "partly": partly}
        for sha256, extension in loss.clips.items()
    ]
    if rows:
        row = upsert(set_aside)
        changed = row.on_conflict_do_update(
            index_elements=["sha256"], set_={"partly": row.excluded.partly}
        )
        connection.execute(changed, rows)


def count_found(connection: Connection, *, campaign_id: int, at: float) -> None:
    """Take one of those that were agreed to in part off again: its clip was adopted."""
    name = connection.scalars(select(campaigns.c.name).where(campaigns.c.id == campaign_id)).one()
    if _count_partly_agreed(connection, name):
        _record(connection, campaign=name, at=at, intents=-1, evidence={}, partly=True)


def _record(
    connection: Connection,
    *,
    campaign: str,
    at: float,
    intents: int,
    evidence: object,
    partly: bool = False,
) -> None:
    row = {"campaign": campaign, "at": at, "intents": intents, "partly": partly}
    # Clips that a person goes on without are wanted of other items now.
    forget_standing_plans(connection)
    connection.execute(insert(losses).values(row | {"evidence": orjson.dumps(evidence)}))


def _count_intents(connection: Connection, campaign: str) -> int:
    """Count a campaign's purchases, with those that a person agreed to go on without."""
    there = (
        select(func.count())
        .select_from(purchases)
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .where(purchases.c.charge_source != PAID_ELSEWHERE)
    )
    number = connection.scalar(there.where(campaigns.c.name == campaign)) or 0
    return number + write_offs(connection).get(campaign, 0)


def _count_partly_agreed(connection: Connection, campaign: str) -> int:
    """Count the lost purchases of which some were agreed to, and that are open all the same."""
    mine = losses.c.campaign == campaign
    query = select(func.sum(losses.c.intents)).where(
        mine, losses.c.partly, losses.c.id > _last_settlement(campaign)
    )
    return int(connection.scalar(query) or 0)


def _last_settlement(campaign: str) -> ScalarSelect[int]:
    """Return the line with which a campaign's losses were last agreed to, all of them."""
    last = select(func.coalesce(func.max(losses.c.id), 0))
    return last.where(losses.c.campaign == campaign, ~losses.c.partly).scalar_subquery()


def _open_leftovers(connection: Connection, campaign: str) -> tuple[str, ...]:
    """Return what is left of a ledger that is gone, unless the campaign's counter says more."""
    query = select(losses.c.evidence).where(
        losses.c.campaign == _WHOLE_ROOT, losses.c.id > _last_settlement(campaign)
    )
    found = [orjson.loads(evidence) for evidence in connection.scalars(query)]
    # Clips alone tell of no ledger: they were fetched from elsewhere. Those that nobody knows are
    # told one by one.
    found = [one for one in found if one["leftovers"] != [_STORE]]
    counted = (one for one in found if one["counters"].get(campaign, 0) <= 0)
    every = (name for one in counted for name in one["leftovers"])
    return tuple(dict.fromkeys(every))


def _receipts(parts: Path) -> Iterator[tuple[str, str]]:
    """Yield digest and client id of each clip whose download was not written down yet."""
    for notes in parts.glob("*.json"):
        receipt = PartialDownload(notes.with_suffix(".part")).receipt()
        if receipt is not None:
            yield receipt[0], notes.stem


def _number(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
