"""A shot's bundles, for one row and cell → numbered references, and what prompts may mention.

The order of ordinals is that of `use`, then as written, then inline. Optional references whose
file is blank are left out; any other blank file is a finding, because a clip without its product
costs as much as one with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pipeline.domain import (
    MOST_LISTED,
    Bundle,
    ElementSpec,
    FramesSpec,
    ImageSpec,
    Media,
    Reference,
    Role,
    Token,
    Value,
    VideoSpec,
)
from pipeline.findings import Span
from pipeline.plan.looking import Inspector, Looking
from pipeline.plan.scope import Scope

_ORDER = (Role.FIRST, Role.LAST, Role.IMAGE, Role.ELEMENT, Role.VIDEO)
_SINGLE: Mapping[Role, str] = MappingProxyType(
    {Role.FIRST: "first frame", Role.LAST: "last frame", Role.VIDEO: "video"}
)
_PARTS: Mapping[Role, str] = MappingProxyType(
    {Role.FIRST: "first", Role.LAST: "last", Role.IMAGE: "images", Role.ELEMENT: "elements"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What is attached at one row and cell."""

    references: tuple[Reference, ...]
    parts: frozenset[str]
    """first, last, images, elements, guide, edit, fast: what `rules.COMBINATIONS` speaks of."""
    images: int
    elements: int
    tokens: Mapping[str, Token]
    """Every name that a prompt may mention here, with and without its bundle."""
    refs: Mapping[str, bool]
    """What templates see as `refs`: whether a name is attached."""
    fit: str
    keep_audio: bool
    seconds: float | None
    """Length of the input clip; None where there is none, or nobody said."""
    values: Mapping[Span, Value]
    """The values that name files, by where their reference is written."""
    spans: Mapping[str, Span]
    """Where first, last, images, elements and video are written."""
    broken: bool
    """Some reference has a finding; it counts, but has no media."""


def depends(bundles: Iterable[Bundle], scope: Scope) -> int:
    """Return the levels that the attached references depend on."""
    return scope.level_of(value for bundle in bundles for value in _values(bundle))


def attach(bundles: Iterable[Bundle], scope: Scope, inspector: Inspector) -> Attached:
    """Return the references of the row and cell that the scope stands at."""
    desk = _Desk(look=Looking(scope=scope, inspector=inspector))
    for bundle in bundles:
        desk.lay(bundle)
    return desk.attached()


def _values(bundle: Bundle) -> Iterator[Value | None]:
    for image in bundle.images:
        yield from (image.file, image.say)
    for element in bundle.elements:
        yield from (element.description, *element.images)
    if bundle.frames:
        yield from (bundle.frames.first, bundle.frames.last, bundle.frames.fit)
    if bundle.video:
        yield from (bundle.video.file, bundle.video.role, bundle.video.seconds)


