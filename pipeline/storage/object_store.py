"""Files in a place that several machines share: a folder, or a bucket of S3, GCS or Azure.

    <2>/<sha256>.<ext>          clips, named as in a root's own store
    posters/<2>/<sha256>.jpg    a still of each clip that a node of a cluster has put here
    assets/<sha256>             local references of what a cluster makes
    mark                        a random text, by which machines know that they mean one place

Each is only ever created: where two machines push at once, one of them finds it there. Needs the
extra `store` (obstore).
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.storage.blobs import Store
from pipeline.storage.fs import sync, writing

if TYPE_CHECKING:  # an extra, and slow to load
    from obstore.store import ObjectStore

MISSING = "shared stores need obstore: pip install 'callsheet[store]'"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_PROBE = "probe"
"""An object that is written to learn whether one can be."""
_MARK = "mark"


def is_folder(address: str) -> bool:
    """Tell whether a store's address is the path of a folder."""
    return not _SCHEME.match(address)


class SharedStore:
    """The files at an address; Unusable where it cannot be used.

    shared = SharedStore("s3://campaigns/spring")
    shared.push(path, sha256)
    """

    def __init__(self, address: str, *, make: bool = False) -> None:
        """`make` makes a folder that is not there yet; a bucket has to exist."""
        try:
            from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
            from obstore.store import LocalStore, from_url  # noqa: PLC0415 - the same
        except ImportError:
            raise Unusable(MISSING) from None
        # It is shown, logged, and kept by shells.
        if "@" in urlsplit(address).netloc:
            raise Unusable("a store's address has no user and no password: set them as variables")
        self._address = address
        self._store: ObjectStore
        try:
            if is_folder(address):
                self._store = LocalStore(Path(address), mkdir=make)
            else:
                self._store = from_url(address)
        except (BaseError, ValueError, OSError) as fault:
            raise self._failure(fault) from fault

    def require_writable(self) -> None:
        """Raise Unusable where nothing can be put into it."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            self._store.put(_PROBE, b"")
        except (BaseError, OSError) as fault:
            raise self._failure(fault) from fault

    def read_mark(self, *, make: bool = False) -> str:
        """Return the text by which this store is known; empty where it has none, unless `make`."""
        from obstore.exceptions import AlreadyExistsError, BaseError  # noqa: PLC0415 - an extra

        try:
            if make:
                with suppress(AlreadyExistsError):
                    new = token_hex(16).encode()
                    self._store.put(_MARK, new, mode="create", use_multipart=False)
            return bytes(self._store.get(_MARK).bytes()).decode()
        except FileNotFoundError:
            return ""
        except (BaseError, OSError) as fault:
            raise self._failure(fault) from fault

    def push(self, clip: Path, sha256: str) -> bool:
        """Create the object of a clip; False where it was there already, whole.

        Unusable where another object has its name: nothing is ever overwritten.
        """
        return self._create(_name(sha256, clip.suffix), clip)

    def pull(self, target: Path, sha256: str, ext: str) -> bool:
        """Write a clip's bytes to a new file; False where there is no such object.

        Unusable where its bytes are not those of its name: the file is removed then.
        """
        return self._read(_name(sha256, f".{ext}"), target, sha256)

    def take_clip(self, store: Store, sha256: str, ext: str) -> None:
        """Have a clip of a root's store here too, with its still; durable where it is a folder."""
        clip, poster = store.path(sha256, ext), store.poster(sha256)
        name = _name(sha256, clip.suffix)
        try:
            if poster.is_file():
                self._create(_poster(sha256), poster, whole=False)
            self._create(name, clip)
        except FileNotFoundError as gone:
            # What another task brought as well may have been taken and dropped already.
            if not self._has(name):
                raise self._failure(gone) from gone

    def give_clip(self, store: Store, sha256: str, ext: str) -> bool:
        """Put a clip into a root's store, verified and durably, and its still if there is one.

        False where there is no such clip; Unusable where its bytes are others.
        """
        # A name of its own: two may bring the same clip at once.
        part = store.part(f"pull-{sha256}-{uuid4().hex}")
        if not self.pull(part, sha256, ext):
            return False
        try:
            store.adopt(part, sha256, ext)
        except Unusable:
            # Whoever was faster has dropped this part.
            if not store.has(sha256, ext):
                raise
        self._give_poster(store, part.with_suffix(".jpg"), sha256)
        # Also what was left here when a process ended that brought the same clip.
        for left in part.parent.glob(f"pull-{sha256}-*"):
            left.unlink(missing_ok=True)
        return True

    def _give_poster(self, store: Store, part: Path, sha256: str) -> None:
        poster = store.poster(sha256)
        with writing(poster), suppress(FileNotFoundError):
            if self._read(_poster(sha256), part):
                poster.parent.mkdir(parents=True, exist_ok=True)
                part.replace(poster)

    def push_reference(self, kept: Path, sha256: str) -> None:
        """Create the object of a local reference, unless it is there."""
        self._create(f"assets/{sha256}", kept)

    def copy_reference(self, media: Media, target: Path) -> str:
        """Write a local reference to a new file, verified, and return its digest.

        MediaFault where it is not here: who put all others here did not find it as it was planned.
        """
        if not self._read(f"assets/{media.digest}", target, media.digest):
            raise MediaFault(
                "media-changed",
                f"{media.source} was changed or removed after it was checked",
                "run again to plan with the file as it is now",
            )
        return media.digest

    def _create(self, name: str, file: Path, *, whole: bool = True) -> bool:
        """Create an object; False where there is one, which must have the same size if `whole`.

        FileNotFoundError where the file is gone.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError  # noqa: PLC0415 - an extra

        expected = file.stat().st_size
        try:
            # One request, for only that can be conditional; a clip is far below what it may hold.
            self._store.put(name, file, mode="create", use_multipart=False)
            is_new = True
        except AlreadyExistsError:
            is_new = False
            size = self._store.head(name)["size"] if whole else expected
            if size != expected:
                raise Unusable(
                    f"{self._address}/{name} has {size} bytes where the clip has {expected}: it was"
                    " not put there by callsheet; move it away, then push again"
                ) from None
        except (BaseError, OSError) as fault:
            # A raw FileNotFoundError would be told as a fault of the store.
            file.stat()
            raise self._failure(fault) from fault
        if is_folder(self._address):
            place = Path(self._address, name)
            with writing(place):
                # Also what was there: whoever put it there may not have come so far.
                for each in (place, place.parent, place.parent.parent):
                    sync(each)
        return is_new

    def _read(self, name: str, target: Path, sha256: str = "") -> bool:
        """Write an object's bytes to a new file; False, and no file, where there is none.

        Unusable, and no file, where they have another digest.
        """
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        digest = hashlib.sha256()
        try:
            with target.open("wb") as file:
                for chunk in self._store.get(name).stream():
                    digest.update(chunk)
                    file.write(chunk)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            return False
        except (BaseError, OSError) as fault:
            target.unlink(missing_ok=True)
            raise self._failure(fault) from fault
        if sha256 and digest.hexdigest() != sha256:
            target.unlink()
            raise Unusable(f"{self._address}/{name} is damaged: its bytes are others")
        return True

    def _has(self, name: str) -> bool:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            self._store.head(name)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as fault:
            raise self._failure(fault) from fault
        return True

    def _failure(self, fault: Exception) -> Unusable:
        (reason, *_) = str(fault).splitlines() or [type(fault).__name__]
        return Unusable(f"{self._address} cannot be used: {reason}")


def _name(sha256: str, suffix: str) -> str:
    return f"{sha256[:2]}/{sha256}{suffix}"


def _poster(sha256: str) -> str:
    return f"posters/{sha256[:2]}/{sha256}.jpg"
