"""What a manifest names becomes Media: local files by their bytes, URLs by their text.

A path is judged before it is opened: a table cell must not be able to upload a private file.
Each distinct file is looked at once.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.allowed_paths import AllowedPaths
from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.media.derive import fitted
from pipeline.media.image import measure_image

_NAMES_COMPARED = 2000
_MEGA = 1_000_000
_MOST_BYTES = {"image": 50 * _MEGA, "video": 500 * _MEGA}
"""More than any provider takes: what is larger is not even opened."""


def _video(path: Path) -> Media:
    # Most manifests name no video, and FFmpeg is slow to load.
    from pipeline.media.video import measure  # noqa: PLC0415 - see above

    return measure(path)


_WEB = "it begins with https://"
_READERS: dict[str, Callable[[Path], Media]] = {"image": measure_image, "video": _video}


class Inspector:
    """Looks at each distinct file once; `plan.expand` is handed one."""

    def __init__(self, folder: Path, allow: Sequence[Path], assets: Path) -> None:
        """`folder` and `allow` may be read from; `assets` is where fitted frames are kept."""
        self._allowed = AllowedPaths(folder, allow)
        self._assets = assets
        self._places: dict[tuple[str, Path], Path] = {}
        self._seen: dict[tuple[Path, str], Media | MediaFault] = {}
        self._fitted: dict[tuple[str, str, str], Media] = {}

    def look(self, file: str, folder: Path, media_type: str) -> Media:
        """Return the medium that `file` names, relative to `folder`; raise MediaFault if unusable.

        `media_type` is "image" or "video". A URL is not fetched: it counts by its text.
        """
        if "://" in file:
            return _remote(file.strip(), media_type)
        path = self._place(file, folder)
        known = self._seen.get((path, media_type))
        if known is None:
            known = self._seen[path, media_type] = _look(path, file, media_type)
        if isinstance(known, MediaFault):
            raise MediaFault(known.slug, known.message, known.hint)
        return known

    def fit(self, media: Media, ratio: str, how: str) -> Media:
        """Return the image made to fit `ratio` ("9:16"), by `how`: "crop" or "pad"."""
        identity = (media.digest, ratio, how)
        if identity not in self._fitted:
            self._fitted[identity] = fitted(media, ratio, how, self._assets)
        return self._fitted[identity]

    def _place(self, file: str, folder: Path) -> Path:
        known = self._places.get((file, folder))
        if known is not None:
            return known
        path = self._places[file, folder] = self._allowed.resolve(file, folder)
        return path


def _look(path: Path, file: str, media_type: str) -> Media | MediaFault:
    try:
        if not path.is_file():
            return _missing(path, file)
        size, most = path.stat().st_size, _MOST_BYTES[media_type]
        if size > most:
            message = f"{file!r} has {size / _MEGA:,.0f} MB; no provider takes {most / _MEGA:.0f}"
            return MediaFault("too-large", message, "scale it down")
        return _READERS[media_type](path)
    except MediaFault as fault:
        return fault
    except OSError as error:
        return MediaFault("missing-file", f"{file!r} cannot be read: {error.strerror}")


def _missing(path: Path, file: str) -> MediaFault:
    if path.is_dir():
        return MediaFault("missing-file", f"{file!r} is a folder")
    if path.exists():
        return MediaFault("missing-file", f"{file!r} is a pipe or a device, not a file")
    if file.startswith("www."):
        return MediaFault("missing-file", f"{file!r} does not exist", _WEB)
    near = _nearest(path)
    meant = near and f"did you mean {str(Path(file).with_name(near))!r}?"
    return MediaFault("missing-file", f"{file!r} does not exist", meant)


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = [entry.name for entry in islice(path.parent.iterdir(), _NAMES_COMPARED)]
    folded = {name.casefold(): name for name in sorted(names)}
    near = difflib.get_close_matches(path.name.casefold(), folded, n=1)
    return folded[near[0]] if near else ""


def _remote(url: str, media_type: str) -> Media:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise MediaFault("wrong-media", f"{url!r} is no web address", _WEB)
    digest = hashlib.sha256(url.encode()).hexdigest()
    return Media(media_type=media_type, source=url, local=False, digest=digest)
