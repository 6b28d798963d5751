"""Clips and where they stand, in the ledger: an output path is a view of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, bindparam, select, union, update

from pipeline.run.ledger.jobs import Job, move
from pipeline.run.ledger.prepared import execute
from pipeline.run.ledger.sqlite import upsert
from pipeline.run.ledger.summary import current
from pipeline.run.ledger.tables import clips, items, jobs, outputs, set_aside
from pipeline.run.lifecycle import State

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


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An item's output path, the clip that belongs there, and what we last put there.

    `path` is relative to the root; `clip` is None while there is none; `placed` is the digest of
    what we put at that path, or empty.
    """

    item_id: int
    position: int
    address: str
    path: str
    clip: Clip | None
    placed: str
    selected: bool = True


def land(
    connection: Connection,
    *,
    job: Job,
    after: State,
    clip: Clip,
    cause: str = "",
    message: str = "",
) -> None:
    """Write that the clip is in the store, verified."""
    move(connection, key=job.key, before=job.state, after=after, cause=cause, message=message)
    known = {name: getattr(clip, name) for name in Clip.__dataclass_fields__}
    execute(connection, _KEEP, known)
    execute(connection, _LAND, {"b_key": job.key, "b_sha256": clip.sha256})


def views(
    connection: Connection,
    *,
    campaign: str,
    after: int = -1,
    limit: int = 1000,
    key: str | None = None,
    landed: bool = False,
) -> list[View]:
    """Return the plan's output paths in order from after a position on.

    `key` gives those of one key alone, `landed` only those that have a clip.
    """
    query = (
        select(
            items.c.id,
            items.c.position,
            items.c.address,
            items.c.output,
            items.c.selected,
            items.c.extension.label("expected"),
            *clips.c,
            outputs.c.path,
            outputs.c.sha256.label("placed"),
        )
        .join_from(items, jobs, jobs.c.key == items.c.key)
        .outerjoin(clips, clips.c.sha256 == jobs.c.sha256)
        .outerjoin(outputs, outputs.c.item_id == items.c.id)
        .where(current(connection, campaign), items.c.position > after)
        .order_by(items.c.position)
        .limit(limit)
    )
    if key is not None:
        query = query.where(items.c.key == key)
    if landed:
        query = query.where(clips.c.sha256.is_not(None))
    return [_view(campaign, row) for row in connection.execute(query).mappings()]


def place(connection: Connection, *, item_id: int, path: str, sha256: str) -> None:
    """Write what stands at an item's output path now."""
    execute(connection, _PLACE, {"item_id": item_id, "path": path, "sha256": sha256})


def known_clips(connection: Connection, *, digests: Sequence[str]) -> frozenset[str]:
    """Return which of these digests are clips of this ledger, set aside or not."""
    known = union(*(select(t.c.sha256).where(t.c.sha256.in_(digests)) for t in (clips, set_aside)))
    return frozenset(connection.scalars(known))


def _view(campaign: str, row: RowMapping) -> View:
    measured = {name: row[name] for name in Clip.__dataclass_fields__}
    clip = Clip(**measured) if row["sha256"] else None
    extension = clip.extension if clip else row["expected"]
    path = f"{campaign}/{row['output'].replace(EXTENSION, extension)}"
    return View(
        **{name: row[name] for name in ("position", "address")},
        item_id=row["id"],
        path=path,
        clip=clip,
        placed=row["placed"] if row["path"] == path else "",
        selected=bool(row["selected"]),
    )


_KEEP = (
    upsert(clips)
    .values({column.name: bindparam(column.name) for column in clips.c})
    .on_conflict_do_nothing()
)
_NEW_PLACE = upsert(outputs).values({column.name: bindparam(column.name) for column in outputs.c})
_PLACE = _NEW_PLACE.on_conflict_do_update(
    index_elements=["item_id"],
    set_={"path": _NEW_PLACE.excluded.path, "sha256": _NEW_PLACE.excluded.sha256},
)
_LAND = update(jobs).where(jobs.c.key == bindparam("b_key")).values(sha256=bindparam("b_sha256"))
