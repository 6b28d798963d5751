"""Clips in a place that several machines share: a folder, or a bucket of S3, GCS or Azure.

A clip is an object `<2>/<sha256>.<ext>`, as in a root's own store, and is only ever created: where
two machines push at once, one of them finds it there. Needs the extra `store` (obstore).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import Unusable

if TYPE_CHECKING:  # an extra, and slow to load
    from obstore.store import ObjectStore

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


class SharedStore:
    """The clips at an address; Unusable where it cannot be used.

    shared = SharedStore("s3://campaigns/spring")
    shared.push(path, sha256)
    """

    def __init__(self, address: str, *, make: bool = False) -> None:
        """`make` makes a folder that is not there yet; a bucket has to exist."""
        try:
            from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
            from obstore.store import LocalStore, from_url  # noqa: PLC0415 - the same
        except ImportError:
            message = "shared stores need obstore: pip install 'callsheet[store]'"
            raise Unusable(message) from None
        # It is shown, logged, and kept by shells.
        if "@" in urlsplit(address).netloc:
            raise Unusable("a store's address has no user and no password: set them as variables")
        self._address = address
        self._store: ObjectStore
        try:
            if _SCHEME.match(address):
                self._store = from_url(address)
            else:
                self._store = LocalStore(Path(address), mkdir=make)
        except (BaseError, ValueError, OSError) as fault:
            raise self._failure(fault) from fault

    def push(self, clip: Path, sha256: str) -> bool:
        """Create the object of a clip; False where it was there already, whole.

        Unusable where another object has its name: nothing is ever overwritten.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError  # noqa: PLC0415 - an extra

        name = _name(sha256, clip.suffix)
        try:
            # One request, for only that can be conditional; a clip is far below what it may hold.
            self._store.put(name, clip, mode="create", use_multipart=False)
        except AlreadyExistsError:
            size, expected = self._store.head(name)["size"], clip.stat().st_size
            if size != expected:
                raise Unusable(
                    f"{self._address}/{name} has {size} bytes where the clip has {expected}: it was"
                    " not put there by callsheet; move it away, then push again"
                ) from None
            return False
        except (BaseError, OSError) as fault:
            raise self._failure(fault) from fault
        return True

    def pull(self, target: Path, sha256: str, ext: str) -> bool:
        """Write a clip's bytes to a new file; False where there is no such object.

        Unusable where its bytes are not those of its name: the file is removed then.
        """
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        name = _name(sha256, f".{ext}")
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
        if digest.hexdigest() != sha256:
            target.unlink()
            raise Unusable(f"{self._address}/{name} is damaged: its bytes are others")
        return True

    def _failure(self, fault: Exception) -> Unusable:
        (reason, *_) = str(fault).splitlines() or [type(fault).__name__]
        return Unusable(f"{self._address} cannot be used: {reason}")


def _name(sha256: str, suffix: str) -> str:
    return f"{sha256[:2]}/{sha256}{suffix}"
