"""What a manifest names becomes Media: local files by their bytes, URLs by their text.

A path is judged before it is opened: a table cell must not be able to upload a private file.
Each distinct file is looked at once.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from pipeline.allowed_paths import AllowedPaths, missing_file_advice
from pipeline.domain import Media, Operation
from pipeline.domain.clip_spec import has_ratio
from pipeline.errors import MediaFault
from pipeline.media.inspection_cache import (
    RECIPE,
    DerivedImage,
    InspectionCache,
    read_derived,
)
from pipeline.web_addresses import is_address, only_address, wrapped_addresses

_MEGA = 1_000_000
_MOST_BYTES = {"image": 200 * _MEGA, "video": 500 * _MEGA}
"""What is larger is not even opened. A picture is made smaller, a video is sent as it is."""
_CONVERT = Operation(name="convert", parameters={}, recipe=RECIPE)
_FITTED_OTHERWISE = frozenset({"CMYK", "16-bit grey"})
"""Of these `fit` made other pixels before there was `convert`: the key says that it came first. All
others keep the key they had."""


class Inspector:
    """Looks at each distinct file once; `plan.expand` is handed one."""

    def __init__(
        self,
        folder: Path,
        allow: Sequence[Path],
        assets: Path,
        cache: InspectionCache | None = None,
        *,
        dry: bool = False,
    ) -> None:
        """`folder` and `allow` may be read from; `cache` remembers what was seen in earlier runs.

        `assets` is where images are kept that are made from others. In a `dry` run what they
        measure is enough: none is written, and none is made that is known.
        """
        self._allowed = AllowedPaths(folder, allow)
        self._assets = assets
        self._dry = dry
        self._cache = cache or InspectionCache(None)
        self._places: dict[tuple[str, Path], Path] = {}
        self._seen: dict[tuple[Path, str], Media | MediaFault] = {}
        self._made: dict[tuple[str, str, str], Media] = {}

    def look(self, file: str, folder: Path, media_type: str) -> Media:
        """Return the medium that `file` names, relative to `folder`; raise MediaFault if unusable.

        `media_type` is "image" or "video". A URL is not fetched: it counts by its text.
        """
        wrapped = wrapped_addresses(file.strip())
        if wrapped or is_address(file):
            url = only_address(file.strip(), wrapped, media_type)
            digest = hashlib.sha256(url.encode()).hexdigest()
            return Media(media_type=media_type, source=url, local=False, digest=digest)
        path = self._places.get((file, folder))
        if path is None:
            path = self._places[file, folder] = self._allowed.resolve(file, folder)
        known = self._seen.get((path, media_type))
        if known is None:
            try:
                known = self._measure(path, file, folder, media_type)
            except MediaFault as fault:
                known = fault
            except OSError as error:
                message = f"{file!r} cannot be read: {error.strerror}"
                known = MediaFault("missing-file", message)
            self._seen[path, media_type] = known
        if isinstance(known, MediaFault):
            # New each time: raised again, one object would gather the tracebacks of all looks.
            raise MediaFault(known.slug, known.message, known.hint)
        return known

    def fit(self, media: Media, ratio: str, how: str) -> Media:
        """Return the image made to fit `ratio` ("9:16"), by `how`: "crop" or "pad"."""
        if not media.local:
            message = "only a local file can be made to fit"
            raise MediaFault("wrong-media", message, "download it first")
        width, height = (int(side) for side in ratio.split(":"))
        # Of the right shape nothing is cut or padded; it may be no PNG or JPEG all the same.
        if has_ratio(media.width, media.height, width / height):
            return self.convert(media)
        shape = Operation(name=how, parameters={"ratio": ratio}, recipe=RECIPE)
        otherwise = _FITTED_OTHERWISE.intersection(media.unfit)
        return self._derive(media, (_CONVERT, shape) if otherwise else (shape,))

    def convert(self, media: Media) -> Media:
        """Return the picture as it is sent: itself, or a PNG or JPEG made of it.

        What is made of it stands beside the other assets; `Media.unfit` says why it had to be.
        """
        if not media.local or not media.unfit or media.operations:
            return media
        return self._derive(media, (_CONVERT,))

    def _derive(self, media: Media, operations: tuple[Operation, ...]) -> Media:
        """Return what the operations make of an image, made now unless it is known."""
        ratio = operations[-1].parameters.get("ratio", "")
        how = "+".join(operation.name for operation in operations)
        identity = (media.digest, ratio, how)
        known = self._made.get(identity)
        if known is not None:
            return known

        def make() -> DerivedImage:
            # Pillow is slow to load: only where an image is not known yet.
            from pipeline.media.derive import convert_image, fit_image  # noqa: PLC0415 - see above

            assets = None if self._dry else self._assets
            return fit_image(media, ratio, how, assets) if ratio else convert_image(media, assets)

        image = read_derived(self._assets, media, ratio, how)
        if image is None:
            image = self._cache.derive(media, ratio, how, make, anew=not self._dry)
        made = self._made[identity] = Media(
            media_type="image",
            source=str(self._assets / image.digest),
            local=True,
            digest=image.digest,
            format=image.format,
            bytes=image.bytes,
            width=image.width,
            height=image.height,
            source_digest=media.digest,
            operations=operations,
            made_from=media.source,
            unfit=media.unfit,
        )
        return made

    def _measure(self, path: Path, file: str, folder: Path, media_type: str) -> Media:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            status = None
        if status is None:
            raise MediaFault(
                "missing-file", f"{file!r} does not exist", missing_file_advice(file, folder)
            )
        if stat.S_ISDIR(status.st_mode):
            raise MediaFault("missing-file", f"{file!r} is a folder")
        # Told before it is opened: to open a pipe that nobody writes to waits for ever.
        if not stat.S_ISREG(status.st_mode):
            message = f"{file!r} is a pipe or a device, not a file"
            raise MediaFault("missing-file", message)
        size, most = status.st_size, _MOST_BYTES[media_type]
        if size > most:
            message = f"{file!r} has {size / _MEGA:,.0f} MB; at most {most / _MEGA:.0f} are read"
            raise MediaFault("too-large", message, "scale it down")
        return self._cache.look(path, status, media_type, _MEASURES[media_type])


def _measure_video(path: Path) -> Media:
    # Most manifests name no video, and FFmpeg is slow to load.
    from pipeline.media.video import measure  # noqa: PLC0415 - see above

    return measure(path)


def _measure_image(path: Path) -> Media:
    # Nor need Pillow be loaded for pictures that are known.
    from pipeline.media.image import measure_image  # noqa: PLC0415 - see above

    return measure_image(path)


_MEASURES = {"image": _measure_image, "video": _measure_video}
