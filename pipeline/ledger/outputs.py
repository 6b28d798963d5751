"""Clips and where they stand, in the ledger: an output path has a copy of the store's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Connection,
    MetaData,
    bindparam,
    delete,
    func,
    select,
    union,
    update,
)

from pipeline.domain.states import FINISHED, FaultKind, State
from pipeline.ledger.connection import upsert
from pipeline.ledger.fast_sql import execute
from pipeline.ledger.jobs import Job, move
from pipeline.ledger.paid_elsewhere import promised_clips
from pipeline.ledger.payload import apply_snapshot, is_other_take
from pipeline.ledger.plan_totals import current
from pipeline.ledger.purchases import UNKNOWN
from pipeline.ledger.sql_schema import (
    campaigns,
    clips,
    items,
    jobs,
    outputs,
    payloads,
    purchases,
    set_aside,
    usd,
)

CLIP = "clip"
"""The role of an item's own file; a poster, and what is derived from it, will have others."""
EXTENSION = "{ext}"
"""Stands in an output path for the extension of the file received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip in the store: its content, and what it measures."""

    sha256: str
    extension: str
    bytes: int
    seconds: float | None = None
    width: int = 0
    height: int = 0
    fps: float | None = None
    signature: str = ""
    """Of its file in the store, when its bytes were last known to be right (`disk.signature`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPurchase:
    """What a clip was bought for, and what uses it now; several purchases may have one clip."""

    sha256: str
    campaign: str
    """What it was bought for, and the address below."""
    address: str
    charged_usd: Decimal | None
    """What it cost, with what it may have cost; None where nobody knows."""
    used_by: list[tuple[str, str]] = field(default_factory=list)
    """Campaign and address of each item of a latest plan that has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An item's output path, the clip that belongs there, and what we last put there.

    `path` is relative to the root; `clip` is None while there is none; `placed` is the digest of
    what we put at that path, or empty, `signature` and `mode` what its file was then.
    """

    item_id: int
    position: int
    address: str
    path: str
    clip: Clip | None
    placed: str
    signature: str = ""
    mode: int | None = None
    selected: bool = True
    shot: str = ""
    key: str = ""
    stale: bool = False
    """A person approved its clip, and the manifest asks for something else now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTake:
    """An item whose clip is there to be judged."""

    address: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How a clip was written down: the state, cause and message of its job."""

    state: State
    cause: str = ""
    message: str = ""
    twin: str = ""
    """The address of the item that has received the very same file before, if any."""
    views: Sequence[View] = ()
    """The output paths in the campaign's plan that want the clip."""


