"""Look at the media that a request names by address: whether they are there, and what they are.

Chosen where no page says it: an upload's address is good for the account that made it, and for no
other; what a test put on the web is good for all; any other address is taken unseen, since the
sandbox never goes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.sandbox import intake, kling
from pipeline.sandbox.desk import Desk
from pipeline.sandbox.director import Subject
from pipeline.sandbox.orders import Shown
from pipeline.sandbox.records import Upload

_CLIPS = frozenset({"guide", "edit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One medium of a request: the field that names it, what it is for, and where it is."""

    field: str
    role: str
    url: str
    medium: Upload | str = ""
    """The medium, where it is ours; else its address."""

    @property
    def shown(self) -> Shown:
        """Return how it appears in a clip."""
        return intake.shown(self.role, self.medium)


def found(desk: Desk, subject: Subject, named: Iterable[tuple[str, str, str]]) -> list[Reference]:
    """Return the media that a request names (field, role, address), those of ours looked up."""
    return [
        Reference(field=field, role=role, url=url, medium=_medium(desk, subject, url))
        for field, role, url in named
    ]


def _medium(desk: Desk, subject: Subject, url: str) -> Upload | str:
    ours = intake.at_address(desk, url)
    owners = {(subject.provider, subject.key), intake.PUBLIC}
    return ours if ours and (ours.provider, ours.account) in owners else url


def misfits(
    desk: Desk,
    reference: Reference,
    *,
    clip_seconds: tuple[float, float] = kling.CLIP_SECONDS,
) -> Iterator[str]:
    """Yield why a medium cannot be used: not there, of the wrong kind, or beyond the limits."""
    medium = reference.medium
    if isinstance(medium, str):
        if desk.serves(medium):
            yield "cannot be fetched"
        return
    if medium.media_type.startswith("video/") != (reference.role in _CLIPS):
        yield f"cannot be {medium.media_type}"
        return
    yield from kling.misfits(medium, clip_seconds=clip_seconds)