@dataclass(slots=True, kw_only=True)
class _Desk:
    """Where the bundles are laid out, one after another."""

    look: Looking
    references: list[Reference] = field(default_factory=list)
    counts: dict[Role, int] = field(default_factory=dict)
    parts: set[str] = field(default_factory=set)
    tokens: dict[str, Token] = field(default_factory=dict)
    refs: dict[str, bool] = field(default_factory=dict)
    values: dict[Span, Value] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    fit: str = ""
    keep_audio: bool = False
    seconds: float | None = None

    def lay(self, bundle: Bundle) -> None:
        if bundle.frames:
            self._frames(bundle.name, bundle.frames)
        for image in bundle.images:
            self._image(bundle.name, image)
        for element in bundle.elements:
            self._element(bundle.name, element)
        if bundle.video:
            self._video(bundle.name, bundle.video)

    def attached(self) -> Attached:
        self.references.sort(key=lambda reference: _ORDER.index(reference.role))
        return Attached(
            references=tuple(self.references),
            parts=frozenset(self.parts),
            images=self.counts.get(Role.IMAGE, 0),
            elements=self.counts.get(Role.ELEMENT, 0),
            tokens=self.tokens,
            refs=self.refs,
            fit=self.fit,
            keep_audio=self.keep_audio,
            seconds=self.seconds,
            values=self.values,
            spans=self.spans,
            broken=self.look.broken,
        )

    def _frames(self, owner: str, frames: FramesSpec) -> None:
        self.fit = self.look.text(frames.fit) or self.fit
        if frames.first:
            self._single(Role.FIRST, owner, frames.first)
        # A last frame that is blank is absent, as any blank value (manifest.md §4).
        if frames.last and self.look.files(frames.last) != ():
            self._single(Role.LAST, owner, frames.last)

    def _image(self, owner: str, spec: ImageSpec) -> None:
        files = self.look.files(spec.file)
        if files == () and not spec.optional:
            self._blank(spec.file, f"'{spec.name}'", "say optional: true if it may be missing")
            files = None
        self._note(owner, spec.name, attached=files != ())
        if files is None:
            # It is meant to be there: that the prompt mentions it is no second fault.
            name = f"{spec.name}_1" if spec.each else spec.name
            self._note_each(owner, spec, 1)
            self._add(Role.IMAGE, owner, name, (), span=spec.span)
            return
        self.values[spec.span] = spec.file
        say = self.look.text(spec.say) if files else ""
        taken = files[: spec.max if spec.each else 1]
        self._note_each(owner, spec, len(taken))
        for number, file in enumerate(taken, 1):
            name = f"{spec.name}_{number}" if spec.each else spec.name
            media = self.look.look(spec.file, file, "image", spec.pin)
            self._add(Role.IMAGE, owner, name, (media,), say=say, span=spec.span)

    def _element(self, owner: str, spec: ElementSpec) -> None:
        media: list[Media | None] = []
        for value in spec.images:
            files = self.look.files(value)
            if files == ():
                self._blank(value, f"an image of '{spec.name}'")
            media += [self.look.look(value, file, "image") for file in files or ()] or [None]
        say = self.look.text(spec.description)
        self._note(owner, spec.name, attached=True)
        self._add(Role.ELEMENT, owner, spec.name, tuple(media), say=say, span=spec.span)

    def _video(self, owner: str, spec: VideoSpec) -> None:
        role = self.look.text(spec.role)
        self.parts |= {role, "fast"} if spec.fast else {role}
        self.keep_audio = spec.keep_audio
        media = self._single(Role.VIDEO, owner, spec.file, pin=spec.pin)
        if media is None:
            return
        said = None if media.local else self.look.value(spec.seconds)
        self.seconds = media.seconds if said is None else float(said)
        if role == "edit" and self.seconds is None:
            message = "an edit of an address needs its length, which is the price"
            self.look.fault(spec.file, "seconds-needed", message, "add seconds: 5, say")

    def _single(self, role: Role, owner: str, value: Value, *, pin: str = "") -> Media | None:
        """Attach what there can be one of."""
        if role in self.counts:
            message = f"there can be only one {_SINGLE[role]}"
            first = self.spans[_PARTS.get(role, role.value)]
            self.look.fault(value, "two-references", message, "leave one out", related=(first,))
            return None
        files = self.look.files(value)
        if files == ():
            self._blank(value, f"the {_SINGLE[role]}")
        media_type = "video" if role is Role.VIDEO else "image"
        media = self.look.look(value, files[0], media_type, pin) if files else None
        self.values[value.span] = value
        self._note(owner, role.value, attached=True)
        self._add(role, owner, role.value, (media,), span=value.span)
        return media

    def _note(self, owner: str, name: str, *, attached: bool) -> None:
        self.refs[name] = attached
        if owner:
            self.refs[f"{owner}.{name}"] = attached

    def _note_each(self, owner: str, spec: ImageSpec, count: int) -> None:
        for number in range(1, MOST_LISTED + 1) if spec.each else ():
            self._note(owner, f"{spec.name}_{number}", attached=number <= count)

    def _add(
        self,
        role: Role,
        owner: str,
        name: str,
        media: tuple[Media | None, ...],
        *,
        say: str = "",
        span: Span,
    ) -> None:
        ordinal = self.counts[role] = self.counts.get(role, 0) + 1
        token = Token(role=role, ordinal=ordinal)
        # A plain name that two bundles share stays with the first; the manifest refuses it.
        self.tokens.setdefault(name, token)
        if owner:
            self.tokens[f"{owner}.{name}"] = token
        part = _PARTS.get(role, role.value)
        self.parts |= {part} & set(_PARTS.values())
        self.spans.setdefault(part, span)
        whole = tuple(each for each in media if each is not None)
        if len(whole) == len(media) > 0:
            self.references.append(
                Reference(role=role, ordinal=ordinal, name=name, media=whole, say=say, span=span)
            )

    def _blank(self, value: Value, what: str, hint: str = "") -> None:
        self.look.fault(value, "blank-reference", f"{what} has no file", hint)