def land(
    connection: Connection,
    *,
    campaign: str,
    job: Job,
    clip: Clip,
    found: Landing,
    at: float,
) -> Landing:
    """Write that the clip is in the store, verified, since `at`, and return how it was taken.

    `found` is what it is by itself. The same bytes cannot be made twice. Where another work has
    received them already, it is off spec for what differs in more than its take; for another take
    it is done, with a warning. Both are told, for it may be the first that is wrong.
    """
    twin = _twin(connection, job, clip)
    landing = found if twin is None else _twin_landing(found, twin)
    if twin is not None:
        note = f"the very same file was received for {job.address}: look at both"
        connection.execute(
            update(jobs).where(jobs.c.key == twin.key, jobs.c.message == "").values(message=note)
        )
    told = {"cause": landing.cause, "message": landing.message}
    move(connection, key=job.key, before=job.state, after=landing.state, **told)
    keep(connection, key=job.key, clip=clip)
    if job.purchase is not None:
        execute(connection, _FETCH, {"b_purchase": job.purchase.id, "b_at": at})
    return replace(landing, views=_views_of(connection, campaign=campaign, key=job.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Twin:
    key: str
    address: str
    other_work: bool


def _twin(connection: Connection, job: Job, clip: Clip) -> _Twin | None:
    """Return the first job of another key that has this clip.

    Most clips are new: that is known without looking through the jobs.
    """
    if execute(connection, _KNOWN_CLIP, {"b_sha256": clip.sha256}).fetchone() is None:
        return None
    query = (
        select(jobs.c.key, purchases.c.address, purchases.c.request, payloads.c.data)
        .join_from(jobs, purchases, purchases.c.id == jobs.c.purchase_id)
        .join(payloads, payloads.c.item_id == jobs.c.item_id)
        .where(jobs.c.sha256 == clip.sha256, jobs.c.key != job.key)
        .order_by(jobs.c.purchase_id)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    # Its item may be another work by now.
    theirs = apply_snapshot(row.data, row.request)
    return _Twin(
        key=row.key, address=row.address, other_work=not is_other_take(job.payload, theirs)
    )


def _twin_landing(landing: Landing, twin: _Twin) -> Landing:
    same = f"it is the very same file that was received for {twin.address}"
    if not twin.other_work:
        message = f"{same}, of which it is another take"
        return replace(landing, message=landing.message or message, twin=twin.address)
    message = f"{same}, which asks for something else"
    return Landing(
        state=State.OFF_SPEC,
        cause=FaultKind.OFF_SPEC.value,
        message="; ".join(filter(None, (landing.message, message))),
        twin=twin.address,
    )


def keep(connection: Connection, *, key: str, clip: Clip) -> None:
    """Write which clip a job has."""
    known = {name: getattr(clip, name) for name in Clip.__dataclass_fields__}
    execute(connection, _KEEP, known)
    execute(connection, _LAND, {"b_key": key, "b_sha256": clip.sha256})


def views(
    connection: Connection,
    *,
    campaign: str,
    after: int = -1,
    limit: int = 1000,
    landed: bool = False,
    addresses: Sequence[str] = (),
) -> list[View]:
    """Return the plan's output paths in order from after a position on.

    `landed` gives only those that have a clip, `addresses` those of some items.
    """
    query = _VIEWS.where(current(connection, campaign), items.c.position > after).limit(limit)
    if landed:
        if not has_clips(connection):
            return []
        query = query.where(clips.c.sha256.is_not(None))
    if addresses:
        query = query.where(items.c.address.in_(addresses))
    return [_view(campaign, row) for row in connection.execute(query)]


def has_clips(connection: Connection) -> bool:
    """Tell whether any job has its clip: if none has, nobody need look through all items."""
    query = select(jobs.c.key).where(jobs.c.state.in_(FINISHED)).limit(1)
    return connection.execute(query).first() is not None


def _views_of(connection: Connection, *, campaign: str, key: str) -> list[View]:
    """Return the output paths in the campaign's plan of one key alone."""
    rows = execute(connection, _VIEWS_OF_KEY, {"b_campaign": campaign, "b_key": key}).fetchall()
    return [_view(campaign, row) for row in rows]


def place(
    connection: Connection,
    *,
    item_id: int,
    path: str,
    sha256: str,
    signature: str = "",
    mode: int | None = None,
) -> None:
    """Write what stands at an item's output path now."""
    values = {"item_id": item_id, "role": CLIP, "path": path, "sha256": sha256}
    execute(connection, _PLACE, {**values, "signature": signature, "mode": mode})


def place_views(connection: Connection, *, placed: Iterable[tuple[View, str, int | None]]) -> None:
    """Write what stands at some output paths now: signature and mode of each file."""
    for view, signature, mode in placed:
        sha256 = view.clip.sha256 if view.clip else ""
        place(
            connection,
            item_id=view.item_id,
            path=view.path,
            sha256=sha256,
            signature=signature,
            mode=mode,
        )


def vacate(connection: Connection, *, item_id: int) -> None:
    """Write that nothing of ours stands at an item's output path any more."""
    own = (outputs.c.item_id == item_id, outputs.c.role == CLIP)
    connection.execute(delete(outputs).where(*own))


def places(connection: Connection, *, digests: Sequence[str]) -> dict[str, list[str]]:
    """Return the output paths where these clips were put, whichever campaign they are of.

    A draft has those of its own campaign alone, so the ledger's own table is asked.
    """
    query = (
        select(_EVERY_OUTPUT.c.sha256, _EVERY_OUTPUT.c.path)
        .where(_EVERY_OUTPUT.c.sha256.in_(digests))
        .order_by(_EVERY_OUTPUT.c.path)
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.sha256, []).append(row.path)
    return found


def sign(connection: Connection, *, sha256: str, signature: str) -> None:
    """Write what a clip's file in the store is, its bytes being right."""
    connection.execute(update(clips).where(clips.c.sha256 == sha256).values(signature=signature))


def same_clips(connection: Connection, *, campaign: str) -> list[list[str]]:
    """Return the addresses of the plan's works that received one and the same file, together."""
    own = (
        select(jobs.c.sha256, items.c.address, items.c.position)
        .join_from(jobs, items, items.c.key == jobs.c.key)
        .where(current(connection, campaign), items.c.shared_with.is_(None), jobs.c.sha256 != "")
        .subquery()
    )
    several = select(own.c.sha256).group_by(own.c.sha256).having(func.count() > 1)
    query = select(own).where(own.c.sha256.in_(several)).order_by(own.c.position)
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.sha256, []).append(row.address)
    return list(found.values())


def made_takes(connection: Connection, *, campaign: str, address: str) -> list[MadeTake]:
    """Return the clip of an item of the latest plan, for it and for each that shares it.

    Empty where the plan has no such item, or its clip is not there.
    """
    key = select(items.c.key).where(current(connection, campaign), items.c.address == address)
    query = (
        select(items.c.address, items.c.key, jobs.c.sha256)
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .where(
            current(connection, campaign),
            items.c.key == key.scalar_subquery(),
            jobs.c.state.in_(FINISHED),
        )
        .order_by(items.c.position)
    )
    return [MadeTake(**row) for row in connection.execute(query).mappings()]


def clips_of(connection: Connection, *, keys: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of the clip of each of these keys that has one, here or elsewhere.

    A draft has the jobs of its own items alone, so the ledger's own table is asked as well.
    """
    found: dict[str, str] = {}
    for every in (_EVERY_JOB, jobs):
        finished = (every.c.key.in_(keys), every.c.state.in_(FINISHED))
        rows = connection.execute(select(every.c.key, every.c.sha256).where(*finished))
        found |= {row.key: row.sha256 for row in rows}
    # What was paid elsewhere and is not here has no finished job, and is a clip all the same.
    return promised_clips(connection, keys=[key for key in keys if key not in found]) | found


def clip_purchases(connection: Connection) -> list[ClipPurchase]:
    """Return the purchase of each clip that a job has, with the items that it is used by now."""
    query = (
        select(
            *(jobs.c.sha256, jobs.c.purchase_id, purchases.c.address, campaigns.c.name),
            *(purchases.c.charged_microusd, purchases.c.possible_microusd),
            purchases.c.charge_source,
        )
        .add_columns(_USER.c.name.label("user"), items.c.address.label("used_at"))
        .join_from(jobs, purchases, purchases.c.id == jobs.c.purchase_id)
        .join(campaigns, campaigns.c.id == purchases.c.campaign_id)
        .outerjoin(items, items.c.key == jobs.c.key)
        .outerjoin(
            _USER, (_USER.c.id == items.c.campaign_id) & (_USER.c.generation == items.c.generation)
        )
        .where(jobs.c.sha256 != "")
        .order_by(jobs.c.sha256, jobs.c.purchase_id, _USER.c.name, items.c.position)
    )
    found: dict[tuple[str, int], ClipPurchase] = {}
    for row in connection.execute(query):
        spent = row.charged_microusd + row.possible_microusd
        purchase = ClipPurchase(
            sha256=row.sha256,
            campaign=row.name,
            address=row.address,
            charged_usd=None if row.charge_source == UNKNOWN else usd(spent),
        )
        purchase = found.setdefault((row.sha256, row.purchase_id), purchase)
        if row.user is not None:
            purchase.used_by.append((row.user, row.used_at))
    return list(found.values())


def known_clips(connection: Connection, *, digests: Sequence[str]) -> frozenset[str]:
    """Return which of these digests are clips of this ledger, set aside or not."""
    known = union(*(select(t.c.sha256).where(t.c.sha256.in_(digests)) for t in (clips, set_aside)))
    return frozenset(connection.scalars(known))


def bought_clips(connection: Connection, *, digests: Sequence[str]) -> frozenset[str]:
    """Return which of these digests are clips of a purchase that the ledger knows."""
    return frozenset(connection.scalars(select(clips.c.sha256).where(clips.c.sha256.in_(digests))))


def _view(campaign: str, row: Sequence[Any]) -> View:
    item_id, position, address, output, selected, shot, key, stale, expected, *known = row
    sha256, extension, *measured, stood_at, placed, placed_signature, mode = known
    clip = None
    if sha256:
        size, seconds, width, height, fps, signature = measured
        clip = Clip(
            sha256=sha256,
            extension=extension,
            bytes=size,
            seconds=seconds,
            width=width,
            height=height,
            fps=fps,
            signature=signature,
        )
    path = f"{campaign}/{output.replace(EXTENSION, extension if clip else expected)}"
    # Its path may have changed, if only by the ending: what was put at the old one is no matter.
    stands = stood_at == path
    return View(
        item_id=item_id,
        position=position,
        address=address,
        path=path,
        clip=clip,
        placed=placed if stands else "",
        signature=placed_signature if stands else "",
        mode=mode if stands else None,
        selected=bool(selected),
        shot=shot,
        key=key,
        stale=bool(stale),
    )


_USER = campaigns.alias("user")
# In the order in which `_view` reads them.
_VIEWS = (
    select(
        items.c.id,
        items.c.position,
        items.c.address,
        items.c.output,
        items.c.selected,
        items.c.shot,
        items.c.key,
        items.c.stale,
        items.c.extension.label("expected"),
        *clips.c,
        outputs.c.path,
        outputs.c.sha256.label("placed"),
        outputs.c.signature.label("placed_signature"),
        outputs.c.mode,
    )
    .join_from(items, jobs, jobs.c.key == items.c.key)
    .outerjoin(clips, clips.c.sha256 == jobs.c.sha256)
    .outerjoin(outputs, (outputs.c.item_id == items.c.id) & (outputs.c.role == CLIP))
    .order_by(items.c.position)
)
_VIEWS_OF_KEY = (
    _VIEWS.join(campaigns, campaigns.c.id == items.c.campaign_id)
    .where(campaigns.c.name == bindparam("b_campaign"), items.c.key == bindparam("b_key"))
    .where(items.c.generation == campaigns.c.generation)
)
"""For each clip that lands: compiled once."""
_KNOWN_CLIP = union(
    *(select(t.c.sha256).where(t.c.sha256 == bindparam("b_sha256")) for t in (clips, set_aside))
)
_EVERY_OUTPUT = outputs.to_metadata(MetaData(), schema="main")
_EVERY_JOB = jobs.to_metadata(MetaData(), schema="main")
_NEW_CLIP = upsert(clips).values({own.name: bindparam(own.name) for own in clips.c})
# The same bytes measure the same; only the file in the store may be another one.
_KEEP = _NEW_CLIP.on_conflict_do_update(
    index_elements=["sha256"], set_={"signature": _NEW_CLIP.excluded.signature}
)
_NEW_PLACE = upsert(outputs).values({own.name: bindparam(own.name) for own in outputs.c})
_PLACE = _NEW_PLACE.on_conflict_do_update(
    index_elements=["item_id", "role"],
    set_={name: _NEW_PLACE.excluded[name] for name in ("path", "sha256", "signature", "mode")},
)
_FETCH = (
    update(purchases)
    .where(purchases.c.id == bindparam("b_purchase"))
    .values(fetched_at=bindparam("b_at"))
)
_LAND = update(jobs).where(jobs.c.key == bindparam("b_key")).values(sha256=bindparam("b_sha256"))
