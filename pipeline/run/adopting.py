"""Clips that lie there without a purchase, taken in: nothing is sent, and nothing is bought.

A ledger may be lost while its clips are not. A file at an item's output path that plays and is what
the item wants becomes its clip; so does a clip of the store that a person names. The store has its
bytes, on disk, before the ledger says so, and not before the item is sure to take them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4

from pipeline.domain import Media
from pipeline.domain.states import ADOPTABLE, State
from pipeline.errors import MediaFault
from pipeline.file_content import clip_extension, file_sha256
from pipeline.ledger import payload
from pipeline.ledger.adoptions import Adopter, PlacedFile
from pipeline.ledger.jobs import Taken
from pipeline.ledger.outputs import Clip
from pipeline.ledger.repository import Ledger
from pipeline.ledger.sql_schema import micro, usd
from pipeline.run.fetch import judge
from pipeline.run.output_check import Found, OutputStatus, RealFiles, inspect
from pipeline.storage.blobs import Store
from pipeline.storage.fs import copy_bytes, making, writing

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KNOWN_AT_ONCE = 500
_MOVE = "move the file away"
_MORE = "ask for one more take with `callsheet reroll`, and name that"
_NOT_NOW = MappingProxyType(
    {
        State.IN_DOUBT: "its item is in doubt: settle it first, with `callsheet reconcile`",
        State.DONE: f"its item has its clip already: {_MOVE}",
        State.OFF_SPEC: f"its item has its clip already: {_MOVE}",
        State.ABANDONED: "its item was given up by a person's word",
    }
)
"""Why an item is given no clip, by the state of its job."""
_IN_FLIGHT = "its item is being made: `callsheet run` collects it"
_TAKEN = "another process took up its item meanwhile: `callsheet status` tells what comes of it"

Probe = Callable[[Path], Media]
PosterProbe = Callable[[Path, Path], Media]
"""The same with a still of the clip at the second path then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A clip that was taken in for an item; `booked_usd` is None where no price is known."""

    address: str
    path: str
    sha256: str
    booked_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAdopted:
    """A file that was left as it is, and why."""

    address: str
    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredClip:
    """A clip of the store that no purchase knows; what cannot be played has no measures."""

    sha256: str
    path: Path
    bytes: int
    stored_at: datetime
    media: Media | None


class Adoption:
    """Takes clips in for the latest plan of a campaign, which must have been admitted."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        *,
        campaign: str,
        probe: Probe,
        poster_probe: PosterProbe,
        now: datetime,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._campaign = campaign
        self._probe = probe
        self._poster_probe = poster_probe
        self._now = now
        self._taken: dict[str, str] = {}
        """Clips that were taken in just now, and for which item."""

    def adopt_outputs(self) -> Iterator[Adopted | NotAdopted]:
        """Take in what lies at the plan's output paths and is no clip of the ledger's yet."""
        files = RealFiles(self._store.root)
        for found in inspect(
            self._ledger, campaign=self._campaign, files=files, is_known=self._has_purchase
        ):
            if found.standing is OutputStatus.FOREIGN:
                yield self._adopt_output(found, files)

    def adopt_stored(self, clip: StoredClip, item: Adopter) -> Adopted | NotAdopted:
        """Take in a clip of the store for an item; the next run puts it at its output path."""
        refuse = partial(NotAdopted, address=item.address, path=str(clip.path))
        if item.state not in ADOPTABLE:
            return refuse(why=_NOT_NOW.get(item.state, _IN_FLIGHT))
        if file_sha256(clip.path) != clip.sha256:
            return refuse(why="it is damaged: its bytes are not its name")
        why, media = self._judge(clip.path, clip.sha256, item)
        if media is None or why:
            return refuse(why=why)
        extension = clip.path.suffix.lstrip(".")
        return self._book(item, _clip(clip.sha256, extension, media), clip.path)

    def import_file(self, file: Path, item: Adopter, price_usd: Decimal) -> Adopted | NotAdopted:
        """Take in a file that was made elsewhere, for that price; it stays where it is."""
        refuse = partial(NotAdopted, address=item.address, path=str(file))
        if item.state not in ADOPTABLE:
            return refuse(why=_NOT_NOW.get(item.state, _IN_FLIGHT).replace(_MOVE, _MORE))
        place = self._store.part(f"import-{item.key}")
        with writing(place), making(place) as part:
            try:
                with file.open("rb") as reading, writing(part):
                    sha256 = copy_bytes(reading, part)
                why, media = self._judge(part, sha256, item)
            except OSError as fault:
                return refuse(why=f"it cannot be read: {fault.strerror}")
            if not why and self._has_purchase(sha256):
                why = "it is the clip of another item, or take, already"
            if media is None or why:
                return refuse(why=why)
            clip = _clip(sha256, clip_extension(part), media)
            return self._book(item, clip, file, part=part, price_usd=price_usd)

    def items_named(self, address: str) -> list[Adopter]:
        """Return the plan's items of an address, whose take may be left out."""
        return self._ledger.adopters(self._campaign, address)

    def unknown_clips(self) -> list[StoredClip]:
        """Return the clips of the store that no purchase of this ledger knows, oldest first."""
        found = {path.stem: path for path in self._store.clips() if _DIGEST.fullmatch(path.stem)}
        every = list(found)
        for start in range(0, len(every), _KNOWN_AT_ONCE):
            some = every[start : start + _KNOWN_AT_ONCE]
            for known in self._ledger.bought_clips(some):
                del found[known]
        clips = [self._stored_clip(sha256, path) for sha256, path in found.items()]
        return sorted(clips, key=lambda clip: (clip.stored_at, clip.sha256))

    def _adopt_output(self, found: Found, files: RealFiles) -> Adopted | NotAdopted:
        view, shown = found.view, files.display_path(found.view.path)
        item = self._ledger.adopter(view.item_id)
        refuse = partial(NotAdopted, address=item.address, path=shown)
        if item.state not in ADOPTABLE:
            return refuse(why=_NOT_NOW.get(item.state, _IN_FLIGHT))
        if not (found.stat and found.stat.regular):
            return refuse(why="it is no regular file")
        place = self._store.part(f"adopt-{hashlib.sha256(view.path.encode()).hexdigest()}")
        with writing(place), making(place) as part:
            try:
                # What is hashed and judged is our copy: the file may be written to meanwhile.
                with (self._store.root / view.path).open("rb") as reading, writing(part):
                    sha256 = copy_bytes(reading, part)
                (why, media), extension = self._judge(part, sha256, item), clip_extension(part)
            except OSError as fault:
                return refuse(why=f"it cannot be read: {fault.strerror}")
            named = view.path.rpartition(".")[2]
            if not why and named != extension:
                # The plan would look for it elsewhere.
                why = f"it is a {extension} file, and is named .{named}"
            if not why and files.stat(view.path) != found.stat:
                why = "it was written to while it was read: try again"
            if media is None or why:
                return refuse(why=why)
            there = found.stat
            placed = PlacedFile(path=view.path, signature=there.signature, mode=there.mode)
            clip = _clip(sha256, extension, media)
            return self._book(item, clip, Path(shown), part=part, placed=placed)

    def _judge(self, file: Path, sha256: str, item: Adopter) -> tuple[str, Media | None]:
        """Return why a file is not the clip that an item wants, and what it measures.

        The first is empty if it is that clip, whose still is in the store then; the second is
        None if it was not decoded, or does not play.
        """
        if sha256 in self._taken:
            return f"it is the same file as the clip of {self._taken[sha256]}", None
        try:
            media = self._poster_probe(file, self._store.poster(sha256))
        except MediaFault as fault:
            # Where it is read it has another name than a person knows.
            return f"it does not play: {fault.message.replace(file.name, 'it')}", None
        return judge(payload.load_item(item.payload).spec, media), media

    def _book(
        self,
        item: Adopter,
        clip: Clip,
        shown: Path,
        *,
        part: Path | None = None,
        placed: PlacedFile | None = None,
        price_usd: Decimal | None = None,
    ) -> Adopted | NotAdopted:
        """Write that an item has a clip, which is in the store, or comes there from its `part`."""

        def keep() -> Clip:
            # If this is called again, it is there already.
            if part is not None and part.exists():
                self._store.adopt(part, clip.sha256, clip.extension)
            return replace(clip, signature=self._store.signature(clip.sha256, clip.extension))

        client_id, at = f"adopted-{uuid4()}", self._now.timestamp()
        told = None if price_usd is None else micro(price_usd)
        try:
            self._ledger.adopt_clip(
                item, keep, placed=placed, client_id=client_id, at=at, told_microusd=told
            )
        except Taken:
            return NotAdopted(address=item.address, path=str(shown), why=_TAKEN)
        self._taken[clip.sha256] = item.address
        booked = item.expected_microusd if told is None else told
        return Adopted(
            address=item.address,
            path=str(shown),
            sha256=clip.sha256,
            booked_usd=None if booked is None else usd(booked),
        )

    def _has_purchase(self, sha256: str) -> bool:
        """Tell whether a clip has a purchase; one that was just taken in is told if met again."""
        return bool(self._ledger.bought_clips([sha256])) and sha256 not in self._taken

    def _stored_clip(self, sha256: str, path: Path) -> StoredClip:
        found = path.stat()
        try:
            media: Media | None = self._probe(path)
        except MediaFault:
            media = None
        stored_at = datetime.fromtimestamp(found.st_mtime, UTC)
        return StoredClip(
            sha256=sha256, path=path, bytes=found.st_size, stored_at=stored_at, media=media
        )


def _clip(sha256: str, extension: str, media: Media) -> Clip:
    return Clip(
        sha256=sha256,
        extension=extension,
        bytes=media.bytes,
        seconds=media.seconds,
        width=media.width,
        height=media.height,
        fps=media.fps,
    )
