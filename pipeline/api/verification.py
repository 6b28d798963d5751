"""Whether every byte that was paid for is what was received: in the store, at its path, as locked.

Every file is read, whatever its size and time say. What is wrong is put right where its bytes are
still somewhere here; what a person changed is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from pipeline.api.campaign_request import CampaignRequest, usage
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import load_lock, lock_path
from pipeline.api.roots import open_for_work
from pipeline.errors import LedgerLost, MediaFault
from pipeline.file_content import file_sha256
from pipeline.ledger.outputs import Clip, View
from pipeline.ledger.repository import Ledger
from pipeline.plan.lock.lock_text import Lock
from pipeline.run.output_check import RealFiles
from pipeline.storage.blobs import Store

_PAGE = 1000
_AT_ONCE = 4
"""Files read at once: hashing works without Python's lock."""
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFault:
    """A file that is not what it should be, or two records that disagree."""

    address: str
    message: str
    restored: str = ""
    """From where it was put right; empty where it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying a campaign came to."""

    clips: int
    """How many clips of the store were read."""
    outputs: int
    """How many files at output paths were read."""
    faults: tuple[ClipFault, ...]
    notes: tuple[str, ...] = ()
    """What is no damage, and should be known."""

    @property
    def ok(self) -> bool:
        """Tell whether all is as it should be, by now."""
        return all(fault.restored for fault in self.faults)


@dataclass(slots=True)
class _Expected:
    """A clip that must be in the store, and who wants it."""

    sha256: str
    extension: str
    bytes: int
    addresses: list[str] = field(default_factory=list)

    @property
    def named(self) -> str:
        """Return the first item that wants it, and how many others do."""
        more = len(self.addresses) - 1
        return f"{self.addresses[0]} and {more} more" if more else self.addresses[0]


