"""What a plan saw of pictures and videos, so that it can be asked whether it would see the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipeline.domain import Media
from pipeline.errors import MediaFault
from pipeline.media.inspector import Inspector

_DIGITS = 32
Seen = Sequence[str]
"""A question as plain data: what was done, to what, and the digest of the answer."""


class InspectionLog:
    """An inspector that notes each distinct question and its answer."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._seen: dict[tuple[str, ...], str] = {}

    def look(self, file: str, folder: Path, media_type: str) -> Media:
        """Return the medium that `file` names, as `Inspector.look` does."""
        asked = ("look", file, str(folder), media_type)
        return self._note(asked, lambda: self._inspector.look(file, folder, media_type))

    def fit(self, media: Media, ratio: str, how: str) -> Media:
        """Return the image made to fit a ratio, as `Inspector.fit` does."""
        asked = ("fit", media.source, ratio, how)
        return self._note(asked, lambda: self._inspector.fit(media, ratio, how))

    def convert(self, media: Media) -> Media:
        """Return the picture as it is sent, as `Inspector.convert` does."""
        if not media.unfit:
            return media
        return self._note(("convert", media.source), lambda: self._inspector.convert(media))

    def answers(self) -> list[Seen]:
        """Return all that was asked, in its order."""
        return [(*asked, answer) for asked, answer in self._seen.items()]

    def agrees(self, seen: Iterable[Seen]) -> bool:
        """Ask again what was asked at another time; tell whether each answer is the same."""
        by_source: dict[str, Media] = {}
        for name, subject, *more, answer in seen:
            try:
                if name == "look":
                    folder, media_type = more
                    media = self.look(subject, Path(folder), media_type)
                    by_source[media.source] = media
                elif subject not in by_source:
                    return False
                elif name == "fit":
                    self.fit(by_source[subject], *more)
                else:
                    self.convert(by_source[subject])
            except MediaFault:
                # That it is missing is an answer as well.
                pass
            if self._seen.get((name, subject, *more)) != answer:
                return False
        return True

    def _note(self, asked: tuple[str, ...], ask: Callable[[], Media]) -> Media:
        try:
            media = ask()
        except MediaFault as fault:
            self._seen[asked] = _digest((fault.slug, fault.message, fault.hint))
            raise
        if asked not in self._seen:
            self._seen[asked] = _digest(media)
        return media


def _digest(answer: object) -> str:
    return hashlib.sha256(repr(answer).encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