def verify_campaign(
    campaign: LoadedCampaign,
    *,
    restore: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Read every clip of a campaign's ledger and lock file, and compare; `restore` what is wrong.

    InvalidInput where nothing of it was made or locked; LedgerLost where that is all there is.
    """
    request, name = campaign.request, campaign.name
    lock = load_lock(request, name)
    with ExitStack() as opened:
        ledger = _open(request, lock, restore=restore, notify=notify)
        views: list[View] = []
        if ledger is not None:
            opened.enter_context(ledger)
            views = list(_views(ledger, name))
        if not views and not lock:
            raise usage(f"nothing of '{name}' was made in {request.home}, or is in its lock file")
        return _Verifier(campaign, ledger, lock, views, restore=restore).verify()


class _Verifier:
    """Compares what is known of a campaign's clips with the files; good for once."""

    def __init__(
        self,
        campaign: LoadedCampaign,
        ledger: Ledger | None,
        lock: Lock,
        views: list[View],
        *,
        restore: bool,
    ) -> None:
        self._request = campaign.request
        self._lock_path = lock_path(campaign.request, campaign.name)
        self._ledger = ledger
        self._lock = lock
        self._views = views
        self._restore = restore
        self._store = Store(campaign.request.home)
        self._faults: list[ClipFault] = []

    def verify(self) -> Verification:
        """Compare records, then the store, then output paths, which are restored from it."""
        self._compare_records()
        expected = self._collect_expected()
        self._check_store(expected)
        placed = [view for view in self._views if view.clip and view.placed]
        self._check_outputs(placed)
        unlocked = sum(view.address not in self._lock for view in self._views)
        notes = [f"{unlocked} of its clips are not in {self._lock_path}: `run` writes them there"]
        return Verification(
            clips=len(expected),
            outputs=len(placed),
            faults=tuple(self._faults),
            notes=tuple(notes) if unlocked else (),
        )

    def _compare_records(self) -> None:
        """Tell where the lock file has another clip than the ledger, and none of its own."""
        locked = {clip.sha256 for clip in self._lock.values()}
        for view in self._views:
            line = self._lock.get(view.address)
            # A merge may have given the clip another take's line: it is locked all the same.
            if line is None or view.clip is None or view.clip.sha256 in locked:
                continue
            theirs, own = line.sha256[:_DIGITS], view.clip.sha256[:_DIGITS]
            message = f"{self._lock_path} has the clip {theirs} for it, and the ledger {own}"
            self._faults.append(ClipFault(address=view.address, message=message))

    def _collect_expected(self) -> list[_Expected]:
        """Return every clip that ledger or lock file know, each once, by its digest."""
        found: dict[tuple[str, str], _Expected] = {}
        wanted = [(view.address, view.clip) for view in self._views if view.clip is not None]
        known = [(address, each.sha256, each.extension, each.bytes) for address, each in wanted]
        known += [
            (address, each.sha256, each.extension, each.bytes)
            for address, each in self._lock.items()
        ]
        for address, sha256, extension, size in known:
            clip = found.setdefault(
                (sha256, extension), _Expected(sha256=sha256, extension=extension, bytes=size)
            )
            if address not in clip.addresses:
                clip.addresses.append(address)
        return [found[each] for each in sorted(found)]

    def _check_store(self, expected: list[_Expected]) -> None:
        paths = [self._store.path(clip.sha256, clip.extension) for clip in expected]
        for clip, path, wrong in zip(expected, paths, _wrongs(paths, expected), strict=True):
            if wrong:
                fault = ClipFault(address=clip.named, message=f"its clip {path} {wrong}")
                source = self._heal(clip) if self._restore else ""
                self._faults.append(replace(fault, restored=source))

    def _heal(self, clip: _Expected) -> str:
        """Put a clip back into the store from an output path that has its bytes; return that."""
        if self._ledger is None:
            return ""
        places = self._ledger.places([clip.sha256]).get(clip.sha256, [])
        for path in (self._store.root / place for place in places):
            try:
                if self._store.keep_clip(path, clip.sha256, clip.extension):
                    signature = self._store.signature(clip.sha256, clip.extension)
                    self._ledger.sign(clip.sha256, signature)
                    return str(path)
            except OSError:
                continue
        return ""

    def _check_outputs(self, placed: list[View]) -> None:
        paths = [self._store.root / view.path for view in placed]
        expected = [view.clip for view in placed if view.clip is not None]
        for view, path, wrong in zip(placed, paths, _wrongs(paths, expected), strict=True):
            if wrong:
                fault = ClipFault(address=view.address, message=f"{path} {wrong}")
                source = self._put_back(view, path) if self._restore else ""
                self._faults.append(replace(fault, restored=source))

    def _put_back(self, view: View, path: Path) -> str:
        """Put a clip back at its output path; what stands there is kept beside it, and named."""
        clip, ledger = view.clip, self._ledger
        if clip is None or ledger is None:
            return ""
        stored = self._store.path(clip.sha256, clip.extension)
        # Checked again: what stands there is not moved away for a clip that is damaged itself.
        if _wrong(stored, clip.sha256, clip.bytes):
            return ""
        kept = ""
        if path.is_symlink() or path.exists():
            names = (path.with_name(f"{path.stem}.changed-{n}{path.suffix}") for n in count(1))
            aside = next(name for name in names if not name.exists())
            path.rename(aside)
            kept = f"; what stood there is {aside}"
        try:
            self._store.copy_out(clip.sha256, clip.extension, path, known=ledger.is_known_clip)
        except MediaFault:
            return ""
        there = RealFiles(self._store.root).stat(view.path)
        if there is not None:
            ledger.place(view, signature=there.signature, mode=there.mode)
        return f"{stored}{kept}"


def _open(
    request: CampaignRequest, lock: Lock, *, restore: bool, notify: Callable[[str], None]
) -> Ledger | None:
    """Return the ledger, to be written to if something is restored; None where only locks know."""
    try:
        reader = Ledger.reader(request.where, kind=request.kind)
    except LedgerLost:
        if not lock:
            raise
        return None
    if reader is None or not restore:
        return reader
    reader.close()
    return open_for_work(request, notify=notify)


def _views(ledger: Ledger, campaign: str) -> Iterator[View]:
    """Yield the output paths of all items that have a clip."""
    after = -1
    while page := ledger.views(campaign=campaign, after=after, limit=_PAGE, landed=True):
        yield from page
        after = page[-1].position


def _wrongs(paths: list[Path], expected: list[_Expected] | list[Clip]) -> Iterator[str]:
    """Yield what is wrong with each file, read several at once; empty if nothing is."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(
            lambda path, clip: _wrong(path, clip.sha256, clip.bytes), paths, expected
        )


def _wrong(path: Path, sha256: str, size: int) -> str:
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            return "is no regular file"
        if file_sha256(path) == sha256:
            return ""
        there = path.stat().st_size
    except FileNotFoundError:
        return "is gone"
    except OSError as fault:
        return f"cannot be read: {fault.strerror}"
    if there == size:
        return "is not what was received: it has the same size, and other bytes"
    return f"is not what was received: it has {there:,} bytes, not {size:,}"
